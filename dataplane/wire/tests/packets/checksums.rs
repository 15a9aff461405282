//! Checksums, where they are enforced.

use crate::builder::*;
use crate::parse_with;
use crate::samples::{linked, tunneled};
use wire::{Checksums, LinkType, Malformed, ParseOptions};

const ENFORCE: ParseOptions =
    ParseOptions { tunnel_depth: 4, key_vlan: true, key_tunnel: true, checksums: Checksums::Enforce };

#[test]
fn packets_with_right_checksums_say_the_same_as_without_the_check() {
    let frames = linked().into_iter().map(|sample| (sample.name, sample.link, sample.frame));
    let tunnels = tunneled().into_iter().map(|sample| (sample.name, LinkType::Ethernet, sample.frame));
    for (name, link, frame) in frames.chain(tunnels) {
        assert_eq!(parse_with(link, &frame, &ENFORCE), crate::parse(link, &frame), "{name}");
    }
}

#[test]
fn a_changed_byte_is_noticed_by_the_checksum_that_covers_it() {
    let lite = |ends: Ends| {
        let mut datagram = join(&[&[0, 7, 0, 8, 0, 0, 0, 0], b"covered"]);
        let check = transport_checksum(ends, 136, &datagram);
        datagram[6..8].copy_from_slice(&check.to_be_bytes());
        datagram
    };
    for ends in [INNER, INNER6] {
        for (protocol, segment, reason) in [
            (6, tcp(ends, 80, 81, &[], b"odd"), Malformed::TcpBadChecksum),
            (17, udp(ends, 80, 81, b"odd"), Malformed::UdpBadChecksum),
            (136, lite(ends), Malformed::UdpBadChecksum),
            (132, sctp(80, 81, b"chunk of data"), Malformed::SctpBadChecksum),
        ] {
            let mut bytes = frame(ends, &ip(ends, protocol, &segment));
            assert!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE).is_ok(), "protocol {protocol}");
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE), Err(reason));
            assert!(crate::parse(LinkType::Ethernet, &bytes).is_ok(), "ignored unless enforced");
        }
    }
    for (ends, protocol, message) in
        [(INNER, 1, icmp(8, 0, b"abcdef")), (INNER6, 58, icmpv6(INNER6, 128, 0, b"abcdef"))]
    {
        let mut bytes = frame(ends, &ip(ends, protocol, &message));
        assert!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE).is_ok());
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE), Err(Malformed::IcmpBadChecksum));
    }
}

#[test]
fn a_changed_time_to_live_is_noticed_in_ipv4() {
    let mut bytes = frame(INNER, &inner_udp(INNER));
    bytes[22] -= 1;
    assert_eq!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE), Err(Malformed::Ipv4BadChecksum));
}

#[test]
fn padding_is_not_summed() {
    let mut bytes = frame(INNER, &ip(INNER, 17, &udp(INNER, 1, 2, b"odd")));
    bytes.resize(60, 0xee);
    assert!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE).is_ok());
}

#[test]
fn a_missing_udp_checksum_is_right_in_ipv4_and_in_tunnels_over_ipv6() {
    let without = |ends, port, payload: &[u8]| {
        let mut datagram = udp(ends, 1, port, payload);
        datagram[6..8].fill(0);
        frame(ends, &ip(ends, 17, &datagram))
    };
    let vxlan = join(&[&[8, 0, 0, 0, 0, 1, 2, 0], &frame(INNER, &inner_udp(INNER))]);
    assert!(parse_with(LinkType::Ethernet, &without(INNER, 2, b"x"), &ENFORCE).is_ok());
    assert!(parse_with(LinkType::Ethernet, &without(INNER6, 4789, &vxlan), &ENFORCE).is_ok());
    let found = parse_with(LinkType::Ethernet, &without(INNER6, 2, b"x"), &ENFORCE);
    assert_eq!(found, Err(Malformed::UdpBadChecksum));
}

#[test]
fn fragments_cut_packets_and_source_routes_are_not_summed() {
    let wrong = [0, 1, 0, 2, 0, 9, 0xbd, 0xbd, 7];
    let fragment = frame(INNER, &ipv4(INNER, 17, &[], 0x2000, &wrong));
    assert!(parse_with(LinkType::Ethernet, &fragment, &ENFORCE).is_ok());
    let whole = frame(INNER, &ip(INNER, 17, &wrong));
    let mut headers = wire::Headers::default();
    let wire_len = u32::try_from(whole.len()).unwrap();
    headers.parse(&whole[..whole.len() - 1], wire_len, LinkType::Ethernet, &ENFORCE).unwrap();
    let mut routed = extension(17, 8, &wrong);
    routed[3] = 1;
    assert!(parse_with(LinkType::Ethernet, &frame(INNER6, &ipv6(INNER6, 43, &routed)), &ENFORCE).is_ok());
}

#[test]
fn a_wrong_checksum_in_a_tunnel_leaves_the_packet_to_the_outer_flow() {
    let mut bytes = carried_by_ip(4, &inner_udp(INNER));
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(parse_with(LinkType::Ethernet, &bytes, &ENFORCE).unwrap().protocol, 4);
}
