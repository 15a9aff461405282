//! Runs a parser over chunks as the engine does: what is not consumed comes again, what is skipped does not come.

use engine::RecordBatch;
use engine::protocols::{Carrier, Found, Input, Output, Parser, Probe, Protocol, Then};
use engine::record::{Direction, FlowIdentity, TunnelIdentity};
use wire::{FlowKey, KeyKind, Scope};

use super::tcp::{Chunk, Stream};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The parser would have read on.
    Open,
    /// It said it was done.
    Done,
    /// It said that this is another protocol.
    NotMine,
}

/// What a parser made of a stream.
#[derive(Debug)]
pub(crate) struct Run {
    pub batch: RecordBatch,
    pub end: End,
    /// The most bytes that were held for a direction.
    pub carried: usize,
}

/// A flow of no importance.
pub(crate) fn identity() -> FlowIdentity {
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, ([0, 1], 1024), ([0, 2], 443), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel }
}

/// The best that the protocol's probe says of the first bytes of either direction.
pub(crate) fn probe(protocol: &Protocol, stream: &Stream) -> Found {
    let mut best = Found::No;
    for from in [Direction::ToServer, Direction::ToClient] {
        let mut start = Vec::new();
        for chunk in stream.chunks.iter().filter(|chunk| chunk.from == from).take(4) {
            start.extend_from_slice(&chunk.bytes);
            let found = probe_bytes(protocol, &start, from, stream.midstream);
            if rank(found) > rank(best) {
                best = found;
            }
            if found != Found::Maybe {
                break;
            }
        }
    }
    best
}

/// What the protocol's probe says of some bytes.
pub(crate) fn probe_bytes(protocol: &Protocol, payload: &[u8], from: Direction, midstream: bool) -> Found {
    let probe = protocol.probe.expect("a protocol with a probe");
    probe(&Probe {
        payload,
        wire_len: payload.len() as u32,
        from,
        carrier: Carrier::Tcp,
        source_port: 1024,
        destination_port: 443,
        destination: None,
        earlier: &[],
        midstream,
    })
}

/// Order of verdicts by confidence.
pub(crate) fn rank(found: Found) -> u8 {
    match found {
        Found::No | Found::Maybe => 0,
        Found::Likely(confidence) => confidence,
        Found::Yes => 100,
    }
}

/// Feeds chunks to a parser that is new or reset.
pub(crate) fn run<'a>(parser: &mut dyn Parser, chunks: impl IntoIterator<Item = &'a Chunk>) -> Run {
    let mut run = Run { batch: RecordBatch::default(), end: End::Open, carried: 0 };
    let mut held = [Vec::new(), Vec::new()];
    let mut to_skip = [0_u64; 2];
    let mut is_done = [false; 2];
    for chunk in chunks {
        let side = chunk.from as usize;
        let skipped = usize::try_from(to_skip[side]).unwrap_or(usize::MAX).min(chunk.bytes.len());
        to_skip[side] -= skipped as u64;
        if is_done[side] || skipped == chunk.bytes.len() {
            continue;
        }
        if chunk.after_gap {
            held[side].clear();
        }
        held[side].extend_from_slice(&chunk.bytes[skipped..]);
        let mut after_gap = chunk.after_gap;
        while !held[side].is_empty() && !is_done[side] {
            let input =
                Input { bytes: &held[side], from: chunk.from, carrier: Carrier::Tcp, now_ns: 1, after_gap };
            after_gap = false;
            let progress = parser.read(input, &mut Output::new(&mut run.batch, &identity(), 1));
            assert!(progress.consumed <= held[side].len(), "consumed more than there was");
            let before = held[side].len();
            held[side].drain(..progress.consumed);
            match progress.then {
                Then::More if progress.consumed < before => break,
                Then::More => {}
                Then::Skip(bytes) => {
                    let now = usize::try_from(bytes).unwrap_or(usize::MAX).min(held[side].len());
                    held[side].drain(..now);
                    to_skip[side] = bytes - now as u64;
                }
                Then::DirectionDone => is_done[side] = true,
                Then::Done | Then::Upgrade => {
                    run.end = End::Done;
                    return run;
                }
                Then::NotMine => {
                    run.end = End::NotMine;
                    return run;
                }
            }
        }
        run.carried = run.carried.max(held[side].len());
    }
    parser.finish(&mut Output::new(&mut run.batch, &identity(), 1));
    run
}
