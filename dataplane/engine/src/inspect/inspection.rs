use wire::{Headers, Side};

use super::ParserPool;
use super::classify::{Opinion, classify, confirm};
use super::earlier::EarlierPayloads;
use super::expectations::{Announced, Expectations};
use crate::config::StreamLimits;
use crate::counters::{Counter, Counters};
use crate::detectors::signatures::Scanner;
use crate::flow::slot::{Marks, Slot};
use crate::plan::{Plan, static_number};
use crate::protocols::{
    self, CARRY_BYTES, Carrier, Found, Input, Notes, Output, Parser, Probe, Progress, Then,
};
use crate::record::{Direction, FlowIdentity, RecordBatch};
use crate::stream::{Accepted, Association, Buffers, Stream};
use crate::trace::{Listener, Step, Trace};
use crate::{Classification, Evidence, ProtocolId, ServiceBasis, ServiceId, Tier};

/// Bytes of one direction held while nothing is decided.
const UNDECIDED_BYTES: usize = 8 * 1024;
/// Bytes from the start of a stream that most protocols are known by.
const TELLING_BYTES: usize = 64;
/// Times a flow may be classified anew (a verdict taken back, an upgrade) before it stays as it is.
const MOST_VERDICTS: u8 = 4;

/// What an inspection needs of its engine.
#[derive(Debug)]
pub(crate) struct Workspace<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) buffers: &'a mut Buffers,
    pub(crate) parsers: &'a mut ParserPool,
    pub(crate) scanner: &'a mut Scanner,
    pub(crate) expectations: &'a mut Expectations,
    pub(crate) counters: &'a Counters,
    pub(crate) batch: &'a mut RecordBatch,
    pub(crate) limits: &'a StreamLimits,
    pub(crate) max_payloads: u8,
    pub(crate) identity: &'a FlowIdentity,
    pub(crate) trace: Option<&'a mut (dyn Trace + 'static)>,
}

impl Workspace<'_> {
    /// Tells a step, where somebody listens.
    #[inline]
    fn tell(&mut self, step: Step<'_>) {
        if let Some(trace) = &mut self.trace {
            trace.step(self.identity, step);
        }
    }

    /// What the probes and signatures say of a payload.
    fn opinion(&mut self, probe: &Probe<'_>, excluded: ProtocolId, packet: u8) -> Opinion {
        let Some(trace) = self.trace.as_deref_mut() else {
            return classify(self.plan, self.scanner, probe, (excluded, packet), &mut ());
        };
        let mut listener = Listener { trace, flow: self.identity };
        listener.begin(self.plan, self.scanner, probe);
        let opinion = classify(self.plan, self.scanner, probe, (excluded, packet), &mut listener);
        if !matches!(opinion, Opinion::Is(_)) {
            self.tell(Step::Undecided { is_open: opinion == Opinion::Open });
        }
        opinion
    }
}

/// One packet's payload and where it belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) headers: &'a Headers,
    pub(crate) payload: &'a [u8],
    /// Bytes of the payload that the capture cut off.
    pub(crate) missing: u32,
    /// Payload protocol identifier of a user message of SCTP; 0 says nothing.
    pub(crate) ppid: u32,
    pub(crate) from: Direction,
    pub(crate) carrier: Carrier,
    pub(crate) now_ns: u64,
}

/// What is to become of an inspection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It goes on.
    Continue,
    /// Nothing more is of interest.
    Settled,
}

/// A flow whose payload is of interest.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    pub(super) parser: Option<Running>,
    streams: [Stream; 2],
    /// What an SCTP flow needs; made when the first one comes, kept for the next.
    pub(super) association: Option<Box<Association>>,
    /// Payload protocol identifier of the messages that the parser reads.
    pub(super) ppid: u32,
    earlier: EarlierPayloads,
    payloads: u8,
    short_payloads: u8,
    verdicts: u8,
    /// A protocol whose parser said that this flow is not it.
    excluded: ProtocolId,
    /// The direction whose payload came first.
    first_speaker: Option<Direction>,
    /// What another flow announced of this one.
    announced: Option<Box<Announced>>,
    /// Whether it was asked for that.
    was_announced_asked: bool,
}

#[derive(Debug)]
pub(super) struct Running {
    id: ProtocolId,
    parser: Box<dyn Parser>,
}

impl Inspection {
    /// Starts for a flow: streams begin after the SYNs, where those were seen.
    pub(crate) fn begin(&mut self, slot: &Slot) {
        for side in [Side::Lower, Side::Upper] {
            if let Some(seq) = slot.start_of(side) {
                self.stream(direction_of(slot, side)).start(seq);
            }
        }
    }

    /// Asks for the memory of its parser.
    pub(crate) fn prefetch_parser(&self) {
        if let Some(running) = &self.parser {
            mem_sys::prefetch_value(&*running.parser);
        }
    }

    /// Takes a packet's payload.
    pub(crate) fn packet(
        &mut self,
        slot: &mut Slot,
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        if cx.trace.is_some() && !segment.payload.is_empty() {
            let seq = (segment.carrier == Carrier::Tcp).then_some(segment.headers.tcp.seq);
            let Segment { from, carrier, payload: bytes, .. } = segment;
            cx.tell(Step::Payload { from, carrier, bytes, seq });
        }
        if !self.was_announced_asked && !segment.payload.is_empty() {
            self.was_announced_asked = true;
            if !cx.expectations.is_empty(segment.now_ns)
                && self.was_announced(slot, segment, cx) == Outcome::Settled
            {
                return Outcome::Settled;
            }
        }
        match segment.carrier {
            Carrier::Tcp => self.segment(slot, segment, cx),
            Carrier::Sctp => self.chunks(slot, segment, cx),
            _ => self.datagram(slot, segment, cx),
        }
    }

    fn segment(&mut self, slot: &mut Slot, segment: Segment<'_>, cx: &mut Workspace<'_>) -> Outcome {
        let tcp = segment.headers.tcp;
        // The start of a stream whose SYN was not seen: what the other side acknowledged last.
        if tcp.flags.contains(wire::TcpFlags::ACK) {
            let other = self.stream(segment.from.reversed());
            other.start(tcp.ack);
            other.acknowledge(tcp.ack);
        }
        let (limits, counters) = (cx.limits, cx.counters);
        // What a reset carries is a message for people, not part of the stream (RFC 9293, 3.5.3).
        if !segment.payload.is_empty() && !tcp.flags.contains(wire::TcpFlags::RST) {
            let syn = u32::from(tcp.flags.contains(wire::TcpFlags::SYN));
            let seq = tcp.seq.wrapping_add(syn);
            let stream = self.stream(segment.from);
            if is_maybe_padding(&segment) {
                stream.set_aside(seq, segment.payload);
            } else if let Accepted::Next(bytes) =
                stream.accept(seq, segment.payload, cx.buffers, limits, counters)
                && self.deliver(slot, bytes, segment, cx) == Outcome::Settled
            {
                return Outcome::Settled;
            }
        }
        if segment.headers.payload_wire_len > segment.headers.payload_len {
            // The capture cut this segment: its rest never comes.
            self.stream(segment.from).mark_gap();
        }
        while let Some((bytes, start)) = self.stream(segment.from).next_ready(limits, counters) {
            let outcome = self.deliver(slot, bytes.get(start..).unwrap_or_default(), segment, cx);
            cx.buffers.release(bytes);
            if outcome == Outcome::Settled {
                return Outcome::Settled;
            }
        }
        Outcome::Continue
    }

    /// The flow ends: what is held is read, and the parser says its last.
    pub(crate) fn finish(&mut self, slot: &mut Slot, segment: Segment<'_>, cx: &mut Workspace<'_>) {
        for from in [Direction::ToServer, Direction::ToClient] {
            let segment = Segment { from, ..segment };
            while let Some((bytes, start)) = self.stream(from).next_at_end(cx.counters) {
                let outcome = self.deliver(slot, bytes.get(start..).unwrap_or_default(), segment, cx);
                cx.buffers.release(bytes);
                if outcome == Outcome::Settled {
                    return self.conclude(slot, segment.now_ns, cx);
                }
            }
        }
        self.conclude(slot, segment.now_ns, cx);
    }

    /// The parser says its last.
    pub(crate) fn conclude(&mut self, slot: &mut Slot, now_ns: u64, cx: &mut Workspace<'_>) {
        cx.tell(Step::Settled);
        let first = cx.batch.records().len();
        let mut output = Output::new(cx.batch, cx.identity, now_ns);
        if let Some(running) = &mut self.parser {
            running.parser.finish(&mut output);
        }
        let notes = output.notes();
        apply(slot, notes, first, cx);
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self, cx: &mut Workspace<'_>) {
        if let Some(Running { id, parser }) = self.parser.take() {
            cx.parsers.give(id, parser);
        }
        for stream in &mut self.streams {
            stream.clear(cx.buffers);
        }
        if let Some(association) = &mut self.association {
            association.clear(cx.buffers);
        }
        self.ppid = 0;
        self.earlier.clear();
        self.payloads = 0;
        self.short_payloads = 0;
        self.verdicts = 0;
        self.excluded = ProtocolId::UNKNOWN;
        self.first_speaker = None;
        self.announced = None;
        self.was_announced_asked = false;
    }

    /// Asks whether another flow announced this one. Where its protocol cannot be told from the bytes, that decides.
    #[cold]
    fn was_announced(&mut self, slot: &mut Slot, segment: Segment<'_>, cx: &mut Workspace<'_>) -> Outcome {
        let Some(announced) = cx.expectations.take(&slot.key, segment.carrier, segment.now_ns) else {
            return Outcome::Continue;
        };
        let announced = self.announced.insert(Box::new(announced));
        let Some(protocol) = cx.plan.protocol_id(announced.expected.protocol) else {
            return Outcome::Continue;
        };
        if has_probe(protocol) {
            return Outcome::Continue;
        }
        self.decide(slot, certain(protocol, slot), cx)
    }

    /// What the probes say; where they leave it open, or a signature alone speaks, what was announced counts for more
    /// unless its own probe says no.
    fn or_announced(&self, opinion: Opinion, slot: &Slot, probe: &Probe<'_>, cx: &Workspace<'_>) -> Opinion {
        let Some(announced) = &self.announced else { return opinion };
        if matches!(opinion, Opinion::Is(class) if class.tier == Tier::Parser) {
            return opinion;
        }
        let Some(protocol) = cx.plan.protocol_id(announced.expected.protocol) else { return opinion };
        let ask = static_number(protocol).and_then(|number| protocols::ALL.get(number)?.probe);
        if protocol == self.excluded || ask.is_none_or(|ask| ask(probe) == Found::No) {
            return opinion;
        }
        Opinion::Is(certain(protocol, slot))
    }

    pub(super) fn datagram(
        &mut self,
        slot: &mut Slot,
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        if self.parser.is_none() {
            let opinion = match segment.carrier {
                // The number has said it.
                Carrier::Ip(_) | Carrier::Ethernet(_) => Opinion::Is(slot.class),
                _ => self.ask_datagram(slot, segment, cx),
            };
            match opinion {
                Opinion::Is(class) => {
                    if self.decide(slot, class, cx) == Outcome::Settled {
                        return Outcome::Settled;
                    }
                }
                Opinion::Open | Opinion::Nothing => {
                    self.earlier.remember(segment.from, segment.payload);
                    return self.give_up_after(cx.max_payloads);
                }
            }
        }
        let input = Input {
            bytes: segment.payload,
            from: segment.from,
            carrier: segment.carrier,
            now_ns: segment.now_ns,
            after_gap: false,
        };
        let progress = self.read(slot, input, cx);
        match progress.then {
            Then::More | Then::Skip(_) => Outcome::Continue,
            Then::DirectionDone => self.direction_done(segment.from),
            Then::Done => Outcome::Settled,
            Then::NotMine => self.take_back(slot, cx),
            Then::Upgrade => self.stop_parser(cx),
        }
    }

    fn ask_datagram(&self, slot: &Slot, segment: Segment<'_>, cx: &mut Workspace<'_>) -> Opinion {
        let earlier = self.earlier.views();
        let probe = Probe { earlier: &earlier, ..self.probe(slot, segment.payload, segment) };
        let packet = slot.packet_number();
        let named = cx.plan.by_payload_identifier(segment.ppid).filter(|named| *named != self.excluded);
        let opinion = match named.and_then(|named| confirm(&probe, named, packet)) {
            Some(class) => Opinion::Is(class),
            None => cx.opinion(&probe, self.excluded, packet),
        };
        self.or_announced(opinion, slot, &probe, cx)
    }

    /// Takes bytes that are next in their stream.
    fn deliver(
        &mut self,
        slot: &mut Slot,
        bytes: &[u8],
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        let stream = self.stream(segment.from);
        let skipped = usize::try_from(stream.skip).unwrap_or(usize::MAX).min(bytes.len());
        stream.skip -= skipped as u64;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        if bytes.is_empty() || stream.is_done {
            return Outcome::Continue;
        }
        self.first_speaker.get_or_insert(segment.from);
        if self.parser.is_none() {
            return self.undecided(slot, bytes, segment, cx);
        }
        self.feed(slot, bytes, segment, cx)
    }

    /// Asks about the bytes of a stream that nobody knows yet; undecided ones are held and asked about again.
    fn undecided(
        &mut self,
        slot: &mut Slot,
        bytes: &[u8],
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        let mut held = core::mem::take(&mut self.stream(segment.from).carry);
        if held.is_empty() {
            if let Opinion::Is(class) = self.ask(slot, bytes, segment, cx) {
                return match self.decide(slot, class, cx) {
                    Outcome::Settled => Outcome::Settled,
                    Outcome::Continue => self.read_first(slot, bytes, segment, cx),
                };
            }
            let kept = bytes.len() <= UNDECIDED_BYTES && cx.buffers.append(&mut held, bytes).is_ok();
            self.stream(segment.from).carry = held;
            return if kept { self.give_up_on_stream(segment, cx.max_payloads) } else { Outcome::Settled };
        }
        let fits = held.len() + bytes.len() <= UNDECIDED_BYTES;
        let kept = fits && cx.buffers.append(&mut held, bytes).is_ok();
        let opinion = if kept { self.ask(slot, &held, segment, cx) } else { Opinion::Nothing };
        self.stream(segment.from).carry = held;
        match opinion {
            Opinion::Is(class) => match self.decide(slot, class, cx) {
                Outcome::Settled => Outcome::Settled,
                Outcome::Continue => self.read_first(slot, &[], segment, cx),
            },
            Opinion::Open | Opinion::Nothing if kept => self.give_up_on_stream(segment, cx.max_payloads),
            Opinion::Open | Opinion::Nothing => Outcome::Settled,
        }
    }

    fn ask(&mut self, slot: &Slot, payload: &[u8], segment: Segment<'_>, cx: &mut Workspace<'_>) -> Opinion {
        let other = self.stream_ref(segment.from.reversed());
        let mut earlier = EarlierPayloads::default();
        if !other.carry.is_empty() {
            earlier.remember(segment.from.reversed(), &other.carry);
        }
        let earlier = earlier.views();
        let probe = Probe { earlier: &earlier, ..self.probe(slot, payload, segment) };
        let opinion = cx.opinion(&probe, self.excluded, slot.packet_number());
        self.or_announced(opinion, slot, &probe, cx)
    }

    /// A parser was found: what each direction holds is read, the first speaker's first, `bytes` behind its own.
    fn read_first(
        &mut self,
        slot: &mut Slot,
        bytes: &[u8],
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        let first = self.first_speaker.unwrap_or(segment.from);
        for from in [first, first.reversed()] {
            let fresh = if from == segment.from { bytes } else { &[] };
            if fresh.is_empty() && self.stream_ref(from).carry.is_empty() {
                continue;
            }
            let segment = Segment { from, ..segment };
            let outcome = if self.parser.is_some() {
                self.stream(from).worth_reading = 0;
                self.feed(slot, fresh, segment, cx)
            } else {
                self.undecided(slot, fresh, segment, cx)
            };
            if outcome == Outcome::Settled {
                return Outcome::Settled;
            }
        }
        Outcome::Continue
    }

    /// Shows bytes to the parser, behind those it has not consumed.
    fn feed(
        &mut self,
        slot: &mut Slot,
        bytes: &[u8],
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        let stream = self.stream(segment.from);
        let mut held = core::mem::take(&mut stream.carry);
        if held.is_empty() {
            let (left, outcome) = self.show(slot, bytes, segment, cx);
            if outcome == Outcome::Continue {
                let left = left.min(bytes.len());
                let rest = bytes.get(bytes.len() - left..).unwrap_or_default();
                self.hold(&mut held, rest, segment, cx);
            }
            self.stream(segment.from).carry = held;
            return self.after_feeding(slot, outcome, segment, cx);
        }
        if !bytes.is_empty() {
            self.hold(&mut held, bytes, segment, cx);
        }
        let stream = self.stream(segment.from);
        if held.len() < stream.worth_reading && !is_pushed(&segment) {
            stream.carry = held;
            return Outcome::Continue;
        }
        let before = held.len();
        let (left, outcome) = self.show(slot, &held, segment, cx);
        cx.buffers.consume(&mut held, before - left.min(before));
        let stream = self.stream(segment.from);
        // Long messages in tiny segments are not read anew at each.
        stream.worth_reading = if left > 2048 { left + left / 4 } else { 0 };
        stream.carry = held;
        self.after_feeding(slot, outcome, segment, cx)
    }

    /// Bytes that were held when the verdict changed are classified again.
    fn after_feeding(
        &mut self,
        slot: &mut Slot,
        outcome: Outcome,
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> Outcome {
        if outcome == Outcome::Settled || self.parser.is_some() {
            return outcome;
        }
        if self.stream_ref(segment.from).carry.is_empty() {
            return Outcome::Continue;
        }
        let held = core::mem::take(&mut self.stream(segment.from).carry);
        let opinion = self.ask(slot, &held, segment, cx);
        self.stream(segment.from).carry = held;
        match opinion {
            Opinion::Is(_) if self.verdicts >= MOST_VERDICTS => Outcome::Settled,
            Opinion::Is(class) => match self.decide(slot, class, cx) {
                Outcome::Settled => Outcome::Settled,
                Outcome::Continue => self.read_first(slot, &[], segment, cx),
            },
            Opinion::Open | Opinion::Nothing => self.give_up_on_stream(segment, cx.max_payloads),
        }
    }

    /// Lets the parser read until it wants more bytes than there are; gives how many at the end are left unread.
    fn show(
        &mut self,
        slot: &mut Slot,
        bytes: &[u8],
        segment: Segment<'_>,
        cx: &mut Workspace<'_>,
    ) -> (usize, Outcome) {
        let mut rest = bytes;
        loop {
            let after_gap = self.stream(segment.from).take_gap();
            if after_gap {
                slot.marks.set(Marks::GAPS);
            }
            let input = Input {
                bytes: rest,
                from: segment.from,
                carrier: segment.carrier,
                now_ns: segment.now_ns,
                after_gap,
            };
            let progress = self.read(slot, input, cx);
            rest = rest.get(progress.consumed..).unwrap_or_default();
            match progress.then {
                Then::More => return (rest.len(), Outcome::Continue),
                Then::Skip(count) => {
                    let here = usize::try_from(count).unwrap_or(usize::MAX).min(rest.len());
                    rest = rest.get(here..).unwrap_or_default();
                    self.stream(segment.from).skip = count - here as u64;
                    if rest.is_empty() {
                        return (0, Outcome::Continue);
                    }
                    if progress.consumed == 0 && here == 0 {
                        // It asks for nothing and reads nothing: what is left waits for more.
                        return (rest.len(), Outcome::Continue);
                    }
                }
                Then::DirectionDone => return (0, self.direction_done(segment.from)),
                Then::Done => return (0, Outcome::Settled),
                Then::NotMine => return (rest.len(), self.take_back(slot, cx)),
                Then::Upgrade => return (rest.len(), self.stop_parser(cx)),
            }
        }
    }

    fn read(&mut self, slot: &mut Slot, input: Input<'_>, cx: &mut Workspace<'_>) -> Progress {
        let Some(running) = &mut self.parser else { return Progress::done() };
        let (protocol, from, shown, after_gap) = (running.id, input.from, input.bytes.len(), input.after_gap);
        cx.counters.add(Counter::InspectedBytes, input.bytes.len() as u64);
        let first = cx.batch.records().len();
        let mut output = Output::new(cx.batch, cx.identity, input.now_ns);
        let progress = running.parser.read(input, &mut output);
        let notes = output.notes();
        for expected in output.take_expected() {
            cx.expectations.add(expected, slot.key.scope(), cx.identity.id, input.now_ns);
        }
        cx.tell(Step::Read { protocol, from, shown, after_gap, progress });
        apply(slot, notes, first, cx);
        progress
    }

    /// Keeps unread bytes; where they cannot be kept the parser is told of a gap.
    fn hold(&mut self, held: &mut Vec<u8>, bytes: &[u8], segment: Segment<'_>, cx: &mut Workspace<'_>) {
        if bytes.is_empty() {
            return;
        }
        let fits = held.len() + bytes.len() <= CARRY_BYTES.max(bytes.len());
        if !fits || cx.buffers.append(held, bytes).is_err() {
            cx.counters.add(Counter::StreamLimit, 1);
            cx.buffers.release(core::mem::take(held));
            self.stream(segment.from).mark_gap();
        }
    }

    /// Takes a verdict; with a parser the inspection goes on.
    fn decide(&mut self, slot: &mut Slot, class: Classification, cx: &mut Workspace<'_>) -> Outcome {
        if self.verdicts == 0 {
            cx.counters.add(Counter::FlowsClassified, 1);
        }
        self.verdicts = self.verdicts.saturating_add(1);
        let (service, basis) = (slot.class.service, slot.class.evidence.service);
        slot.class = Classification { service, ..class };
        slot.class.evidence.service = basis;
        cx.tell(Step::Decided(slot.class));
        if class.tier == Tier::Signature
            && service == ServiceId::default()
            && let Some(service) = cx.plan.service_of_signature(class.evidence.signature)
        {
            let basis = ServiceBasis::Signature;
            slot.class.service = service;
            slot.class.evidence.service = basis;
            cx.tell(Step::Service { service, basis });
        }
        match cx.parsers.take(class.protocol) {
            Some(mut parser) => {
                if let Some(announced) = &self.announced
                    && cx.plan.protocol_id(announced.expected.protocol) == Some(class.protocol)
                {
                    parser.expected(&announced.expected, announced.parent);
                }
                self.parser = Some(Running { id: class.protocol, parser });
                Outcome::Continue
            }
            None => Outcome::Settled,
        }
    }

    fn take_back(&mut self, slot: &mut Slot, cx: &mut Workspace<'_>) -> Outcome {
        if let Some(Running { id, parser }) = self.parser.take() {
            self.excluded = id;
            cx.parsers.give(id, parser);
            cx.tell(Step::TakenBack { protocol: id });
        }
        // What the number of the carrier says stays true (SCTP).
        slot.class = match cx.plan.by_ip_protocol(slot.key.protocol()) {
            ProtocolId::UNKNOWN => Classification::default(),
            carrier => certain(carrier, slot),
        };
        if self.verdicts >= MOST_VERDICTS { Outcome::Settled } else { Outcome::Continue }
    }

    fn stop_parser(&mut self, cx: &mut Workspace<'_>) -> Outcome {
        if let Some(Running { id, parser }) = self.parser.take() {
            cx.parsers.give(id, parser);
            cx.tell(Step::Upgraded { protocol: id });
        }
        self.payloads = 0;
        if self.verdicts >= MOST_VERDICTS { Outcome::Settled } else { Outcome::Continue }
    }

    fn direction_done(&mut self, from: Direction) -> Outcome {
        self.stream(from).is_done = true;
        if self.stream_ref(from.reversed()).is_done { Outcome::Settled } else { Outcome::Continue }
    }

    /// A packet of an association without user messages: of those many come, but not only those.
    pub(super) const fn give_up_on_silence(&mut self) -> Outcome {
        self.short_payloads = self.short_payloads.saturating_add(1);
        if self.short_payloads == u8::MAX { Outcome::Settled } else { Outcome::Continue }
    }

    const fn give_up_after(&mut self, max_payloads: u8) -> Outcome {
        self.payloads = self.payloads.saturating_add(1);
        if self.payloads >= max_payloads { Outcome::Settled } else { Outcome::Continue }
    }

    /// Short pieces of a stream's start decide nothing, nor do pieces of a message that goes on (RFC 9293, 3.9.1.2: the
    /// last is pushed): they are counted against a limit of their own.
    fn give_up_on_stream(&mut self, segment: Segment<'_>, max_payloads: u8) -> Outcome {
        if self.stream_ref(segment.from).carry.len() >= TELLING_BYTES && is_pushed(&segment) {
            return self.give_up_after(max_payloads);
        }
        self.short_payloads = self.short_payloads.saturating_add(1);
        if self.short_payloads == u8::MAX { Outcome::Settled } else { Outcome::Continue }
    }

    fn probe<'a>(&self, slot: &Slot, payload: &'a [u8], segment: Segment<'a>) -> Probe<'a> {
        let sender = segment.headers.sender;
        Probe {
            payload,
            wire_len: u32::try_from(payload.len()).unwrap_or(u32::MAX).saturating_add(segment.missing),
            from: segment.from,
            carrier: segment.carrier,
            source_port: slot.key.port(sender),
            destination_port: slot.key.port(sender.opposite()),
            destination: slot.key.ip(sender.opposite()),
            earlier: &[],
            midstream: slot.marks.has(Marks::MIDSTREAM),
        }
    }

    const fn stream(&mut self, from: Direction) -> &mut Stream {
        let [to_server, to_client] = &mut self.streams;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    const fn stream_ref(&self, from: Direction) -> &Stream {
        let [to_server, to_client] = &self.streams;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }
}

/// Whether the bytes of a protocol can be told from others.
fn has_probe(protocol: ProtocolId) -> bool {
    static_number(protocol).and_then(|number| protocols::ALL.get(number)?.probe).is_some()
}

/// The verdict on a flow that was announced.
fn certain(protocol: ProtocolId, slot: &Slot) -> Classification {
    let evidence = Evidence { packet: slot.packet_number(), ..Evidence::default() };
    Classification { protocol, confidence: 98, tier: Tier::Parser, evidence, ..Classification::default() }
}

/// Whether a segment is the last of what its sender wrote.
const fn is_pushed(segment: &Segment<'_>) -> bool {
    let ends = wire::TcpFlags(wire::TcpFlags::PSH.0 | wire::TcpFlags::FIN.0);
    segment.headers.tcp.flags.intersects(ends)
}

/// Whether a segment's payload may be the padding of an Ethernet frame, which some senders count into the IP length:
/// zeros that fill the packet up to the least payload of a frame (IEEE 802.3, 3.2.7: 46 bytes, 42 with a tag), and
/// nothing that data has.
fn is_maybe_padding(segment: &Segment<'_>) -> bool {
    let headers = segment.headers;
    let len =
        headers.payload_offset.wrapping_sub(headers.network_offset).wrapping_add(headers.payload_wire_len);
    let data = wire::TcpFlags::PSH.0 | wire::TcpFlags::FIN.0 | wire::TcpFlags::URG.0;
    segment.payload.len() <= 6
        && headers.key.kind() == wire::KeyKind::Ipv4
        && matches!(len, 42 | 46)
        && !headers.tcp.flags.intersects(wire::TcpFlags(data))
        && segment.payload.iter().all(|byte| *byte == 0)
}

/// Which way packets of `side` go.
pub(crate) fn direction_of(slot: &Slot, side: Side) -> Direction {
    if slot.client() == side { Direction::ToServer } else { Direction::ToClient }
}

/// Takes what a parser said, and what the events from number `first` on tell.
fn apply(slot: &mut Slot, notes: Notes, first: usize, cx: &mut Workspace<'_>) {
    if let Some((name, confidence)) = notes.refined
        && let Some(protocol) = cx.plan.protocol_id(name)
    {
        slot.class.protocol = protocol;
        slot.class.confidence = confidence;
        slot.class.tier = Tier::Parser;
        cx.tell(Step::Refined { protocol, confidence });
    }
    let before = slot.class.service;
    if let Some(service) = notes.service.and_then(|name| cx.plan.service_id(name)) {
        slot.class.service = service;
        slot.class.evidence.service = ServiceBasis::Parser;
    } else if slot.class.service == ServiceId::default()
        && let Some((service, basis)) = cx.plan.service_of_events(cx.batch, first)
    {
        slot.class.service = service;
        slot.class.evidence.service = basis;
    }
    if slot.class.service != before {
        cx.tell(Step::Service { service: slot.class.service, basis: slot.class.evidence.service });
    }
}
