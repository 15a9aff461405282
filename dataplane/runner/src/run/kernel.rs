//! Ports on kernel interfaces: AF_XDP sockets behind our XDP program.

use std::sync::Arc;
use std::time::Duration;

use api::config::{
    BootConfig, Device, LiveConfig, Neighbours, PortConfig, PortMode, XdpCopy, XdpFrameSize, XdpMode,
};
use crossbeam_channel::Sender;
use packet_io::af_xdp::{self, AfXdpError, AfXdpQueue, BusyPoll, CopyChoice, FrameSize, Port};
use packet_io::xdp::{List, ListEntry, ModeChoice, Protect, Service, XdpConfig};
use packet_io::{IoStats, Shunts};

use super::exporting::Message;
use super::failover::Rescue;
use super::lists::{self, Change, Lists};
use super::polling::Lane;
use super::shunting::{PortShunts, Switches};
use super::tending::{Following, Ports};
use super::{LOOK, Lanes, RunError, ports};

/// How often the program is told that its owner is alive; far below the shortest watchdog.
const BEAT: Duration = Duration::from_millis(100);
/// How often the program's counters are read for the records.
const METER: Duration = Duration::from_secs(1);
/// What a call of the kernel may take in busy polling.
const BUSY_POLL: BusyPoll = BusyPoll { micros: 20, budget: 64 };
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Open ports, and the lanes of every worker.
pub(super) struct Opened {
    pub(super) ports: Open,
    pub(super) lanes: Lanes<AfXdpQueue>,
}

/// Opens every port of a configuration whose devices are interfaces, and says how.
pub(super) fn open(boot: &BootConfig, live: &LiveConfig, tell: &dyn Fn(&str)) -> Result<Opened, RunError> {
    ports::check_pairs(boot)?;
    let prefixes = lists::read(&live.lists)?;
    let shared: Arc<[ListEntry]> = prefixes.as_slice().into();
    let configs: Vec<af_xdp::PortConfig> =
        boot.ports.iter().map(|port| port_config(boot, port, live, &shared)).collect();
    let workers = u16::try_from(boot.workers()).unwrap_or(u16::MAX);
    let (opened, queues) = af_xdp::open(&configs, workers)?;
    let mut ports = Vec::new();
    for (port, config) in opened.into_iter().zip(&boot.ports) {
        tell_of(&port, &config.name, tell);
        ports.push((config.name.clone(), port));
    }
    let switches = Switches::new(boot, live);
    let mut shunts = Vec::new();
    for _ in 0..boot.workers() {
        shunts.push(shunts_of(&switches, &mut ports)?);
    }
    for (_, port) in &mut ports {
        port.program_mut().state_mut().set_shunting(switches.are_on()).map_err(AfXdpError::from)?;
    }
    let lanes = queues.into_iter().map(|queues| lanes_of(boot, queues)).collect();
    let lanes = Lanes { workers: lanes, shunts, switches: switches.clone(), interfaces: ports::names(boot) };
    if !prefixes.is_empty() {
        tell(&format!("{} prefixes on the lists of each port", prefixes.len()));
    }
    let lists = Lists::new(live.lists.clone(), prefixes);
    let ports = Open {
        ports,
        lists,
        switches,
        rescue: None,
        since_beat: BEAT,
        since_meter: Duration::ZERO,
        told: Vec::new(),
    };
    Ok(Opened { ports, lanes })
}

/// What counts the settled flows of one worker, whether or not that is switched on.
fn shunts_of(switches: &Switches, ports: &mut [(String, Port)]) -> Result<Option<PortShunts>, RunError> {
    let mut all: Vec<Option<Box<dyn Shunts>>> = Vec::new();
    for (_, port) in ports {
        let shunts = port.program_mut().state_mut().shunts_of_worker().map_err(AfXdpError::from)?;
        all.push(Some(Box::new(shunts)));
    }
    Ok(PortShunts::new(switches, all))
}

/// The lanes of a worker: its queues are of the ports that have so many, in their order.
fn lanes_of(boot: &BootConfig, queues: Vec<AfXdpQueue>) -> Vec<Lane<AfXdpQueue>> {
    ports::numbered(boot)
        .zip(queues)
        .map(|((interface, port), io)| Lane { io, peer: ports::peer_of(boot, port), interface })
        .collect()
}

fn port_config(
    boot: &BootConfig,
    port: &PortConfig,
    live: &LiveConfig,
    prefixes: &Arc<[ListEntry]>,
) -> af_xdp::PortConfig {
    let interface = port.device.to_string();
    let set = &boot.xdp;
    let local = |protocol: u8| move |port: &u16| Service::Local { protocol, port: *port };
    let services = set.protect_tcp.iter().map(local(TCP)).chain(set.protect_udp.iter().map(local(UDP)));
    let peer = match &port.mode {
        PortMode::Tap => None,
        PortMode::Inline { peer } => {
            boot.ports.iter().find(|other| other.name == *peer).map(|peer| peer.device.to_string())
        }
    };
    af_xdp::PortConfig {
        queues: port.queues,
        rx_descriptors: port.rx_descriptors,
        tx_descriptors: port.tx_descriptors,
        copy: match set.copy {
            XdpCopy::Auto => CopyChoice::Auto,
            XdpCopy::Copy => CopyChoice::Copy,
            XdpCopy::ZeroCopy => CopyChoice::ZeroCopy,
        },
        frame_size: match set.frame_size {
            XdpFrameSize::Auto => FrameSize::Auto,
            XdpFrameSize::TwoKib => FrameSize::TwoKib,
            XdpFrameSize::FourKib => FrameSize::FourKib,
        },
        hugepages: boot.memory.hugepages,
        promiscuous: port.promiscuous,
        busy_poll: set.busy_poll.then_some(BUSY_POLL),
        xdp: XdpConfig {
            mode: match set.mode {
                XdpMode::Auto => ModeChoice::Auto,
                XdpMode::Native => ModeChoice::Native,
                XdpMode::Generic => ModeChoice::Generic,
            },
            protect: Protect {
                neighbours: match set.protect_neighbours {
                    Neighbours::Auto => None,
                    Neighbours::Always => Some(true),
                    Neighbours::Never => Some(false),
                },
                services: services.collect(),
                own: set.pass_own,
            },
            key_vlan: live.flow.key_vlan,
            peer,
            lists: Arc::clone(prefixes),
            others: [live.lists.other_sources, live.lists.other_destinations].map(lists::action_of),
            shunts: set.shunts,
            prefixes: set.prefixes,
            pin: set.pin.clone(),
            watchdog: Some(set.watchdog.duration()),
            ..XdpConfig::new(interface)
        },
    }
}

fn tell_of(port: &Port, name: &str, tell: &dyn Fn(&str)) {
    let program = port.program();
    let mode = program.mode().map_or_else(String::new, |mode| format!("{mode} "));
    let copy = if port.is_zero_copy() { "zero copy" } else { "copy" };
    tell(&format!("port {name}: AF_XDP on {}, {mode}mode, {copy}", program.interface()));
    if let Some(why) = program.fallback() {
        tell(&format!("port {name}: not native: {why}"));
    }
    if port.unserved_queues() > 0 {
        tell(&format!(
            "port {name}: {} receive queues have no worker, and their packets go to the host unseen: \
             `ethtool -L {} combined N` for N workers",
            port.unserved_queues(),
            program.interface()
        ));
    }
}

/// Open ports, tended by the thread in charge.
pub(super) struct Open {
    ports: Vec<(String, Port)>,
    lists: Lists,
    switches: Switches,
    /// What these ports go on with, where they took the place of others.
    rescue: Option<Rescue>,
    since_beat: Duration,
    since_meter: Duration,
    /// What was told already.
    told: Vec<String>,
}

impl Open {
    /// Takes the place of ports that were lost.
    pub(super) fn rescue(&mut self, rescue: Rescue) {
        self.rescue = Some(rescue);
    }

    /// Takes the lists a step nearer to what the files say.
    fn change_lists(&mut self, wrong: &mut Vec<String>) {
        for change in self.lists.next() {
            for (name, port) in &mut self.ports {
                let state = port.program_mut().state_mut();
                let result = match change {
                    Change::Put(ListEntry { list, prefix, action }) => state.list(list, prefix, action),
                    Change::Remove(list, prefix) => state.unlist(list, prefix).map(drop),
                };
                if let Err(error) = result {
                    let error = format!("port {name}: lists: {error}");
                    if !wrong.contains(&error) {
                        wrong.push(error);
                    }
                }
            }
        }
    }
}

impl Ports for Open {
    fn follow(&mut self, following: Following) -> Vec<String> {
        let are_on = self.switches.are_on();
        let mut wrong = Vec::new();
        for (name, port) in &mut self.ports {
            let state = port.program_mut().state_mut();
            let others = [List::Source, List::Destination].into_iter().zip(following.others);
            let mut results = vec![state.set_shunting(are_on)];
            results.extend(others.map(|(list, action)| state.set_others(list, lists::action_of(action))));
            let errors = results.into_iter().filter_map(Result::err);
            wrong.extend(errors.map(|error| format!("port {name}: {error}")));
        }
        if let Some((config, entries)) = following.lists {
            self.lists.follow(config, entries);
        }
        wrong
    }

    /// Keeps the program awake, and sends its counters to the exporter; called every [`LOOK`]. What went wrong is given
    /// once.
    fn tend(&mut self, sender: &Sender<Message>, tell: &dyn Fn(&str)) -> Vec<String> {
        self.since_beat += LOOK;
        self.since_meter += LOOK;
        let mut wrong = Vec::new();
        if self.since_beat >= BEAT {
            self.since_beat = Duration::ZERO;
            for (name, port) in &mut self.ports {
                if let Err(error) = port.program_mut().state_mut().beat() {
                    wrong.push(format!("port {name}: {error}"));
                }
            }
        }
        if self.since_meter >= METER {
            self.since_meter = Duration::ZERO;
            for (name, port) in &self.ports {
                if !port.program().is_attached() {
                    wrong.push(format!(
                        "port {name}: {} is gone, or its XDP program was taken off: no packets come from it",
                        port.program().interface()
                    ));
                }
            }
            if let Err(error) = self.lists.look() {
                wrong.push(format!("lists: {error}; those in force stay"));
            }
            // An exporter that is behind gets the next ones.
            let _ = sender.try_send(Message::Gauges(self.xdp()));
        }
        self.change_lists(&mut wrong);
        let received = self.ports.iter().map(|(_, port)| port.stats().rx_packets).sum();
        if let Some(took) = self.rescue.as_ref().and_then(|rescue| rescue.look(received)) {
            tell(&format!("the first packet by AF_XDP came {} ms after the port was lost", took.as_millis()));
        }
        wrong.retain(|one| !self.told.contains(one));
        wrong.iter().for_each(|one| tell(one));
        self.told.extend(wrong.iter().cloned());
        wrong
    }

    fn xdp(&self) -> Vec<(String, u64)> {
        let mut all = self.rescue.as_ref().map(Rescue::counters).unwrap_or_default();
        for (name, port) in &self.ports {
            let Ok(counters) = port.program().state().counters() else { continue };
            for (reason, count) in counters.iter() {
                let path = format!("xdp.{name}.{}.{}", reason.verdict().name(), reason.name());
                all.push((format!("{path}.packets"), count.packets));
                all.push((format!("{path}.bytes"), count.bytes));
            }
        }
        all
    }

    fn stats(&self) -> Vec<(String, IoStats)> {
        self.ports.iter().map(|(name, port)| (name.clone(), port.stats())).collect()
    }

    fn rescued(&self) -> Option<super::Rescued> {
        let rescue = self.rescue.clone()?;
        Some(Box::new(move || rescue.status()))
    }
}

/// The same configuration by AF_PACKET, which DPDK has a driver for.
#[cfg(feature = "dpdk")]
pub(super) fn by_af_packet(boot: &BootConfig) -> BootConfig {
    let mut boot = boot.clone();
    for (number, port) in boot.ports.iter_mut().enumerate() {
        if let Device::Interface(name) = &port.device {
            port.device = Device::Vdev(format!("net_af_packet{number},iface={name},{}", rings(port)));
        }
    }
    boot
}

/// The rings of a port as its driver wants them told: frames with room for the longest packet and for what the kernel writes
/// before it, as many as there are descriptors.
#[cfg(feature = "dpdk")]
fn rings(port: &PortConfig) -> String {
    /// The kernel's header and address with alignment, Ethernet's header and two tags.
    const BEFORE: u32 = 128;
    const LEAST_BLOCK: u32 = 64 * 1024;
    let frame = (u32::from(port.mtu) + BEFORE).next_power_of_two().max(2048);
    let frames = port.rx_descriptors.max(port.tx_descriptors);
    format!("blocksz={},framesz={frame},framecnt={frames}", frame.max(LEAST_BLOCK))
}
