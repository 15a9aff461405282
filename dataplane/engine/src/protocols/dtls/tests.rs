//! Sessions made record by record.

use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope};

use super::PROTOCOL;
use crate::RecordBatch;
use crate::protocols::{Carrier, Found, Input, Output, Probe, Then};
use crate::record::Direction::{ToClient, ToServer};
use crate::record::{Datum, Direction, FlowIdentity, TunnelIdentity};

fn three(number: usize) -> [u8; 3] {
    let [_, a, b, c] = (number as u32).to_be_bytes();
    [a, b, c]
}

fn record(content: u8, epoch: u16, sequence: u64, fragment: &[u8]) -> Vec<u8> {
    let mut bytes = vec![content, 0xfe, 0xfd];
    bytes.extend(epoch.to_be_bytes());
    bytes.extend(&sequence.to_be_bytes()[2..]);
    bytes.extend((fragment.len() as u16).to_be_bytes());
    bytes.extend(fragment);
    bytes
}

/// A handshake message in records of at most `cut` bytes of it each.
fn handshake(kind: u8, sequence: u16, body: &[u8], cut: usize) -> Vec<Vec<u8>> {
    let pieces = (0..body.len()).step_by(cut).map(|offset| {
        let piece = &body[offset..(offset + cut).min(body.len())];
        let mut fragment = vec![kind];
        fragment.extend(three(body.len()));
        fragment.extend(sequence.to_be_bytes());
        fragment.extend(three(offset));
        fragment.extend(three(piece.len()));
        fragment.extend(piece);
        record(22, 0, u64::from(sequence) * 100 + offset as u64, &fragment)
    });
    pieces.collect()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
}

fn client_hello(cookie: &[u8]) -> Vec<u8> {
    let extensions = [
        extension(0, b"\0\x0e\0\0\x0bexample.com"),
        extension(10, &[0, 2, 0, 0x1d]),
        extension(14, &[0, 4, 0, 7, 0, 1, 0]),
    ]
    .concat();
    let mut body = vec![0xfe, 0xfd];
    body.extend([7; 32]);
    body.extend([0, cookie.len() as u8]);
    body.extend(cookie);
    body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    body
}

fn server_hello() -> Vec<u8> {
    let mut body = vec![0xfe, 0xfd];
    body.extend([8; 32]);
    body.extend([0, 0xc0, 0x2b, 0]);
    body.extend([0, 9]);
    body.extend(extension(14, &[0, 2, 0, 7, 0]));
    body
}

/// RFC 6347 figure 1, with a named curve and without certificates.
fn session(cut: usize) -> Vec<(Direction, Vec<u8>)> {
    let mut key_exchange = vec![3, 0, 0x1d, 32];
    key_exchange.extend([5; 32]);
    key_exchange.extend([4, 3, 0, 64]);
    key_exchange.extend([6; 64]);
    let mut datagrams = Vec::new();
    let mut send =
        |from, records: Vec<Vec<u8>>| datagrams.extend(records.into_iter().map(|record| (from, record)));
    send(ToServer, handshake(1, 0, &client_hello(&[]), cut));
    send(ToClient, handshake(3, 0, &[0xfe, 0xff, 4, 9, 9, 9, 9], cut));
    send(ToServer, handshake(1, 1, &client_hello(&[9; 4]), cut));
    send(ToClient, handshake(2, 1, &server_hello(), cut));
    send(ToClient, handshake(12, 2, &key_exchange, cut));
    send(ToServer, handshake(16, 2, &[32; 33], cut));
    datagrams
}

fn change_cipher() -> Vec<(Direction, Vec<u8>)> {
    [ToServer, ToClient]
        .into_iter()
        .map(|from| (from, [record(20, 0, 900, &[1]), record(22, 1, 0, &[0xaa; 40])].concat()))
        .collect()
}

fn probe(payload: &[u8]) -> Found {
    PROTOCOL.probe.unwrap()(&Probe {
        payload,
        wire_len: payload.len() as u32,
        from: ToServer,
        carrier: Carrier::Udp,
        source_port: 1024,
        destination_port: 4096,
        destination: None,
        earlier: &[],
        midstream: false,
    })
}

/// Texts of the `tls` event that comes of these datagrams.
fn read(datagrams: &[(Direction, Vec<u8>)]) -> Vec<(&'static str, String)> {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, ([0, 1], 1024), ([0, 2], 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
    let mut parser = PROTOCOL.parser.unwrap()();
    let mut batch = RecordBatch::default();
    for (from, bytes) in datagrams {
        let input = Input { bytes, from: *from, carrier: Carrier::Udp, now_ns: 1, after_gap: false };
        if parser.read(input, &mut Output::new(&mut batch, &flow, 1)).then == Then::Done {
            break;
        }
    }
    parser.finish(&mut Output::new(&mut batch, &flow, 1));
    let [record] = batch.records() else { panic!("one event, not {:?}", batch.records()) };
    let items =
        batch.items(record).iter().filter(|item| matches!(item.value, Datum::Text(..) | Datum::Static(_)));
    items.map(|item| (item.name, String::from_utf8_lossy(batch.text(item.value)).into_owned())).collect()
}

fn expect_whole(event: &[(&str, String)]) {
    for (name, expected) in [
        ("version", "DTLS 1.2"),
        ("sni", "example.com"),
        ("cipher", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("selected_group", "x25519"),
        ("class", "classical"),
        ("srtp_profile", "SRTP_AEAD_AES_128_GCM"),
    ] {
        let value = event.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str());
        assert_eq!(value, Some(expected), "{name} of {event:?}");
    }
    let ja4 = event.iter().find(|(name, _)| *name == "ja4").map_or("", |(_, value)| value);
    assert!(ja4.starts_with("dd2d0103"), "{ja4}");
}

#[test]
fn a_session_is_read_whole_or_in_fragments() {
    for cut in [usize::MAX >> 1, 100, 17] {
        let datagrams = [session(cut), change_cipher()].concat();
        for (_, datagram) in &datagrams {
            assert!(matches!(probe(datagram), Found::Yes | Found::Likely(85..)), "{datagram:?}");
        }
        expect_whole(&read(&datagrams));
    }
}

#[test]
fn a_protected_record_of_a_flow_in_the_middle_is_known_by_its_header() {
    let datagram = record(23, 1, 4711, &[0xaa; 50]);
    assert_eq!(probe(&datagram), Found::Likely(90));
    assert_eq!(probe(&record(23, 0, 4711, &[0xaa; 50])), Found::No, "data is never in the clear");
    assert_eq!(probe(&datagram[..60]), Found::No);
    assert_eq!(probe(&[&datagram[..], &[0]].concat()), Found::No);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_order_and_duplication_gives_the_same_values(
        order in Just(session(60)).prop_shuffle(),
        again in prop::collection::vec(0_usize..8, 0..6),
    ) {
        let mut datagrams = order;
        for at in again {
            let copy = datagrams[at].clone();
            datagrams.insert(at, copy);
        }
        datagrams.extend(change_cipher());
        expect_whole(&read(&datagrams));
    }

    #[test]
    fn random_datagrams_are_not_taken_for_dtls(bytes in prop::collection::vec(any::<u8>(), 13..300)) {
        prop_assert_eq!(probe(&bytes), Found::No);
    }

    #[test]
    fn changed_records_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..40),
    ) {
        let mut datagrams = session(60);
        for (which, at, value) in changes {
            let which = which.index(datagrams.len());
            let at = at.index(datagrams[which].1.len());
            datagrams[which].1[at] = value;
        }
        datagrams.iter().for_each(|(_, datagram)| { probe(datagram); });
        datagrams.push((ToServer, record(21, 0, 9, &[2, 40])));
        read(&datagrams);
    }
}
