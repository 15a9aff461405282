//! Headers of requests, and what is of interest behind them (protocol guide, "Common request and response structure").

use super::names;
use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing};
use crate::protocols::kept::Kept;

/// Bytes of a message that are read.
const SHOWN_MAX: usize = 2048;
/// `socket.request.max.bytes`.
const MESSAGE_MAX: u32 = 100 << 20;
/// Highest version of any request.
const VERSION_MAX: u16 = 20;
/// Topics of a request that are kept.
pub(super) const TOPICS_MAX: usize = 4;

pub(super) const PRODUCE: u16 = 0;
pub(super) const FETCH: u16 = 1;
pub(super) const METADATA: u16 = 3;
pub(super) const SASL_HANDSHAKE: u16 = 17;
pub(super) const API_VERSIONS: u16 = 18;
pub(super) const SASL_AUTHENTICATE: u16 = 36;

/// Where a message ends: its size comes first.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let Some(size) = Cursor::new(bytes).u32() else { return Framing::Open };
    match usize::try_from(size) {
        Ok(len) if size <= MESSAGE_MAX => Framing::at_most(4 + len, 4 + SHOWN_MAX),
        _ => Framing::Invalid("invalid_size"),
    }
}

/// A request's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) key: u16,
    pub(super) version: u16,
    pub(super) correlation: u32,
    pub(super) client: &'a [u8],
    /// What follows, as far as it is shown.
    pub(super) body: Cursor<'a>,
}

impl<'a> Request<'a> {
    /// Reads a message behind its size.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (key, version, correlation) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
        names::request(key).filter(|_| version <= VERSION_MAX)?;
        let client = match cursor.u16()? {
            0xffff => &[],
            len => cursor.take(len.into())?,
        };
        if is_flexible(key, version) {
            tags(&mut cursor)?;
        }
        Some(Self { key, version, correlation, client, body: cursor })
    }
}

/// Whether a request is of a version with compact text and tags; of those that are read here.
const fn is_flexible(key: u16, version: u16) -> bool {
    match key {
        PRODUCE | METADATA => version >= 9,
        FETCH => version >= 12,
        API_VERSIONS => version >= 3,
        SASL_AUTHENTICATE => version >= 2,
        _ => false,
    }
}

fn varint(cursor: &mut Cursor<'_>) -> Option<usize> {
    let mut value = 0_usize;
    for at in 0..4 {
        let digit = usize::from(cursor.u8()?);
        value |= (digit & 0x7f) << (7 * at);
        if digit & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn tags(cursor: &mut Cursor<'_>) -> Option<()> {
    for _ in 0..varint(cursor)?.min(16) {
        let _tag = varint(cursor)?;
        let len = varint(cursor)?;
        cursor.take(len)?;
    }
    Some(())
}

/// Text with its length in two bytes, or compact; none where it is null.
fn text<'a>(cursor: &mut Cursor<'a>, is_compact: bool) -> Option<&'a [u8]> {
    if is_compact {
        return match varint(cursor)?.checked_sub(1) {
            None => Some(&[]),
            Some(len) => cursor.take(len),
        };
    }
    match cursor.u16()? {
        0xffff => Some(&[]),
        len => cursor.take(len.into()),
    }
}

/// Elements of a list.
fn count(cursor: &mut Cursor<'_>, is_compact: bool) -> Option<usize> {
    if is_compact { varint(cursor)?.checked_sub(1) } else { usize::try_from(cursor.u32()?).ok() }
}

/// What a request says beside its header.
#[derive(Clone, Debug, Default)]
pub(super) struct Details {
    /// Topics, as far as they can be told apart without reading partitions.
    pub(super) topics: [Kept<96>; TOPICS_MAX],
    pub(super) software: Kept<48>,
    pub(super) software_version: Kept<24>,
}

impl Details {
    /// Reads what is behind a header.
    pub(super) fn read(request: &Request<'_>) -> Self {
        let mut details = Self::default();
        let _ = details.fill(request);
        details
    }

    fn fill(&mut self, request: &Request<'_>) -> Option<()> {
        let (mut cursor, version) = (request.body, request.version);
        let is_compact = is_flexible(request.key, version);
        match request.key {
            API_VERSIONS if version >= 3 => {
                self.software.set(text(&mut cursor, true)?);
                self.software_version.set(text(&mut cursor, true)?);
            }
            METADATA if version <= 9 => {
                for at in 0..count(&mut cursor, is_compact)?.min(TOPICS_MAX) {
                    self.topics.get_mut(at)?.set(text(&mut cursor, is_compact)?);
                    if is_compact {
                        tags(&mut cursor)?;
                    }
                }
            }
            // From version 13 on topics are numbers.
            PRODUCE if version <= 12 => {
                if version >= 3 {
                    text(&mut cursor, is_compact)?;
                }
                let (_acks, _timeout) = (cursor.u16()?, cursor.u32()?);
                self.first_topic(&mut cursor, is_compact)?;
            }
            FETCH if version <= 12 => {
                cursor.take(12)?;
                if version >= 3 {
                    cursor.take(4)?;
                }
                if version >= 4 {
                    cursor.take(1)?;
                }
                if version >= 7 {
                    cursor.take(8)?;
                }
                self.first_topic(&mut cursor, is_compact)?;
            }
            _ => {}
        }
        Some(())
    }

    fn first_topic(&mut self, cursor: &mut Cursor<'_>, is_compact: bool) -> Option<()> {
        if count(cursor, is_compact)? > 0 {
            self.topics.first_mut()?.set(text(cursor, is_compact)?);
        }
        Some(())
    }
}

/// The mechanism that SaslHandshake asks for.
pub(super) fn mechanism<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let mut cursor = request.body;
    text(&mut cursor, false)
}

/// The token of SaslAuthenticate.
pub(super) fn token<'a>(request: &Request<'a>) -> Option<&'a [u8]> {
    let mut cursor = request.body;
    let len = if request.version >= 2 {
        varint(&mut cursor)?.checked_sub(1)?
    } else {
        usize::try_from(cursor.u32()?).ok()?
    };
    cursor.take(len)
}

/// Whether a client's stream begins with a request.
pub(super) fn opens(bytes: &[u8]) -> Found {
    let mut cursor = Cursor::new(bytes);
    let Some(size) = cursor.u32() else { return Found::Maybe };
    if !(15..=1 << 20).contains(&size) {
        return Found::No;
    }
    let (Some(key), Some(version)) = (cursor.u16(), cursor.u16()) else {
        return if bytes.get(4).is_none_or(|high| *high == 0) { Found::Maybe } else { Found::No };
    };
    if names::request(key).is_none() || version > VERSION_MAX {
        return Found::No;
    }
    let (Some(_), Some(len)) = (cursor.u32(), cursor.u16()) else { return Found::Maybe };
    let len = usize::from(len);
    let is_sound = (1..=249).contains(&len) && u32::try_from(len + 10).is_ok_and(|least| least <= size);
    let client = cursor.rest().get(..len).unwrap_or(cursor.rest());
    let is_name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'#' | b' ' | b'/' | b':')
    };
    match (is_sound && client.iter().all(is_name), client.len() == len) {
        (false, _) => Found::No,
        (true, false) => Found::Maybe,
        // Long names say enough by themselves, short ones in requests that open connections.
        (true, true) if len >= 4 || matches!(key, METADATA | SASL_HANDSHAKE | API_VERSIONS) => {
            Found::Likely(94)
        }
        (true, true) => Found::Likely(85),
    }
}
