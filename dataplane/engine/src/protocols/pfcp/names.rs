//! Names of messages and causes (3GPP TS 29.244, 7.3 and 8.2.1).

pub(super) const fn message(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "heartbeat_request",
        2 => "heartbeat_response",
        3 => "pfd_management_request",
        4 => "pfd_management_response",
        5 => "association_setup_request",
        6 => "association_setup_response",
        7 => "association_update_request",
        8 => "association_update_response",
        9 => "association_release_request",
        10 => "association_release_response",
        11 => "version_not_supported_response",
        12 => "node_report_request",
        13 => "node_report_response",
        14 => "session_set_deletion_request",
        15 => "session_set_deletion_response",
        16 => "session_set_modification_request",
        17 => "session_set_modification_response",
        50 => "session_establishment_request",
        51 => "session_establishment_response",
        52 => "session_modification_request",
        53 => "session_modification_response",
        54 => "session_deletion_request",
        55 => "session_deletion_response",
        56 => "session_report_request",
        57 => "session_report_response",
        _ => return None,
    })
}

pub(super) const fn cause(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "request_accepted",
        2 => "more_usage_report_to_send",
        3 => "request_partially_accepted",
        64 => "request_rejected",
        65 => "session_context_not_found",
        66 => "mandatory_element_missing",
        67 => "conditional_element_missing",
        68 => "invalid_length",
        69 => "mandatory_element_incorrect",
        70 => "invalid_forwarding_policy",
        71 => "invalid_tunnel_allocation_option",
        72 => "no_established_association",
        73 => "rule_creation_or_modification_failure",
        74 => "entity_in_congestion",
        75 => "no_resources_available",
        76 => "service_not_supported",
        77 => "system_failure",
        78 => "redirection_requested",
        _ => return None,
    })
}
