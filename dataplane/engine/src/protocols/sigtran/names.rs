//! Names of classes, messages, user parts, operations and errors.

/// Classes of messages (RFC 4666, 3.1.2, and the other adaptation layers).
pub(super) const fn class(class: u8) -> &'static str {
    match class {
        0 => "management",
        1 => "transfer",
        2 => "network_management",
        3 => "state_maintenance",
        4 => "traffic_maintenance",
        5 => "boundary_primitives_transport",
        6 => "mtp2_user_adaptation",
        7 => "connectionless",
        8 => "connection_oriented",
        9 => "routing_key_management",
        10 => "interface_identifier_management",
        11 => "peer_to_peer",
        _ => "unknown",
    }
}

/// Messages by class and type.
pub(super) fn message(class: u8, kind: u8) -> Option<&'static str> {
    let (first, names): (u8, &[&'static str]) = match class {
        0 => (0, &["error", "notify", "tei_status_request", "tei_status_confirm", "tei_status_indication"]),
        1 => (1, &["data"]),
        2 => (1, &["unavailable", "available", "audit", "congested", "user_part_unavailable", "restricted"]),
        3 => (1, &["up", "down", "heartbeat", "up_ack", "down_ack", "heartbeat_ack"]),
        4 => (1, &["active", "inactive", "active_ack", "inactive_ack"]),
        5 => (1, PRIMITIVES),
        6 => (1, MTP2_USER),
        7 => (1, &["data", "response"]),
        8 => (1, CONNECTIONS),
        9 | 10 => {
            (1, &["registration", "registration_response", "deregistration", "deregistration_response"])
        }
        11 => (1, &["user_data", "link_status"]),
        _ => return None,
    };
    names.get(usize::from(kind.checked_sub(first)?)).copied()
}

/// IUA (RFC 4233, 3.3.1).
const PRIMITIVES: &[&str] = &[
    "data_request",
    "data_indication",
    "unit_data_request",
    "unit_data_indication",
    "establish_request",
    "establish_confirm",
    "establish_indication",
    "release_request",
    "release_confirm",
    "release_indication",
];

/// M2UA (RFC 3331, 3.3.1).
const MTP2_USER: &[&str] = &[
    "data",
    "establish_request",
    "establish_confirm",
    "release_request",
    "release_confirm",
    "release_indication",
    "state_request",
    "state_confirm",
    "state_indication",
    "data_retrieval_request",
    "data_retrieval_confirm",
    "data_retrieval_indication",
    "data_retrieval_complete",
    "congestion_indication",
    "data_acknowledge",
];

/// SUA (RFC 3868, 3.3).
const CONNECTIONS: &[&str] = &[
    "connection_request",
    "connection_acknowledge",
    "connection_refusal",
    "release_request",
    "release_complete",
    "reset_confirm",
    "reset_request",
    "data",
    "data_acknowledge",
    "error",
    "inactivity_test",
];

/// Users of the message transfer part (ITU-T Q.704, 14.2.1).
pub(super) const fn user_part(user: u8) -> &'static str {
    match user {
        0 => "network_management",
        1 | 2 => "network_test",
        3 => "sccp",
        4 => "tup",
        5 => "isup",
        8 => "mtp_testing",
        9 => "broadband_isup",
        10 => "satellite_isup",
        12 => "aal2",
        13 => "bicc",
        14 => "gateway_control",
        _ => "other",
    }
}

/// Messages of calls (ITU-T Q.763, table 4).
pub(super) const fn isup(kind: u8) -> &'static str {
    match kind {
        0x01 => "initial_address",
        0x02 => "subsequent_address",
        0x03 => "information_request",
        0x04 => "information",
        0x05 => "continuity",
        0x06 => "address_complete",
        0x07 => "connect",
        0x08 => "forward_transfer",
        0x09 => "answer",
        0x0c => "release",
        0x0d => "suspend",
        0x0e => "resume",
        0x10 => "release_complete",
        0x11 => "continuity_check_request",
        0x12 => "reset_circuit",
        0x13 => "blocking",
        0x14 => "unblocking",
        0x15 => "blocking_acknowledgement",
        0x16 => "unblocking_acknowledgement",
        0x17 => "circuit_group_reset",
        0x18 => "circuit_group_blocking",
        0x19 => "circuit_group_unblocking",
        0x1a => "circuit_group_blocking_acknowledgement",
        0x1b => "circuit_group_unblocking_acknowledgement",
        0x29 => "circuit_group_reset_acknowledgement",
        0x2c => "call_progress",
        0x2d => "user_to_user_information",
        0x2f => "confusion",
        0x32 => "charge_information",
        0x33 => "facility",
        0x38 => "application_transport",
        _ => "other",
    }
}

fn look_up(table: &'static [(u8, &'static str)], code: u8) -> Option<&'static str> {
    let at = table.binary_search_by_key(&code, |(other, _)| *other).ok()?;
    table.get(at).map(|(_, name)| *name)
}

/// Operation of MAP.
pub(super) fn map(code: u8) -> Option<&'static str> {
    look_up(MAP, code)
}

/// Error of MAP.
pub(super) fn map_error(code: u8) -> Option<&'static str> {
    look_up(MAP_ERRORS, code)
}

/// Operation of CAP.
pub(super) fn cap(code: u8) -> Option<&'static str> {
    look_up(CAP, code)
}

/// 3GPP TS 29.002, 17.5, ascending.
const MAP: &[(u8, &str)] = &[
    (2, "update_location"),
    (3, "cancel_location"),
    (4, "provide_roaming_number"),
    (5, "note_subscriber_data_modified"),
    (6, "resume_call_handling"),
    (7, "insert_subscriber_data"),
    (8, "delete_subscriber_data"),
    (9, "send_parameters"),
    (10, "register_ss"),
    (11, "erase_ss"),
    (12, "activate_ss"),
    (13, "deactivate_ss"),
    (14, "interrogate_ss"),
    (15, "authentication_failure_report"),
    (17, "register_password"),
    (18, "get_password"),
    (20, "release_resources"),
    (22, "send_routing_info"),
    (23, "update_gprs_location"),
    (24, "send_routing_info_for_gprs"),
    (25, "failure_report"),
    (26, "note_ms_present_for_gprs"),
    (29, "send_end_signal"),
    (33, "process_access_signalling"),
    (34, "forward_access_signalling"),
    (37, "reset"),
    (38, "forward_check_ss_indication"),
    (39, "prepare_group_call"),
    (43, "check_imei"),
    (44, "mt_forward_sm"),
    (45, "send_routing_info_for_sm"),
    (46, "mo_forward_sm"),
    (47, "report_sm_delivery_status"),
    (50, "activate_trace_mode"),
    (51, "deactivate_trace_mode"),
    (55, "send_identification"),
    (56, "send_authentication_info"),
    (57, "restore_data"),
    (58, "send_imsi"),
    (59, "process_unstructured_ss_request"),
    (60, "unstructured_ss_request"),
    (61, "unstructured_ss_notify"),
    (62, "any_time_subscription_interrogation"),
    (63, "inform_service_centre"),
    (64, "alert_service_centre"),
    (65, "any_time_modification"),
    (66, "ready_for_sm"),
    (67, "purge_ms"),
    (68, "prepare_handover"),
    (69, "prepare_subsequent_handover"),
    (70, "provide_subscriber_info"),
    (71, "any_time_interrogation"),
    (72, "ss_invocation_notification"),
    (73, "set_reporting_state"),
    (74, "status_report"),
    (75, "remote_user_free"),
    (76, "register_cc_entry"),
    (77, "erase_cc_entry"),
    (83, "provide_subscriber_location"),
    (85, "send_routing_info_for_lcs"),
    (86, "subscriber_location_report"),
    (87, "ist_alert"),
    (88, "ist_command"),
    (89, "note_mm_event"),
];

/// 3GPP TS 29.002, 17.6.6, ascending.
const MAP_ERRORS: &[(u8, &str)] = &[
    (1, "unknown_subscriber"),
    (3, "unknown_msc"),
    (5, "unidentified_subscriber"),
    (6, "absent_subscriber_sm"),
    (7, "unknown_equipment"),
    (8, "roaming_not_allowed"),
    (9, "illegal_subscriber"),
    (10, "bearer_service_not_provisioned"),
    (11, "teleservice_not_provisioned"),
    (12, "illegal_equipment"),
    (13, "call_barred"),
    (14, "forwarding_violation"),
    (21, "facility_not_supported"),
    (27, "absent_subscriber"),
    (28, "incompatible_terminal"),
    (31, "subscriber_busy_for_mt_sms"),
    (32, "sm_delivery_failure"),
    (33, "message_waiting_list_full"),
    (34, "system_failure"),
    (35, "data_missing"),
    (36, "unexpected_data_value"),
    (44, "number_changed"),
    (45, "busy_subscriber"),
    (46, "no_subscriber_reply"),
    (47, "forwarding_failed"),
    (49, "ati_not_allowed"),
    (52, "unauthorized_requesting_network"),
    (53, "unauthorized_lcs_client"),
    (54, "position_method_failure"),
    (71, "unknown_alphabet"),
    (72, "ussd_busy"),
];

/// 3GPP TS 29.078, 6.1.2, ascending.
const CAP: &[(u8, &str)] = &[
    (0, "initial_dp"),
    (16, "assist_request_instructions"),
    (17, "establish_temporary_connection"),
    (18, "disconnect_forward_connection"),
    (19, "connect_to_resource"),
    (20, "connect"),
    (22, "release_call"),
    (23, "request_report_bcsm_event"),
    (24, "event_report_bcsm"),
    (27, "collect_information"),
    (31, "continue"),
    (32, "initiate_call_attempt"),
    (33, "reset_timer"),
    (34, "furnish_charging_information"),
    (35, "apply_charging"),
    (36, "apply_charging_report"),
    (41, "call_gap"),
    (44, "call_information_report"),
    (45, "call_information_request"),
    (46, "send_charging_information"),
    (47, "play_announcement"),
    (48, "prompt_and_collect_user_information"),
    (49, "specialized_resource_report"),
    (53, "cancel"),
    (55, "activity_test"),
    (56, "continue_with_argument"),
    (60, "initial_dp_sms"),
    (61, "furnish_charging_information_sms"),
    (62, "connect_sms"),
    (63, "request_report_sms_event"),
    (64, "event_report_sms"),
    (65, "continue_sms"),
    (66, "release_sms"),
    (67, "reset_timer_sms"),
    (70, "activity_test_gprs"),
    (71, "apply_charging_gprs"),
    (72, "apply_charging_report_gprs"),
    (73, "cancel_gprs"),
    (74, "connect_gprs"),
    (75, "continue_gprs"),
    (76, "entity_released_gprs"),
    (77, "furnish_charging_information_gprs"),
    (78, "initial_dp_gprs"),
    (79, "release_gprs"),
    (80, "event_report_gprs"),
    (81, "request_report_gprs_event"),
    (82, "reset_timer_gprs"),
];
