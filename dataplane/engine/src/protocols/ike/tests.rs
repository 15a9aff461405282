//! Exchanges made payload by payload.

use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope};

use super::PROTOCOL;
use crate::protocols::{Carrier, Earlier, Found, Input, Notes, Output, Probe, Then};
use crate::record::Direction::{ToClient, ToServer};
use crate::record::{Datum, Direction, FlowIdentity, TunnelIdentity};
use crate::{CryptoClass, RecordBatch};

const INITIATOR: [u8; 8] = [0x11; 8];
const RESPONDER: [u8; 8] = [0x22; 8];

/// A message of these payloads.
fn message(version: u8, responder: [u8; 8], exchange: u8, flags: u8, payloads: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, (_, content)) in payloads.iter().enumerate() {
        body.push(payloads.get(at + 1).map_or(0, |(kind, _)| *kind));
        body.push(0);
        body.extend((content.len() as u16 + 4).to_be_bytes());
        body.extend(content);
    }
    let mut bytes = INITIATOR.to_vec();
    bytes.extend(responder);
    bytes.extend([payloads.first().map_or(0, |(kind, _)| *kind), version, exchange, flags, 0, 0, 0, 0]);
    bytes.extend((28 + body.len() as u32).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A security association of version 2 with these transforms: type, number, key length.
fn association(transforms: &[(u8, u16, Option<u16>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (at, (kind, id, bits)) in transforms.iter().enumerate() {
        list.extend([if at + 1 < transforms.len() { 3 } else { 0 }, 0]);
        list.extend((8 + if bits.is_some() { 4_u16 } else { 0 }).to_be_bytes());
        list.extend([*kind, 0]);
        list.extend(id.to_be_bytes());
        bits.iter().for_each(|bits| list.extend([&[0x80, 14][..], &bits.to_be_bytes()].concat()));
    }
    let mut proposal = vec![0, 0];
    proposal.extend((8 + list.len() as u16).to_be_bytes());
    proposal.extend([1, 1, 0, transforms.len() as u8]);
    proposal.extend(list);
    proposal
}

/// A security association of version 1 with one transform.
fn association_one(attributes: &[(u16, u16)]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, value)| [(0x8000 | kind).to_be_bytes(), value.to_be_bytes()].concat())
        .collect();
    let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 0];
    bytes.extend((16 + list.len() as u16).to_be_bytes());
    bytes.extend([1, 1, 0, 1, 0, 0]);
    bytes.extend((8 + list.len() as u16).to_be_bytes());
    bytes.extend([1, 1, 0, 0]);
    bytes.extend(list);
    bytes
}

fn key(group: u16) -> Vec<u8> {
    let mut bytes = group.to_be_bytes().to_vec();
    bytes.extend([0; 34]);
    bytes
}

/// IKE_SA_INIT with these transforms chosen, and an encrypted message.
fn exchange(chosen: &[(u8, u16, Option<u16>)]) -> Vec<(Direction, Vec<u8>)> {
    let offer = association(&[
        (1, 20, Some(256)),
        (1, 3, None),
        (2, 5, None),
        (4, 31, None),
        (4, 2, None),
        (6, 36, None),
    ]);
    let notify = vec![0, 0, 0x40, 0x36];
    vec![
        (
            ToServer,
            message(0x20, [0; 8], 34, 0x08, &[(33, offer), (34, key(31)), (40, vec![7; 32]), (41, notify)]),
        ),
        (
            ToClient,
            message(
                0x20,
                RESPONDER,
                34,
                0x20,
                &[(33, association(chosen)), (34, key(31)), (43, b"strongSwan".to_vec())],
            ),
        ),
        (ToServer, message(0x20, RESPONDER, 43, 0x08, &[(46, vec![9; 64])])),
    ]
}

fn probe(payload: &[u8], ports: (u16, u16), earlier: &[(Direction, Vec<u8>)]) -> Found {
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
        carrier: Carrier::Udp,
        source_port: ports.0,
        destination_port: ports.1,
        destination: None,
        earlier: &earlier,
        midstream: false,
    })
}

/// The event of a flow, its texts by name, and what was noted.
fn read(
    carrier: Carrier,
    input: &[(Direction, Vec<u8>)],
) -> (RecordBatch, Vec<(&'static str, String)>, Notes) {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, ([0, 1], 500), ([0, 2], 500), Scope::default());
    let tunnel = TunnelIdentity::default();
    let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
    let mut parser = PROTOCOL.parser.unwrap()();
    let mut batch = RecordBatch::default();
    let mut notes = Notes::default();
    for (from, bytes) in input {
        let mut out = Output::new(&mut batch, &flow, 1);
        let progress =
            parser.read(Input { bytes, from: *from, carrier, now_ns: 1, after_gap: false }, &mut out);
        notes = out.notes();
        if progress.then == Then::Done {
            break;
        }
    }
    parser.finish(&mut Output::new(&mut batch, &flow, 1));
    let texts = batch.records().first().map(|record| {
        let items = batch.items(record).iter();
        let items = items.filter(|item| matches!(item.value, Datum::Text(..) | Datum::Static(_)));
        items.map(|item| (item.name, String::from_utf8_lossy(batch.text(item.value)).into_owned())).collect()
    });
    (batch, texts.unwrap_or_default(), notes)
}

#[test]
fn an_additional_exchange_of_ml_kem_makes_it_hybrid() {
    type Case<'a> = (&'a [(u8, u16, Option<u16>)], &'a str, Option<CryptoClass>);
    let cases: [Case<'_>; 5] = [
        (
            &[(1, 20, Some(256)), (2, 5, None), (4, 31, None), (6, 36, None)],
            "hybrid",
            Some(CryptoClass::PostQuantum),
        ),
        (&[(1, 20, Some(256)), (2, 5, None), (4, 37, None)], "pq", Some(CryptoClass::PostQuantum)),
        (
            &[(1, 20, Some(256)), (2, 5, None), (4, 31, None), (6, 0, None)],
            "classical",
            Some(CryptoClass::QuantumVulnerable),
        ),
        (&[(1, 3, None), (2, 5, None), (3, 12, None), (4, 31, None)], "classical", Some(CryptoClass::Weak)),
        (
            &[(1, 12, Some(128)), (2, 2, None), (3, 2, None), (4, 2, None)],
            "classical",
            Some(CryptoClass::Weak),
        ),
    ];
    for (chosen, class, posture) in cases {
        let (batch, texts, _) = read(Carrier::Udp, &exchange(chosen));
        assert_eq!(
            texts.iter().find(|(name, _)| *name == "class").map(|(_, text)| text.as_str()),
            Some(class)
        );
        assert_eq!(CryptoClass::of_event(&batch, &batch.records()[0]), posture, "{chosen:?}");
    }
}

#[test]
fn algorithms_have_the_names_of_the_registry() {
    let chosen = [(1, 20, Some(256)), (2, 5, None), (4, 31, None), (6, 36, None)];
    let (_, texts, _) = read(Carrier::Udp, &exchange(&chosen));
    for expected in [
        ("alg_enc", "ENCR_AES_GCM_16"),
        ("alg_prf", "PRF_HMAC_SHA2_256"),
        ("alg_dh", "Curve25519"),
        ("selected_group", "Curve25519"),
        ("exchange", "IKE_SA_INIT"),
        ("", "ml-kem-768"),
        ("", "INTERMEDIATE_EXCHANGE_SUPPORTED"),
        ("", "strongSwan"),
    ] {
        assert!(
            texts.iter().any(|(name, text)| (*name, text.as_str()) == expected),
            "{expected:?} in {texts:?}"
        );
    }
}

#[test]
fn the_order_of_offer_and_choice_does_not_matter() {
    let mut swapped = exchange(&[(1, 20, Some(256)), (2, 5, None), (4, 31, None), (6, 36, None)]);
    let straight = read(Carrier::Udp, &swapped).1;
    swapped.swap(0, 1);
    let class = |texts: &[(&str, String)]| {
        texts.iter().find(|(name, _)| *name == "class").map(|(_, text)| text.clone())
    };
    assert_eq!(class(&read(Carrier::Udp, &swapped).1), class(&straight));
}

#[test]
fn an_aggressive_exchange_with_a_shared_key_is_weak() {
    let association = association_one(&[(1, 7), (14, 256), (2, 4), (3, 1), (4, 14)]);
    let one = |responder, association: &Vec<u8>| {
        message(0x10, responder, 4, 0, &[(1, association.clone()), (4, vec![5; 256]), (10, vec![6; 20])])
    };
    let flow = [(ToServer, one([0; 8], &association)), (ToClient, one(RESPONDER, &association))];
    let (batch, texts, _) = read(Carrier::Udp, &flow);
    for expected in
        [("alg_enc", "AES-CBC"), ("alg_hash", "SHA2-256"), ("", "version"), ("", "aggressive_mode")]
    {
        assert!(
            texts.iter().any(|(name, text)| (*name, text.as_str()) == expected),
            "{expected:?} in {texts:?}"
        );
    }
    assert_eq!(CryptoClass::of_event(&batch, &batch.records()[0]), Some(CryptoClass::Weak));
}

#[test]
fn messages_are_known_by_their_headers_and_behind_the_marker() {
    let flow = exchange(&[(1, 20, None)]);
    assert_eq!(probe(&flow[0].1, (40_000, 40_001), &[]), Found::Yes);
    assert_eq!(probe(&flow[2].1, (500, 500), &[]), Found::Likely(97));
    let marked = [&[0; 4][..], &flow[0].1].concat();
    assert_eq!(probe(&marked, (4500, 4500), &[]), Found::Yes);
    assert_eq!(probe(&flow[0].1[..flow[0].1.len() - 1], (500, 500), &[]), Found::No);
    let mut other = flow[0].1.clone();
    other[17] = 0x30;
    assert_eq!(probe(&other, (500, 500), &[]), Found::No, "there is no version 3");
}

#[test]
fn esp_in_udp_needs_two_packets_on_its_port() {
    let packet = |number: u8| [&[0xc0, 1, 2, 3, 0, 0, 0, number][..], &[0x5a; 40]].concat();
    let earlier = [(ToServer, packet(1))];
    assert_eq!(probe(&packet(2), (4500, 4500), &earlier), Found::Likely(90));
    assert_eq!(probe(&packet(2), (4500, 4500), &[]), Found::Maybe);
    assert_eq!(probe(&packet(2), (4501, 4501), &earlier), Found::No);
    let flow: Vec<_> = (1..20).map(|number| (ToServer, packet(number))).collect();
    let (batch, _, notes) = read(Carrier::Udp, &flow);
    assert!(batch.records().is_empty());
    assert_eq!(notes.refined, Some(("ipsec", 88)));
}

#[test]
fn messages_in_a_stream_are_behind_lengths_that_count_themselves() {
    let mut stream = b"IKETCP".to_vec();
    for (_, message) in exchange(&[(1, 20, None)]).iter().take(1) {
        stream.extend((message.len() as u16 + 6).to_be_bytes());
        stream.extend([0; 4]);
        stream.extend(message);
    }
    let (batch, texts, _) = read(Carrier::Tcp, &[(ToServer, stream)]);
    assert_eq!(batch.records().len(), 1);
    assert!(texts.contains(&("exchange", "IKE_SA_INIT".into())));
}

proptest! {
    #[test]
    fn changed_and_cut_messages_are_survived(
        changes in prop::collection::vec((0_usize..3, any::<prop::sample::Index>(), any::<u8>()), 0..30),
        cut in 0_usize..200,
    ) {
        let mut flow = exchange(&[(1, 20, Some(256)), (2, 5, None), (4, 31, None), (6, 36, None)]);
        for (which, at, value) in changes {
            let at = at.index(flow[which].1.len());
            // Not the length of the whole, which would end it here.
            if !(24..28).contains(&at) {
                flow[which].1[at] = value;
            }
        }
        flow[1].1.truncate(cut.max(28));
        let len = (flow[1].1.len() as u32).to_be_bytes();
        flow[1].1[24..28].copy_from_slice(&len);
        for (_, bytes) in &flow {
            probe(bytes, (500, 500), &flow[..1]);
        }
        read(Carrier::Udp, &flow);
        read(Carrier::Tcp, &flow);
    }

    #[test]
    fn random_payloads_are_not_taken_for_ike(
        bytes in prop::collection::vec(any::<u8>(), 9..400),
        earlier in prop::collection::vec(any::<u8>(), 9..100),
    ) {
        let found = probe(&bytes, (4500, 500), &[(ToServer, earlier)]);
        prop_assert!(matches!(found, Found::No | Found::Maybe));
    }
}
