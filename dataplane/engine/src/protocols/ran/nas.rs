//! Messages between a phone and the core, as far as they are not enciphered (3GPP TS 24.301, 24.501).

use crate::record::EventWriter;

/// Writes the name of a message, and which algorithms it chooses.
pub(super) fn write(message: Option<&[u8]>, event: &mut EventWriter<'_>) {
    let Some((protection, plain)) = message.and_then(open) else { return };
    event.object("nas").label("protection", protection);
    match plain {
        Some([0x7e, _, kind, rest @ ..]) => {
            event.label("message", name_5g(*kind));
            if let (0x5d, Some(chosen)) = (kind, rest.first()) {
                event.label("ciphering", cipher(chosen >> 4)).label("integrity", integrity(chosen & 0xf));
            }
        }
        Some([_, kind, rest @ ..]) => {
            event.label("message", name_lte(*kind));
            if let (0x5d, Some(chosen)) = (kind, rest.first()) {
                event.label("ciphering", cipher(chosen >> 4 & 7)).label("integrity", integrity(chosen & 7));
            }
        }
        _ => {}
    }
    event.close();
}

/// How a message is protected, and the plain message, where it can be read.
fn open(message: &[u8]) -> Option<(&'static str, Option<&[u8]>)> {
    // Mobility management of 5G has a protocol number of its own; that of LTE shares its byte with the protection.
    let (protection, behind) = match message {
        [0x7e, protection, ..] => (protection & 0xf, 7),
        [first, ..] if first & 0xf == 7 => (first >> 4, 6),
        _ => return None,
    };
    Some(match protection {
        0 => ("none", Some(message)),
        // Not enciphered, or a null cipher at least; what begins like a message inside is one.
        1 | 3 => {
            ("integrity", message.get(behind..).filter(|inner| matches!(inner, [0x7e, 0, ..] | [7, ..])))
        }
        2 | 4 => ("integrity_and_ciphering", None),
        12..=15 => ("service_request", None),
        _ => return None,
    })
}

/// Ciphers: EEA and NEA number alike (TS 33.401, 5.1.3.2; TS 33.501, 5.11.1.1).
const fn cipher(number: u8) -> &'static str {
    match number {
        0 => "null",
        1 => "snow3g",
        2 => "aes",
        3 => "zuc",
        _ => "unknown",
    }
}

const fn integrity(number: u8) -> &'static str {
    cipher(number)
}

/// Mobility management of LTE (TS 24.301, 9.8).
const fn name_lte(kind: u8) -> &'static str {
    match kind {
        0x41 => "attach_request",
        0x42 => "attach_accept",
        0x43 => "attach_complete",
        0x44 => "attach_reject",
        0x45 => "detach_request",
        0x46 => "detach_accept",
        0x48 => "tracking_area_update_request",
        0x49 => "tracking_area_update_accept",
        0x4a => "tracking_area_update_complete",
        0x4b => "tracking_area_update_reject",
        0x4c => "extended_service_request",
        0x4e => "service_reject",
        0x50 => "guti_reallocation_command",
        0x51 => "guti_reallocation_complete",
        0x52 => "authentication_request",
        0x53 => "authentication_response",
        0x54 => "authentication_reject",
        0x55 => "identity_request",
        0x56 => "identity_response",
        0x5c => "authentication_failure",
        0x5d => "security_mode_command",
        0x5e => "security_mode_complete",
        0x5f => "security_mode_reject",
        0x60 => "status",
        0x61 => "information",
        0x62 => "downlink_transport",
        0x63 => "uplink_transport",
        _ => "other",
    }
}

/// Mobility management of 5G (TS 24.501, 9.7).
const fn name_5g(kind: u8) -> &'static str {
    match kind {
        0x41 => "registration_request",
        0x42 => "registration_accept",
        0x43 => "registration_complete",
        0x44 => "registration_reject",
        0x45 | 0x47 => "deregistration_request",
        0x46 | 0x48 => "deregistration_accept",
        0x4c => "service_request",
        0x4d => "service_reject",
        0x4e => "service_accept",
        0x54 => "configuration_update_command",
        0x55 => "configuration_update_complete",
        0x56 => "authentication_request",
        0x57 => "authentication_response",
        0x58 => "authentication_reject",
        0x59 => "authentication_failure",
        0x5a => "authentication_result",
        0x5b => "identity_request",
        0x5c => "identity_response",
        0x5d => "security_mode_command",
        0x5e => "security_mode_complete",
        0x5f => "security_mode_reject",
        0x64 => "status",
        0x65 => "notification",
        0x66 => "notification_response",
        0x67 => "uplink_transport",
        0x68 => "downlink_transport",
        _ => "other",
    }
}
