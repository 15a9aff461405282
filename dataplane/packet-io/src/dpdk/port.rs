use core::cell::Cell;
use core::marker::PhantomData;
use std::sync::Arc;

use super::af_packet::RingSockets;
use super::device::Device;
use super::eal::{Eal, c_string};
use super::error::{DpdkError, Errno, SetupStep};
use super::info::{Link, PortInfo, failed, link, numa_node, port_info, port_name, text};
use super::memif::ControlSocket;
use super::pool::MbufPool;
use super::queue::{Counters, DpdkQueue, Lane, Sink, Source};
use super::ring::{self, RingDrops};
use super::rules::FlowRules;
use super::setup::Plan;
use super::spread::Spread;
use crate::IoStats;

/// How a port is started.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// One of the devices that DPDK was started with.
    pub device: Device,
    /// Queue pairs to make, one for each worker.
    pub workers: u16,
    /// Receive queues to poll where the device does not spread packets by RSS; more than one where something else
    /// fills them, as the kernel does for `net_af_xdp` with `queue_count`, or where each is a file of `net_pcap`.
    pub device_queues: u16,
    /// Packets that wait in the device to be received, for each queue.
    pub rx_descriptors: u16,
    /// Packets that wait in the device to be sent, for each queue.
    pub tx_descriptors: u16,
    /// Longest packet above Ethernet, bytes; buffers are large enough to hold it in one piece.
    pub mtu: u16,
    /// Which frames are received.
    pub accept: Accept,
    /// What decides which worker gets a packet.
    pub spread: Spread,
    /// Packets that wait between two workers where a device has too few queues or no RSS.
    pub handover_ring: u32,
    /// Packet buffers; enough for all queues, rings and bursts if not given. `net_pcap` with `infinite_rx` needs one
    /// for every packet of the file besides.
    pub mbufs: Option<u32>,
}

impl PortConfig {
    /// One worker, 1,024 descriptors, Ethernet's MTU, every frame, flows spread by addresses and ports.
    #[must_use]
    pub fn new(device: Device) -> Self {
        Self {
            device,
            workers: 1,
            device_queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
            accept: Accept::Everything,
            spread: Spread::Flows,
            handover_ring: 4095,
            mbufs: None,
        }
    }
}

/// Which frames a port receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// All of them: promiscuous mode.
    Everything,
    /// Those to its own address, and broadcasts.
    OwnAddress,
}

/// Who spreads the packets of a port over the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// There is one worker.
    Single,
    /// The device, by a symmetric hash.
    Rss,
    /// Worker 0, by a hash of its own, over rings.
    Software,
}

/// A started port, for the thread that controls it; its queues are [`DpdkQueue`]s.
///
/// The port stops when this and the last of its queues are dropped; the device cannot be started again after that.
#[derive(Debug)]
pub struct Port {
    distribution: Distribution,
    pool: MbufPool,
    counters: Vec<Arc<Counters>>,
    drops: Vec<RingDrops>,
    started: Arc<Started>,
    /// Over which a memif and its other end talk.
    control: Option<ControlSocket>,
    /// In which the kernel drops what finds no room, if the port is one of AF_PACKET.
    rings: RingSockets,
    // Drivers count for one reader at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Port {
    /// Configures and starts a port, and gives the queue pair of each worker, in order.
    ///
    /// Where the device has too few queues or no RSS, the first queue spreads packets to the others: its worker must
    /// keep receiving.
    ///
    /// # Errors
    /// [`DpdkError::DeviceNotFound`] for a device that DPDK was not started with, [`DpdkError::PortInUse`],
    /// [`DpdkError::Mtu`], [`DpdkError::Pool`], [`DpdkError::Ring`], or [`DpdkError::Setup`] with what the driver said.
    pub fn start(eal: &Eal, config: &PortConfig) -> Result<(Self, Vec<DpdkQueue>), DpdkError> {
        let port = port_of(&config.device)?;
        let plan = Plan::new(port, config)?;
        if !eal.claim_port(port) {
            return Err(DpdkError::PortInUse { name: port_name(port) });
        }
        let started = Arc::new(Started { port, eal: eal.clone() });
        let pool = MbufPool::create(eal, plan.pool, numa_node(port))?;
        plan.apply(port, &pool)?;
        if config.accept == Accept::Everything {
            promiscuous(port)?;
        }
        let lane = Lane::new(port, &port_info(port)?.driver);
        let (sources, drops) = sources(eal, port, config, &plan)?;
        let sinks = sinks(eal, port, config, &plan)?;
        let queues: Vec<DpdkQueue> = sources
            .into_iter()
            .zip(sinks)
            .map(|(source, sink)| DpdkQueue::new(source, sink, lane, (pool.clone(), Arc::clone(&started))))
            .collect();
        let distribution = match (config.workers, plan.uses_rss()) {
            (1, _) => Distribution::Single,
            (_, true) => Distribution::Rss,
            (_, false) => Distribution::Software,
        };
        let counters = queues.iter().map(DpdkQueue::counters).collect();
        let control = ControlSocket::of(&config.device);
        let rings = RingSockets::of(&config.device);
        let port =
            Self { distribution, pool, counters, drops, started, control, rings, not_sync: PhantomData };
        Ok((port, queues))
    }

    /// Who spreads the packets over the workers.
    #[must_use]
    pub fn distribution(&self) -> Distribution {
        self.distribution
    }

    /// The port's packet buffers.
    #[must_use]
    pub fn pool(&self) -> &MbufPool {
        &self.pool
    }

    /// What the port is and can do.
    ///
    /// # Errors
    /// [`DpdkError::Setup`] where the driver does not answer.
    pub fn info(&self) -> Result<PortInfo, DpdkError> {
        port_info(self.started.port)
    }

    /// State of the link, asked without waiting.
    ///
    /// # Errors
    /// [`DpdkError::Setup`] where the driver does not answer.
    pub fn link(&self) -> Result<Link, DpdkError> {
        link(self.started.port)
    }

    /// The card's rules for settled flows, for a worker that has its own counted there.
    #[must_use]
    pub fn flow_rules(&self) -> FlowRules {
        FlowRules::new(Arc::clone(&self.started))
    }

    /// Whether the device was taken out of the machine, as far as its driver knows.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        // SAFETY: takes a number only.
        unsafe { dpdk_sys::rte_eth_dev_is_removed(self.started.port) == 1 }
    }

    /// Whether the kernel says that nobody is at the other end of a memif, whatever its driver says of the link; false of
    /// other devices.
    #[must_use]
    pub fn is_forsaken(&self) -> bool {
        self.control.as_ref().is_some_and(|control| !control.is_connected())
    }

    /// What the device counted, and what was lost between it and the workers.
    ///
    /// Packets that found no room in a worker's ring or in one of AF_PACKET are missed ones, and not received.
    ///
    /// # Errors
    /// [`DpdkError::Setup`] where the driver does not answer.
    pub fn stats(&self) -> Result<IoStats, DpdkError> {
        let port = self.started.port;
        let mut counted = core::mem::MaybeUninit::<dpdk_sys::rte_eth_stats>::zeroed();
        // SAFETY: the function writes one structure of the size that the start-up check found right.
        let result = unsafe { dpdk_sys::rte_eth_stats_get(port, counted.as_mut_ptr()) };
        Errno::check(result).map_err(|errno| failed(port, SetupStep::Stats, errno))?;
        // SAFETY: numbers only, for which zero is a value; the function has filled it.
        let counted = unsafe { counted.assume_init() };
        let dropped: u64 = self.drops.iter().map(RingDrops::packets).sum();
        let dropped_bytes: u64 = self.drops.iter().map(RingDrops::bytes).sum();
        let unreadable: u64 = self.counters.iter().map(|queue| queue.rx_errors()).sum();
        Ok(IoStats {
            rx_packets: counted.ipackets.saturating_sub(dropped).saturating_sub(unreadable),
            rx_bytes: counted.ibytes.saturating_sub(dropped_bytes),
            tx_packets: counted.opackets,
            tx_bytes: counted.obytes,
            rx_missed: counted.imissed.saturating_add(self.rings.dropped()).saturating_add(dropped),
            rx_errors: counted.ierrors.saturating_add(unreadable),
            rx_no_buffer: counted.rx_nombuf,
            tx_errors: counted.oerrors,
        })
    }

    /// Every counter that the driver has, by its own name.
    ///
    /// # Errors
    /// [`DpdkError::Setup`] where the driver does not answer.
    pub fn extended_stats(&self) -> Result<Vec<(String, u64)>, DpdkError> {
        let port = self.started.port;
        let checked = |result| {
            let count = Errno::check(result).map_err(|errno| failed(port, SetupStep::Stats, errno))?;
            Ok::<u32, DpdkError>(count.cast_unsigned())
        };
        // SAFETY: without an array the function only counts.
        let count = checked(unsafe { dpdk_sys::rte_eth_xstats_get_names(port, core::ptr::null_mut(), 0) })?;
        let no_name = dpdk_sys::rte_eth_xstat_name { name: [0; dpdk_sys::RTE_ETH_XSTATS_NAME_SIZE as usize] };
        let mut names = vec![no_name; count as usize];
        // SAFETY: the array has `count` elements, and the function fills at most as many.
        let named = checked(unsafe { dpdk_sys::rte_eth_xstats_get_names(port, names.as_mut_ptr(), count) })?;
        let mut values = vec![dpdk_sys::rte_eth_xstat { id: 0, value: 0 }; count as usize];
        // SAFETY: as above.
        let valued = checked(unsafe { dpdk_sys::rte_eth_xstats_get(port, values.as_mut_ptr(), count) })?;
        values.truncate(named.min(valued) as usize);
        let named = |counter: dpdk_sys::rte_eth_xstat| {
            let at = usize::try_from(counter.id).ok()?;
            Some((text(&names.get(at)?.name), counter.value))
        };
        Ok(values.into_iter().filter_map(named).collect())
    }
}

/// A configured port: stopped and closed when nobody has it any more.
#[derive(Debug)]
pub(super) struct Started {
    port: u16,
    eal: Eal,
}

impl Started {
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // SAFETY: the queues are gone, so nobody receives or sends; a port that is not started is left as it is.
        unsafe { dpdk_sys::rte_eth_dev_stop(self.port) };
        // SAFETY: as above, and the port is stopped.
        unsafe { dpdk_sys::rte_eth_dev_close(self.port) };
        self.eal.release_port(self.port);
    }
}

/// The number of a device's port.
pub(super) fn port_of(device: &Device) -> Result<u16, DpdkError> {
    let name = c_string(device.name())?;
    let mut port = 0;
    // SAFETY: the name is NUL-terminated, and one number is written.
    let result = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut port) };
    if result < 0 { Err(DpdkError::DeviceNotFound { device: device.clone() }) } else { Ok(port) }
}

fn promiscuous(port: u16) -> Result<(), DpdkError> {
    // SAFETY: the port is started.
    let result = unsafe { dpdk_sys::rte_eth_promiscuous_enable(port) };
    match Errno::check(result) {
        // A virtual device has no address filter to switch off.
        Ok(_) | Err(Errno(libc::ENOTSUP)) => Ok(()),
        Err(errno) => Err(failed(port, SetupStep::Promiscuous, errno)),
    }
}

/// Where each worker receives from, and the counts of the rings between them.
fn sources(
    eal: &Eal,
    port: u16,
    config: &PortConfig,
    plan: &Plan,
) -> Result<(Vec<Source>, Vec<RingDrops>), DpdkError> {
    if plan.uses_rss() {
        return Ok(((0..plan.rx_queues).map(Source::Device).collect(), Vec::new()));
    }
    let rings = rings(eal, port, config)?;
    if rings.is_empty() && plan.rx_queues == 1 {
        return Ok((vec![Source::Device(0)], Vec::new()));
    }
    let drops = rings.iter().map(|(producer, _)| producer.counts()).collect();
    let (producers, consumers): (Vec<_>, Vec<_>) = rings.into_iter().unzip();
    let distributor = Source::distributor(plan.rx_queues, config.spread, producers);
    let sources = core::iter::once(distributor).chain(consumers.into_iter().map(Source::ring));
    Ok((sources.collect(), drops))
}

/// Where each worker sends to.
fn sinks(eal: &Eal, port: u16, config: &PortConfig, plan: &Plan) -> Result<Vec<Sink>, DpdkError> {
    if plan.tx_queues == config.workers {
        return Ok((0..plan.tx_queues).map(Sink::Device).collect());
    }
    let (producers, consumers): (Vec<_>, Vec<_>) = rings(eal, port, config)?.into_iter().unzip();
    let sinks = core::iter::once(Sink::collector(consumers)).chain(producers.into_iter().map(Sink::Ring));
    Ok(sinks.collect())
}

/// A ring for each worker but the first.
fn rings(
    eal: &Eal,
    port: u16,
    config: &PortConfig,
) -> Result<Vec<(ring::Producer, ring::Consumer)>, DpdkError> {
    (1..config.workers).map(|_| ring::channel(eal, config.handover_ring, numa_node(port))).collect()
}
