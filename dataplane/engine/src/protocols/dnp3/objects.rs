//! Object headers and the objects behind them (IEEE 1815-2012, 4.2.2.7), read and written in one walk.

use super::layout::{Layout, Value, layout};
use super::names::{control_operation, control_status, trip_close};
use crate::protocols::framed::Cursor;
use crate::record::{Datum, EventWriter};

/// Object headers of one event.
const HEADERS_MAX: usize = 64;
/// Points of one header that are written, and of one event.
const POINTS_MAX: usize = 16;
const EVENT_POINTS_MAX: usize = 64;
/// Group of the class objects (annex A.26).
const CLASS: u8 = 60;

/// Why the walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The data ends within an object, or a range is impossible.
    Malformed,
    /// Objects of this kind are of unknown length.
    Unknown,
}

/// Whether objects stand behind the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Headers only, as in a read request.
    Headers,
    /// Objects too.
    Objects,
}

/// An object header.
#[derive(Clone, Copy, Debug)]
struct Header {
    group: u8,
    variation: u8,
    qualifier: u8,
    start: u32,
    stop: u32,
    count: u32,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let [group, variation, qualifier] = *cursor.array::<3>()?;
        let mut number = |size: u8| match size {
            0 => cursor.u8().map(u32::from),
            1 => cursor.u16_le().map(u32::from),
            _ => cursor.u32_le(),
        };
        let (start, stop, count) = match qualifier & 0x0f {
            size @ 0..=2 => {
                let (start, stop) = (number(size)?, number(size)?);
                (start, stop, stop.checked_sub(start)?.checked_add(1)?)
            }
            // Virtual addresses: where data is, not how much.
            size @ 3..=5 => (number(size - 3)?, number(size - 3)?, 0),
            6 => (0, 0, 0),
            size @ 7..=9 => (0, 0, number(size - 7)?),
            0x0b => (0, 0, number(0)?),
            _ => return None,
        };
        Some(Self { group, variation, qualifier, start, stop, count })
    }

    const fn prefix(self) -> u8 {
        self.qualifier >> 4 & 7
    }
}

/// Reads all object headers and writes them as members of an open list.
///
/// # Errors
/// Why not all could be read.
pub(super) fn write(data: &[u8], content: Content, event: &mut EventWriter<'_>) -> Result<(), Stop> {
    let mut cursor = Cursor::new(data);
    let mut points_left = EVENT_POINTS_MAX;
    for _ in 0..HEADERS_MAX {
        if cursor.is_empty() {
            break;
        }
        let header = Header::read(&mut cursor).ok_or(Stop::Malformed)?;
        event.object("").number("group", header.group).number("variation", header.variation);
        event.number("qualifier", header.qualifier).number("prefix_code", header.prefix());
        event.number("range_code", header.qualifier & 0x0f);
        event.number("start", header.start).number("stop", header.stop).number("count", header.count);
        let walked = walk(&header, content, &mut cursor, &mut points_left, event);
        event.close();
        walked?;
    }
    Ok(())
}

fn walk(
    header: &Header,
    content: Content,
    cursor: &mut Cursor<'_>,
    points_left: &mut usize,
    event: &mut EventWriter<'_>,
) -> Result<(), Stop> {
    let prefix = header.prefix();
    // Class objects are a name for others and hold nothing.
    if header.count == 0 || header.group == CLASS || (content == Content::Headers && prefix == 0) {
        return Ok(());
    }
    let count = usize::try_from(header.count).map_err(|_| Stop::Malformed)?;
    let layout = layout(header.group, header.variation);
    if let (Some(Layout::Packed(bits)), 0) = (layout, prefix) {
        return packed(header, usize::from(bits), cursor, points_left, event);
    }
    event.list("points");
    let mut walked = Ok(());
    for at in 0..count {
        // Without a prefix or a size of its own nothing moves forward: such counts mean nothing.
        if cursor.is_empty() {
            walked = Err(Stop::Malformed);
            break;
        }
        let is_written = at < POINTS_MAX && *points_left > 0;
        *points_left -= usize::from(is_written);
        walked = point(header, layout, content, cursor, is_written.then_some((at, &mut *event)));
        if walked.is_err() {
            break;
        }
    }
    event.close();
    walked
}

/// Single bits or pairs of them.
fn packed(
    header: &Header,
    bits: usize,
    cursor: &mut Cursor<'_>,
    points_left: &mut usize,
    event: &mut EventWriter<'_>,
) -> Result<(), Stop> {
    let count = usize::try_from(header.count).map_err(|_| Stop::Malformed)?;
    let octets = count.checked_mul(bits).ok_or(Stop::Malformed)?.div_ceil(8);
    let data = cursor.take(octets).ok_or(Stop::Malformed)?;
    event.list("points");
    let shown = count.min(POINTS_MAX).min(*points_left);
    *points_left -= shown;
    for (at, index) in (header.start..).take(shown).enumerate() {
        let octet = data.get(at * bits / 8).copied().unwrap_or_default();
        let value = octet >> (at * bits % 8) & ((1 << bits) - 1);
        event.object("").number("index", index).number("value", value).close();
    }
    event.close();
    Ok(())
}

/// One object, with the prefix before it; written where a writer is given.
fn point(
    header: &Header,
    layout: Option<Layout>,
    content: Content,
    cursor: &mut Cursor<'_>,
    writing: Option<(usize, &mut EventWriter<'_>)>,
) -> Result<(), Stop> {
    let prefix = match header.prefix() {
        0 => None,
        1 | 4 => Some(cursor.u8().map(u32::from).ok_or(Stop::Malformed)?),
        2 | 5 => Some(cursor.u16_le().map(u32::from).ok_or(Stop::Malformed)?),
        3 | 6 => Some(cursor.u32_le().ok_or(Stop::Malformed)?),
        _ => return Err(Stop::Malformed),
    };
    let is_sized = header.prefix() >= 4;
    let data = match (prefix, layout) {
        (Some(size), _) if is_sized => {
            usize::try_from(size).ok().and_then(|size| cursor.take(size)).ok_or(Stop::Malformed)?
        }
        _ if content == Content::Headers => &[],
        (_, Some(Layout::Attribute)) => {
            let length = usize::from(*cursor.rest().get(1).ok_or(Stop::Malformed)?);
            cursor.take(length + 2).ok_or(Stop::Malformed)?
        }
        (_, Some(layout)) => layout.size().and_then(|size| cursor.take(size)).ok_or(Stop::Malformed)?,
        (_, None) => return Err(Stop::Unknown),
    };
    let Some((at, event)) = writing else { return Ok(()) };
    event.object("");
    let index = if is_sized { None } else { prefix };
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    event.number("index", index.unwrap_or_else(|| header.start.saturating_add(at)));
    match layout {
        _ if data.is_empty() => {}
        Some(layout) => write_object(layout, Cursor::new(data), event),
        None => write_sized(header, data, event),
    }
    event.close();
    Ok(())
}

fn write_object(layout: Layout, mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) {
    match layout {
        Layout::Point { has_flags, value, time } => {
            if has_flags && let Some(flags) = cursor.u8() {
                event.number("flags", flags);
                if value == Value::Absent {
                    event.number("value", flags >> 7);
                }
            }
            write_value(value, &mut cursor, event);
            if time == 6 {
                write_time(&mut cursor, event);
            }
        }
        Layout::Output(value) => {
            write_value(value, &mut cursor, event);
            if let Some(status) = cursor.u8() {
                event.label("status", control_status(status));
            }
        }
        Layout::Control => {
            let (Some(code), Some(count), Some(on), Some(off), Some(status)) =
                (cursor.u8(), cursor.u8(), cursor.u32_le(), cursor.u32_le(), cursor.u8())
            else {
                return;
            };
            event.label("operation", control_operation(code)).label("trip_close", trip_close(code));
            event.flag("clear", code & 0x20 != 0).number("count", count);
            event.number("on_time", on).number("off_time", off).label("status", control_status(status));
        }
        Layout::Time(_) => write_time(&mut cursor, event),
        Layout::Attribute => {
            let kind = cursor.u8();
            cursor.u8();
            match kind {
                Some(1) => event.text("value", cursor.rest()),
                _ => event.hex("value", cursor.rest()),
            };
        }
        Layout::Octets(_) => {
            event.hex("value", cursor.rest());
        }
        Layout::Packed(_) | Layout::Opaque(_) => {}
    }
}

fn write_value(value: Value, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) {
    let signed = |value: i64| Datum::Signed(value);
    let datum = match value {
        Value::Absent => None,
        Value::Unsigned(4) => cursor.u32_le().map(|value| Datum::Unsigned(value.into())),
        Value::Unsigned(2) => cursor.u16_le().map(|value| Datum::Unsigned(value.into())),
        Value::Unsigned(_) => cursor.u8().map(|value| Datum::Unsigned(value.into())),
        Value::Signed(4) => cursor.array().map(|bytes| signed(i32::from_le_bytes(*bytes).into())),
        Value::Signed(_) => cursor.array().map(|bytes| signed(i16::from_le_bytes(*bytes).into())),
        Value::Single => cursor.array().map(|bytes| Datum::Real(f32::from_le_bytes(*bytes).into())),
        Value::Double => cursor.array().map(|bytes| Datum::Real(f64::from_le_bytes(*bytes))),
    };
    if let Some(datum) = datum {
        event.datum("value", datum);
    }
}

/// Milliseconds since 1970, 48 bits.
fn write_time(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) {
    if let Some(&[a, b, c, d, e, f]) = cursor.array::<6>() {
        let milliseconds = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        if let Some(time) = milliseconds.checked_mul(1_000_000) {
            event.datum("time", Datum::Time(time));
        }
    }
}

/// Objects that say their length: files (group 70), authentication (group 120) and others.
fn write_sized(header: &Header, data: &[u8], event: &mut EventWriter<'_>) {
    event.number("size", data.len() as u64);
    let mut cursor = Cursor::new(data);
    let name = match (header.group, header.variation) {
        // Offset and size of the name, then fields that other variations do not have (A.27.3).
        (70, 3) => {
            let offset = cursor.u16_le().map_or(0, usize::from);
            let length = cursor.u16_le().map_or(0, usize::from);
            if let Some(mode) = data.get(20..).and_then(<[u8]>::first_chunk) {
                event.label("mode", file_mode(u16::from_le_bytes(*mode)));
            }
            data.get(offset..).and_then(|rest| rest.get(..length))
        }
        (70, 8) => Some(data),
        _ => None,
    };
    if let Some(name) = name {
        event.text("file", name);
    }
}

/// What a file is opened for.
const fn file_mode(mode: u16) -> &'static str {
    match mode {
        1 => "READ",
        2 => "WRITE",
        3 => "APPEND",
        _ => "NULL",
    }
}
