use core::ffi::{CStr, c_char};
use core::mem::MaybeUninit;

use super::eal::Eal;
use super::error::{DpdkError, Errno, SetupStep};

/// What a port is and can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortInfo {
    /// Number that DPDK gave it; `interface` of its packets.
    pub port: u16,
    /// Its name: a PCI address or a virtual device.
    pub name: String,
    /// Its driver, as DPDK calls it.
    pub driver: String,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// NUMA node of the device, where it has one.
    pub numa_node: Option<u16>,
    /// State of the link, asked without waiting.
    pub link: Link,
    /// Longest packet above Ethernet, bytes.
    pub mtu: u16,
    /// Bounds of that.
    pub mtu_range: (u16, u16),
    /// Most receive queues.
    pub max_rx_queues: u16,
    /// Most transmit queues.
    pub max_tx_queues: u16,
    /// Whether it can spread packets over queues by a symmetric hash.
    pub has_rss: bool,
    /// Whether it checks IPv4, TCP and UDP checksums.
    pub has_rx_checksum: bool,
    /// Whether it can write a packet into several buffers.
    pub has_scatter: bool,
}

/// State of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whether there is one.
    pub is_up: bool,
    /// Its speed, Mbit/s, where the device tells.
    pub speed_mbps: Option<u32>,
    /// Whether both sides may send at once.
    pub duplex: Duplex,
}

/// Whether both sides may send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplex {
    /// One at a time.
    Half,
    /// Both.
    Full,
}

impl Eal {
    /// The ports that DPDK probed, started or not.
    ///
    /// # Errors
    /// [`DpdkError::Setup`] for a driver that does not answer.
    pub fn ports(&self) -> Result<Vec<PortInfo>, DpdkError> {
        let next_from = |port| {
            // SAFETY: reads DPDK's table of ports, which `self` keeps; any number may be asked for.
            let found = unsafe { dpdk_sys::rte_eth_find_next(port) };
            (found < dpdk_sys::PORTS_MAX).then_some(found)
        };
        core::iter::successors(next_from(0), |port| next_from(port + 1)).map(port_info).collect()
    }
}

/// Asks a port what it is.
pub(super) fn port_info(port: u16) -> Result<PortInfo, DpdkError> {
    let device = device_info(port)?;
    let mut mac = dpdk_sys::rte_ether_addr { addr_bytes: [0; 6] };
    // SAFETY: the driver writes six bytes, or none for a port that is not there.
    unsafe { dpdk_sys::rte_eth_macaddr_get(port, &raw mut mac) };
    let mut mtu = 0;
    // SAFETY: writes one number, or none for a port that is not there.
    unsafe { dpdk_sys::rte_eth_dev_get_mtu(port, &raw mut mtu) };
    let driver = match device.driver_name.is_null() {
        true => String::new(),
        // SAFETY: a driver's name is NUL-terminated and lives as long as DPDK.
        false => unsafe { CStr::from_ptr(device.driver_name) }.to_string_lossy().into_owned(),
    };
    let checksums = dpdk_sys::RX_OFFLOAD_CHECKSUM;
    Ok(PortInfo {
        port,
        name: port_name(port),
        driver,
        mac: mac.addr_bytes,
        numa_node: u16::try_from(numa_node(port)).ok(),
        link: link(port)?,
        mtu,
        mtu_range: (device.min_mtu, device.max_mtu),
        max_rx_queues: device.max_rx_queues,
        max_tx_queues: device.max_tx_queues,
        has_rss: device.flow_type_rss_offloads & dpdk_sys::RSS_ADDRESSES != 0 && device.hash_key_size > 0,
        has_rx_checksum: device.rx_offload_capa & checksums == checksums,
        has_scatter: device.rx_offload_capa & dpdk_sys::RX_OFFLOAD_SCATTER != 0,
    })
}

/// NUMA node of a port's device; -1 where it has none.
pub(super) fn numa_node(port: u16) -> i32 {
    // SAFETY: gives -1 for a port that is not there.
    unsafe { dpdk_sys::rte_eth_dev_socket_id(port) }
}

pub(super) fn device_info(port: u16) -> Result<dpdk_sys::rte_eth_dev_info, DpdkError> {
    let mut info = MaybeUninit::<dpdk_sys::rte_eth_dev_info>::zeroed();
    // SAFETY: the function writes one structure of the size that the start-up check found right.
    let result = unsafe { dpdk_sys::rte_eth_dev_info_get(port, info.as_mut_ptr()) };
    Errno::check(result).map_err(|errno| failed(port, SetupStep::Info, errno))?;
    // SAFETY: numbers and pointers only, for which zero is a value; the function has filled it.
    Ok(unsafe { info.assume_init() })
}

/// State of the link, without waiting for it.
pub(super) fn link(port: u16) -> Result<Link, DpdkError> {
    let mut found = dpdk_sys::dpdk_shim_link { speed_mbps: 0, is_up: 0, is_full_duplex: 0 };
    // SAFETY: the shim writes one structure of its own.
    let result = unsafe { dpdk_sys::dpdk_shim_eth_link(port, &raw mut found) };
    Errno::check(result).map_err(|errno| failed(port, SetupStep::Link, errno))?;
    let told = found.speed_mbps != 0 && found.speed_mbps != dpdk_sys::LINK_SPEED_UNKNOWN;
    Ok(Link {
        is_up: found.is_up != 0,
        speed_mbps: told.then_some(found.speed_mbps),
        duplex: if found.is_full_duplex != 0 { Duplex::Full } else { Duplex::Half },
    })
}

/// Name of a port; empty for one that is not there.
pub(super) fn port_name(port: u16) -> String {
    let mut name: [c_char; dpdk_sys::RTE_ETH_NAME_MAX_LEN as usize] = [0; _];
    // SAFETY: a name and its NUL take at most `RTE_ETH_NAME_MAX_LEN` bytes.
    let result = unsafe { dpdk_sys::rte_eth_dev_get_name_by_port(port, name.as_mut_ptr()) };
    if result < 0 { String::new() } else { text(&name) }
}

/// What stands before the NUL in an array that C filled.
pub(super) fn text(array: &[c_char]) -> String {
    let bytes: Vec<u8> =
        array.iter().map(|byte| byte.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn failed(port: u16, step: SetupStep, errno: Errno) -> DpdkError {
    DpdkError::Setup { name: port_name(port), step, errno }
}
