//! Frames (RFC 9113, 4 and 6).

use crate::protocols::framed::{Cursor, Framing};

/// Bytes before a frame's payload.
pub(super) const HEAD: usize = 9;
/// Longest payload that is read; of longer ones only their length is known.
pub(super) const SHOWN_MAX: usize = 32 * 1024;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// A frame, as far as it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) len: u32,
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

/// Where a frame ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let mut cursor = Cursor::new(bytes);
    let (Some(len), Some(kind), Some(_flags), Some(stream)) =
        (cursor.u24(), cursor.u8(), cursor.u8(), cursor.u32())
    else {
        return Framing::Open;
    };
    let is_sound = match kind {
        DATA | HEADERS | CONTINUATION => stream != 0,
        RST_STREAM => len == 4 && stream != 0,
        SETTINGS => len % 6 == 0 && len <= 600 && stream == 0,
        PUSH_PROMISE => len >= 4 && stream != 0,
        PING => len == 8 && stream == 0,
        GOAWAY => len >= 8 && stream == 0,
        WINDOW_UPDATE => len == 4,
        2 => len == 5 && stream != 0,
        // Extensions (5.5).
        _ => true,
    };
    if !is_sound || stream >> 31 != 0 {
        return Framing::Invalid("invalid_frame");
    }
    let Ok(len) = usize::try_from(len) else { return Framing::Invalid("invalid_frame") };
    let is_wanted = matches!(kind, HEADERS | CONTINUATION | PUSH_PROMISE | RST_STREAM | SETTINGS | GOAWAY);
    Framing::at_most(HEAD + len, if is_wanted { HEAD + SHOWN_MAX } else { HEAD })
}

impl<'a> Frame<'a> {
    /// Reads a frame, or its beginning.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        Some(Self {
            len: cursor.u24()?,
            kind: cursor.u8()?,
            flags: cursor.u8()?,
            stream: cursor.u32()? & 0x7fff_ffff,
            payload: cursor.rest(),
        })
    }

    /// Whether the payload was shown whole.
    pub(super) fn is_whole(&self) -> bool {
        usize::try_from(self.len).is_ok_and(|len| len == self.payload.len())
    }

    pub(super) const fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    pub(super) const fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// The piece of a field block in it, and the stream that is promised.
    pub(super) fn fragment(&self) -> Option<(Option<u32>, &'a [u8])> {
        let mut cursor = Cursor::new(self.payload);
        let padding =
            if self.kind != CONTINUATION && self.flags & PADDED != 0 { cursor.u8()?.into() } else { 0 };
        let mut promised = None;
        if self.kind == HEADERS && self.flags & PRIORITY != 0 {
            cursor.take(5)?;
        } else if self.kind == PUSH_PROMISE {
            promised = Some(cursor.u32()? & 0x7fff_ffff);
        }
        let len = cursor.len().checked_sub(padding)?;
        Some((promised, cursor.take(len)?))
    }

    /// Settings: numbers and values.
    pub(super) fn settings(&self) -> impl Iterator<Item = (u16, u32)> {
        let mut cursor = Cursor::new(if self.flags & 1 == 0 { self.payload } else { &[] });
        core::iter::from_fn(move || Some((cursor.u16()?, cursor.u32()?)))
    }
}

/// Name of an error (RFC 9113, 7).
pub(super) const fn error(code: u32) -> &'static str {
    match code {
        0 => "NO_ERROR",
        1 => "PROTOCOL_ERROR",
        2 => "INTERNAL_ERROR",
        3 => "FLOW_CONTROL_ERROR",
        4 => "SETTINGS_TIMEOUT",
        5 => "STREAM_CLOSED",
        6 => "FRAME_SIZE_ERROR",
        7 => "REFUSED_STREAM",
        8 => "CANCEL",
        9 => "COMPRESSION_ERROR",
        10 => "CONNECT_ERROR",
        11 => "ENHANCE_YOUR_CALM",
        12 => "INADEQUATE_SECURITY",
        13 => "HTTP_1_1_REQUIRED",
        _ => "unknown",
    }
}
