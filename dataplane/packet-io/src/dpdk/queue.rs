use core::mem::MaybeUninit;
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use dpdk_sys::rte_mbuf;

use super::mbuf::{Mbuf, Packets, Said, TimestampPlace, fill, forget_first};
use super::pool::MbufPool;
use super::port::Started;
use super::ring::{Consumer, Producer, RingDrops};
use super::spread::{self, Spread};
use crate::{BURST, Burst, IoStats, Link, PacketBuf, PacketIo, PacketMeta};

/// The queue pair of one worker.
///
/// Its counters are of packets handed to and taken from the worker; those of the device are
/// [`Port::stats`](super::Port::stats).
#[derive(Debug)]
pub struct DpdkQueue {
    lane: Lane,
    source: Source,
    sink: Sink,
    idle_bursts: u64,
    counters: Arc<Counters>,
    pool: MbufPool,
    // Last, so that packets in rings and waiting rooms are freed before the port closes.
    _started: Arc<Started>,
}

impl DpdkQueue {
    pub(super) fn new(
        source: Source,
        sink: Sink,
        lane: Lane,
        (pool, started): (MbufPool, Arc<Started>),
    ) -> Self {
        Self { lane, source, sink, idle_bursts: 0, counters: Arc::default(), pool, _started: started }
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// How many times in a row nothing was there to receive. A file behind `net_pcap` ends without a word, so this is
    /// how its end shows.
    #[must_use]
    pub fn idle_bursts(&self) -> u64 {
        self.idle_bursts
    }
}

impl PacketIo for DpdkQueue {
    type Buf = Mbuf;

    fn receive(&mut self, burst: &mut Burst<Mbuf>) {
        let (before, room) = (burst.len(), burst.room());
        match &mut self.source {
            Source::Device(queue) => poll(self.lane.port, *queue, &mut burst.bufs, room),
            Source::Distributor(distributor) => distributor.poll(self.lane.port, &mut burst.bufs, room),
            Source::Ring { consumer, .. } => consumer.pop(&mut burst.bufs, room),
        }
        let (bytes, errors) = self.lane.describe(burst, before);
        let packets = (burst.len() - before) as u64;
        self.idle_bursts = if packets == 0 { self.idle_bursts.saturating_add(1) } else { 0 };
        self.counters.received(packets, bytes, errors);
        if let Sink::Collector(collector) = &mut self.sink {
            collector.forward(self.lane.port);
        }
    }

    fn transmit(&mut self, burst: &mut Burst<Mbuf>) {
        let offered = bytes_of(burst.bufs());
        let sent = match &mut self.sink {
            Sink::Device(queue) => send(self.lane.port, *queue, burst.bufs_mut()),
            Sink::Collector(_) => send(self.lane.port, COLLECTING_QUEUE, burst.bufs_mut()),
            Sink::Ring(producer) => producer.push(burst.bufs_mut()),
        };
        forget_first(&mut burst.bufs, sent);
        if burst.bufs.is_empty() {
            // The usual case, without a walk over what is left out.
            burst.metas.clear();
        } else {
            burst.metas.drain(..sent);
        }
        self.counters.sent(sent as u64, offered - bytes_of(burst.bufs()));
        if let Sink::Collector(collector) = &mut self.sink {
            collector.forward(self.lane.port);
        }
    }

    fn make(&mut self, bytes: &[u8]) -> Option<Mbuf> {
        self.pool.packet(bytes)
    }

    fn set_clock(&mut self, now_ns: u64) {
        self.lane.plain.timestamp_ns = now_ns;
    }

    fn stats(&self) -> IoStats {
        let rx_missed = match &self.source {
            Source::Ring { drops, .. } => drops.packets(),
            Source::Device(_) | Source::Distributor(_) => 0,
        };
        IoStats { rx_missed, ..self.counters.read() }
    }
}

/// Where a worker's packets come from.
#[derive(Debug)]
pub(super) enum Source {
    /// A queue of the device.
    Device(u16),
    /// Queues of the device, shared with workers that this one hands packets to.
    Distributor(Box<Distributor>),
    /// The worker that distributes.
    Ring { consumer: Consumer, drops: RingDrops },
}

impl Source {
    pub(super) fn distributor(device_queues: u16, spread: Spread, producers: Vec<Producer>) -> Self {
        let outputs = producers.into_iter().map(|ring| Output { ring, waiting: Packets::new() }).collect();
        let arrived = Packets::new();
        Self::Distributor(Box::new(Distributor { device_queues, first: 0, spread, arrived, outputs }))
    }

    pub(super) fn ring(consumer: Consumer) -> Self {
        Self::Ring { drops: consumer.counts(), consumer }
    }
}

/// Where a worker's packets go to.
#[derive(Debug)]
pub(super) enum Sink {
    /// A queue of the device.
    Device(u16),
    /// The device's only queue, shared with workers whose packets this one sends along.
    Collector(Box<Collector>),
    /// The worker that collects.
    Ring(Producer),
}

impl Sink {
    pub(super) fn collector(inputs: Vec<Consumer>) -> Self {
        Self::Collector(Box::new(Collector { inputs, waiting: Packets::new() }))
    }
}

/// What a packet's metadata is made from, besides the packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    port: u16,
    timestamps: Option<TimestampPlace>,
    /// Most packets differ from this in their length only: it is copied whole, in few stores.
    plain: PacketMeta,
}

impl Lane {
    /// For a started port of this driver.
    pub(super) fn new(port: u16, driver: &str) -> Self {
        // Other drivers leave the count of a clock in the device, whose rate and origin are its own.
        let tells_time = driver == "net_pcap";
        let plain = PacketMeta { link: Link::ETHERNET, interface: port, ..PacketMeta::default() };
        Self { port, timestamps: tells_time.then(TimestampPlace::find).flatten(), plain }
    }

    /// Writes the metadata of the packets after the first `before`, and makes them contiguous; their bytes, and how
    /// many were dropped because they do not fit one buffer.
    fn describe(&self, burst: &mut Burst<Mbuf>, before: usize) -> (u64, u64) {
        let arrived = burst.bufs.get(before..).unwrap_or_default();
        let place = burst.metas.as_mut_ptr().wrapping_add(before).cast::<MaybeUninit<PacketMeta>>();
        // SAFETY: there is room for as many metas as packets, and `before` of them are there.
        let metas = unsafe { slice::from_raw_parts_mut(place, arrived.len()) };
        let (mut bytes, mut said) = (0, Said::default());
        let mut describe = |packet: &Mbuf, meta: &mut MaybeUninit<PacketMeta>| {
            let meta = meta.write(self.plain);
            meta.wire_len = packet.len();
            bytes += u64::from(packet.len());
            said |= packet.said();
        };
        // Four at a time: half of the instructions were those of the loop.
        let ((packets, packet), (places, place)) = (arrived.as_chunks::<4>(), metas.as_chunks_mut::<4>());
        for (packets, places) in packets.iter().zip(places) {
            packets.iter().zip(places).for_each(|(packet, meta)| describe(packet, meta));
        }
        packet.iter().zip(place).for_each(|(packet, meta)| describe(packet, meta));
        // SAFETY: each of them was just written.
        unsafe { burst.metas.set_len(burst.bufs.len()) };
        if said.nothing() { (bytes, 0) } else { self.describe_offloads(burst, before, bytes) }
    }

    /// What the device or driver says of packets besides their bytes; returns what `describe` does.
    #[inline(never)]
    fn describe_offloads(&self, burst: &mut Burst<Mbuf>, before: usize, bytes: u64) -> (u64, u64) {
        let arrived = burst.bufs.get(before..).unwrap_or_default();
        let metas = burst.metas.get_mut(before..).unwrap_or_default();
        let mut several = false;
        for (packet, meta) in arrived.iter().zip(metas) {
            several |= packet.segments() > 1;
            meta.link = Link::ETHERNET.with_checksums(packet.checksums());
            if let Some(micros) = self.timestamps.and_then(|place| packet.timestamp(place)) {
                // net_pcap counts microseconds since the UNIX epoch.
                meta.timestamp_ns = micros.saturating_mul(1000);
            }
        }
        if several { make_contiguous(burst, before) } else { (bytes, 0) }
    }
}

/// Moves the segments of each packet after the first `before` into one buffer, and drops those that do not fit: the
/// bytes of the others, and how many were dropped.
#[cold]
fn make_contiguous(burst: &mut Burst<Mbuf>, before: usize) -> (u64, u64) {
    let (mut bytes, mut dropped) = (0, 0);
    let mut all = core::mem::take(burst);
    for (at, (mut packet, meta)) in all.drain(BURST).enumerate() {
        if at >= before && packet.segments() > 1 && !packet.linearize() {
            dropped += 1;
            continue;
        }
        bytes += if at < before { 0 } else { u64::from(meta.wire_len) };
        // What was taken out fits in again.
        let _never_full = burst.push(packet, meta);
    }
    (bytes, dropped)
}

/// Polls the device for several workers.
#[derive(Debug)]
pub(super) struct Distributor {
    device_queues: u16,
    first: u16,
    spread: Spread,
    arrived: Packets,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Output {
    ring: Producer,
    waiting: Packets,
}

impl Distributor {
    /// Takes one's own packets, `room` at most, and hands the others on; what finds no room there is dropped and counted.
    #[inline(never)]
    fn poll(&mut self, port: u16, own: &mut Packets, room: usize) {
        let full = own.len() + room;
        // Another queue comes first each time: the burst may be full before the last.
        self.first = if self.first + 1 < self.device_queues { self.first + 1 } else { 0 };
        for queue in (self.first..self.device_queues).chain(0..self.first) {
            // All of them may be one's own.
            poll(port, queue, &mut self.arrived, full.saturating_sub(own.len()));
            self.hand_on(own);
        }
    }

    fn hand_on(&mut self, own: &mut Packets) {
        let workers = u32::try_from(self.outputs.len() + 1).unwrap_or(u32::MAX);
        for packet in self.arrived.drain(..) {
            let chosen = if workers > 1 { spread::worker(packet.bytes(), self.spread, workers) } else { 0 };
            let output = (chosen as usize).checked_sub(1).and_then(|output| self.outputs.get_mut(output));
            // Neither is ever full: no more was asked for than fits in either.
            drop(output.map_or(&mut *own, |output| &mut output.waiting).try_push(packet));
        }
        for output in &mut self.outputs {
            if !output.waiting.is_empty() {
                output.ring.push_or_drop(&mut output.waiting);
            }
        }
    }
}

/// Sends for several workers.
#[derive(Debug)]
pub(super) struct Collector {
    inputs: Vec<Consumer>,
    waiting: Packets,
}

impl Collector {
    /// Sends what the other workers left, as far as the device takes it.
    #[inline(never)]
    fn forward(&mut self, port: u16) {
        for input in &mut self.inputs {
            if self.waiting.is_empty() {
                input.pop(&mut self.waiting, BURST);
            }
            let sent = send(port, COLLECTING_QUEUE, &mut self.waiting);
            forget_first(&mut self.waiting, sent);
        }
    }
}

/// Counts of one queue, written by its worker alone.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counters {
    rx_packets: AtomicU64,
    rx_bytes: AtomicU64,
    rx_errors: AtomicU64,
    tx_packets: AtomicU64,
    tx_bytes: AtomicU64,
}

impl Counters {
    fn received(&self, packets: u64, bytes: u64, errors: u64) {
        add(&self.rx_packets, packets);
        add(&self.rx_bytes, bytes);
        if errors > 0 {
            add(&self.rx_errors, errors);
        }
    }

    fn sent(&self, packets: u64, bytes: u64) {
        add(&self.tx_packets, packets);
        add(&self.tx_bytes, bytes);
    }

    /// Packets that could not be made contiguous.
    pub(super) fn rx_errors(&self) -> u64 {
        self.rx_errors.load(Ordering::Relaxed)
    }

    fn read(&self) -> IoStats {
        IoStats {
            rx_packets: self.rx_packets.load(Ordering::Relaxed),
            rx_bytes: self.rx_bytes.load(Ordering::Relaxed),
            rx_errors: self.rx_errors(),
            tx_packets: self.tx_packets.load(Ordering::Relaxed),
            tx_bytes: self.tx_bytes.load(Ordering::Relaxed),
            ..IoStats::default()
        }
    }
}

/// Adds to a counter with one writer: no locked instruction.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

fn bytes_of(packets: &[Mbuf]) -> u64 {
    let len = |packet: &Mbuf| u64::from(packet.len());
    let (fours, rest) = packets.as_chunks::<4>();
    let fours: u64 = fours.iter().map(|[a, b, c, d]| len(a) + len(b) + len(c) + len(d)).sum();
    fours + rest.iter().map(len).sum::<u64>()
}

/// Receives as many packets as are there, `room` at most.
#[inline]
fn poll(port: u16, queue: u16, into: &mut Packets, room: usize) {
    let write = |place: *mut *mut rte_mbuf, room: usize| {
        let room = u16::try_from(room).unwrap_or_default();
        // SAFETY: the port is started and has this queue, which is this worker's alone; there is room for that many.
        usize::from(unsafe { dpdk_sys::dpdk_shim_eth_rx_burst(port, queue, place, room) })
    };
    // SAFETY: a driver hands over each packet once, with its one reference.
    unsafe { fill(into, room, write) };
}

/// Sends from the front; the caller forgets as many packets as this returns.
fn send(port: u16, queue: u16, packets: &mut [Mbuf]) -> usize {
    let count = u16::try_from(packets.len()).unwrap_or(u16::MAX);
    let from = packets.as_mut_ptr().cast::<*mut rte_mbuf>();
    // SAFETY: the port is started and has this queue, which is this worker's alone; `Mbuf` is a pointer to a buffer.
    usize::from(unsafe { dpdk_sys::dpdk_shim_eth_tx_burst(port, queue, from, count) })
}

const COLLECTING_QUEUE: u16 = 0;
