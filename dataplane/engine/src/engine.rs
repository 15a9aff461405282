mod live;
mod walk;

pub use live::{OpenFlow, Replacement};
pub use walk::{Membership, StepCycles, Walk};

use mem_sys::OutOfMemory;
use wire::{Checksums, FlowKey, Headers, KeyKind, Malformed, ParseOptions, Side};

use crate::config::{EngineConfig, Guesses, Inspection as Inspect, Share};
use crate::counters::{Counter, Counters};
use crate::defrag::Defragmenter;
use crate::detectors::signatures::{Scanner, ScannerError};
use crate::filter::FlowView;
use crate::flow::slot::{Marks, NONE, Phase, Slot, SlotIndex};
use crate::flow::{Flows, Touch};
use crate::frame::{Frame, Verdict};
use crate::inspect::{Expectations, Inspections, Outcome, ParserPool, Segment, Workspace, direction_of};
use crate::plan::Plan;
use crate::policy::{Deciding, Policy};
use crate::protocols::Carrier;
use crate::record::{Body, Direction, EndReason, FlowIdentity, FlowState, FlowSummary, RecordBatch};
use crate::shunting::{Shunt, ShuntLimits, Shunting};
use crate::stream::Buffers;
use crate::trace::{Step, Trace};
use crate::{Classification, CryptoClass, Evidence, ProtocolId, ServiceBasis, ServiceId, Tier};
use std::sync::Arc;

/// Frames that [`Engine::process`] takes at once.
pub const MAX_BURST: usize = 64;
/// Frames that one step takes before the next step follows on them. Steps of neighbouring groups take turns, so that
/// what one group asks of memory comes while others are worked on; too small, and it does not come in time.
const GROUP: usize = 16;
/// How many frames ahead of the one that is parsed the start of a frame is asked for.
const AHEAD: usize = 16;
/// Steps that a group goes through in [`Engine::process`].
const STEPS: usize = 4;
/// Flows ended by silence in one call, so that a wave of them does not hold up packets.
const ENDS_PER_BURST: usize = 256;
/// Flows looked at for it in one call: those that began together come due together, though most were heard since.
const LOOKS_PER_BURST: usize = 512;

/// IANA protocol numbers that carry payloads worth looking at.
const TCP: u8 = 6;
const UDP: u8 = 17;
const UDP_LITE: u8 = 136;
const SCTP: u8 = 132;

/// One worker's packet engine.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    /// How frames are read whose checksums the port's hardware has summed.
    trusting: ParseOptions,
    plan: Arc<Plan>,
    counters: Arc<Counters>,
    flows: Flows,
    inspections: Inspections,
    parsers: ParserPool,
    scanner: Scanner,
    expectations: Expectations,
    buffers: Buffers,
    defrag: Defragmenter,
    /// The latest time seen: capture timestamps may run backwards, timeouts may not.
    now_ns: u64,
    /// Flows whose time is up that end in one burst, at most.
    ends_per_burst: usize,
    /// Who wants to know how verdicts come about.
    trace: Option<Box<dyn Trace>>,
    /// Who counts packets of settled flows elsewhere, and of which.
    shunting: Option<Box<Shunting>>,
    /// What becomes of packets, where not all go on.
    deciding: Option<Box<Deciding>>,
    /// Headers and hashes of the burst in hand.
    scratch: Option<Box<[Parsed; MAX_BURST]>>,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No memory for the flow table.
    #[error("no memory for the flow table: {0}; take a smaller one")]
    FlowTable(#[from] OutOfMemory),
    /// No memory to scan with signatures.
    #[error(transparent)]
    Scanner(#[from] ScannerError),
}

#[derive(Clone, Copy, Debug)]
struct Parsed {
    headers: Headers,
    hash: u64,
    candidate: SlotIndex,
    fate: Fate,
}

/// What came of reading a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Its flow is known.
    Read,
    /// It could not be read.
    Malformed(Malformed),
    /// Its flow is another engine's.
    Elsewhere,
}

impl Parsed {
    fn new() -> Self {
        Self { headers: Headers::default(), hash: 0, candidate: NONE, fate: Fate::Elsewhere }
    }
}

/// A packet on its way through the engine.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    headers: &'a Headers,
    bytes: &'a [u8],
    wire_len: u32,
    timestamp_ns: u64,
    interface: u16,
}

impl Engine {
    /// An engine with all its memory reserved.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn new(config: EngineConfig, plan: Arc<Plan>, counters: Arc<Counters>) -> Result<Self, EngineError> {
        Ok(Self {
            flows: Flows::new(&config)?,
            inspections: Inspections::new(config.stream.inspections),
            parsers: ParserPool::new(),
            scanner: Scanner::new(plan.signatures())?,
            expectations: Expectations::default(),
            buffers: Buffers::new(config.stream.total_bytes),
            defrag: Defragmenter::new(config.defrag),
            now_ns: 0,
            ends_per_burst: ENDS_PER_BURST,
            trace: None,
            shunting: None,
            deciding: None,
            scratch: Some(Box::new(core::array::from_fn(|_| Parsed::new()))),
            trusting: ParseOptions { checksums: Checksums::Ignore, ..config.parse },
            config,
            plan,
            counters,
        })
    }

    /// Tells every step of every flow to `trace` from now on, or to nobody.
    pub fn set_trace(&mut self, trace: Option<Box<dyn Trace>>) {
        self.trace = trace;
    }

    /// Has settled flows shunted by `port` from now on. Where checksums are enforced none is: nobody would sum them.
    pub fn set_shunt(&mut self, port: Box<dyn Shunt>, limits: ShuntLimits) {
        self.shunting = Some(Box::new(Shunting::new(port, limits, self.flows.table().capacity())));
    }

    /// Other limits for those that are shunted from now on.
    pub fn set_shunt_limits(&mut self, limits: ShuntLimits) {
        if let Some(shunting) = &mut self.shunting {
            shunting.set_limits(limits);
        }
    }

    /// Decides by this policy from now on; without one every packet that can be read goes on.
    pub fn set_policy(&mut self, policy: Option<Arc<Policy>>) {
        let capacity = self.flows.table().indices().end as usize;
        self.deciding = policy.map(|policy| Box::new(Deciding::new(policy, capacity)));
    }

    /// Whether some packets may not go on as they are.
    #[must_use]
    pub const fn has_policy(&self) -> bool {
        self.deciding.is_some()
    }

    /// Shunts settled flows that go on; to be called about every millisecond.
    pub fn offer_settled(&mut self) {
        if let Some(shunting) = &mut self.shunting
            && self.config.parse.checksums == Checksums::Ignore
        {
            shunting.offer(&self.flows, &self.counters, self.now_ns);
        }
    }

    /// What this engine counts.
    #[must_use]
    pub const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The names of the numbers in its records.
    #[must_use]
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Takes up to [`MAX_BURST`] frames, in the order they came, and gives a verdict for each. Records go to `batch`.
    ///
    /// Frames beyond the limit, and verdicts beyond the length of `verdicts`, are not looked at.
    pub fn process(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict], batch: &mut RecordBatch) {
        let Some(mut scratch) = self.scratch.take() else { return };
        let burst = scratch.get_mut(..frames.len().min(MAX_BURST)).unwrap_or_default();
        frames.iter().take(AHEAD).for_each(|frame| mem_sys::prefetch_head(frame.bytes));
        // In each turn a new group is parsed, and those before it go one step further.
        for turn in 0..burst.len().div_ceil(GROUP) + STEPS - 1 {
            let [first, second, third, fourth]: [usize; STEPS] =
                core::array::from_fn(|step| turn.wrapping_sub(step));
            self.look_further(group_mut(burst, third));
            self.look_up(group_mut(burst, second));
            self.parse(frames.get(first * GROUP..).unwrap_or_default(), group_mut(burst, first));
            self.account_all(group(frames, fourth), group(burst, fourth), group_mut(verdicts, fourth), batch);
        }
        self.scratch = Some(scratch);
        self.end_due(self.ends_per_burst, batch);
    }

    /// Moves the clock on without packets, so that silent flows end.
    pub fn tick(&mut self, now_ns: u64, batch: &mut RecordBatch) {
        self.now_ns = self.now_ns.max(now_ns);
        self.end_due(self.ends_per_burst, batch);
    }

    /// Has flows whose time is up wait until they are let go again, for whoever takes the records has no room. They end all
    /// the same where the table is full or their addresses are taken up again, and one that is heard goes on.
    pub fn hold_ends(&mut self, hold: bool) {
        self.ends_per_burst = if hold { 0 } else { ENDS_PER_BURST };
    }

    /// Ends flows because the program ends, until `batch` is full; true when none is left.
    pub fn shut_down(&mut self, batch: &mut RecordBatch) -> bool {
        self.defrag.expire(u64::MAX, &self.counters);
        while let Some(index) = self.flows.next_live() {
            if batch.is_full() {
                return false;
            }
            self.end(index, EndReason::Shutdown, batch);
        }
        true
    }

    /// Step "parse": headers, keys and hashes of the group that `frames` start with; asks for the buckets.
    #[inline]
    fn parse(&mut self, frames: &[Frame<'_>], group: &mut [Parsed]) {
        let (mut packets, mut bytes) = (0, 0);
        for (at, (frame, parsed)) in frames.iter().zip(group).enumerate() {
            if let Some(later) = frames.get(at + AHEAD) {
                mem_sys::prefetch_head(later.bytes);
            }
            self.now_ns = self.now_ns.max(frame.timestamp_ns);
            let options = if frame.checksums_good { &self.trusting } else { &self.config.parse };
            let read = match frame.link {
                Some(link) => parsed.headers.parse(frame.bytes, frame.wire_len, link, options),
                None => Err(Malformed::Unsupported),
            };
            parsed.fate = self.config.share.fate(read, &parsed.headers);
            if parsed.fate == Fate::Elsewhere {
                continue;
            }
            packets += 1;
            bytes += u64::from(frame.wire_len);
            if parsed.fate == Fate::Read {
                parsed.hash = self.flows.table().hash(&parsed.headers.key);
                self.flows.table().prefetch_bucket(parsed.hash);
            }
        }
        self.counters.add(Counter::Received, packets);
        self.counters.add(Counter::ReceivedBytes, bytes);
    }

    /// Step "look up": the likely slots of a group; asks for their cache lines, or for the second buckets.
    #[inline]
    fn look_up(&self, group: &mut [Parsed]) {
        for parsed in group.iter_mut().filter(|parsed| parsed.fate == Fate::Read) {
            parsed.candidate = self.flows.table().prefetch_candidate(parsed.hash);
        }
    }

    /// The same, in the second buckets of those that were not in their first; asks for what is known of the others.
    #[inline]
    fn look_further(&self, group: &mut [Parsed]) {
        for parsed in group.iter_mut().filter(|parsed| parsed.fate == Fate::Read) {
            if parsed.candidate == NONE {
                parsed.candidate = self.flows.table().prefetch_second_candidate(parsed.hash);
            } else if let Some(slot) = self.flows.slot(parsed.candidate) {
                self.inspections.prefetch(slot);
            }
        }
    }

    #[inline]
    fn account_all(
        &mut self,
        frames: &[Frame<'_>],
        group: &[Parsed],
        verdicts: &mut [Verdict],
        batch: &mut RecordBatch,
    ) {
        for ((frame, parsed), verdict) in frames.iter().zip(group).zip(verdicts) {
            *verdict = self.account(frame, parsed, batch);
        }
    }

    /// Steps "count", "inspect" and "decide" of one packet.
    #[inline]
    fn account(&mut self, frame: &Frame<'_>, parsed: &Parsed, batch: &mut RecordBatch) -> Verdict {
        match parsed.fate {
            Fate::Read => {}
            Fate::Elsewhere => return Verdict::Forward,
            Fate::Malformed(reason) => {
                self.counters.malformed(reason);
                return Verdict::Drop;
            }
        }
        let packet = Packet {
            headers: &parsed.headers,
            bytes: frame.bytes,
            wire_len: frame.wire_len,
            timestamp_ns: frame.timestamp_ns,
            interface: frame.interface,
        };
        if parsed.headers.fragment.is_some() {
            return self.fragment(&packet, batch);
        }
        match self.flow(&packet, parsed.hash, parsed.candidate, batch) {
            Some(index) => {
                self.flows.count(index, packet.headers, packet.wire_len, packet.timestamp_ns);
                let verdict = if self.deciding.is_none() {
                    self.inspect(index, &packet, batch);
                    Verdict::Forward
                } else {
                    self.inspect_and_decide(index, &packet, batch)
                };
                let counter = if verdict == Verdict::Drop { Counter::DropPolicy } else { Counter::Processed };
                self.counters.add(counter, 1);
                verdict
            }
            None => {
                self.counters.add(Counter::DropFlowTableFull, 1);
                Verdict::Drop
            }
        }
    }

    /// The flow of a packet, begun if need be; none when the table is full and refuses.
    #[inline]
    fn flow(
        &mut self,
        packet: &Packet<'_>,
        hash: u64,
        candidate: SlotIndex,
        batch: &mut RecordBatch,
    ) -> Option<SlotIndex> {
        match self.flows.look_up(packet.headers, hash, candidate) {
            Touch::Known(index) => Some(index),
            other => self.begin_after(other, packet, hash, batch),
        }
    }

    #[inline(never)]
    fn begin_after(
        &mut self,
        touch: Touch,
        packet: &Packet<'_>,
        hash: u64,
        batch: &mut RecordBatch,
    ) -> Option<SlotIndex> {
        if let Touch::Finished(index) = touch {
            self.end(index, EndReason::Closed, batch);
        }
        self.begin(packet, hash, batch)
    }

    #[inline]
    fn begin(&mut self, packet: &Packet<'_>, hash: u64, batch: &mut RecordBatch) -> Option<SlotIndex> {
        let flows = &mut self.flows;
        let index = match flows.begin(packet.headers, hash, packet.timestamp_ns, packet.interface) {
            Some(index) => index,
            None => self.begin_in_place_of_another(packet, hash, batch)?,
        };
        self.counters.add(Counter::FlowsCreated, 1);
        self.counters.add(Counter::FlowsActive, 1);
        if let Some(deciding) = &mut self.deciding {
            deciding.forget(index);
        }
        if packet.headers.tunnel.depth > 0 {
            self.flows.note_tunnel(index, packet.headers, packet.bytes);
        }
        let class = self.class_by_number(packet.headers);
        // What a number names is read only where there is a parser for it.
        let is_readable = match carrier_of(&packet.headers.key, packet.headers.protocol) {
            Carrier::Ip(_) | Carrier::Ethernet(_) => self.plan.has_parser(class.protocol),
            Carrier::Tcp | Carrier::Udp | Carrier::Sctp => true,
        };
        let inspected = is_readable && self.config.inspection == Inspect::Full;
        let slot = self.flows.slot_mut(index)?;
        if slot.marks.has(Marks::MIDSTREAM) {
            self.counters.add(Counter::FlowsMidstream, 1);
        }
        // What is known by its number stays what it is where payloads say nothing more (SCTP).
        slot.class = class;
        if !inspected {
            slot.marks.set(Marks::SETTLED);
            self.note_settled(index);
        }
        Some(index)
    }

    #[inline(never)]
    fn begin_in_place_of_another(
        &mut self,
        packet: &Packet<'_>,
        hash: u64,
        batch: &mut RecordBatch,
    ) -> Option<SlotIndex> {
        if self.flows.refuses() {
            return None;
        }
        // A full table may be full elsewhere than in the two buckets of this flow: then a second one has to end.
        for _ in 0..2 {
            if let Some(victim) = self.flows.in_the_way(hash, self.now_ns) {
                self.end(victim, EndReason::Evicted, batch);
            }
        }
        self.flows.begin(packet.headers, hash, packet.timestamp_ns, packet.interface)
    }

    /// What the protocol number or EtherType says by itself.
    fn class_by_number(&self, headers: &Headers) -> Classification {
        let protocol = match headers.key.kind() {
            KeyKind::Ethernet => self.plan.by_ethertype(headers.ethertype),
            _ => self.plan.by_ip_protocol(headers.protocol),
        };
        if protocol == ProtocolId::UNKNOWN {
            return Classification::default();
        }
        let evidence = Evidence { packet: 1, ..Evidence::default() };
        Classification {
            protocol,
            confidence: 100,
            tier: Tier::Parser,
            evidence,
            ..Classification::default()
        }
    }

    /// Step "inspect": the payload of a flow that is not settled.
    #[inline]
    fn inspect(&mut self, index: SlotIndex, packet: &Packet<'_>, batch: &mut RecordBatch) {
        let Some(slot) = self.flows.slot(index) else { return };
        if slot.marks.has(Marks::SETTLED) {
            return;
        }
        let is_stream = packet.headers.protocol == TCP;
        // Without payload only an inspected stream has something to learn: what the other side acknowledged.
        if packet.headers.payload_len == 0 && !(is_stream && slot.inspection().is_some()) {
            return;
        }
        self.look_into(index, packet, batch);
    }

    /// Steps "inspect" and "decide", where there is a policy.
    #[inline(never)]
    fn inspect_and_decide(
        &mut self,
        index: SlotIndex,
        packet: &Packet<'_>,
        batch: &mut RecordBatch,
    ) -> Verdict {
        let before = batch.records().len();
        self.inspect(index, packet, batch);
        let Some(deciding) = &mut self.deciding else { return Verdict::Forward };
        let Some(slot) = self.flows.slot(index) else { return Verdict::Drop };
        let is_told = batch.records().len() > before;
        if let Some(known) = deciding.known(index).filter(|_| !is_told) {
            return known;
        }
        let identity = self.flows.identity(slot);
        for record in batch.records().get(before..).unwrap_or_default() {
            let is_event = matches!(record.body, Body::Event(_)) && record.flow.id == identity.id;
            if let Some(crypto) = CryptoClass::of_event(batch, record).filter(|_| is_event) {
                deciding.note_crypto(index, crypto);
            }
        }
        // What was decided stays: an event of a flow that goes on already does not change its way.
        if let Some(known) = deciding.known(index) {
            return known;
        }
        let is_settled = slot.marks.has(Marks::SETTLED);
        let summary = is_settled.then(|| summary(slot, EndReason::Timeout));
        let is_named = is_settled || slot.class.protocol != ProtocolId::UNKNOWN;
        let view = FlowView {
            flow: &identity,
            summary: summary.as_ref(),
            class: is_named.then_some(slot.class),
            crypto: deciding.crypto(index),
        };
        deciding.decide(index, &view)
    }

    #[inline(never)]
    fn look_into(&mut self, index: SlotIndex, packet: &Packet<'_>, batch: &mut RecordBatch) {
        let carrier = carrier_of(&packet.headers.key, packet.headers.protocol);
        let Some(slot) = self.flows.slot(index) else { return };
        let identity = self.flows.identity(slot);
        let Some(slot) = self.flows.slot_mut(index) else { return };
        if slot.marks.has(Marks::MIDSTREAM) && !self.config.stream.midstream {
            slot.marks.set(Marks::SETTLED);
            return self.note_settled(index);
        }
        let Some(inspection) = self.inspections.of(slot) else {
            self.counters.add(Counter::InspectionsExhausted, 1);
            slot.marks.set(Marks::SETTLED);
            return self.note_settled(index);
        };
        let mut workspace = Workspace {
            plan: &self.plan,
            buffers: &mut self.buffers,
            parsers: &mut self.parsers,
            scanner: &mut self.scanner,
            expectations: &mut self.expectations,
            counters: &self.counters,
            batch,
            limits: &self.config.stream,
            max_payloads: self.config.max_payloads,
            identity: &identity,
            trace: self.trace.as_deref_mut(),
        };
        let segment = Segment {
            headers: packet.headers,
            payload: payload(packet),
            missing: packet.headers.payload_wire_len.saturating_sub(packet.headers.payload_len),
            ppid: 0,
            from: direction_of(slot, packet.headers.sender),
            carrier,
            now_ns: packet.timestamp_ns,
        };
        if inspection.packet(slot, segment, &mut workspace) == Outcome::Settled {
            inspection.conclude(slot, packet.timestamp_ns, &mut workspace);
            self.inspections.release(slot, &mut workspace);
            self.note_settled(index);
        }
    }

    /// A flow may be shunted once it has proven to go on.
    #[inline]
    fn note_settled(&mut self, index: SlotIndex) {
        if let (Some(shunting), Some(slot)) = (&mut self.shunting, self.flows.slot(index)) {
            shunting.note(index, slot);
        }
    }

    /// A fragment: counted with its datagram when that is whole.
    #[inline(never)]
    fn fragment(&mut self, packet: &Packet<'_>, batch: &mut RecordBatch) -> Verdict {
        let verdict = self.deciding.as_ref().map_or(Verdict::Forward, |it| it.policy().unclassified());
        if verdict == Verdict::Drop {
            // It is counted below as well, with its datagram.
            self.counters.add(Counter::DropPolicy, 1);
            self.counters.add(Counter::DroppedLater, 1);
        }
        self.defrag.expire(self.now_ns, &self.counters);
        let whole =
            self.defrag.accept(packet.headers, packet.bytes, packet.wire_len, self.now_ns, &self.counters);
        let Some(whole) = whole else { return verdict };
        let mut headers = Headers::default();
        match headers.parse_ip(whole.packet(), packet.headers, &self.config.parse) {
            Err(reason) => (0..whole.fragments).for_each(|_| self.counters.malformed(reason)),
            Ok(()) => {
                let hash = self.flows.table().hash(&headers.key);
                let rebuilt = Packet { headers: &headers, bytes: whole.packet(), ..*packet };
                // A tunnel around the fragments is in their frames, one inside the datagram is in the whole.
                let is_around = headers.tunnel.depth == packet.headers.tunnel.depth;
                let looked_up =
                    Packet { bytes: if is_around { packet.bytes } else { rebuilt.bytes }, ..rebuilt };
                match self.flow(&looked_up, hash, NONE, batch) {
                    None => self.counters.add(Counter::DropFlowTableFull, u64::from(whole.fragments)),
                    Some(index) => {
                        self.counters.add(Counter::Processed, u64::from(whole.fragments));
                        self.flows.count(index, &headers, packet.wire_len, packet.timestamp_ns);
                        let others = whole.wire_bytes.saturating_sub(u64::from(packet.wire_len));
                        if let Some(slot) = self.flows.slot_mut(index) {
                            slot.count_more(headers.sender, whole.fragments.saturating_sub(1), others);
                        }
                        self.inspect(index, &rebuilt, batch);
                    }
                }
            }
        }
        self.defrag.recycle(whole);
        verdict
    }

    /// Ends flows whose time is up, at most `most`.
    fn end_due(&mut self, most: usize, batch: &mut RecordBatch) {
        let mut looks = LOOKS_PER_BURST;
        for _ in 0..most {
            let Some(index) = self.flows.next_due(self.now_ns, &mut looks) else { return };
            if let Some((first, second)) = self.flows.prefetch_after(index) {
                self.inspections.prefetch_parser(first);
                self.inspections.prefetch(second);
            }
            if self.shunting.is_none() || !self.was_heard_elsewhere(index) {
                self.end(index, EndReason::Timeout, batch);
            }
        }
    }

    /// Whether a flow that is due is shunted and was heard where it is.
    #[cold]
    fn was_heard_elsewhere(&mut self, index: SlotIndex) -> bool {
        let (Some(shunting), Some(slot)) = (&mut self.shunting, self.flows.slot(index)) else { return false };
        let Some(heard_ns) = shunting.heard(index, slot, self.now_ns) else { return false };
        self.flows.heard(index, heard_ns);
        !self.flows.is_due(index, self.now_ns)
    }

    /// Ends a flow: its parser says its last, its record is written, its slot is free.
    fn end(&mut self, index: SlotIndex, reason: EndReason, batch: &mut RecordBatch) {
        if let (Some(shunting), Some(slot)) = (&mut self.shunting, self.flows.slot_mut(index)) {
            shunting.end(index, slot, &self.counters, self.now_ns);
        }
        let Some(slot) = self.flows.slot(index) else { return };
        let identity = self.flows.identity(slot);
        if slot.inspection().is_some() {
            self.end_inspection(index, &identity, batch);
        }
        if self.guess(index)
            && let (Some(trace), Some(slot)) = (&mut self.trace, self.flows.slot(index))
        {
            trace.step(&identity, Step::Guessed(slot.class));
        }
        let Some(slot) = self.flows.slot(index) else { return };
        let counter = match (reason, slot.phase) {
            (EndReason::Timeout, Phase::Closed) | (EndReason::Closed, _) => Counter::FlowsClosed,
            (EndReason::Timeout, _) => Counter::FlowsTimedOut,
            (EndReason::Evicted, _) => Counter::FlowsEvicted,
            (EndReason::Shutdown, _) => Counter::FlowsShutdown,
        };
        self.counters.add(counter, 1);
        self.counters.lower(Counter::FlowsActive, 1);
        batch.push_flow(slot.last_ns, identity, summary(slot, reason));
        self.flows.remove(index);
    }

    /// The last resort: names a flow after its server's port, and the service after its port or address, where both sides
    /// spoke and nothing else is known. Gives whether it did.
    fn guess(&mut self, index: SlotIndex) -> bool {
        let is_on = self.config.guesses == Guesses::On;
        let Some(slot) = self.flows.slot_mut(index).filter(|_| is_on) else { return false };
        let (client, server) = (slot.client(), slot.client().opposite());
        let is_known =
            slot.class.protocol != ProtocolId::UNKNOWN && slot.class.service != ServiceId::default();
        if is_known || slot.packets(client) == 0 || slot.packets(server) == 0 {
            return false;
        }
        let carrier = carrier_of(&slot.key, slot.key.protocol());
        if matches!(carrier, Carrier::Ip(_) | Carrier::Ethernet(_)) {
            return false;
        }
        let before = slot.class;
        let port = slot.key.port(server);
        if slot.class.protocol == ProtocolId::UNKNOWN {
            let has_spoken = self.config.inspection == Inspect::Full && slot.marks.has(Marks::SETTLED);
            if let Some(guess) = self.plan.guess(carrier, port, has_spoken) {
                slot.class.protocol = guess.protocol;
                slot.class.confidence = guess.confidence;
                slot.class.tier = Tier::Guess;
                slot.class.evidence = Evidence { offset: port, ..slot.class.evidence };
            }
        }
        if slot.class.service == ServiceId::default() {
            let guesses = self.plan.guesses();
            let of_port = || Some((guesses.service_of_port(carrier, port)?, ServiceBasis::Port));
            let of_server =
                || Some((guesses.of_server(carrier, slot.key.ip(server)?, port)?, ServiceBasis::Address));
            if let Some((service, basis)) = of_port().or_else(of_server) {
                slot.class.service = service;
                slot.class.evidence.service = basis;
            }
        }
        slot.class != before
    }

    #[cold]
    fn end_inspection(&mut self, index: SlotIndex, identity: &FlowIdentity, batch: &mut RecordBatch) {
        let Some(slot) = self.flows.slot_mut(index) else { return };
        let headers = Headers { key: slot.key, protocol: slot.key.protocol(), ..Headers::default() };
        let segment = Segment {
            headers: &headers,
            payload: &[],
            missing: 0,
            ppid: 0,
            from: Direction::ToServer,
            carrier: carrier_of(&headers.key, headers.protocol),
            now_ns: slot.last_ns,
        };
        let mut workspace = Workspace {
            plan: &self.plan,
            buffers: &mut self.buffers,
            parsers: &mut self.parsers,
            scanner: &mut self.scanner,
            expectations: &mut self.expectations,
            counters: &self.counters,
            batch,
            limits: &self.config.stream,
            max_payloads: self.config.max_payloads,
            identity,
            trace: self.trace.as_deref_mut(),
        };
        if let Some(inspection) = self.inspections.existing(slot) {
            inspection.finish(slot, segment, &mut workspace);
        }
        self.inspections.release(slot, &mut workspace);
    }
}

impl Share {
    #[inline]
    fn fate(self, read: Result<(), Malformed>, headers: &Headers) -> Fate {
        let owner = match read {
            _ if self.of <= 1 => self.index,
            Ok(()) => usize::try_from(headers.key.address_hash() % self.of as u64).unwrap_or(0),
            // What has no flow is the first engine's.
            Err(_) => 0,
        };
        match read {
            _ if owner != self.index => Fate::Elsewhere,
            Ok(()) => Fate::Read,
            Err(reason) => Fate::Malformed(reason),
        }
    }
}

fn summary(slot: &Slot, reason: EndReason) -> FlowSummary {
    let client = slot.client();
    let server = client.opposite();
    let both = slot.packets(client) > 0 && slot.packets(server) > 0;
    let is_tcp = slot.key.protocol() == TCP && slot.key.kind() != KeyKind::Ethernet;
    FlowSummary {
        packets: [slot.packets(client), slot.packets(server)],
        bytes: [slot.bytes_of(client), slot.bytes_of(server)],
        start_ns: slot.start_ns,
        end_ns: slot.last_ns,
        state: match slot.phase {
            Phase::Closed => FlowState::Closed,
            _ if both => FlowState::Established,
            _ => FlowState::New,
        },
        reason: match (reason, slot.phase) {
            (EndReason::Timeout, Phase::Closed) => EndReason::Closed,
            _ => reason,
        },
        tcp_flags: is_tcp.then(|| slot.flags_of(client)),
        midstream: slot.marks.has(Marks::MIDSTREAM),
        gaps: slot.marks.has(Marks::GAPS),
        class: slot.class,
    }
}

/// The group of `all` with this number; empty where there is none.
#[inline]
fn group<T>(all: &[T], number: usize) -> &[T] {
    let start = number.wrapping_mul(GROUP);
    all.get(start..start.wrapping_add(GROUP).min(all.len())).unwrap_or_default()
}

/// The same, to be changed.
#[inline]
fn group_mut<T>(all: &mut [T], number: usize) -> &mut [T] {
    let start = number.wrapping_mul(GROUP);
    let end = start.wrapping_add(GROUP).min(all.len());
    all.get_mut(start..end).unwrap_or_default()
}

fn payload<'a>(packet: &Packet<'a>) -> &'a [u8] {
    packet
        .bytes
        .get(packet.headers.payload_offset as usize..)
        .and_then(|rest| rest.get(..packet.headers.payload_len as usize))
        .unwrap_or_default()
}

/// What a flow rides on.
const fn carrier_of(key: &FlowKey, protocol: u8) -> Carrier {
    if matches!(key.kind(), KeyKind::Ethernet) {
        return Carrier::Ethernet(key.port(Side::Lower));
    }
    match protocol {
        TCP => Carrier::Tcp,
        UDP | UDP_LITE => Carrier::Udp,
        SCTP => Carrier::Sctp,
        other => Carrier::Ip(other),
    }
}
