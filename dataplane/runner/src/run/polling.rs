//! A worker on its core: poll, hand to the engine, send on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::tunnelling::act::end_of;
use api::config::Timeout;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use engine::{Counter, Engine, Frame, RecordBatch, Verdict};
use packet_io::replay::Replay;
use packet_io::{BURST, Burst, PacketIo};

use super::exporting::Message;
use super::orders::{Counted, Mailbox, Order, Pulse};
use super::scan::Scan;
use super::{BATCHES_IN_FLIGHT, Inspect, Loss, Pinning, Shared};
use crate::tunnelling::act::Ends;
use crate::tunnelling::plan::Side;
use crate::tunnelling::{KeyAnswer, KeyOrder, Tunnelling};
use crate::worker::frames;

/// Records wait this long at most for their batch to fill.
const HAND_OVER_NS: u64 = 200_000_000;
/// Batches on their way from which on flows whose time is up wait for the exporter, and down to which.
const FULL: usize = BATCHES_IN_FLIGHT * 3 / 4;
const NEARLY_EMPTY: usize = BATCHES_IN_FLIGHT / 4;
/// They wait no longer than this at once: an exporter that stands still is not waited for.
const HOLD_NS: u64 = 2_000_000_000;
/// How often settled flows are looked at that may be worth shunting.
const OFFER_NS: u64 = 1_000_000;
/// Polls without a packet after which a worker looks at its clock only now and then.
const IDLE_POLLS: u32 = 64;

/// A queue pair of a worker, and the lane its packets are sent on through.
#[derive(Debug)]
pub(crate) struct Lane<Io: PacketIo> {
    pub(crate) io: Io,
    /// Index of the lane (of the same worker) that forwards; none for a tap.
    pub(crate) peer: Option<usize>,
    pub(crate) interface: u16,
}

/// What a backend says beyond [`PacketIo`].
pub(crate) trait Source {
    /// What went wrong since the last call.
    fn take_errors(&mut self) -> Vec<String> {
        Vec::new()
    }
}

impl Source for Replay {
    fn take_errors(&mut self) -> Vec<String> {
        Self::take_errors(self).iter().map(ToString::to_string).collect()
    }
}

#[cfg(feature = "dpdk")]
impl Source for packet_io::dpdk::DpdkQueue {}

#[cfg(feature = "xdp")]
impl Source for packet_io::af_xdp::AfXdpQueue {}

/// What connects a worker with the others.
pub(crate) struct Wiring {
    pub(crate) sender: Sender<Message>,
    pub(crate) spare: Receiver<RecordBatch>,
    pub(crate) mailbox: Mailbox,
    pub(crate) pulse: Arc<Pulse>,
}

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) loss: Loss,
    pub(crate) inspect: Inspect,
    pub(crate) stop_when_idle: Option<Timeout>,
    /// Packets that a worker takes at once.
    pub(crate) burst: usize,
    pub(crate) base: Base,
}

/// One worker.
pub(crate) struct Poller<Io: PacketIo> {
    lanes: Vec<Lane<Io>>,
    engine: Engine,
    tunnelling: Tunnelling<Io::Buf>,
    batch: RecordBatch,
    wiring: Wiring,
    base: Base,
    loss: Loss,
    inspect: Inspect,
    stop_when_idle_ns: Option<u64>,
    burst: usize,
    /// A question about the flows, on its way through the table.
    scan: Option<Box<Scan>>,
    rounds: u64,
    busy_rounds: u64,
    polled: u64,
    forwarded: u64,
    not_forwarded: u64,
    records_lost: u64,
    /// Since when flows whose time is up wait for the exporter.
    holding_since_ns: Option<u64>,
}

impl<Io: PacketIo + Source> Poller<Io> {
    pub(crate) fn new(
        lanes: Vec<Lane<Io>>,
        (engine, tunnelling): (Engine, Tunnelling<Io::Buf>),
        wiring: Wiring,
        manner: Manner,
    ) -> Self {
        let nanoseconds = |timeout: Timeout| u64::try_from(timeout.duration().as_nanos()).ok();
        Self {
            lanes,
            engine,
            tunnelling,
            batch: RecordBatch::with_capacity(),
            wiring,
            base: manner.base,
            loss: manner.loss,
            inspect: manner.inspect,
            stop_when_idle_ns: manner.stop_when_idle.and_then(nanoseconds),
            burst: manner.burst,
            scan: None,
            rounds: 0,
            busy_rounds: 0,
            polled: 0,
            forwarded: 0,
            not_forwarded: 0,
            records_lost: 0,
            holding_since_ns: None,
        }
    }

    /// Polls until told to stop or nothing is left to read; gives what went wrong.
    pub(crate) fn run(mut self, shared: &Shared, pinning: &Pinning, core: Option<u16>) -> Vec<String> {
        let mut errors = Vec::new();
        self.wiring.pulse.begin();
        #[cfg(feature = "dpdk")]
        let _registered = match (pinning, core) {
            (Pinning::Dpdk(eal), Some(core)) => match eal.register_thread(packet_io::dpdk::CoreId(core)) {
                Ok(guard) => Some(guard),
                Err(refused) => {
                    errors.push(refused.to_string());
                    None
                }
            },
            _ => None,
        };
        #[cfg(feature = "xdp")]
        if let (Pinning::Cores, Some(core)) = (pinning, core)
            && let Err(refused) = packet_io::af_xdp::pin_thread(core)
        {
            errors.push(refused.to_string());
        }
        #[cfg(not(any(feature = "dpdk", feature = "xdp")))]
        let _ = (pinning, core);
        self.poll(shared);
        self.finish();
        self.wiring.pulse.end();
        for lane in &mut self.lanes {
            errors.append(&mut lane.io.take_errors());
        }
        shared.polled.fetch_add(self.polled, Ordering::Relaxed);
        shared.forwarded.fetch_add(self.forwarded, Ordering::Relaxed);
        shared.not_forwarded.fetch_add(self.not_forwarded, Ordering::Relaxed);
        shared.records_lost.fetch_add(self.records_lost, Ordering::Relaxed);
        errors
    }

    fn poll(&mut self, shared: &Shared) {
        let mut burst = Burst::with_limit(self.burst);
        let mut clock = Clock::start(self.base);
        let mut handed_over_ns = clock.now_ns;
        let mut offered_ns = clock.now_ns;
        let mut idle_polls = 0u32;
        let mut is_busy = true;
        while !shared.stop.load(Ordering::Relaxed) {
            // One clock read for all lanes; an idle worker reads it less often.
            if idle_polls < IDLE_POLLS || idle_polls.is_multiple_of(IDLE_POLLS) {
                clock.read();
            }
            let mut packets = 0;
            for lane in 0..self.lanes.len() {
                packets += self.turn(lane, &mut burst, &mut clock);
            }
            if packets > 0 {
                idle_polls = 0;
                self.busy_rounds += 1;
                self.polled += packets as u64;
                if !is_busy {
                    is_busy = true;
                    shared.busy.fetch_add(1, Ordering::Relaxed);
                }
            } else {
                idle_polls = idle_polls.saturating_add(1);
                self.engine.tick(clock.packet_ns(), &mut self.batch);
                if is_busy && self.is_over(&clock) {
                    is_busy = false;
                    shared.busy.fetch_sub(1, Ordering::Relaxed);
                }
                core::hint::spin_loop();
            }
            let waited = clock.now_ns.saturating_sub(handed_over_ns) > HAND_OVER_NS;
            if self.batch.is_full() || (waited && !self.batch.is_empty()) {
                let was_taken = self.hand_over(self.loss);
                handed_over_ns = clock.now_ns;
                if was_taken && self.loss == Loss::Counted {
                    self.hold_while_full(clock.now_ns);
                }
            }
            if self.holding_since_ns.is_some() {
                self.let_go_where_empty(clock.now_ns);
            }
            if clock.now_ns.saturating_sub(offered_ns) > OFFER_NS {
                self.engine.offer_settled();
                offered_ns = clock.now_ns;
            }
            if self.tunnelling.is_tending_due(clock.now_ns) {
                let Self { lanes, tunnelling, .. } = &mut *self;
                if let Some(mut ends) = ends(lanes, tunnelling.interfaces()) {
                    tunnelling.tend(&mut ends, clock.now_ns);
                }
            }
            self.rounds += 1;
            self.wiring.pulse.beat(self.rounds);
            self.answer(clock.now_ns);
        }
    }

    /// Takes one burst of a lane from receive to transmit; gives how many packets it had.
    #[inline]
    fn turn(&mut self, lane: usize, burst: &mut Burst<Io::Buf>, clock: &mut Clock) -> usize {
        let Some(Lane { io, peer, interface }) = self.lanes.get_mut(lane) else { return 0 };
        if let Some(side) = self.tunnelling.side_of(*interface) {
            return self.turn_sealing(side, burst, clock);
        }
        io.set_clock(clock.now_ns);
        io.receive(burst);
        if burst.is_empty() {
            return 0;
        }
        let (peer, interface) = (*peer, *interface);
        let frames = frames(burst, |_| interface);
        clock.packets_came(frames.last().map_or(0, |frame| frame.timestamp_ns));
        let mut verdicts = [Verdict::Forward; BURST];
        match self.inspect {
            Inspect::Yes => self.engine.process(&frames, &mut verdicts, &mut self.batch),
            Inspect::CountOnly => count(&frames, &self.engine),
        }
        drop(frames);
        let packets = burst.len();
        match peer.and_then(|peer| self.lanes.get_mut(peer)) {
            None => burst.clear(),
            Some(peer) => {
                burst.retain(|at| verdicts.get(at) == Some(&Verdict::Forward));
                let wanted = burst.len();
                peer.io.transmit(burst);
                self.forwarded += (wanted - burst.len()) as u64;
                self.not_forwarded += burst.len() as u64;
                burst.clear();
            }
        }
        packets
    }

    /// The same on a side of a tunnel.
    fn turn_sealing(&mut self, side: Side, burst: &mut Burst<Io::Buf>, clock: &mut Clock) -> usize {
        let Self { lanes, engine, tunnelling, batch, inspect, .. } = self;
        let Some(mut ends) = ends(lanes, tunnelling.interfaces()) else { return 0 };
        let now_ns = clock.now_ns;
        let own = end_of(&mut ends, side);
        own.set_clock(now_ns);
        own.receive(burst);
        let came = burst.len();
        let opened_from = tunnelling.before_engine(side, burst, &mut ends, now_ns);
        let mut verdicts = [tunnelling.unclassified(); BURST];
        let interface = tunnelling.interfaces().map_or(0, |[inside, outside]| match side {
            Side::Inside => inside,
            Side::Outside => outside,
        });
        if !burst.is_empty() {
            let frames = frames(burst, |_| interface);
            clock.packets_came(frames.last().map_or(0, |frame| frame.timestamp_ns));
            match inspect {
                Inspect::Yes => engine.process(&frames, &mut verdicts, batch),
                Inspect::CountOnly => count(&frames, engine),
            }
            drop(frames);
            tunnelling.after_engine(side, burst, (&verdicts, opened_from), &mut ends, now_ns);
        }
        let other = match side {
            Side::Inside => Side::Outside,
            Side::Outside => Side::Inside,
        };
        let end = end_of(&mut ends, other);
        let (mut sent, mut unsent) = (0, 0);
        for out in [Some(burst), tunnelling.through()].into_iter().flatten() {
            let wanted = out.len();
            if wanted > 0 {
                end.transmit(out);
            }
            sent += (wanted - out.len()) as u64;
            unsent += out.len() as u64;
            out.clear();
        }
        self.forwarded += sent;
        self.not_forwarded += unsent;
        // A packet counts where its key is.
        let taken = i64::try_from(came).unwrap_or(i64::MAX).saturating_add(self.tunnelling.take_exchanged());
        usize::try_from(taken).unwrap_or(0)
    }

    /// Carries out what the worker is asked, between two bursts.
    #[inline]
    fn answer(&mut self, now_ns: u64) {
        while let Some(order) = self.wiring.mailbox.order() {
            self.obey(order, now_ns);
        }
        if self.scan.is_none() {
            self.scan = self.wiring.mailbox.scan();
        }
        if let Some(scan) = self.scan.take() {
            self.scan = scan.step(&self.engine);
        }
    }

    // Each answer has room; where nobody waits for it any more, it is freed here.
    #[cold]
    fn obey(&mut self, order: Order, now_ns: u64) {
        match order {
            Order::Count(reply) => _ = reply.try_send(self.counted()),
            Order::Replace(mut exchange, reply) => {
                self.engine.replace(&mut exchange.engine);
                exchange.tunnels = self.tunnelling.set_plan(exchange.tunnels.take());
                let _ = reply.try_send(exchange);
            }
            Order::Shunt(limits) => self.engine.set_shunt_limits(limits),
            Order::Key(order, reply) => _ = reply.try_send(self.obey_key(order, now_ns)),
        }
    }

    fn obey_key(&mut self, order: KeyOrder, now_ns: u64) -> KeyAnswer {
        let Self { lanes, tunnelling, .. } = self;
        match ends(lanes, tunnelling.interfaces()) {
            Some(mut ends) => tunnelling.obey(order, &mut ends, now_ns),
            // It has no queue of the ports, or there is no tunnel any more.
            None => KeyAnswer::Refused(api::tunnel::Objection::Queues),
        }
    }

    fn counted(&self) -> Counted {
        Counted {
            rounds: self.rounds,
            busy_rounds: self.busy_rounds,
            polled: self.polled,
            forwarded: self.forwarded,
            not_forwarded: self.not_forwarded,
            records_lost: self.records_lost,
            engine: self.engine.counters().all().map(|(_, value)| value).collect(),
            lanes: self.lanes.iter().map(|lane| (lane.interface, lane.io.stats())).collect(),
        }
    }

    /// Whether nothing more is to be expected.
    fn is_over(&self, clock: &Clock) -> bool {
        let exhausted = !self.lanes.is_empty() && self.lanes.iter().all(|lane| lane.io.is_exhausted());
        exhausted || self.stop_when_idle_ns.is_some_and(|limit| clock.idle_ns() >= limit)
    }

    fn finish(&mut self) {
        loop {
            let done = self.engine.shut_down(&mut self.batch);
            // The exporter goes on until the last worker is gone: nothing is lost here.
            self.hand_over(Loss::Never);
            if done {
                return;
            }
        }
    }

    /// Where the exporter is behind, flows whose time is up wait: a flood that ends all at once would cost their records.
    fn hold_while_full(&mut self, now_ns: u64) {
        if self.holding_since_ns.is_none() && self.wiring.sender.len() >= FULL {
            self.engine.hold_ends(true);
            self.holding_since_ns = Some(now_ns);
        }
    }

    fn let_go_where_empty(&mut self, now_ns: u64) {
        let is_over = self.holding_since_ns.is_none_or(|since| now_ns.saturating_sub(since) > HOLD_NS);
        if is_over || self.wiring.sender.len() <= NEARLY_EMPTY {
            self.engine.hold_ends(false);
            self.holding_since_ns = None;
        }
    }

    /// Gives the batch to the exporter; whether it was taken.
    fn hand_over(&mut self, loss: Loss) -> bool {
        let fresh = self.wiring.spare.try_recv().unwrap_or_else(|_| RecordBatch::with_capacity());
        let batch = core::mem::replace(&mut self.batch, fresh);
        let lost = match loss {
            Loss::Never => self.wiring.sender.send(Message::Records(batch)).err().map(|failed| failed.0),
            Loss::Counted => match self.wiring.sender.try_send(Message::Records(batch)) {
                Ok(()) => None,
                Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => Some(message),
            },
        };
        let Some(Message::Records(mut batch)) = lost else { return true };
        self.records_lost += batch.records().len() as u64;
        batch.clear();
        self.batch = batch;
        false
    }
}

/// The queue pairs of both sides of the tunnels, where there are any.
fn ends<Io: PacketIo>(lanes: &mut [Lane<Io>], interfaces: Option<[u16; 2]>) -> Option<Ends<'_, Io>> {
    let interfaces = interfaces?;
    let at = |interface: u16| lanes.iter().position(|lane| lane.interface == interface);
    let [inside, outside] = interfaces.map(at);
    let [inside, outside] = lanes.get_disjoint_mut([inside?, outside?]).ok()?;
    Some([&mut inside.io, &mut outside.io])
}

/// Counts packets that nobody looks at.
fn count(frames: &[Frame<'_>], engine: &Engine) {
    let counters = engine.counters();
    counters.add(Counter::Received, frames.len() as u64);
    counters.add(Counter::ReceivedBytes, frames.iter().map(|frame| u64::from(frame.wire_len)).sum());
    counters.add(Counter::Processed, frames.len() as u64);
}

/// Wall time for packets without a time of their own, and packet time for timeouts when nothing comes.
#[derive(Debug)]
struct Clock {
    now_ns: u64,
    last_packet_ns: u64,
    came_at_ns: u64,
    base: Base,
}

/// The start of the run, by which all threads read the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    started: Instant,
    started_ns: u64,
}

impl Base {
    #[expect(clippy::disallowed_methods, reason = "the clock of the workers, whose time starts here")]
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Self { started: Instant::now(), started_ns: u64::try_from(wall).unwrap_or(u64::MAX) }
    }

    /// Nanoseconds since the UNIX epoch, as the clock said at the start, and never going back.
    #[inline]
    pub(crate) fn now_ns(&self) -> u64 {
        let elapsed = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.started_ns.saturating_add(elapsed)
    }
}

impl Clock {
    fn start(base: Base) -> Self {
        let now_ns = base.now_ns();
        Self { now_ns, last_packet_ns: now_ns, came_at_ns: now_ns, base }
    }

    /// Monotonic: a clock that is set does not end flows.
    fn read(&mut self) {
        self.now_ns = self.base.now_ns();
    }

    const fn packets_came(&mut self, timestamp_ns: u64) {
        self.last_packet_ns = timestamp_ns;
        self.came_at_ns = self.now_ns;
    }

    const fn idle_ns(&self) -> u64 {
        self.now_ns.saturating_sub(self.came_at_ns)
    }

    /// The time it would be for packets: a replayed capture's own time goes on as wall time does.
    const fn packet_ns(&self) -> u64 {
        self.last_packet_ns.saturating_add(self.idle_ns())
    }
}
