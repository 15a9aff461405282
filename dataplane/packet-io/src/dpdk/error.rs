use core::ffi::{CStr, c_int};
use core::fmt;

use super::device::Device;
use super::thread::CoreId;

/// Why DPDK, a port or a thread could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum DpdkError {
    /// DPDK can be started once in a process.
    #[error("DPDK was already started in this process, which it allows once")]
    AlreadyStarted,
    /// Hugepages were asked for and none is free.
    #[error(
        "no free hugepages: reserve some with `scripts/hugepages.sh reserve 1024` (MiB, as root), \
         or run without hugepages at about 0.7 of the speed"
    )]
    NoHugepages,
    /// Hugepages as files were asked for and no file system for them is mounted.
    #[error(
        "hugetlbfs is not mounted: run `scripts/hugepages.sh reserve` as root, or keep DPDK's state in memory"
    )]
    NoHugetlbfs,
    /// `rte_eal_init` refused.
    #[error("DPDK did not start: {errno}; {}", mend(*errno))]
    EalInit {
        /// `rte_errno`.
        errno: Errno,
    },
    /// No device was named, so there would be no port.
    #[error("DPDK has no port: name at least one device")]
    NoPorts,
    /// A device is named twice.
    #[error("device {name} is named twice")]
    DuplicateDevice {
        /// Its name.
        name: String,
    },
    /// A virtual device could not be made.
    #[error(
        "{device}: {errno}; its name starts with that of a driver (net_pcap0), \
         and what the driver refused of its arguments is on the standard error"
    )]
    DeviceRefused {
        /// The device as it was named.
        device: Device,
        /// What its driver said.
        errno: Errno,
    },
    /// No port came of a device.
    #[error("DPDK found no port for {device}: {}", not_found_mend(device))]
    DeviceNotFound {
        /// The device as it was named.
        device: Device,
    },
    /// The binding was compiled for another layout of DPDK's structures.
    #[error("{name} is {rust} bytes in the binding and {c} in the C shim: build again from clean")]
    Layout {
        /// Structure or field.
        name: &'static str,
        /// Size or offset in the binding.
        rust: usize,
        /// The same in the shim.
        c: usize,
    },
    /// An argument has a NUL byte.
    #[error("{argument:?} contains a NUL byte")]
    Nul {
        /// The argument.
        argument: String,
    },
    /// The port was started and its queues are still there.
    #[error("port {name} is already started")]
    PortInUse {
        /// Name of the port.
        name: String,
    },
    /// No worker or no device queue was asked for.
    #[error("port {name} needs at least one worker and one device queue")]
    NoWorkers {
        /// Name of the port.
        name: String,
    },
    /// The device cannot carry packets as long as asked.
    #[error("port {name} takes an MTU of {min} to {max} bytes, not {asked}")]
    Mtu {
        /// Name of the port.
        name: String,
        /// What was asked for.
        asked: u16,
        /// Smallest possible.
        min: u16,
        /// Largest possible.
        max: u16,
    },
    /// A call that sets the port up was refused by its driver.
    #[error("port {name}: {step} failed: {errno}")]
    Setup {
        /// Name of the port.
        name: String,
        /// What was done.
        step: SetupStep,
        /// What the driver said.
        errno: Errno,
    },
    /// There is no memory for the packets of a port.
    #[error(
        "no memory for {mbufs} packet buffers of {data_room} bytes: {errno}; \
         reserve more hugepages (scripts/hugepages.sh reserve) or give DPDK more memory"
    )]
    Pool {
        /// Buffers asked for.
        mbufs: u32,
        /// Bytes of each.
        data_room: u16,
        /// `rte_errno`.
        errno: Errno,
    },
    /// There is no memory for a ring between two workers.
    #[error("no ring of {capacity} packets: {errno}")]
    Ring {
        /// Packets asked for.
        capacity: u32,
        /// `rte_errno`.
        errno: Errno,
    },
    /// The thread cannot run on this core.
    #[error("cannot pin this thread to core {}: {source}", core.0)]
    Affinity {
        /// The core.
        core: CoreId,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// DPDK does not accept the thread.
    #[error("DPDK does not register this thread: {errno}")]
    Thread {
        /// `rte_errno`.
        errno: Errno,
    },
}

/// A step in setting up a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupStep {
    /// Asking for its abilities.
    Info,
    /// Setting offloads, MTU and the number of queues.
    Configure,
    /// Adjusting the number of descriptors.
    Descriptors,
    /// Setting up a receive queue.
    RxQueue,
    /// Setting up a transmit queue.
    TxQueue,
    /// Starting.
    Start,
    /// Switching promiscuous mode on.
    Promiscuous,
    /// Reading counters.
    Stats,
    /// Reading the link state.
    Link,
}

impl fmt::Display for SetupStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "asking for its abilities",
            Self::Configure => "configuring it",
            Self::Descriptors => "adjusting its descriptors",
            Self::RxQueue => "setting up a receive queue",
            Self::TxQueue => "setting up a transmit queue",
            Self::Start => "starting it",
            Self::Promiscuous => "switching promiscuous mode on",
            Self::Stats => "reading its counters",
            Self::Link => "reading its link state",
        })
    }
}

/// An error number of DPDK: those of the system, and some of its own above 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// `rte_errno` of this thread.
    pub(super) fn last() -> Self {
        // SAFETY: reads a thread-local variable.
        Self(unsafe { dpdk_sys::dpdk_shim_errno() })
    }

    /// The value of a call that returns 0 or more, or an error number below 0.
    pub(super) fn check(result: c_int) -> Result<c_int, Self> {
        if result < 0 { Err(Self(result.saturating_neg())) } else { Ok(result) }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: returns a string for any number; it stays as it is until this thread asks for another.
        let text = unsafe { dpdk_sys::rte_strerror(self.0) };
        // SAFETY: it is NUL-terminated, and copied before this function returns.
        let text = unsafe { CStr::from_ptr(text) };
        write!(f, "{} ({})", text.to_string_lossy(), self.0)
    }
}

/// What to do about a refusal of `rte_eal_init`; its own words are on the standard error.
fn mend(errno: Errno) -> &'static str {
    match errno.0 {
        libc::ENOMEM => "reserve more hugepages (scripts/hugepages.sh reserve) or ask for less memory",
        libc::EACCES | libc::EPERM => {
            "run it as root, or give it CAP_SYS_ADMIN, CAP_IPC_LOCK and CAP_NET_ADMIN"
        }
        libc::EINVAL => "an option or a device argument was refused: DPDK named it on the standard error",
        libc::ENODEV => "a device could not be probed: is it bound to vfio-pci?",
        libc::EAGAIN => {
            "another process may use the same file prefix, or the memory is being reserved: try again"
        }
        libc::EPROTO => "the PCI bus is not to be had: is sysfs mounted?",
        _ => "DPDK said more on the standard error",
    }
}

fn not_found_mend(device: &Device) -> &'static str {
    if device.is_pci() {
        "is it bound to vfio-pci (dpdk-devbind.py --status), and has it a driver in DPDK?"
    } else {
        "was DPDK started with it?"
    }
}
