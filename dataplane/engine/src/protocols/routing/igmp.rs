//! IGMP, versions 1 to 3 (RFC 9776, 4; RFC 2236, 2).

use super::{Routing, address};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Groups of a report that are written.
const GROUPS_MAX: u16 = 64;

#[derive(Debug, Default)]
pub(super) struct Igmp;

impl Routing for Igmp {
    const NAME: &'static str = "igmp";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        (bytes.len() >= 8).then_some((*bytes.first()?, bytes))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let (kind, time, _) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let (name, version) = match kind {
            // A query of version 3 is longer; one of version 1 leaves no time to answer (RFC 9776, 7.1).
            0x11 if bytes.len() >= 12 => ("membership_query", 3_u8),
            0x11 if time == 0 => ("membership_query", 1),
            0x11 => ("membership_query", 2),
            0x12 => ("membership_report", 1),
            0x16 => ("membership_report", 2),
            0x17 => ("leave_group", 2),
            0x22 => ("membership_report", 3),
            0x13 => ("dvmrp", 0),
            _ => {
                event.label("message", "unknown").number("type", kind);
                return Some(());
            }
        };
        event.label("message", name);
        if version > 0 {
            event.number("version", version);
        }
        match (kind, version) {
            (0x22, _) => return report(&mut cursor, event),
            (0x13, _) => {}
            _ => address("group", *cursor.array()?, event),
        }
        Some(())
    }
}

/// Records of groups (4.2).
fn report(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    cursor.u16()?;
    let count = cursor.u16()?;
    event.list("groups");
    for _ in 0..count.min(GROUPS_MAX) {
        let (kind, auxiliary, sources) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let group = *cursor.array()?;
        cursor.take(usize::from(sources) * 4 + usize::from(auxiliary) * 4)?;
        event.object("").label(
            "change",
            match kind {
                1 => "is_include",
                2 => "is_exclude",
                3 => "to_include",
                4 => "to_exclude",
                5 => "allow_sources",
                6 => "block_sources",
                _ => "unknown",
            },
        );
        address("group", group, event);
        event.number("sources", sources).close();
    }
    event.close();
    Some(())
}
