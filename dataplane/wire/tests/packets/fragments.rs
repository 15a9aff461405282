//! Fragments are named, not read; the packet made of them is.

use crate::builder::*;
use crate::{ethernet as parse_frame, ports};
use wire::{Fragment, Headers, LinkType, Malformed, ParseOptions, TunnelKind};

#[test]
fn fragments_of_ipv4_have_no_ports_and_no_payload() {
    let datagram = udp(INNER, 1111, 2222, &[7; 40]);
    let (first, last) = datagram.split_at(24);
    for (field, data, offset, more) in [(0x2000, first, 0, true), (3, last, 24, false)] {
        let headers = parse_frame(&frame(INNER, &ipv4(INNER, 17, &[], field, data)));
        let data_len = u32::try_from(data.len()).unwrap();
        assert_eq!(headers.fragment, Some(Fragment { id: 0x1234, offset, more, data_offset: 34, data_len }));
        assert_eq!((ports(&headers), headers.payload_len), ([0, 0], 0));
        assert_eq!((headers.protocol, headers.transport_offset), (17, 34));
    }
}

#[test]
fn padding_is_not_part_of_a_fragment() {
    let mut bytes = frame(INNER, &ipv4(INNER, 17, &[], 3, &[7; 5]));
    bytes.resize(60, 0);
    assert_eq!(parse_frame(&bytes).fragment.unwrap().data_len, 5);
}

#[test]
fn fragments_of_ipv6_are_found_behind_other_extensions() {
    let inner = fragment6(17, 16 | 1, &[7; 16]);
    let headers = parse_frame(&frame(INNER6, &ipv6(INNER6, 0, &extension(44, 8, &inner))));
    let expected =
        Fragment { id: 0xdead_beef, offset: 16, more: true, data_offset: 14 + 40 + 16, data_len: 16 };
    assert_eq!(headers.fragment, Some(expected));
    assert_eq!((headers.protocol, ports(&headers)), (17, [0, 0]));
}

#[test]
fn an_atomic_fragment_is_a_packet() {
    let datagram = udp(INNER6, 1111, 2222, b"payload");
    let headers = parse_frame(&frame(INNER6, &ipv6(INNER6, 44, &fragment6(17, 0, &datagram))));
    assert_eq!((headers.fragment, ports(&headers), headers.payload_len), (None, [1111, 2222], 7));
}

#[test]
fn a_fragment_past_the_longest_packet_is_malformed() {
    let found = crate::parse(LinkType::Ethernet, &frame(INNER, &ipv4(INNER, 17, &[], 0x1fff, &[7; 16])));
    assert_eq!(found, Err(Malformed::FragmentTooLong));
    let found =
        crate::parse(LinkType::Ethernet, &frame(INNER6, &ipv6(INNER6, 44, &fragment6(17, 0xfff8, &[7; 16]))));
    assert_eq!(found, Err(Malformed::FragmentTooLong));
}

#[test]
fn a_reassembled_packet_is_read_as_if_it_had_come_whole() {
    let datagram = udp(INNER, 1111, 2222, &[7; 40]);
    let fragment = ethernet(0x8100, &tag(9, 0x0800, &ipv4(INNER, 17, &[], 0x2000, &datagram[..24])));
    let outer = parse_frame(&fragment);
    // The header of the first fragment, as it was, and everything behind it.
    let packet = join(&[&fragment[18..38], &datagram]);
    let mut headers = Headers::default();
    headers.parse_ip(&packet, &outer, &ParseOptions::default()).unwrap();
    let whole = parse_frame(&ethernet(0x8100, &tag(9, 0x0800, &ip(INNER, 17, &datagram))));
    assert_eq!((headers.key, headers.sender), (whole.key, whole.sender));
    assert_eq!((headers.vlans, headers.layers, headers.ethertype), ([9, 0], whole.layers, 0x0800));
    assert_eq!((headers.fragment, headers.payload_offset, headers.payload_len), (None, 28, 40));
}

#[test]
fn a_reassembled_ipv6_packet_may_keep_its_fragment_header() {
    let datagram = udp(INNER6, 1111, 2222, &[7; 40]);
    let packet = ipv6(INNER6, 44, &fragment6(17, 1, &datagram));
    let outer = parse_frame(&frame(INNER6, &ipv6(INNER6, 44, &fragment6(17, 1, &datagram[..24]))));
    let mut headers = Headers::default();
    headers.parse_ip(&packet, &outer, &ParseOptions::default()).unwrap();
    assert_eq!((ports(&headers), headers.payload_len, headers.fragment), ([1111, 2222], 40, None));
}

#[test]
fn a_tunnel_whose_carrier_was_fragmented_is_opened() {
    let gre = join(&[&[0, 0, 8, 0], &inner_udp(INNER)]);
    let outer = parse_frame(&frame(OUTER, &ipv4(OUTER, 47, &[], 0x2000, &gre[..24])));
    assert!(outer.fragment.is_some());
    let mut headers = Headers::default();
    headers.parse_ip(&ipv4(OUTER, 47, &[], 0x2000, &gre), &outer, &ParseOptions::default()).unwrap();
    assert_eq!((headers.tunnel.kind, ports(&headers)), (TunnelKind::Gre, [1111, 2222]));
}

#[test]
fn a_fragment_in_a_tunnel_is_completed_in_it() {
    let datagram = udp(INNER, 1111, 2222, &[7; 40]);
    let gre = |packet: &[u8]| carried_by_ip(47, &join(&[&[0, 0, 8, 0], packet]));
    let outer = parse_frame(&gre(&ipv4(INNER, 17, &[], 0x2000, &datagram[..24])));
    assert_eq!((outer.fragment.unwrap().data_offset, outer.tunnel.kind), (58, TunnelKind::Gre));
    let mut headers = Headers::default();
    headers.parse_ip(&ip(INNER, 17, &datagram), &outer, &ParseOptions::default()).unwrap();
    assert_eq!(headers.tunnel, outer.tunnel);
    assert_eq!(headers.key, parse_frame(&gre(&ip(INNER, 17, &datagram))).key);
}
