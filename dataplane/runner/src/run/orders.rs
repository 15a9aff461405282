//! What a worker is asked to do between two of its bursts, and how it answers.
//!
//! A worker never waits: it looks once a round whether an order came, which costs two loads, and answers into a channel
//! that has room for the answer. What it gives back is freed by who asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::{Replacement, ShuntLimits};
use packet_io::IoStats;

use super::control::Thread;
use super::scan::Scan;
use crate::tunnelling::{KeyAnswer, KeyOrder, TunnelPlan};

/// Orders that wait for a worker at most.
const WAITING: usize = 8;

/// A worker's sign of life: one writer, any number of readers.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Pulse {
    rounds: AtomicU64,
    ended: AtomicBool,
    thread: Thread,
}

impl Pulse {
    /// This thread is the worker's.
    pub(crate) fn begin(&self) {
        self.thread.is_this();
    }

    /// The worker's thread.
    pub(crate) const fn thread(&self) -> &Thread {
        &self.thread
    }

    /// The worker went round its queues.
    #[inline]
    pub(crate) fn beat(&self, rounds: u64) {
        self.rounds.store(rounds, Ordering::Relaxed);
    }

    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// What a worker can be asked between two bursts.
pub(crate) enum Order {
    /// Its counters, which add up between two bursts.
    Count(Sender<Counted>),
    /// Another plan, other rules and other tunnels; what was there comes back.
    Replace(Box<Exchange>, Sender<Box<Exchange>>),
    /// Other limits for flows that are shunted from now on.
    Shunt(ShuntLimits),
    /// Something about keys.
    Key(KeyOrder, Sender<KeyAnswer>),
}

/// What a worker changes all at once: there is no moment at which rules are of one configuration and tunnels of another.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) engine: Replacement,
    pub(crate) tunnels: Option<Arc<TunnelPlan>>,
}

/// A worker's counters between two bursts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) rounds: u64,
    pub(crate) busy_rounds: u64,
    pub(crate) polled: u64,
    pub(crate) forwarded: u64,
    pub(crate) not_forwarded: u64,
    pub(crate) records_lost: u64,
    /// Values of the engine's counters, in their order.
    pub(crate) engine: Vec<u64>,
    /// Interface and counters of each lane.
    pub(crate) lanes: Vec<(u16, IoStats)>,
}

/// The worker's side.
pub(crate) struct Mailbox {
    orders: Receiver<Order>,
    scans: Receiver<Box<Scan>>,
}

/// The other side.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) orders: Sender<Order>,
    pub(crate) scans: Sender<Box<Scan>>,
}

/// A worker's mailbox, and where to post.
pub(crate) fn mailbox() -> (Post, Mailbox) {
    let (post_orders, orders) = bounded(WAITING);
    let (post_scans, scans) = bounded(WAITING);
    (Post { orders: post_orders, scans: post_scans }, Mailbox { orders, scans })
}

impl Mailbox {
    /// The next order; none costs two loads.
    #[inline]
    pub(crate) fn order(&self) -> Option<Order> {
        if self.orders.is_empty() { None } else { self.orders.try_recv().ok() }
    }

    /// The next scan, the same.
    #[inline]
    pub(crate) fn scan(&self) -> Option<Box<Scan>> {
        if self.scans.is_empty() { None } else { self.scans.try_recv().ok() }
    }
}
