use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn message(kind: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len() + HEADER_LEN).unwrap();
    [&MARKER[..], &len.to_be_bytes(), &[kind], content].concat()
}

/// AS 65550, IPv6, four-byte numbers, a name.
fn open() -> Vec<u8> {
    let capabilities =
        [&[1, 4, 0, 2, 0, 1, 2, 0, 65, 4, 0, 1, 0, 0x0e, 73, 6, 4][..], b"edge", &[0, 200, 0]].concat();
    let len = u8::try_from(capabilities.len()).unwrap();
    let head = [4, 0x5b, 0xa0, 0, 180, 192, 0, 2, 1, len + 2, 2, len];
    message(1, &[&head[..], &capabilities].concat())
}

fn update() -> Vec<u8> {
    let attributes = [
        &[0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 1, 0, 0x0e, 0, 0, 0xfd, 0xe8][..],
        &[0x40, 3, 4, 192, 0, 2, 9],
    ]
    .concat();
    let len = u16::try_from(attributes.len()).unwrap().to_be_bytes();
    let withdrawn = [0, 4, 24, 198, 51, 100];
    message(2, &[&withdrawn[..], &len, &attributes, &[24, 203, 0, 113, 16, 198, 51]].concat())
}

fn script() -> Vec<(Direction, Vec<u8>)> {
    let goodbye = [&[6, 2, 11][..], b"maintenance"].concat();
    vec![
        (ToServer, open()),
        (ToClient, open()),
        (ToServer, message(4, &[])),
        (ToServer, update()),
        (ToClient, message(5, &[0, 1, 0, 1])),
        (ToClient, message(3, &goodbye)),
    ]
}

#[test]
fn openings_are_found_and_no_start_of_one_is_refused() {
    let open = open();
    assert_eq!(probe(&tcp(&open, ToServer, 4000)), Found::Yes);
    for end in 1..HEADER_LEN {
        assert_eq!(probe(&tcp(&open[..end], ToServer, 4000)), Found::Maybe);
    }
    for (at, value) in [(18, 9), (15, 0xfe), (17, 5)] {
        let mut other = open.clone();
        other[at] = value;
        assert_eq!(probe(&tcp(&other, ToServer, 179)), Found::No, "{at}");
    }
    let mut keepalive = message(4, &[]);
    keepalive[17] = 20;
    assert_eq!(probe(&tcp(&keepalive, ToServer, 179)), Found::No);
}

#[test]
fn peers_routes_and_the_reason_of_the_end_are_told() {
    let mut bench = Bench::new(&BGP);
    for (from, bytes) in script() {
        bench.stream(from, &bytes);
    }
    bench.finish();
    assert_eq!(bench.kinds(), ["bgp"; 6]);
    assert_eq!(bench.value("bgp", "asn"), Some(Datum::Unsigned(65_550)));
    assert_eq!(bench.value("bgp", "hold_time_s"), Some(Datum::Unsigned(180)));
    assert_eq!(
        (bench.text("bgp", "hostname"), bench.text("bgp", "reason")),
        ("edge".into(), "maintenance".into())
    );
    assert_eq!(bench.text("bgp", "suberror"), "administrative_shutdown");
    let all = bench.all().join("\n");
    for expected in
        ["ipv6_unicast", "four_octet_as", "Unsigned(200)", "Unsigned(65000)", "announced Unsigned(2)"]
    {
        assert!(all.contains(expected), "{expected} in {all}");
    }
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&BGP, &script());
}

#[test]
fn contradictions_are_anomalies_and_the_place_is_found_again() {
    let mut bench = Bench::new(&BGP);
    bench.stream(ToServer, &open());
    bench.stream(ToServer, &message(2, &[0xff, 0xff, 0, 0]));
    bench.stream(ToServer, &[&b"garbage"[..], &update()].concat());
    let anomalies: Vec<_> =
        bench.all().into_iter().filter(|item| item.contains("malformed_update")).collect();
    assert_eq!((anomalies.len(), bench.kinds()), (1, vec!["bgp", "anomaly", "anomaly", "bgp"]));
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&BGP), 0);
}

proptest! {
    #[test]
    fn anything_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut turns = script();
        turns.push((ToServer, bytes));
        for (at, value) in &changes {
            let turn = at.index(turns.len() - 1);
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = *value;
        }
        assert_any_cut_agrees(&BGP, &turns);
    }
}

#[test]
fn routes_of_other_families_and_several_paths_to_one_are_counted() {
    let attributes = |code: u8, value: &[u8]| {
        let attribute = [&[0x80, code, u8::try_from(value.len()).unwrap()][..], value].concat();
        let len = u16::try_from(attribute.len()).unwrap().to_be_bytes();
        message(2, &[&[0, 0][..], &len, &attribute].concat())
    };
    let next_hop = [&[0, 2, 1, 16][..], &[0x20; 16], &[0]].concat();
    let routes = [48, 0x20, 1, 0x0d, 0xb8, 0, 1, 32, 0x20, 1, 0x0d, 0xb8];
    let mut bench = Bench::new(&BGP);
    bench.stream(ToServer, &attributes(14, &[&next_hop[..], &routes].concat()));
    assert_eq!(bench.value("bgp", "announced"), Some(Datum::Unsigned(2)));
    bench.stream(ToServer, &attributes(15, &[&[0, 2, 1][..], &routes].concat()));
    assert!(bench.all().iter().any(|item| item.contains("withdrawn Unsigned(2)")), "{:?}", bench.all());

    // Each path has a number where the sender said it sends them and the receiver that it takes them.
    let open = |directions: u8| {
        let capability = [69, 4, 0, 1, 1, directions];
        message(1, &[&[4, 0, 1, 0, 180, 192, 0, 2, 1, 8, 2, 6][..], &capability].concat())
    };
    let numbered = [0, 0, 0, 6, 24, 203, 0, 113, 0, 0, 0, 7, 24, 203, 0, 113];
    let update = message(2, &[&[0, 0, 0, 0][..], &numbered].concat());
    for (sends, takes, expected) in [(2, 1, 2), (3, 3, 2), (1, 2, 0), (2, 2, 0)] {
        let mut bench = Bench::new(&BGP);
        bench.stream(ToServer, &open(sends));
        bench.stream(ToClient, &open(takes));
        bench.stream(ToServer, &update);
        assert_eq!(bench.value("bgp", "announced"), Some(Datum::Unsigned(expected)), "{sends} {takes}");
    }
    // Where no open was seen, what fits counts.
    let mut bench = Bench::new(&BGP);
    bench.stream(ToServer, &update);
    assert_eq!(bench.value("bgp", "announced"), Some(Datum::Unsigned(2)));
}
