use super::super::HTTP2;
use crate::protocols::bench::{Bench, assert_any_cut_agrees};
use crate::record::Datum;
use crate::record::Direction::{self, ToClient, ToServer};
use proptest::prelude::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[high, middle, low, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// A field that is neither indexed nor packed.
fn field(name: &str, value: &str) -> Vec<u8> {
    let len = |text: &str| u8::try_from(text.len()).unwrap();
    [&[0, len(name)][..], name.as_bytes(), &[len(value)], value.as_bytes()].concat()
}

fn call() -> Vec<(Direction, Vec<u8>)> {
    let request = [
        // POST, http
        vec![0x83, 0x86],
        field(":path", "/shop.Orders/Place?token=secret"),
        field(":authority", "api.example.org:50051"),
        field("content-type", "application/grpc+proto"),
        field("user-agent", "grpc-go/1.60"),
        field("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    ]
    .concat();
    let (first, second) = request.split_at(40);
    let response = [vec![0x88], field("content-type", "application/grpc")].concat();
    let trailer = [field("grpc-status", "7"), field("grpc-message", "no")].concat();
    vec![
        (
            ToServer,
            [
                PREFACE.to_vec(),
                frame(4, 0, 0, &[0, 1, 0, 0, 16, 0]),
                frame(1, 0, 1, first),
                frame(9, 4, 1, second),
            ]
            .concat(),
        ),
        (ToServer, frame(0, 1, 1, b"\0\0\0\0\x05hello")),
        (
            ToClient,
            [
                frame(4, 0, 0, &[]),
                frame(4, 1, 0, &[]),
                frame(1, 4, 1, &response),
                frame(0, 0, 1, &[7; 700]),
                frame(1, 5, 1, &trailer),
            ]
            .concat(),
        ),
    ]
}

fn play(turns: &[(Direction, Vec<u8>)]) -> Bench {
    let mut bench = Bench::new(&HTTP2);
    turns.iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    bench.finish();
    bench
}

#[test]
fn a_call_is_one_event_with_its_secrets_masked() {
    let bench = play(&call());
    assert_eq!((bench.kinds(), bench.refined), (vec!["http"], Some("grpc")));
    for (name, value) in [
        ("hostname", "api.example.org"),
        ("http_method", "POST"),
        ("url", "/shop.Orders/Place?token=***"),
        ("protocol", "HTTP/2"),
        ("service", "shop.Orders"),
        ("user", "A***"),
        ("message", "no"),
    ] {
        assert_eq!(bench.text("http", name), value, "{name}");
    }
    assert_eq!(bench.value("http", "length"), Some(Datum::Unsigned(700)));
    assert_eq!(bench.value("http", "request_length"), Some(Datum::Unsigned(10)));
    let last_status = bench.all().into_iter().rfind(|item| item.starts_with("status "));
    assert!(last_status.unwrap().contains("PERMISSION_DENIED"));
    assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"open sesame"))));
}

#[test]
fn a_stream_that_is_reset_says_why() {
    let mut turns = call();
    turns.pop();
    turns.push((ToClient, [frame(4, 0, 0, &[]), frame(3, 0, 1, &[0, 0, 0, 8])].concat()));
    assert_eq!(play(&turns).text("http", "error"), "CANCEL");
}

#[test]
fn nothing_may_come_between_the_pieces_of_a_block() {
    let turns = [(ToServer, [PREFACE.to_vec(), frame(1, 0, 1, &[0x82]), frame(6, 0, 0, &[0; 8])].concat())];
    assert_eq!(play(&turns).text("anomaly", "event"), "interrupted_field_block");
}

#[test]
fn open_exchanges_are_bounded() {
    let mut bench = Bench::new(&HTTP2);
    bench.stream(ToServer, PREFACE);
    for id in 0..1000_u32 {
        bench.stream(ToServer, &frame(1, 5, 2 * id + 1, &[0x82, 0x86, 0x84]));
    }
    assert_eq!(bench.kinds().len(), 1000 - 128);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&HTTP2, &call());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut turns = call();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        assert_any_cut_agrees(&HTTP2, &turns);
    }
}
