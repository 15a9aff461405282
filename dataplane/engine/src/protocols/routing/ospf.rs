//! OSPF, versions 2 and 3 (RFC 2328, appendix A; RFC 5340, appendix A).

use super::{Routing, address};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Neighbours of a hello that are written.
const NEIGHBOURS_MAX: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Ospf;

impl Routing for Ospf {
    const NAME: &'static str = "ospf";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        let [version, kind @ 1..=5, l1, l0, ..] = *bytes else { return None };
        let head = match version {
            2 => 24,
            3 => 16,
            _ => return None,
        };
        let len = usize::from(u16::from_be_bytes([l1, l0]));
        let packet = bytes.get(..len).filter(|packet| packet.len() >= head)?;
        // Databases are exchanged in many packets that are all alike: each kind once.
        Some((kind, if kind == 1 { packet.get(head..)? } else { &[] }))
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        // A cryptographic digest follows the packet and is not counted in its length (RFC 2328, D.4.3).
        let len = bytes.get(2..4).and_then(<[u8]>::first_chunk).map(|len| u16::from_be_bytes(*len));
        let mut cursor = Cursor::new(bytes.get(..usize::from(len?))?);
        let (version, kind, _) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        event.number("version", version).label(
            "message",
            match kind {
                1 => "hello",
                2 => "database_description",
                3 => "link_state_request",
                4 => "link_state_update",
                _ => "link_state_acknowledgment",
            },
        );
        address("router", *cursor.array()?, event);
        address("area", *cursor.array()?, event);
        cursor.u16()?;
        if version == 2 {
            let authentication = match cursor.u16()? {
                0 => "none",
                1 => "password",
                2 => "cryptographic",
                _ => "unknown",
            };
            event.label("authentication", authentication);
            cursor.take(8)?;
        } else {
            event.number("instance", cursor.u8()?);
            cursor.u8()?;
        }
        match kind {
            1 => hello(version, &mut cursor, event),
            4 => {
                event.number("advertisements", cursor.u32()?);
                Some(())
            }
            _ => Some(()),
        }
    }
}

fn hello(version: u8, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let dead = if version == 2 {
        address("network_mask", *cursor.array()?, event);
        event.number("hello_interval_s", cursor.u16()?);
        cursor.u8()?;
        event.number("priority", cursor.u8()?);
        cursor.u32()?
    } else {
        cursor.u32()?;
        event.number("priority", cursor.u8()?);
        cursor.u24()?;
        event.number("hello_interval_s", cursor.u16()?);
        cursor.u16()?.into()
    };
    event.number("dead_interval_s", dead);
    address("designated_router", *cursor.array()?, event);
    address("backup_router", *cursor.array()?, event);
    event.list("neighbours");
    for _ in 0..NEIGHBOURS_MAX.min(cursor.len() / 4) {
        address("", *cursor.array()?, event);
    }
    event.close();
    Some(())
}
