//! The `modbus` event: a request and its response, in the fields of Suricata's EVE output.

use super::adu::{Transport, Unit};
use super::function::{Role, category, diagnostic, exception, function, identification, interface, umas};
use super::pdu::check;
use crate::protocols::framed::{Cursor, Report};
use crate::record::EventWriter;

/// Writes a transaction, of which one half may be missing.
pub(super) fn write(
    number: u64,
    transport: Transport,
    request: Option<&Unit<'_>>,
    response: Option<&Unit<'_>>,
    report: &mut Report<'_, '_>,
) {
    let mut event = report.event("modbus");
    event.number("id", number);
    if transport == Transport::Serial {
        event.label("framing", "rtu");
    }
    for (name, unit, role) in [("request", request, Role::Request), ("response", response, Role::Response)] {
        if let Some(unit) = unit {
            event.object(name);
            write_unit(unit, role, &mut event);
            event.close();
        }
    }
}

fn write_unit(unit: &Unit<'_>, role: Role, event: &mut EventWriter<'_>) {
    let (code, data) = unit.pdu.split_first().map_or((0, &[][..]), |(code, data)| (*code, data));
    let fault = check(unit.pdu, role).err();
    let named = function(code);
    event.number("transaction_id", unit.transaction).number("protocol_id", 0_u8).number("unit_id", unit.unit);
    event.number("function_raw", code).label("function_code", named.name);
    event.label("access_type", named.access).label("category", category(code));
    event.label("error_flags", fault.map_or("NONE", super::pdu::Fault::flag));
    if code & 0x80 != 0 {
        if let Some(&raw) = data.first() {
            event.object("exception").number("raw", raw).label("code", exception(raw)).close();
        }
    } else if fault.is_some() || write_data(code, data, role, event).is_none() {
        event.hex("data", data);
    }
}

/// Writes what a right unit says; None where nothing is known of its function.
fn write_data(code: u8, data: &[u8], role: Role, event: &mut EventWriter<'_>) -> Option<()> {
    let mut cursor = Cursor::new(data);
    match (code, role) {
        (1..=4 | 20 | 24, _) => {
            event.object("read");
            write_read(code, cursor, role, event);
            event.close();
        }
        (5 | 6, _) | (15 | 16, _) | (21 | 22, _) => {
            event.object("write");
            write_write(code, cursor, role, event);
            event.close();
        }
        (23, Role::Request) => {
            let (read, write) = cursor.rest().split_at_checked(4)?;
            event.object("read");
            write_read(3, Cursor::new(read), role, event);
            event.close().object("write");
            write_write(16, Cursor::new(write), role, event);
            event.close();
        }
        (23, Role::Response) => {
            event.object("read").hex("data", data.get(1..)?).close();
        }
        (8, _) => {
            let sub = cursor.u16()?;
            event.object("diagnostic").number("raw", sub).label("code", diagnostic(sub));
            event.hex("data", cursor.rest()).close();
        }
        (43, _) => write_interface(cursor, role, event),
        (90, _) => {
            let (session, operation) = (cursor.u8()?, cursor.u8()?);
            event.object("umas").number("session", session).number("raw", operation);
            event.label("code", umas(operation)).hex("data", cursor.rest()).close();
        }
        _ if data.is_empty() => {}
        _ => return None,
    }
    Some(())
}

fn write_read(code: u8, mut cursor: Cursor<'_>, role: Role, event: &mut EventWriter<'_>) {
    match (code, role) {
        (1..=4, Role::Request) => {
            if let (Some(address), Some(quantity)) = (cursor.u16(), cursor.u16()) {
                event.number("address", address).number("quantity", quantity);
            }
        }
        (24, Role::Request) => {
            if let Some(address) = cursor.u16() {
                event.number("address", address);
            }
        }
        (20, Role::Request) => write_file_records(cursor, FileData::Absent, event),
        (24, Role::Response) => {
            event.hex("data", cursor.rest().get(4..).unwrap_or_default());
        }
        _ => {
            event.hex("data", cursor.rest().get(1..).unwrap_or_default());
        }
    }
}

fn write_write(code: u8, mut cursor: Cursor<'_>, role: Role, event: &mut EventWriter<'_>) {
    if code == 21 {
        return write_file_records(cursor, FileData::Present, event);
    }
    let (Some(address), Some(second)) = (cursor.u16(), cursor.u16()) else { return };
    event.number("address", address);
    match (code, role) {
        (5 | 6, _) => event.number("data", second),
        (22, _) => event.number("and_mask", second).number("or_mask", cursor.u16().unwrap_or_default()),
        (_, Role::Request) => {
            event.number("quantity", second).hex("data", cursor.rest().get(1..).unwrap_or_default())
        }
        (_, Role::Response) => event.number("quantity", second),
    };
}

/// Whether sub-requests carry what is to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileData {
    Absent,
    Present,
}

fn write_file_records(mut cursor: Cursor<'_>, data: FileData, event: &mut EventWriter<'_>) {
    cursor.u8();
    event.list("records");
    while let (Some(_), Some(file), Some(record), Some(words)) =
        (cursor.u8(), cursor.u16(), cursor.u16(), cursor.u16())
    {
        event.object("").number("file", file).number("record", record).number("quantity", words);
        if data == FileData::Present {
            event.hex("data", cursor.take(usize::from(words) * 2).unwrap_or_default());
        }
        event.close();
    }
    event.close();
}

/// An encapsulated interface; a device's identification object by object.
fn write_interface(mut cursor: Cursor<'_>, role: Role, event: &mut EventWriter<'_>) {
    let Some(raw) = cursor.u8() else { return };
    event.object("mei").number("raw", raw).label("code", interface(raw));
    match (raw, role) {
        (14, Role::Request) => {
            if let (Some(code), Some(object)) = (cursor.u8(), cursor.u8()) {
                event.number("read_code", code).number("object_id", object);
            }
        }
        (14, Role::Response) => {
            if let Some([_, conformity, _, _, _]) = cursor.array::<5>() {
                event.number("conformity", *conformity);
            }
            event.list("objects");
            while let (Some(id), Some(length)) = (cursor.u8(), cursor.u8()) {
                let value = cursor.take(usize::from(length)).unwrap_or_default();
                event
                    .object("")
                    .number("id", id)
                    .label("name", identification(id))
                    .text("value", value)
                    .close();
            }
            event.close();
        }
        _ => {
            event.hex("data", cursor.rest());
        }
    }
    event.close();
}
