//! Datagrams in pieces are read as if they were whole.

use std::net::{IpAddr, SocketAddr};

use engine::{Counter, DefragLimits, EngineConfig};
use proptest::prelude::*;
use sample::packet;

use crate::bench::{Bench, v4, v6};

/// Cuts an IP packet into fragments of at most `size` bytes of payload (RFC 791, 3.2; RFC 8200, 4.5).
fn fragments(packet: &[u8], size: usize, id: u16) -> Vec<Vec<u8>> {
    let size = size / 8 * 8;
    let is_v4 = packet[0] >> 4 == 4;
    let (header, payload) = packet.split_at(if is_v4 { 20 } else { 40 });
    let last = payload.len().div_ceil(size) - 1;
    payload
        .chunks(size)
        .enumerate()
        .map(|(index, data)| {
            let (offset, more) = ((index * size) as u16, index < last);
            let mut piece = header.to_vec();
            if is_v4 {
                piece[2..4].copy_from_slice(&((20 + data.len()) as u16).to_be_bytes());
                piece[4..6].copy_from_slice(&id.to_be_bytes());
                piece[6..8].copy_from_slice(&((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
            } else {
                piece[4..6].copy_from_slice(&((8 + data.len()) as u16).to_be_bytes());
                let next = std::mem::replace(&mut piece[6], 44);
                piece.extend_from_slice(&[next, 0]);
                piece.extend_from_slice(&(offset | u16::from(more)).to_be_bytes());
                piece.extend_from_slice(&u32::from(id).to_be_bytes());
            }
            piece.extend_from_slice(data);
            piece
        })
        .collect()
}

fn dns_answer() -> Vec<u8> {
    let addresses: Vec<IpAddr> = (0..40).map(|host| v4(host, 0).ip()).collect();
    sample::content::dns::response(77, "fragmented.example.org", 1, &addresses)
}

fn send(bench: &mut Bench, from: SocketAddr, to: SocketAddr, pieces: &[Vec<u8>]) {
    for piece in pieces {
        bench.packet(from.ip(), to.ip(), piece);
    }
}

#[test]
fn a_fragmented_answer_is_parsed_and_all_its_fragments_are_counted() {
    for (client, server) in [(v4(1, 40_000), v4(2, 53)), (v6(1, 40_000), v6(2, 53))] {
        let mut bench = Bench::new();
        bench.udp(client, server, &sample::content::dns::query(77, "fragmented.example.org", 1));
        let mut pieces = fragments(&packet::udp(server, client, &dns_answer()), 128, 9);
        pieces.reverse();
        send(&mut bench, server, client, &pieces);
        bench.shut_down();
        assert_eq!(bench.ended.len(), 1, "fragments are no flow of their own");
        assert_eq!(bench.ended[0].summary.packets, [1, pieces.len() as u64]);
        assert_eq!(bench.ended[0].protocol, "dns");
        let answers = bench.events.iter().filter(|(kind, _)| *kind == "dns").count();
        assert_eq!(answers, 2, "query and answer");
        assert_eq!(bench.counter(Counter::DefragCompleted), 1);
    }
}

#[test]
fn overlapping_fragments_end_an_ipv6_datagram() {
    let mut bench = Bench::new();
    let (from, to) = (v6(1, 1000), v6(2, 2000));
    let pieces = fragments(&packet::udp(from, to, &[3; 100]), 64, 1);
    let mut overlapping = fragments(&packet::udp(from, to, &[4; 100]), 32, 1);
    overlapping.truncate(2);
    bench.packet(from.ip(), to.ip(), &pieces[0]);
    let mut longer = overlapping[1].clone();
    longer.truncate(48 + 32);
    longer.extend_from_slice(&[5; 32]);
    longer[4..6].copy_from_slice(&(8 + 64u16).to_be_bytes());
    bench.packet(from.ip(), to.ip(), &longer);
    assert_eq!(bench.counter(Counter::DropDefragInvalid), 2);
    bench.shut_down();
    assert!(bench.ended.is_empty());
}

#[test]
fn a_flood_of_first_fragments_is_bounded() {
    let defrag = DefragLimits { datagrams: 8, ..DefragLimits::default() };
    let mut bench = Bench::with(EngineConfig { flow_capacity: 64, defrag, ..EngineConfig::default() });
    for host in 0..100 {
        let pieces = fragments(&packet::udp(v4(host, 1), v4(200, 2), &[0; 200]), 64, host as u16);
        bench.packet(v4(host, 1).ip(), v4(200, 2).ip(), &pieces[0]);
    }
    assert_eq!(bench.counter(Counter::DefragHeld), 8);
    assert_eq!(bench.counter(Counter::DropDefragLimit), 92);
    // Those that are whole still come through.
    let pieces = fragments(&packet::udp(v4(300, 1), v4(200, 2), &[0; 200]), 64, 7);
    send(&mut bench, v4(300, 1), v4(200, 2), &pieces);
    assert_eq!(bench.counter(Counter::DefragCompleted), 1);
}

proptest! {
    #[test]
    fn any_order_and_repetition_gives_the_same_flow(
        size in 16usize..400,
        order in proptest::collection::vec(any::<prop::sample::Index>(), 1..120),
        old: bool,
    ) {
        let (from, to) = if old { (v4(1, 5000), v4(2, 53)) } else { (v6(1, 5000), v6(2, 53)) };
        let pieces = fragments(&packet::udp(from, to, &dns_answer()), size, 3);
        let mut bench = Bench::new();
        let mut seen = std::collections::BTreeSet::new();
        for index in order {
            let index = index.index(pieces.len());
            if seen.len() < pieces.len() {
                seen.insert(index);
                bench.packet(from.ip(), to.ip(), &pieces[index]);
            }
        }
        for (index, piece) in pieces.iter().enumerate() {
            if !seen.contains(&index) {
                bench.packet(from.ip(), to.ip(), piece);
            }
        }
        bench.shut_down();
        prop_assert_eq!(bench.counter(Counter::DefragCompleted), 1);
        prop_assert_eq!(bench.ended.len(), 1);
        prop_assert_eq!(&bench.ended[0].protocol, "dns");
    }
}
