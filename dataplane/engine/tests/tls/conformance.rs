//! Any cut of the bytes gives the same event; no bytes make the parser panic or hold more than its bounds.

use engine::protocols::tls::PROTOCOL;
use engine::protocols::{CARRY_BYTES, Found};
use engine::record::Direction;
use proptest::prelude::*;

use crate::support::drive::{probe_bytes, rank, run};
use crate::support::ground_truth;
use crate::support::json::events;
use crate::support::tcp::{Chunk, Stream, streams};

/// Captures with every kind of handshake, kept short.
const CAPTURES: [&str; 8] = [
    "quantum/tls.pcap",
    "pcap/443-curl.pcap",
    "pcap/google_ssl.pcap",
    "pcap/tls_2_reasms.pcapng",
    "pcap/tls_with_huge_ch.pcapng",
    "pcap/tls_client_certificate_with_missing_server_one.pcapng",
    "pcap/tls_certificate_too_long.pcap",
    "pcap/tls_ech.pcapng",
];

fn samples() -> Vec<Stream> {
    let Some(folder) = ground_truth() else { return Vec::new() };
    let all = CAPTURES.iter().flat_map(|name| streams(&folder.join(name)));
    all.filter(|stream| stream.chunks.iter().all(|chunk| !chunk.after_gap)).collect()
}

/// The same bytes in other pieces: neighbours of one direction are joined, then cut to lengths that repeat.
fn recut(chunks: &[Chunk], lengths: &[usize]) -> Vec<Chunk> {
    let mut joined: Vec<Chunk> = Vec::new();
    for chunk in chunks {
        match joined.last_mut().filter(|last| last.from == chunk.from) {
            Some(last) => last.bytes.extend_from_slice(&chunk.bytes),
            None => joined.push(chunk.clone()),
        }
    }
    let mut lengths = lengths.iter().copied().cycle();
    let mut cut = Vec::new();
    for chunk in &joined {
        let mut rest = chunk.bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(lengths.next().unwrap_or(1).clamp(1, rest.len()));
            cut.push(Chunk { from: chunk.from, bytes: piece.to_vec(), after_gap: false });
            rest = after;
        }
    }
    cut
}

fn read(chunks: &[Chunk]) -> (Vec<serde_json::Value>, usize) {
    let mut parser = PROTOCOL.parser.expect("a parser")();
    let run = run(parser.as_mut(), chunks);
    assert!(run.carried < CARRY_BYTES, "held {} bytes", run.carried);
    (events(&run.batch, "tls"), run.carried)
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_event() {
    for stream in samples() {
        let whole = read(&recut(&stream.chunks, &[usize::MAX])).0;
        for lengths in [&[1][..], &[2, 3], &[5], &[7, 1, 4], &[64], &[1400], &[16_000, 1]] {
            assert_eq!(read(&recut(&stream.chunks, lengths)).0, whole, "{} cut {lengths:?}", stream.client);
        }
    }
}

#[test]
fn no_header_is_held_longer_than_its_five_bytes() {
    for stream in samples() {
        let (_, carried) = read(&recut(&stream.chunks, &[1]));
        assert!(carried <= 1024, "{carried} bytes of {}", stream.client);
    }
}

#[test]
fn the_probe_is_sure_of_every_prefix_of_a_hello_or_waits() {
    for stream in samples().iter().filter(|stream| !stream.midstream) {
        let start = &stream.chunks[0];
        let whole = probe_bytes(&PROTOCOL, &start.bytes, start.from, false);
        for end in 1..start.bytes.len().min(200) {
            let found = probe_bytes(&PROTOCOL, &start.bytes[..end], start.from, false);
            assert!(found == whole || found == Found::Maybe, "{found:?} after {end} of {}", stream.client);
        }
    }
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::ToServer), Just(Direction::ToClient)]
}

/// Bytes that look like records, now and then.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let header = (20_u8..25, 0_u8..5, 0_u16..300).prop_map(|(kind, minor, len)| {
        let [high, low] = len.to_be_bytes();
        vec![kind, 3, minor, high, low]
    });
    let message = (0_u8..26, 0_u16..400).prop_map(|(kind, len)| {
        let [high, low] = len.to_be_bytes();
        vec![kind, 0, high, low]
    });
    let piece = prop_oneof![header, message, prop::collection::vec(any::<u8>(), 0..300)];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_cuts_agree(seed in prop::collection::vec(1_usize..3000, 1..20), pick in any::<prop::sample::Index>()) {
        let samples = samples();
        if !samples.is_empty() {
            let stream = pick.get(&samples);
            prop_assert_eq!(read(&recut(&stream.chunks, &seed)).0, read(&recut(&stream.chunks, &[1 << 20])).0);
        }
    }

    #[test]
    fn noise_is_survived_and_read_alike_in_any_cut(
        parts in prop::collection::vec((direction(), noise()), 1..6),
        cut in prop::collection::vec(1_usize..50, 1..5),
    ) {
        let chunks: Vec<_> =
            parts.into_iter().map(|(from, bytes)| Chunk { from, bytes, after_gap: false }).collect();
        prop_assert_eq!(read(&recut(&chunks, &cut)).0, read(&recut(&chunks, &[1 << 20])).0);
        for chunk in &chunks {
            probe_bytes(&PROTOCOL, &chunk.bytes, chunk.from, true);
        }
    }

    #[test]
    fn mutated_sessions_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30),
        pick in any::<prop::sample::Index>(),
        gap in any::<bool>(),
    ) {
        let samples = samples();
        if !samples.is_empty() {
            let mut chunks = pick.get(&samples).chunks.clone();
            chunks.truncate(12);
            for (at, value) in changes {
                let chunk = at.index(chunks.len());
                let place = at.index(chunks[chunk].bytes.len());
                chunks[chunk].bytes[place] = value;
                chunks[chunk].after_gap |= gap && value > 200;
            }
            read(&chunks);
        }
    }

    #[test]
    fn random_bytes_are_not_taken_for_tls(bytes in prop::collection::vec(any::<u8>(), 6..600), midstream in any::<bool>()) {
        let found = probe_bytes(&PROTOCOL, &bytes, Direction::ToServer, midstream);
        let is_record = matches!(bytes[..], [20..=24, 3, 0..=4, ..] | [20..=24, 1, 1, ..] | [0x80..=0x83, _, 1, ..]);
        prop_assert!(rank(found) == 0 || is_record, "{found:?}");
    }
}
