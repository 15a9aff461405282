//! Information elements of version 2 (3GPP TS 29.274, 8): type, length, instance, value.

use core::net::Ipv6Addr;

use super::names;
use super::summary::{Endpoint, Summary, address};
use crate::protocols::framed::Cursor;
use crate::protocols::ran::Plmn;

/// Bearers: elements in an element.
const BEARER_CONTEXT: u8 = 93;

/// Reads elements; whether all of them make sense.
pub(super) fn read(bytes: &[u8], summary: &mut Summary) -> bool {
    let mut cursor = Cursor::new(bytes);
    while !cursor.is_empty() {
        let Some((kind, value)) = next(&mut cursor) else { return false };
        if kind == BEARER_CONTEXT {
            summary.bearers += 1;
            let mut inside = Cursor::new(value);
            while !inside.is_empty() {
                let Some((kind, value)) = next(&mut inside) else { return false };
                element(kind, value, summary);
            }
        } else {
            element(kind, value, summary);
        }
    }
    true
}

fn next<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let (kind, len, _instance) = (cursor.u8()?, cursor.u16()?, cursor.u8()?);
    let value = cursor.take(usize::from(len))?;
    (kind != 0).then_some((kind, value))
}

fn element(kind: u8, value: &[u8], summary: &mut Summary) {
    match (kind, value) {
        (1, digits) => summary.identity(digits),
        (2, [cause, ..]) => summary.cause = summary.cause.or(Some(*cause)),
        (3, [counter, ..]) => summary.recovery = summary.recovery.or(Some(*counter)),
        (71, labels) => summary.apn(labels),
        (73, [bearer, ..]) => summary.bearer = summary.bearer.or(Some(bearer & 0xf)),
        (75, digits) => summary.device(digits),
        (76, _) => summary.has_number = true,
        (79, [kind, bytes @ ..]) => allocated(kind & 7, bytes, summary),
        (82, [rat, ..]) => summary.rat = summary.rat.or(Some(*rat)),
        (83, [a, b, c, ..]) => {
            summary.serving_network = summary.serving_network.or_else(|| Plmn::read([*a, *b, *c]));
        }
        (87, [flags, a, b, c, d, bytes @ ..]) => {
            let len = if flags & 0x80 != 0 { 4 } else { 16 };
            summary.endpoint(Endpoint {
                interface: names::interface(flags & 0x3f),
                teid: u32::from_be_bytes([*a, *b, *c, *d]),
                address: bytes.get(..len).and_then(address),
            });
        }
        (94, [a, b, c, d]) => summary.charging_id = Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => {}
    }
}

/// The address of a subscriber: IPv4, a prefix of IPv6, or both (8.14).
fn allocated(kind: u8, bytes: &[u8], summary: &mut Summary) {
    let v6 = bytes.get(1..17).and_then(<[u8]>::first_chunk::<16>).map(|bytes| Ipv6Addr::from(*bytes));
    match kind {
        1 => summary.address(bytes),
        2 => summary.address_v6 = v6,
        3 => {
            summary.address_v6 = v6;
            summary.address(bytes.get(17..).unwrap_or_default());
        }
        _ => {}
    }
}
