use proptest::prelude::*;

use super::*;
use crate::protocols::Then;
use crate::protocols::bench::{Bench, assert_any_cut_agrees};
use crate::record::Direction::{ToClient, ToServer};

fn script_5() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, b"\x05\x02\x00\x02".to_vec()),
        (ToClient, b"\x05\x02".to_vec()),
        (ToServer, b"\x01\x05alice\x06secret".to_vec()),
        (ToClient, b"\x01\x00".to_vec()),
        (ToServer, b"\x05\x01\x00\x03\x0bexample.org\x01\xbb".to_vec()),
        (ToClient, b"\x05\x00\x00\x01\xc0\x00\x02\x01\x10\x00".to_vec()),
    ]
}

fn play(turns: &[(Direction, Vec<u8>)]) -> Bench {
    let mut bench = Bench::new(&SOCKS);
    for (from, bytes) in turns {
        bench.stream(*from, bytes);
    }
    bench.finish();
    bench
}

#[test]
fn a_connection_through_a_proxy_is_told_and_what_follows_handed_on() {
    let bench = play(&script_5());
    assert_eq!((bench.ending, bench.kinds()), (Some(Then::Upgrade), vec!["socks"]));
    let text = |name| bench.text("socks", name);
    assert_eq!(
        (text("host"), text("reply"), text("method")),
        ("example.org".into(), "granted".into(), "password".into())
    );
    assert_eq!(bench.value("socks", "port"), Some(Datum::Unsigned(443)));
    assert_eq!(text("user"), "a***");
    assert!(!bench.all().join(" ").contains("115, 101, 99, 114"), "the password is not kept");
}

#[test]
fn version_4_names_an_address_or_a_host() {
    let bench = play(&[
        (ToServer, b"\x04\x01\x00\x50\xc0\x00\x02\x01bob\x00".to_vec()),
        (ToClient, b"\x00\x5a\x00\x00\x00\x00\x00\x00".to_vec()),
    ]);
    assert_eq!((bench.ending, bench.text("socks", "user")), (Some(Then::Upgrade), "b***".into()));
    let bench = play(&[
        (ToServer, b"\x04\x01\x00\x50\x00\x00\x00\x01\x00example.org\x00".to_vec()),
        (ToClient, b"\x00\x5b\x00\x00\x00\x00\x00\x00".to_vec()),
    ]);
    assert_eq!((bench.ending, bench.text("socks", "host")), (Some(Then::Done), "example.org".into()));
    assert_eq!(bench.text("socks", "reply"), "rejected");
}

#[test]
fn a_request_without_an_answer_is_told_at_the_end() {
    let turns = script_5();
    let bench = play(&turns[..5]);
    assert_eq!((bench.kinds(), bench.text("socks", "host")), (vec!["socks"], "example.org".into()));
}

#[test]
fn what_is_not_socks_is_given_back() {
    let bench = play(&[(ToServer, b"\x05\x01\x00".to_vec()), (ToServer, b"\x05\x01\x00\x09ab".to_vec())]);
    assert!(bench.all().iter().any(|item| item.contains("unknown_address_type")));
    let bench = play(&[(ToServer, b"GET / HTTP/1.1\r\n".to_vec())]);
    assert_eq!(bench.ending, Some(Then::NotMine));
}

proptest! {
    #[test]
    fn any_cut_of_anything_agrees(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        bytes in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let mut turns = script_5();
        turns.push((ToServer, bytes));
        for (at, value) in &changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = *value;
        }
        assert_any_cut_agrees(&SOCKS, &turns);
    }
}
