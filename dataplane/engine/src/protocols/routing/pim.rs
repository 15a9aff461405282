//! PIM (RFC 7761, 4.9).

use super::Routing;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

#[derive(Debug, Default)]
pub(super) struct Pim;

impl Routing for Pim {
    const NAME: &'static str = "pim";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        let (first, rest) = bytes.split_first().filter(|(first, _)| matches!(*first >> 4, 1 | 2))?;
        let content = rest.get(3..)?;
        // User data that is registered is not what is told, only that it is.
        Some((first & 0xf, if matches!(first & 0xf, 1 | 2) { &[] } else { content }))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let (first, _, _) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        event.number("version", first >> 4).label(
            "message",
            match first & 0xf {
                0 => "hello",
                1 => "register",
                2 => "register_stop",
                3 => "join_prune",
                4 => "bootstrap",
                5 => "assert",
                6 => "graft",
                7 => "graft_acknowledgment",
                8 => "candidate_rendezvous_point",
                _ => "unknown",
            },
        );
        let (mut hold, mut priority) = (None, None);
        while first & 0xf == 0 && !cursor.is_empty() {
            let (kind, len) = (cursor.u16()?, cursor.u16()?);
            match (kind, cursor.take(usize::from(len))?) {
                (1, [a, b]) => hold = Some(u16::from_be_bytes([*a, *b])),
                (19, [a, b, c, d]) => priority = Some(u32::from_be_bytes([*a, *b, *c, *d])),
                _ => {}
            }
        }
        if let Some(hold) = hold {
            event.number("hold_time_s", hold);
        }
        if let Some(priority) = priority {
            event.number("priority", priority);
        }
        Some(())
    }
}
