//! Settled flows whose packets need not come here any more.
//!
//! Once nothing of a flow is of interest but its counters, whoever moves the packets can count them where they come in
//! (an XDP program, a rule in the card): the flow is *shunted*. The engine chooses the flows that are worth it, those
//! that go on long after they were settled, and takes the counts back when the flow ends, so that its record is what it
//! would have been. Nothing of this is on the way of a packet: candidates are looked at by [`offer`](Shunting::offer),
//! which the worker calls now and then.

use core::fmt::Debug;

use wire::{FlowKey, KeyKind};

use crate::Verdict;
use crate::counters::{Counter, Counters};
use crate::flow::Flows;
use crate::flow::slot::{Marks, NONE, Phase, Slot, SlotIndex};

/// Counts packets of flows where they come in; called on the thread of the engine, never for a packet.
pub trait Shunt: Debug + Send {
    /// Whether flows are shunted at all: those that are settled while they are not are never asked for.
    fn is_on(&self) -> bool {
        true
    }

    /// Counts the packets of a flow from now on, and does with them what `verdict` says on the ports where they come
    /// in. `interface` is where the first came in.
    fn begin(&mut self, flow: &FlowKey, interface: u16, verdict: Verdict) -> ShuntAnswer;

    /// What was counted of a flow so far.
    fn counted(&mut self, flow: &FlowKey) -> Shunted;

    /// Lets the packets of a flow come here again; what was counted.
    fn end(&mut self, flow: &FlowKey) -> Shunted;
}

/// What became of a wish to shunt a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShuntAnswer {
    /// It is shunted.
    Begun,
    /// There is no room now.
    Full,
    /// Flows like this one never are.
    Unsupported,
}

/// What was counted of a flow elsewhere. Pairs are of the lower and the upper side of its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shunted {
    /// Packets of each side.
    pub packets: [u64; 2],
    /// Bytes of them on the wire.
    pub bytes: [u64; 2],
    /// TCP control bits of each side.
    pub tcp_flags: [u8; 2],
    /// Nanoseconds since the last packet, none where there was none.
    pub silent_ns: Option<u64>,
}

/// Which flows are shunted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuntLimits {
    /// Packets after it was settled from which on a flow is worth it.
    pub after_packets: u32,
    /// Flows that are shunted at once.
    pub most: usize,
    /// Flows that begin to be shunted in a second.
    pub per_second: u32,
}

impl Default for ShuntLimits {
    fn default() -> Self {
        Self { after_packets: 32, most: 65_536, per_second: 10_000 }
    }
}

/// Settled flows that may become worth it; the oldest gives way.
const CANDIDATES: usize = 4096;
/// Candidates looked at in one call.
const LOOKS: usize = 64;
const SECOND_NS: u64 = 1_000_000_000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// The shunted flows of one engine, and those that may become so.
#[derive(Debug)]
pub(crate) struct Shunting {
    port: Box<dyn Shunt>,
    limits: ShuntLimits,
    candidates: Vec<Candidate>,
    /// The next candidate to be looked at, and the next to give way.
    look: usize,
    replace: usize,
    /// A bit for each slot whose flow is shunted.
    shunted: Box<[u64]>,
    active: usize,
    /// Start of the second that `begun` is counted in.
    second_ns: u64,
    begun: u32,
}

/// A settled flow, as it was then.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    index: SlotIndex,
    start_ns: u64,
    packets: u64,
}

/// What becomes of a candidate that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    Keep,
    Forget,
    Shunt,
}

impl Shunting {
    pub(crate) fn new(port: Box<dyn Shunt>, limits: ShuntLimits, slots: usize) -> Self {
        Self {
            port,
            limits,
            candidates: Vec::with_capacity(CANDIDATES),
            look: 0,
            replace: 0,
            shunted: vec![0; slots.div_ceil(64)].into_boxed_slice(),
            active: 0,
            second_ns: 0,
            begun: 0,
        }
    }

    /// Other limits from now on; what is shunted stays so.
    pub(crate) const fn set_limits(&mut self, limits: ShuntLimits) {
        self.limits = limits;
    }

    /// Remembers a flow that has just been settled.
    pub(crate) fn note(&mut self, index: SlotIndex, slot: &Slot) {
        if !self.port.is_on() {
            return;
        }
        let is_plain = slot.tunnel == 0 && !matches!(slot.key.kind(), KeyKind::Ethernet);
        if !is_plain || !matches!(slot.key.protocol(), TCP | UDP) {
            return;
        }
        let candidate = Candidate { index, start_ns: slot.start_ns, packets: packets_of(slot) };
        if self.candidates.len() < CANDIDATES {
            self.candidates.push(candidate);
            return;
        }
        if let Some(place) = self.candidates.get_mut(self.replace) {
            *place = candidate;
        }
        self.replace = (self.replace + 1) % CANDIDATES;
    }

    /// Shunts the candidates that have proven to be worth it, of those that are looked at this time.
    pub(crate) fn offer(&mut self, flows: &Flows, counters: &Counters, now_ns: u64) {
        if !self.port.is_on() {
            self.candidates.clear();
            return;
        }
        if now_ns.saturating_sub(self.second_ns) >= SECOND_NS {
            (self.second_ns, self.begun) = (now_ns, 0);
        }
        for _ in 0..LOOKS.min(self.candidates.len()) {
            if self.look >= self.candidates.len() {
                self.look = 0;
            }
            let Some(&candidate) = self.candidates.get(self.look) else { return };
            let looked = match flows.slot(candidate.index) {
                Some(slot) => match self.looked(&candidate, slot) {
                    Looked::Shunt => self.begin(candidate.index, slot, counters),
                    other => other,
                },
                None => Looked::Forget,
            };
            if looked == Looked::Keep {
                self.look += 1;
            } else {
                self.candidates.swap_remove(self.look);
            }
        }
    }

    fn looked(&self, candidate: &Candidate, slot: &Slot) -> Looked {
        let is_same = slot.marks.has(Marks::LIVE) && slot.start_ns == candidate.start_ns;
        if !is_same || slot.phase == Phase::Closed || self.has(candidate.index) {
            return Looked::Forget;
        }
        let since = packets_of(slot).saturating_sub(candidate.packets);
        if since < u64::from(self.limits.after_packets) { Looked::Keep } else { Looked::Shunt }
    }

    fn begin(&mut self, index: SlotIndex, slot: &Slot, counters: &Counters) -> Looked {
        if self.active >= self.limits.most || self.begun >= self.limits.per_second {
            counters.add(Counter::ShuntsRefused, 1);
            return Looked::Keep;
        }
        match self.port.begin(&slot.key, slot.interface, Verdict::Forward) {
            ShuntAnswer::Begun => {
                self.mark(index, true);
                self.active += 1;
                self.begun += 1;
                counters.add(Counter::ShuntsBegun, 1);
                counters.add(Counter::ShuntsActive, 1);
                Looked::Shunt
            }
            ShuntAnswer::Full => {
                counters.add(Counter::ShuntsRefused, 1);
                Looked::Keep
            }
            ShuntAnswer::Unsupported => {
                counters.add(Counter::ShuntsUnsupported, 1);
                Looked::Forget
            }
        }
    }

    /// When a flow was last heard elsewhere, if it is shunted.
    pub(crate) fn heard(&mut self, index: SlotIndex, slot: &Slot, now_ns: u64) -> Option<u64> {
        if !self.has(index) {
            return None;
        }
        Some(now_ns.saturating_sub(self.port.counted(&slot.key).silent_ns?))
    }

    /// Takes the packets of a flow back that ends, and what was counted of them into its slot.
    pub(crate) fn end(&mut self, index: SlotIndex, slot: &mut Slot, counters: &Counters, now_ns: u64) {
        if !self.has(index) {
            return;
        }
        self.mark(index, false);
        self.active = self.active.saturating_sub(1);
        let counted = self.port.end(&slot.key);
        slot.credit(&counted, now_ns);
        counters.lower(Counter::ShuntsActive, 1);
        counters.add(Counter::ShuntPackets, counted.packets.iter().sum());
        counters.add(Counter::ShuntBytes, counted.bytes.iter().sum());
    }

    fn has(&self, index: SlotIndex) -> bool {
        let word = self.shunted.get(index as usize / 64).copied().unwrap_or(0);
        index != NONE && word >> (index % 64) & 1 == 1
    }

    fn mark(&mut self, index: SlotIndex, is_shunted: bool) {
        if let Some(word) = self.shunted.get_mut(index as usize / 64) {
            let bit = 1 << (index % 64);
            *word = if is_shunted { *word | bit } else { *word & !bit };
        }
    }
}

fn packets_of(slot: &Slot) -> u64 {
    slot.packets(wire::Side::Lower) + slot.packets(wire::Side::Upper)
}
