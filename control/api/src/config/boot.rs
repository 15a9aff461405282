//! What a start fixes.

use std::ops::Range;

use crate::config::device::{Device, DeviceKind};
use crate::config::reader::{Section, shortened};
use crate::config::{BadValue, BrokenRule, ByteSize, Choice, Timeout, XdpConfig, rules};

/// Cores, ports, memory and backend: fixed for the life of a data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootConfig {
    /// What moves the packets.
    pub backend: Backend,
    /// Cores of the workers, each once; empty for one worker that is not pinned.
    pub cores: Vec<u16>,
    /// Core of the other threads, none of `cores`; not pinned where it is none.
    pub main_core: Option<u16>,
    /// Packets that a worker takes from a queue at once, 1 to 64.
    pub burst: u8,
    /// Memory of the flow tables, all workers together.
    pub flow_memory: ByteSize,
    /// Flows that all workers together keep, instead of `flow_memory`.
    pub flow_capacity: Option<u32>,
    /// Silence after which the run ends.
    pub stop_when_idle: Option<Timeout>,
    /// What follows where DPDK loses a port.
    pub failover: Failover,
    /// The kernel's interface by which its key exchange reaches the gateway's addresses outside; none is made where it
    /// is none.
    pub exception_port: Option<String>,
    /// Memory of the packet buffers.
    pub memory: MemoryConfig,
    /// The kernel's part, for ports that are kernel interfaces.
    pub xdp: XdpConfig,
    /// Ports, names and devices all different.
    pub ports: Vec<PortConfig>,
}

impl BootConfig {
    /// How many workers there are: one per core, or one that is not pinned.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.cores.len().max(1)
    }

    /// How large the flow tables of all workers together are.
    #[must_use]
    pub fn flow_table(&self) -> FlowTableSize {
        self.flow_capacity.map_or(FlowTableSize::Memory(self.flow_memory), FlowTableSize::Flows)
    }

    /// The backend, where it is "auto" that of the ports' devices; none where that is not known for lack of ports.
    #[must_use]
    pub fn resolved_backend(&self) -> Option<Backend> {
        match self.backend {
            Backend::Auto => self.ports.first().map(|port| Backend::of(port.device.kind())),
            named => Some(named),
        }
    }
}

impl Default for BootConfig {
    fn default() -> Self {
        Self {
            backend: Backend::Auto,
            cores: Vec::new(),
            main_core: None,
            burst: MAX_BURST,
            flow_memory: ByteSize::from_mib(256),
            flow_capacity: None,
            stop_when_idle: None,
            failover: Failover::Kernel,
            exception_port: None,
            memory: MemoryConfig::default(),
            xdp: XdpConfig::default(),
            ports: Vec::new(),
        }
    }
}

/// What moves the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Follows from the kind of the devices.
    Auto,
    /// DPDK poll-mode drivers.
    Dpdk,
    /// AF_XDP sockets.
    AfXdp,
    /// AF_PACKET sockets.
    AfPacket,
    /// Capture files.
    Replay,
}

impl Backend {
    /// The one that opens devices of this kind by default.
    #[must_use]
    pub const fn of(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Pci | DeviceKind::Vdev => Self::Dpdk,
            DeviceKind::Interface => Self::AfXdp,
            DeviceKind::File => Self::Replay,
        }
    }

    /// Whether it can open devices of this kind.
    #[must_use]
    pub fn opens(self, kind: DeviceKind) -> bool {
        match self {
            Self::Auto => true,
            Self::AfPacket => kind == DeviceKind::Interface,
            named => named == Self::of(kind),
        }
    }
}

impl Choice for Backend {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("dpdk", Self::Dpdk),
        ("af_xdp", Self::AfXdp),
        ("af_packet", Self::AfPacket),
        ("replay", Self::Replay),
    ];
}

/// What follows where DPDK loses a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// The run goes on by AF_XDP, on the kernel's interfaces of the same devices.
    Kernel,
    /// The run ends.
    Off,
}

impl Choice for Failover {
    const ALL: &'static [(&'static str, Self)] = &[("kernel", Self::Kernel), ("off", Self::Off)];
}

/// How large the flow tables of all workers together are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowTableSize {
    /// As many flows as fit into this.
    Memory(ByteSize),
    /// This many flows.
    Flows(u32),
}

/// Memory of the packet buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Whether it comes from hugepages.
    pub hugepages: bool,
    /// Size of a hugepage.
    pub hugepage_size: HugepageSize,
    /// MiB of it, a multiple of the hugepage size where hugepages are used.
    pub mib: u32,
    /// Whether no files are left in hugetlbfs.
    pub in_memory: bool,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self { hugepages: true, hugepage_size: HugepageSize::TwoMib, mib: 512, in_memory: true }
    }
}

/// Size of a hugepage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugepageSize {
    /// 2 MiB.
    TwoMib,
    /// 1 GiB.
    OneGib,
}

impl HugepageSize {
    /// MiB of one page.
    #[must_use]
    pub const fn mib(self) -> u32 {
        match self {
            Self::TwoMib => 2,
            Self::OneGib => 1024,
        }
    }
}

impl Choice for HugepageSize {
    const ALL: &'static [(&'static str, Self)] = &[("2MiB", Self::TwoMib), ("1GiB", Self::OneGib)];
}

/// Where packets come from and go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// Name in records, metrics and `peer`.
    pub name: String,
    /// What it is made of.
    pub device: Device,
    /// The kernel's interface that takes its place where DPDK loses it; that of the device where it is none.
    pub failover: Option<String>,
    /// Receive and transmit queues, not more than workers.
    pub queues: u16,
    /// Descriptors of each receive queue, a power of two.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit queue, a power of two.
    pub tx_descriptors: u16,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// Whether frames addressed to others are received.
    pub promiscuous: bool,
    /// What becomes of packets that are not dropped.
    pub mode: PortMode,
}

/// What becomes of packets that are not dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMode {
    /// Nothing: the port listens.
    Tap,
    /// They are sent out of the port of this name, which forwards to this one.
    Inline {
        /// Name of the other port.
        peer: String,
    },
}

/// The two words of `mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModeName {
    Tap,
    Inline,
}

impl Choice for ModeName {
    const ALL: &'static [(&'static str, Self)] = &[("tap", Self::Tap), ("inline", Self::Inline)];
}

/// MiB of packet buffers that the descriptors of a port take at least.
#[must_use]
pub fn port_buffers_mib(queues: u16, rx_descriptors: u16, tx_descriptors: u16, mtu: u16) -> u64 {
    // Ethernet header, two VLAN tags and FCS; a buffer holds 2,048 bytes, longer frames take a chain of them.
    let buffers_per_frame = (u64::from(mtu) + 26).div_ceil(2048);
    let descriptors = u64::from(rx_descriptors) * buffers_per_frame + u64::from(tx_descriptors);
    (u64::from(queues) * descriptors * BUFFER_BYTES).div_ceil(1 << 20)
}

/// Packets that the data plane takes at once, at most.
const MAX_BURST: u8 = 64;
/// One buffer in a DPDK pool: 128 bytes of mbuf, 128 of headroom, 2,048 of data and the pool's own header.
const BUFFER_BYTES: u64 = 2368;

pub(super) fn read(section: &Section<'_, '_>) -> BootConfig {
    let default = BootConfig::default();
    let backend = section.choice("backend", default.backend);
    let cores = read_cores(section);
    let main_core: Option<u16> = section.optional_integer("main_core", 0..=MAX_CORE);
    if let Some(core) = main_core.filter(|core| cores.contains(core)) {
        section.rule("main_core", BrokenRule::WorkerOnMainCore { core });
    }
    let burst = section.integer("burst", default.burst, 1..=u64::from(MAX_BURST));
    let flow_memory =
        section.size("flow_memory", default.flow_memory, ByteSize::from_mib(1)..=ByteSize::from_mib(1 << 20));
    let flow_capacity = section.optional_integer("flow_capacity", 1024..=u64::from(u32::MAX));
    let stop_when_idle =
        section.optional_timeout("stop_when_idle", Timeout::from_millis(1)..=Timeout::from_secs(86_400));
    if let (true, Some(_)) = (section.has("flow_memory"), flow_capacity) {
        section.rule("flow_capacity", BrokenRule::FlowTableTwice { line: section.line("flow_memory") });
    }
    let failover = section.choice("failover", default.failover);
    let exception_port = section.name("exception_port", "ww0").map(str::to_owned);
    let memory_section = section.section("memory");
    let memory = read_memory(&memory_section);
    let xdp = super::xdp::read(&section.section("xdp"));
    let sections = section.sections("ports", MAX_PORTS);
    let drafts: Vec<PortDraft> = sections.iter().map(|port| read_port(port, cores.len().max(1))).collect();
    rules::ports(&sections, &drafts, backend);
    rules::exception_port(section, exception_port.as_deref(), &drafts);
    rules::buffers(&memory_section, &drafts, &memory);
    let ports = drafts.into_iter().filter_map(PortDraft::finish).collect();
    BootConfig {
        backend,
        cores,
        main_core,
        burst,
        flow_memory,
        flow_capacity,
        stop_when_idle,
        failover,
        exception_port,
        memory,
        xdp,
        ports,
    }
}

fn read_cores(section: &Section<'_, '_>) -> Vec<u16> {
    let mut cores: Vec<u16> = Vec::new();
    for entry in section.list("cores", "[1, 2]", MAX_WORKERS) {
        let Some(core) = section.entry_integer(&entry, 0..=MAX_CORE) else { continue };
        if cores.contains(&core) {
            let span: Range<usize> = entry.value.span();
            section.rule_at(span, entry.key.clone(), BrokenRule::DuplicateCore { core });
            continue;
        }
        cores.push(core);
    }
    cores
}

fn read_memory(section: &Section<'_, '_>) -> MemoryConfig {
    let default = MemoryConfig::default();
    let memory = MemoryConfig {
        hugepages: section.flag("hugepages", default.hugepages),
        hugepage_size: section.choice("hugepage_size", default.hugepage_size),
        mib: section.integer("mib", default.mib, 64..=1 << 20),
        in_memory: section.flag("in_memory", default.in_memory),
    };
    let (mib, page_mib) = (u64::from(memory.mib), u64::from(memory.hugepage_size.mib()));
    if memory.hugepages && !mib.is_multiple_of(page_mib) {
        let next = mib.next_multiple_of(page_mib);
        section.rule("mib", BrokenRule::NotWholePages { mib, page_mib, next });
    }
    memory
}

/// A port as far as it could be read: a name and a device have no default.
pub(super) struct PortDraft {
    pub(super) name: Option<String>,
    pub(super) device: Option<Device>,
    pub(super) mode: ModeName,
    pub(super) peer: Option<String>,
    pub(super) queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    pub(super) mtu: u16,
    promiscuous: bool,
    pub(super) failover: Option<String>,
}

impl PortDraft {
    fn finish(self) -> Option<PortConfig> {
        let mode = match self.mode {
            ModeName::Tap => PortMode::Tap,
            ModeName::Inline => PortMode::Inline { peer: self.peer? },
        };
        Some(PortConfig {
            name: self.name?,
            device: self.device?,
            queues: self.queues,
            rx_descriptors: self.rx_descriptors,
            tx_descriptors: self.tx_descriptors,
            mtu: self.mtu,
            promiscuous: self.promiscuous,
            failover: self.failover,
            mode,
        })
    }
}

fn read_port(section: &Section<'_, '_>, workers: usize) -> PortDraft {
    if !section.has("name") {
        section.missing("name", "the port", "name = \"lan\"");
    }
    if !section.has("device") {
        section.missing("device", "what the port is made of", "device = \"0000:03:00.0\"");
    }
    let one_per_worker = u16::try_from(workers).unwrap_or(u16::MAX);
    let queues = section.integer("queues", one_per_worker, 1..=256);
    if usize::from(queues) > workers {
        section.rule("queues", BrokenRule::MoreQueuesThanCores { queues, workers });
    }
    PortDraft {
        name: section.name("name", "lan").map(str::to_owned),
        device: read_device(section),
        mode: section.choice("mode", ModeName::Tap),
        peer: section.name("peer", "wan").map(str::to_owned),
        queues,
        rx_descriptors: section.power_of_two("rx_descriptors", 1024, 64..=32_768),
        tx_descriptors: section.power_of_two("tx_descriptors", 1024, 64..=32_768),
        mtu: section.integer("mtu", 1500, 68..=9702),
        promiscuous: section.flag("promiscuous", true),
        failover: section.name("failover", "eth1").map(str::to_owned),
    }
}

fn read_device(section: &Section<'_, '_>) -> Option<Device> {
    let text = section.text("device", "0000:03:00.0")?;
    match text.parse() {
        Ok(device) => Some(device),
        Err(why) => {
            section.value_problem("device", BadValue::Device { value: shortened(text), why });
            None
        }
    }
}

const MAX_CORE: u64 = 1023;
const MAX_WORKERS: usize = 256;
const MAX_PORTS: usize = 32;
