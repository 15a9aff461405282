//! Names of services, objects, properties and reasons (ANSI/ASHRAE 135-2020, clause 21).

/// Confirmed services.
pub(super) const fn confirmed(code: u8) -> Option<&'static str> {
    const NAMES: [&str; 34] = [
        "acknowledge_alarm",
        "confirmed_cov_notification",
        "confirmed_event_notification",
        "get_alarm_summary",
        "get_enrollment_summary",
        "subscribe_cov",
        "atomic_read_file",
        "atomic_write_file",
        "add_list_element",
        "remove_list_element",
        "create_object",
        "delete_object",
        "read_property",
        "read_property_conditional",
        "read_property_multiple",
        "write_property",
        "write_property_multiple",
        "device_communication_control",
        "confirmed_private_transfer",
        "confirmed_text_message",
        "reinitialize_device",
        "vt_open",
        "vt_close",
        "vt_data",
        "authenticate",
        "request_key",
        "read_range",
        "life_safety_operation",
        "subscribe_cov_property",
        "get_event_information",
        "subscribe_cov_property_multiple",
        "confirmed_cov_notification_multiple",
        "confirmed_audit_notification",
        "audit_log_query",
    ];
    at(&NAMES, code as usize)
}

/// Unconfirmed services.
pub(super) const fn unconfirmed(code: u8) -> Option<&'static str> {
    const NAMES: [&str; 15] = [
        "i_am",
        "i_have",
        "unconfirmed_cov_notification",
        "unconfirmed_event_notification",
        "unconfirmed_private_transfer",
        "unconfirmed_text_message",
        "time_synchronization",
        "who_has",
        "who_is",
        "utc_time_synchronization",
        "write_group",
        "unconfirmed_cov_notification_multiple",
        "unconfirmed_audit_notification",
        "who_am_i",
        "you_are",
    ];
    at(&NAMES, code as usize)
}

/// Object types.
pub(super) const fn object_type(code: u32) -> &'static str {
    match at(&OBJECT_TYPES, code as usize) {
        Some(name) => name,
        None if code < 128 => "reserved",
        None => "proprietary",
    }
}

const OBJECT_TYPES: [&str; 60] = [
    "analog-input",
    "analog-output",
    "analog-value",
    "binary-input",
    "binary-output",
    "binary-value",
    "calendar",
    "command",
    "device",
    "event-enrollment",
    "file",
    "group",
    "loop",
    "multi-state-input",
    "multi-state-output",
    "notification-class",
    "program",
    "schedule",
    "averaging",
    "multi-state-value",
    "trend-log",
    "life-safety-point",
    "life-safety-zone",
    "accumulator",
    "pulse-converter",
    "event-log",
    "global-group",
    "trend-log-multiple",
    "load-control",
    "structured-view",
    "access-door",
    "timer",
    "access-credential",
    "access-point",
    "access-rights",
    "access-user",
    "access-zone",
    "credential-data-input",
    "network-security",
    "bitstring-value",
    "characterstring-value",
    "date-pattern-value",
    "date-value",
    "datetime-pattern-value",
    "datetime-value",
    "integer-value",
    "large-analog-value",
    "octetstring-value",
    "positive-integer-value",
    "time-pattern-value",
    "time-value",
    "notification-forwarder",
    "alert-enrollment",
    "channel",
    "lighting-output",
    "binary-lighting-output",
    "network-port",
    "elevator-group",
    "escalator",
    "lift",
];

/// Properties that are often asked for.
pub(super) const fn property(code: u32) -> Option<&'static str> {
    Some(match code {
        4 => "active-text",
        8 => "all",
        12 => "application-software-version",
        17 => "notification-class",
        25 => "deadband",
        28 => "description",
        30 => "device-address-binding",
        33 => "effective-period",
        36 => "event-state",
        40 => "feedback-value",
        44 => "firmware-revision",
        45 => "high-limit",
        46 => "inactive-text",
        56 => "local-date",
        57 => "local-time",
        58 => "location",
        59 => "low-limit",
        62 => "max-apdu-length-accepted",
        65 => "max-pres-value",
        69 => "min-pres-value",
        70 => "model-name",
        72 => "notify-type",
        74 => "number-of-states",
        75 => "object-identifier",
        76 => "object-list",
        77 => "object-name",
        79 => "object-type",
        80 => "optional",
        81 => "out-of-service",
        84 => "polarity",
        85 => "present-value",
        87 => "priority-array",
        97 => "protocol-services-supported",
        98 => "protocol-version",
        103 => "reliability",
        104 => "relinquish-default",
        105 => "required",
        107 => "segmentation-supported",
        108 => "setpoint",
        110 => "state-text",
        111 => "status-flags",
        112 => "system-status",
        117 => "units",
        120 => "vendor-identifier",
        121 => "vendor-name",
        123 => "weekly-schedule",
        130 => "event-time-stamps",
        131 => "log-buffer",
        139 => "protocol-revision",
        152 => "active-cov-subscriptions",
        155 => "database-revision",
        168 => "profile-name",
        371 => "property-list",
        _ => return None,
    })
}

/// Why a request was rejected (18.9).
pub(super) const fn reject_reason(code: u8) -> &'static str {
    match code {
        0 => "other",
        1 => "buffer_overflow",
        2 => "inconsistent_parameters",
        3 => "invalid_parameter_data_type",
        4 => "invalid_tag",
        5 => "missing_required_parameter",
        6 => "parameter_out_of_range",
        7 => "too_many_arguments",
        8 => "undefined_enumeration",
        9 => "unrecognized_service",
        _ => "unknown",
    }
}

/// Why a transaction was aborted (18.10).
pub(super) const fn abort_reason(code: u8) -> &'static str {
    match code {
        0 => "other",
        1 => "buffer_overflow",
        2 => "invalid_apdu_in_this_state",
        3 => "preempted_by_higher_priority_task",
        4 => "segmentation_not_supported",
        5 => "security_error",
        6 => "insufficient_security",
        7 => "window_size_out_of_range",
        8 => "application_exceeded_reply_time",
        9 => "out_of_resources",
        10 => "tsm_timeout",
        11 => "apdu_too_long",
        _ => "unknown",
    }
}

/// Classes of errors (18).
pub(super) const fn error_class(code: u64) -> &'static str {
    match code {
        0 => "device",
        1 => "object",
        2 => "property",
        3 => "resources",
        4 => "security",
        5 => "services",
        6 => "vt",
        7 => "communication",
        _ => "proprietary",
    }
}

/// What a device is to do when it is initialised again (16.4).
pub(super) const fn reinitialized_state(code: u64) -> &'static str {
    match code {
        0 => "coldstart",
        1 => "warmstart",
        2 => "start_backup",
        3 => "end_backup",
        4 => "start_restore",
        5 => "end_restore",
        6 => "abort_restore",
        7 => "activate_changes",
        _ => "unknown",
    }
}

/// What a device may still say (16.1).
pub(super) const fn communication_state(code: u64) -> &'static str {
    match code {
        0 => "enable",
        1 => "disable",
        2 => "disable_initiation",
        _ => "unknown",
    }
}

#[expect(clippy::indexing_slicing, reason = "checked in the line above; `get` is not const")]
const fn at(names: &[&'static str], index: usize) -> Option<&'static str> {
    if index >= names.len() {
        return None;
    }
    Some(names[index])
}
