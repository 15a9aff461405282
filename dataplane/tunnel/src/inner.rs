use wire::checksum;

use crate::ecn;

/// IP packet as it goes into a tunnel or comes out of one: the fields that decide about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    /// Which IP.
    pub(crate) version: Version,
    /// Bytes of the packet by its own header; never more than were there.
    pub(crate) len: usize,
    /// DSCP and ECN.
    pub(crate) class: u8,
    /// Source, then destination: IPv4 in the low 32 bits.
    pub(crate) addresses: [u128; 2],
    /// Transport protocol, past IPv6 extension headers; a number of an extension header where that could not be read.
    pub(crate) protocol: u8,
    /// Ports, where the protocol has them and this packet shows them.
    pub(crate) ports: Option<[u16; 2]>,
    /// Where the transport header starts.
    pub(crate) transport: usize,
    /// Whether it is a fragment, and which.
    pub(crate) fragment: Fragment,
}

/// Version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Part of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fragment {
    /// All of it.
    Whole,
    /// The first one, with the transport header.
    First,
    /// Another one.
    Later,
}

impl Inner {
    /// Reads the headers of the packet that `bytes` start with; `None` where a length is wrong or the version unknown.
    #[inline]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => parse_v4(bytes),
            6 => parse_v6(bytes),
            _ => None,
        }
    }
}

#[inline]
fn parse_v4(bytes: &[u8]) -> Option<Inner> {
    let header = bytes.first_chunk::<IPV4_HEADER>()?;
    let [first, class, l0, l1, _, _, f0, f1, _, protocol, _, _, addresses @ ..] = *header;
    let header_len = usize::from(first & 15) * 4;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if header_len < IPV4_HEADER || len < header_len || len > bytes.len() {
        return None;
    }
    let addresses = u64::from_be_bytes(addresses);
    let flags = u16::from_be_bytes([f0, f1]);
    let fragment = match (flags & IPV4_OFFSET, flags & IPV4_MORE) {
        (0, 0) => Fragment::Whole,
        (0, _) => Fragment::First,
        _ => Fragment::Later,
    };
    Some(Inner {
        version: Version::V4,
        len,
        class,
        addresses: [u128::from(addresses >> 32), u128::from(addresses & 0xffff_ffff)],
        protocol,
        ports: ports(bytes.get(..len)?, header_len, protocol, fragment),
        transport: header_len,
        fragment,
    })
}

#[inline]
fn parse_v6(bytes: &[u8]) -> Option<Inner> {
    let header = bytes.first_chunk::<IPV6_HEADER>()?;
    let [c0, c1, _, _, l0, l1, next, _, addresses @ ..] = *header;
    let len = IPV6_HEADER + usize::from(u16::from_be_bytes([l0, l1]));
    let packet = bytes.get(..len)?;
    let (source, destination) = addresses.split_first_chunk::<16>()?;
    let chain = walk(packet, next);
    Some(Inner {
        version: Version::V6,
        len,
        class: c0 << 4 | c1 >> 4,
        addresses: [u128::from_be_bytes(*source), u128::from_be_bytes(*destination.first_chunk()?)],
        protocol: chain.protocol,
        ports: ports(packet, chain.transport, chain.protocol, chain.fragment),
        transport: chain.transport,
        fragment: chain.fragment,
    })
}

struct Chain {
    protocol: u8,
    transport: usize,
    fragment: Fragment,
}

/// Follows the extension headers (RFC 8200, 4) as far as they can be read, at most eight of them.
#[inline]
fn walk(packet: &[u8], next: u8) -> Chain {
    let mut chain = Chain { protocol: next, transport: IPV6_HEADER, fragment: Fragment::Whole };
    for _ in 0..EXTENSIONS_MAX {
        if !matches!(chain.protocol, HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION)
            || chain.fragment == Fragment::Later
        {
            break;
        }
        let Some([next, len, o0, o1]) = packet.get(chain.transport..).and_then(|rest| rest.first_chunk())
        else {
            break;
        };
        let skip = if chain.protocol == FRAGMENT {
            let offset = u16::from_be_bytes([*o0, *o1]);
            chain.fragment = match (offset & 0xfff8, offset & 1) {
                (0, 0) => Fragment::Whole,
                (0, _) => Fragment::First,
                _ => Fragment::Later,
            };
            8
        } else {
            8 + usize::from(*len) * 8
        };
        chain.transport += skip;
        chain.protocol = *next;
    }
    chain
}

#[inline]
fn ports(packet: &[u8], transport: usize, protocol: u8, fragment: Fragment) -> Option<[u16; 2]> {
    if fragment == Fragment::Later || !matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE) {
        return None;
    }
    let [s0, s1, d0, d1] = *packet.get(transport..)?.first_chunk()?;
    Some([u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])])
}

/// Puts another ECN field into an IP header, with its checksum.
pub(crate) fn set_ecn(packet: &mut [u8], version: Version, field: u8) {
    match (version, packet) {
        (Version::V4, [first, class, _, _, _, _, _, _, _, _, c0, c1, ..]) => {
            let old = u16::from_be_bytes([*first, *class]);
            *class = *class & !ecn::ECN | field;
            let new = u16::from_be_bytes([*first, *class]);
            [*c0, *c1] = checksum::update16(u16::from_be_bytes([*c0, *c1]), old, new).to_be_bytes();
        }
        (Version::V6, [_, class, ..]) => *class = *class & !(ecn::ECN << 4) | field << 4,
        _ => {}
    }
}

pub(crate) const IPV4_HEADER: usize = 20;
pub(crate) const IPV6_HEADER: usize = 40;
pub(crate) const IPV4_DONT_FRAGMENT: u16 = 0x4000;
pub(crate) const IPV4_MORE: u16 = 0x2000;
pub(crate) const IPV4_OFFSET: u16 = 0x1fff;
const EXTENSIONS_MAX: usize = 8;

pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ICMP: u8 = 1;
pub(crate) const IPV4: u8 = 4;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const DCCP: u8 = 33;
pub(crate) const IPV6: u8 = 41;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const GRE: u8 = 47;
pub(crate) const ESP: u8 = 50;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const NO_NEXT_HEADER: u8 = 59;
pub(crate) const DESTINATION: u8 = 60;
pub(crate) const ETHERIP: u8 = 97;
pub(crate) const SCTP: u8 = 132;
pub(crate) const UDP_LITE: u8 = 136;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn both_versions_are_read_alike() {
        let v4 = Inner::parse(&sample::udp_v4(100)).unwrap();
        assert_eq!((v4.version, v4.len, v4.protocol, v4.ports), (Version::V4, 128, UDP, Some([4000, 5000])));
        let v6 = Inner::parse(&sample::udp_v6(100)).unwrap();
        assert_eq!((v6.version, v6.len, v6.protocol, v6.ports), (Version::V6, 148, UDP, Some([4000, 5000])));
    }

    #[test]
    fn a_length_that_the_bytes_do_not_have_is_refused() {
        for packet in [sample::udp_v4(10), sample::udp_v6(10)] {
            for len in 0..packet.len() {
                assert_eq!(Inner::parse(&packet[..len]), None);
            }
        }
    }

    #[test]
    fn extension_headers_are_walked_and_later_fragments_have_no_ports() {
        let mut packet = sample::udp_v6(32);
        packet[6] = HOP_BY_HOP;
        packet[40..48].copy_from_slice(&[FRAGMENT, 0, 1, 4, 0, 0, 0, 0]);
        packet[48..56].copy_from_slice(&[UDP, 0, 0, 1, 0, 0, 0, 9]);
        let first = Inner::parse(&packet).unwrap();
        assert_eq!((first.protocol, first.transport, first.fragment), (UDP, 56, Fragment::First));
        assert!(first.ports.is_some());
        packet[51] = 9;
        let later = Inner::parse(&packet).unwrap();
        assert_eq!((later.protocol, later.ports, later.fragment), (UDP, None, Fragment::Later));
    }

    #[test]
    fn another_ecn_field_leaves_an_ipv4_checksum_right() {
        let mut packet = sample::udp_v4(8);
        packet[1] = 0xb9;
        packet[10..12].fill(0);
        let sum = checksum::internet(&packet[..20]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        set_ecn(&mut packet, Version::V4, 3);
        assert_eq!(packet[1], 0xbb);
        assert!(checksum::is_intact(&packet[..20]));
        let mut packet = sample::udp_v6(8);
        packet[..2].copy_from_slice(&[0x6b, 0xaf]);
        set_ecn(&mut packet, Version::V6, 1);
        assert_eq!(packet[..2], [0x6b, 0x9f]);
    }
}
