//! Streams are read the same however their segments come.

use engine::{Counter, EngineConfig, StreamLimits};
use proptest::prelude::*;
use sample::packet::{ACK, FIN, PSH, SYN};

use crate::bench::{Bench, v4};

fn request() -> Vec<u8> {
    sample::content::http::get("plant.example.org", "/status?unit=7")
}

fn response() -> Vec<u8> {
    sample::content::http::response("200 OK", "text/plain", "all is well, all is well, all is well")
}

fn handshake(bench: &mut Bench) {
    let (client, server) = (v4(2, 40_000), v4(1, 8080));
    bench.tcp(client, server, (u32::MAX - 20, 0), SYN, b"");
    bench.tcp(server, client, (900, u32::MAX - 19), SYN | ACK, b"");
    bench.tcp(client, server, (u32::MAX - 19, 901), ACK, b"");
}

fn end(bench: &mut Bench) {
    let (client, server) = (v4(2, 40_000), v4(1, 8080));
    bench.tcp(client, server, (2000, 5000), FIN | ACK, b"");
    bench.tcp(server, client, (5000, 2001), FIN | ACK, b"");
    bench.shut_down();
}

/// Sends the parts (offset, length) of a message that starts at `seq`.
fn parts(bench: &mut Bench, to_server: bool, seq: u32, message: &[u8], parts: &[(usize, usize)]) {
    let (client, server) = (v4(2, 40_000), v4(1, 8080));
    for &(offset, len) in parts {
        let bytes = &message[offset..(offset + len).min(message.len())];
        let at = seq.wrapping_add(offset as u32);
        if to_server {
            bench.tcp(client, server, (at, 901), ACK | PSH, bytes);
        } else {
            bench.tcp(server, client, (at, 400), ACK | PSH, bytes);
        }
    }
}

fn whole() -> Bench {
    let mut bench = Bench::new();
    handshake(&mut bench);
    parts(&mut bench, true, u32::MAX - 19, &request(), &[(0, 10_000)]);
    parts(&mut bench, false, 901, &response(), &[(0, 10_000)]);
    end(&mut bench);
    bench
}

#[test]
fn a_transaction_is_one_event_and_the_flow_says_what_it_was() {
    let bench = whole();
    assert_eq!(bench.ended.len(), 1);
    assert_eq!(bench.ended[0].protocol, "http");
    assert_eq!(bench.ended[0].summary.class.confidence, 100);
    assert_eq!(bench.ended[0].summary.class.evidence.packet, 4);
    let [(kind, texts)] = bench.events.as_slice() else { panic!("one event: {:?}", bench.events) };
    assert_eq!(*kind, "http");
    assert!(texts.iter().any(|text| text == "/status?unit=7"), "{texts:?}");
    assert!(texts.iter().any(|text| text == "200"), "{texts:?}");
}

#[test]
fn a_hole_that_never_fills_is_told_and_the_rest_is_read() {
    let mut bench = Bench::new();
    handshake(&mut bench);
    let message = request();
    parts(&mut bench, true, u32::MAX - 19, &message, &[(0, 30)]);
    // Bytes 30 to 40 were never captured, but the server acknowledges them.
    parts(&mut bench, true, u32::MAX - 19, &message, &[(40, 30)]);
    parts(&mut bench, false, 901, &response(), &[(0, 10_000)]);
    parts(&mut bench, true, u32::MAX - 19, &message, &[(70, 10_000)]);
    end(&mut bench);
    assert!(bench.ended[0].summary.gaps);
    assert_eq!(bench.counter(Counter::StreamGaps), 1);
}

#[test]
fn without_inspections_left_flows_are_counted_and_say_so() {
    let stream = StreamLimits { inspections: 1, ..StreamLimits::default() };
    let mut bench = Bench::with(EngineConfig { flow_capacity: 64, stream, ..EngineConfig::default() });
    for host in 10..15 {
        bench.tcp(v4(host, 40_000), v4(1, 8080), (0, 0), SYN, b"");
        bench.tcp(v4(host, 40_000), v4(1, 8080), (1, 1), ACK | PSH, b"GET / HT");
    }
    assert_eq!(bench.counter(Counter::InspectionsExhausted), 4);
    assert_eq!(bench.shut_down().len(), 5);
}

proptest! {
    #[test]
    fn any_cut_order_and_repetition_gives_the_same_events(
        cuts in proptest::collection::vec(1usize..60, 1..40),
        order in any::<prop::sample::Index>(),
        repeat in any::<prop::sample::Index>(),
        swap: bool,
    ) {
        let expected = whole();
        let mut bench = Bench::new();
        handshake(&mut bench);
        for (to_server, seq, message) in [(true, u32::MAX - 19, request()), (false, 901, response())] {
            let mut pieces = Vec::new();
            let mut at = 0;
            for len in cuts.iter().copied().cycle() {
                if at >= message.len() {
                    break;
                }
                pieces.push((at, len));
                at += len;
            }
            let again = pieces[repeat.index(pieces.len())];
            pieces.push(again);
            let from = order.index(pieces.len());
            if swap {
                pieces[from..].reverse();
            } else {
                pieces.rotate_left(from);
            }
            parts(&mut bench, to_server, seq, &message, &pieces);
        }
        end(&mut bench);
        prop_assert_eq!(&bench.events, &expected.events);
        prop_assert_eq!(&bench.ended[0].protocol, "http");
        prop_assert!(!bench.ended[0].summary.gaps);
    }
}

#[test]
fn padding_that_the_ip_length_counts_is_no_data() {
    let (client, server) = (v4(2, 40_000), v4(1, 8080));
    let mut bench = Bench::new();
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (900, 101), SYN | ACK, b"");
    bench.tcp(client, server, (101, 901), ACK, &[0; 6]);
    bench.tcp(client, server, (101, 901), ACK | PSH, &request());
    end(&mut bench);
    assert_eq!(bench.ended[0].protocol, "http");
}

#[test]
fn zeros_that_the_next_segment_goes_on_behind_are_data() {
    let (client, server) = (v4(2, 40_000), v4(1, 8080));
    let mut bench = Bench::new();
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (900, 101), SYN | ACK, b"");
    bench.tcp(client, server, (101, 901), ACK, &[0; 6]);
    bench.tcp(client, server, (107, 901), ACK | PSH, &request());
    end(&mut bench);
    assert_eq!(bench.ended[0].protocol, "unknown");
    assert!(!bench.ended[0].summary.gaps);
}
