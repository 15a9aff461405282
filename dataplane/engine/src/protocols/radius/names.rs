//! Names of packets and of values, and lengths of attributes (RFC 2865 5, RFC 2866 5, RFC 2869 5, RFC 3162, RFC 5176).

/// Status-Server (RFC 5997).
pub(super) const STATUS_SERVER: u8 = 12;

/// Name of a packet.
pub(super) const fn packet(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "access_request",
        2 => "access_accept",
        3 => "access_reject",
        4 => "accounting_request",
        5 => "accounting_response",
        11 => "access_challenge",
        12 => "status_server",
        40 => "disconnect_request",
        41 => "disconnect_ack",
        42 => "disconnect_nak",
        43 => "coa_request",
        44 => "coa_ack",
        45 => "coa_nak",
        _ => return None,
    })
}

/// Code of the request that a response answers.
pub(super) const fn request_of(code: u8) -> Option<u8> {
    match code {
        2 | 3 | 11 => Some(1),
        5 => Some(4),
        41 | 42 => Some(40),
        44 | 45 => Some(43),
        _ => None,
    }
}

/// Whether a packet has what it must have: an accounting request its status type (RFC 2866, 5.13), an access request a
/// user, an EAP message, a service type, or where it comes from (RFC 2865, 4.1).
pub(super) fn needs(code: u8, has: impl Fn(u8) -> bool) -> bool {
    match code {
        1 => [1, 79, 6, 4, 32, 95].into_iter().any(has),
        4 => has(40),
        _ => true,
    }
}

/// Whether values of this type may be of this length; None where the type is not one that is known.
pub(super) const fn is_length(kind: u8, len: usize) -> Option<bool> {
    Some(match kind {
        // Whole numbers, addresses, times.
        4..=10
        | 12..=16
        | 23
        | 27..=29
        | 37
        | 38
        | 40..=43
        | 45..=49
        | 51..=53
        | 55..=57
        | 61
        | 62
        | 64
        | 65
        | 72
        | 73
        | 76
        | 85
        | 101
        | 131..=134
        | 136 => len == 4,
        // Text and bytes.
        1
        | 11
        | 18..=20
        | 22
        | 24
        | 25
        | 30..=34
        | 39
        | 44
        | 50
        | 63
        | 66..=69
        | 71
        | 74
        | 75
        | 77..=79
        | 81..=84
        | 87
        | 88
        | 90..=92
        | 99
        | 100
        | 102
        | 135
        | 144 => len >= 1,
        // RFC 4675, 5580, 6929: a number or a kind in front of what they hold.
        58 | 126 | 241..=244 => len >= 2,
        128 | 245 | 246 => len >= 3,
        59 | 96 => len == 8,
        2 => len >= 16 && len <= 128 && len.is_multiple_of(16),
        3 => len == 17,
        26 | 60 => len >= 5,
        80 | 95 | 98 => len == 16,
        97 | 123 => len >= 2 && len <= 18,
        _ => return None,
    })
}

/// Name of an accounting status (RFC 2866, 5.1).
pub(super) const fn status(value: u32) -> Option<&'static str> {
    Some(match value {
        1 => "start",
        2 => "stop",
        3 => "interim_update",
        7 => "accounting_on",
        8 => "accounting_off",
        15 => "failed",
        _ => return None,
    })
}

/// Name of a service (RFC 2865, 5.6).
pub(super) const fn service(value: u32) -> Option<&'static str> {
    Some(match value {
        1 => "login",
        2 => "framed",
        3 => "callback_login",
        4 => "callback_framed",
        5 => "outbound",
        6 => "administrative",
        7 => "nas_prompt",
        8 => "authenticate_only",
        9 => "callback_nas_prompt",
        10 => "call_check",
        11 => "callback_administrative",
        17 => "authorize_only",
        _ => return None,
    })
}

/// Name of a reason to end a session (RFC 2866, 5.10).
pub(super) const fn cause(value: u32) -> Option<&'static str> {
    Some(match value {
        1 => "user_request",
        2 => "lost_carrier",
        3 => "lost_service",
        4 => "idle_timeout",
        5 => "session_timeout",
        6 => "admin_reset",
        7 => "admin_reboot",
        8 => "port_error",
        9 => "nas_error",
        10 => "nas_request",
        11 => "nas_reboot",
        12 => "port_unneeded",
        13 => "port_preempted",
        14 => "port_suspended",
        15 => "service_unavailable",
        16 => "callback",
        17 => "user_error",
        18 => "host_request",
        _ => return None,
    })
}

/// Name of an EAP method (RFC 3748, 5, and the IANA registry "Method Types").
pub(super) const fn eap_method(kind: u8) -> Option<&'static str> {
    Some(match kind {
        1 => "identity",
        2 => "notification",
        3 => "nak",
        4 => "md5_challenge",
        5 => "otp",
        6 => "gtc",
        13 => "tls",
        17 => "leap",
        18 => "sim",
        21 => "ttls",
        23 => "aka",
        25 => "peap",
        26 => "mschapv2",
        43 => "fast",
        50 => "aka_prime",
        52 => "pwd",
        55 => "teap",
        254 => "expanded",
        _ => return None,
    })
}
