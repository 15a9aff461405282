//! Questions about the open flows, answered by the worker that has them, a few places of its table a round.

use core::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use api::control::FlowOrder;
use crossbeam_channel::Sender;
use engine::filter::{Filter, FlowView, Truth};
use engine::{Engine, Names, OpenFlow};

/// Places of the flow table that are looked at in one round: a fraction of what a burst takes.
const PLACES: u32 = 32;

/// A question on its way through a flow table.
pub(crate) struct Scan {
    from: u32,
    question: Question,
    /// Flows seen.
    pub(crate) open: u64,
    reply: Sender<Box<Scan>>,
}

/// What is asked of the flows.
pub(crate) enum Question {
    /// The first of them, in an order.
    First(First),
    /// What they carry.
    Tally(Tally),
}

/// The first flows in an order; all its memory is taken before the worker sees it.
pub(crate) struct First {
    filter: Option<Filter>,
    order: FlowOrder,
    limit: usize,
    /// The last of those that are kept is on top.
    kept: BinaryHeap<Reverse<Ranked>>,
    pub(crate) matched: u64,
}

/// Flows, packets and bytes by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) protocols: Vec<[u64; 3]>,
    pub(crate) services: Vec<[u64; 2]>,
}

/// A flow and its place in the order.
pub(crate) struct Ranked {
    rank: u64,
    pub(crate) flow: OpenFlow,
}

impl Scan {
    pub(crate) fn new(question: Question, reply: Sender<Box<Self>>) -> Box<Self> {
        Box::new(Self { from: 0, question, open: 0, reply })
    }

    pub(crate) fn into_question(self) -> Question {
        self.question
    }

    /// Looks at a few places more; gives the scan back unless that was the end, which is answered.
    pub(crate) fn step(mut self: Box<Self>, engine: &Engine) -> Option<Box<Self>> {
        let Self { from, question, open, .. } = &mut *self;
        let next = engine.open_flows(*from, PLACES, &mut |flow| {
            *open += 1;
            match question {
                Question::First(first) => first.see(flow),
                Question::Tally(tally) => tally.see(&flow.summary),
            }
        });
        match next {
            Some(next) => {
                self.from = next;
                Some(self)
            }
            None => {
                let reply = self.reply.clone();
                // Who asked has gone: nobody wants to know.
                let _ = reply.try_send(self);
                None
            }
        }
    }
}

impl First {
    pub(crate) fn new(filter: Option<Filter>, order: FlowOrder, limit: usize) -> Self {
        Self { filter, order, limit, kept: BinaryHeap::with_capacity(limit + 1), matched: 0 }
    }

    fn see(&mut self, flow: &OpenFlow) {
        if let Some(filter) = &self.filter {
            let (class, summary) = (Some(flow.summary.class), Some(&flow.summary));
            let view = FlowView { flow: &flow.identity, summary, class, crypto: None };
            if filter.judge(&view) != Truth::Yes {
                return;
            }
        }
        self.matched += 1;
        let summary = &flow.summary;
        let both = |[one, other]: [u64; 2]| one.saturating_add(other);
        let rank = match self.order {
            FlowOrder::Bytes => both(summary.bytes),
            FlowOrder::Packets => both(summary.packets),
            FlowOrder::Recent => summary.end_ns,
            FlowOrder::Oldest => u64::MAX - summary.start_ns,
        };
        if self.kept.len() == self.limit {
            if self.kept.peek().is_some_and(|last| last.0.rank >= rank) {
                return;
            }
            self.kept.pop();
        }
        self.kept.push(Reverse(Ranked { rank, flow: *flow }));
    }

    /// The flows, the first one first.
    pub(crate) fn into_flows(self) -> Vec<Ranked> {
        self.kept.into_sorted_vec().into_iter().map(|ranked| ranked.0).collect()
    }
}

impl Tally {
    /// Room for everything that has a number.
    pub(crate) fn of(names: &Names) -> Self {
        let services = names.services().count() + 1;
        Self { protocols: vec![[0; 3]; names.protocols().len()], services: vec![[0; 2]; services] }
    }

    /// Counts a flow; one with a number that is not known here is left out.
    #[inline]
    pub(crate) fn see(&mut self, summary: &engine::record::FlowSummary) {
        let [to_server, to_client] = summary.packets;
        let packets = to_server.saturating_add(to_client);
        let [to_server, to_client] = summary.bytes;
        let bytes = to_server.saturating_add(to_client);
        if let Some([flows, all_packets, all_bytes]) =
            self.protocols.get_mut(usize::from(summary.class.protocol.0))
        {
            *flows += 1;
            *all_packets = all_packets.saturating_add(packets);
            *all_bytes = all_bytes.saturating_add(bytes);
        }
        if let Some([flows, all_bytes]) = self.services.get_mut(usize::from(summary.class.service.0)) {
            *flows += 1;
            *all_bytes = all_bytes.saturating_add(bytes);
        }
    }

    /// Makes room for what got a number since.
    pub(crate) fn grow(&mut self, names: &Names) {
        let room = Self::of(names);
        self.protocols.resize(room.protocols.len().max(self.protocols.len()), [0; 3]);
        self.services.resize(room.services.len().max(self.services.len()), [0; 2]);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in self.protocols.iter_mut().zip(&other.protocols) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own = own.saturating_add(*other));
        }
        for (own, other) in self.services.iter_mut().zip(&other.services) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own = own.saturating_add(*other));
        }
    }
}

impl Ranked {
    pub(crate) const fn rank(&self) -> u64 {
        self.rank
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank)
    }
}
