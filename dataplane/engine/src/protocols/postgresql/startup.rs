//! What a client may send before messages have types (Message Formats: StartupMessage, SSLRequest, GSSENCRequest,
//! CancelRequest).

use crate::protocols::framed::{Cursor, Framing};

/// Longest startup that servers take.
const STARTUP_MAX: u32 = 10_000;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// An untyped message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Ssl,
    Gss,
    Cancel {
        process: u32,
    },
    /// The minor version of 3, and names with their values.
    Startup {
        minor: u16,
        parameters: Cursored<'a>,
    },
}

/// Names and values, each ended by a zero, and a zero behind all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursored<'a>(&'a [u8]);

/// Where an untyped message ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let Some([l3, l2, l1, l0, rest @ ..]) = bytes.first_chunk::<8>() else {
        // The length is below 64 KiB and the code one of four.
        return match bytes {
            [0, 0, ..] | [0] => Framing::Open,
            _ => Framing::Invalid("invalid_startup"),
        };
    };
    let len = u32::from_be_bytes([*l3, *l2, *l1, *l0]);
    let fits = match u32::from_be_bytes(*rest) {
        SSL | GSS => len == 8,
        CANCEL => (16..=268).contains(&len),
        version => version >> 16 == 3 && version & 0xffff <= 9999 && (9..=STARTUP_MAX).contains(&len),
    };
    match usize::try_from(len) {
        Ok(len) if fits => Framing::whole(len),
        _ => Framing::Invalid("invalid_startup"),
    }
}

impl<'a> Request<'a> {
    /// Reads a whole message.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (_, code) = (cursor.u32()?, cursor.u32()?);
        Some(match code {
            SSL => Self::Ssl,
            GSS => Self::Gss,
            CANCEL => Self::Cancel { process: cursor.u32()? },
            version => {
                let parameters = Cursored(cursor.rest());
                let has_user = parameters.pairs().any(|(name, _)| name == b"user");
                let minor = u16::try_from(version & 0xffff).ok()?;
                (has_user && bytes.last() == Some(&0)).then_some(Self::Startup { minor, parameters })?
            }
        })
    }
}

impl<'a> Cursored<'a> {
    /// The pairs, up to what is no pair.
    pub(super) fn pairs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut cursor = Cursor::new(self.0);
        core::iter::from_fn(move || {
            let name = cursor.c_string().filter(|name| !name.is_empty())?;
            Some((name, cursor.c_string()?))
        })
    }
}
