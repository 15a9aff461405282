//! What follows where DPDK loses a port: the run goes on by AF_XDP, on the kernel's interfaces of its ports.

use std::time::{Duration, Instant};

use api::config::{Backend, BootConfig, Config, Device, Failover};

use super::kernel::interface_of;

/// Looks in a row that find a link down before its port is taken for lost: a card may negotiate anew.
#[cfg(feature = "dpdk")]
const PATIENCE: u32 = 5;

/// The same configuration on the kernel's interfaces, for where DPDK does not start, has died, or has lost a port; none
/// where a port has no interface.
pub(super) fn on_interfaces(boot: &BootConfig) -> Option<BootConfig> {
    let mut boot = boot.clone();
    for port in &mut boot.ports {
        let interface = port.failover.clone().or_else(|| interface_of(&port.device))?;
        port.device = Device::Interface(interface);
    }
    boot.backend = Backend::AfXdp;
    Some(boot)
}

/// The same configuration for a data plane that starts in the place of one that died with DPDK; none where a port has no
/// interface, or nothing is to take its place.
#[must_use]
pub fn on_kernel(config: &Config) -> Option<Config> {
    if config.boot.failover == Failover::Off {
        return None;
    }
    Some(Config { boot: on_interfaces(&config.boot)?, live: config.live.clone() })
}

/// A port that DPDK has lost.
#[derive(Clone, Debug)]
pub(super) struct Loss {
    /// Its name.
    pub(super) port: String,
    /// What was seen of it.
    pub(super) why: String,
    at: Instant,
}

/// A run that goes on elsewhere, until its first packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rescue {
    lost_at: Instant,
    flows_lost: u64,
    first_packet: Option<Duration>,
}

impl Rescue {
    pub(super) fn new(loss: &Loss, flows_lost: u64) -> Self {
        Self { lost_at: loss.at, flows_lost, first_packet: None }
    }

    /// Looks whether the first packet has come; how long it took, once.
    pub(super) fn look(&mut self, received: u64) -> Option<Duration> {
        if received == 0 || self.first_packet.is_some() {
            return None;
        }
        self.first_packet = Some(self.lost_at.elapsed());
        self.first_packet
    }

    /// What is to be told of it, by name.
    pub(super) fn counters(&self) -> Vec<(String, u64)> {
        let mut counters =
            vec![("failover.runs".to_owned(), 1), ("failover.flows_lost".to_owned(), self.flows_lost)];
        if let Some(took) = self.first_packet {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            counters.push(("failover.first_packet_ms".to_owned(), millis));
        }
        counters
    }
}

/// Watches the ports of DPDK.
#[cfg(feature = "dpdk")]
pub(super) struct Watch {
    ports: Vec<Watched>,
    loss: Option<Loss>,
}

/// What is known of one port.
#[cfg(feature = "dpdk")]
struct Watched {
    /// The interface that its driver reads from, and its number in the kernel: another of the same name is another.
    own: Option<(String, u32)>,
    /// Whether another interface can take its place, so that a link that is down is no reason to wait.
    has_other: bool,
    was_up: bool,
    looks_down: u32,
}

#[cfg(feature = "dpdk")]
impl Watch {
    /// Watches the ports of a configuration where something can take their place.
    pub(super) fn new(boot: &BootConfig) -> Self {
        let can_go_on = boot.failover == Failover::Kernel && on_interfaces(boot).is_some();
        let ports = boot.ports.iter().filter(|_| can_go_on).map(|port| {
            let own = interface_of(&port.device);
            let has_other = port.failover.is_some() && port.failover != own;
            let own = own.and_then(|name| {
                let index = packet_io::af_xdp::interface_index(&name)?;
                Some((name, index))
            });
            Watched { own, has_other, was_up: false, looks_down: 0 }
        });
        Self { ports: ports.collect(), loss: None }
    }

    /// Looks whether a port is lost.
    #[expect(clippy::disallowed_methods, reason = "the clock of the thread in charge")]
    pub(super) fn look(&mut self, ports: &[(String, packet_io::dpdk::Port)], tell: &dyn Fn(&str)) {
        for (watched, (name, port)) in self.ports.iter_mut().zip(ports) {
            let was_up = watched.was_up;
            let lost = watched.look(port);
            if watched.was_up && !was_up {
                tell(&format!("port {name}: the link is up"));
            }
            if let Some(why) = lost {
                self.loss = Some(Loss { port: name.clone(), why, at: Instant::now() });
                return;
            }
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.loss.is_some()
    }

    pub(super) fn into_loss(self) -> Option<Loss> {
        self.loss
    }
}

#[cfg(feature = "dpdk")]
impl Watched {
    fn look(&mut self, port: &packet_io::dpdk::Port) -> Option<String> {
        if let Some((name, index)) = &self.own {
            match packet_io::af_xdp::interface_index(name) {
                None => return Some(format!("{name} is gone")),
                Some(now) if now != *index => return Some(format!("{name} is another interface now")),
                Some(_) => {}
            }
        }
        if port.is_removed() {
            return Some("the device is gone".to_owned());
        }
        if !self.has_other {
            return None;
        }
        if port.link().is_ok_and(|link| link.is_up) {
            (self.was_up, self.looks_down) = (true, 0);
            return None;
        }
        self.looks_down += 1;
        (self.was_up && self.looks_down >= PATIENCE).then(|| "the link is down".to_owned())
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
        assert!(on_kernel(&config("")).is_none(), "a memif is on no interface");
        let there = on_kernel(&config("failover = \"eth2\"\n")).unwrap();
        let devices: Vec<_> = there.boot.ports.iter().map(|port| port.device.to_string()).collect();
        assert_eq!(
            (devices, there.boot.backend),
            (vec!["eth1".to_owned(), "eth2".to_owned()], Backend::AfXdp)
        );
        assert!(on_kernel(&config("failover = \"eth2\"\n[boot]\nfailover = \"off\"\n")).is_none());
    }
}
