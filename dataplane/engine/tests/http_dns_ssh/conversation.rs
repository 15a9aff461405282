//! Two sides talking through a parser, as the engine would let them: what a parser leaves is carried, what it skips
//! is not shown, and its events come out as JSON.

use engine::RecordBatch;
use engine::protocols::{CARRY_BYTES, Carrier, Input, Output, Parser, Protocol, Then};
use engine::record::{Body, Datum, Direction, FlowIdentity, Item, Record, TunnelIdentity};
use serde_json::{Map, Value};
use wire::{FlowKey, KeyKind, Scope};

/// What came of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// (event type, its object), in the order they were written.
    pub(crate) events: Vec<(String, Value)>,
    /// Refined protocol.
    pub(crate) refined: Option<&'static str>,
    /// Service.
    pub(crate) service: Option<&'static str>,
    /// What the parser said last, if it ended the flow.
    pub(crate) ending: Option<Then>,
    /// Unread bytes of each direction.
    pub(crate) carried: [usize; 2],
}

impl Outcome {
    /// Objects of the events of type `kind`.
    pub(crate) fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|(name, _)| name == kind).map(|(_, value)| value).collect()
    }
}

/// A flow and its parser.
#[derive(Debug)]
pub(crate) struct Conversation {
    parser: Box<dyn Parser>,
    carrier: Carrier,
    carried: [Vec<u8>; 2],
    skip: [u64; 2],
    lost: [bool; 2],
    done: [bool; 2],
    outcome: Outcome,
    batch: RecordBatch,
}

impl Conversation {
    /// A flow of `protocol`.
    pub(crate) fn new(protocol: &Protocol, carrier: Carrier) -> Self {
        Self::with(protocol.parser.unwrap()(), carrier)
    }

    /// A flow read by `parser`.
    pub(crate) fn with(parser: Box<dyn Parser>, carrier: Carrier) -> Self {
        Self {
            parser,
            carrier,
            carried: [Vec::new(), Vec::new()],
            skip: [0; 2],
            lost: [false; 2],
            done: [false; 2],
            outcome: Outcome::default(),
            batch: RecordBatch::default(),
        }
    }

    /// The next bytes of one side (or its next datagram).
    pub(crate) fn send(&mut self, from: Direction, bytes: &[u8]) {
        let side = from as usize;
        if self.outcome.ending.is_some() || self.done[side] {
            return;
        }
        let skipped = usize::try_from(self.skip[side]).unwrap_or(usize::MAX).min(bytes.len());
        self.skip[side] -= skipped as u64;
        let bytes = &bytes[skipped..];
        if bytes.is_empty() && skipped > 0 {
            return;
        }
        if self.carrier != Carrier::Tcp {
            self.carried[side].clear();
        }
        self.carried[side].extend_from_slice(bytes);
        self.read(from);
    }

    /// Bytes of one side are missing before its next ones.
    pub(crate) fn lose(&mut self, from: Direction) {
        self.carried[from as usize].clear();
        self.skip[from as usize] = 0;
        self.lost[from as usize] = true;
    }

    fn read(&mut self, from: Direction) {
        let side = from as usize;
        loop {
            let bytes = core::mem::take(&mut self.carried[side]);
            let after_gap = core::mem::take(&mut self.lost[side]);
            let input = Input { bytes: &bytes, from, carrier: self.carrier, now_ns: 0, after_gap };
            let flow = identity();
            let mut out = Output::new(&mut self.batch, &flow, 0);
            let progress = self.parser.read(input, &mut out);
            let notes = out.notes();
            self.take_notes(notes.refined.map(|(name, _)| name), notes.service);
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
                self.carried[side] = left;
            }
            if self.carried[side].len() > CARRY_BYTES {
                self.lose(from);
            }
            if !again {
                return;
            }
        }
    }

    fn take_notes(&mut self, refined: Option<&'static str>, service: Option<&'static str>) {
        self.outcome.refined = refined.or(self.outcome.refined);
        self.outcome.service = service.or(self.outcome.service);
    }

    /// Ends the flow.
    pub(crate) fn finish(self) -> Outcome {
        self.finish_and_keep().0
    }

    /// Ends the flow, resets the parser and gives it back.
    pub(crate) fn finish_and_keep(mut self) -> (Outcome, Box<dyn Parser>) {
        let flow = identity();
        let mut out = Output::new(&mut self.batch, &flow, 0);
        if self.outcome.ending != Some(Then::NotMine) {
            self.parser.finish(&mut out);
        }
        let notes = out.notes();
        self.take_notes(notes.refined.map(|(name, _)| name), notes.service);
        self.parser.reset();
        self.outcome.events = self.batch.records().iter().map(|record| render(&self.batch, record)).collect();
        self.outcome.carried = [self.carried[0].len(), self.carried[1].len()];
        (self.outcome, self.parser)
    }
}

/// The identity of a flow between two documentation addresses.
pub(crate) fn identity() -> FlowIdentity {
    let end = |last, port| (FlowKey::from_ipv4([192, 0, 2, last]), port);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, end(1, 40_000), end(2, 80), Scope::default());
    FlowIdentity {
        id: 1,
        key,
        client,
        interface: 0,
        vlans: [0; 2],
        icmp: None,
        tunnel: TunnelIdentity::default(),
    }
}

fn render(batch: &RecordBatch, record: &Record) -> (String, Value) {
    let Body::Event(kind) = record.body else { return ("flow".to_owned(), Value::Null) };
    let mut items = batch.items(record).iter();
    (kind.to_owned(), Value::Object(render_object(batch, &mut items)))
}

fn render_object<'a>(batch: &RecordBatch, items: &mut impl Iterator<Item = &'a Item>) -> Map<String, Value> {
    let mut object = Map::new();
    while let Some(item) = items.next() {
        if item.value == Datum::Close {
            break;
        }
        let value = render_value(batch, item, items);
        let before = object.insert(item.name.to_owned(), value);
        assert!(before.is_none(), "{} stands twice in one object", item.name);
        assert!(!item.name.is_empty(), "a member of an object needs a name");
    }
    object
}

fn render_value<'a>(batch: &RecordBatch, item: &Item, items: &mut impl Iterator<Item = &'a Item>) -> Value {
    match item.value {
        Datum::Unsigned(number) | Datum::Time(number) => number.into(),
        Datum::Signed(number) => number.into(),
        Datum::Real(number) => number.into(),
        Datum::Flag(flag) => flag.into(),
        Datum::Text(..) | Datum::Static(_) => String::from_utf8_lossy(batch.text(item.value)).into(),
        Datum::Hex(..) => {
            batch.text(item.value).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
        Datum::Ip(address) => address.to_string().into(),
        Datum::Object => Value::Object(render_object(batch, items)),
        Datum::List => {
            let mut list = Vec::new();
            while let Some(member) = items.next() {
                if member.value == Datum::Close {
                    break;
                }
                assert!(member.name.is_empty(), "a member of a list has no name");
                list.push(render_value(batch, member, items));
            }
            Value::Array(list)
        }
        Datum::Close => Value::Null,
    }
}

/// One side's turn in a scripted conversation.
pub(crate) type Turn = (Direction, Vec<u8>);

/// Plays a script in one piece for each turn.
pub(crate) fn play(protocol: &Protocol, carrier: Carrier, script: &[Turn]) -> Outcome {
    let mut conversation = Conversation::new(protocol, carrier);
    for (from, bytes) in script {
        conversation.send(*from, bytes);
    }
    conversation.finish()
}

/// Plays a script with every turn cut into pieces whose lengths `next_length` gives.
pub(crate) fn play_cut(
    protocol: &Protocol,
    script: &[Turn],
    mut next_length: impl FnMut() -> usize,
) -> Outcome {
    let mut conversation = Conversation::new(protocol, Carrier::Tcp);
    for (from, bytes) in script {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(next_length().clamp(1, rest.len()));
            conversation.send(*from, piece);
            rest = after;
        }
    }
    conversation.finish()
}
