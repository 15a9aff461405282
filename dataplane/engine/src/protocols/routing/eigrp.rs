//! EIGRP (RFC 7868, 6).

use super::Routing;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

#[derive(Debug, Default)]
pub(super) struct Eigrp;

impl Routing for Eigrp {
    const NAME: &'static str = "eigrp";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        let [2, kind, ..] = *bytes else { return None };
        let parameters = bytes.get(20..)?;
        Some((kind, if kind == 5 { parameters } else { &[] }))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let (version, kind) = (cursor.u8()?, cursor.u8()?);
        event.number("version", version).label(
            "message",
            match kind {
                1 => "update",
                2 => "request",
                3 => "query",
                4 => "reply",
                5 => "hello",
                10 => "sia_query",
                11 => "sia_reply",
                _ => "unknown",
            },
        );
        // Checksum, flags, sequence, acknowledgment.
        cursor.take(14)?;
        event.number("router", cursor.u16()?).number("autonomous_system", cursor.u16()?);
        let mut authentication = "none";
        let mut routes = 0_u32;
        let (mut hold, mut software) = (None, None);
        while !cursor.is_empty() {
            let (kind, len) = (cursor.u16()?, usize::from(cursor.u16()?).checked_sub(4)?);
            let value = cursor.take(len)?;
            match (kind, value) {
                (1, [_, _, _, _, _, _, h1, h0, ..]) => hold = Some(u16::from_be_bytes([*h1, *h0])),
                (2, [_, 2, ..]) => authentication = "md5",
                (2, [_, 3, ..]) => authentication = "sha256",
                (2, _) => authentication = "unknown",
                (4, [major, minor, ..]) => software = Some([*major, *minor]),
                (0x0100.., _) => routes += 1,
                _ => {}
            }
        }
        event.label("authentication", authentication);
        if let Some(hold) = hold {
            event.number("hold_time_s", hold);
        }
        if let Some([major, minor]) = software {
            event.text("release", format!("{major}.{minor}").as_bytes());
        }
        if routes > 0 {
            event.number("routes", routes);
        }
        Some(())
    }
}
