//! Ports of a configuration, opened.

#[cfg(feature = "dpdk")]
use api::config::LiveConfig;
use api::config::{BootConfig, PortConfig, PortMode};
#[cfg(feature = "dpdk")]
use packet_io::Shunts;
use packet_io::replay::{Replay, ReplayOptions};

use super::polling::Lane;
#[cfg(feature = "dpdk")]
use super::shunting::PortShunts;
use super::shunting::Switches;
use super::{Lanes, RunError};

/// Capture files, one lane each, one worker: a file has no queues.
pub(super) fn replay(boot: &BootConfig) -> Result<Lanes<Replay>, RunError> {
    let mut lanes = Vec::new();
    for (interface, port) in numbered(boot) {
        let io = Replay::open([port.device.to_string()], ReplayOptions::default())?;
        lanes.push(Lane { io, peer: peer_of(boot, port), interface });
    }
    let switches = Switches::default();
    Ok(Lanes { workers: vec![lanes], shunts: Vec::new(), switches, interfaces: names(boot) })
}

/// DPDK, its ports, and the lanes of every worker.
#[cfg(feature = "dpdk")]
pub(super) struct Opened {
    pub(super) eal: packet_io::dpdk::Eal,
    pub(super) ports: Vec<(String, packet_io::dpdk::Port)>,
    pub(super) lanes: Lanes<packet_io::dpdk::DpdkQueue>,
}

/// Starts DPDK and every port.
#[cfg(feature = "dpdk")]
pub(super) fn dpdk(boot: &BootConfig, live: &LiveConfig) -> Result<Opened, RunError> {
    use packet_io::dpdk::{Accept, CoreId, Eal, EalConfig, Memory, Port, RuntimeFiles};

    check_pairs(boot)?;
    let devices = boot
        .ports
        .iter()
        .map(|port| {
            port.device
                .to_string()
                .parse()
                .map_err(|source| RunError::Device { port: port.name.clone(), source })
        })
        .collect::<Result<Vec<packet_io::dpdk::Device>, _>>()?;
    let memory = if boot.memory.hugepages {
        Memory::Hugepages { mib: Some(boot.memory.mib) }
    } else {
        Memory::NoHuge { mib: boot.memory.mib }
    };
    let eal = Eal::init(&EalConfig {
        main_core: CoreId(boot.main_core.or_else(|| boot.cores.first().copied()).unwrap_or(0)),
        memory,
        files: if boot.memory.in_memory {
            RuntimeFiles::InMemory
        } else {
            RuntimeFiles::Prefix("wirewarden".to_owned())
        },
        ..EalConfig::new(devices.clone())
    })?;
    let mut workers: Vec<Vec<Lane<packet_io::dpdk::DpdkQueue>>> = Vec::new();
    workers.resize_with(boot.workers(), Vec::new);
    let mut ports = Vec::new();
    for ((interface, port), device) in numbered(boot).zip(devices) {
        let (started, queues) = Port::start(
            &eal,
            &packet_io::dpdk::PortConfig {
                workers: port.queues,
                rx_descriptors: port.rx_descriptors,
                tx_descriptors: port.tx_descriptors,
                mtu: port.mtu,
                accept: if port.promiscuous { Accept::Everything } else { Accept::OwnAddress },
                ..packet_io::dpdk::PortConfig::new(device)
            },
        )?;
        ports.push((port.name.clone(), started));
        for (worker, io) in workers.iter_mut().zip(queues) {
            worker.push(Lane { io, peer: peer_of(boot, port), interface });
        }
    }
    let switches = Switches::new(boot, live);
    let shunts = (0..boot.workers())
        .map(|_| {
            let rules = |(_, port): &(String, Port)| Some(Box::new(port.flow_rules()) as Box<dyn Shunts>);
            PortShunts::new(&switches, ports.iter().map(rules))
        })
        .collect();
    Ok(Opened { eal, ports, lanes: Lanes { workers, shunts, switches, interfaces: names(boot) } })
}

/// Every worker must have a queue of both ports of a pair.
#[cfg(any(feature = "dpdk", feature = "xdp"))]
pub(super) fn check_pairs(boot: &BootConfig) -> Result<(), RunError> {
    for port in &boot.ports {
        let Some(peer) = peer_of(boot, port).and_then(|index| boot.ports.get(index)) else { continue };
        if peer.queues != port.queues {
            return Err(RunError::UnequalQueues {
                port: port.name.clone(),
                peer: peer.name.clone(),
                queues: usize::from(port.queues),
                peer_queues: usize::from(peer.queues),
            });
        }
    }
    Ok(())
}

/// Index of the port that packets of `port` go out of.
pub(super) fn peer_of(boot: &BootConfig, port: &PortConfig) -> Option<usize> {
    match &port.mode {
        PortMode::Tap => None,
        PortMode::Inline { peer } => boot.ports.iter().position(|other| other.name == *peer),
    }
}

pub(super) fn numbered(boot: &BootConfig) -> impl Iterator<Item = (u16, &PortConfig)> {
    (0..=u16::MAX).zip(&boot.ports)
}

pub(super) fn names(boot: &BootConfig) -> Vec<String> {
    boot.ports.iter().map(|port| port.name.clone()).collect()
}
