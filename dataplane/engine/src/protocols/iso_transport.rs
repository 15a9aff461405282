//! ISO transport over TCP: packets of RFC 1006 (TPKT) with transport units of ISO 8073 class 0 (COTP) in them. S7 and
//! MMS ride on it.

use crate::protocols::framed::{Cursor, Framing};

/// Bytes before the transport unit.
const TPKT_LEN: usize = 4;
/// Bytes of a packet that are read: the largest unit that S7 controllers agree on is 960, and MMS has few messages that are longer.
const SHOWN_MAX: usize = 16 * 1024;

/// Where the packet at the start of `bytes` ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    match bytes {
        [3, 0, high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            // Header, length indicator, code, and class or number.
            len @ 7.. => Framing::at_most(usize::from(len), SHOWN_MAX),
            _ => Framing::Invalid("invalid_length"),
        },
        [3] | [3, 0] | [3, 0, _] | [] => Framing::Open,
        _ => Framing::Invalid("invalid_header"),
    }
}

/// A transport unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit<'a> {
    /// Connection request.
    Request(Parameters<'a>),
    /// Connection confirm.
    Confirm(Parameters<'a>),
    /// Disconnect request, with its reason.
    Disconnect(u8),
    /// Data, and whether a message ends with it.
    Data(&'a [u8], bool),
    /// Anything else.
    Other,
}

/// Parameters of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parameters<'a> {
    /// Calling transport selector.
    pub(super) source: &'a [u8],
    /// Called transport selector.
    pub(super) destination: &'a [u8],
    /// Largest transport unit, as a power of two.
    pub(super) size: Option<u8>,
}

impl<'a> Unit<'a> {
    /// Reads the transport unit of a packet; None where it contradicts the standard.
    pub(super) fn read(packet: &'a [u8]) -> Option<Self> {
        let (&length, unit) = packet.get(TPKT_LEN..)?.split_first()?;
        let (header, data) = unit.split_at_checked(usize::from(length))?;
        let (&code, fixed) = header.split_first()?;
        match code & 0xf0 {
            0xe0 | 0xd0 => {
                let [_, _, _, _, class] = *fixed.first_chunk::<5>()?;
                if class & 0xf0 != 0 || !data.is_empty() {
                    return None;
                }
                let parameters = Parameters::read(fixed.get(5..)?)?;
                Some(if code & 0xf0 == 0xe0 { Self::Request(parameters) } else { Self::Confirm(parameters) })
            }
            0x80 => Some(Self::Disconnect(*fixed.get(4)?)),
            // Class 0 has no numbers: two bytes after the length, the second with the end of the message.
            0xf0 if fixed.len() == 1 => Some(Self::Data(data, fixed.first()? & 0x80 != 0)),
            0xf0 => None,
            0x70 => Some(Self::Other),
            _ => None,
        }
    }
}

impl<'a> Parameters<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let mut parameters = Self::default();
        while let Some(code) = cursor.u8() {
            let length = cursor.u8()?;
            let value = cursor.take(usize::from(length))?;
            match code {
                0xc0 => parameters.size = value.first().copied(),
                0xc1 => parameters.source = value,
                0xc2 => parameters.destination = value,
                _ => {}
            }
        }
        Some(parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart() {
        let request = [3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 10, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2];
        let parameters = Parameters { source: &[1, 0], destination: &[1, 2], size: Some(10) };
        assert_eq!(framing(&request), Framing::whole(22));
        assert_eq!(Unit::read(&request), Some(Unit::Request(parameters)));
        assert_eq!(Unit::read(&[3, 0, 0, 8, 2, 0xf0, 0x80, 0x32]), Some(Unit::Data(&[0x32], true)));
        assert_eq!(Unit::read(&[3, 0, 0, 8, 9, 0xf0, 0x80, 0x32]), None);
        assert_eq!(Unit::read(&request[..21]), None);
        assert_eq!(framing(&[3, 0, 0, 6]), Framing::Invalid("invalid_length"));
    }
}
