//! What fuzz targets share: a parser and an engine, driven by bytes.

use engine::protocols::{CARRY_BYTES, Carrier, Input, Output, Probe, Protocol, Then};
use engine::record::{Direction, FlowIdentity, RecordBatch, TunnelIdentity};
use wire::{FlowKey, KeyKind, Scope, Side};

/// Bytes of records that one input may make.
const MOST_TEXT: usize = 64 << 20;

/// Shows `input` to the probe and the parser of a protocol, cut as the input itself says: each piece starts with a
/// byte for its direction and length.
pub fn read(protocol: &Protocol, input: &[u8]) {
    let carrier = protocol.carriers.first().copied().unwrap_or(Carrier::Tcp);
    let mut parser = protocol.parser.map(|make| make());
    let mut batch = RecordBatch::default();
    let mut held: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    let mut skip = [0u64; 2];
    let mut rest = input;
    let mut now_ns = 1_700_000_000_000_000_000;
    while let Some((&head, tail)) = rest.split_first() {
        // Lengths from a few bytes to a whole segment.
        let len = (1usize << (head & 15).min(11)).min(tail.len());
        let from = if head & 0x80 == 0 { Direction::ToServer } else { Direction::ToClient };
        let (bytes, next) = tail.split_at(len);
        rest = next;
        now_ns += 1_000_000;
        if let Some(ask) = protocol.probe {
            let _ = ask(&probe(carrier, bytes, from, head & 0x40 != 0));
        }
        let Some(parser) = parser.as_mut() else { continue };
        let side = from as usize;
        let skipped = skip[side].min(bytes.len() as u64);
        skip[side] -= skipped;
        held[side].extend_from_slice(&bytes[usize::try_from(skipped).unwrap_or(0)..]);
        let after_gap = head & 0x20 != 0;
        loop {
            let shown = held[side].len();
            let flow = identity();
            let mut output = Output::new(&mut batch, &flow, now_ns);
            let input = Input { bytes: &held[side], from, carrier, now_ns, after_gap };
            let progress = parser.read(input, &mut output);
            assert!(progress.consumed <= shown, "more consumed than was shown");
            held[side].drain(..progress.consumed);
            match progress.then {
                Then::Skip(count) => {
                    let here = usize::try_from(count).unwrap_or(usize::MAX).min(held[side].len());
                    held[side].drain(..here);
                    skip[side] = count - here as u64;
                    if held[side].is_empty() || (progress.consumed == 0 && here == 0) {
                        break;
                    }
                }
                Then::More | Then::DirectionDone => break,
                Then::Done | Then::NotMine | Then::Upgrade => {
                    parser.reset();
                    held = [Vec::new(), Vec::new()];
                    break;
                }
            }
        }
        if carrier != Carrier::Tcp || held[side].len() > CARRY_BYTES {
            held[side].clear();
        }
        let text: usize = batch.records().iter().map(|record| batch.items(record).len()).sum();
        assert!(text < MOST_TEXT);
        if batch.is_full() {
            batch.clear();
        }
    }
    if let Some(parser) = parser.as_mut() {
        parser.finish(&mut Output::new(&mut batch, &identity(), now_ns));
        parser.reset();
    }
}

fn probe(carrier: Carrier, payload: &[u8], from: Direction, midstream: bool) -> Probe<'_> {
    Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        from,
        carrier,
        source_port: 40_000,
        destination_port: 5353,
        destination: None,
        earlier: &[],
        midstream,
    }
}

fn identity() -> FlowIdentity {
    let ends = [[10, 0, 0, 1], [10, 0, 0, 2]].map(FlowKey::from_ipv4);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, (ends[0], 40_000), (ends[1], 5353), Scope::default());
    FlowIdentity {
        id: 1,
        key,
        client: if client == Side::Lower { Side::Lower } else { Side::Upper },
        interface: 0,
        vlans: [0; 2],
        icmp: None,
        tunnel: TunnelIdentity::default(),
    }
}
