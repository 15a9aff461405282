//! Network cards: who drives them, and whether they may be taken.

use api::Config;
use api::config::{Device, PortConfig};

use super::finding::Finding;
use super::host::{Host, first_word};
use super::pci_ids::PciIds;

const CARDS: &str = "a card that DPDK drives is bound to vfio-pci; the kernel then has no interface for it";

/// A network card on the PCI bus.
pub(super) struct Card {
    pub(super) address: String,
    name: String,
    driver: Option<String>,
    /// Interfaces that the kernel has of it.
    pub(super) interfaces: Vec<String>,
    /// NUMA node, none where the machine does not say.
    pub(super) node: Option<u16>,
}

/// Drivers that hand the card to a program.
const USER_DRIVERS: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];
/// Drivers beside which DPDK works, with the kernel's interface staying.
const SHARED_DRIVERS: [&str; 3] = ["mlx4_core", "mlx5_core", "mana"];

/// Every network card (PCI class 02).
pub(super) fn all(host: &Host) -> Vec<Card> {
    let names = PciIds::of(host);
    let folder = "sys/bus/pci/devices";
    let mut cards = Vec::new();
    for address in host.names(folder) {
        let path = format!("{folder}/{address}");
        if !host.read(format!("{path}/class")).is_some_and(|class| class.starts_with("0x02")) {
            continue;
        }
        let id = |file: &str| {
            let text = host.read(format!("{path}/{file}")).unwrap_or_default();
            text.trim_start_matches("0x").to_owned()
        };
        // A virtio device hangs below its PCI device.
        let mut interfaces = host.names(format!("{path}/net"));
        for below in host.names(&path).iter().filter(|name| name.starts_with("virtio")) {
            interfaces.extend(host.names(format!("{path}/{below}/net")));
        }
        cards.push(Card {
            name: names.name(&id("vendor"), &id("device")),
            driver: host.link(format!("{path}/driver")),
            interfaces,
            node: host.read(format!("{path}/numa_node")).and_then(|node| node.parse().ok()),
            address,
        });
    }
    cards
}

/// Who drives each card.
pub(super) fn cards(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let cards = all(host);
    if cards.is_empty() {
        let seen = "no network card on the PCI bus";
        return vec![Finding::info("card", CARDS, seen)];
    }
    cards.iter().map(|card| one_card(host, card, config)).collect()
}

fn one_card(host: &Host, card: &Card, config: Option<&Config>) -> Finding {
    let wanted = config.is_some_and(|config| ports(config).any(|port| is_card(port, card)));
    let interfaces = card.interfaces.join(", ");
    let what = format!("{} {}", card.address, card.name);
    let bind = format!("sudo dpdk-devbind.py --bind=vfio-pci {}", card.address);
    let Some(driver) = card.driver.as_deref() else {
        let seen = format!("{what}: no driver");
        return if wanted {
            Finding::fail("card", CARDS, seen, bind)
        } else {
            Finding::info("card", CARDS, seen)
        };
    };
    if USER_DRIVERS.contains(&driver) {
        return Finding::ok("card", CARDS, format!("{what}: {driver}"));
    }
    if let Some(interface) = card.interfaces.iter().find(|name| has_default_route(host, name)) {
        let seen = format!("{what}: {driver}, {interface} carries the default route");
        let mend = "leave this card to the kernel, and name another in [[boot.ports]]";
        let why = "taking this card cuts the machine off from its network";
        return if wanted {
            Finding::fail("card", why, seen, mend)
        } else {
            Finding::info("card", why, seen)
        };
    }
    if SHARED_DRIVERS.contains(&driver) {
        return Finding::ok("card", CARDS, format!("{what}: {driver}, which DPDK works beside"));
    }
    if !wanted {
        return Finding::info("card", CARDS, format!("{what}: {driver}, {}", or_none(&interfaces)));
    }
    let down =
        card.interfaces.first().map(|name| format!("sudo ip link set {name} down\n")).unwrap_or_default();
    Finding::fail(
        "card",
        CARDS,
        format!("{what}: {driver}, {}", or_none(&interfaces)),
        format!("{down}{bind}"),
    )
}

fn or_none(interfaces: &str) -> &str {
    if interfaces.is_empty() { "no interface" } else { interfaces }
}

/// Whether every device of the configuration is there.
pub(super) fn configured(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "a port without its device stops the start";
    let mut findings = Vec::new();
    for port in config.into_iter().flat_map(ports) {
        let (there, mend) = match &port.device {
            Device::Pci(address) => (
                host.has(format!("sys/bus/pci/devices/{address}")),
                "name one of those that `dpdk-devbind.py --status-dev net` prints".to_owned(),
            ),
            Device::Interface(name) => (
                host.has(format!("sys/class/net/{name}")),
                "name one of those that `ip -brief link` prints".to_owned(),
            ),
            Device::Vdev(_) | Device::File(_) => continue,
        };
        let seen = format!("port {}: {}", port.name, port.device);
        findings.push(if there {
            Finding::ok("port", why, seen)
        } else {
            Finding::fail("port", why, format!("{seen} is not there"), mend)
        });
    }
    findings
}

/// Whether each interface has as many receive queues as the configuration asks for.
pub(super) fn queues(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "each worker polls a queue of its own, which symmetric RSS fills";
    let mut findings = Vec::new();
    for port in config.into_iter().flat_map(ports) {
        let Device::Interface(name) = &port.device else { continue };
        let have = host
            .names(format!("sys/class/net/{name}/queues"))
            .iter()
            .filter(|queue| queue.starts_with("rx-"))
            .count();
        let seen = format!("{name}: {have} receive queue(s), {} wanted", port.queues);
        findings.push(if have >= usize::from(port.queues) {
            Finding::ok("queues", why, seen)
        } else {
            let count = port.queues;
            Finding::warn(
                "queues",
                why,
                seen,
                format!(
                    "sudo ethtool -L {name} combined {count}\nor write `queues = {have}` for port {}",
                    port.name
                ),
            )
        });
    }
    findings
}

/// Whether cards and workers are on one NUMA node.
pub(super) fn numa(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "a worker that reads packets from another node's memory reaches about half the speed";
    let Some(config) = config else { return Vec::new() };
    let mut findings = Vec::new();
    for card in all(host).iter().filter(|card| ports(config).any(|port| is_card(port, card))) {
        let Some(node) = card.node else { continue };
        let local = host.cores(format!("sys/devices/system/node/node{node}/cpulist"));
        let far: Vec<String> =
            config.boot.cores.iter().filter(|core| !local.contains(core)).map(u16::to_string).collect();
        if far.is_empty() {
            findings.push(Finding::ok(
                "numa",
                why,
                format!("{} and its workers are on node {node}", card.address),
            ));
            continue;
        }
        let seen = format!("{} is on node {node}, core(s) {} are not", card.address, far.join(", "));
        let list = super::host::core_ranges(&local);
        findings.push(Finding::warn("numa", why, seen, format!("take `boot.cores` from {list}")));
    }
    findings
}

fn ports(config: &Config) -> impl Iterator<Item = &PortConfig> {
    config.boot.ports.iter()
}

/// Whether a port is this card, by its address or by an interface of it.
fn is_card(port: &PortConfig, card: &Card) -> bool {
    match &port.device {
        Device::Pci(address) => address.to_string() == card.address,
        Device::Interface(_) | Device::Vdev(_) | Device::File(_) => false,
    }
}

/// Whether the default route of IPv4 or IPv6 leaves through an interface.
fn has_default_route(host: &Host, interface: &str) -> bool {
    let ipv4 = host.read("proc/net/route").unwrap_or_default();
    let by_ipv4 = ipv4.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some(interface) && words.next() == Some("00000000")
    });
    let ipv6 = host.read("proc/net/ipv6_route").unwrap_or_default();
    by_ipv4
        || ipv6.lines().any(|line| {
            let zero = "0".repeat(32);
            let default = first_word(line) == zero && line.split_whitespace().nth(1) == Some("00");
            // A route of metric ffffffff refuses packets.
            let refuses = line.split_whitespace().nth(5) == Some("ffffffff");
            default && !refuses && line.split_whitespace().last() == Some(interface)
        })
}
