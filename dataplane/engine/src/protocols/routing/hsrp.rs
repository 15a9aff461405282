//! HSRP, versions 0 (RFC 2281, 5.1) and 2 (Cisco: type, length, value).

use super::{Routing, address};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

#[derive(Debug, Default)]
pub(super) struct Hsrp;

impl Routing for Hsrp {
    const NAME: &'static str = "hsrp";

    fn digest(bytes: &[u8]) -> Option<(u8, &[u8])> {
        match bytes.len() {
            20.. => Some((*bytes.get(1)?, bytes)),
            _ => None,
        }
    }

    fn write(bytes: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
        let mut cursor = Cursor::new(bytes);
        let first = cursor.u8()?;
        if first == 0 {
            let (operation, state) = (cursor.u8()?, cursor.u8()?);
            event.number("version", 1_u8).label("message", name(operation)).label("state", old_state(state));
            event.number("hello_time_s", cursor.u8()?).number("hold_time_s", cursor.u8()?);
            event.number("priority", cursor.u8()?).number("group", cursor.u8()?);
            cursor.u8()?;
            // The password is in the clear, and mostly the one that every router has from the factory.
            let password = cursor.array::<8>()?;
            event.flag("has_default_password", password == b"cisco\0\0\0");
            address("address", *cursor.array()?, event);
            return Some(());
        }
        // Group state: version, operation, state, kind of address, group, identifier, priority, times, address.
        let state = cursor.take(usize::from(cursor.rest().first().copied()?) + 1)?;
        let mut cursor = Cursor::new(state.get(1..)?);
        event.number("version", cursor.u8()?).label("message", name(cursor.u8()?));
        event.label("state", new_state(cursor.u8()?));
        let is_v4 = cursor.u8()? == 4;
        event.number("group", cursor.u16()?);
        cursor.take(6)?;
        event.number("priority", cursor.u32()?);
        event.number("hello_time_ms", cursor.u32()?).number("hold_time_ms", cursor.u32()?);
        if is_v4 {
            address("address", *cursor.array()?, event);
        }
        Some(())
    }
}

const fn name(operation: u8) -> &'static str {
    match operation {
        0 => "hello",
        1 => "coup",
        2 => "resign",
        3 => "advertise",
        _ => "unknown",
    }
}

const fn old_state(state: u8) -> &'static str {
    match state {
        0 => "initial",
        1 => "learn",
        2 => "listen",
        4 => "speak",
        8 => "standby",
        16 => "active",
        _ => "unknown",
    }
}

const fn new_state(state: u8) -> &'static str {
    match state {
        0 => "disabled",
        1 => "initial",
        2 => "learn",
        3 => "listen",
        4 => "speak",
        5 => "standby",
        6 => "active",
        _ => "unknown",
    }
}
