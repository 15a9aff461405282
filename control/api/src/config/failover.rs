//! The kernel's interfaces that take the place of ports which DPDK has lost.

use std::fs;

use super::{Backend, BootConfig, Config, Device, Failover};

impl Device {
    /// The kernel interface that it is, or that its driver reads from; none where it has none.
    #[must_use]
    pub fn interface(&self) -> Option<String> {
        match self {
            Self::Interface(name) => Some(name.clone()),
            // A card that is bound to the kernel's driver has its interfaces there.
            Self::Pci(address) => {
                let folder = format!("/sys/bus/pci/devices/{address}/net");
                let first = fs::read_dir(folder).ok()?.filter_map(Result::ok).next()?;
                first.file_name().into_string().ok()
            }
            Self::Vdev(text) => {
                let is_on_interface =
                    ["net_af_packet", "net_af_xdp"].iter().any(|name| text.starts_with(name));
                let iface = text.split(',').find_map(|argument| argument.strip_prefix("iface="))?;
                is_on_interface.then(|| iface.to_owned())
            }
            Self::File(_) => None,
        }
    }
}

impl BootConfig {
    /// The same configuration on the kernel's interfaces, for where DPDK does not start, has died, or has lost a port;
    /// none where a port has no interface.
    #[must_use]
    pub fn on_interfaces(&self) -> Option<Self> {
        let mut boot = self.clone();
        for port in &mut boot.ports {
            let interface = port.failover.clone().or_else(|| port.device.interface())?;
            port.device = Device::Interface(interface);
        }
        boot.backend = Backend::AfXdp;
        Some(boot)
    }
}

impl Config {
    /// The boot part for a data plane that starts in the place of one that died with DPDK, or lost a port; none where a
    /// port has no interface, or nothing is to take its place.
    #[must_use]
    pub fn on_kernel(&self) -> Option<BootConfig> {
        let is_wanted = self.boot.failover == Failover::Kernel;
        is_wanted.then(|| self.boot.on_interfaces()).flatten().filter(|boot| !boot.ports.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
version = 1
[[boot.ports]]
name = "wan"
device = "net_af_packet0,iface=eth1"
[[boot.ports]]
name = "lan"
device = "net_memif0"
"#;

    fn config(more: &str) -> Config {
        Config::from_toml(&format!("{CONFIG}{more}"), "test").unwrap()
    }

    #[test]
    fn every_port_needs_an_interface_that_takes_its_place() {
        assert!(config("").on_kernel().is_none(), "a memif is on no interface");
        let there = config("failover = \"eth2\"\n").on_kernel().unwrap();
        let devices: Vec<_> = there.ports.iter().map(|port| port.device.to_string()).collect();
        assert_eq!((devices, there.backend), (vec!["eth1".to_owned(), "eth2".to_owned()], Backend::AfXdp));
        assert!(config("failover = \"eth2\"\n[boot]\nfailover = \"off\"\n").on_kernel().is_none());
        assert!(Config::from_toml("version = 1\n", "test").unwrap().on_kernel().is_none(), "no ports");
    }

    #[test]
    fn devices_on_interfaces_are_known_by_their_arguments() {
        let interface = |text: &str| text.parse::<Device>().unwrap().interface();
        assert_eq!(interface("eth1").as_deref(), Some("eth1"));
        assert_eq!(interface("net_af_packet0,iface=eth2,qpairs=2").as_deref(), Some("eth2"));
        assert_eq!(interface("net_af_xdp0,iface=eth3").as_deref(), Some("eth3"));
        assert_eq!(interface("net_pcap0,iface=eth4"), None);
        assert_eq!(interface("net_null0"), None);
        assert_eq!(interface("./office.pcap"), None);
        assert_eq!(interface("ffff:ff:1f.7"), None);
    }
}
