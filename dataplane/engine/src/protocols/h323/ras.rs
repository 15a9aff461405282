//! Registration, admission and status: H.225.0 in aligned PER over UDP (ITU-T H.225.0, annex H).

use super::signalling::IDENTIFIER;
use crate::record::EventWriter;

/// Whether it is a message that names its protocol: requests and confirmations of discovery and registration have, behind
/// their bits and a number, the identifier.
pub(super) fn is_sure(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| matches!(first >> 2, 0 | 1 | 3 | 4))
        && bytes.get(4..).is_some_and(|rest| rest.starts_with(IDENTIFIER))
}

/// Writes what a message is.
pub(super) fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
    let [first, _, rest @ ..] = bytes else { return None };
    event.label("layer", "ras");
    let index = usize::from(first >> 2 & 0x1f);
    let name = if first & 0x80 == 0 { *NAMES.get(index)? } else { "other" };
    event.label("message", name);
    if is_sure(bytes) {
        if let [s1, s0, ..] = *rest {
            event.number("sequence", u32::from(u16::from_be_bytes([s1, s0])) + 1);
        }
        if let Some(version) = bytes.get(4 + IDENTIFIER.len()) {
            event.number("version", *version);
        }
    }
    Some(())
}

const NAMES: &[&str] = &[
    "gatekeeper_request",
    "gatekeeper_confirm",
    "gatekeeper_reject",
    "registration_request",
    "registration_confirm",
    "registration_reject",
    "unregistration_request",
    "unregistration_confirm",
    "unregistration_reject",
    "admission_request",
    "admission_confirm",
    "admission_reject",
    "bandwidth_request",
    "bandwidth_confirm",
    "bandwidth_reject",
    "disengage_request",
    "disengage_confirm",
    "disengage_reject",
    "location_request",
    "location_confirm",
    "location_reject",
    "information_request",
    "information_response",
    "non_standard",
    "unknown_message_response",
];
