//! Namespaces of two hosts, two gateways and the wire between them.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::process::{Command as Process, Output};
use std::thread::{self, JoinHandle};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// How the daemons reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// By a network of their own.
    Beside,
    /// Through the ports, which are DPDK's, and the exception port.
    Through,
}

/// The namespaces, removed when dropped.
pub(crate) struct Network(String);

impl Network {
    /// None, said so, where this process may not make namespaces.
    pub(crate) fn new(keys: Keys) -> Option<Self> {
        let network = Self(format!("ww{keys:?}-{}", std::process::id()));
        for name in NAMES {
            let made = Process::new("ip").args(["netns", "add", &network.name(name)]).output();
            if !made.is_ok_and(|output| output.status.success()) {
                eprintln!("SKIPPED: needs root, to make network namespaces (ip netns add)");
                return None;
            }
            network.ip(name, "link set dev lo up");
        }
        for at in 0..2 {
            let (host, gate) = (format!("host{at}"), format!("gate{at}"));
            network.pair((&host, "net"), (&gate, "lan"));
            network.pair((&gate, "wan"), ("wire", &format!("side{at}")));
            let ours = at + 1;
            network.ip(&host, &format!("addr add 10.{ours}.0.10/16 dev net"));
            network.ip(&host, &format!("route add default via 10.{ours}.0.1"));
        }
        match keys {
            Keys::Beside => {
                network.pair(("gate0", "keys"), ("gate1", "keys"));
                network.ip("gate0", "addr add 10.99.0.1/24 dev keys");
                network.ip("gate1", "addr add 10.99.0.2/24 dev keys");
            }
            // The kernel sees what AF_PACKET sees, and would answer for an address that it has elsewhere.
            Keys::Through => ["gate0", "gate1"].iter().for_each(|gate| {
                network.set(gate, "net.ipv4.conf.wan.arp_ignore=1");
            }),
        }
        network.ip("wire", "link add bridge type bridge mcast_snooping 0");
        network.no_ipv6("wire", "bridge");
        for interface in ["side0", "side1"] {
            network.ip("wire", &format!("link set dev {interface} master bridge"));
        }
        network.ip("wire", "link set dev bridge up");
        Some(network)
    }

    fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.0)
    }

    fn pair(&self, one: (&str, &str), other: (&str, &str)) {
        let far = self.name(other.0);
        self.ip(one.0, &format!("link add {} type veth peer name {} netns {far}", one.1, other.1));
        for (namespace, interface) in [one, other] {
            self.no_ipv6(namespace, interface);
            // A veth leaves checksums and segments to a card that there is not.
            let off = ["-K", interface, "tx", "off", "gso", "off", "tso", "off", "gro", "off"];
            let _ = self.inside(namespace, "ethtool").args(off).output();
            self.ip(namespace, &format!("link set dev {interface} up"));
        }
    }

    /// What the kernel sends by itself would be in the clear.
    fn no_ipv6(&self, namespace: &str, interface: &str) {
        self.set(namespace, &format!("net.ipv6.conf.{interface}.disable_ipv6=1"));
    }

    fn set(&self, namespace: &str, what: &str) {
        assert!(self.inside(namespace, "sysctl").args(["-q", "-w", what]).status().unwrap().success());
    }

    /// Frames with longer packets are lost between the gateways from now on.
    pub(crate) fn narrow_wire(&self, mtu: u16) {
        for interface in ["side0", "side1"] {
            self.ip("wire", &format!("link set dev {interface} mtu {mtu}"));
        }
    }

    pub(crate) fn ip(&self, namespace: &str, arguments: &str) -> Output {
        let output = self.inside(namespace, "ip").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// A program within a namespace; unlike `ip netns exec` it leaves file systems as they are.
    pub(crate) fn inside(&self, namespace: &str, program: impl AsRef<OsStr>) -> Process {
        let mut process = Process::new("nsenter");
        process.arg(format!("--net=/run/netns/{}", self.name(namespace))).arg(program);
        process
    }

    /// Something that a thread does within a namespace.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        namespace: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let path = format!("/run/netns/{}", self.name(namespace));
        thread::spawn(move || {
            let file = fs::File::open(path).unwrap();
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in NAMES {
            let _ = Process::new("ip").args(["netns", "del", &self.name(name)]).output();
        }
    }
}

const NAMES: [&str; 5] = ["host0", "host1", "gate0", "gate1", "wire"];
