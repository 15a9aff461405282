//! Names of S7 functions, areas and codes. Siemens publishes no specification: the names are those in common use.

/// Kinds of message.
pub(super) const fn kind(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "job",
        2 => "ack",
        3 => "ack_data",
        7 => "userdata",
        _ => return None,
    })
}

/// Functions of jobs.
pub(super) const fn function(code: u8) -> Option<&'static str> {
    Some(match code {
        0x00 => "cpu_services",
        0x01 => "mode_transition",
        0x04 => "read_var",
        0x05 => "write_var",
        0x1a => "request_download",
        0x1b => "download_block",
        0x1c => "download_ended",
        0x1d => "start_upload",
        0x1e => "upload",
        0x1f => "end_upload",
        0x28 => "plc_control",
        0x29 => "plc_stop",
        0xf0 => "setup_communication",
        _ => return None,
    })
}

/// Groups of user data functions.
pub(super) const fn group(code: u8) -> &'static str {
    match code & 0x0f {
        0 => "mode_transition",
        1 => "programmer_commands",
        2 => "cyclic_services",
        3 => "block_functions",
        4 => "cpu_functions",
        5 => "security",
        6 => "pbc",
        7 => "time_functions",
        15 => "nc_programming",
        _ => "unknown",
    }
}

/// Functions of user data groups.
pub(super) const fn subfunction(group: u8, code: u8) -> &'static str {
    match (group & 0x0f, code) {
        (2, 1) => "cyclic_memory",
        (2, 4) => "unsubscribe",
        (3, 1) => "list_blocks",
        (3, 2) => "list_blocks_of_type",
        (3, 3) => "get_block_info",
        (4, 1) => "read_szl",
        (4, 2) => "message_service",
        (4, 3) => "diagnostic_message",
        (4, 5) => "alarm_indication",
        (4, 9) => "notify_indication",
        (4, 11) => "alarm_acknowledgement",
        (4, 19) => "alarm_query",
        (5, 1) => "plc_password",
        (5, 2) => "clear_password",
        (7, 1 | 3) => "read_clock",
        (7, 2 | 4) => "set_clock",
        (1, 1) => "request_diagnostic_data",
        (1, 2) => "variable_table",
        (1, 12) => "erase",
        (1, 14) => "read_diagnostic_data",
        (1, 15) => "remove_diagnostic_data",
        (1, 16) => "forces",
        _ => "unknown",
    }
}

/// Classes of errors in acknowledgements.
pub(super) const fn error_class(code: u8) -> &'static str {
    match code {
        0x00 => "no_error",
        0x81 => "application_relationship",
        0x82 => "object_definition",
        0x83 => "no_resources",
        0x84 => "service_processing",
        0x85 => "supplies",
        0x87 => "access",
        _ => "unknown",
    }
}

/// Results of items.
pub(super) const fn result(code: u8) -> &'static str {
    match code {
        0x00 => "reserved",
        0x01 => "hardware_error",
        0x03 => "access_not_allowed",
        0x05 => "invalid_address",
        0x06 => "data_type_not_supported",
        0x07 => "data_type_inconsistent",
        0x0a => "object_does_not_exist",
        0xff => "success",
        _ => "unknown",
    }
}

/// Memory areas.
pub(super) const fn area(code: u8) -> &'static str {
    match code {
        0x03 => "SYSINFO",
        0x05 => "SYSFLAGS",
        0x06 => "ANAIN",
        0x07 => "ANAOUT",
        0x1c => "C",
        0x1d => "T",
        0x1e => "IEC_C",
        0x1f => "IEC_T",
        0x80 => "P",
        0x81 => "I",
        0x82 => "Q",
        0x83 => "M",
        0x84 => "DB",
        0x85 => "DI",
        0x86 => "L",
        0x87 => "V",
        _ => "unknown",
    }
}

/// Sizes that variables are addressed in.
pub(super) const fn size(code: u8) -> &'static str {
    match code {
        0x01 => "BIT",
        0x02 => "BYTE",
        0x03 => "CHAR",
        0x04 => "WORD",
        0x05 => "INT",
        0x06 => "DWORD",
        0x07 => "DINT",
        0x08 => "REAL",
        0x09 => "DATE",
        0x0a => "TOD",
        0x0b => "TIME",
        0x0c => "S5TIME",
        0x0f => "DATE_AND_TIME",
        0x1c => "COUNTER",
        0x1d => "TIMER",
        0x1e => "IEC_TIMER",
        0x1f => "IEC_COUNTER",
        0x20 => "HS_COUNTER",
        _ => "unknown",
    }
}

/// Kinds of blocks in the names of downloads and uploads.
pub(super) const fn block(code: &[u8]) -> &'static str {
    match code {
        b"08" | b"00" => "OB",
        b"0A" => "DB",
        b"0B" => "SDB",
        b"0C" => "FC",
        b"0D" => "SFC",
        b"0E" => "FB",
        b"0F" => "SFB",
        _ => "unknown",
    }
}

/// What program invocation services do.
pub(super) fn service(name: &[u8]) -> &'static str {
    match name {
        b"P_PROGRAM" => "start_or_stop",
        b"_INSE" => "activate_block",
        b"_INS2" => "activate_block",
        b"_DELE" => "delete_block",
        b"_GARB" => "compress_memory",
        b"_MODU" => "copy_ram_to_rom",
        b"_MODE" => "clear_memory",
        b"_OVER" => "overstore",
        _ => "other",
    }
}

/// Operations of S7comm-plus.
pub(super) const fn plus_operation(code: u8) -> Option<&'static str> {
    Some(match code {
        0x31 => "request",
        0x32 => "response",
        0x33 => "notification",
        0x02 => "response2",
        _ => return None,
    })
}

/// Functions of S7comm-plus.
pub(super) const fn plus_function(code: u16) -> &'static str {
    match code {
        0x04b1 => "error",
        0x04bb => "explore",
        0x04ca => "create_object",
        0x04d4 => "delete_object",
        0x04f2 => "set_variable",
        0x04fc => "get_variable",
        0x0506 => "add_link",
        0x051a => "remove_link",
        0x0524 => "get_link",
        0x0542 => "set_multi_variables",
        0x054c => "get_multi_variables",
        0x0556 => "begin_sequence",
        0x0560 => "end_sequence",
        0x056b => "invoke",
        0x0586 => "get_variables_sub_streamed",
        0x05b3 => "init_ssl",
        _ => "unknown",
    }
}
