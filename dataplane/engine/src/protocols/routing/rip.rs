//! RIP, versions 1 and 2 (RFC 2453, 3.6 and 4).

use super::Routing;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

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
        let (kind, version, _) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        event.number("version", version).label("message", if kind == 1 { "request" } else { "response" });
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
                    unreachable += u32::from(u32::from_be_bytes([*m3, *m2, *m1, *m0]) >= 16);
                }
            }
        }
        event.label("authentication", authentication);
        event.number("routes", routes).number("unreachable", unreachable);
        Some(())
    }
}
