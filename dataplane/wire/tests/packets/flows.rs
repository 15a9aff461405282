//! Which packets share a flow, and which tunnels are not opened.

use crate::builder::*;
use crate::samples::{linked, tunneled};
use crate::{ethernet as parse_frame, parse_with, ports};
use wire::{FlowKey, KeyKind, LinkType, ParseOptions, Scope, TunnelKind};

fn reversed(ends: Ends) -> Ends {
    match ends {
        Ends::V4(a, b) => Ends::V4(b, a),
        Ends::V6(a, b) => Ends::V6(b, a),
    }
}

#[test]
fn both_directions_have_one_key_and_opposite_senders() {
    for ends in [INNER, INNER6, Ends::V4([10, 0, 0, 1], [10, 0, 0, 1])] {
        let there = parse_frame(&frame(ends, &ip(ends, 17, &udp(ends, 40_000, 53, b"q"))));
        let back_ends = reversed(ends);
        let back = parse_frame(&frame(ends, &ip(back_ends, 17, &udp(back_ends, 53, 40_000, b"a"))));
        assert_eq!(there.key, back.key);
        assert_eq!(there.sender, back.sender.opposite());
        assert_eq!(there.key.hash(7), back.key.hash(7));
    }
}

#[test]
fn vlan_ids_keep_flows_apart_where_the_options_say_so() {
    let frame = |id: u16| ethernet(0x88a8, &tag(7, 0x8100, &tag(0x3000 | id, 0x0800, &inner_udp(INNER))));
    let headers = parse_frame(&frame(5));
    assert_eq!((headers.vlans, headers.key.scope().vlans()), ([7, 5], [7, 5]));
    assert_ne!(headers.key, parse_frame(&frame(6)).key);
    let blind = ParseOptions { key_vlan: false, ..ParseOptions::default() };
    let keys = [5, 6].map(|id| parse_with(LinkType::Ethernet, &frame(id), &blind).unwrap().key);
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0].scope(), Scope::default());
}

#[test]
fn only_vxlan_and_geneve_ids_keep_flows_apart() {
    let blind = ParseOptions { key_tunnel: false, ..ParseOptions::default() };
    for sample in tunneled() {
        let headers = parse_frame(&sample.frame);
        let expected = match sample.kind {
            TunnelKind::Vxlan | TunnelKind::Geneve => Scope::new(0, 0, sample.kind as u8, sample.id),
            _ => Scope::default(),
        };
        assert_eq!(headers.key.scope(), expected, "{}", sample.name);
        let headers = parse_with(LinkType::Ethernet, &sample.frame, &blind).unwrap();
        assert_eq!(headers.key.scope(), Scope::default(), "{}", sample.name);
    }
}

#[test]
fn a_flow_in_a_tunnel_keeps_the_vlan_of_the_frame() {
    let vxlan = join(&[&[8, 0, 0, 0, 0, 1, 2, 0], &frame(INNER, &inner_udp(INNER))]);
    let carrier = ip(OUTER, 17, &udp(OUTER, 1, 4789, &vxlan));
    let headers = parse_frame(&ethernet(0x8100, &tag(9, 0x0800, &carrier)));
    assert_eq!(headers.key.scope(), Scope::new(9, 0, TunnelKind::Vxlan as u8, 0x102));
}

#[test]
fn what_is_not_a_tunnel_stays_a_udp_flow() {
    let query = b"\x08\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";
    let zeros = [0; 60];
    let ones = [0xff; 60];
    let control = [0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 0, 0, 0];
    let echo = [0x32, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0];
    let bubble = ip(INNER6, 59, &[]);
    let keep_alive = [0, 0x10, 0x02, 0x08, 0, 0, 0, 0, 1, 2, 3, 4];
    let payloads: [&[u8]; 8] = [query, &zeros, &ones, &control, &echo, &bubble, &keep_alive, &[]];
    for port in wire::number::tunnel_port::ALL {
        for payload in payloads {
            let headers = parse_frame(&carried_by_udp(port, payload));
            assert_eq!(ports(&headers), [50_000, port], "{payload:02x?}");
            assert_eq!(headers.tunnel.kind, TunnelKind::None, "port {port}, {payload:02x?}");
            assert_eq!(headers.payload_len as usize, payload.len());
        }
    }
}

#[test]
fn a_tunnel_around_nonsense_belongs_to_the_outer_flow() {
    for payload in [&[0x45; 8][..], &[0x00; 64], &ip(INNER, 6, &[0; 4]), &ip(INNER, 17, &[0; 4])] {
        let gre = carried_by_ip(47, &join(&[&[0, 0, 8, 0], payload]));
        let headers = parse_frame(&gre);
        assert_eq!((headers.protocol, headers.tunnel.kind), (47, TunnelKind::None));
        assert_eq!(headers.payload_len as usize, payload.len() + 4);
    }
}

#[test]
fn arp_in_a_tunnel_is_a_flow_of_the_tunnel() {
    let arp = [&[0, 1, 8, 0, 6, 4, 0, 1], &[7; 20][..]].concat();
    let vxlan = join(&[&[8, 0, 0, 0, 0, 1, 2, 0], &ethernet(0x0806, &arp)]);
    let headers = parse_frame(&carried_by_udp(4789, &vxlan));
    assert_eq!((headers.key.kind(), headers.tunnel.kind), (KeyKind::Ethernet, TunnelKind::Vxlan));
}

#[test]
fn a_mirrored_frame_cut_by_the_switch_is_read() {
    let segment = tcp(INNER, 80, 1024, &[], &[7; 400]);
    let mirrored = &frame(INNER, &ip(INNER, 6, &segment))[..128];
    let header = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0x05, 0x23, 0, 0, 0, 0];
    let headers = parse_frame(&carried_by_ip(47, &join(&[&header, mirrored])));
    assert_eq!((headers.tunnel.kind, headers.tunnel.id), (TunnelKind::Erspan, 0x123));
    assert!(headers.layers.contains(wire::LayerSet::SNAPPED));
    assert_eq!((headers.payload_len, headers.payload_wire_len), (128 - 54, 400));
}

#[test]
fn a_key_gives_back_what_it_was_made_of() {
    let (source, destination) = ([10, 0, 0, 9], [10, 0, 0, 1]);
    let (key, sender) = FlowKey::new(
        KeyKind::Ipv4,
        6,
        (FlowKey::from_ipv4(source), 80),
        (FlowKey::from_ipv4(destination), 1024),
        Scope::new(1, 2, 3, 4),
    );
    assert_eq!((key.kind(), key.protocol(), key.scope().0), (KeyKind::Ipv4, 6, 0x0010_0203_0000_0004));
    assert_eq!((key.ip(sender), key.port(sender)), (Some(source.into()), 80));
    let other = sender.opposite();
    assert_eq!((key.ip(other), key.port(other)), (Some(destination.into()), 1024));
    assert_eq!(key.mac(sender), None);
}

#[test]
fn samples_of_one_packet_hash_alike_wherever_it_was_captured() {
    let keys: Vec<_> = linked()
        .iter()
        .filter(|sample| matches!(sample.ends, Ends::V4(..)))
        .map(|sample| crate::parse(sample.link, &sample.frame).unwrap())
        .filter(|headers| headers.vlans == [0, 0])
        .map(|headers| headers.key)
        .collect();
    assert!(keys.len() > 20 && keys.iter().all(|key| *key == keys[0]));
}
