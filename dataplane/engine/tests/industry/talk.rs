//! Two sides talking through a parser, as the engine would let them: what a parser leaves is carried, what it skips is
//! not shown, and its events come out as JSON.

use engine::protocols::{CARRY_BYTES, Carrier, Found, Input, Output, Parser, Probe, Protocol, Then};
use engine::record::{Direction, FlowIdentity, TunnelIdentity};
use engine::{CryptoClass, RecordBatch};
use serde_json::Value;
use wire::{FlowKey, KeyKind, Scope};

use crate::support::json;

/// One side's turn in a scripted conversation.
pub(crate) type Turn = (Direction, Vec<u8>);

/// What came of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// Event type and object, in the order they were written.
    pub(crate) events: Vec<(String, Value)>,
    pub(crate) refined: Option<&'static str>,
    /// What the last event that says so says of the session.
    pub(crate) crypto: Option<CryptoClass>,
    /// What the parser said last, if it ended the flow.
    pub(crate) ending: Option<Then>,
    /// The most bytes it left unread.
    pub(crate) carried: usize,
}

impl Outcome {
    /// Objects of the events of type `kind`.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|(name, _)| name == kind).map(|(_, value)| value).collect()
    }

    /// Names of the anomalies.
    pub(crate) fn anomalies(&self) -> Vec<&str> {
        self.of("anomaly").into_iter().map(|event| event["event"].as_str().unwrap()).collect()
    }

    /// What does not depend on how the bytes were cut.
    pub(crate) fn without_carried(mut self) -> Self {
        self.carried = 0;
        self
    }
}

/// A flow and its parser.
pub(crate) struct Talk {
    parser: Box<dyn Parser>,
    carrier: Carrier,
    held: [Vec<u8>; 2],
    skip: [u64; 2],
    lost: [bool; 2],
    done: [bool; 2],
    outcome: Outcome,
    batch: RecordBatch,
}

impl Talk {
    /// A flow of `protocol`.
    pub(crate) fn new(protocol: &Protocol, carrier: Carrier) -> Self {
        Self::with(protocol.parser.unwrap()(), carrier)
    }

    /// A flow read by `parser`.
    pub(crate) fn with(parser: Box<dyn Parser>, carrier: Carrier) -> Self {
        Self {
            parser,
            carrier,
            held: Default::default(),
            skip: [0; 2],
            lost: [false; 2],
            done: [false; 2],
            outcome: Outcome::default(),
            batch: RecordBatch::default(),
        }
    }

    /// The next bytes of one side, or its next datagram.
    pub(crate) fn send(&mut self, from: Direction, bytes: &[u8]) {
        let side = from as usize;
        if self.outcome.ending.is_some() || self.done[side] {
            return;
        }
        let skipped = usize::try_from(self.skip[side]).unwrap_or(usize::MAX).min(bytes.len());
        self.skip[side] -= skipped as u64;
        if skipped == bytes.len() && skipped > 0 {
            return;
        }
        if self.carrier != Carrier::Tcp {
            self.held[side].clear();
        }
        self.held[side].extend_from_slice(&bytes[skipped..]);
        self.read(from);
        if self.held[side].len() > CARRY_BYTES {
            self.lose(from);
        }
    }

    /// Bytes of one side are missing before its next ones.
    pub(crate) fn lose(&mut self, from: Direction) {
        self.held[from as usize].clear();
        self.skip[from as usize] = 0;
        self.lost[from as usize] = true;
    }

    fn read(&mut self, from: Direction) {
        let side = from as usize;
        loop {
            let bytes = core::mem::take(&mut self.held[side]);
            let after_gap = core::mem::take(&mut self.lost[side]);
            let input = Input { bytes: &bytes, from, carrier: self.carrier, now_ns: 0, after_gap };
            let flow = identity();
            let mut out = Output::new(&mut self.batch, &flow, 0);
            let progress = self.parser.read(input, &mut out);
            let notes = out.notes();
            self.outcome.refined = notes.refined.map(|(name, _)| name).or(self.outcome.refined);
            assert!(progress.consumed <= bytes.len(), "a parser cannot read what is not there");
            let mut left = bytes[progress.consumed..].to_vec();
            match progress.then {
                Then::More => {}
                Then::Skip(count) => {
                    assert!(self.carrier == Carrier::Tcp && count > 0);
                    let here = usize::try_from(count).unwrap_or(usize::MAX).min(left.len());
                    left.drain(..here);
                    self.skip[side] = count - here as u64;
                }
                Then::DirectionDone => self.done[side] = true,
                ending => self.outcome.ending = Some(ending),
            }
            let again = matches!(progress.then, Then::Skip(_)) && !left.is_empty();
            if self.carrier == Carrier::Tcp && !self.done[side] {
                self.held[side] = left;
            }
            self.outcome.carried = self.outcome.carried.max(self.held[side].len());
            if !again {
                return;
            }
        }
    }

    /// Ends the flow.
    pub(crate) fn finish(self) -> Outcome {
        self.finish_and_keep().0
    }

    /// Ends the flow, resets the parser and gives it back.
    pub(crate) fn finish_and_keep(mut self) -> (Outcome, Box<dyn Parser>) {
        if self.outcome.ending != Some(Then::NotMine) {
            self.parser.finish(&mut Output::new(&mut self.batch, &identity(), 0));
        }
        self.parser.reset();
        let all = self.batch.records().iter().map(|record| json::event(&self.batch, record));
        let mut records = self.batch.records().iter().rev();
        self.outcome.crypto = records.find_map(|record| CryptoClass::of_event(&self.batch, record));
        self.outcome.events = all.map(|(kind, value)| (kind.to_owned(), value)).collect();
        (self.outcome, self.parser)
    }
}

/// The identity of a flow between two documentation addresses.
fn identity() -> FlowIdentity {
    let end = |last, port| (FlowKey::from_ipv4([192, 0, 2, last]), port);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, end(1, 40_000), end(2, 80), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel }
}

/// Plays a script in one piece for each turn.
pub(crate) fn play(protocol: &Protocol, carrier: Carrier, turns: &[Turn]) -> Outcome {
    let mut talk = Talk::new(protocol, carrier);
    for (from, bytes) in turns {
        talk.send(*from, bytes);
    }
    talk.finish()
}

/// Plays a script with every turn cut into pieces whose lengths repeat.
pub(crate) fn play_cut(protocol: &Protocol, turns: &[Turn], lengths: &[usize]) -> Outcome {
    let mut talk = Talk::new(protocol, Carrier::Tcp);
    let mut lengths = lengths.iter().copied().cycle();
    for (from, bytes) in turns {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(lengths.next().unwrap_or(1).clamp(1, rest.len()));
            talk.send(*from, piece);
            rest = after;
        }
    }
    talk.finish()
}

/// What the protocol's probe says of a payload between ports that say nothing; "maybe" where a number names it.
pub(crate) fn probe(protocol: &Protocol, carrier: Carrier, from: Direction, payload: &[u8]) -> Found {
    if payload.len() < usize::from(protocol.opening.min_len) {
        return Found::Maybe;
    }
    let Some(ask) = protocol.probe else { return Found::Maybe };
    ask(&Probe {
        payload,
        wire_len: payload.len() as u32,
        from,
        carrier,
        source_port: 40_001,
        destination_port: 40_002,
        destination: None,
        earlier: &[],
        midstream: false,
    })
}

/// Whether a probe took a payload.
pub(crate) fn is_taken(found: Found) -> bool {
    matches!(found, Found::Yes | Found::Likely(_))
}
