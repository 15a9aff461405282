//! Fixed headers (MQTT 5.0, 2.1) and the fields of packets.

use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing};
use crate::record::Direction;

pub(super) const CONNECT: u8 = 1;
pub(super) const CONNACK: u8 = 2;
pub(super) const PUBLISH: u8 = 3;
pub(super) const SUBSCRIBE: u8 = 8;
pub(super) const SUBACK: u8 = 9;
pub(super) const UNSUBSCRIBE: u8 = 10;
pub(super) const UNSUBACK: u8 = 11;
pub(super) const PINGREQ: u8 = 12;
pub(super) const PINGRESP: u8 = 13;
pub(super) const DISCONNECT: u8 = 14;
pub(super) const AUTH: u8 = 15;

/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 4096;

/// The remaining length and the bytes it takes with the byte before it; None where more must be there first.
fn length(bytes: &[u8]) -> Option<Result<(usize, usize), ()>> {
    let mut value = 0_usize;
    for at in 0..4 {
        let digit = usize::from(*bytes.get(at + 1)?);
        value |= (digit & 0x7f) << (7 * at);
        if digit & 0x80 == 0 {
            return Some(Ok((value, at + 2)));
        }
    }
    Some(Err(()))
}

/// Where a packet ends: of one that goes `from` a side, where that is known.
pub(super) fn framing(bytes: &[u8], from: Option<Direction>) -> Framing {
    let Some(first) = bytes.first() else { return Framing::Open };
    let (kind, flags) = (first >> 4, first & 0xf);
    let fits = match kind {
        CONNECT => flags == 0 && from != Some(Direction::ToClient),
        CONNACK | SUBACK | UNSUBACK | PINGRESP => flags == 0 && from != Some(Direction::ToServer),
        // Both levels of quality at once there is not.
        PUBLISH => flags & 6 != 6,
        4 | 5 | 7 | DISCONNECT | AUTH => flags == 0,
        6 => flags == 2,
        // 3.1 sets the level there, and repeats.
        SUBSCRIBE | UNSUBSCRIBE => flags & 7 == 2 && from != Some(Direction::ToClient),
        PINGREQ => flags == 0 && from != Some(Direction::ToClient),
        _ => false,
    };
    if !fits {
        return Framing::Invalid("invalid_packet_type");
    }
    match length(bytes) {
        None => Framing::Open,
        Some(Err(())) => Framing::Invalid("invalid_length"),
        Some(Ok((len, head))) => {
            let is_sound = match kind {
                CONNECT => len >= 10,
                CONNACK | 4..=7 | SUBACK | UNSUBACK => len >= 2,
                PINGREQ | PINGRESP => len == 0,
                PUBLISH => len >= 2,
                SUBSCRIBE | UNSUBSCRIBE => len >= 5,
                _ => true,
            };
            if is_sound {
                Framing::at_most(head + len, head + SHOWN_MAX)
            } else {
                Framing::Invalid("invalid_length")
            }
        }
    }
}

/// Type and flags of a packet, and what follows its fixed header.
pub(super) fn split(bytes: &[u8]) -> Option<(u8, u8, &[u8], usize)> {
    let (len, head) = length(bytes)?.ok()?;
    let first = bytes.first()?;
    Some((first >> 4, first & 0xf, bytes.get(head..)?, len))
}

/// Whether CONNECT starts here: the protocol's name, a level, and flags that agree.
pub(super) fn opens(bytes: &[u8]) -> Found {
    let Some((CONNECT, _, body, _)) = split(bytes) else { return Found::No };
    let names: [(&[u8], &[u8]); 2] = [(b"\0\x04MQTT", &[4, 5]), (b"\0\x06MQIsdp", &[3])];
    for (name, levels) in names {
        if !name.starts_with(body.get(..name.len()).unwrap_or(body)) {
            continue;
        }
        return match body.get(name.len()..) {
            None | Some([] | [_]) => Found::Maybe,
            // The highest bit of the level is that of a bridge.
            Some([level, flags, ..])
                if levels.contains(&(level & 0x7f)) && (flags & 1 == 0 || *level == 3) =>
            {
                Found::Yes
            }
            Some(_) => Found::No,
        };
    }
    Found::No
}

/// Text or data with its length in two bytes.
pub(super) fn counted<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.u16()?;
    cursor.take(len.into())
}

/// A number in groups of seven bits.
pub(super) fn variable(cursor: &mut Cursor<'_>) -> Option<usize> {
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

/// Passes over the properties of version 5.
pub(super) fn properties<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = variable(cursor)?;
    cursor.take(len)
}

/// CONNECT (MQTT 5.0, 3.1). The password is passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connect<'a> {
    pub(super) level: u8,
    pub(super) is_clean: bool,
    pub(super) keep_alive: u16,
    pub(super) client: &'a [u8],
    pub(super) will_topic: Option<&'a [u8]>,
    pub(super) user: Option<&'a [u8]>,
    pub(super) has_password: bool,
    /// Method of the enhanced authentication of version 5.
    pub(super) method: Option<&'a [u8]>,
}

impl<'a> Connect<'a> {
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let _name = counted(&mut cursor)?;
        let (level, flags, keep_alive) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
        let level = level & 0x7f;
        let mut connect = Self { level, is_clean: flags & 2 != 0, keep_alive, ..Self::default() };
        if level == 5 {
            connect.method = authentication_method(properties(&mut cursor)?);
        }
        connect.client = counted(&mut cursor)?;
        if flags & 4 != 0 {
            if level == 5 {
                properties(&mut cursor)?;
            }
            connect.will_topic = Some(counted(&mut cursor)?);
            let _message = counted(&mut cursor)?;
        }
        if flags & 0x80 != 0 {
            connect.user = Some(counted(&mut cursor)?);
        }
        connect.has_password = flags & 0x40 != 0 && !counted(&mut cursor)?.is_empty();
        Some(connect)
    }
}

/// The authentication method among properties, up to one of unknown length (2.2.2.2).
fn authentication_method(properties: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(properties);
    while let Some(id) = cursor.u8() {
        match id {
            0x15 => return counted(&mut cursor),
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => {
                cursor.take(1)?;
            }
            0x13 | 0x21..=0x23 => {
                cursor.take(2)?;
            }
            0x02 | 0x11 | 0x18 | 0x27 => {
                cursor.take(4)?;
            }
            0x0b => {
                variable(&mut cursor)?;
            }
            0x26 => {
                counted(&mut cursor)?;
                counted(&mut cursor)?;
            }
            0x03 | 0x08 | 0x09 | 0x12 | 0x16 | 0x1a | 0x1c | 0x1f => {
                counted(&mut cursor)?;
            }
            _ => return None,
        }
    }
    None
}
