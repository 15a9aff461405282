//! Settled flows of an engine, counted by the ports of its worker.

use core::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use api::config::{BootConfig, Checksums, LiveConfig, PortMode, ShuntConfig, ShuntPorts, ShuntTaps};
use engine::{ShuntAnswer, ShuntLimits, Shunted, Verdict};
use packet_io::{FlowTuple, ShuntAction, ShuntCount, ShuntRefusal, Shunts};
use wire::{FlowKey, Side};

/// What becomes of the packets of a shunted flow on each port: set by a reload, read by the workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches(Arc<[AtomicU8]>);

impl Switches {
    /// Those of the ports of a configuration.
    #[cfg(any(test, feature = "dpdk", feature = "xdp"))]
    pub(super) fn new(boot: &BootConfig, live: &LiveConfig) -> Self {
        let switches = Self(boot.ports.iter().map(|_| AtomicU8::new(OFF)).collect());
        switches.set(boot, live);
        switches
    }

    /// Sets them as a configuration says.
    pub(super) fn set(&self, boot: &BootConfig, live: &LiveConfig) {
        // Nobody would sum the packets that the engine does not see.
        let is_on = live.flow.checksums == Checksums::Ignore;
        for (switch, port) in self.0.iter().zip(&boot.ports) {
            let action = is_on.then(|| action(&live.shunt, &port.mode)).flatten();
            switch.store(number_of(action), Ordering::Relaxed);
        }
    }

    /// Whether flows are shunted on any port.
    pub(super) fn are_on(&self) -> bool {
        self.0.iter().any(|switch| switch.load(Ordering::Relaxed) != OFF)
    }

    fn of(&self, port: usize) -> Option<ShuntAction> {
        match self.0.get(port)?.load(Ordering::Relaxed) {
            DROP => Some(ShuntAction::Drop),
            PASS => Some(ShuntAction::Pass),
            FORWARD => Some(ShuntAction::Forward),
            _ => None,
        }
    }
}

const OFF: u8 = 0;
const DROP: u8 = 1;
const PASS: u8 = 2;
const FORWARD: u8 = 3;

const fn number_of(action: Option<ShuntAction>) -> u8 {
    match action {
        None => OFF,
        Some(ShuntAction::Drop) => DROP,
        Some(ShuntAction::Pass) => PASS,
        Some(ShuntAction::Forward) => FORWARD,
    }
}

/// The ports of one worker, in their order.
#[derive(Debug)]
pub(crate) struct PortShunts {
    ports: Vec<Option<Box<dyn Shunts>>>,
    switches: Switches,
}

impl PortShunts {
    /// Those of the ports that can; none where no port does.
    #[cfg_attr(
        not(any(feature = "dpdk", feature = "xdp")),
        expect(dead_code, reason = "only such ports have shunts")
    )]
    pub(super) fn new(
        switches: &Switches,
        ports: impl IntoIterator<Item = Option<Box<dyn Shunts>>>,
    ) -> Option<Self> {
        let ports: Vec<_> = ports.into_iter().collect();
        ports.iter().any(Option::is_some).then(|| Self { ports, switches: switches.clone() })
    }

    fn each(&mut self) -> impl Iterator<Item = &mut Box<dyn Shunts>> {
        self.ports.iter_mut().flatten()
    }
}

/// What becomes of the packets of a shunted flow on a port; none where flows are not shunted there.
fn action(config: &ShuntConfig, mode: &PortMode) -> Option<ShuntAction> {
    match (config.ports, mode) {
        (ShuntPorts::Off, _) | (ShuntPorts::Taps, PortMode::Inline { .. }) => None,
        (ShuntPorts::All, PortMode::Inline { .. }) => Some(ShuntAction::Forward),
        (_, PortMode::Tap) => Some(match config.taps {
            ShuntTaps::Drop => ShuntAction::Drop,
            ShuntTaps::Pass => ShuntAction::Pass,
        }),
    }
}

/// Limits of each worker.
pub(super) fn limits(boot: &BootConfig, config: &ShuntConfig) -> ShuntLimits {
    let room = usize::try_from(boot.xdp.shunts).unwrap_or(usize::MAX);
    ShuntLimits {
        after_packets: config.after_packets,
        most: (room / boot.workers()).max(1),
        per_second: config.per_second,
    }
}

impl engine::Shunt for PortShunts {
    fn is_on(&self) -> bool {
        self.switches.are_on()
    }

    /// The other direction may come in by any other port of the worker: the peer, or the second of a split tap.
    fn begin(&mut self, flow: &FlowKey, interface: u16, verdict: Verdict) -> ShuntAnswer {
        let Some(tuple) = tuple(flow) else { return ShuntAnswer::Unsupported };
        let first = usize::from(interface);
        let mut answer = ShuntAnswer::Unsupported;
        let others = (0..self.ports.len()).filter(|other| *other != first);
        for at in core::iter::once(first).chain(others) {
            let port = self.ports.get_mut(at).and_then(Option::as_mut);
            let Some((shunts, action)) = port.zip(self.switches.of(at)) else {
                if at == first {
                    return ShuntAnswer::Unsupported;
                }
                continue;
            };
            let action = if verdict == Verdict::Drop { ShuntAction::Drop } else { action };
            match shunts.begin(&tuple, action) {
                Ok(()) => answer = ShuntAnswer::Begun,
                // What comes by another port goes on coming.
                Err(_) if at != first => {}
                Err(ShuntRefusal::Full) => return ShuntAnswer::Full,
                Err(ShuntRefusal::Unsupported) => return ShuntAnswer::Unsupported,
            }
        }
        answer
    }

    fn counted(&mut self, flow: &FlowKey) -> Shunted {
        let Some(tuple) = tuple(flow) else { return Shunted::default() };
        self.each().filter_map(|shunts| shunts.counted(&tuple)).fold(Shunted::default(), sum)
    }

    fn end(&mut self, flow: &FlowKey) -> Shunted {
        let Some(tuple) = tuple(flow) else { return Shunted::default() };
        self.each().filter_map(|shunts| shunts.end(&tuple)).fold(Shunted::default(), sum)
    }
}

fn tuple(flow: &FlowKey) -> Option<FlowTuple> {
    let end = |side| Some(SocketAddr::new(flow.ip(side)?, flow.port(side)));
    Some(FlowTuple {
        lower: end(Side::Lower)?,
        upper: end(Side::Upper)?,
        protocol: flow.protocol(),
        vlans: flow.scope().vlans(),
    })
}

fn sum(mut sum: Shunted, one: ShuntCount) -> Shunted {
    let pairs = |all: &mut [u64; 2], more: [u64; 2]| {
        all.iter_mut().zip(more).for_each(|(all, more)| *all = all.saturating_add(more));
    };
    pairs(&mut sum.packets, one.packets);
    pairs(&mut sum.bytes, one.bytes);
    sum.tcp_flags.iter_mut().zip(one.tcp_flags).for_each(|(all, more)| *all |= more);
    sum.silent_ns = match (sum.silent_ns, one.silent_ns) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    sum
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use engine::Shunt;
    use wire::{KeyKind, Scope};

    /// A port that tells what it was told.
    #[derive(Debug)]
    struct Port {
        told: Sender<ShuntAction>,
        refuses: Option<ShuntRefusal>,
        count: ShuntCount,
    }

    impl Shunts for Port {
        fn begin(&mut self, flow: &FlowTuple, action: ShuntAction) -> Result<(), ShuntRefusal> {
            assert_eq!(flow.lower.to_string(), "10.0.0.1:40000");
            assert_eq!((flow.upper.to_string().as_str(), flow.vlans), ("192.0.2.1:443", [7, 0]));
            self.told.send(action).unwrap();
            self.refuses.map_or(Ok(()), Err)
        }

        fn counted(&mut self, _: &FlowTuple) -> Option<ShuntCount> {
            Some(self.count)
        }

        fn end(&mut self, _: &FlowTuple) -> Option<ShuntCount> {
            Some(self.count)
        }
    }

    fn flow() -> FlowKey {
        let ip = FlowKey::from_ipv4;
        let (client, server) = ((ip([10, 0, 0, 1]), 40_000), (ip([192, 0, 2, 1]), 443));
        FlowKey::new(KeyKind::Ipv4, 6, client, server, Scope::new(7, 0, 0, 0)).0
    }

    const CONFIG: &str = r#"
version = 1
[[boot.ports]]
name = "tap"
device = "eth1"
[[boot.ports]]
name = "lan"
device = "eth2"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "eth3"
mode = "inline"
peer = "lan"
[live.shunt]
"#;

    /// Three ports of which each refuses as said, where flows are shunted on `on`.
    fn ports(on: &str, refuses: [Option<ShuntRefusal>; 3]) -> (Option<PortShunts>, Receiver<ShuntAction>) {
        let config = config(on);
        let (told, actions) = channel();
        let count = ShuntCount { packets: [1, 2], bytes: [100, 200], tcp_flags: [0x10, 8], silent_ns: None };
        let counts = [None, Some(9), Some(5)].map(|silent_ns| ShuntCount { silent_ns, ..count });
        let ports: Vec<Option<Box<dyn Shunts>>> = refuses
            .into_iter()
            .zip(counts)
            .map(|(refuses, count)| {
                Some(Box::new(Port { told: told.clone(), refuses, count }) as Box<dyn Shunts>)
            })
            .collect();
        (PortShunts::new(&Switches::new(&config.boot, &config.live), ports), actions)
    }

    fn config(on: &str) -> api::Config {
        api::Config::from_toml(&format!("{CONFIG}ports = \"{on}\""), "test").unwrap()
    }

    #[test]
    fn a_reload_changes_what_becomes_of_flows_that_are_shunted_from_then_on() {
        let (ports, told) = ports("off", [None; 3]);
        let mut ports = ports.unwrap();
        let switches = ports.switches.clone();
        assert!(!ports.is_on());
        assert_eq!(ports.begin(&flow(), 0, Verdict::Forward), ShuntAnswer::Unsupported);
        let all = config("all");
        switches.set(&all.boot, &all.live);
        assert!(ports.is_on());
        assert_eq!(ports.begin(&flow(), 1, Verdict::Forward), ShuntAnswer::Begun);
        assert_eq!(told.try_iter().count(), 3);
        let summing = api::Config::from_toml(
            &format!("{CONFIG}ports = \"all\"\n[live.flow]\nchecksums = \"enforce\""),
            "test",
        );
        switches.set(&all.boot, &summing.unwrap().live);
        assert!(!ports.is_on(), "nobody would sum them");
        assert_eq!(ports.end(&flow()).packets, [3, 6], "what is shunted is counted to its end");
    }

    #[test]
    fn a_flow_is_shunted_on_every_port_that_its_packets_may_come_by() {
        let (ports, told) = ports("all", [None; 3]);
        let mut ports = ports.unwrap();
        assert_eq!(ports.begin(&flow(), 1, Verdict::Forward), ShuntAnswer::Begun);
        let forward = ShuntAction::Forward;
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [forward, ShuntAction::Drop, forward]);
        assert_eq!(ports.begin(&flow(), 2, Verdict::Drop), ShuntAnswer::Begun);
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [ShuntAction::Drop; 3]);
        let counted = ports.end(&flow());
        assert_eq!((counted.packets, counted.bytes), ([3, 6], [300, 600]));
        assert_eq!((counted.tcp_flags, counted.silent_ns), ([0x10, 8], Some(5)));
    }

    #[test]
    fn ports_that_forward_are_left_out_unless_asked_for() {
        let (ports, told) = ports("taps", [None; 3]);
        let mut ports = ports.unwrap();
        assert_eq!(ports.begin(&flow(), 1, Verdict::Forward), ShuntAnswer::Unsupported);
        assert_eq!(ports.begin(&flow(), 0, Verdict::Forward), ShuntAnswer::Begun);
        assert_eq!(told.try_iter().count(), 1);
        assert!(PortShunts::new(&Switches::default(), [None]).is_none());
    }

    #[test]
    fn the_port_where_a_flow_came_in_decides_whether_there_is_room() {
        let (full, unsupported) = (Some(ShuntRefusal::Full), Some(ShuntRefusal::Unsupported));
        for (refuses, answer) in [
            ([None, full, None], ShuntAnswer::Full),
            ([None, unsupported, None], ShuntAnswer::Unsupported),
            ([full, None, unsupported], ShuntAnswer::Begun),
        ] {
            let (ports, _told) = ports("all", refuses);
            assert_eq!(ports.unwrap().begin(&flow(), 1, Verdict::Forward), answer);
        }
    }
}
