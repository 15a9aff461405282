//! Flows of media, alone and with what shares their ports.

use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope};

use super::multiplex::{Multiplex, Start};
use super::{RTCP, RTP};
use crate::RecordBatch;
use crate::protocols::{Carrier, Earlier, Found, Input, Notes, Output, Parser, Probe, Protocol};
use crate::record::Direction::{ToClient, ToServer};
use crate::record::{Body, Direction, FlowIdentity, TunnelIdentity};

fn rtp(sequence: u16, source: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 0x60];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend((u32::from(sequence) * 160).to_be_bytes());
    bytes.extend(source.to_be_bytes());
    bytes.extend([0x5a; 40]);
    bytes
}

fn receiver_report(source: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 201, 0, 1];
    bytes.extend(source.to_be_bytes());
    bytes
}

fn description(source: u32) -> Vec<u8> {
    let mut bytes = vec![0x81, 202, 0, 4];
    bytes.extend(source.to_be_bytes());
    bytes.extend([1, 7]);
    bytes.extend(b"a@b.org");
    bytes.extend([0; 3]);
    bytes
}

fn stun() -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([3; 12]);
    bytes
}

fn found(protocol: &Protocol, payload: &[u8], earlier: &[(Direction, Vec<u8>)]) -> Found {
    let earlier: Vec<_> = earlier
        .iter()
        .map(|(from, bytes)| Earlier {
            from: *from,
            bytes: &bytes[..bytes.len().min(64)],
            len: bytes.len() as u32,
        })
        .collect();
    protocol.probe.unwrap()(&Probe {
        payload,
        wire_len: payload.len() as u32,
        from: ToServer,
        carrier: Carrier::Udp,
        source_port: 1024,
        destination_port: 4096,
        destination: None,
        earlier: &earlier,
        midstream: false,
    })
}

fn stream(payload: &[u8]) -> Found {
    RTP.probe.unwrap()(&Probe {
        payload,
        wire_len: payload.len() as u32,
        from: ToServer,
        carrier: Carrier::Tcp,
        source_port: 1024,
        destination_port: 4096,
        destination: None,
        earlier: &[],
        midstream: false,
    })
}

/// Events and notes of a flow.
fn read(start: Start, carrier: Carrier, input: &[(Direction, Vec<u8>)]) -> (Vec<&'static str>, Notes) {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, ([0, 1], 1024), ([0, 2], 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
    let mut parser = Multiplex::new(start);
    let mut batch = RecordBatch::default();
    let mut notes = Notes::default();
    for (from, bytes) in input {
        let mut out = Output::new(&mut batch, &flow, 1);
        let progress =
            parser.read(Input { bytes, from: *from, carrier, now_ns: 1, after_gap: false }, &mut out);
        assert!(progress.consumed <= bytes.len());
        if out.notes().refined.is_some() {
            notes = out.notes();
        }
    }
    parser.finish(&mut Output::new(&mut batch, &flow, 1));
    let kinds = batch.records().iter().filter_map(|record| match record.body {
        Body::Event(kind) => Some(kind),
        Body::Flow(_) => None,
    });
    (kinds.collect(), notes)
}

#[test]
fn one_packet_is_a_maybe_and_two_that_agree_are_rtp() {
    assert_eq!(found(&RTP, &rtp(7, 1), &[]), Found::Maybe);
    assert_eq!(found(&RTP, &rtp(8, 1), &[(ToServer, rtp(7, 1))]), Found::Likely(95));
    for other in
        [(ToClient, rtp(7, 1)), (ToServer, rtp(7, 2)), (ToServer, rtp(8, 1)), (ToServer, rtp(900, 1))]
    {
        assert_eq!(found(&RTP, &rtp(8, 1), &[other]), Found::Maybe);
    }
    assert_eq!(found(&RTP, &receiver_report(1), &[]), Found::No);
}

#[test]
fn a_compound_is_rtcp_and_a_lone_packet_where_it_fills_the_datagram() {
    let compound = [receiver_report(1), description(1)].concat();
    assert_eq!(found(&RTCP, &compound, &[]), Found::Likely(95));
    assert_eq!(found(&RTCP, &receiver_report(1), &[]), Found::Likely(80));
    let protected = [receiver_report(1), vec![0xee; 30]].concat();
    assert_eq!(found(&RTCP, &protected, &[]), Found::Maybe);
    assert_eq!(found(&RTCP, &protected, &[(ToServer, protected.clone())]), Found::Likely(90));
    assert_eq!(found(&RTCP, &compound[..20], &[]), Found::Maybe, "the second packet is cut");
    assert_eq!(found(&RTCP, &rtp(1, 1), &[]), Found::No);
}

#[test]
fn packets_behind_lengths_are_rtp_in_a_stream() {
    let framed = |bytes: Vec<u8>| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat();
    let bytes = [framed(rtp(1, 9)), framed(rtp(2, 9))].concat();
    assert_eq!(stream(&bytes), Found::Likely(93));
    assert_eq!(stream(&bytes[..60]), Found::Maybe);
    assert_eq!(stream(&[framed(rtp(1, 9)), framed(rtp(2, 9)[..10].to_vec())].concat()), Found::No);
    let (events, _) = read(Start::Media, Carrier::Tcp, &[(ToServer, bytes)]);
    assert_eq!(events, ["rtp"]);
}

#[test]
fn media_right_after_stun_give_the_flow_its_name_and_later_ones_do_not() {
    let early = [(ToServer, stun()), (ToClient, stun()), (ToServer, rtp(1, 5)), (ToServer, rtp(2, 5))];
    let (events, notes) = read(Start::Stun, Carrier::Udp, &early);
    assert_eq!((events, notes.refined), (vec!["stun", "rtp"], Some(("rtp", 90))));
    let mut late = vec![(ToServer, stun()); 10];
    late.extend([(ToServer, rtp(1, 5)), (ToServer, rtp(2, 5))]);
    let (events, notes) = read(Start::Stun, Carrier::Udp, &late);
    assert_eq!((events, notes.refined), (vec!["stun", "rtp"], None));
    let random = [(ToServer, stun()), (ToServer, rtp(1, 5)), (ToServer, rtp(1, 6))];
    assert_eq!(read(Start::Stun, Carrier::Udp, &random).0, ["stun"], "two sources that do not agree");
}

#[test]
fn what_is_in_a_channel_of_turn_is_read() {
    let inside = |bytes: Vec<u8>| [&[0x40, 1][..], &(bytes.len() as u16).to_be_bytes(), &bytes].concat();
    let flow = [(ToServer, stun()), (ToServer, inside(rtp(1, 5))), (ToServer, inside(rtp(2, 5)))];
    assert_eq!(read(Start::Stun, Carrier::Udp, &flow).0, ["stun", "rtp"]);
}

proptest! {
    #[test]
    fn any_packets_are_survived(
        packets in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..80), 0_u8..5), 0..40),
        tcp in any::<bool>(),
    ) {
        let carrier = if tcp { Carrier::Tcp } else { Carrier::Udp };
        let input: Vec<_> = packets
            .into_iter()
            .map(|(from, mut bytes, kind)| {
                let start = [&[0x80][..], &[0x80, 200], &[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42], &[0x40, 1], &[22, 254, 253]];
                bytes.iter_mut().zip(start[usize::from(kind)]).for_each(|(place, byte)| *place = *byte);
                (if from { ToServer } else { ToClient }, bytes)
            })
            .collect();
        for start in [Start::Stun, Start::Dtls, Start::Media] {
            read(start, carrier, &input);
        }
    }
}

/// Random flows of four datagrams that start like version 2: their share that is taken for media.
#[test]
fn random_payloads_are_next_to_never_taken_for_media() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut taken = 0_u32;
    const FLOWS: u32 = 200_000;
    for _ in 0..FLOWS {
        let mut earlier: Vec<(Direction, Vec<u8>)> = Vec::new();
        for _ in 0..4 {
            let mut bytes: Vec<u8> = (0..4).flat_map(|_| random().to_le_bytes()).collect();
            bytes[0] |= 0x80;
            bytes.truncate(12 + (random() % 20) as usize);
            let says = |protocol| matches!(found(protocol, &bytes, &earlier), Found::Likely(_) | Found::Yes);
            taken += u32::from(says(&RTP) || says(&RTCP));
            if earlier.len() == 3 {
                earlier.remove(0);
            }
            earlier.push((if random() & 1 == 0 { ToServer } else { ToClient }, bytes));
        }
    }
    assert!(taken * 100_000 < FLOWS, "{taken} of {FLOWS}");
}
