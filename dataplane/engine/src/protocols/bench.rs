//! A flow and its parser on the bench: what unit tests of protocols send and look at.

use super::{Carrier, Expected, Found, Input, Output, Parser, Probe, Protocol, Then};
use crate::CryptoClass;
use crate::record::{Body, Datum, Direction, FlowIdentity, RecordBatch, TunnelIdentity};
use wire::{FlowKey, KeyKind, Scope};

/// A datagram from a high port to `port`.
pub(super) fn udp(payload: &[u8], from: Direction, port: u16) -> Probe<'_> {
    on(Carrier::Udp, payload, from, port)
}

/// The start of a stream between a high port and `port`.
pub(super) fn tcp(payload: &[u8], from: Direction, port: u16) -> Probe<'_> {
    on(Carrier::Tcp, payload, from, port)
}

fn on(carrier: Carrier, payload: &[u8], from: Direction, port: u16) -> Probe<'_> {
    let (source_port, destination_port) =
        if from == Direction::ToServer { (40_001, port) } else { (port, 40_001) };
    Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap(),
        from,
        carrier,
        source_port,
        destination_port,
        destination: None,
        earlier: &[],
        midstream: false,
    }
}

/// Whether a probe took a payload.
pub(super) fn is_taken(found: Found) -> bool {
    matches!(found, Found::Yes | Found::Likely(_))
}

/// Random payloads of four kinds (uniform, small numbers, zeros between, text) of which a probe took this many of
/// 20,000, on a port that says nothing.
pub(super) fn taken_of_random(protocol: &Protocol) -> usize {
    use proptest::prelude::Rng;
    let mut rng =
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut taken = 0;
    let mut payload = [0_u8; 300];
    for round in 0..20_000_usize {
        rng.fill_bytes(&mut payload);
        match round % 4 {
            1 => payload.iter_mut().for_each(|byte| *byte &= 0x8f & byte.rotate_left(3)),
            2 => payload.iter_mut().step_by(2).for_each(|byte| *byte = 0),
            3 => payload.iter_mut().for_each(|byte| *byte = 0x20 + *byte % 0x5f),
            _ => {}
        }
        let len = 8 + usize::from(payload[299]);
        let from = if payload[298] & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        for carrier in protocol.carriers {
            let probe = on(*carrier, &payload[..len], from, 40_002);
            taken += usize::from(
                len >= protocol.opening.min_len.into() && is_taken(protocol.probe.unwrap()(&probe)),
            );
        }
    }
    taken
}

/// A flow and its parser, which carries what the parser leaves.
pub(super) struct Bench {
    parser: Box<dyn Parser>,
    held: [Vec<u8>; 2],
    skip: [usize; 2],
    pub(super) ending: Option<Then>,
    pub(super) refined: Option<&'static str>,
    pub(super) service: Option<&'static str>,
    pub(super) expected: Vec<Expected>,
    batch: RecordBatch,
}

impl Bench {
    pub(super) fn new(protocol: &Protocol) -> Self {
        Self {
            parser: protocol.parser.unwrap()(),
            held: Default::default(),
            skip: [0; 2],
            ending: None,
            refined: None,
            service: None,
            expected: Vec::new(),
            batch: RecordBatch::default(),
        }
    }

    /// One datagram.
    pub(super) fn datagram(&mut self, from: Direction, bytes: &[u8]) {
        self.show(bytes, from, Carrier::Udp);
    }

    /// The next bytes of a stream.
    pub(super) fn stream(&mut self, from: Direction, bytes: &[u8]) {
        let side = from as usize;
        let skipped = self.skip[side].min(bytes.len());
        self.skip[side] -= skipped;
        let mut held = core::mem::take(&mut self.held[side]);
        held.extend_from_slice(&bytes[skipped..]);
        while self.ending.is_none() && !held.is_empty() {
            let (consumed, then) = self.show(&held, from, Carrier::Tcp);
            assert!(consumed <= held.len());
            held.drain(..consumed);
            let Then::Skip(count) = then else { break };
            let here = usize::try_from(count).unwrap().min(held.len());
            held.drain(..here);
            self.skip[side] = usize::try_from(count).unwrap() - here;
        }
        self.held[side] = held;
    }

    fn show(&mut self, bytes: &[u8], from: Direction, carrier: Carrier) -> (usize, Then) {
        let flow = identity();
        let mut out = Output::new(&mut self.batch, &flow, 0);
        let progress =
            self.parser.read(Input { bytes, from, carrier, now_ns: 0, after_gap: false }, &mut out);
        self.expected.extend(out.take_expected());
        self.refined = out.notes().refined.map(|(name, _)| name).or(self.refined);
        self.service = out.notes().service.or(self.service);
        if !matches!(progress.then, Then::More | Then::Skip(_) | Then::DirectionDone) {
            self.ending = Some(progress.then);
        }
        (progress.consumed, progress.then)
    }

    /// Ends the flow.
    pub(super) fn finish(&mut self) {
        self.parser.finish(&mut Output::new(&mut self.batch, &identity(), 0));
    }

    /// What the events say of the session, in order.
    pub(super) fn said_of_crypto(&self) -> Vec<CryptoClass> {
        let records = self.batch.records().iter();
        records.filter_map(|record| CryptoClass::of_event(&self.batch, record)).collect()
    }

    /// Names of the events, in order.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let kind = |body| if let Body::Event(kind) = body { kind } else { "flow" };
        self.batch.records().iter().map(|record| kind(record.body)).collect()
    }

    /// Everything that was written, to be compared.
    pub(super) fn all(&self) -> Vec<String> {
        let item = |value| format!("{value:?} {:?}", self.batch.text(value));
        let strip = |value| {
            if matches!(value, Datum::Text(..) | Datum::Hex(..)) {
                format!("{:?}", self.batch.text(value))
            } else {
                item(value)
            }
        };
        self.batch
            .records()
            .iter()
            .flat_map(|record| {
                self.batch
                    .items(record)
                    .iter()
                    .map(move |item| format!("{} {}", item.name, strip(item.value)))
            })
            .collect()
    }

    /// The first value of that name in the events of a kind.
    pub(super) fn value(&self, kind: &str, name: &str) -> Option<Datum> {
        let records = self
            .batch
            .records()
            .iter()
            .filter(|record| matches!(record.body, Body::Event(name) if name == kind));
        records
            .flat_map(|record| self.batch.items(record))
            .find(|item| item.name == name)
            .map(|item| item.value)
    }

    /// The same as text; empty where there is none.
    pub(super) fn text(&self, kind: &str, name: &str) -> String {
        let value = self.value(kind, name);
        value.map_or_else(String::new, |value| String::from_utf8_lossy(self.batch.text(value)).into_owned())
    }
}

/// Plays a stream in one piece for each turn, and in pieces of the given lengths; both give the same events.
pub(super) fn assert_any_cut_agrees(protocol: &Protocol, turns: &[(Direction, Vec<u8>)]) {
    let mut whole = Bench::new(protocol);
    for (from, bytes) in turns {
        whole.stream(*from, bytes);
    }
    whole.finish();
    for len in [1, 2, 3, 7, 50] {
        let mut cut = Bench::new(protocol);
        for (from, bytes) in turns {
            bytes.chunks(len).for_each(|piece| cut.stream(*from, piece));
        }
        cut.finish();
        assert_eq!((cut.all(), cut.ending), (whole.all(), whole.ending), "{} cut to {len}", protocol.name);
    }
}

/// The identity of a flow between two documentation addresses.
fn identity() -> FlowIdentity {
    let end = |last, port| (FlowKey::from_ipv4([192, 0, 2, last]), port);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, end(1, 40_000), end(2, 80), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel }
}
