use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{Bench, taken_of_random, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn element(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    [&kind.to_be_bytes()[..], &len.to_be_bytes(), value].concat()
}

fn message(kind: u8, elements: &[Vec<u8>]) -> Vec<u8> {
    let content = elements.concat();
    let (flags, session): (u8, &[u8]) =
        if kind >= 50 { (0x21, &[0, 0, 0, 0, 0, 0, 0, 5]) } else { (0x20, &[]) };
    let len = u16::try_from(content.len() + 4 + session.len()).unwrap().to_be_bytes();
    [&[flags, kind, len[0], len[1]][..], session, &[0, 0, 7, 0], &content].concat()
}

fn setup() -> Vec<u8> {
    message(5, &[element(60, b"\x02\x03upf\x07example"), element(96, &[0xe9, 0, 0, 0])])
}

fn establish() -> Vec<u8> {
    let detection = element(
        2,
        &[element(20, &[0]), element(21, &[1, 0, 0, 0, 9, 192, 0, 2, 9]), element(93, &[2, 192, 0, 2, 77])]
            .concat(),
    );
    message(
        50,
        &[
            element(60, &[0, 192, 0, 2, 1]),
            element(57, &[2, 0, 0, 0, 0, 0, 0, 0, 8, 192, 0, 2, 1]),
            element(1, &[element(56, &[0, 1]), detection].concat()),
            element(141, &[1, 8, 0x62, 0x02, 0x10, 0x32, 0x54, 0x76, 0x98, 0xf0]),
        ],
    )
}

#[test]
fn messages_are_known_by_their_structure() {
    for payload in [setup(), establish()] {
        assert_eq!(probe(&udp(&payload, ToServer, 8805)), Found::Yes);
        assert_eq!(probe(&udp(&payload, ToServer, 4000)), Found::Likely(95));
        let mut longer = payload.clone();
        longer.push(0);
        assert_eq!(probe(&udp(&longer, ToServer, 8805)), Found::No);
        let mut other = payload;
        other[0] ^= 1;
        assert_eq!(probe(&udp(&other, ToServer, 8805)), Found::No, "sessions have messages of their own");
    }
}

#[test]
fn nodes_sessions_and_tunnels_are_told_and_of_the_subscriber_only_the_network() {
    let mut bench = Bench::new(&PFCP);
    bench.datagram(ToServer, &setup());
    assert_eq!(bench.text("pfcp", "node"), "upf.example");
    let mut bench = Bench::new(&PFCP);
    bench.datagram(ToServer, &establish());
    assert_eq!(bench.text("pfcp", "message"), "session_establishment_request");
    assert_eq!(bench.text("pfcp", "subscriber_network"), "262-00");
    assert_eq!(bench.value("pfcp", "teid"), Some(Datum::Unsigned(9)));
    assert_eq!(bench.value("pfcp", "rules"), Some(Datum::Unsigned(1)));
    let all = bench.all().join(" ");
    assert!(all.contains("192.0.2.77") && !all.contains("26200123"), "{all}");
}

#[test]
fn messages_in_one_datagram_are_all_read_and_bad_elements_anomalies() {
    let mut first = message(51, &[element(19, &[1])]);
    first[0] |= 4;
    let mut bench = Bench::new(&PFCP);
    bench.datagram(ToClient, &[first, message(53, &[element(19, &[72])])].concat());
    assert_eq!(bench.kinds(), ["pfcp", "pfcp"]);
    let mut bad = setup();
    bad[11] = 200;
    bench.datagram(ToServer, &bad);
    assert_eq!(bench.text("anomaly", "event"), "malformed_element");
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&PFCP), 0);
}

proptest! {
    #[test]
    fn anything_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        Bench::new(&PFCP).datagram(ToServer, &bytes);
        let mut payload = establish();
        for (at, value) in &changes {
            let place = at.index(payload.len());
            payload[place] = *value;
        }
        let _ = probe(&udp(&payload, ToServer, 8805));
        Bench::new(&PFCP).datagram(ToServer, &payload);
    }
}
