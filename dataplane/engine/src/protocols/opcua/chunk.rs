//! Chunks of OPC UA's own transport over TCP (IEC 62541-6, 6.7 and 7.1).

use super::value::string;
use crate::protocols::framed::{Cursor, Framing};

/// Type, chunk, size.
pub(super) const HEADER_LEN: usize = 8;
/// Bytes of a chunk that are read.
const SHOWN_MAX: usize = 16 * 1024;
/// Largest chunk that is believed.
const SIZE_MAX: u32 = 64 * 1024 * 1024;

/// Kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Hello,
    Acknowledge,
    Error,
    ReverseHello,
    Open,
    Close,
    Service,
}

/// The kind of a chunk, where its first four bytes are right.
pub(super) const fn kind(bytes: &[u8]) -> Option<Kind> {
    Some(match bytes {
        [b'H', b'E', b'L', b'F', ..] => Kind::Hello,
        [b'A', b'C', b'K', b'F', ..] => Kind::Acknowledge,
        [b'E', b'R', b'R', b'F', ..] => Kind::Error,
        [b'R', b'H', b'E', b'F', ..] => Kind::ReverseHello,
        [b'O', b'P', b'N', b'F', ..] => Kind::Open,
        [b'C', b'L', b'O', b'F', ..] => Kind::Close,
        [b'M', b'S', b'G', b'F' | b'C' | b'A', ..] => Kind::Service,
        _ => return None,
    })
}

/// Where the chunk at the start of `bytes` ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let Some(start) = bytes.first_chunk::<4>() else {
        let begins = [&b"HELF"[..], b"ACKF", b"ERRF", b"RHEF", b"OPNF", b"CLOF", b"MSGF", b"MSGC", b"MSGA"];
        return if begins.iter().any(|name| name.starts_with(bytes)) {
            Framing::Open
        } else {
            Framing::Invalid("invalid_message_type")
        };
    };
    let Some(kind) = kind(start) else { return Framing::Invalid("invalid_message_type") };
    let Some(size) = bytes.get(4..).and_then(<[u8]>::first_chunk).map(|size| u32::from_le_bytes(*size))
    else {
        return Framing::Open;
    };
    let fits = match kind {
        Kind::Hello => (32..=32 + 4096).contains(&size),
        Kind::Acknowledge => size == 28,
        Kind::Error => (16..=16 + 4096).contains(&size),
        Kind::ReverseHello => (16..=16 + 2 * 4096).contains(&size),
        Kind::Open => (24..SIZE_MAX).contains(&size),
        Kind::Close | Kind::Service => (24..SIZE_MAX).contains(&size),
    };
    match usize::try_from(size) {
        Ok(size) if fits => Framing::at_most(size, SHOWN_MAX),
        _ => Framing::Invalid("invalid_size"),
    }
}

/// What a chunk of a channel has before its body, as far as it is not encrypted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel<'a> {
    pub(super) id: u32,
    /// What is behind the security header.
    pub(super) rest: Cursor<'a>,
}

/// The security header of an OPN chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asymmetric<'a> {
    pub(super) policy: &'a [u8],
    pub(super) certificate: &'a [u8],
}

impl<'a> Channel<'a> {
    /// Reads the headers of an OPN chunk.
    pub(super) fn open(chunk: &'a [u8]) -> Option<(Self, Asymmetric<'a>)> {
        let mut rest = Cursor::new(chunk.get(HEADER_LEN..)?);
        let id = rest.u32_le()?;
        let policy = string(&mut rest)?;
        let certificate = string(&mut rest)?;
        string(&mut rest)?;
        Some((Self { id, rest }, Asymmetric { policy, certificate }))
    }

    /// Reads the headers of any other chunk of a channel.
    pub(super) fn symmetric(chunk: &'a [u8]) -> Option<Self> {
        let mut rest = Cursor::new(chunk.get(HEADER_LEN..)?);
        let id = rest.u32_le()?;
        // Token.
        rest.u32_le()?;
        Some(Self { id, rest })
    }
}
