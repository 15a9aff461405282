use super::*;
use crate::protocols::Then;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn packet(kind: u8, variable: &[u8]) -> Vec<u8> {
    let len = u8::try_from(11 + variable.len()).unwrap();
    [&[3, 0, 0, len, len - 5, kind, 0, 0, 0, 0, 0][..], variable].concat()
}

fn request() -> Vec<u8> {
    packet(0xe0, b"Cookie: mstshash=alice\r\n\x01\x01\x08\x00\x03\x00\x00\x00")
}

fn confirm(protocol: u8) -> Vec<u8> {
    packet(0xd0, &[2, 0x1f, 8, 0, protocol, 0, 0, 0])
}

fn data(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(7 + content.len()).unwrap().to_be_bytes();
    [&[3, 0, len[0], len[1], 2, 0xf0, 0x80][..], content].concat()
}

fn block(kind: u16, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len() + 4).unwrap();
    [&kind.to_le_bytes()[..], &len.to_le_bytes(), content].concat()
}

fn settings() -> Vec<u8> {
    let mut core = vec![4, 0, 8, 0, 0, 5, 0, 3, 1, 0xca, 3, 0xaa, 9, 4, 0, 0, 0x28, 0x0a, 0, 0];
    let mut name: Vec<u8> = "WORKSTATION".encode_utf16().flat_map(u16::to_le_bytes).collect();
    name.resize(32, 0);
    core.extend(name);
    core.extend([4, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0]);
    core.extend([0; 64]);
    core.extend([1, 0xca, 1, 0, 0, 0, 0, 0, 24, 0, 7, 0, 1, 0]);
    let net = [&[1, 0, 0, 0][..], b"cliprdr\0", &[0, 0, 0, 0xc0]].concat();
    let blocks =
        [block(0xc001, &core), block(0xc002, &[3, 0, 0, 0, 0, 0, 0, 0]), block(0xc003, &net)].concat();
    let len = u16::try_from(blocks.len()).unwrap() | 0x8000;
    data(&[&[0x7f, 0x65, 0x82, 1, 0x94][..], b"Duca", &len.to_be_bytes(), &blocks].concat())
}

fn answer() -> Vec<u8> {
    let blocks = [block(0x0c01, &[4, 0, 8, 0]), block(0x0c02, &[2, 0, 0, 0, 2, 0, 0, 0])].concat();
    let len = u8::try_from(blocks.len()).unwrap();
    data(&[&[0x7f, 0x66, 0x82, 1, 0x94][..], b"McDn", &[len], &blocks].concat())
}

fn standard() -> Vec<(Direction, Vec<u8>)> {
    vec![(ToServer, request()), (ToClient, confirm(0)), (ToServer, settings()), (ToClient, answer())]
}

#[test]
fn the_negotiation_is_told_and_tls_handed_on() {
    assert_eq!(probe(&tcp(&request(), ToServer, 4000)), Found::Yes);
    assert_eq!(probe(&tcp(&confirm(2), ToClient, 4000)), Found::Yes);
    let mut bench = Bench::new(&RDP);
    bench.stream(ToServer, &request());
    bench.stream(ToClient, &confirm(2));
    assert_eq!(bench.kinds(), ["rdp"; 2]);
    assert_eq!(
        (bench.text("rdp", "event_type"), bench.text("rdp", "cookie")),
        ("initial_request".into(), "alice".into())
    );
    assert_eq!(bench.text("rdp", "protocol"), "hybrid");
    assert_eq!(bench.ending, Some(Then::Upgrade));
}

#[test]
fn settings_in_clear_are_read_and_their_encryption_is_weak() {
    let mut bench = Bench::new(&RDP);
    standard().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.kinds(), ["rdp"; 4]);
    assert_eq!(
        (bench.text("rdp", "client_name"), bench.text("rdp", "posture")),
        ("WORKSTATION".into(), "weak".into())
    );
    assert_eq!(bench.value("rdp", "desktop_width"), Some(Datum::Unsigned(1280)));
    assert_eq!(bench.text("rdp", "encryption_method"), "128bit");
    assert_eq!(bench.ending, Some(Then::Done));
}

#[test]
fn a_refusal_has_a_reason() {
    let mut bench = Bench::new(&RDP);
    bench.stream(ToServer, &request());
    bench.stream(ToClient, &packet(0xd0, &[3, 0, 8, 0, 5, 0, 0, 0]));
    assert_eq!(bench.text("rdp", "reason"), "hybrid required by server");
    assert_eq!(bench.ending, Some(Then::Done));
}

#[test]
fn sessions_of_other_protocols_over_the_same_transport_are_refused() {
    let s7 = packet(0xe0, &[0xc0, 1, 10, 0xc1, 2, 1, 0, 0xc2, 2, 1, 2]);
    assert_eq!(probe(&tcp(&s7, ToServer, 3389)), Found::No);
    let plain = packet(0xd0, &[]);
    assert_eq!(probe(&tcp(&plain, ToClient, 3389)), Found::No);
    let bare = packet(0xe0, &[]);
    assert_eq!(probe(&tcp(&bare, ToServer, 102)), Found::No);
    assert_eq!(probe(&tcp(&bare, ToServer, 3389)), Found::Likely(85));
    for end in 1..request().len() {
        assert_ne!(probe(&tcp(&request()[..end], ToServer, 4000)), Found::No, "{end}");
    }
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&RDP), 0);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&RDP, &standard());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut turns = standard();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        assert_any_cut_agrees(&RDP, &turns);
    }
}
