//! What follows where DPDK loses a port: the run goes on by AF_XDP, on the kernel's interfaces of its ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[cfg(feature = "dpdk")]
use api::config::{BootConfig, Failover};
use api::control::{FailoverStatus, Loss};
use rustix::time::{ClockId, clock_gettime};

/// Looks in a row that find a link down before its port is taken for lost: a card may negotiate anew.
#[cfg(feature = "dpdk")]
const PATIENCE: u32 = 5;

/// What was lost of a port now, with as many flows.
pub(super) fn loss(why: String, flows_lost: u64) -> Loss {
    Loss { why, flows_lost, at_boot_ms: since_boot_ms() }
}

/// The clock that two programs, one after the other, agree on.
fn since_boot_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) =
        (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

/// A run that goes on elsewhere, until its first packet. Those who tell of it have it, too.
#[derive(Clone, Debug)]
pub(super) struct Rescue {
    loss: Arc<Loss>,
    /// Milliseconds from the loss to the first packet, and one more; 0 before that.
    first_packet: Arc<AtomicU64>,
}

impl Rescue {
    /// A loss without a time is one of now.
    pub(super) fn new(mut loss: Loss) -> Self {
        if loss.at_boot_ms == 0 {
            loss.at_boot_ms = since_boot_ms();
        }
        Self { loss: Arc::new(loss), first_packet: Arc::default() }
    }

    /// Looks whether the first packet has come; how long it took, once.
    pub(super) fn look(&self, received: u64) -> Option<Duration> {
        if received == 0 || self.first_packet.load(Ordering::Relaxed) != 0 {
            return None;
        }
        let took_ms = since_boot_ms().saturating_sub(self.loss.at_boot_ms);
        self.first_packet.store(took_ms.saturating_add(1), Ordering::Relaxed);
        Some(Duration::from_millis(took_ms))
    }

    fn first_packet_ms(&self) -> Option<u64> {
        self.first_packet.load(Ordering::Relaxed).checked_sub(1)
    }

    /// What is to be told of it, by name.
    pub(super) fn counters(&self) -> Vec<(String, u64)> {
        let mut counters =
            vec![("failover.runs".to_owned(), 1), ("failover.flows_lost".to_owned(), self.loss.flows_lost)];
        counters.extend(self.first_packet_ms().map(|millis| ("failover.first_packet_ms".to_owned(), millis)));
        counters
    }

    pub(super) fn status(&self) -> FailoverStatus {
        FailoverStatus {
            why: self.loss.why.clone(),
            flows_lost: self.loss.flows_lost,
            first_packet_ms: self.first_packet_ms(),
        }
    }
}

/// Watches the ports of DPDK.
#[cfg(feature = "dpdk")]
pub(super) struct Watch {
    ports: Vec<Watched>,
    /// The port that is lost, and what was seen of it.
    loss: Option<(String, String)>,
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
        let can_go_on = boot.failover == Failover::Kernel && boot.on_interfaces().is_some();
        let ports = boot.ports.iter().filter(|_| can_go_on).map(|port| {
            let own = port.device.interface();
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
    pub(super) fn look(&mut self, ports: &[(String, packet_io::dpdk::Port)], tell: &dyn Fn(&str)) {
        for (watched, (name, port)) in self.ports.iter_mut().zip(ports) {
            let was_up = watched.was_up;
            let lost = watched.look(port);
            if watched.was_up && !was_up {
                tell(&format!("port {name}: the link is up"));
            }
            if let Some(why) = lost {
                self.loss = Some((name.clone(), why));
                return;
            }
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.loss.is_some()
    }

    pub(super) fn into_loss(self) -> Option<(String, String)> {
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
        let is_up = port.link().is_ok_and(|link| link.is_up);
        // A driver that never hears that the other end has gone says for ever that the link is up.
        let is_forsaken = is_up && port.is_forsaken();
        if is_up && !is_forsaken {
            (self.was_up, self.looks_down) = (true, 0);
            return None;
        }
        self.looks_down += 1;
        let is_lost = self.was_up && self.looks_down >= PATIENCE;
        let why = if is_forsaken { "the other end is gone" } else { "the link is down" };
        is_lost.then(|| why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_packet_is_timed_from_the_loss_and_told_once() {
        let rescue = Rescue::new(Loss { at_boot_ms: since_boot_ms() - 40, ..loss("gone".into(), 7) });
        let seen = rescue.clone();
        assert_eq!((rescue.look(0), seen.status().first_packet_ms), (None, None));
        assert!(rescue.look(1).is_some_and(|took| took >= Duration::from_millis(40)));
        assert_eq!(rescue.look(2), None);
        assert!(seen.status().first_packet_ms.is_some_and(|took| took >= 40));
        assert_eq!(seen.counters().len(), 3);
    }
}
