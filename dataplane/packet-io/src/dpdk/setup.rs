//! What a port is configured with, and the calls that do it, in DPDK's order.

use core::mem::MaybeUninit;
use core::ptr;

use super::error::{DpdkError, Errno, SetupStep};
use super::info::{device_info, failed, numa_node, port_name};
use super::pool::{CACHE, MbufPool, PoolSize};
use super::port::PortConfig;
use super::rss;
use crate::BURST;

/// What of a configuration a device can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) rx_queues: u16,
    pub(super) tx_queues: u16,
    /// Fields of the hash that fills the receive queues; 0 where worker 0 spreads the packets.
    rss_fields: u64,
    rss_key_length: u8,
    rx_offloads: u64,
    mtu: u16,
    rx_descriptors: u16,
    tx_descriptors: u16,
    pub(super) pool: PoolSize,
}

impl Plan {
    /// Fits a configuration to a device.
    pub(super) fn new(port: u16, config: &PortConfig) -> Result<Self, DpdkError> {
        let device = device_info(port)?;
        if config.workers == 0 || config.device_queues == 0 {
            return Err(DpdkError::NoWorkers { name: port_name(port) });
        }
        if config.mtu < device.min_mtu || config.mtu > device.max_mtu {
            let (min, max) = (device.min_mtu, device.max_mtu);
            return Err(DpdkError::Mtu { name: port_name(port), asked: config.mtu, min, max });
        }
        let (mut rx_descriptors, mut tx_descriptors) = (config.rx_descriptors, config.tx_descriptors);
        // SAFETY: reads and writes the two numbers.
        let result = unsafe {
            dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(port, &raw mut rx_descriptors, &raw mut tx_descriptors)
        };
        Errno::check(result).map_err(|errno| failed(port, SetupStep::Descriptors, errno))?;
        Ok(Self { rx_descriptors, tx_descriptors, ..Self::of(&device, config) })
    }

    fn of(device: &dpdk_sys::rte_eth_dev_info, config: &PortConfig) -> Self {
        let fields = rss::fields(config.spread, device.flow_type_rss_offloads, device.hash_key_size);
        let by_device = config.workers > 1 && fields != 0 && device.max_rx_queues >= config.workers;
        let rx_queues =
            if by_device { config.workers } else { config.device_queues.min(device.max_rx_queues).max(1) };
        let tx_queues = if device.max_tx_queues >= config.workers { config.workers } else { 1 };
        let hash = if by_device { dpdk_sys::RX_OFFLOAD_RSS_HASH } else { 0 };
        let wanted = dpdk_sys::RX_OFFLOAD_CHECKSUM
            | dpdk_sys::RX_OFFLOAD_SCATTER
            | dpdk_sys::RX_OFFLOAD_TIMESTAMP
            | hash;
        let mut plan = Self {
            rx_queues,
            tx_queues,
            rss_fields: if by_device { fields } else { 0 },
            rss_key_length: device.hash_key_size,
            rx_offloads: wanted & device.rx_offload_capa,
            mtu: config.mtu,
            rx_descriptors: config.rx_descriptors,
            tx_descriptors: config.tx_descriptors,
            pool: PoolSize { mbufs: 0, data_room: data_room(config.mtu) },
        };
        plan.pool.mbufs = config.mbufs.unwrap_or_else(|| plan.mbufs_for(config));
        plan
    }

    /// Enough buffers for every descriptor, ring, cache and burst to be full at once; DPDK stores them best in a power
    /// of two less one.
    fn mbufs_for(&self, config: &PortConfig) -> u32 {
        let workers = u32::from(config.workers);
        let descriptors = u32::from(self.rx_queues) * u32::from(self.rx_descriptors)
            + u32::from(self.tx_queues) * u32::from(self.tx_descriptors);
        let rings = if self.spreads_in_software(workers) { config.handover_ring } else { 0 };
        let collected = if u32::from(self.tx_queues) < workers { config.handover_ring } else { 0 };
        let per_worker = u64::from(CACHE + CACHE / 2) + 4 * BURST as u64;
        let all = u64::from(descriptors)
            + u64::from(workers) * (u64::from(rings) + u64::from(collected) + per_worker);
        u32::try_from(all).unwrap_or(u32::MAX / 2).checked_next_power_of_two().unwrap_or(u32::MAX) - 1
    }

    /// Whether worker 0 hands packets to the others.
    pub(super) fn spreads_in_software(&self, workers: u32) -> bool {
        workers > 1 && self.rss_fields == 0
    }

    pub(super) fn uses_rss(&self) -> bool {
        self.rss_fields != 0
    }

    /// Configures the port and its queues, and starts it.
    pub(super) fn apply(&self, port: u16, pool: &MbufPool) -> Result<(), DpdkError> {
        self.configure(port)?;
        let numa = numa_node(port).cast_unsigned();
        for queue in 0..self.rx_queues {
            // SAFETY: the configuration has this queue, absent settings mean the driver's own, and the pool lives as
            // long as the environment.
            let result = unsafe {
                dpdk_sys::rte_eth_rx_queue_setup(
                    port,
                    queue,
                    self.rx_descriptors,
                    numa,
                    ptr::null(),
                    pool.as_ptr(),
                )
            };
            Errno::check(result).map_err(|errno| failed(port, SetupStep::RxQueue, errno))?;
        }
        for queue in 0..self.tx_queues {
            // SAFETY: the configuration has this queue, and absent settings mean the driver's own.
            let result = unsafe {
                dpdk_sys::rte_eth_tx_queue_setup(port, queue, self.tx_descriptors, numa, ptr::null())
            };
            Errno::check(result).map_err(|errno| failed(port, SetupStep::TxQueue, errno))?;
        }
        // SAFETY: the port is configured and stopped.
        let result = unsafe { dpdk_sys::rte_eth_dev_start(port) };
        Errno::check(result).map_err(|errno| failed(port, SetupStep::Start, errno))?;
        Ok(())
    }

    fn configure(&self, port: u16) -> Result<(), DpdkError> {
        let conf = MaybeUninit::<dpdk_sys::rte_eth_conf>::zeroed();
        // SAFETY: numbers and pointers only, for which zero is a value, and the one that means "as it is".
        let mut conf = unsafe { conf.assume_init() };
        let mut key = rss::symmetric_key(self.rss_key_length);
        conf.rxmode.mtu = u32::from(self.mtu);
        conf.rxmode.offloads = self.rx_offloads;
        conf.rxmode.mq_mode = dpdk_sys::MQ_RX_NONE;
        if self.uses_rss() {
            conf.rxmode.mq_mode = dpdk_sys::MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_key = key.as_mut_ptr();
            conf.rx_adv_conf.rss_conf.rss_key_len = self.rss_key_length;
            conf.rx_adv_conf.rss_conf.rss_hf = self.rss_fields;
        }
        // SAFETY: the structure and the key are copied before the call returns.
        let result =
            unsafe { dpdk_sys::rte_eth_dev_configure(port, self.rx_queues, self.tx_queues, &raw const conf) };
        Errno::check(result).map_err(|errno| failed(port, SetupStep::Configure, errno))?;
        Ok(())
    }
}

/// Bytes of a buffer that a whole frame fits in: headroom, and the frame rounded up to the 1 KiB steps that some
/// devices count in.
fn data_room(mtu: u16) -> u16 {
    let frame = (u32::from(mtu) + FRAME_OVERHEAD).next_multiple_of(1024).max(2048);
    u16::try_from(frame + u32::from(dpdk_sys::MBUF_HEADROOM)).unwrap_or(u16::MAX)
}

/// Ethernet header, two VLAN tags and checksum.
const FRAME_OVERHEAD: u32 = 14 + 2 * 4 + 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn device(max_rx_queues: u16, max_tx_queues: u16, rss: u64) -> dpdk_sys::rte_eth_dev_info {
        let info = MaybeUninit::<dpdk_sys::rte_eth_dev_info>::zeroed();
        // SAFETY: numbers and pointers only, for which zero is a value.
        let mut info = unsafe { info.assume_init() };
        info.max_rx_queues = max_rx_queues;
        info.max_tx_queues = max_tx_queues;
        info.flow_type_rss_offloads = rss;
        info.hash_key_size = 40;
        info
    }

    fn config(workers: u16) -> PortConfig {
        PortConfig { workers, ..PortConfig::new("net_null0".parse().unwrap()) }
    }

    #[test]
    fn a_device_with_rss_gets_a_queue_for_each_worker() {
        let plan = Plan::of(&device(8, 8, u64::MAX), &config(4));
        assert_eq!((plan.rx_queues, plan.tx_queues), (4, 4));
        assert!(plan.uses_rss() && !plan.spreads_in_software(4));
    }

    #[test]
    fn a_device_without_rss_is_spread_in_software() {
        let plan = Plan::of(&device(8, 8, 0), &config(4));
        assert_eq!((plan.rx_queues, plan.tx_queues), (1, 4));
        assert!(plan.spreads_in_software(4));
    }

    #[test]
    fn a_device_with_too_few_queues_is_spread_and_collected_in_software() {
        let plan = Plan::of(&device(2, 1, u64::MAX), &config(4));
        assert_eq!((plan.rx_queues, plan.tx_queues), (1, 1));
        assert!(plan.spreads_in_software(4));
        assert!(plan.pool.mbufs > 3 * 2 * PortConfig::new("n".parse().unwrap()).handover_ring);
    }

    #[test]
    fn queues_that_the_kernel_fills_are_all_polled() {
        let config = PortConfig { device_queues: 4, ..config(2) };
        assert_eq!(Plan::of(&device(4, 4, 0), &config).rx_queues, 4);
    }

    #[test]
    fn a_buffer_holds_a_whole_frame() {
        assert_eq!(data_room(1500), 128 + 2048);
        assert_eq!(data_room(9000), 128 + 9216);
        assert_eq!(data_room(u16::MAX), u16::MAX);
    }
}
