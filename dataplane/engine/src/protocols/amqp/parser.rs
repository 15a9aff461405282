//! Protocol headers and frames.

use super::classic::Classic;
use super::modern::Modern;
use crate::protocols::Found;
use crate::protocols::framed::{Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::Quota;
use crate::record::Direction;

/// Bytes of a frame that are read.
const SHOWN_MAX: usize = 4096;
/// Longest frame: `frame-max` of servers is far below.
const FRAME_MAX: u32 = 16 << 20;
/// Bytes of a protocol header.
const HEADER: usize = 8;
const MAGIC: &[u8; 4] = b"AMQP";
/// Methods and performatives of one flow that are written one by one.
const TOLD_MAX: u16 = 128;

/// A version, or a layer of 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// 0-8, 0-9, 0-9-1.
    Classic(&'static str),
    /// 0-10.
    Transitional,
    /// 1.0, in clear or behind SASL.
    Modern,
    ModernTls,
}

/// The version of a protocol header; none inside where there is no such version, none where more must be there.
pub(super) fn header(bytes: &[u8]) -> Option<Option<Version>> {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        let shown = bytes.get(..4).unwrap_or(bytes);
        return if MAGIC.starts_with(shown) && bytes.get(4).is_none_or(|byte| *byte <= 3) {
            None
        } else {
            Some(None)
        };
    };
    let Some(version) = header.strip_prefix(MAGIC) else { return Some(None) };
    Some(match version {
        [0, 0, 9, 1] => Some(Version::Classic("0-9-1")),
        [1, 1, 0, 9] => Some(Version::Classic("0-9")),
        [1, 1, 8, 0] => Some(Version::Classic("0-8")),
        [1, 1, 0, 10] => Some(Version::Transitional),
        [0 | 3, 1, 0, 0] => Some(Version::Modern),
        [2, 1, 0, 0] => Some(Version::ModernTls),
        _ => None,
    })
}

/// AMQP on one flow.
#[derive(Debug)]
pub(super) struct Amqp {
    version: Option<Version>,
    classic: Classic,
    modern: Modern,
    quota: Quota,
    /// The client asked for TLS.
    wants_tls: bool,
}

impl Default for Amqp {
    fn default() -> Self {
        Self {
            version: None,
            classic: Classic::default(),
            modern: Modern::default(),
            quota: Quota::new(TOLD_MAX),
            wants_tls: false,
        }
    }
}

/// Where a frame of 0-9-1 ends: type, channel, size, and an octet behind.
fn classic(bytes: &[u8]) -> Framing {
    let Some(kind) = bytes.first() else { return Framing::Open };
    if !matches!(kind, 1..=4 | 8) {
        return Framing::Invalid("invalid_frame");
    }
    let Some([_, _, _, s3, s2, s1, s0]) = bytes.first_chunk::<7>() else { return Framing::Open };
    let size = u32::from_be_bytes([*s3, *s2, *s1, *s0]);
    match usize::try_from(size) {
        // Bodies are counted and not read.
        Ok(size) if *kind == 3 && size <= FRAME_MAX as usize => Framing::at_most(size + 8, 7),
        Ok(size) if size <= FRAME_MAX as usize => Framing::at_most(size + 8, SHOWN_MAX),
        _ => Framing::Invalid("invalid_frame"),
    }
}

/// Where a frame of 1.0 ends: size, offset of the data, type, channel (2.3.1).
fn modern(bytes: &[u8]) -> Framing {
    let Some([s3, s2, s1, s0, offset, kind, _, _]) = bytes.first_chunk::<8>() else {
        return if bytes.first().is_none_or(|high| *high == 0) {
            Framing::Open
        } else {
            Framing::Invalid("invalid_frame")
        };
    };
    let size = u32::from_be_bytes([*s3, *s2, *s1, *s0]);
    let is_sound =
        (8..=FRAME_MAX).contains(&size) && *offset >= 2 && u32::from(*offset) * 4 <= size && *kind <= 1;
    match usize::try_from(size) {
        Ok(size) if is_sound => Framing::at_most(size, SHOWN_MAX),
        _ => Framing::Invalid("invalid_frame"),
    }
}

impl Amqp {
    fn frame(&self, bytes: &[u8]) -> Framing {
        match self.version {
            // Until the versions are known, a frame tells by its first byte: sizes of 1.0 begin with zero.
            Some(Version::Modern) => modern(bytes),
            None if bytes.first() == Some(&0) => modern(bytes),
            _ => classic(bytes),
        }
    }

    fn header(&mut self, version: Version, from: Direction, report: &mut Report<'_, '_>) -> Next {
        match (version, from) {
            (Version::ModernTls, Direction::ToServer) => self.wants_tls = true,
            (Version::ModernTls, Direction::ToClient) if self.wants_tls => {
                report.event("amqp").label("type", "encryption").label("encryption", "tls");
                return Next::Upgrade;
            }
            (Version::Transitional, _) => {
                report.event("amqp").label("type", "header").label("version", "0-10");
                return Next::Done;
            }
            (Version::Classic(_), Direction::ToClient) => {
                // The server takes none but this version and hangs up.
                report.event("amqp").label("type", "refusal").label("version", name(version));
            }
            _ => {}
        }
        if let Version::Classic(name) = version {
            self.classic.version = name;
        }
        self.version = Some(version);
        Next::More
    }
}

const fn name(version: Version) -> &'static str {
    match version {
        Version::Classic(name) => name,
        Version::Transitional => "0-10",
        Version::Modern | Version::ModernTls => "1.0",
    }
}

impl Messages for Amqp {
    const NAME: &'static str = "amqp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if bytes.first() == Some(&b'A') {
            return match header(bytes) {
                None => Framing::Open,
                Some(Some(_)) => Framing::whole(HEADER),
                Some(None) => Framing::Invalid("unknown_version"),
            };
        }
        self.frame(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if let Some(Some(version)) = header(message.bytes) {
            return Ok(self.header(version, message.from, report));
        }
        if self.version == Some(Version::Modern)
            || self.version.is_none() && message.bytes.first() == Some(&0)
        {
            self.modern.frame(message.bytes, message.from, &mut self.quota, report);
        } else {
            self.classic.frame(message.bytes, message.from, &mut self.quota, report)?;
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        let Framing::Message { len, .. } = self.frame(bytes) else {
            return two_messages(bytes, |bytes| self.frame(bytes));
        };
        if self.version == Some(Version::Modern) {
            // A description with a number of its own begins what is in a frame.
            return match bytes.get(8..11) {
                None => Found::Maybe,
                Some([0, 0x53, 0x10..=0x18 | 0x40..=0x44]) => Found::Likely(90),
                Some(_) => Found::No,
            };
        }
        match bytes.get(len - 1) {
            None => Found::Maybe,
            Some(0xce) => Found::Likely(90),
            Some(_) => Found::No,
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.classic.finish(report);
        self.modern.finish(report);
    }
}
