//! Headers: length, numbers of request and answer, operation, all little-endian.

use super::bson;
use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing};
use crate::record::Direction;

/// Bytes of a header.
pub(super) const HEAD: usize = 16;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 8 * 1024;
/// `maxMessageSizeBytes`.
const MESSAGE_MAX: u32 = 48_000_000;

pub(super) const REPLY: u32 = 1;
pub(super) const UPDATE: u32 = 2001;
pub(super) const INSERT: u32 = 2002;
pub(super) const QUERY: u32 = 2004;
pub(super) const GET_MORE: u32 = 2005;
pub(super) const DELETE: u32 = 2006;
pub(super) const KILL_CURSORS: u32 = 2007;
pub(super) const COMMAND: u32 = 2010;
pub(super) const COMMAND_REPLY: u32 = 2011;
pub(super) const COMPRESSED: u32 = 2012;
pub(super) const MESSAGE: u32 = 2013;

/// A header that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) len: u32,
    pub(super) request: u32,
    pub(super) answers: u32,
    pub(super) operation: u32,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        Some(Self {
            len: cursor.u32_le()?,
            request: cursor.u32_le()?,
            answers: cursor.u32_le()?,
            operation: cursor.u32_le()?,
        })
    }
}

/// Name of an operation.
pub(super) const fn operation(code: u32) -> Option<&'static str> {
    Some(match code {
        REPLY => "OP_REPLY",
        UPDATE => "OP_UPDATE",
        INSERT => "OP_INSERT",
        QUERY => "OP_QUERY",
        GET_MORE => "OP_GET_MORE",
        DELETE => "OP_DELETE",
        KILL_CURSORS => "OP_KILL_CURSORS",
        COMMAND => "OP_COMMAND",
        COMMAND_REPLY => "OP_COMMANDREPLY",
        COMPRESSED => "OP_COMPRESSED",
        MESSAGE => "OP_MSG",
        _ => return None,
    })
}

/// Where a message ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let Some(header) = Header::read(bytes) else {
        // The highest byte of a length below 48 MB, and of an operation below 64 Ki.
        let fits = bytes.get(3).is_none_or(|high| *high < 3) && bytes.get(14).is_none_or(|high| *high == 0);
        return if fits { Framing::Open } else { Framing::Invalid("invalid_header") };
    };
    let least = match header.operation {
        REPLY => 36,
        QUERY => 34,
        INSERT | UPDATE | DELETE | GET_MORE => 30,
        KILL_CURSORS => 24,
        COMPRESSED => 25,
        MESSAGE => 26,
        COMMAND | COMMAND_REPLY => 26,
        _ => return Framing::Invalid("invalid_header"),
    };
    match usize::try_from(header.len) {
        Ok(len) if (least..=MESSAGE_MAX).contains(&header.len) => Framing::at_most(len, SHOWN_MAX),
        _ => Framing::Invalid("invalid_header"),
    }
}

/// Whether what follows a header fits its operation.
pub(super) fn looks_sound(bytes: &[u8], from: Direction) -> Found {
    let (Some(header), Some(body)) = (Header::read(bytes), bytes.get(HEAD..)) else { return Found::Maybe };
    let rest = usize::try_from(header.len).unwrap_or_default().saturating_sub(HEAD);
    let is_answer = matches!(header.operation, REPLY | COMMAND_REPLY);
    // Who asks answers nothing; old clients write that as -1.
    if from == Direction::ToServer && (is_answer || !matches!(header.answers, 0 | u32::MAX)) {
        return Found::No;
    }
    let sound = match header.operation {
        MESSAGE => message(body, rest),
        QUERY => query(body, rest),
        REPLY => reply(body, rest),
        COMPRESSED => compressed(body),
        _ => return Found::No,
    };
    match sound {
        None => Found::Maybe,
        Some(true) => Found::Yes,
        Some(false) => Found::No,
    }
}

/// Flags that exist, and a document with its own length and type of element, or a sequence of documents.
fn message(body: &[u8], rest: usize) -> Option<bool> {
    let mut cursor = Cursor::new(body);
    let (flags, kind) = (cursor.u32_le()?, cursor.u8()?);
    if flags & !0x1_0003 != 0 || kind > 1 {
        return Some(false);
    }
    let len = usize::try_from(cursor.u32_le()?).ok()?;
    if kind == 1 {
        return Some(
            (5..=rest).contains(&len)
                && body.get(9..).is_some_and(|name| {
                    name.starts_with(b"documents")
                        || name.starts_with(b"updates")
                        || name.starts_with(b"deletes")
                }),
        );
    }
    let first = cursor.u8()?;
    Some((5..=rest.saturating_sub(5)).contains(&len) && (bson::is_kind(first) || first == 0 && len == 5))
}

/// Flags, the name of a collection with a point in it, then a document.
fn query(body: &[u8], rest: usize) -> Option<bool> {
    let mut cursor = Cursor::new(body);
    let flags = cursor.u32_le()?;
    let shown = cursor.rest().get(..256).unwrap_or(cursor.rest());
    let end = shown.iter().position(|byte| *byte == 0);
    let name = shown.get(..end.unwrap_or(shown.len()))?;
    let is_name = name.iter().all(|byte| (0x21..=0x7e).contains(byte) || *byte >= 0x80);
    if flags & !0xff != 0
        || !is_name
        || end.is_some() && !name.contains(&b'.')
        || shown.len() == 256 && end.is_none()
    {
        return Some(false);
    }
    cursor.take(end? + 1)?;
    let (_skip, _count, len) = (cursor.u32_le()?, cursor.u32_le()?, usize::try_from(cursor.u32_le()?).ok()?);
    Some((5..=rest).contains(&len))
}

/// Flags, cursor, number of documents.
fn reply(body: &[u8], rest: usize) -> Option<bool> {
    let mut cursor = Cursor::new(body);
    let flags = cursor.u32_le()?;
    cursor.take(8)?;
    let (_from, documents) = (cursor.u32_le()?, cursor.u32_le()?);
    if flags & !0xf != 0 || documents > 100_000 {
        return Some(false);
    }
    if documents == 0 {
        return Some(rest == 20);
    }
    let len = usize::try_from(cursor.u32_le()?).ok()?;
    Some((5..=rest - 20).contains(&len))
}

/// What was packed, its size, and how.
fn compressed(body: &[u8]) -> Option<bool> {
    let mut cursor = Cursor::new(body);
    let (original, size, compressor) = (cursor.u32_le()?, cursor.u32_le()?, cursor.u8()?);
    Some(operation(original).is_some() && original != COMPRESSED && size <= MESSAGE_MAX && compressor <= 3)
}

/// Name of a compressor (OP_COMPRESSED).
pub(super) const fn compressor(code: u8) -> &'static str {
    match code {
        0 => "noop",
        1 => "snappy",
        2 => "zlib",
        3 => "zstd",
        _ => "unknown",
    }
}
