//! Every sample leads to its innermost packet; what is not IP has a flow of MAC addresses.

use crate::builder::*;
use crate::samples::{dot11, linked, tunneled};
use crate::{ethernet as parse_frame, parse, parse_with, payload, ports};
use std::net::IpAddr;
use wire::{Headers, KeyKind, LayerSet, LinkType, Malformed, ParseOptions, TunnelKind};

fn assert_carries_the_packet(name: &str, headers: &Headers, ends: Ends, frame: &[u8]) {
    let addresses = match ends {
        Ends::V4(a, b) => [IpAddr::from(a), IpAddr::from(b)],
        Ends::V6(a, b) => [IpAddr::from(a), IpAddr::from(b)],
    };
    let found = [headers.key.ip(headers.sender), headers.key.ip(headers.sender.opposite())];
    assert_eq!(found, addresses.map(Some), "{name}");
    assert_eq!(headers.protocol, 17, "{name}");
    assert_eq!(ports(headers), [1111, 2222], "{name}");
    assert_eq!(payload(headers, frame), b"payload", "{name}");
    assert_eq!(headers.payload_wire_len, 7, "{name}");
    assert_eq!(headers.payload_offset - headers.transport_offset, 8, "{name}");
    assert_eq!([headers.ttl, headers.tos], [61, 0x2e], "{name}");
    assert_eq!(headers.fragment, None, "{name}");
    assert!(!headers.layers.contains(LayerSet::SNAPPED), "{name}");
}

#[test]
fn every_link_layer_leads_to_the_packet_it_carries() {
    for sample in linked() {
        let headers =
            parse(sample.link, &sample.frame).unwrap_or_else(|why| panic!("{}: {why}", sample.name));
        assert_carries_the_packet(sample.name, &headers, sample.ends, &sample.frame);
        assert_eq!(headers.tunnel.kind, TunnelKind::None, "{}", sample.name);
    }
}

#[test]
fn every_tunnel_leads_to_the_packet_it_carries() {
    for sample in tunneled() {
        let headers = parse_frame(&sample.frame);
        assert_eq!(headers.tunnel.kind, sample.kind, "{}", sample.name);
        assert_carries_the_packet(sample.name, &headers, sample.ends, &sample.frame);
        assert_eq!(headers.tunnel.id, sample.id, "{}", sample.name);
        assert_eq!(headers.tunnel.depth, sample.depth, "{}", sample.name);
        assert_eq!(headers.vlans, [0, 0], "{}: inner tags are the tenant's", sample.name);
    }
}

#[test]
fn the_offset_of_the_outer_header_is_that_of_the_last_carrier() {
    for sample in tunneled() {
        let headers = parse_frame(&sample.frame);
        let at = headers.tunnel.outer_ip_offset as usize;
        let version = sample.frame[at] >> 4;
        let is_ipv6_outside = matches!(headers.tunnel.kind, TunnelKind::FourInSix | TunnelKind::SixInSix);
        assert_eq!(version, if is_ipv6_outside { 6 } else { 4 }, "{}", sample.name);
        assert_eq!(at == 14, sample.depth == 1, "{}", sample.name);
    }
}

#[test]
fn with_no_depth_left_a_tunnel_is_a_flow_of_its_own() {
    let closed = ParseOptions { tunnel_depth: 0, ..ParseOptions::default() };
    for sample in tunneled() {
        let headers = parse_with(LinkType::Ethernet, &sample.frame, &closed).unwrap();
        assert_eq!(headers.tunnel, wire::Tunnel::default(), "{}", sample.name);
        assert_eq!(headers.network_offset, 14, "{}", sample.name);
        assert_ne!(ports(&headers), [1111, 2222], "{}", sample.name);
    }
}

#[test]
fn nesting_ends_at_the_depth_of_the_options() {
    let sample = tunneled().pop().unwrap();
    for (tunnel_depth, kind) in [(1, TunnelKind::Gre), (2, TunnelKind::GtpU), (3, TunnelKind::Vxlan)] {
        let options = ParseOptions { tunnel_depth, ..ParseOptions::default() };
        let headers = parse_with(LinkType::Ethernet, &sample.frame, &options).unwrap();
        assert_eq!((headers.tunnel.kind, headers.tunnel.depth), (kind, tunnel_depth));
    }
}

#[test]
fn a_hundred_nested_headers_end_at_the_deepest_allowed() {
    let mut packet = inner_udp(INNER);
    for _ in 0..100 {
        packet = ip(OUTER, 4, &packet);
    }
    let options = ParseOptions { tunnel_depth: u8::MAX, ..ParseOptions::default() };
    let headers = parse_with(LinkType::Ethernet, &frame(OUTER, &packet), &options).unwrap();
    assert_eq!((headers.tunnel.depth, headers.protocol), (8, 4));
}

#[test]
fn a_frame_without_ip_has_a_flow_of_mac_addresses() {
    let goose = [&[0, 1, 0, 10, 0, 0, 0, 0], &b"ab"[..]].concat();
    let padded = [&goose, &[0; 36][..]].concat();
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1], &[7; 20][..]].concat();
    let padded_arp = [&arp, &[0; 18][..]].concat();
    let cases: &[(&str, Vec<u8>, u16, &[u8])] = &[
        ("ARP without its padding", ethernet(0x0806, &padded_arp), 0x0806, &arp),
        ("LLDP", ethernet(0x88cc, b"lldp"), 0x88cc, b"lldp"),
        ("GOOSE without its padding", ethernet(0x88b8, &padded), 0x88b8, &goose),
        ("sampled values", ethernet(0x88ba, &padded), 0x88ba, &goose),
        ("PROFINET", ethernet(0x8892, b"rt"), 0x8892, b"rt"),
        ("EtherCAT", ethernet(0x88a4, &[2, 0x10, 1, 2, 0, 0]), 0x88a4, &[2, 0x10, 1, 2]),
        ("PTP", ethernet(0x88f7, &[0, 2, 0, 5, 9, 0, 0, 0]), 0x88f7, &[0, 2, 0, 5, 9]),
        ("EAPOL", ethernet(0x888e, &[2, 1, 0, 1, 9, 0, 0]), 0x888e, &[2, 1, 0, 1, 9]),
        ("LACP", ethernet(0x8809, &[1, 1]), 0x8809, &[1, 1]),
        ("FDP", ethernet_llc(&snap([0, 0xe0, 0x52], 0x2000, b"fdp")), 0x0452, b"fdp"),
        ("EDP", ethernet_llc(&snap([0, 0xe0, 0x2b], 0x00bb, b"edp")), 0x042b, b"edp"),
        ("CDP", ethernet_llc(&snap([0, 0, 0xc], 0x2000, b"cdp")), 0x2000, b"cdp"),
        (
            "STP without its padding",
            [ethernet_llc(&[0x42, 0x42, 3, 9, 9]), vec![0; 38]].concat(),
            0x42,
            &[9, 9],
        ),
        ("NetBIOS, numbered", ethernet_llc(&[0xf0, 0xf0, 0, 0, 7]), 0xf0, &[7]),
        ("IPX behind a length", ethernet_llc(&[0xff, 0xff, 0, 3]), 0xff, &[0xff, 0xff, 0, 3]),
        (
            "PPPoE, not IP",
            ethernet(0x8864, &pppoe(1, &ppp(0xc021, b"x"))),
            0x8864,
            &pppoe(1, &ppp(0xc021, b"x")),
        ),
        ("MPLS with an unknown load", ethernet(0x8847, &mpls(&[9], b"x")), 0x8847, &mpls(&[9], b"x")),
        ("LLC with the spanning tree's SAP", ethernet_llc(b"\x42\x42\x03bpdu"), 0x42, b"bpdu"),
        ("LLC with a SAP and a long control field", ethernet_llc(b"\xf0\xf0\x02\x04nbf"), 0xf0, b"nbf"),
        ("LLC with OSI's SAP: IS-IS", ethernet_llc(b"\xfe\xfe\x03\x83isis"), 0xfe83, b"\x83isis"),
        ("LLC with OSI's SAP: ES-IS", ethernet_llc(b"\xfe\xfe\x03\x82esis"), 0xfe82, b"\x82esis"),
        ("LLC with OSI's SAP and nothing", ethernet_llc(b"\xfe\xfe\x03"), 0xfe, b""),
        ("IPX right behind the length", ethernet_llc(b"\xff\xff\x00\x03ipx"), 0xff, b"\xff\xff\x00\x03ipx"),
        ("SNAP with a number of Cisco's", ethernet_llc(&snap([0, 0, 0xc], 0x2004, b"dtp")), 0x2004, b"dtp"),
        ("behind a tag", ethernet(0x8100, &tag(5, 0x88cc, b"lldp")), 0x88cc, b"lldp"),
    ];
    for (name, frame, number, bytes) in cases {
        let headers = parse_frame(frame);
        assert_eq!(headers.key.kind(), KeyKind::Ethernet, "{name}");
        assert_eq!(headers.key.mac(headers.sender), Some(CLIENT_MAC), "{name}");
        assert_eq!(headers.key.mac(headers.sender.opposite()), Some(SERVER_MAC), "{name}");
        assert_eq!((ports(&headers), headers.ethertype), ([*number; 2], *number), "{name}");
        assert_eq!(&payload(&headers, frame), bytes, "{name}");
        assert_eq!(headers.protocol, 0, "{name}");
    }
}

#[test]
fn encrypted_and_management_frames_of_802_11_have_a_flow_of_mac_addresses() {
    let llc = snap([0; 3], 0x0800, &inner_udp(INNER));
    for (name, frame) in [
        ("encrypted", dot11(0x08, 0x41, &[], &llc)),
        ("beacon", dot11(0x80, 0, &[], b"beacon")),
        ("no data", dot11(0x48, 1, &[], &[])),
    ] {
        let headers = parse(LinkType::Ieee80211, &frame).unwrap();
        assert_eq!(headers.key.kind(), KeyKind::Ethernet, "{name}");
        assert_eq!(headers.key.mac(headers.sender), Some(CLIENT_MAC), "{name}");
    }
    let acknowledgment = dot11(0xd4, 0, &[], &[]);
    assert_eq!(parse(LinkType::Ieee80211, &acknowledgment), Err(Malformed::Unsupported));
}

#[test]
fn the_addresses_of_802_11_are_where_the_two_direction_bits_say() {
    let llc = snap([0; 3], 0x0800, &[]);
    let frame = |flags: u8, fourth: &[u8]| {
        join(&[&[0x08, flags | 0x40, 0, 0], &[1; 6], &[2; 6], &[3; 6], &[0, 0], fourth, &llc])
    };
    for (flags, fourth, source, destination) in [(0, 0, 2, 1), (1, 0, 2, 3), (2, 0, 3, 1), (3, 6, 4, 3_u8)] {
        let bytes = frame(flags, &[4; 6][..fourth]);
        let headers = parse(LinkType::Ieee80211, &bytes).unwrap();
        assert_eq!(headers.key.mac(headers.sender), Some([source; 6]), "flags {flags}");
        assert_eq!(headers.key.mac(headers.sender.opposite()), Some([destination; 6]), "flags {flags}");
    }
}

#[test]
fn links_without_addresses_and_without_ip_have_no_flow() {
    for (name, link, frame) in [
        ("PPP control", LinkType::Ppp, ppp(0xc021, b"lcp")),
        ("SLARP", LinkType::PppHdlc, join(&[&[0x8f, 0, 0x80, 0x35], &[0; 14]])),
        ("AppleTalk on loopback", LinkType::Null, vec![16, 0, 0, 0, 1]),
        ("not a version of IP", LinkType::RawIp, vec![0x75; 40]),
        ("netlink", LinkType::LinuxSll, vec![0; 16]),
    ] {
        let found = parse(link, &frame);
        assert!(matches!(found, Err(Malformed::Unsupported | Malformed::ArpTruncated)), "{name}: {found:?}");
    }
}

#[test]
fn what_was_met_on_the_way_is_in_the_layers() {
    let packet = inner_udp(INNER);
    for (frame, layer) in [
        (ethernet(0x8100, &tag(5, 0x0800, &packet)), LayerSet::VLAN),
        (ethernet(0x8847, &mpls(&[9], &packet)), LayerSet::MPLS),
        (ethernet(0x8864, &pppoe(1, &ppp(0x21, &packet))), LayerSet::PPPOE),
        (ethernet_llc(&snap([0; 3], 0x0800, &packet)), LayerSet::LLC),
        (
            ethernet(0x0800, &ipv4(INNER, 17, &[0x94, 4, 0, 0], 0, &udp(INNER, 1, 2, &[]))),
            LayerSet::IPV4_OPTIONS,
        ),
        (
            ethernet(0x86dd, &ipv6(INNER6, 0, &extension(17, 8, &udp(INNER6, 1, 2, &[])))),
            LayerSet::IPV6_EXTENSIONS,
        ),
    ] {
        assert_eq!(parse_frame(&frame).layers, layer);
    }
    let padded = ethernet(0x0800, &ipv4(INNER, 17, &[1, 1, 0, 9], 0, &udp(INNER, 1, 2, &[])));
    assert_eq!(parse_frame(&padded).layers, LayerSet::default(), "options that only pad are none");
}

#[test]
fn extension_headers_are_walked_to_the_transport_header() {
    let datagram = udp(INNER6, 1111, 2222, b"payload");
    // Hop-by-hop options, options, routing, options, mobility.
    let chain = extension(43, 16, &extension(60, 24, &extension(135, 8, &extension(17, 8, &datagram))));
    let bytes = ethernet(0x86dd, &ipv6(INNER6, 0, &extension(60, 8, &chain)));
    let headers = parse_frame(&bytes);
    assert_carries_the_packet("five extension headers", &headers, INNER6, &bytes);
    assert_eq!(headers.transport_offset, 14 + 40 + 8 + 8 + 16 + 24 + 8);
}

#[test]
fn a_mobility_or_hip_message_is_its_own_protocol() {
    for protocol in [135, 139, 140] {
        let bytes = ethernet(0x86dd, &ipv6(INNER6, protocol, &extension(59, 16, &[])));
        assert_eq!(parse_frame(&bytes).protocol, protocol);
    }
}

#[test]
fn ipsec_headers_are_not_walked_through() {
    let ah = join(&[&[17, 4, 0, 0], &[0; 20], &udp(INNER, 1, 2, b"x")]);
    for (protocol, ends) in [(50, INNER), (51, INNER), (50, INNER6), (51, INNER6)] {
        let headers = parse_frame(&frame(ends, &ip(ends, protocol, &ah)));
        assert_eq!((headers.protocol, ports(&headers)), (protocol, [0, 0]));
        assert_eq!(headers.key.protocol(), protocol);
        assert_eq!(headers.payload_len as usize, ah.len());
    }
}

#[test]
fn ports_of_sctp_and_udp_lite_and_none_of_icmp_and_igmp() {
    let lite = join(&[&[0, 7, 0, 8, 0, 8, 0, 0], b"covered?"]);
    for (protocol, payload_bytes, expected, payload_len) in [
        (132, sctp(7, 8, b"chunks"), [7, 8], 6),
        (136, lite, [7, 8], 8),
        (1, icmp(8, 0, b"abcdrest"), [0, 0], 4),
        (2, vec![0x16, 0, 0, 0, 1, 2, 3, 4], [0, 0], 8),
        (89, vec![2; 24], [0, 0], 24),
    ] {
        let headers = parse_frame(&frame(INNER, &ip(INNER, protocol, &payload_bytes)));
        assert_eq!((headers.protocol, ports(&headers)), (protocol, expected));
        assert_eq!(headers.payload_len, payload_len, "protocol {protocol}");
    }
}

#[test]
fn an_icmp_error_is_a_flow_of_its_own() {
    let quoted = ip(OUTER, 17, &udp(OUTER, 1, 2, &[]));
    let message = icmp(3, 3, &join(&[&[0; 4], &quoted]));
    let headers = parse_frame(&frame(INNER, &ip(INNER, 1, &message)));
    assert_eq!((headers.icmp.kind, headers.icmp.code), (3, 3));
    assert_eq!((headers.key.protocol(), ports(&headers)), (1, [0, 0]));
}

#[test]
fn tcp_fields_are_read_and_options_skipped() {
    let bytes = frame(INNER, &ip(INNER, 6, &tcp(INNER, 80, 81, &[1; 12], b"data")));
    let headers = parse_frame(&bytes);
    assert_eq!((headers.tcp.seq, headers.tcp.ack, headers.tcp.window), (0x0102_0304, 0x0506_0708, 0x2000));
    assert_eq!(headers.tcp.flags.0, 0x18);
    assert_eq!(payload(&headers, &bytes), b"data");
}
