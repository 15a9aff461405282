//! One packet at a time, each step timed: what `wirewarden trace` prints.

use core::slice;

use wire::{Headers, Malformed};

use super::{Engine, Fate, Packet, Parsed, summary};
use crate::counters::Counter;
use crate::flow::slot::Marks;
use crate::frame::{Frame, Verdict};
use crate::record::{EndReason, FlowIdentity, FlowSummary, RecordBatch};

/// What the steps found in one packet, and what they took.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Step "parse": its headers, or why there are none.
    pub parsed: Result<Headers, Malformed>,
    /// Step "look up": whose it is. None where it could not be read, or is another engine's.
    pub membership: Option<Membership>,
    /// Step "decide".
    pub verdict: Verdict,
    /// What the steps took.
    pub cycles: StepCycles,
}

/// Which flow a packet belongs to.
#[derive(Clone, Copy, Debug)]
pub enum Membership {
    /// It is a fragment, which waits for the others of its datagram or completed it.
    Fragment,
    /// There was no room for its flow.
    Refused,
    /// It belongs to this flow.
    Flow {
        /// Whose packets.
        identity: FlowIdentity,
        /// Whether it is the first of them.
        is_first: bool,
        /// Whether the flow was settled before: then the packet was only counted.
        was_settled: bool,
        /// The numbers of the flow with this packet, and what it carries as far as is known; the reason says nothing.
        summary: FlowSummary,
    },
}

/// Cycles of the time-stamp counter that the steps of one packet took, alone: without the others of a burst nothing
/// is asked of memory ahead of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCycles {
    /// Views, headers, hash.
    pub parse: u64,
    /// The flow, begun if need be.
    pub look_up: u64,
    /// The numbers of the flow, and its timer.
    pub count: u64,
    /// Reassembly, probes, signatures, parsers, and the events that they write.
    pub inspect: u64,
    /// Flows that ended in silence meanwhile, and their records.
    pub end: u64,
}

/// Measures one step after the other.
struct StepClock(u64);

impl StepClock {
    fn start() -> Self {
        Self(mem_sys::cycles())
    }

    /// Cycles since the last step.
    fn lap(&mut self) -> u64 {
        let now = mem_sys::cycles();
        // The counters of two cores may differ by a little.
        now.saturating_sub(core::mem::replace(&mut self.0, now))
    }
}

impl Engine {
    /// Does with one frame what [`Engine::process`] does with many, and tells what each step found and took.
    pub fn walk(&mut self, frame: &Frame<'_>, batch: &mut RecordBatch) -> Walk {
        let mut parsed = Parsed::new();
        let mut clock = StepClock::start();
        self.parse(slice::from_ref(frame), slice::from_mut(&mut parsed));
        let cycles = StepCycles { parse: clock.lap(), ..StepCycles::default() };
        let headers = match parsed.fate {
            Fate::Malformed(reason) => Err(reason),
            Fate::Read | Fate::Elsewhere => Ok(parsed.headers),
        };
        let mut walk = Walk { parsed: headers, membership: None, verdict: Verdict::Forward, cycles };
        if parsed.fate == Fate::Read && parsed.headers.fragment.is_none() {
            self.walk_flow(frame, &mut parsed, batch, &mut walk, &mut clock);
        } else {
            walk.verdict = self.account(frame, &parsed, batch);
            walk.membership = (parsed.fate == Fate::Read).then_some(Membership::Fragment);
            walk.cycles.inspect = clock.lap();
        }
        self.end_due(self.ends_per_burst, batch);
        walk.cycles.end = clock.lap();
        walk
    }

    /// The steps after "parse", for a packet of a flow.
    fn walk_flow(
        &mut self,
        frame: &Frame<'_>,
        parsed: &mut Parsed,
        batch: &mut RecordBatch,
        walk: &mut Walk,
        clock: &mut StepClock,
    ) {
        let flows_before = self.counters.value(Counter::FlowsCreated);
        self.look_up(slice::from_mut(parsed));
        self.look_further(slice::from_mut(parsed));
        let packet = Packet {
            headers: &parsed.headers,
            bytes: frame.bytes,
            wire_len: frame.wire_len,
            timestamp_ns: frame.timestamp_ns,
            interface: frame.interface,
        };
        let index = self.flow(&packet, parsed.hash, parsed.candidate, batch);
        walk.cycles.look_up = clock.lap();
        let Some(index) = index else {
            self.counters.add(Counter::DropFlowTableFull, 1);
            (walk.membership, walk.verdict) = (Some(Membership::Refused), Verdict::Drop);
            return;
        };
        let is_first = self.counters.value(Counter::FlowsCreated) > flows_before;
        let was_settled = self.flows.slot(index).is_some_and(|slot| slot.marks.has(Marks::SETTLED));
        // What only the telling needs is not measured.
        let _ = clock.lap();
        self.flows.count(index, packet.headers, packet.wire_len, packet.timestamp_ns);
        walk.cycles.count = clock.lap();
        if self.has_policy() {
            walk.verdict = self.inspect_and_decide(index, &packet, batch);
        } else {
            self.inspect(index, &packet, batch);
        }
        let counter = if walk.verdict == Verdict::Drop { Counter::DropPolicy } else { Counter::Processed };
        self.counters.add(counter, 1);
        walk.cycles.inspect = clock.lap();
        walk.membership = self.flows.slot(index).map(|slot| Membership::Flow {
            identity: self.flows.identity(slot),
            is_first,
            was_settled,
            summary: summary(slot, EndReason::Timeout),
        });
        let _ = clock.lap();
    }
}
