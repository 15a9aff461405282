//! What the data plane gives up before it opens a port: writing elsewhere than where its settings say, other programs,
//! system calls that it never makes, and capabilities that its ports do not need. Once they are open, it gives up more
//! (`runner::Privileges`).

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use api::Config;
use api::config::{BootConfig, Device, Failover};
use confinement::{Capabilities, Confinement, Files, InForce, Kept, Programs};
use runner::{OPENING_INTERFACES, Privileges};

use crate::Args;

/// Gives it up; tells what is in force, and what is given up later.
pub(crate) fn enter(args: &Args, config: &Config) -> (String, Privileges) {
    if let Some(why) = &args.unconfined {
        return (InForce::nothing(why).to_string(), Privileges::Untouched);
    }
    if let Some(cache) = &args.cache {
        // Later its parent could not be written to. What is wrong with it is told where it is opened.
        let _ = DirBuilder::new().mode(0o700).create(cache);
    }
    let writable = writable(args, config);
    let mut used = writable.clone();
    used.push(folder_of(&args.config));
    used.extend(config.live.classify.signatures_dir.clone());
    let files = confinement::for_files(&used);
    let capabilities = Kept::only(files | of_ports(&config.boot));
    let confinement =
        Confinement { files: Files::Below(writable), programs: Programs::None, maps: true, capabilities };
    (confinement.enter().to_string(), Privileges::GivenUp { files })
}

/// What it takes to open the ports.
fn of_ports(boot: &BootConfig) -> Capabilities {
    let mut needed = Capabilities::empty();
    for port in &boot.ports {
        needed |= match &port.device {
            Device::File(_) => Capabilities::empty(),
            // The programs that are there are shown to nobody else.
            #[cfg(feature = "xdp")]
            Device::Interface(name) if packet_io::xdp::is_dispatched(name) => {
                OPENING_INTERFACES | Capabilities::SYS_ADMIN
            }
            Device::Interface(_) => OPENING_INTERFACES,
            // Registers are reached, and addresses of memory looked up, where no IOMMU stands between.
            Device::Pci(_) => OPENING_INTERFACES | Capabilities::SYS_RAWIO | Capabilities::SYS_ADMIN,
            Device::Vdev(text) if text.starts_with("net_af_xdp") => {
                OPENING_INTERFACES | Capabilities::SYS_ADMIN
            }
            Device::Vdev(text) if is_of_the_kernel(text) => OPENING_INTERFACES,
            Device::Vdev(_) => Capabilities::empty(),
        };
    }
    if boot.failover == Failover::Kernel && boot.on_interfaces().is_some() {
        needed |= OPENING_INTERFACES;
    }
    if boot.exception_port.is_some() {
        needed |= Capabilities::NET_ADMIN;
    }
    // Memory of DPDK may be locked.
    needed | Capabilities::IPC_LOCK
}

/// Whether a virtual device reaches into the kernel's network.
fn is_of_the_kernel(text: &str) -> bool {
    let driver = text.split(',').next().unwrap_or_default();
    let makes = ["net_tap", "net_tun", "net_af_packet", "net_virtio_user"];
    makes.iter().any(|prefix| driver.starts_with(prefix)) || text.contains("iface=")
}

/// Where it may write.
fn writable(args: &Args, config: &Config) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from(".")];
    paths.extend(args.writable.iter().cloned());
    paths.extend(args.cache.iter().cloned());
    paths.extend(args.control.as_deref().map(folder_of));
    #[cfg(feature = "xdp")]
    paths.extend(args.on_kernel_file.as_deref().map(folder_of));
    paths.extend(config.live.output.eve.iter().map(|output| folder_of(&output.path)));
    // The folder itself may have to be made.
    paths.extend(config.boot.xdp.pin.as_deref().map(folder_of));
    #[cfg(feature = "xdp")]
    paths.push(packet_io::xdp::dispatchers());
    for port in &config.boot.ports {
        // Captures that a driver writes, sockets that it makes.
        if let Device::Vdev(text) = &port.device {
            let values = text.split(',').filter_map(|argument| Some(argument.split_once('=')?.1));
            paths
                .extend(values.filter(|value| value.starts_with('/')).map(|path| folder_of(Path::new(path))));
        }
    }
    // Files of DPDK: hugepages, and what programs beside it read.
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let of_hugepages = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (folder, kind) = (words.nth(1)?, words.next()?);
        (kind == "hugetlbfs").then(|| PathBuf::from(folder))
    });
    paths.extend(of_hugepages);
    if !config.boot.memory.in_memory {
        paths.extend(["/run/dpdk", "/run", "/tmp/dpdk"].map(PathBuf::from));
    }
    paths
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn capabilities_go_by_the_devices() {
        let needed = |device: &str| {
            let text = format!("version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"{device}\"\n");
            of_ports(&Config::from_toml(&text, "").unwrap().boot)
        };
        assert_eq!(needed("net_pcap0,rx_pcap=/a.pcap"), Capabilities::IPC_LOCK);
        assert_eq!(needed("/a.pcap"), Capabilities::IPC_LOCK);
        assert_eq!(needed("eth1"), OPENING_INTERFACES);
        assert_eq!(needed("net_pcap0,rx_iface=eth1"), OPENING_INTERFACES);
        assert!(needed("0000:03:00.0").contains(Capabilities::SYS_RAWIO));
        assert!(!needed("net_tap0,iface=x").contains(Capabilities::SYS_ADMIN));
    }

    #[test]
    fn it_may_write_where_its_settings_say() {
        let args =
            ["x", "-c", "x.toml", "--control", "/run/w/plane.sock", "--cache", "/c", "--writable", "/more"];
        let args = Args::parse_from(args);
        let config = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"net_memif0,role=server,socket=/s/m.sock\"\n\
                      [[live.output.eve]]\npath = \"/log/eve.json\"\n";
        let paths = writable(&args, &Config::from_toml(config, "").unwrap());
        for wanted in [".", "/run/w", "/c", "/more", "/s", "/log"] {
            assert!(paths.iter().any(|path| path == Path::new(wanted)), "{wanted}: {paths:?}");
        }
        assert_eq!(folder_of(Path::new("eve.json")), Path::new("."));
    }
}
