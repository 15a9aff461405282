//! Information elements of version 1 (3GPP TS 29.060, 7.7): below 128 the type says how long one is, above a length does.

use super::summary::{Endpoint, Summary, address};
use crate::protocols::framed::Cursor;
use crate::protocols::ran::Plmn;

/// Reads elements; whether all of them make sense.
pub(super) fn read(bytes: &[u8], summary: &mut Summary) -> bool {
    let mut cursor = Cursor::new(bytes);
    let (mut data, mut control) = (None, None);
    let mut addresses = [None; 2];
    let mut count = 0;
    while let Some(kind) = cursor.u8() {
        let len = match kind {
            0..=0x7f => fixed(kind),
            _ => cursor.u16().map(usize::from),
        };
        let Some(value) = len.and_then(|len| cursor.take(len)) else { return false };
        match (kind, value) {
            (16, [a, b, c, d]) => data = data.or(Some(u32::from_be_bytes([*a, *b, *c, *d]))),
            (17, [a, b, c, d]) => control = control.or(Some(u32::from_be_bytes([*a, *b, *c, *d]))),
            // The address for signalling comes first, that for user data second (7.3.1).
            (133, value) => {
                if let Some(place) = addresses.get_mut(count) {
                    *place = address(value);
                    count += 1;
                }
            }
            _ => element(kind, value, summary),
        }
    }
    let [signalling, user] = addresses;
    for (interface, teid, address) in [("control", control, signalling), ("data", data, user.or(signalling))]
    {
        if let Some(teid) = teid {
            summary.endpoint(Endpoint { interface: Some(interface), teid, address });
        }
    }
    true
}

/// Bytes of an element's value.
const fn fixed(kind: u8) -> Option<usize> {
    Some(match kind {
        1 | 8 | 11 | 13..=15 | 19..=21 | 23 | 24 | 29 | 126 => 1,
        25..=28 => 2,
        12 => 3,
        4 | 5 | 16 | 17 | 127 => 4,
        18 => 5,
        3 => 6,
        2 => 8,
        22 => 9,
        9 => 28,
        _ => return None,
    })
}

fn element(kind: u8, value: &[u8], summary: &mut Summary) {
    match (kind, value) {
        (1, [cause]) => summary.cause = summary.cause.or(Some(*cause)),
        (2, digits) => summary.identity(digits),
        (3, [a, b, c, ..]) | (152, [_, a, b, c, ..]) => {
            summary.serving_network = summary.serving_network.or_else(|| Plmn::read([*a, *b, *c]));
        }
        (14, [counter]) => summary.recovery = summary.recovery.or(Some(*counter)),
        (20, [bearer]) => summary.bearer = summary.bearer.or(Some(bearer & 0xf)),
        (127, [a, b, c, d]) => summary.charging_id = Some(u32::from_be_bytes([*a, *b, *c, *d])),
        // Of the IETF, IPv4 or IPv6; empty where the network is to choose.
        (128, [0xf1 | 0x01, 0x21 | 0x57, bytes @ ..]) => summary.address(bytes),
        (131, labels) => summary.apn(labels),
        (134, _) => summary.has_number = true,
        (151, [rat]) => summary.rat = summary.rat.or(Some(*rat)),
        (154, digits) => summary.device(digits),
        _ => {}
    }
}
