//! Sessions made packet by packet.

use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope};

use super::PROTOCOL;
use crate::RecordBatch;
use crate::protocols::{Carrier, Earlier, Found, Input, Output, Probe, Then};
use crate::record::Direction::{ToClient, ToServer};
use crate::record::{Body, Datum, Direction, FlowIdentity, TunnelIdentity};

const CLIENT: [u8; 8] = [0xc1; 8];
const SERVER: [u8; 8] = [0x5e; 8];

/// A control packet behind an HMAC of `hmac` bytes, or none.
fn control(
    opcode: u8,
    own: [u8; 8],
    hmac: usize,
    acknowledged: &[u32],
    number: Option<u32>,
    content: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![opcode << 3];
    bytes.extend(own);
    if hmac > 0 {
        bytes.extend(vec![0x77; hmac]);
        bytes.extend([0, 0, 0, 1, 0x60, 0, 0, 0]);
    }
    bytes.push(acknowledged.len() as u8);
    acknowledged.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
    if !acknowledged.is_empty() {
        bytes.extend(if own == CLIENT { SERVER } else { CLIENT });
    }
    bytes.extend(number.map(u32::to_be_bytes).into_iter().flatten());
    bytes.extend(content);
    bytes
}

/// A ClientHello of TLS 1.2 in a record.
fn hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 8, 0, 10, 0, 4, 0, 2, 0, 0x1d]);
    let mut record = vec![22, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

fn session(hmac: usize) -> Vec<(Direction, Vec<u8>)> {
    let hello = hello();
    let (a, b) = hello.split_at(20);
    vec![
        (ToServer, control(7, CLIENT, hmac, &[], Some(0), &[])),
        (ToClient, control(8, SERVER, hmac, &[0], Some(0), &[])),
        (ToServer, control(5, CLIENT, hmac, &[0], None, &[])),
        (ToServer, control(4, CLIENT, hmac, &[], Some(1), a)),
        (ToServer, control(4, CLIENT, hmac, &[], Some(2), b)),
    ]
}

fn found(payload: &[u8], carrier: Carrier, earlier: &[(Direction, Vec<u8>)]) -> Found {
    let earlier: Vec<_> = earlier
        .iter()
        .map(|(from, bytes)| Earlier {
            from: *from,
            bytes: &bytes[..bytes.len().min(64)],
            len: bytes.len() as u32,
        })
        .collect();
    PROTOCOL.probe.unwrap()(&Probe {
        payload,
        wire_len: payload.len() as u32,
        from: ToServer,
        carrier,
        source_port: 1,
        destination_port: 2,
        destination: None,
        earlier: &earlier,
        midstream: false,
    })
}

/// Names of the events, and the texts in them.
fn read(
    carrier: Carrier,
    input: &[(Direction, Vec<u8>)],
) -> (Vec<&'static str>, Vec<(&'static str, String)>) {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, ([0, 1], 1024), ([0, 2], 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
    let mut parser = PROTOCOL.parser.unwrap()();
    let mut batch = RecordBatch::default();
    for (from, bytes) in input {
        let input = Input { bytes, from: *from, carrier, now_ns: 1, after_gap: false };
        let progress = parser.read(input, &mut Output::new(&mut batch, &flow, 1));
        assert!(progress.consumed <= bytes.len());
        if progress.then == Then::Done {
            break;
        }
    }
    parser.finish(&mut Output::new(&mut batch, &flow, 1));
    let mut kinds = Vec::new();
    let mut texts = Vec::new();
    for record in batch.records() {
        let Body::Event(kind) = record.body else { continue };
        kinds.push(kind);
        let items = batch
            .items(record)
            .iter()
            .filter(|item| matches!(item.value, Datum::Text(..) | Datum::Static(_)));
        texts.extend(
            items.map(|item| (item.name, String::from_utf8_lossy(batch.text(item.value)).into_owned())),
        );
    }
    (kinds, texts)
}

#[test]
fn resets_are_known_with_and_without_an_hmac_and_answers_are_certain() {
    for hmac in [0, 20, 32, 64] {
        let session = session(hmac);
        assert_eq!(found(&session[0].1, Carrier::Udp, &[]), Found::Likely(95), "hmac of {hmac}");
        let mut from_client = session[1].1.clone();
        from_client[1..9].copy_from_slice(&SERVER);
        assert_eq!(found(&from_client, Carrier::Udp, &[(ToClient, session[0].1.clone())]), Found::Yes);
    }
}

#[test]
fn an_encrypted_reset_has_its_length() {
    let mut packet = vec![0x38];
    packet.extend(CLIENT);
    packet.extend([0, 0, 0, 1, 0x60, 0, 0, 0]);
    packet.extend([0x99; 37]);
    assert_eq!(found(&packet, Carrier::Udp, &[]), Found::Likely(88));
    packet.push(1);
    assert_eq!(found(&packet, Carrier::Udp, &[]), Found::Maybe);
    let mut with_key = packet[..54].to_vec();
    with_key[0] = 0x50;
    with_key.extend([0x33; 298]);
    with_key.extend(300_u16.to_be_bytes());
    assert_eq!(found(&with_key, Carrier::Udp, &[]), Found::Likely(96));
    with_key.push(0);
    assert_eq!(found(&with_key, Carrier::Udp, &[]), Found::No);
}

#[test]
fn packets_in_a_stream_are_behind_lengths() {
    let packet = &session(0)[0].1;
    let stream = [&[0, 14][..], packet].concat();
    assert_eq!(found(&stream, Carrier::Tcp, &[]), Found::Likely(95));
    assert_eq!(found(&stream[..15], Carrier::Tcp, &[]), Found::Maybe);
    assert_eq!(found(b"GET / HTTP/1.1\r\n\r\n", Carrier::Tcp, &[]), Found::No);
}

#[test]
fn the_handshake_in_the_control_channel_is_read_in_any_order() {
    let (events, texts) = read(Carrier::Udp, &session(20));
    assert_eq!(events, ["openvpn", "tls"]);
    let mut shuffled = session(0);
    shuffled.swap(3, 4);
    let (other, texts_of_other) = read(Carrier::Udp, &shuffled);
    assert_eq!(other, events);
    for texts in [&texts, &texts_of_other] {
        let ja4 = texts.iter().find(|(name, _)| *name == "ja4").map_or("", |(_, value)| value);
        assert!(ja4.starts_with("t12i0101"), "{texts:?}");
    }
    assert!(texts.contains(&("hmac", "SHA1".into())));
    let stream: Vec<_> = session(0)
        .into_iter()
        .map(|(from, packet)| (from, [&(packet.len() as u16).to_be_bytes()[..], &packet].concat()))
        .collect();
    assert_eq!(read(Carrier::Tcp, &stream).0, events);
}

proptest! {
    #[test]
    fn any_packets_are_survived(
        packets in prop::collection::vec((any::<bool>(), 0_u8..12, prop::collection::vec(any::<u8>(), 0..120)), 0..40),
        tcp in any::<bool>(),
    ) {
        let input: Vec<_> = packets
            .into_iter()
            .map(|(from, opcode, bytes)| {
                let packet = [&[opcode << 3][..], &bytes].concat();
                let packet = if tcp { [&(packet.len() as u16).to_be_bytes()[..], &packet].concat() } else { packet };
                (if from { ToServer } else { ToClient }, packet)
            })
            .collect();
        let carrier = if tcp { Carrier::Tcp } else { Carrier::Udp };
        for at in 0..input.len() {
            found(&input[at].1, carrier, &input[at.saturating_sub(3)..at]);
        }
        read(carrier, &input);
    }

    #[test]
    fn random_payloads_are_not_taken_for_openvpn(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 14..200), 1..5),
    ) {
        let earlier: Vec<_> = payloads.iter().map(|bytes| (ToServer, bytes.clone())).collect();
        for at in 0..payloads.len() {
            let found = found(&payloads[at], Carrier::Udp, &earlier[at.saturating_sub(3)..at]);
            prop_assert!(matches!(found, Found::No | Found::Maybe), "{found:?}");
        }
    }
}
