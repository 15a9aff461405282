//! Messages of the Common Industrial Protocol (The CIP Networks Library, volume 1, 2-4): service, path and data of a
//! request; service, states and data of a response.

use super::names;
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Messages within messages that are read.
const DEPTH_MAX: u8 = 3;
/// Messages in one of several that are written.
const MULTIPLE_MAX: u16 = 32;
/// Segments of a path that are written.
const SEGMENTS_MAX: usize = 16;
const CONNECTION_MANAGER: u32 = 6;

/// Whether some bytes could be a message: a response has a reserved zero, a request a path that fits.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    match bytes {
        [code, 0, _, extended, rest @ ..] if code & 0x80 != 0 => rest.len() >= usize::from(*extended) * 2,
        [code, words, rest @ ..] if code & 0x80 == 0 && *code != 0 => rest.len() >= usize::from(*words) * 2,
        _ => false,
    }
}

/// Whether this is a response.
pub(super) fn is_response(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|code| code & 0x80 != 0)
}

/// Writes a message as the members of an object.
pub(super) fn write(bytes: &[u8], event: &mut EventWriter<'_>) {
    write_at(bytes, 0, event);
}

fn write_at(bytes: &[u8], depth: u8, event: &mut EventWriter<'_>) {
    let _ = if is_response(bytes) {
        write_response(bytes, depth, event)
    } else {
        write_request(bytes, depth, event)
    };
}

fn write_request(bytes: &[u8], depth: u8, event: &mut EventWriter<'_>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let (code, words) = (cursor.u8()?, cursor.u8()?);
    let path = cursor.take(usize::from(words) * 2)?;
    let class = class_of(path);
    let is_manager = class == Some(CONNECTION_MANAGER);
    event.label("service", names::service(code, is_manager)).number("service_code", code);
    if !path.is_empty() {
        event.list("path");
        write_path(path, event);
        event.close();
    }
    if let Some(class) = class {
        event.label("class_name", names::class(class).unwrap_or("unknown"));
    }
    match (code, is_manager) {
        (0x0a, false) if depth < DEPTH_MAX => write_multiple(cursor.rest(), depth, event),
        (0x52, true) if depth < DEPTH_MAX => {
            cursor.take(2)?;
            let size = cursor.u16_le()?;
            let message = cursor.take(usize::from(size))?;
            event.object("embedded");
            write_at(message, depth + 1, event);
            event.close();
        }
        (0x54 | 0x5b, true) => {
            cursor.take(2)?;
            let (_, to_originator, serial) = (cursor.u32_le()?, cursor.u32_le()?, cursor.u16_le()?);
            let (vendor, originator) = (cursor.u16_le()?, cursor.u32_le()?);
            event.object("connection").number("t_to_o_id", to_originator).number("serial", serial);
            event.number("originator_vendor_id", vendor).number("originator_serial", originator).close();
        }
        _ => {}
    }
    Some(())
}

fn write_response(bytes: &[u8], depth: u8, event: &mut EventWriter<'_>) -> Option<()> {
    let mut cursor = Cursor::new(bytes);
    let (code, 0, status, extended) = (cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?) else {
        return None;
    };
    event.label("service", names::service(code, false)).number("service_code", code & 0x7f);
    event.label("status", names::general_status(status)).number("status_code", status);
    let extended = cursor.take(usize::from(extended) * 2)?;
    if !extended.is_empty() {
        event.hex("status_extended", extended);
    }
    if code & 0x7f == 0x0a && depth < DEPTH_MAX {
        write_multiple(cursor.rest(), depth, event);
    }
    Some(())
}

/// Several messages: their number, offsets from that number on, messages.
fn write_multiple(data: &[u8], depth: u8, event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(data);
    let Some(count) = cursor.u16_le() else { return };
    event.list("multiple");
    let mut next = cursor.u16_le();
    for number in 1..=count.min(MULTIPLE_MAX) {
        let Some(start) = next else { break };
        next = if number < count { cursor.u16_le() } else { None };
        let end = next.map_or(data.len(), usize::from);
        let Some(message) = data.get(usize::from(start)..end) else { break };
        event.object("");
        write_at(message, depth + 1, event);
        event.close();
    }
    event.close();
}

/// The last class that a path names.
fn class_of(path: &[u8]) -> Option<u32> {
    let mut cursor = Cursor::new(path);
    let mut class = None;
    while let Some(segment) = Segment::read(&mut cursor) {
        if let Segment::Logical(0x20..=0x23, value) = segment {
            class = Some(value);
        }
    }
    class
}

/// A segment of a path (volume 1, appendix C).
enum Segment<'a> {
    /// Type and value.
    Logical(u8, u32),
    /// A name.
    Symbol(&'a [u8]),
    /// A port and the address behind it.
    Port(u8, &'a [u8]),
    /// Anything else of known length.
    Other(u8),
}

impl<'a> Segment<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let code = cursor.u8()?;
        let segment = match code {
            // Electronic key: format 4, eight bytes.
            0x34 => {
                let (4, _) = (cursor.u8()?, cursor.take(8)?) else { return None };
                Self::Other(code)
            }
            0x20..=0x3f => match code & 3 {
                0 => Self::Logical(code, cursor.u8()?.into()),
                1 => {
                    cursor.u8()?;
                    Self::Logical(code, cursor.u16_le()?.into())
                }
                2 => {
                    cursor.u8()?;
                    Self::Logical(code, cursor.u32_le()?)
                }
                _ => return None,
            },
            0x91 => {
                let length = usize::from(cursor.u8()?);
                let name = cursor.take(length)?;
                if length % 2 == 1 {
                    cursor.u8()?;
                }
                Self::Symbol(name)
            }
            0x80 => {
                let words = usize::from(cursor.u8()?);
                cursor.take(words * 2)?;
                Self::Other(code)
            }
            0x00..=0x1f => {
                let size = if code & 0x10 != 0 { usize::from(cursor.u8()?) } else { 1 };
                if code & 0x0f == 0x0f {
                    cursor.take(2)?;
                }
                let address = cursor.take(size)?;
                if size % 2 == 0
                    && code & 0x10 != 0
                    && !cursor.is_empty()
                    && size > 1
                    && cursor.len() % 2 == 1
                {
                    cursor.u8()?;
                }
                Self::Port(code & 0x0f, address)
            }
            0x40..=0x5f => {
                cursor.u8()?;
                Self::Other(code)
            }
            _ => return None,
        };
        Some(segment)
    }
}

fn write_path(path: &[u8], event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(path);
    for _ in 0..SEGMENTS_MAX {
        let Some(segment) = Segment::read(&mut cursor) else { break };
        event.object("");
        match segment {
            Segment::Logical(code, value) => {
                event.label("segment_type", names::segment(code)).number("value", value)
            }
            Segment::Symbol(name) => event.label("segment_type", "symbol").text("name", name),
            Segment::Port(port, address) => {
                event.label("segment_type", "port").number("port", port).hex("address", address)
            }
            Segment::Other(code) => event.label("segment_type", names::segment(code)),
        };
        event.close();
    }
}
