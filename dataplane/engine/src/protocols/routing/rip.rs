//! RIP, versions 1 and 2 (RFC 2453, 3.6 and 4), and RIPng, the one for IPv6 (RFC 2080, 2.1).

use super::Routing;
use crate::protocols::framed::Cursor;
use crate::protocols::{Found, Probe};
use crate::record::EventWriter;

/// Port of RIPng.
pub(super) const NG_PORT: u16 = 521;
/// What cannot be reached.
const INFINITY: u8 = 16;
/// Metric of an entry that names a next hop instead of a route (RFC 2080, 2.1.1).
const NEXT_HOP: u8 = 0xff;
/// Command of an answer, which has routes; a request has what is asked for.
const RESPONSE: u8 = 2;

#[derive(Debug, Default)]
pub(super) struct Rip;

impl Routing for Rip {
    const NAME: &'static str = "rip";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        let [kind @ 1..=2, 1..=2, _, _, ..] = *bytes else { return None };
        Some((kind, bytes))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let kind = head(&mut cursor, event)?;
        let (mut routes, mut unreachable) = (0_u32, 0_u32);
        let mut authentication = "none";
        while let Some([f1, f0, k1, k0, .., m3, m2, m1, m0]) = cursor.array::<20>() {
            match u16::from_be_bytes([*f1, *f0]) {
                0xffff => {
                    authentication = match u16::from_be_bytes([*k1, *k0]) {
                        2 => "password",
                        3 => "cryptographic",
                        _ => "unknown",
                    };
                }
                _ => {
                    routes += 1;
                    let is_far = u32::from_be_bytes([*m3, *m2, *m1, *m0]) >= INFINITY.into();
                    unreachable += u32::from(is_far && kind == RESPONSE);
                }
            }
        }
        event.label("authentication", authentication);
        event.number("routes", routes).number("unreachable", unreachable);
        Some(())
    }
}

#[derive(Debug, Default)]
pub(super) struct Ng;

impl Routing for Ng {
    const NAME: &'static str = "ripng";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        let [kind @ 1..=2, 1, _, _, ..] = *bytes else { return None };
        Some((kind, bytes))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let kind = head(&mut cursor, event)?;
        let (mut routes, mut unreachable) = (0_u32, 0_u32);
        while let Some([.., metric]) = cursor.array::<20>() {
            if *metric != NEXT_HOP {
                routes += 1;
                unreachable += u32::from(*metric >= INFINITY && kind == RESPONSE);
            }
        }
        event.number("routes", routes).number("unreachable", unreachable);
        Some(())
    }
}

/// Writes what stands before the entries of both; gives the command.
fn head(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<u8> {
    let (kind, version, _) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    let message = if kind == RESPONSE { "response" } else { "request" };
    event.number("version", version).label("message", message);
    Some(kind)
}

/// Whether a datagram of the port of RIPng is one.
pub(super) fn probe_ng(probe: &Probe<'_>) -> Found {
    let Some(([1..=2, 1, 0, 0], entries)) = probe.payload.split_first_chunk::<4>() else { return Found::No };
    let (entries, []) = entries.as_chunks::<20>() else { return Found::No };
    // Prefix length and metric of each.
    let is_entry = |entry: &[u8; 20]| matches!(entry, [.., 0..=128, 1..=INFINITY | NEXT_HOP]);
    let is_sound = probe.has_port(NG_PORT) && !entries.is_empty() && entries.iter().all(is_entry);
    if is_sound { Found::Yes } else { Found::No }
}
