//! Options of Telnet (IANA registry; RFC 855 and others) and names of TN3270E (RFC 2355) and the 3270 data stream (IBM
//! GA23-0059).

/// A Telnet option.
pub(super) const fn option(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "BINARY",
        1 => "ECHO",
        2 => "RECONNECTION",
        3 => "SUPPRESS_GO_AHEAD",
        4 => "APPROX_MESSAGE_SIZE",
        5 => "STATUS",
        6 => "TIMING_MARK",
        7 => "RCTE",
        10 => "NAOCRD",
        11 => "NAOHTS",
        12 => "NAOHTD",
        13 => "NAOFFD",
        14 => "NAOVTS",
        15 => "NAOVTD",
        16 => "NAOLFD",
        17 => "EXTENDED_ASCII",
        18 => "LOGOUT",
        19 => "BYTE_MACRO",
        20 => "DATA_ENTRY_TERMINAL",
        21 => "SUPDUP",
        22 => "SUPDUP_OUTPUT",
        23 => "SEND_LOCATION",
        24 => "TERMINAL_TYPE",
        25 => "END_OF_RECORD",
        26 => "TACACS_UID",
        27 => "OUTPUT_MARKING",
        28 => "TTYLOC",
        29 => "3270_REGIME",
        30 => "X3_PAD",
        31 => "NAWS",
        32 => "TERMINAL_SPEED",
        33 => "REMOTE_FLOW_CONTROL",
        34 => "LINEMODE",
        35 => "X_DISPLAY_LOCATION",
        36 => "ENVIRON",
        37 => "AUTHENTICATION",
        38 => "ENCRYPT",
        39 => "NEW_ENVIRON",
        40 => "TN3270E",
        41 => "XAUTH",
        42 => "CHARSET",
        43 => "RSP",
        44 => "COM_PORT_CONTROL",
        45 => "SUPPRESS_LOCAL_ECHO",
        46 => "START_TLS",
        47 => "KERMIT",
        48 => "SEND_URL",
        49 => "FORWARD_X",
        _ => return None,
    })
}

/// A function of TN3270E (RFC 2355, 7.2.2).
pub(super) const fn function(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "BIND_IMAGE",
        1 => "DATA_STREAM_CTL",
        2 => "RESPONSES",
        3 => "SCS_CTL_CODES",
        4 => "SYSREQ",
        5 => "CONTENTION_RESOLUTION",
        _ => return None,
    })
}

/// Why a server refused a device (RFC 2355, 7.1.6).
pub(super) const fn reject_reason(code: u8) -> &'static str {
    match code {
        0 => "CONN_PARTNER",
        1 => "DEVICE_IN_USE",
        2 => "INV_ASSOCIATE",
        3 => "INV_NAME",
        4 => "INV_DEVICE_TYPE",
        5 => "TYPE_NAME_ERROR",
        6 => "UNKNOWN_ERROR",
        7 => "UNSUPPORTED_REQ",
        _ => "UNKNOWN",
    }
}

/// The key that a terminal's user pressed.
pub(super) const fn attention(code: u8) -> Option<&'static str> {
    Some(match code {
        0x60 => "NONE",
        0x61 => "NONE_PRINTER",
        0x6a => "TRIGGER",
        0x6b => "PA3",
        0x6c => "PA1",
        0x6d => "CLEAR",
        0x6e => "PA2",
        0x7a => "PF10",
        0x7b => "PF11",
        0x7c => "PF12",
        0x7d => "ENTER",
        0x7e => "SELECTOR_PEN",
        0x88 => "STRUCTURED_FIELD",
        0xf0 => "SYSTEM_REQUEST",
        0xf1 => "PF1",
        0xf2 => "PF2",
        0xf3 => "PF3",
        0xf4 => "PF4",
        0xf5 => "PF5",
        0xf6 => "PF6",
        0xf7 => "PF7",
        0xf8 => "PF8",
        0xf9 => "PF9",
        0xc1 => "PF13",
        0xc2 => "PF14",
        0xc3 => "PF15",
        0xc4 => "PF16",
        0xc5 => "PF17",
        0xc6 => "PF18",
        0xc7 => "PF19",
        0xc8 => "PF20",
        0xc9 => "PF21",
        0x4a => "PF22",
        0x4b => "PF23",
        0x4c => "PF24",
        0xe6 => "MAGNETIC_READER",
        _ => return None,
    })
}

/// What a host tells a terminal to do, by its local or its network code.
pub(super) const fn command(code: u8) -> Option<&'static str> {
    Some(match code {
        0x01 | 0xf1 => "write",
        0x05 | 0xf5 => "erase_write",
        0x0d | 0x7e => "erase_write_alternate",
        0x0f | 0x6f => "erase_all_unprotected",
        0x02 | 0xf2 => "read_buffer",
        0x06 | 0xf6 => "read_modified",
        0x0e | 0x6e => "read_modified_all",
        0x11 | 0xf3 => "write_structured_field",
        _ => return None,
    })
}
