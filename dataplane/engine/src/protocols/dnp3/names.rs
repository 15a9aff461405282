//! Names of functions and indications (IEEE 1815-2012, 4.2.2 and 4.2.4).

/// Function codes of the application layer.
pub(super) const fn function(code: u8) -> &'static str {
    match code {
        0 => "CONFIRM",
        1 => "READ",
        2 => "WRITE",
        3 => "SELECT",
        4 => "OPERATE",
        5 => "DIRECT_OPERATE",
        6 => "DIRECT_OPERATE_NR",
        7 => "IMMED_FREEZE",
        8 => "IMMED_FREEZE_NR",
        9 => "FREEZE_CLEAR",
        10 => "FREEZE_CLEAR_NR",
        11 => "FREEZE_AT_TIME",
        12 => "FREEZE_AT_TIME_NR",
        13 => "COLD_RESTART",
        14 => "WARM_RESTART",
        15 => "INITIALIZE_DATA",
        16 => "INITIALIZE_APPL",
        17 => "START_APPL",
        18 => "STOP_APPL",
        19 => "SAVE_CONFIG",
        20 => "ENABLE_UNSOLICITED",
        21 => "DISABLE_UNSOLICITED",
        22 => "ASSIGN_CLASS",
        23 => "DELAY_MEASURE",
        24 => "RECORD_CURRENT_TIME",
        25 => "OPEN_FILE",
        26 => "CLOSE_FILE",
        27 => "DELETE_FILE",
        28 => "GET_FILE_INFO",
        29 => "AUTHENTICATE_FILE",
        30 => "ABORT_FILE",
        31 => "ACTIVATE_CONFIG",
        32 => "AUTHENTICATE_REQ",
        33 => "AUTH_REQ_NO_ACK",
        129 => "RESPONSE",
        130 => "UNSOLICITED_RESPONSE",
        131 => "AUTHENTICATE_RESP",
        _ => "UNKNOWN",
    }
}

/// Internal indications of both octets, from the lowest bit of the first (4.2.4), in Suricata's names.
pub(super) static INDICATIONS: [&str; 16] = [
    "all_stations",
    "class_1_events",
    "class_2_events",
    "class_3_events",
    "need_time",
    "digital_outputs_in_local",
    "device_trouble",
    "device_restart",
    "no_func_code_support",
    "object_unknown",
    "parameter_error",
    "event_buffer_overflow",
    "already_executing",
    "config_corrupt",
    "reserved_2",
    "reserved_1",
];

/// What a control relay output block asks for (annex A.8.1): low four bits of the control code.
pub(super) const fn control_operation(code: u8) -> &'static str {
    match code & 0x0f {
        0 => "NUL",
        1 => "PULSE_ON",
        2 => "PULSE_OFF",
        3 => "LATCH_ON",
        4 => "LATCH_OFF",
        _ => "RESERVED",
    }
}

/// Trip or close: high two bits of the control code.
pub(super) const fn trip_close(code: u8) -> &'static str {
    match code >> 6 {
        0 => "NUL",
        1 => "CLOSE",
        2 => "TRIP",
        _ => "RESERVED",
    }
}

/// Status of a control (annex A.8.1).
pub(super) const fn control_status(code: u8) -> &'static str {
    match code & 0x7f {
        0 => "SUCCESS",
        1 => "TIMEOUT",
        2 => "NO_SELECT",
        3 => "FORMAT_ERROR",
        4 => "NOT_SUPPORTED",
        5 => "ALREADY_ACTIVE",
        6 => "HARDWARE_ERROR",
        7 => "LOCAL",
        8 => "TOO_MANY_OBJS",
        9 => "NOT_AUTHORIZED",
        10 => "AUTOMATION_INHIBIT",
        11 => "PROCESSING_LIMITED",
        12 => "OUT_OF_RANGE",
        13 => "DOWNSTREAM_LOCAL",
        14 => "ALREADY_COMPLETE",
        15 => "BLOCKED",
        16 => "CANCELLED",
        17 => "BLOCKED_OTHER_MASTER",
        18 => "DOWNSTREAM_FAIL",
        126 => "NON_PARTICIPATING",
        127 => "UNDEFINED",
        _ => "RESERVED",
    }
}
