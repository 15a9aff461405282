//! The `diameter` event.

use super::names;
use super::{Key, attributes};
use crate::protocols::framed::Report;
use crate::record::EventWriter;

/// Bytes of a text that are written.
const TEXT_MAX: usize = 255;
/// Attributes of one message that are looked at.
const ATTRIBUTES_MAX: usize = 256;
/// 3GPP, in attributes of vendors.
const THREE_GPP: u32 = 10_415;

/// Texts (RFC 6733, 8.8 and 4.5; RFC 8506).
const TEXTS: [(u32, &str); 9] = [
    (263, "session_id"),
    (264, "origin_host"),
    (296, "origin_realm"),
    (293, "destination_host"),
    (283, "destination_realm"),
    (1, "user_name"),
    (269, "product_name"),
    (281, "error_message"),
    (461, "service_context"),
];

/// Numbers.
const NUMBERS: [(u32, &str); 5] = [
    (266, "vendor_id"),
    (416, "cc_request_type"),
    (415, "cc_request_number"),
    (295, "termination_cause"),
    (273, "disconnect_cause"),
];

/// Writes a request with its answer, or one of them.
pub(super) fn write(key: &Key, request: Option<&[u8]>, answer: Option<&[u8]>, report: &mut Report<'_, '_>) {
    let mut event = report.event("diameter");
    event.number("command_code", key.command);
    if let Some(name) = names::command(key.command) {
        event.label("command", name);
    }
    event.number("application_id", key.application);
    if let Some(name) = names::application(key.application) {
        event.label("application", name);
    }
    event.number("hop_by_hop", key.hop);
    if let Some(request) = request {
        event.object("request");
        write_attributes(request, &mut event);
        event.close();
    }
    let Some(answer) = answer else { return };
    event.object("answer");
    write_attributes(answer, &mut event);
    event.close();
    if let Some(code) = result(answer) {
        event.number("result_code", code);
        if let Some(name) = names::result(code) {
            event.label("result", name);
        }
        event.flag("success", (2000..3000).contains(&code));
    }
}

fn number(value: &[u8]) -> Option<u32> {
    <[u8; 4]>::try_from(value).ok().map(u32::from_be_bytes)
}

/// The result (RFC 6733, 7.1), or the code within that of a vendor (7.6).
fn result(answer: &[u8]) -> Option<u32> {
    attributes(answer).take(ATTRIBUTES_MAX).find_map(|(code, vendor, value)| match (code, vendor) {
        (268, 0) => number(value),
        (297, 0) => attributes(value).find(|(code, ..)| *code == 298).and_then(|(_, _, value)| number(value)),
        _ => None,
    })
}

fn write_attributes(bytes: &[u8], event: &mut EventWriter<'_>) {
    let mut written = 0_u32;
    for (code, vendor, value) in attributes(bytes).take(ATTRIBUTES_MAX) {
        let text = TEXTS.iter().enumerate().find(|(_, (known, _))| vendor == 0 && *known == code);
        let value_number = NUMBERS.iter().enumerate().find(|(_, (known, _))| vendor == 0 && *known == code);
        // Each once: a Vendor-Id may stand there many times.
        let mut is_first = |bit: usize| {
            let is_first = written >> bit & 1 == 0;
            written |= 1 << bit;
            is_first
        };
        if let Some((at, (_, name))) = text {
            if is_first(at) {
                event.text(name, value.get(..TEXT_MAX).unwrap_or(value));
            }
        } else if let (Some((at, (_, name))), Some(value)) = (value_number, number(value)) {
            if is_first(TEXTS.len() + at) {
                event.number(name, value);
            }
        } else if let Some(bit) = OTHERS.iter().position(|other| *other == (code, vendor))
            && is_first(TEXTS.len() + NUMBERS.len() + bit)
        {
            write_other(code, vendor, value, event);
        }
    }
}

/// Attributes that are written in a way of their own.
const OTHERS: [(u32, u32); 4] = [(2, 0), (299, 0), (1407, THREE_GPP), (443, 0)];

fn write_other(code: u32, vendor: u32, value: &[u8], event: &mut EventWriter<'_>) {
    match (code, vendor) {
        // User-Password (RFC 7155, 4.3.1).
        (2, 0) => {
            event.object("credentials").label("kind", "password").flag("password_in_clear", true).close();
        }
        (299, 0) => {
            event.flag("tls_offered", number(value) == Some(1));
        }
        // Visited-PLMN-Id (3GPP TS 29.272, 7.3.9).
        (1407, THREE_GPP) => {
            event.hex("visited_plmn", value.get(..8).unwrap_or(value));
        }
        // Subscription-Id (RFC 8506, 8.46) with its data.
        (443, 0) => {
            if let Some((_, _, data)) = attributes(value).find(|(code, ..)| *code == 444) {
                event.text("subscription_id", data.get(..TEXT_MAX).unwrap_or(data));
            }
        }
        _ => {}
    }
}
