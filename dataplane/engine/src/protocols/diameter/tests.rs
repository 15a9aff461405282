use super::*;
use crate::protocols::Then;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn attribute(code: u32, value: &[u8]) -> Vec<u8> {
    let len = u32::try_from(8 + value.len()).unwrap() | 0x4000_0000;
    let mut bytes = [code.to_be_bytes(), len.to_be_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(flags: u8, command: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let content = attributes.concat();
    let len = u32::try_from(20 + content.len()).unwrap() | 0x0100_0000;
    let command = command | u32::from(flags) << 24;
    let words = [len, command, 4, 77, 78];
    let head = words.iter().flat_map(|word| word.to_be_bytes());
    head.chain(content).collect()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let request = [
        attribute(263, b"gw;1;2"),
        attribute(264, b"gw.example.org"),
        attribute(416, &[0, 0, 0, 1]),
        attribute(2, b"topsecret"),
        attribute(443, &attribute(444, b"491700000001")),
    ];
    vec![
        (ToServer, message(0xc0, 272, &request)),
        (ToClient, message(0x40, 272, &[attribute(263, b"gw;1;2"), attribute(268, &4012_u32.to_be_bytes())])),
    ]
}

#[test]
fn requests_stand_with_their_answers() {
    assert_eq!(probe(&tcp(&session()[0].1, ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&DIAMETER);
    session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.kinds(), ["diameter"]);
    assert_eq!(
        (bench.text("diameter", "command"), bench.text("diameter", "application")),
        ("Credit-Control".into(), "credit_control".into())
    );
    assert_eq!(
        (bench.text("diameter", "session_id"), bench.text("diameter", "subscription_id")),
        ("gw;1;2".into(), "491700000001".into())
    );
    assert_eq!(bench.text("diameter", "result"), "CREDIT_LIMIT_REACHED");
    assert_eq!(bench.value("diameter", "password_in_clear"), Some(Datum::Flag(true)));
    assert!(!bench.all().iter().any(|item| item.contains("116, 111, 112, 115")));
}

#[test]
fn tls_is_handed_on_when_both_want_it() {
    for (wanted, ending) in [(1, Some(Then::Upgrade)), (0, None)] {
        let security = |value| [attribute(264, b"a.example.org"), attribute(299, &[0, 0, 0, value])];
        let mut bench = Bench::new(&DIAMETER);
        bench.stream(ToServer, &message(0x80, 257, &security(1)));
        bench.stream(ToClient, &message(0, 257, &security(wanted)));
        assert_eq!(bench.ending, ending);
    }
}

#[test]
fn near_misses_are_refused() {
    let right = &session()[0].1;
    for (at, value) in [(0, 2), (3, 1), (4, 0xc1), (4, 0xe0), (8, 0x77), (20, 1), (24, 0x5f)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&tcp(&wrong, ToServer, 3868)), Found::No, "{at}");
    }
}

#[test]
fn random_payloads_are_not_taken() {
    assert!(taken_of_random(&DIAMETER) < 2);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&DIAMETER, &session());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut turns = session();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        assert_any_cut_agrees(&DIAMETER, &turns);
    }
}
