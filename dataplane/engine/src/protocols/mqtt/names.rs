//! Names of versions and reason codes.

/// Name of a protocol level.
pub(super) const fn version(level: u8) -> &'static str {
    match level {
        3 => "3.1",
        4 => "3.1.1",
        5 => "5.0",
        _ => "unknown",
    }
}

/// Name of a return code of CONNACK before version 5 (MQTT 3.1.1, 3.2.2.3).
pub(super) const fn return_code(code: u8) -> &'static str {
    match code {
        0 => "accepted",
        1 => "unacceptable_protocol_version",
        2 => "identifier_rejected",
        3 => "server_unavailable",
        4 => "bad_user_name_or_password",
        5 => "not_authorized",
        _ => "unknown",
    }
}

/// Name of a reason code of version 5 (MQTT 5.0, 2.4).
pub(super) const fn reason(code: u8) -> &'static str {
    match code {
        0x00 => "success",
        0x04 => "disconnect_with_will_message",
        0x10 => "no_matching_subscribers",
        0x18 => "continue_authentication",
        0x19 => "reauthenticate",
        0x80 => "unspecified_error",
        0x81 => "malformed_packet",
        0x82 => "protocol_error",
        0x83 => "implementation_specific_error",
        0x84 => "unsupported_protocol_version",
        0x85 => "client_identifier_not_valid",
        0x86 => "bad_user_name_or_password",
        0x87 => "not_authorized",
        0x88 => "server_unavailable",
        0x89 => "server_busy",
        0x8a => "banned",
        0x8b => "server_shutting_down",
        0x8c => "bad_authentication_method",
        0x8d => "keep_alive_timeout",
        0x8e => "session_taken_over",
        0x8f => "topic_filter_invalid",
        0x90 => "topic_name_invalid",
        0x95 => "packet_too_large",
        0x96 => "message_rate_too_high",
        0x97 => "quota_exceeded",
        0x98 => "administrative_action",
        0x99 => "payload_format_invalid",
        0x9a => "retain_not_supported",
        0x9b => "qos_not_supported",
        0x9c => "use_another_server",
        0x9d => "server_moved",
        0x9f => "connection_rate_exceeded",
        _ => "unknown",
    }
}
