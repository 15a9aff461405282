//! The story of a verdict as text.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use engine::detectors::signatures::{SignatureMatch, SignatureSet};
use engine::protocols::{Carrier, Found, Progress, Then};
use engine::record::{Body, Datum, Direction, FlowIdentity, Record};
use engine::trace::{Answer, Step, Trace};
use engine::{Classification, Names, Plan, ProtocolId, RecordBatch, ServiceBasis, Tier};

use crate::look::{Ink, Look};

use super::chosen::Chosen;

/// Hands the steps of one flow on, as text.
#[derive(Debug)]
pub(super) struct Teller {
    id: u64,
    wording: Wording,
    steps: Sender<Told>,
}

/// Says steps in words.
#[derive(Debug)]
pub(crate) struct Wording {
    pub(crate) plan: Arc<Plan>,
}

/// A step, told.
#[derive(Debug)]
pub(crate) enum Told {
    /// A packet brought payload.
    Payload { from: Direction, bytes: Vec<u8>, what: String },
    /// What came of it.
    Line { ink: Ink, text: String },
    /// What only those want to know who want to know everything.
    Detail(String),
}

impl Teller {
    /// Tells the steps of flow `id`, and where they can be taken.
    pub(super) fn new(id: u64, plan: Arc<Plan>) -> (Self, Receiver<Told>) {
        let (steps, taken) = mpsc::channel();
        (Self { id, wording: Wording { plan }, steps }, taken)
    }
}

impl Wording {
    fn protocol(&self, id: ProtocolId) -> &str {
        self.plan.names().protocol(id).map_or("?", |protocol| protocol.name.as_ref())
    }

    /// A step in words.
    pub(crate) fn told(&self, step: Step<'_>) -> Told {
        let line = |ink, text| Told::Line { ink, text };
        match step {
            Step::Payload { from, carrier, bytes, seq } => {
                let unit = if carrier == Carrier::Tcp { "segment" } else { "datagram" };
                let seq = seq.map_or_else(String::new, |seq| format!(", sequence {seq}"));
                Told::Payload { from, bytes: bytes.to_vec(), what: format!("{unit}{seq}") }
            }
            Step::Asked { from, bytes } => line(
                Ink::Plain,
                format!("nobody knows it yet: {} bytes {} are shown around", bytes.len(), way(from)),
            ),
            Step::Probed { protocol, answer } => probed(self.protocol(protocol), answer),
            Step::Matched(matched) => line(Ink::Good, self.matched(&matched)),
            Step::Undecided { is_open: true } => {
                line(Ink::Warning, "undecided: more bytes may tell".to_owned())
            }
            Step::Undecided { is_open: false } => line(Ink::Warning, "nobody knows it".to_owned()),
            Step::Decided(class) => line(Ink::Heading, format!("verdict: {}", self.verdict(&class))),
            Step::Read { protocol, from, shown, after_gap, progress } => {
                let gap = if after_gap { " after lost bytes" } else { "" };
                let parser = self.protocol(protocol);
                let (read, then) = (progress.consumed.min(shown), next(progress));
                line(
                    Ink::Plain,
                    format!("parser {parser} reads {read} of {shown} bytes {}{gap}: {then}", way(from)),
                )
            }
            Step::Refined { protocol, confidence } => {
                line(Ink::Heading, format!("more precisely: {}, {confidence} %", self.protocol(protocol)))
            }
            Step::Service { service, basis } => {
                let name = self.plan.names().service(service).unwrap_or("?");
                line(Ink::Heading, format!("service: {name}, told by {}", basis_text(basis)))
            }
            Step::TakenBack { protocol } => {
                line(Ink::Bad, format!("taken back: the bytes contradict {}", self.protocol(protocol)))
            }
            Step::Upgraded { protocol } => {
                line(Ink::Plain, format!("what follows is no longer {}", self.protocol(protocol)))
            }
            Step::Settled => line(Ink::Faint, "settled: nothing more is looked at".to_owned()),
            Step::Guessed(class) => line(Ink::Warning, format!("guessed: {}", self.verdict(&class))),
        }
    }

    fn matched(&self, matched: &SignatureMatch) -> String {
        let set = self.plan.signatures();
        let label = set.label(matched.signature).map_or_else(String::new, ToString::to_string);
        let name = set.protocols().get(usize::from(matched.protocol)).map_or("?", |own| own.name.as_str());
        let (offset, confidence) = (matched.offset, matched.confidence);
        format!("  signature {label} matches at offset {offset}: {name}, {confidence} %")
    }

    /// What a flow carries, in one line.
    pub(crate) fn verdict(&self, class: &Classification) -> String {
        let (names, signatures) = (self.plan.names(), self.plan.signatures());
        verdict(class, names, signatures)
    }
}

impl Trace for Teller {
    fn step(&mut self, flow: &FlowIdentity, step: Step<'_>) {
        if flow.id == self.id {
            // Nobody listens any more: then nothing need be told.
            let _ = self.steps.send(self.wording.told(step));
        }
    }
}

/// What a probe said.
fn probed(name: &str, answer: Answer) -> Told {
    let line = |ink, said: &str| Told::Line { ink, text: format!("  probe {name}: {said}") };
    match answer {
        Answer::Said(Found::No) => Told::Detail(format!("  probe {name}: no")),
        Answer::TooShort => Told::Detail(format!("  probe {name}: too few bytes to say")),
        Answer::Excluded => line(Ink::Faint, "not asked, it was taken back before"),
        Answer::Said(Found::Maybe) => line(Ink::Plain, "maybe, wants more"),
        Answer::Said(Found::Likely(sure)) => line(Ink::Good, &format!("likely, {sure} %")),
        Answer::Said(Found::Yes) => line(Ink::Good, "yes"),
    }
}

/// A verdict in one line.
fn verdict(class: &Classification, names: &Names, signatures: &SignatureSet) -> String {
    let name = names.protocol(class.protocol).filter(|_| class.protocol != ProtocolId::UNKNOWN);
    let mut text =
        name.map_or("unknown".to_owned(), |protocol| format!("{} ({})", protocol.name, protocol.title));
    let told = match class.tier {
        Tier::None => String::new(),
        Tier::Guess => format!(", {} %, a guess by port {}", class.confidence, class.evidence.offset),
        Tier::Signature => {
            let label =
                signatures.label(class.evidence.signature).map_or_else(String::new, ToString::to_string);
            format!(", {} %, by signature {label} at offset {}", class.confidence, class.evidence.offset)
        }
        tier => format!(", {} %, by {}", class.confidence, tier.name()),
    };
    text.push_str(&told);
    text
}

const fn basis_text(basis: ServiceBasis) -> &'static str {
    match basis {
        ServiceBasis::None => "nothing",
        ServiceBasis::Parser => "the parser",
        ServiceBasis::ServerName => "the server name (SNI)",
        ServiceBasis::Host => "the host of the request",
        ServiceBasis::Query => "the name that is asked for",
        ServiceBasis::Realm => "the realm",
        ServiceBasis::Alpn => "the application protocol (ALPN)",
        ServiceBasis::Certificate => "the server's certificate",
        ServiceBasis::Signature => "the signature",
        ServiceBasis::Address => "the server's address, a guess",
        ServiceBasis::Port => "the server's port, a guess",
    }
}

const fn way(from: Direction) -> &'static str {
    match from {
        Direction::ToServer => "to the server",
        Direction::ToClient => "to the client",
    }
}

fn next(progress: Progress) -> String {
    match progress.then {
        Then::More => "waits for more".to_owned(),
        Then::Skip(count) => format!("skips the next {count}"),
        Then::DirectionDone => "is done with this direction".to_owned(),
        Then::Done => "is done with the flow".to_owned(),
        Then::NotMine => "says it is not its protocol".to_owned(),
        Then::Upgrade => "says another protocol follows".to_owned(),
    }
}

/// The page while it is written.
#[derive(Debug)]
pub(super) struct Story {
    look: Look,
    bytes: usize,
    verbose: bool,
    page: String,
    payloads: u64,
    silent_probes: u64,
    start_ns: u64,
}

impl Story {
    pub(super) const fn new(look: Look, bytes: usize, verbose: bool) -> Self {
        Self { look, bytes, verbose, page: String::new(), payloads: 0, silent_probes: 0, start_ns: 0 }
    }

    pub(super) const fn page(&self) -> &[u8] {
        self.page.as_bytes()
    }

    /// Whose story it is.
    pub(super) fn begin(&mut self, flow: &Chosen) {
        self.start_ns = flow.summary.start_ns;
        let head =
            self.look.paint(Ink::Heading, &format!("flow {}: {}", flow.identity.id, ends(&flow.identity)));
        let [to_server, to_client] = flow.summary.packets;
        self.line(0, &head);
        self.line(0, &format!("{to_server} packets to the server, {to_client} to the client"));
        if flow.summary.midstream {
            self.line(0, "its opening was not seen: who is client is a guess");
        }
    }

    /// A step that packet `packet` brought about; none at the end of the capture.
    pub(super) fn step(&mut self, packet: Option<u64>, step: &Told) {
        match step {
            Told::Payload { from, bytes, what } => {
                self.tell_silent_probes();
                self.payloads += 1;
                let number = packet.map_or_else(String::new, |packet| format!("packet {packet}: "));
                let head = format!("{number}{what}, {} bytes {}", bytes.len(), way(*from));
                self.page.push('\n');
                let head = self.look.paint(Ink::Heading, &head);
                self.line(0, &head);
                self.dump(bytes);
            }
            Told::Line { ink, text } => {
                if !text.starts_with("  ") {
                    self.tell_silent_probes();
                }
                let text = self.look.paint(*ink, text);
                self.line(1, &text);
            }
            Told::Detail(text) if self.verbose => self.line(1, text),
            Told::Detail(_) => self.silent_probes += 1,
        }
    }

    fn tell_silent_probes(&mut self) {
        let count = core::mem::take(&mut self.silent_probes);
        if count > 0 {
            let text = self.look.paint(Ink::Faint, &format!("  {count} other probes: no"));
            self.line(1, &text);
        }
    }

    /// An event that a parser wrote.
    pub(super) fn event(&mut self, batch: &RecordBatch, record: &Record) {
        let Body::Event(kind) = record.body else { return };
        let text = self.look.paint(Ink::Good, &format!("event {kind}"));
        self.line(1, &text);
        let mut path: Vec<&str> = Vec::new();
        let mut told = 0;
        for item in batch.items(record) {
            match item.value {
                Datum::Object | Datum::List => path.push(item.name),
                Datum::Close => drop(path.pop()),
                value => {
                    told += 1;
                    if told > MOST_VALUES {
                        continue;
                    }
                    let names = path.iter().copied().chain([item.name]).filter(|name| !name.is_empty());
                    let name = names.collect::<Vec<_>>().join(".");
                    let value = cut(&self.look.safe(&shown(batch, value)));
                    self.line(2, &format!("{name} = {value}"));
                }
            }
        }
        if told > MOST_VALUES {
            self.line(2, &format!("and {} values more", told - MOST_VALUES));
        }
    }

    /// How it ended.
    pub(super) fn end(&mut self, flow: &Chosen, names: &Names, signatures: &SignatureSet) {
        self.tell_silent_probes();
        self.page.push('\n');
        let (class, summary) = (&flow.summary.class, &flow.summary);
        let payloads = self.payloads;
        let text = format!(
            "{payloads} packets with payload were looked at; the flow ended by {}",
            summary.reason.name()
        );
        self.line(0, &text);
        let text =
            self.look.paint(Ink::Heading, &format!("final verdict: {}", verdict(class, names, signatures)));
        self.line(0, &text);
        if let Some(service) = names.service(class.service) {
            let text = format!("service: {service}, told by {}", basis_text(class.evidence.service));
            self.line(0, &text);
        }
        if summary.gaps {
            self.line(0, "bytes of it were missing");
        }
    }

    /// The other flows that were asked for.
    pub(super) fn others(&mut self, rest: &[Chosen], uncounted: u64) {
        if rest.is_empty() {
            return;
        }
        let count = rest.len() as u64 + uncounted;
        let (flows, were) = if count == 1 { ("flow", "is") } else { ("flows", "are") };
        self.page.push('\n');
        self.line(0, &format!("{count} other {flows} {were} meant too; tell them by their flow_id:"));
        for flow in rest {
            self.line(1, &format!("{} {}", flow.identity.id, ends(&flow.identity)));
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.page, "{:1$}{text}", "", depth * 2);
    }

    fn dump(&mut self, bytes: &[u8]) {
        for (row, line) in bytes.get(..self.bytes).unwrap_or(bytes).chunks(16).enumerate() {
            let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
            let text: String = line
                .iter()
                .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' })
                .collect();
            let text = self.look.paint(Ink::Faint, &format!("{:04x}  {hex:<48} {text}", row * 16));
            self.line(1, &text);
        }
        if bytes.len() > self.bytes {
            let text = format!("and {} bytes more", bytes.len() - self.bytes);
            let text = self.look.paint(Ink::Faint, &text);
            self.line(1, &text);
        }
    }
}

/// Values of one event that are told.
const MOST_VALUES: usize = 48;
/// Characters of one value.
const LONGEST_VALUE: usize = 100;

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn shown(batch: &RecordBatch, value: Datum) -> String {
    match value {
        Datum::Unsigned(number) => number.to_string(),
        Datum::Signed(number) => number.to_string(),
        Datum::Real(number) => number.to_string(),
        Datum::Flag(flag) => flag.to_string(),
        Datum::Ip(address) => address.to_string(),
        Datum::Time(ns) => format!("{ns} ns"),
        Datum::Hex(..) => batch.text(value).iter().map(|byte| format!("{byte:02x}")).collect(),
        _ => String::from_utf8_lossy(batch.text(value)).into_owned(),
    }
}

/// Protocol and ends of a flow.
pub(crate) fn ends(flow: &FlowIdentity) -> String {
    let (key, client, server) = (&flow.key, flow.client, flow.client.opposite());
    let protocol = match key.protocol() {
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        132 => "sctp".to_owned(),
        number => format!("proto {number}"),
    };
    let end = |side| match key.ip(side) {
        Some(ip) => std::net::SocketAddr::new(ip, key.port(side)).to_string(),
        None => key.mac(side).unwrap_or_default().map(|byte| format!("{byte:02x}")).join(":"),
    };
    format!("{protocol} {} {}", end(client), end(server))
}
