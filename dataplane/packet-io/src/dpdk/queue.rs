use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use arrayvec::ArrayVec;
use dpdk_sys::rte_mbuf;

use super::mbuf::{Mbuf, TimestampPlace};
use super::port::Started;
use super::ring::{Consumer, Producer, RingDrops, received};
use super::spread::{self, Spread};
use crate::{BURST, Burst, IoStats, PacketBuf, PacketIo, PacketMeta};

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
    // What a driver or ring writes; kept here so that it is not cleared for every burst.
    arrived: [*mut rte_mbuf; BURST],
    // Last, so that packets in rings and waiting rooms are freed before the port closes.
    _started: Arc<Started>,
}

// SAFETY: the pointers in `arrived` are only read in the call that wrote them; a queue may be used by any one thread.
unsafe impl Send for DpdkQueue {}

impl DpdkQueue {
    pub(super) fn new(source: Source, sink: Sink, lane: Lane, started: Arc<Started>) -> Self {
        let counters = Arc::new(Counters::default());
        let arrived = [core::ptr::null_mut(); BURST];
        Self { lane, source, sink, idle_bursts: 0, counters, arrived, _started: started }
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
        let mut intake = Intake { lane: self.lane, burst, bytes: 0, errors: 0 };
        let before = intake.burst.len();
        match &mut self.source {
            Source::Device(queue) => intake.take_from_device(*queue, &mut self.arrived),
            Source::Distributor(distributor) => distributor.poll(&mut intake, &mut self.arrived),
            Source::Ring { consumer, .. } => {
                let room = intake.burst.room();
                for packet in consumer.pop(&mut self.arrived, room) {
                    intake.take(packet);
                }
            }
        }
        let Intake { bytes, errors, burst, .. } = intake;
        let packets = (burst.len() - before) as u64;
        self.idle_bursts = if packets == 0 { self.idle_bursts.saturating_add(1) } else { 0 };
        self.counters.received(packets, bytes, errors);
        if let Sink::Collector(collector) = &mut self.sink {
            collector.forward(self.lane.port, &mut self.arrived);
        }
    }

    fn transmit(&mut self, burst: &mut Burst<Mbuf>) {
        let offered: u64 = bytes_of(burst.bufs());
        let sent = match &mut self.sink {
            Sink::Device(queue) => send(self.lane.port, *queue, burst.bufs_mut()),
            Sink::Collector(_) => send(self.lane.port, COLLECTING_QUEUE, burst.bufs_mut()),
            Sink::Ring(producer) => producer.push(burst.bufs_mut()),
        };
        for (packet, _) in burst.drain(sent) {
            let _owned_by_the_port = packet.into_raw();
        }
        self.counters.sent(sent as u64, offered - bytes_of(burst.bufs()));
        if let Sink::Collector(collector) = &mut self.sink {
            collector.forward(self.lane.port, &mut self.arrived);
        }
    }

    fn set_clock(&mut self, now_ns: u64) {
        self.lane.clock_ns = now_ns;
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
        let outputs = producers.into_iter().map(|ring| Output { ring, waiting: ArrayVec::new() }).collect();
        Self::Distributor(Box::new(Distributor { device_queues, first: 0, spread, outputs }))
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
        Self::Collector(Box::new(Collector { inputs, waiting: ArrayVec::new() }))
    }
}

/// What a packet's metadata is made from, besides the packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    port: u16,
    timestamps: Option<TimestampPlace>,
    clock_ns: u64,
}

impl Lane {
    /// For a started port of this driver.
    pub(super) fn new(port: u16, driver: &str) -> Self {
        // Other drivers leave the count of a clock in the device, whose rate and origin are its own.
        let tells_time = driver == "net_pcap";
        Self { port, timestamps: tells_time.then(TimestampPlace::find).flatten(), clock_ns: 0 }
    }

    fn meta(&self, packet: &Mbuf) -> PacketMeta {
        // net_pcap counts microseconds since the UNIX epoch.
        let stamped =
            self.timestamps.and_then(|place| packet.timestamp(place)).map(|us| us.saturating_mul(1000));
        PacketMeta {
            timestamp_ns: stamped.unwrap_or(self.clock_ns),
            wire_len: packet.len(),
            link_type: ETHERNET,
            interface: self.port,
            rss_hash: packet.rss_hash(),
            checksums: packet.checksums(),
        }
    }
}

/// A burst being filled.
struct Intake<'a> {
    lane: Lane,
    burst: &'a mut Burst<Mbuf>,
    bytes: u64,
    errors: u64,
}

impl Intake<'_> {
    fn take_from_device(&mut self, queue: u16, arrived: &mut [*mut rte_mbuf; BURST]) {
        let room = self.burst.room();
        for packet in poll(self.lane.port, queue, arrived, room) {
            self.take(packet);
        }
    }

    fn take(&mut self, mut packet: Mbuf) {
        if !packet.is_contiguous() && !packet.linearize() {
            self.errors += 1;
            return;
        }
        let meta = self.lane.meta(&packet);
        self.bytes += u64::from(meta.wire_len);
        // No more is asked for than there is room.
        let _never_full = self.burst.push(packet, meta);
    }
}

/// Polls the device for several workers.
#[derive(Debug)]
pub(super) struct Distributor {
    device_queues: u16,
    first: u16,
    spread: Spread,
    outputs: Vec<Output>,
}

#[derive(Debug)]
struct Output {
    ring: Producer,
    waiting: ArrayVec<Mbuf, BURST>,
}

impl Distributor {
    /// Takes one's own packets, and hands the others on; what finds no room there is dropped and counted.
    fn poll(&mut self, intake: &mut Intake<'_>, arrived: &mut [*mut rte_mbuf; BURST]) {
        // Another queue comes first each time: the burst may be full before the last.
        self.first = if self.first + 1 < self.device_queues { self.first + 1 } else { 0 };
        for queue in (self.first..self.device_queues).chain(0..self.first) {
            let room = intake.burst.room();
            if room == 0 {
                break;
            }
            for packet in poll(intake.lane.port, queue, arrived, room) {
                self.place(packet, intake);
            }
            for output in &mut self.outputs {
                if !output.waiting.is_empty() {
                    output.ring.push_or_drop(&mut output.waiting);
                }
            }
        }
    }

    fn place(&mut self, packet: Mbuf, intake: &mut Intake<'_>) {
        let workers = u32::try_from(self.outputs.len() + 1).unwrap_or(u32::MAX);
        let chosen = if workers > 1 { spread::worker(packet.bytes(), self.spread, workers) } else { 0 };
        match (chosen as usize).checked_sub(1).and_then(|output| self.outputs.get_mut(output)) {
            None => intake.take(packet),
            // At most one burst waits.
            Some(output) => drop(output.waiting.try_push(packet)),
        }
    }
}

/// Sends for several workers.
#[derive(Debug)]
pub(super) struct Collector {
    inputs: Vec<Consumer>,
    waiting: ArrayVec<Mbuf, BURST>,
}

impl Collector {
    /// Sends what the other workers left, as far as the device takes it.
    fn forward(&mut self, port: u16, arrived: &mut [*mut rte_mbuf; BURST]) {
        for input in &mut self.inputs {
            if self.waiting.is_empty() {
                self.waiting.extend(input.pop(arrived, BURST));
            }
            let sent = send(port, COLLECTING_QUEUE, &mut self.waiting);
            for packet in self.waiting.drain(..sent) {
                let _owned_by_the_port = packet.into_raw();
            }
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
    packets.iter().map(|packet| u64::from(packet.len())).sum()
}

/// Receives up to `room` packets.
fn poll(
    port: u16,
    queue: u16,
    arrived: &mut [*mut rte_mbuf; BURST],
    room: usize,
) -> impl Iterator<Item = Mbuf> + use<'_> {
    let count = u16::try_from(room.min(BURST)).unwrap_or_default();
    // SAFETY: the port is started and has this queue, which is this worker's alone; `arrived` has room for that many.
    let count = unsafe { dpdk_sys::dpdk_shim_eth_rx_burst(port, queue, arrived.as_mut_ptr(), count) };
    received(arrived, usize::from(count))
}

/// Sends from the front; the caller forgets as many packets as this returns.
fn send(port: u16, queue: u16, packets: &mut [Mbuf]) -> usize {
    let count = u16::try_from(packets.len()).unwrap_or(u16::MAX);
    let from = packets.as_mut_ptr().cast::<*mut rte_mbuf>();
    // SAFETY: the port is started and has this queue, which is this worker's alone; `Mbuf` is a pointer to a buffer.
    usize::from(unsafe { dpdk_sys::dpdk_shim_eth_tx_burst(port, queue, from, count) })
}

const COLLECTING_QUEUE: u16 = 0;

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;
