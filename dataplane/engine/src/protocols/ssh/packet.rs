//! Packets before encryption (RFC 4253, 6).

/// Bytes before the payload of a packet: its length, and the length of its padding.
pub(super) const HEAD_LEN: usize = 5;
/// Largest packet that anybody takes: RFC 4253, 6.1 demands 35,000 bytes, implementations take up to 2^18.
const PACKET_MAX: u32 = 256 * 1024;

/// Message numbers (RFC 4253, 12; RFC 4419, 5; RFC 5656, 7.1).
pub(super) mod message {
    pub(in super::super) const DISCONNECT: u8 = 1;
    pub(in super::super) const KEXINIT: u8 = 20;
    pub(in super::super) const NEWKEYS: u8 = 21;
    /// KEXDH_REPLY, KEX_ECDH_REPLY, or in a group exchange KEX_DH_GEX_GROUP.
    pub(in super::super) const KEX_31: u8 = 31;
    pub(in super::super) const KEX_DH_GEX_REPLY: u8 = 33;
}

/// The head of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Bytes of the whole packet, its length field included.
    pub(super) length: usize,
    /// Bytes of padding at its end.
    pub(super) padding: usize,
    /// Message number.
    pub(super) message: u8,
}

/// What stands where a packet should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A packet; perhaps only its start.
    Packet(Packet),
    /// Its head is not whole yet.
    Open,
    /// No packet.
    Invalid,
}

/// Reads the head of a packet and the message number behind it.
pub(super) fn head(bytes: &[u8]) -> Framing {
    let Some(([a, b, c, d, padding, message], _)) = bytes.split_first_chunk::<6>() else {
        // What is there may be enough to see that it cannot be one.
        return if bytes.first().is_some_and(|first| *first != 0) { Framing::Invalid } else { Framing::Open };
    };
    let length = u32::from_be_bytes([*a, *b, *c, *d]);
    // The padding has four bytes at least and fills the packet to a multiple of eight.
    let is_sound = (12..=PACKET_MAX).contains(&length)
        && (length + 4).is_multiple_of(8)
        && *padding >= 4
        && u32::from(*padding) + 2 <= length;
    match usize::try_from(length) {
        Ok(length) if is_sound => {
            Framing::Packet(Packet { length: length + 4, padding: usize::from(*padding), message: *message })
        }
        _ => Framing::Invalid,
    }
}

impl Packet {
    /// The payload behind the message number, where all of the packet is in `bytes`.
    pub(super) fn payload(self, bytes: &[u8]) -> Option<&[u8]> {
        let packet = bytes.get(..self.length)?;
        packet.get(HEAD_LEN + 1..self.length - self.padding)
    }
}

/// A string (RFC 4251, 5) and what follows it.
pub(super) fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Bits of a multiple precision integer (RFC 4251, 5), and what follows it.
pub(super) fn integer_bits(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (mut octets, rest) = string(bytes)?;
    while let Some((0, after)) = octets.split_first() {
        octets = after;
    }
    let leading = octets.first().map_or(0, |first| first.leading_zeros());
    let bits = u32::try_from(octets.len()).ok()?.checked_mul(8)?.checked_sub(leading)?;
    Some((bits, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_need_a_sound_length_and_padding() {
        let newkeys = [0, 0, 0, 12, 10, 21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let Framing::Packet(packet) = head(&newkeys) else { unreachable!("a packet") };
        assert_eq!((packet.length, packet.message), (16, message::NEWKEYS));
        assert_eq!(packet.payload(&newkeys), Some([].as_slice()));
        assert_eq!(packet.payload(&newkeys[..15]), None);
        assert_eq!(head(&newkeys[..5]), Framing::Open);
        for bad in [
            [0, 0, 0, 13, 10, 21],
            [0, 0, 0, 12, 3, 21],
            [0, 0, 0, 12, 11, 21],
            [0, 8, 0, 4, 4, 21],
            [1, 0, 0, 0, 4, 21],
        ] {
            assert_eq!(head(&bad), Framing::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn the_size_of_an_integer_does_not_count_leading_zeros() {
        assert_eq!(integer_bits(&[0, 0, 0, 2, 0, 0x80]), Some((8, [].as_slice())));
        assert_eq!(integer_bits(&[0, 0, 0, 2, 0x7f, 0xff, 9]), Some((15, [9].as_slice())));
        assert_eq!(integer_bits(&[0, 0, 0, 0]), Some((0, [].as_slice())));
        assert_eq!(integer_bits(&[0, 0, 0, 2, 1]), None);
    }
}
