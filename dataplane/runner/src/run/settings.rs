//! What a configuration means for an engine.

use std::sync::Arc;

use api::config::{BootConfig, Checksums, Config, Eviction, FlowTableSize, Overlap};
use api::control::Mode;
use engine::{
    DefragLimits, EngineConfig, Guesses, Inspection, Names, PagePolicy, Policy, Share, StreamLimits, Timeouts,
};
use wire::ParseOptions;

use crate::tunnelling::{self, Slots, TunnelError, TunnelPlan};

/// Bytes of table that a flow takes: its slot and its share of the buckets.
const BYTES_PER_FLOW: u64 = 141;
/// Flows of a table that nothing goes into.
const UNUSED_FLOWS: usize = 1024;
/// Bytes that the state of an inspected flow takes, with its streams but without what they hold.
const INSPECTION_SHARE: usize = 8;

/// Settings of the engine of one of `workers` workers.
pub(super) fn engine(config: &Config, mode: Mode, workers: usize) -> EngineConfig {
    let flow_capacity = match mode {
        Mode::Normal => flow_capacity(&config.boot, workers),
        Mode::Safe => UNUSED_FLOWS,
    };
    let (flow, stream, defrag) = (&config.live.flow, &config.live.stream, &config.live.defrag);
    let timeouts = &flow.timeouts;
    EngineConfig {
        flow_capacity,
        pages: if config.boot.memory.hugepages {
            PagePolicy::PreferReserved
        } else {
            PagePolicy::Transparent
        },
        hash_seed: secret(),
        parse: ParseOptions {
            tunnel_depth: flow.tunnel_depth,
            key_vlan: flow.key_vlan,
            key_tunnel: flow.key_tunnel,
            checksums: match flow.checksums {
                Checksums::Ignore => wire::Checksums::Ignore,
                Checksums::Enforce => wire::Checksums::Enforce,
            },
        },
        timeouts: Timeouts {
            tcp_new: timeouts.tcp_new.duration(),
            tcp_established: timeouts.tcp_established.duration(),
            tcp_closed: timeouts.tcp_closed.duration(),
            udp_new: timeouts.udp_new.duration(),
            udp_established: timeouts.udp_established.duration(),
            icmp: timeouts.icmp.duration(),
            other: timeouts.other.duration(),
        },
        eviction: match flow.eviction {
            Eviction::HalfOpenFirst => engine::Eviction::HalfOpenFirst,
            Eviction::RefuseNew => engine::Eviction::RefuseNew,
        },
        stream: StreamLimits {
            inspections: (flow_capacity / INSPECTION_SHARE).clamp(1024, 1 << 20),
            pending_bytes: bytes(stream.per_direction.bytes()),
            pending_segments: usize::from(stream.segments),
            total_bytes: bytes(stream.reassembly_memory.bytes()) / workers,
            overlap: match stream.overlap {
                Overlap::First => engine::Overlap::First,
                Overlap::Last => engine::Overlap::Last,
            },
            midstream: stream.midstream,
        },
        defrag: DefragLimits {
            fragments: usize::from(defrag.max_fragments),
            total_bytes: bytes(defrag.memory.bytes()) / workers,
            timeout: defrag.timeout.duration(),
            ..DefragLimits::default()
        },
        max_payloads: config.live.classify.max_payloads,
        guesses: if config.live.classify.guesses { Guesses::On } else { Guesses::Off },
        inspection: Inspection::Full,
        share: Share::ALL,
    }
}

/// Tunnels: places of peers, what workers need, and the policy.
pub(super) type Tunnels = (Slots, Option<Arc<TunnelPlan>>, Option<Arc<Policy>>);

/// The tunnels of a configuration at the start.
pub(super) fn tunnels(config: &Config, mode: Mode, names: &Names) -> Result<Tunnels, TunnelError> {
    let mut slots = Slots::default();
    let plan = TunnelPlan::new(config, &mut slots)?.map(Arc::new);
    Ok((slots, plan, policy(config, mode, names)?))
}

/// The policy of a configuration. Where nothing is classified no rule can ask for it, and everything is unclassified.
pub(super) fn policy(config: &Config, mode: Mode, names: &Names) -> Result<Option<Arc<Policy>>, TunnelError> {
    match mode {
        Mode::Safe => Ok(None),
        Mode::Normal => Ok(tunnelling::policy(&config.live.tunnel, names)?.map(Arc::new)),
    }
}

/// Flows that each of `workers` workers tracks.
fn flow_capacity(boot: &BootConfig, workers: usize) -> usize {
    let all = match boot.flow_table() {
        FlowTableSize::Flows(flows) => u64::from(flows),
        FlowTableSize::Memory(size) => size.bytes() / BYTES_PER_FLOW,
    };
    bytes(all / workers as u64).max(1)
}

fn bytes(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A number that nobody outside can guess, different in every run.
fn secret() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
