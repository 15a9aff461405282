//! Internet checksums (RFC 1071), their incremental update (RFC 1624) and SCTP's CRC32c (RFC 9260, appendix A).

use crate::number::protocol;

/// A ones' complement sum under way. The sum of a message that holds its own checksum folds to [`Sum::INTACT`].
///
/// Words are added in the machine's byte order, which RFC 1071 (2B) shows to be right for every order as long as
/// the result is stored the same way; [`Sum::checksum`] gives it as a number, to be written in network order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// What the sum of a message with a right checksum folds to (RFC 1071, 1).
    pub const INTACT: u16 = 0xffff;

    /// The empty sum.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds a piece of the message. Every piece but the last has an even length.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let (blocks, tail) = bytes.as_chunks::<32>();
        let mut total = if blocks.is_empty() { 0 } else { sum_blocks(blocks) };
        let (words, rest) = tail.as_chunks::<4>();
        for word in words {
            total = total.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
        }
        total = total.wrapping_add(match *rest {
            [a] => u64::from(u16::from_ne_bytes([a, 0])),
            [a, b] => u64::from(u16::from_ne_bytes([a, b])),
            [a, b, c] => u64::from(u32::from_ne_bytes([a, b, c, 0])),
            _ => 0,
        });
        self.plus(total)
    }

    /// Adds one 16-bit field.
    #[must_use]
    pub fn word(self, word: u16) -> Self {
        self.plus(u64::from(word.to_be()))
    }

    /// Adds the pseudo-header of TCP, UDP and their like over IPv4 (RFC 9293, 3.1): `length` is the segment's.
    #[must_use]
    pub fn pseudo_ipv4(self, source: [u8; 4], destination: [u8; 4], protocol: u8, length: u32) -> Self {
        let addresses = u64::from(u32::from_ne_bytes(source)) + u64::from(u32::from_ne_bytes(destination));
        self.plus(addresses).plus(u64::from(length.to_be())).word(u16::from(protocol))
    }

    /// Adds the pseudo-header of upper-layer protocols over IPv6 (RFC 8200, 8.1): `length` is the segment's.
    #[must_use]
    pub fn pseudo_ipv6(self, source: [u8; 16], destination: [u8; 16], protocol: u8, length: u32) -> Self {
        self.bytes(&source).bytes(&destination).plus(u64::from(length.to_be())).word(u16::from(protocol))
    }

    /// The sum in 16 bits, as a number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each line folds the high half into the low one")]
    pub const fn fold(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be(sum as u16)
    }

    /// The checksum to store: the complement of the sum. UDP stores 0xffff in place of 0 (RFC 768).
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }

    /// Whether what was added, its checksum field included, is unchanged.
    #[must_use]
    pub const fn is_intact(self) -> bool {
        self.fold() == Self::INTACT
    }

    fn plus(self, other: u64) -> Self {
        let (sum, carry) = self.0.overflowing_add(other);
        Self(sum.wrapping_add(u64::from(carry)))
    }
}

/// Sums eight lanes of 32-bit words side by side; a lane holds 2^32 of them.
fn sum_blocks(blocks: &[[u8; 32]]) -> u64 {
    let mut lanes = [0_u64; 8];
    for block in blocks {
        let (words, _) = block.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = lane.wrapping_add(u64::from(u32::from_ne_bytes(*word)));
        }
    }
    lanes.iter().fold(0, |sum, lane| sum.wrapping_add(*lane))
}

/// Checksum of a message whose checksum field is zero: IPv4 header, ICMP, IGMP, GRE.
#[must_use]
pub fn internet(bytes: &[u8]) -> u16 {
    Sum::new().bytes(bytes).checksum()
}

/// Whether a message that holds its own Internet checksum, without a pseudo-header, is unchanged.
#[must_use]
pub fn is_intact(bytes: &[u8]) -> bool {
    Sum::new().bytes(bytes).is_intact()
}

/// The new checksum of a message in which the 16-bit field `old` became `new` (RFC 1624, equation 3).
///
/// A UDP checksum of 0 means "none": do not update it.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "folded twice: below 2^16")]
pub const fn update16(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum as u32) + (!old as u32) + (new as u32);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(((sum & 0xffff) + (sum >> 16)) as u16)
}

/// The new checksum of a message in which the 32-bit field `old`, at an even offset, became `new` (RFC 1624).
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "each cast takes one half of a 32-bit field")]
pub const fn update32(checksum: u16, old: u32, new: u32) -> u16 {
    update16(update16(checksum, (old >> 16) as u16, (new >> 16) as u16), old as u16, new as u16)
}

/// Which way a packet's addresses enter the pseudo-header of its transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pseudo {
    /// IPv4 addresses, source first.
    Ipv4([u8; 4], [u8; 4]),
    /// IPv6 addresses, source first; the destination is the last one of a routing header.
    Ipv6([u8; 16], [u8; 16]),
}

impl Pseudo {
    /// The sum of the pseudo-header for a segment of `length` bytes.
    #[must_use]
    pub fn sum(self, protocol: u8, length: u32) -> Sum {
        match self {
            Self::Ipv4(source, destination) => Sum::new().pseudo_ipv4(source, destination, protocol, length),
            Self::Ipv6(source, destination) => Sum::new().pseudo_ipv6(source, destination, protocol, length),
        }
    }
}

/// Whether a TCP segment, header included, is unchanged (RFC 9293, 3.1).
#[must_use]
pub fn tcp_is_intact(segment: &[u8], pseudo: Pseudo) -> bool {
    with_pseudo(segment, pseudo, protocol::TCP).is_intact()
}

/// Whether a UDP datagram, cut to its length field, is unchanged (RFC 768). A zero checksum is "not computed": the
/// caller says whether that is allowed (RFC 8200, 8.1 forbids it in IPv6 but for the tunnels of RFC 6935).
#[must_use]
pub fn udp_is_intact(datagram: &[u8], pseudo: Pseudo, zero: ZeroChecksum) -> bool {
    match datagram.first_chunk::<8>() {
        Some([_, _, _, _, _, _, 0, 0]) => zero == ZeroChecksum::Allowed,
        _ => with_pseudo(datagram, pseudo, protocol::UDP).is_intact(),
    }
}

/// What a UDP checksum of zero is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZeroChecksum {
    /// Sent on purpose: UDP over IPv4 (RFC 768), tunnels over IPv6 (RFC 6935).
    Allowed,
    /// An error.
    Wrong,
}

/// Whether the covered part of a UDP-Lite datagram (all of the IP payload) is unchanged (RFC 3828, 3.1).
#[must_use]
pub fn udp_lite_is_intact(datagram: &[u8], pseudo: Pseudo) -> bool {
    let Some([_, _, _, _, high, low, check @ ..]) = datagram.first_chunk::<8>() else { return false };
    let coverage = match usize::from(u16::from_be_bytes([*high, *low])) {
        0 => datagram.len(),
        coverage => coverage,
    };
    let Some(covered) = datagram.get(..coverage) else { return false };
    let Ok(length) = u32::try_from(datagram.len()) else { return false };
    *check != [0, 0] && pseudo.sum(protocol::UDP_LITE, length).bytes(covered).is_intact()
}

/// Whether an ICMPv6 message is unchanged (RFC 4443, 2.3).
#[must_use]
pub fn icmpv6_is_intact(message: &[u8], pseudo: Pseudo) -> bool {
    with_pseudo(message, pseudo, protocol::ICMPV6).is_intact()
}

/// Whether an SCTP packet, common header included, is unchanged (RFC 9260, 6.8).
#[must_use]
pub fn sctp_is_intact(packet: &[u8]) -> bool {
    let Some((header, chunks)) = packet.split_first_chunk::<12>() else { return false };
    let [ports_and_tag @ .., a, b, c, d] = *header;
    let crc = crc32c_update(!0, &ports_and_tag);
    !crc32c_update(crc32c_update(crc, &[0; 4]), chunks) == u32::from_le_bytes([a, b, c, d])
}

/// CRC32c (Castagnoli, reflected) of a message. SCTP stores it in little-endian order.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    !crc32c_update(!0, bytes)
}

fn with_pseudo(segment: &[u8], pseudo: Pseudo, protocol: u8) -> Sum {
    // A segment is part of an IP packet: at most a jumbogram, whose length has 32 bits (RFC 2675).
    pseudo.sum(protocol, u32::try_from(segment.len()).unwrap_or(u32::MAX)).bytes(segment)
}

fn crc32c_update(mut crc: u32, bytes: &[u8]) -> u32 {
    let (blocks, tail) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in blocks {
        let [p, q, r, s] = (crc ^ u32::from_le_bytes([*a, *b, *c, *d])).to_le_bytes();
        crc = step(7, p)
            ^ step(6, q)
            ^ step(5, r)
            ^ step(4, s)
            ^ step(3, *e)
            ^ step(2, *f)
            ^ step(1, *g)
            ^ step(0, *h);
    }
    for byte in tail {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ step(0, low ^ byte);
    }
    crc
}

/// What `byte`, followed by `zeros` zero bytes, adds to the remainder.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "`zeros` is a literal below 8, and a byte indexes 256 entries")]
fn step(zeros: usize, byte: u8) -> u32 {
    CRC32C[zeros][usize::from(byte)]
}

static CRC32C: [[u32; 256]; 8] = crc32c_tables();

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, where a bad index is an error")]
const fn crc32c_tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte: u8 = 0;
    loop {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ if remainder & 1 == 1 { REFLECTED_CASTAGNOLI } else { 0 };
            bit += 1;
        }
        tables[0][byte as usize] = remainder;
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[zeros - 1][byte];
            tables[zeros][byte] = (shorter >> 8) ^ tables[0][(shorter & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// 0x1EDC6F41 with its bits in reverse (RFC 9260, appendix A).
const REFLECTED_CASTAGNOLI: u32 = 0x82f6_3b78;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The sum as RFC 1071 (4.1) writes it.
    fn by_the_book(bytes: &[u8]) -> u16 {
        let mut sum: u64 = 0;
        for pair in bytes.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).unwrap()
    }

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::new().bytes(&bytes).fold(), 0xddf2);
    }

    #[test]
    fn crc32c_gives_the_check_value_of_the_catalogue() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn crc32c_of_zeros_and_ones_are_those_of_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn the_update_example_of_rfc_1624_gives_zero() {
        assert_eq!(update16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn a_zero_udp_checksum_is_as_right_as_the_caller_says() {
        let datagram = [0, 1, 0, 2, 0, 8, 0, 0];
        let pseudo = Pseudo::Ipv6([1; 16], [2; 16]);
        assert!(udp_is_intact(&datagram, pseudo, ZeroChecksum::Allowed));
        assert!(!udp_is_intact(&datagram, pseudo, ZeroChecksum::Wrong));
    }

    #[test]
    fn udp_lite_does_not_look_past_its_coverage() {
        let mut datagram = [0, 1, 0, 2, 0, 8, 0, 0, 0xaa, 0xbb];
        let pseudo = Pseudo::Ipv4([10, 0, 0, 1], [10, 0, 0, 2]);
        let check = pseudo.sum(136, 10).bytes(&datagram[..8]).checksum();
        datagram[6..8].copy_from_slice(&check.to_be_bytes());
        assert!(udp_lite_is_intact(&datagram, pseudo));
        datagram[9] ^= 1;
        assert!(udp_lite_is_intact(&datagram, pseudo));
        datagram[1] ^= 1;
        assert!(!udp_lite_is_intact(&datagram, pseudo));
    }

    proptest! {
        #[test]
        fn the_fast_sum_is_the_slow_one(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(Sum::new().bytes(&bytes).fold(), by_the_book(&bytes));
        }

        #[test]
        fn a_message_with_its_checksum_is_intact_until_a_bit_flips(
            mut bytes in proptest::collection::vec(any::<u8>(), 4..200), at in any::<prop::sample::Index>(), bit in 0..8_u8
        ) {
            bytes[0] = 0;
            bytes[1] = 0;
            let check = internet(&bytes);
            bytes[..2].copy_from_slice(&check.to_be_bytes());
            prop_assert!(is_intact(&bytes));
            let index = at.index(bytes.len());
            bytes[index] ^= 1 << bit;
            prop_assert!(!is_intact(&bytes));
        }

        #[test]
        fn an_updated_checksum_is_the_computed_one(
            mut words in proptest::collection::vec(any::<u8>(), 8..64), new in any::<u32>()
        ) {
            words.truncate(words.len() / 2 * 2);
            // A message of zeros alone has two representations of its checksum.
            words[6] |= 1;
            let before = internet(&words);
            let old = u32::from_be_bytes([words[0], words[1], words[2], words[3]]);
            words[..4].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update32(before, old, new), internet(&words));
        }

        #[test]
        fn a_crc_in_two_pieces_is_the_crc_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()
        ) {
            let (a, b) = bytes.split_at(at.index(bytes.len() + 1));
            prop_assert_eq!(!crc32c_update(crc32c_update(!0, a), b), crc32c(&bytes));
        }
    }
}
