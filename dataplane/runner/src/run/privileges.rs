//! Capabilities that are left once the ports are open: of the threads beside the workers what a live change needs, of the
//! workers, which read packets, next to nothing.

use api::config::{Backend, BootConfig, Device, Failover};
use confinement::{Capabilities, Kept};

/// What becomes of the program's capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privileges {
    /// They stay as they are.
    #[default]
    Untouched,
    /// They are given up before packets are read, but for those that a live change needs.
    GivenUp {
        /// What it takes to read and write the program's files, where they are others'.
        files: Capabilities,
    },
}

impl Privileges {
    /// Gives up what open ports do not need, of this thread and those that it starts from now on; tells what is left.
    /// `is_alone` says that nobody starts another data plane in the place of this one.
    pub(super) fn settle(self, backend: Backend, boot: &BootConfig, is_alone: bool) -> Option<String> {
        let Self::GivenUp { files } = self else { return None };
        let left = Kept::only(files | of_ports(backend, boot, is_alone)).keep();
        Some(match left {
            Ok(left) => format!(
                "capabilities {}, workers {}",
                confinement::names(left),
                confinement::names(left & of_workers(backend))
            ),
            Err(why) => format!("capabilities as at the start ({why})"),
        })
    }

    /// Gives up what a worker does not need; called by the worker.
    pub(super) fn work(self, backend: Backend) {
        if self != Self::Untouched {
            // It is the thread's own; what refused the thread in charge was told by it.
            let _ = Kept::only(of_workers(backend)).keep();
        }
    }
}

/// What those who look after open ports use.
fn of_ports(backend: Backend, boot: &BootConfig, is_alone: bool) -> Capabilities {
    let mut kept = of_workers(backend);
    // Rules and links of devices that the kernel has a part in are changed by netlink.
    let is_shared = |device: &Device| match device {
        Device::Pci(_) => true,
        Device::Vdev(text) => text.starts_with("net_tap"),
        Device::Interface(_) | Device::File(_) => false,
    };
    if backend == Backend::Dpdk && boot.ports.iter().any(|port| is_shared(&port.device)) {
        kept |= Capabilities::NET_ADMIN;
    }
    // Addresses of the exception port follow the configuration.
    if boot.exception_port.is_some() {
        kept |= Capabilities::NET_ADMIN;
    }
    // Where DPDK loses a port, the kernel's interfaces are opened by this very process.
    let goes_on = boot.failover == Failover::Kernel && boot.on_interfaces().is_some();
    if backend == Backend::Dpdk && is_alone && goes_on {
        kept |= OPENING_INTERFACES;
    }
    kept
}

/// What workers use: maps of eBPF, where the kernel wants a capability for one that is open already.
fn of_workers(backend: Backend) -> Capabilities {
    let uname = rustix::system::uname();
    let is_strict = uname.release().to_str().is_ok_and(is_before_5_19);
    if backend == Backend::AfXdp && is_strict { Capabilities::BPF } else { Capabilities::empty() }
}

/// Whether a release of Linux is older than 5.19, which lets who holds a map use it.
fn is_before_5_19(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map(|word| word.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < (5, 19)
}

/// To open sockets of AF_XDP and load a program onto an interface: without `perfmon` the kernel's verifier refuses
/// arithmetic with pointers to packets. Memory for sockets and maps counts as locked.
pub const OPENING_INTERFACES: Capabilities = Capabilities::NET_ADMIN
    .union(Capabilities::NET_RAW)
    .union(Capabilities::BPF)
    .union(Capabilities::PERFMON)
    .union(Capabilities::IPC_LOCK)
    .union(Capabilities::SYS_RESOURCE);

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(device: &str) -> BootConfig {
        let text = format!("version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"{device}\"\n");
        api::Config::from_toml(&text, "").unwrap().boot
    }

    #[test]
    fn what_is_kept_goes_by_the_backend_and_the_devices() {
        let kept = |backend, device: &str, is_alone| of_ports(backend, &boot(device), is_alone);
        assert!(kept(Backend::Dpdk, "net_pcap0,rx_pcap=/a", false).is_empty());
        assert_eq!(kept(Backend::Dpdk, "0000:03:00.0", false), Capabilities::NET_ADMIN);
        assert_eq!(kept(Backend::Dpdk, "net_af_packet0,iface=eth1", true), OPENING_INTERFACES);
        assert!(kept(Backend::Dpdk, "net_af_packet0,iface=eth1", false).is_empty(), "another is started");
        assert!(!kept(Backend::AfXdp, "eth1", true).contains(Capabilities::NET_ADMIN));
        let with_exception = BootConfig { exception_port: Some("ww0".into()), ..boot("net_null0") };
        assert_eq!(of_ports(Backend::Dpdk, &with_exception, false), Capabilities::NET_ADMIN);
    }

    #[test]
    fn only_old_kernels_want_a_capability_for_an_open_map() {
        assert!(is_before_5_19("5.10.0-9-amd64") && is_before_5_19("4.19.1"));
        assert!(!is_before_5_19("5.19.0") && !is_before_5_19("6.1.0-28-amd64"));
    }
}
