//! Connections made packet by packet: the vectors of the RFCs, and any order of what they consist of.

use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope};

use super::PROTOCOL;
use super::google::tests::message;
use super::keys::InitialKeys;
use super::version::Version;
use crate::RecordBatch;
use crate::protocols::{Carrier, Found, Input, Output, Parser, Probe, Then};
use crate::record::Direction::{ToClient, ToServer};
use crate::record::{Datum, Direction, FlowIdentity, TunnelIdentity};

const ONE: Version = Version(1);
const TWO: Version = Version(0x6b33_43cf);
const CLIENT_ID: &[u8] = &[0xc1; 5];
const FIRST_ID: &[u8] = &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
const SERVER_ID: &[u8] = &[0x5e; 8];

/// Which side's keys.
#[derive(Clone, Copy)]
enum By {
    Client,
    Server,
}

/// An Initial packet with a number of four bytes, under the keys that `first` stands for.
fn initial(
    version: Version,
    by: By,
    first: &[u8],
    ids: (&[u8], &[u8]),
    number: u32,
    frames: &[u8],
) -> Vec<u8> {
    let keys = InitialKeys::derive(version, first).unwrap();
    let mut header = vec![if version == TWO { 0xd3 } else { 0xc3 }];
    header.extend(version.0.to_be_bytes());
    for id in [ids.0, ids.1] {
        header.push(id.len() as u8);
        header.extend(id);
    }
    header.push(0);
    header.extend((0x4000 | (4 + frames.len() as u16 + 16)).to_be_bytes());
    header.extend(number.to_be_bytes());
    match by {
        By::Client => keys.client.seal(&header, frames),
        By::Server => keys.server.seal(&header, frames),
    }
}

fn crypto(offset: usize, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![6];
    frame.extend((0x4000 | offset as u16).to_be_bytes());
    frame.extend((0x4000 | content.len() as u16).to_be_bytes());
    frame.extend(content);
    frame
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &(content.len() as u16).to_be_bytes(), content].concat()
}

fn hello(kind: u8, head: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = extensions.concat();
    let len = 34 + head.len() + 2 + extensions.len();
    let mut message = vec![kind, 0];
    message.extend((len as u16).to_be_bytes());
    message.extend([3, 3]);
    message.extend([9; 32]);
    message.extend(head);
    message.extend((extensions.len() as u16).to_be_bytes());
    message.extend(extensions);
    message
}

/// A ClientHello for example.com with X25519MLKEM768: its key share alone fills a packet.
fn client_hello() -> Vec<u8> {
    let name = b"example.com";
    let mut share = vec![0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0];
    share.extend([0x77; 1216]);
    hello(
        1,
        &[0, 0, 2, 0x13, 0x01, 1, 0],
        &[
            extension(0, &[&[0, 14, 0, 0, 11][..], name].concat()),
            extension(43, &[2, 3, 4]),
            extension(10, &[0, 2, 0x11, 0xec]),
            extension(13, &[0, 2, 4, 3]),
            extension(16, &[0, 3, 2, b'h', b'3']),
            extension(57, &[&[0x71, 0x29, 5][..], b"Agent"].concat()),
            extension(51, &share),
        ],
    )
}

fn server_hello() -> Vec<u8> {
    let mut share = vec![0x11, 0xec, 0x04, 0x60];
    share.extend([0x66; 1120]);
    hello(2, &[0, 0x13, 0x01, 0], &[extension(43, &[3, 4]), extension(51, &share)])
}

/// A handshake packet of which nobody can read anything.
fn sealed(version: Version, ids: (&[u8], &[u8])) -> Vec<u8> {
    let mut packet = vec![if version == TWO { 0xf3 } else { 0xe3 }];
    packet.extend(version.0.to_be_bytes());
    for id in [ids.0, ids.1] {
        packet.push(id.len() as u8);
        packet.extend(id);
    }
    packet.push(40);
    packet.extend([0xaa; 40]);
    packet
}

fn padded(mut datagram: Vec<u8>, len: usize) -> Vec<u8> {
    datagram.resize(len.max(datagram.len()), 0);
    datagram
}

/// A whole handshake: the ClientHello in three pieces in two datagrams, the server's answer coalesced.
fn connection(version: Version) -> Vec<(Direction, Vec<u8>)> {
    let hello = client_hello();
    let (a, b, c) = (&hello[..300], &hello[300..900], &hello[900..]);
    let out = (FIRST_ID, CLIENT_ID);
    let back = (CLIENT_ID, SERVER_ID);
    let first = [crypto(900, c), vec![1, 0, 0], crypto(0, a)].concat();
    let answer =
        [initial(version, By::Server, FIRST_ID, back, 0, &crypto(0, &server_hello())), sealed(version, back)]
            .concat();
    vec![
        (ToServer, padded(initial(version, By::Client, FIRST_ID, out, 0, &first), 1200)),
        (ToServer, padded(initial(version, By::Client, FIRST_ID, out, 1, &crypto(300, b)), 1200)),
        (ToClient, answer),
        (ToServer, sealed(version, (SERVER_ID, CLIENT_ID))),
    ]
}

fn identity() -> FlowIdentity {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, ([0, 1], 1024), ([0, 2], 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel }
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

/// The values of the one event that comes of these datagrams, by name; texts and labels only.
fn read(parser: &mut dyn Parser, datagrams: &[(Direction, Vec<u8>)]) -> Vec<(&'static str, String)> {
    let mut batch = RecordBatch::default();
    for (from, bytes) in datagrams {
        let input = Input { bytes, from: *from, carrier: Carrier::Udp, now_ns: 1, after_gap: false };
        let progress = parser.read(input, &mut Output::new(&mut batch, &identity(), 1));
        if progress.then == Then::Done {
            break;
        }
    }
    parser.finish(&mut Output::new(&mut batch, &identity(), 1));
    let [record] = batch.records() else { panic!("one event, not {:?}", batch.records()) };
    let items = batch.items(record).iter();
    let values = items.filter(|item| matches!(item.value, Datum::Text(..) | Datum::Static(_)));
    values.map(|item| (item.name, String::from_utf8_lossy(batch.text(item.value)).into_owned())).collect()
}

fn fresh() -> Box<dyn Parser> {
    PROTOCOL.parser.unwrap()()
}

fn value<'a>(event: &'a [(&str, String)], name: &str) -> &'a str {
    event.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value)
}

fn expect_whole(event: &[(&str, String)]) {
    for (name, expected) in [
        ("sni", "example.com"),
        ("ua", "Agent"),
        ("selected_group", "X25519MLKEM768"),
        ("class", "hybrid"),
        ("cipher", "TLS_AES_128_GCM_SHA256"),
    ] {
        assert_eq!(value(event, name), expected, "{name} of {event:?}");
    }
    assert!(value(event, "ja4").starts_with("q13d0107h3_"), "{event:?}");
}

#[test]
fn the_client_initial_of_rfc_9001_a_2_is_made_and_read() {
    let frame: Vec<u8> = [
        "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c",
        "00000413011302010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d",
        "0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4",
        "559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203",
        "080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff070480",
        "00ffff0801100104800075300901100f088394c8f03e51570806048000ffff",
    ]
    .concat()
    .as_bytes()
    .chunks(2)
    .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
    .collect();
    let content = padded(frame, 1162);
    let keys = InitialKeys::derive(ONE, FIRST_ID).unwrap();
    let mut header = vec![0xc3, 0, 0, 0, 1, 8];
    header.extend(FIRST_ID);
    header.extend([0, 0, 0x44, 0x9e, 0, 0, 0, 2]);
    let packet = keys.client.seal(&header, &content);
    assert_eq!(packet.len(), 1200);
    assert_eq!(packet[..4], [0xc0, 0, 0, 0], "the first byte of RFC 9001 A.2, protected");
    assert_eq!(packet[18..22], [0x7b, 0x9a, 0xec, 0x34], "its packet number, protected");
    assert_eq!(
        packet[1184..],
        [0xe2, 0x21, 0xaf, 0x44, 0x86, 0x00, 0x18, 0xab, 0x08, 0x56, 0x97, 0x2e, 0x19, 0x4c, 0xd9, 0x34]
    );
    assert_eq!(probe(&packet), Found::Yes);
    let event = read(fresh().as_mut(), &[(ToServer, packet)]);
    assert_eq!(value(&event, "sni"), "example.com");
    assert_eq!(value(&event, "version"), "1");
}

#[test]
fn a_handshake_of_either_version_is_read_whole() {
    for version in [ONE, TWO] {
        let datagrams = connection(version);
        for (_, datagram) in &datagrams {
            assert_eq!(probe(datagram), Found::Yes);
        }
        expect_whole(&read(fresh().as_mut(), &datagrams));
    }
}

#[test]
fn after_a_retry_the_keys_are_those_of_the_servers_id() {
    let hello = client_hello();
    let (a, b) = hello.split_at(700);
    let out = (FIRST_ID, CLIENT_ID);
    let mut retry = vec![0xf0, 0, 0, 0, 1, CLIENT_ID.len() as u8];
    retry.extend(CLIENT_ID);
    retry.push(SERVER_ID.len() as u8);
    retry.extend(SERVER_ID);
    retry.extend([0x31; 40]);
    assert!(matches!(probe(&retry), Found::Likely(90..)));
    let again = (SERVER_ID, CLIENT_ID);
    let event = read(
        fresh().as_mut(),
        &[
            (ToServer, padded(initial(ONE, By::Client, FIRST_ID, out, 0, &crypto(0, a)), 1200)),
            (ToClient, retry),
            (ToServer, padded(initial(ONE, By::Client, SERVER_ID, again, 1, &crypto(0, a)), 1200)),
            (ToServer, padded(initial(ONE, By::Client, SERVER_ID, again, 2, &crypto(700, b)), 1200)),
            (
                ToClient,
                initial(ONE, By::Server, SERVER_ID, (CLIENT_ID, &[7; 8]), 0, &crypto(0, &server_hello())),
            ),
        ],
    );
    assert_eq!(value(&event, "sni"), "example.com");
    assert_eq!(value(&event, "selected_group"), "X25519MLKEM768");
}

#[test]
fn a_negotiation_names_versions_and_the_next_hello_counts() {
    let mut negotiation = vec![0x80, 0, 0, 0, 0, CLIENT_ID.len() as u8];
    negotiation.extend(CLIENT_ID);
    negotiation.push(8);
    negotiation.extend(FIRST_ID);
    negotiation.extend([0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf]);
    assert!(matches!(probe(&negotiation), Found::Likely(90..)));
    let mut forcing = padded(vec![0xc3, 0x1a, 0x2a, 0x3a, 0x4a, 8], 6);
    forcing.extend(FIRST_ID);
    forcing.extend([0, 0, 0x44, 0x9e]);
    let forcing = padded(forcing, 1200);
    assert_eq!(probe(&forcing), Found::Likely(95));
    assert_eq!(probe(&forcing[..1100]), Found::No);
    // What is under the keys of a made-up version is another ClientHello.
    let other = hello(1, &[0, 0, 2, 0x13, 0x02, 1, 0], &[extension(43, &[2, 3, 4])]);
    let ids = (&[0x99; 8][..], CLIENT_ID);
    let first = initial(Version(0x1a2a_3a4a), By::Client, &[0x99; 8], ids, 0, &crypto(0, &other));
    let mut datagrams = connection(ONE);
    datagrams.insert(0, (ToServer, forcing));
    datagrams.insert(1, (ToServer, padded(first, 1200)));
    datagrams.insert(2, (ToClient, negotiation));
    let event = read(fresh().as_mut(), &datagrams);
    expect_whole(&event);
    assert_eq!(value(&event, "version"), "1");
}

#[test]
fn googles_hello_is_read_behind_its_public_header() {
    let hello = message(
        b"CHLO",
        &[
            (b"SNI\0", b"example.org"),
            (b"VER\0", b"Q043"),
            (b"UAID", b"Chrome"),
            (b"PUBS", &[0; 35]),
            (b"KEXS", b"C255"),
        ],
    );
    let packet = [&[0x0d][..], &[1; 8], b"Q043", &[1], &[0xee; 12], &[0xa0, 1, 0, 0], &hello].concat();
    assert_eq!(probe(&packet), Found::Yes);
    let event = read(fresh().as_mut(), &[(ToServer, packet.clone())]);
    for (name, expected) in [
        ("version", "Q043"),
        ("sni", "example.org"),
        ("ua", "Chrome"),
        ("selected_group", "x25519"),
        ("class", "classical"),
    ] {
        assert_eq!(value(&event, name), expected);
    }
    assert_eq!(event.iter().filter(|(name, _)| *name == "string").count(), 1);
    let refused =
        [&[0x08][..], &[1; 8], &[1], &[0xee; 12], &[0xa0, 1], &message(b"REJ\0", &[(b"STK\0", b"1")])]
            .concat();
    assert_eq!(probe(&refused), Found::Likely(95));
    assert_eq!(probe(&packet[..13]), Found::Yes);
    assert_eq!(probe(&[0x0c; 40]), Found::No);
}

#[test]
fn a_parser_that_is_reset_reads_the_next_connection_alike() {
    let mut parser = fresh();
    for version in [ONE, TWO, ONE] {
        expect_whole(&read(parser.as_mut(), &connection(version)));
        parser.reset();
    }
}

#[test]
fn a_flood_of_packets_that_cannot_be_opened_ends_soon() {
    let mut parser = fresh();
    let mut batch = RecordBatch::default();
    let mut count = 0;
    for number in 0..1000_u32 {
        let id = number.to_be_bytes();
        let bytes = initial(TWO, By::Server, &id, (&id, &id), number, &[0; 40]);
        let input =
            Input { bytes: &bytes, from: ToServer, carrier: Carrier::Udp, now_ns: 1, after_gap: false };
        count += 1;
        if parser.read(input, &mut Output::new(&mut batch, &identity(), 1)).then == Then::Done {
            break;
        }
    }
    assert!(count < 64, "{count} packets");
    assert_eq!(batch.records().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_and_duplication_of_datagrams_gives_the_same_values(
        order in Just(connection(ONE)).prop_shuffle(),
        again in prop::collection::vec(0_usize..4, 0..6),
    ) {
        // The last is sealed from both sides: what comes behind it is not waited for.
        let mut datagrams = order;
        datagrams.sort_by_key(|(_, datagram)| datagram[0] & 0xf0 == 0xe0);
        for at in again {
            let copy = datagrams[at].clone();
            datagrams.insert(at, copy);
        }
        expect_whole(&read(fresh().as_mut(), &datagrams));
    }

    #[test]
    fn changed_packets_are_survived(
        changes in prop::collection::vec((0_usize..4, any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in 0_usize..1300,
    ) {
        let mut datagrams = connection(ONE);
        for (which, at, value) in changes {
            let datagram = &mut datagrams[which].1;
            let at = at.index(datagram.len().min(60));
            datagram[at] = value;
        }
        datagrams[2].1.truncate(cut);
        for (_, datagram) in &datagrams {
            probe(datagram);
        }
        let mut parser = fresh();
        let mut batch = RecordBatch::default();
        for (from, bytes) in &datagrams {
            let input = Input { bytes, from: *from, carrier: Carrier::Udp, now_ns: 1, after_gap: false };
            parser.read(input, &mut Output::new(&mut batch, &identity(), 1));
        }
        parser.finish(&mut Output::new(&mut batch, &identity(), 1));
    }

    #[test]
    fn random_datagrams_are_not_taken_for_quic(bytes in prop::collection::vec(any::<u8>(), 7..1400)) {
        prop_assert_eq!(probe(&bytes), Found::No);
        let mut parser = fresh();
        let mut batch = RecordBatch::default();
        let input = Input { bytes: &bytes, from: ToServer, carrier: Carrier::Udp, now_ns: 1, after_gap: false };
        parser.read(input, &mut Output::new(&mut batch, &identity(), 1));
    }
}
