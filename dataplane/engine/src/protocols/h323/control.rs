//! Control of media: H.245 in aligned PER, of which the choices in front say what a message is.

use crate::protocols::Found;

/// The object identifier of H.245, without its version: {itu-t recommendation h 245 version}, behind its length.
const IDENTIFIER: &[u8] = &[6, 0, 8, 0x81, 0x75, 0];

/// Whether a session of control begins here: with the capabilities of a terminal, or with the question who leads.
pub(super) fn look(unit: &[u8], is_cut: bool) -> Found {
    match unit {
        // Capabilities: which optional parts there are, number, identifier.
        [0x02, _, _, rest @ ..] if rest.starts_with(IDENTIFIER) => Found::Yes,
        [0x02, ..] if is_cut && unit.get(3..).is_none_or(|rest| IDENTIFIER.starts_with(rest)) => Found::Maybe,
        // Who leads: kind of terminal, number of three bytes. It says too little by itself.
        [0x01, ..] if unit.len() <= 7 => Found::Maybe,
        [] if is_cut => Found::Maybe,
        _ => Found::No,
    }
}

/// Name of a message: kind, then which of that kind (ITU-T H.245, annex A).
pub(super) fn name(unit: &[u8]) -> Option<&'static str> {
    let [first, rest @ ..] = unit else { return None };
    if first & 0x80 != 0 {
        return None;
    }
    // A choice that was added later is behind a bit, and not told here.
    let is_later = first & 0x10 != 0;
    let (names, index): (&[&str], u8) = match (first >> 5, is_later) {
        (0, false) => (REQUESTS, first & 0xf),
        (1, false) => (RESPONSES, (first & 0xf) << 1 | rest.first().copied().unwrap_or_default() >> 7),
        (2, false) => (COMMANDS, first >> 1 & 7),
        (3, false) => (INDICATIONS, first & 0xf),
        (0, true) => return Some("other_request"),
        (1, true) => return Some("other_response"),
        (2, true) => return Some("other_command"),
        _ => return Some("other_indication"),
    };
    names.get(usize::from(index)).copied()
}

const REQUESTS: &[&str] = &[
    "non_standard",
    "master_slave_determination",
    "terminal_capability_set",
    "open_logical_channel",
    "close_logical_channel",
    "request_channel_close",
    "multiplex_entry_send",
    "request_multiplex_entry",
    "request_mode",
    "round_trip_delay_request",
    "maintenance_loop_request",
];

const RESPONSES: &[&str] = &[
    "non_standard",
    "master_slave_determination_ack",
    "master_slave_determination_reject",
    "terminal_capability_set_ack",
    "terminal_capability_set_reject",
    "open_logical_channel_ack",
    "open_logical_channel_reject",
    "close_logical_channel_ack",
    "request_channel_close_ack",
    "request_channel_close_reject",
    "multiplex_entry_send_ack",
    "multiplex_entry_send_reject",
    "request_multiplex_entry_ack",
    "request_multiplex_entry_reject",
    "request_mode_ack",
    "request_mode_reject",
    "round_trip_delay_response",
    "maintenance_loop_ack",
    "maintenance_loop_reject",
];

const COMMANDS: &[&str] = &[
    "non_standard",
    "maintenance_loop_off",
    "send_terminal_capability_set",
    "encryption",
    "flow_control",
    "end_session",
    "miscellaneous_command",
];

const INDICATIONS: &[&str] = &[
    "non_standard",
    "function_not_understood",
    "master_slave_determination_release",
    "terminal_capability_set_release",
    "open_logical_channel_confirm",
    "request_channel_close_release",
    "multiplex_entry_send_release",
    "request_multiplex_entry_release",
    "request_mode_release",
    "miscellaneous_indication",
    "jitter",
    "h223_skew",
    "new_atm_vc",
    "user_input",
];
