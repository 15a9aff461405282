//! What the thread in charge does with the ports while the workers work.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use packet_io::IoStats;

use super::exporting::Message;

/// Open ports, looked after by the thread in charge, which owns them.
pub(super) trait Ports {
    /// Called every [`super::LOOK`] with the way to the exporter; gives what went wrong, once.
    fn tend(&mut self, sender: &Sender<Message>, tell: &dyn Fn(&str)) -> Vec<String> {
        let _ = (sender, tell);
        Vec::new()
    }

    /// Live settings are others now; gives what went wrong.
    fn follow(&mut self, following: Following) -> Vec<String> {
        let _ = following;
        Vec::new()
    }

    /// Counters of each port's driver by name.
    fn stats(&self) -> Vec<(String, IoStats)>;

    /// What XDP programs counted, by name.
    fn xdp(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// What these ports took the place of, where they did.
    fn rescued(&self) -> Option<super::Rescued> {
        None
    }

    /// Whether one is lost, and others can take their place: the run ends.
    fn is_lost(&self) -> bool {
        false
    }
}

/// Ports that need nothing and whose queues say everything: files.
pub(super) struct Nothing;

impl Ports for Nothing {
    fn stats(&self) -> Vec<(String, IoStats)> {
        Vec::new()
    }
}

/// Ports of DPDK.
#[cfg(feature = "dpdk")]
pub(super) struct DpdkPorts {
    ports: Vec<(String, packet_io::dpdk::Port)>,
    #[cfg(feature = "xdp")]
    watch: super::failover::Watch,
}

#[cfg(feature = "dpdk")]
impl DpdkPorts {
    pub(super) fn new(boot: &api::config::BootConfig, ports: Vec<(String, packet_io::dpdk::Port)>) -> Self {
        #[cfg(not(feature = "xdp"))]
        let _ = boot;
        Self {
            ports,
            #[cfg(feature = "xdp")]
            watch: super::failover::Watch::new(boot),
        }
    }

    /// The port that was lost; all of them are closed.
    #[cfg(feature = "xdp")]
    pub(super) fn into_loss(self) -> Option<(String, String)> {
        self.watch.into_loss()
    }
}

#[cfg(feature = "dpdk")]
impl Ports for DpdkPorts {
    #[cfg(feature = "xdp")]
    fn tend(&mut self, _: &Sender<Message>, tell: &dyn Fn(&str)) -> Vec<String> {
        self.watch.look(&self.ports, tell);
        Vec::new()
    }

    #[cfg(feature = "xdp")]
    fn is_lost(&self) -> bool {
        self.watch.is_lost()
    }

    fn stats(&self) -> Vec<(String, IoStats)> {
        self.ports.iter().map(|(name, port)| (name.clone(), port.stats().unwrap_or_default())).collect()
    }
}

/// What only the thread in charge can do: the ports' drivers are its own.
pub(super) enum Ask {
    /// What was counted.
    Report(Sender<PortReport>),
    /// Live settings of the ports are others now; what went wrong.
    Follow(Box<Following>, Sender<Vec<String>>),
}

/// Live settings of ports that are programs in the kernel. Shunting is switched beside them.
#[derive(Debug)]
pub(super) struct Following {
    /// Whether sources, and destinations, that are on no list are denied.
    #[cfg_attr(not(feature = "xdp"), expect(dead_code, reason = "only such ports have lists"))]
    pub(super) others: [api::config::ListAction; 2],
    /// Another configuration of the lists, and its prefixes; none where it is the one in force.
    #[cfg(feature = "xdp")]
    pub(super) lists: Option<(api::config::ListsConfig, Vec<packet_io::xdp::ListEntry>)>,
}

/// What the ports' drivers and programs counted.
#[derive(Clone, Debug, Default)]
pub(super) struct PortReport {
    pub(super) ports: Vec<(String, IoStats)>,
    pub(super) xdp: Vec<(String, u64)>,
}

impl Ask {
    pub(super) fn answer(self, ports: &mut dyn Ports) {
        match self {
            Self::Report(reply) => {
                _ = reply.try_send(PortReport { ports: ports.stats(), xdp: ports.xdp() });
            }
            Self::Follow(following, reply) => _ = reply.try_send(ports.follow(*following)),
        }
    }
}

/// When it is time to look again: questions in between do not put it off.
pub(super) struct Timer {
    every: Duration,
    due: Instant,
}

#[expect(clippy::disallowed_methods, reason = "the clock of the thread in charge")]
impl Timer {
    pub(super) fn start(every: Duration) -> Self {
        Self { every, due: Instant::now() + every }
    }

    pub(super) fn left(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    pub(super) fn again(&mut self) {
        // A thread that was held up looks once, not as often as it missed.
        self.due = (self.due + self.every).max(Instant::now());
    }
}
