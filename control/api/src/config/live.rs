//! What a reload may change.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::reader::Section;
use crate::config::{
    BadValue, BootConfig, ByteSize, Choice, ListsConfig, ShuntConfig, Timeout, TunnelConfig, rules, steering,
    tunnel,
};

/// Flows, streams, classification and outputs: what a reload may change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveConfig {
    /// What a flow is and how long it is kept.
    pub flow: FlowConfig,
    /// Putting TCP streams in order.
    pub stream: StreamConfig,
    /// Putting IP fragments together.
    pub defrag: DefragConfig,
    /// Naming what a flow carries.
    pub classify: ClassifyConfig,
    /// Settled flows that no worker sees any more.
    pub shunt: ShuntConfig,
    /// Prefixes whose packets are dropped before a worker sees them.
    pub lists: ListsConfig,
    /// Traffic that is sealed.
    pub tunnel: TunnelConfig,
    /// What is told to the world.
    pub output: OutputConfig,
    /// What the programs tell of themselves.
    pub log: LogConfig,
}

/// What a flow is and how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// What a full table does with a new flow.
    pub eviction: Eviction,
    /// Whether VLAN ids are part of a flow's identity.
    pub key_vlan: bool,
    /// Whether ids of VXLAN and GENEVE tunnels are part of a flow's identity.
    pub key_tunnel: bool,
    /// Tunnels that are opened one inside the other, 0 to 8.
    pub tunnel_depth: u8,
    /// What becomes of a wrong checksum.
    pub checksums: Checksums,
    /// How long a silent flow is kept.
    pub timeouts: FlowTimeouts,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            eviction: Eviction::HalfOpenFirst,
            key_vlan: true,
            key_tunnel: true,
            tunnel_depth: 4,
            checksums: Checksums::Ignore,
            timeouts: FlowTimeouts::default(),
        }
    }
}

/// How long a silent flow is kept, by protocol and state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowTimeouts {
    /// TCP before the handshake is complete.
    pub tcp_new: Timeout,
    /// TCP after the handshake.
    pub tcp_established: Timeout,
    /// TCP after both FINs or a RST.
    pub tcp_closed: Timeout,
    /// UDP that was not answered.
    pub udp_new: Timeout,
    /// UDP that was answered.
    pub udp_established: Timeout,
    /// ICMP and ICMPv6.
    pub icmp: Timeout,
    /// Any other protocol.
    pub other: Timeout,
}

impl Default for FlowTimeouts {
    fn default() -> Self {
        Self {
            tcp_new: Timeout::from_secs(60),
            tcp_established: Timeout::from_secs(600),
            tcp_closed: Timeout::from_secs(10),
            udp_new: Timeout::from_secs(30),
            udp_established: Timeout::from_secs(300),
            icmp: Timeout::from_secs(30),
            other: Timeout::from_secs(60),
        }
    }
}

/// What a full table does with a new flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The oldest flow heard from one side only makes room; without one, the flow nearest to its timeout.
    HalfOpenFirst,
    /// The new flow is not tracked.
    RefuseNew,
}

impl Choice for Eviction {
    const ALL: &'static [(&'static str, Self)] =
        &[("half_open_first", Self::HalfOpenFirst), ("refuse_new", Self::RefuseNew)];
}

/// What becomes of a wrong IPv4, TCP or UDP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// Not computed.
    Ignore,
    /// The packet is dropped.
    Enforce,
}

impl Choice for Checksums {
    const ALL: &'static [(&'static str, Self)] = &[("ignore", Self::Ignore), ("enforce", Self::Enforce)];
}

/// Putting TCP streams in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// Memory for bytes that arrived out of order, all workers together.
    pub reassembly_memory: ByteSize,
    /// Bytes that one direction of one stream may hold of it.
    pub per_direction: ByteSize,
    /// Segments that one direction of one stream may hold.
    pub segments: u16,
    /// Which of two different bytes at one place of a stream counts.
    pub overlap: Overlap,
    /// Whether streams are read whose handshake was not seen.
    pub midstream: bool,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            reassembly_memory: ByteSize::from_mib(64),
            per_direction: ByteSize::from_kib(256),
            segments: 256,
            overlap: Overlap::First,
            midstream: true,
        }
    }
}

/// Which of two different bytes at one place of a stream counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// The one that came first.
    First,
    /// The one that came last.
    Last,
}

impl Choice for Overlap {
    const ALL: &'static [(&'static str, Self)] = &[("first", Self::First), ("last", Self::Last)];
}

/// Putting IP fragments together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefragConfig {
    /// Memory for fragments, all workers together.
    pub memory: ByteSize,
    /// How long the first fragment waits for the last.
    pub timeout: Timeout,
    /// Fragments that one packet may have.
    pub max_fragments: u16,
}

impl Default for DefragConfig {
    fn default() -> Self {
        Self { memory: ByteSize::from_mib(16), timeout: Timeout::from_secs(30), max_fragments: 64 }
    }
}

/// Naming what a flow carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifyConfig {
    /// Directory of signatures beside those built in; a file of the same id replaces a built-in one.
    pub signatures_dir: Option<PathBuf>,
    /// Packets with payload after which a flow without a name stays unknown.
    pub max_payloads: u8,
    /// Whether ports and addresses name what payloads did not, marked as guesses.
    pub guesses: bool,
}

impl Default for ClassifyConfig {
    fn default() -> Self {
        Self { signatures_dir: None, max_payloads: 4, guesses: true }
    }
}

/// What is told to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfig {
    /// How often counters are written.
    pub stats_interval: Timeout,
    /// Files of EVE JSON, paths all different.
    pub eve: Vec<EveOutput>,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { stats_interval: Timeout::from_secs(10), eve: Vec::new() }
    }
}

/// One file of EVE JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EveOutput {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// Values of `event_type` that are written, each once; empty is all.
    pub types: Vec<String>,
    /// Seed of the Community ID flow hash.
    pub community_id_seed: u16,
    /// When a file ends and the next begins.
    pub rotation: EveRotation,
}

/// When a file ends and the next begins, and what becomes of those that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EveRotation {
    /// Size from which on it ends; never where there is none.
    pub size: Option<ByteSize>,
    /// It ends at multiples of this since the UNIX epoch; never where there is none.
    pub every: Option<Timeout>,
    /// Files that ended which are kept; all where there is none.
    pub keep_files: Option<u32>,
    /// Size of all of them together; any where there is none.
    pub keep_size: Option<ByteSize>,
    /// How they are kept.
    pub compress: Compress,
    /// What makes room on a full disk.
    pub when_full: WhenFull,
}

impl Default for EveRotation {
    fn default() -> Self {
        Self {
            size: None,
            every: None,
            keep_files: None,
            keep_size: None,
            compress: Compress::None,
            when_full: WhenFull::RemoveOldest,
        }
    }
}

/// How files that ended are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// As they are.
    None,
    /// Compressed by Zstandard.
    Zstd,
}

impl Choice for Compress {
    const ALL: &'static [(&'static str, Self)] = &[("none", Self::None), ("zstd", Self::Zstd)];
}

/// What makes room on a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest of the files that ended are removed.
    RemoveOldest,
    /// Nothing: new lines are lost.
    LoseNew,
}

impl Choice for WhenFull {
    const ALL: &'static [(&'static str, Self)] =
        &[("remove_oldest", Self::RemoveOldest), ("lose_new", Self::LoseNew)];
}

/// What the programs tell of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The least that is told.
    pub level: LogLevel,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

/// How much is told. Each tells what those before it do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// What may lead to a failure.
    Warn,
    /// What was done.
    Info,
    /// What was asked, and how long it took.
    Debug,
    /// Every step.
    Trace,
}

impl Choice for LogLevel {
    const ALL: &'static [(&'static str, Self)] = &[
        ("info", Self::Info),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

pub(super) fn read(section: &Section<'_, '_>, boot: &BootConfig) -> LiveConfig {
    let shunt = section.section("shunt");
    let live = LiveConfig {
        flow: read_flow(&section.section("flow")),
        stream: read_stream(&section.section("stream")),
        defrag: read_defrag(&section.section("defrag")),
        classify: read_classify(&section.section("classify")),
        shunt: steering::read_shunt(&shunt),
        lists: steering::read_lists(&section.section("lists")),
        tunnel: tunnel::read(&section.section("tunnel"), boot),
        output: read_output(&section.section("output")),
        log: read_log(&section.section("log")),
    };
    rules::tunnel(&shunt, &live);
    live
}

fn read_flow(section: &Section<'_, '_>) -> FlowConfig {
    let default = FlowConfig::default();
    FlowConfig {
        eviction: section.choice("eviction", default.eviction),
        key_vlan: section.flag("key_vlan", default.key_vlan),
        key_tunnel: section.flag("key_tunnel", default.key_tunnel),
        tunnel_depth: section.integer("tunnel_depth", default.tunnel_depth, 0..=8),
        checksums: section.choice("checksums", default.checksums),
        timeouts: read_timeouts(&section.section("timeouts")),
    }
}

fn read_timeouts(section: &Section<'_, '_>) -> FlowTimeouts {
    let default = FlowTimeouts::default();
    let read = |key, default| section.timeout(key, default, FLOW_TIMEOUT);
    let timeouts = FlowTimeouts {
        tcp_new: read("tcp_new", default.tcp_new),
        tcp_established: read("tcp_established", default.tcp_established),
        tcp_closed: read("tcp_closed", default.tcp_closed),
        udp_new: read("udp_new", default.udp_new),
        udp_established: read("udp_established", default.udp_established),
        icmp: read("icmp", default.icmp),
        other: read("other", default.other),
    };
    rules::timeouts(section, &timeouts);
    timeouts
}

fn read_stream(section: &Section<'_, '_>) -> StreamConfig {
    let default = StreamConfig::default();
    let stream = StreamConfig {
        reassembly_memory: section.size(
            "reassembly_memory",
            default.reassembly_memory,
            ByteSize::from_mib(1)..=ByteSize::from_mib(1 << 20),
        ),
        per_direction: section.size(
            "per_direction",
            default.per_direction,
            ByteSize::from_kib(4)..=ByteSize::from_mib(64),
        ),
        segments: section.integer("segments", default.segments, 1..=65_535),
        overlap: section.choice("overlap", default.overlap),
        midstream: section.flag("midstream", default.midstream),
    };
    rules::stream_memory(section, stream.per_direction, stream.reassembly_memory);
    stream
}

fn read_defrag(section: &Section<'_, '_>) -> DefragConfig {
    let default = DefragConfig::default();
    DefragConfig {
        memory: section.size("memory", default.memory, ByteSize::from_mib(1)..=ByteSize::from_mib(64 << 10)),
        timeout: section.timeout("timeout", default.timeout, Timeout::from_secs(1)..=Timeout::from_secs(300)),
        max_fragments: section.integer("max_fragments", default.max_fragments, 2..=8192),
    }
}

fn read_classify(section: &Section<'_, '_>) -> ClassifyConfig {
    ClassifyConfig {
        signatures_dir: section.path("signatures_dir", "./signatures"),
        max_payloads: section.integer("max_payloads", ClassifyConfig::default().max_payloads, 1..=64),
        guesses: section.flag("guesses", ClassifyConfig::default().guesses),
    }
}

fn read_output(section: &Section<'_, '_>) -> OutputConfig {
    let default = OutputConfig::default();
    let stats_interval = section.timeout(
        "stats_interval",
        default.stats_interval,
        Timeout::from_millis(100)..=Timeout::from_secs(86_400),
    );
    let sections = section.sections("eve", MAX_OUTPUTS);
    let outputs: Vec<Option<EveOutput>> = sections.iter().map(read_eve).collect();
    rules::outputs(&sections, &outputs);
    OutputConfig { stats_interval, eve: outputs.into_iter().flatten().collect() }
}

fn read_eve(section: &Section<'_, '_>) -> Option<EveOutput> {
    if !section.has("path") {
        section.missing("path", "the file", "path = \"eve.json\"");
    }
    let mut types: Vec<String> = Vec::new();
    for entry in section.list("types", "[\"flow\", \"tls\"]", MAX_TYPES) {
        let Some(name) = section.entry_name(&entry, "flow") else { continue };
        if types.iter().any(|known| known == name) {
            section.entry_problem(&entry, BadValue::Repeated { value: name.to_owned() });
            continue;
        }
        types.push(name.to_owned());
    }
    let community_id_seed = section.integer("community_id_seed", 0, 0..=65_535);
    let rotation = read_rotation(section);
    let path = section.path("path", "eve.json")?;
    rules::rotation(section, &path, &rotation);
    Some(EveOutput { path, types, community_id_seed, rotation })
}

fn read_rotation(section: &Section<'_, '_>) -> EveRotation {
    let default = EveRotation::default();
    let (most, week) = (ByteSize::from_mib(1 << 20), Timeout::from_secs(7 * 86_400));
    EveRotation {
        size: section.optional_size("rotate_size", ByteSize::from_kib(64)..=most),
        every: section.optional_timeout("rotate_every", Timeout::from_secs(1)..=week),
        keep_files: section.optional_integer("keep_files", 1..=100_000),
        keep_size: section.optional_size("keep_size", ByteSize::from_kib(64)..=most),
        compress: section.choice("compress", default.compress),
        when_full: section.choice("when_full", default.when_full),
    }
}

fn read_log(section: &Section<'_, '_>) -> LogConfig {
    LogConfig { level: section.choice("level", LogConfig::default().level) }
}

const FLOW_TIMEOUT: RangeInclusive<Timeout> = Timeout::from_secs(1)..=Timeout::from_secs(7 * 86_400);
const MAX_OUTPUTS: usize = 16;
const MAX_TYPES: usize = 64;
