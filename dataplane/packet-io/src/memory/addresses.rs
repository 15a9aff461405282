//! Other addresses for the same packets, so that each round of a benchmark makes flows of its own.

/// Where a packet has the four bytes of its source and of its destination address that are varied: the whole of an
/// IPv4 address, the last four bytes of an IPv6 address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    source: Option<Offset>,
    destination: Option<Offset>,
}

/// Offset in a packet; link layer headers are short, so 16 bits are plenty, and 0 cannot be one.
type Offset = std::num::NonZeroU16;

/// The modulus of the Internet checksum's one's complement sums, and so the number of variants there are.
pub(crate) const VARIANTS: u64 = 65_535;

impl Addresses {
    /// Finds the addresses of the outermost IP header. Unspecified, multicast, reserved and broadcast ones and `::1`
    /// stay as they are, since what they mean is in the value; those of 127.0.0.0/8 vary, and leave it after some two
    /// hundred variants.
    pub(crate) fn find(packet: &[u8], link_type: u16) -> Self {
        ip_header(packet, link_type).map_or_else(Self::default, |at| Self::in_header(packet, at))
    }

    fn in_header(packet: &[u8], at: usize) -> Self {
        let Some(header) = packet.get(at..) else { return Self::default() };
        let offset = |within: usize| u16::try_from(at + within).ok().and_then(Offset::new);
        match header.first().map(|first| first >> 4) {
            Some(4) => {
                let varied = |from: usize| {
                    let address = header.get(from..)?.first_chunk::<4>()?;
                    offset(from).filter(|_| !matches!(address, [0 | 224..=255, ..]))
                };
                Self { source: varied(12), destination: varied(16) }
            }
            Some(6) => {
                let varied = |from: usize| {
                    let address = header.get(from..)?.first_chunk::<16>()?;
                    let is_special = address.first() == Some(&0xff) || u128::from_be_bytes(*address) <= 1;
                    offset(from + 12).filter(|_| !is_special)
                };
                Self { source: varied(8), destination: varied(24) }
            }
            _ => Self::default(),
        }
    }

    /// Moves both addresses on by `by` variants.
    #[inline]
    pub(crate) fn turn(self, packet: &mut [u8], by: u16) {
        for at in [self.source, self.destination].into_iter().flatten() {
            let address = packet.get_mut(usize::from(at.get())..).and_then(<[u8]>::first_chunk_mut::<4>);
            if let Some(address) = address {
                *address = turned(*address, by);
            }
        }
    }
}

/// Another address: `by` is added to its first 16 bits and taken from its last, both modulo 65,535.
///
/// That is the arithmetic of the Internet checksum (RFC 1071), so the sum over the address stays, and with it every
/// checksum: of the IPv4 header, and of TCP, UDP and ICMPv6 through the pseudo-header. An address becomes the same
/// other one wherever it stands, so both directions of a flow stay one flow.
#[inline]
fn turned([a, b, c, d]: [u8; 4], by: u16) -> [u8; 4] {
    let [first, last] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let [a, b] = sum(first, by).to_be_bytes();
    let [c, d] = sum(last, u16::MAX - by).to_be_bytes();
    [a, b, c, d]
}

/// The sum modulo 65,535, below it.
#[inline]
fn sum(a: u16, b: u16) -> u16 {
    let (sum, carried) = a.overflowing_add(b);
    let sum = sum.wrapping_add(u16::from(carried));
    if sum == u16::MAX { 0 } else { sum }
}

const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const MOST_VLANS: usize = 4;

/// Offset of the IP header, by link type (LINKTYPE registry of tcpdump.org); whether there is one is seen by its
/// version.
fn ip_header(packet: &[u8], link_type: u16) -> Option<usize> {
    match link_type {
        1 => {
            let mut at = 12;
            for _ in 0..=MOST_VLANS {
                match u16::from_be_bytes(*packet.get(at..)?.first_chunk()?) {
                    0x0800 | 0x86dd => return Some(at + 2),
                    tag if VLAN.contains(&tag) => at += 4,
                    _ => return None,
                }
            }
            None
        }
        // NULL and LOOP: an address family, whose numbers differ between systems.
        0 | 108 => Some(4),
        // Linux "cooked": SLL with the protocol at 14, SLL2 with it at 0.
        113 => is_ip(packet.get(14..)?).then_some(16),
        276 => is_ip(packet).then_some(20),
        _ => None,
    }
}

fn is_ip(protocol: &[u8]) -> bool {
    matches!(protocol, [0x08, 0x00, ..] | [0x86, 0xdd, ..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ones_complement(bytes: &[u8]) -> u32 {
        let sum: u32 = bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&b| u32::from(b)))
            .sum();
        sum % 65_535
    }

    fn ipv4(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0; 12];
        packet.extend_from_slice(&[0x08, 0x00, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend_from_slice(&source);
        packet.extend_from_slice(&destination);
        packet
    }

    #[test]
    fn both_directions_of_a_flow_stay_one_flow() {
        let (mut there, mut back) = (ipv4([10, 1, 2, 3], [10, 9, 8, 7]), ipv4([10, 9, 8, 7], [10, 1, 2, 3]));
        for packet in [&mut there, &mut back] {
            Addresses::find(packet, 1).turn(packet, 300);
        }
        assert_eq!(there[26..30], back[30..34]);
        assert_eq!(there[30..34], back[26..30]);
        assert_ne!(there[26..30], [10, 1, 2, 3]);
        assert_eq!(there[..26], back[..26]);
    }

    #[test]
    fn special_addresses_stay() {
        for special in [[0; 4], [255; 4], [224, 0, 0, 251]] {
            let mut packet = ipv4([10, 1, 2, 3], special);
            Addresses::find(&packet, 1).turn(&mut packet, 1);
            assert_eq!((&packet[26..30], &packet[30..34]), (&[10, 2, 2, 2][..], &special[..]));
        }
        assert_eq!(Addresses::find(&ipv4([0; 4], [255; 4]), 1), Addresses::default());
    }

    #[test]
    fn a_flow_from_a_host_to_itself_varies_too() {
        let mut packet = ipv4([127, 0, 0, 1], [127, 0, 0, 1]);
        Addresses::find(&packet, 1).turn(&mut packet, 20);
        assert_eq!((&packet[26..30], &packet[30..34]), (&[127, 20, 255, 236][..], &[127, 20, 255, 236][..]));
    }

    #[test]
    fn headers_are_found_behind_tags_and_on_other_link_types() {
        let plain = ipv4([10, 1, 2, 3], [10, 9, 8, 7]);
        let at = |packet: &[u8], link_type| Addresses::find(packet, link_type).source.map(Offset::get);
        let tagged = [&plain[..12], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2], &plain[12..]].concat();
        let ip = &plain[14..];
        assert_eq!(at(&plain, 1), Some(26));
        assert_eq!(at(&tagged, 1), Some(34));
        assert_eq!(at(&[&[2, 0, 0, 0], ip].concat(), 0), Some(16));
        assert_eq!(at(&[&[0; 14], &[8, 0][..], ip].concat(), 113), Some(28));
        assert_eq!(at(&[&[8, 0][..], &[0; 18], ip].concat(), 276), Some(32));
        assert_eq!(at(&plain, 147), None);
        assert_eq!(at(&plain[..29], 1), None);
    }

    #[test]
    fn an_ipv6_address_varies_in_its_last_four_bytes() {
        let mut packet = vec![0; 12];
        packet.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, 59, 64]);
        packet.extend_from_slice(&[0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5]);
        packet.extend_from_slice(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        let before = packet.clone();
        Addresses::find(&packet, 1).turn(&mut packet, 2);
        assert_eq!(packet[34..38], [0, 3, 0, 3]);
        packet[34..38].copy_from_slice(&before[34..38]);
        assert_eq!(packet, before);
    }

    proptest! {
        #[test]
        fn checksums_stay_and_steps_add_up(address in any::<[u8; 4]>(), one in 0..65_535_u16, two in 0..65_535_u16) {
            let once = turned(address, one);
            prop_assert_eq!(ones_complement(&once), ones_complement(&address));
            let both = (u64::from(one) + u64::from(two)) % VARIANTS;
            prop_assert_eq!(turned(once, two), turned(address, u16::try_from(both).unwrap()));
        }

        #[test]
        fn variants_differ(address in any::<[u8; 4]>(), one in 0..65_535_u16, two in 0..65_535_u16) {
            prop_assume!(one != two);
            prop_assert_ne!(turned(address, one), turned(address, two));
        }

        #[test]
        fn any_bytes_are_searched_and_turned_safely(
            mut packet in prop::collection::vec(any::<u8>(), 0..80), link_type in 0..300_u16, by in 0..65_535_u16,
        ) {
            Addresses::find(&packet, link_type).turn(&mut packet, by);
        }
    }
}
