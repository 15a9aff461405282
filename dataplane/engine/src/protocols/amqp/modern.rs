//! Performatives of AMQP 1.0 and of its SASL layer.

use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Cursor, Report};
use crate::protocols::kept::{Kept, Quota};
use crate::record::Direction;

const OPEN: u64 = 0x10;
const ATTACH: u64 = 0x12;
const TRANSFER: u64 = 0x14;
const CLOSE: u64 = 0x18;
const ERROR: u64 = 0x1d;
const SOURCE: u64 = 0x28;
const TARGET: u64 = 0x29;
const SASL_INIT: u64 = 0x41;
const SASL_OUTCOME: u64 = 0x44;

/// A value, as far as anybody here wants to know (1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Null,
    Number(u64),
    Bytes(&'a [u8]),
    /// A list of fields within a description.
    Described(u64, &'a [u8]),
    Other,
}

/// Reads one value.
fn value<'a>(cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    match cursor.u8()? {
        // A descriptor, which is a number here, then a list.
        0x00 => {
            let code = match cursor.u8()? {
                0x53 => u64::from(cursor.u8()?),
                0x80 => u64::from_be_bytes(*cursor.array()?),
                _ => return None,
            };
            Some(match plain(cursor)? {
                Value::Bytes(list) => Value::Described(code, list),
                _ => Value::Described(code, &[]),
            })
        }
        kind => of_kind(kind, cursor),
    }
}

fn plain<'a>(cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    let kind = cursor.u8()?;
    of_kind(kind, cursor)
}

/// The high half of a kind says how long its values are (1.2).
fn of_kind<'a>(kind: u8, cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    Some(match kind {
        0x40 => Value::Null,
        0x41..=0x4f => Value::Number(u64::from(kind == 0x41)),
        0x50..=0x5f => Value::Number(cursor.u8()?.into()),
        0x60..=0x6f => Value::Number(cursor.u16()?.into()),
        0x70..=0x7f => Value::Number(cursor.u32()?.into()),
        0x80..=0x8f => Value::Number(u64::from_be_bytes(*cursor.array()?)),
        0x90..=0x9f => cursor.take(16).map(|_| Value::Other)?,
        // Lists and maps have a count behind their size.
        0xa0..=0xaf => {
            let len = cursor.u8()?;
            Value::Bytes(cursor.take(len.into())?)
        }
        0xb0..=0xbf => {
            let len = usize::try_from(cursor.u32()?).ok()?;
            Value::Bytes(cursor.take(len)?)
        }
        0xc0..=0xcf | 0xe0..=0xef => {
            let len = usize::from(cursor.u8()?);
            Value::Bytes(cursor.take(len)?.get(1..)?)
        }
        0xd0..=0xdf | 0xf0..=0xff => {
            let len = usize::try_from(cursor.u32()?).ok()?;
            Value::Bytes(cursor.take(len)?.get(4..)?)
        }
        _ => return None,
    })
}

/// The field at a place of a list.
fn field(list: &[u8], at: usize) -> Value<'_> {
    let mut cursor = Cursor::new(list);
    for _ in 0..at {
        if value(&mut cursor).is_none() {
            return Value::Null;
        }
    }
    value(&mut cursor).unwrap_or(Value::Null)
}

fn text(value: Value<'_>) -> &[u8] {
    if let Value::Bytes(text) = value { text } else { &[] }
}

/// The connection of 1.0.
#[derive(Debug, Default)]
pub(super) struct Modern {
    credentials: Credentials,
    transfers: u64,
}

impl Modern {
    /// Takes a frame, or its beginning.
    pub(super) fn frame(
        &mut self,
        bytes: &[u8],
        from: Direction,
        quota: &mut Quota,
        report: &mut Report<'_, '_>,
    ) {
        let offset = bytes.get(4).map_or(0, |words| usize::from(*words) * 4);
        let mut cursor = Cursor::new(bytes.get(offset..).unwrap_or_default());
        let Some(Value::Described(code, list)) = value(&mut cursor) else { return };
        match code {
            SASL_INIT => {
                self.credentials.mechanism(text(field(list, 0)));
                self.credentials.sasl_response(text(field(list, 1)));
            }
            SASL_OUTCOME => {
                let mut event = report.event("amqp");
                event.label("type", "login").label("version", "1.0");
                self.credentials.write(&mut event);
                let is_good = field(list, 0) == Value::Number(0);
                event.label("result", if is_good { "success" } else { "failure" });
                event.cleartext();
            }
            OPEN => {
                let mut event = report.event("amqp");
                event.label("type", "open").label("version", "1.0").label("from", sender(from));
                for (name, at) in [("container_id", 0), ("hostname", 1)] {
                    Kept::<128>::of(text(field(list, at))).write(name, &mut event);
                }
            }
            ATTACH if quota.take() => attach(list, from, report),
            TRANSFER => self.transfers = self.transfers.saturating_add(1),
            CLOSE => {
                if let Value::Described(ERROR, error) = field(list, 0) {
                    let mut event = report.event("amqp");
                    event.label("type", "close").label("from", sender(from));
                    Kept::<64>::of(text(field(error, 0))).write("condition", &mut event);
                    Kept::<128>::of(text(field(error, 1))).write("message", &mut event);
                }
            }
            _ => {}
        }
    }

    /// The flow ended.
    pub(super) fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.transfers > 0 {
            report.event("amqp").label("type", "session").number("transfers", self.transfers);
        }
    }
}

/// A link, with where from and where to.
fn attach(list: &[u8], from: Direction, report: &mut Report<'_, '_>) {
    let mut event = report.event("amqp");
    event.label("type", "attach").label("from", sender(from));
    Kept::<128>::of(text(field(list, 0))).write("name", &mut event);
    event.label("role", if field(list, 2) == Value::Number(1) { "receiver" } else { "sender" });
    for (name, at, code) in [("source", 5, SOURCE), ("target", 6, TARGET)] {
        if let Value::Described(found, fields) = field(list, at)
            && found == code
        {
            Kept::<128>::of(text(field(fields, 0))).write(name, &mut event);
        }
    }
}

const fn sender(from: Direction) -> &'static str {
    match from {
        Direction::ToServer => "client",
        Direction::ToClient => "server",
    }
}
