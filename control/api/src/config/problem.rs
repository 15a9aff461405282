//! What can be wrong with a configuration, and what mends it.

use std::net::IpAddr;

use crate::config::{ByteSize, Device, DeviceKind, NotADevice, NotASize, NotATimeout, Timeout};

/// One thing wrong with a configuration. Its text is the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not TOML here.
    #[error("not TOML: {message}")]
    Syntax {
        /// What the TOML parser says.
        message: String,
    },
    /// The text is longer than any configuration.
    #[error("{bytes} bytes are more than a configuration may have")]
    TooLarge {
        /// Length of the text.
        bytes: usize,
        /// Longest that is read.
        limit: usize,
    },
    /// A key that the schema does not have.
    #[error("no such key")]
    UnknownKey {
        /// Full path of the valid key that was probably meant.
        nearest: Option<String>,
        /// The keys that are valid in this table.
        valid: Vec<&'static str>,
    },
    /// A key without which there is no default.
    #[error("missing: it names {what}")]
    Missing {
        /// What the key says.
        what: &'static str,
        /// A line that would be right.
        example: &'static str,
    },
    /// A value that is wrong by itself.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// Values that do not go together.
    #[error(transparent)]
    Rule(#[from] BrokenRule),
}

impl Problem {
    /// What to write instead.
    #[must_use]
    pub fn mend(&self) -> String {
        match self {
            Self::Syntax { .. } => "correct the syntax of this line (toml.io)".to_owned(),
            Self::TooLarge { limit, .. } => format!("at most {limit} bytes are read"),
            Self::UnknownKey { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnknownKey { valid, .. } => format!("valid here: {}", valid.join(", ")),
            Self::Missing { example, .. } => format!("add `{example}`"),
            Self::Value(value) => value.mend(),
            Self::Rule(rule) => rule.mend(),
        }
    }

    /// The valid key or value that was probably meant.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { nearest, .. } => nearest.as_deref(),
            Self::Value(BadValue::NotOneOf { nearest, .. }) => *nearest,
            Self::Value(BadValue::Filter { nearest, .. }) => nearest.as_deref(),
            Self::Rule(
                BrokenRule::UnknownPeer { nearest, .. }
                | BrokenRule::NotInline { nearest, .. }
                | BrokenRule::UnknownTunnelPeer { nearest, .. },
            ) => nearest.as_deref(),
            _ => None,
        }
    }
}

/// A value that is wrong by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// A schema that this program does not know.
    #[error("version {found} of the schema is not known to this program")]
    Version {
        /// As written.
        found: u32,
        /// The one that is known.
        supported: u32,
    },
    /// Another type of TOML value.
    #[error("{found} where {expected} belongs")]
    Type {
        /// Type wanted.
        expected: &'static str,
        /// Type there.
        found: &'static str,
        /// A value that would be right.
        example: String,
    },
    /// A number outside its range.
    #[error("{value} is out of range")]
    Range {
        /// As written.
        value: String,
        /// Smallest allowed.
        min: u64,
        /// Largest allowed.
        max: u64,
    },
    /// A word that is none of those allowed.
    #[error("`{value}` is none of its values")]
    NotOneOf {
        /// As written.
        value: String,
        /// The words allowed.
        allowed: Vec<&'static str>,
        /// The one probably meant.
        nearest: Option<&'static str>,
    },
    /// Not a size.
    #[error("`{value}` is not a size: {why}")]
    Size {
        /// As written.
        value: String,
        /// Why not.
        why: NotASize,
    },
    /// A size outside its range.
    #[error("{value} is out of range")]
    SizeRange {
        /// As written.
        value: ByteSize,
        /// Smallest allowed.
        min: ByteSize,
        /// Largest allowed.
        max: ByteSize,
    },
    /// Not a length of time.
    #[error("`{value}` is not a length of time: {why}")]
    Timeout {
        /// As written.
        value: String,
        /// Why not.
        why: NotATimeout,
    },
    /// A length of time outside its range.
    #[error("{value} is out of range")]
    TimeoutRange {
        /// As written.
        value: Timeout,
        /// Shortest allowed.
        min: Timeout,
        /// Longest allowed.
        max: Timeout,
    },
    /// A number of descriptors that rings cannot have.
    #[error("{value} is not a power of two")]
    NotPowerOfTwo {
        /// As written.
        value: u64,
        /// The next power of two.
        next: u64,
    },
    /// Empty text.
    #[error("empty text")]
    Empty,
    /// A name with characters that names do not have.
    #[error("`{value}` is not a name")]
    Name {
        /// As written.
        value: String,
    },
    /// No device has this name.
    #[error("`{value}` names no device: {why}")]
    Device {
        /// As written.
        value: String,
        /// Why not.
        why: NotADevice,
    },
    /// No addresses have this prefix.
    #[error("`{value}` is no prefix")]
    Prefix {
        /// As written.
        value: String,
    },
    /// Text that is not of the form that it has to have.
    #[error("`{value}` cannot be read")]
    Unreadable {
        /// As written.
        value: String,
        /// What could be read.
        example: &'static str,
    },
    /// More entries than allowed.
    #[error("{count} entries are too many")]
    TooMany {
        /// Entries there.
        count: usize,
        /// Most allowed.
        max: usize,
    },
    /// The same word twice in a list.
    #[error("`{value}` is already in the list")]
    Repeated {
        /// As written.
        value: String,
    },
    /// A filter that its language does not have.
    #[error("{why}")]
    Filter {
        /// What is wrong with it.
        why: String,
        /// What could stand there.
        nearest: Option<String>,
    },
}

impl BadValue {
    fn mend(&self) -> String {
        match self {
            Self::Version { supported, .. } => format!("write `version = {supported}`"),
            Self::Type { example, .. } => format!("write for example `{example}`"),
            Self::Range { min, max, .. } => format!("write a number from {min} to {max}"),
            Self::NotOneOf { nearest: Some(nearest), .. } => format!("did you mean \"{nearest}\"?"),
            Self::NotOneOf { allowed, .. } => {
                let words: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
                format!("write one of {}", words.join(", "))
            }
            Self::Size { .. } => {
                "write a whole number and one of B, KB, KiB, MB, MiB, GB, GiB, TB, TiB, for example \"256MiB\""
                    .to_owned()
            }
            Self::SizeRange { min, max, .. } => format!("write a size from \"{min}\" to \"{max}\""),
            Self::Timeout { .. } => {
                "write a whole number and one of ms, s, m, h, d, for example \"30s\"".to_owned()
            }
            Self::TimeoutRange { min, max, .. } => format!("write a time from \"{min}\" to \"{max}\""),
            Self::NotPowerOfTwo { next, .. } => format!("write {next}"),
            Self::Filter { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::Filter { .. } => "docs/filter.md has what a filter may say".to_owned(),
            Self::Empty => "write something between the quotes, or remove the line".to_owned(),
            Self::Name { .. } => {
                "use 1 to 32 letters, digits, `_`, `-` and `.`, starting with a letter".to_owned()
            }
            Self::Device { .. } => {
                "write a PCI address (\"0000:03:00.0\"), a virtual device (\"net_ring0\"), an interface \
                 (\"eth1\") or a file (\"./office.pcap\")"
                    .to_owned()
            }
            Self::Prefix { .. } => {
                "write an address, or an address, a slash and a number of its bits (\"192.0.2.0/24\")".to_owned()
            }
            Self::Unreadable { example, .. } => format!("write for example {example}"),
            Self::TooMany { max, .. } => format!("keep at most {max}"),
            Self::Repeated { .. } => "remove the second one".to_owned(),
        }
    }
}

/// Values that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRule {
    /// A core twice among the workers.
    #[error("core {core} already runs a worker")]
    DuplicateCore {
        /// The core.
        core: u16,
    },
    /// A worker's core is the main core.
    #[error("core {core} is `boot.main_core` too, which would take turns with its worker")]
    WorkerOnMainCore {
        /// The core.
        core: u16,
    },
    /// Both ways to size the flow table.
    #[error("`boot.flow_memory` sizes the flow table already (line {line})")]
    FlowTableTwice {
        /// Where it is.
        line: u32,
    },
    /// Memory that is no multiple of a page.
    #[error("{mib} MiB are not a multiple of the hugepage size {page_mib} MiB")]
    NotWholePages {
        /// Memory asked for.
        mib: u64,
        /// MiB of a page.
        page_mib: u64,
        /// The next multiple.
        next: u64,
    },
    /// The packet buffers of all descriptors do not fit into the memory.
    #[error("{mib} MiB do not hold the packet buffers of the ports' descriptors, which take {need_mib} MiB")]
    BuffersDoNotFit {
        /// Memory there.
        mib: u64,
        /// Memory needed.
        need_mib: u64,
    },
    /// Two ports of one name.
    #[error("a port on line {line} is already called `{name}`")]
    DuplicatePortName {
        /// The name.
        name: String,
        /// Where the first is.
        line: u32,
    },
    /// Two ports on one device.
    #[error("the port on line {line} already owns `{device}`")]
    DuplicateDevice {
        /// The device.
        device: Device,
        /// Where the first is.
        line: u32,
    },
    /// A name that no interface can have.
    #[error("`{name}` cannot be the name of an interface")]
    NoInterfaceName {
        /// The name.
        name: String,
    },
    /// The exception port would be the interface of a port.
    #[error("`{name}` is the interface of a port, and the exception port is one that is made")]
    ExceptionIsPort {
        /// The name.
        name: String,
    },
    /// More queues than there are workers to poll them.
    #[error("{queues} queues are more than the {workers} worker(s) that poll them")]
    MoreQueuesThanCores {
        /// Queues asked for.
        queues: u16,
        /// Workers there are.
        workers: usize,
    },
    /// A device that the backend cannot open.
    #[error("`{device}` is {kind}, which the backend {backend} cannot open")]
    BackendCannotOpen {
        /// The device.
        device: Device,
        /// What it is.
        kind: DeviceKind,
        /// Name of the backend.
        backend: &'static str,
        /// What it can open.
        opens: &'static str,
    },
    /// Devices of different kinds where the backend follows from them.
    #[error("`{device}` is {kind} and the port on line {line} is {first}: one backend cannot open both")]
    MixedDevices {
        /// The device.
        device: Device,
        /// What it is.
        kind: DeviceKind,
        /// What the first is.
        first: DeviceKind,
        /// Where the first is.
        line: u32,
    },
    /// An inline port without its other side.
    #[error("an inline port has a peer, to which it forwards")]
    NoPeer,
    /// A peer where nothing is forwarded.
    #[error("a port in mode \"tap\" forwards nothing and has no peer")]
    PeerOfTap,
    /// A peer that is no port.
    #[error("no port is called `{peer}`")]
    UnknownPeer {
        /// As written.
        peer: String,
        /// The name probably meant.
        nearest: Option<String>,
    },
    /// A port that is its own peer.
    #[error("a port is not its own peer")]
    PeerOfItself,
    /// A peer that names another port.
    #[error("`{peer}` does not name this port as its peer")]
    OneSidedPeer {
        /// The peer.
        peer: String,
        /// This port.
        name: String,
    },
    /// Packets longer than DPDK's driver for AF_PACKET reads.
    #[error("DPDK's driver for AF_PACKET reads packets of {limit} bytes at most")]
    LongForAfPacket {
        /// Bytes above Ethernet.
        limit: u16,
    },
    /// A file cannot forward.
    #[error("a capture file has no other side to forward to")]
    InlineFile,
    /// A timeout longer than one that must not be shorter.
    #[error("{key} ({value}) is longer than {limit_key} ({limit})")]
    TimeoutOrder {
        /// The shorter one's key.
        key: &'static str,
        /// Its value.
        value: Timeout,
        /// The longer one's key.
        limit_key: &'static str,
        /// Its value.
        limit: Timeout,
    },
    /// A part larger than the whole.
    #[error("{key} ({value}) is larger than {limit_key} ({limit})")]
    LargerThanWhole {
        /// Key of the part.
        key: &'static str,
        /// Its value.
        value: ByteSize,
        /// Key of the whole.
        limit_key: &'static str,
        /// Its value.
        limit: ByteSize,
    },
    /// A tunnel over a port that forwards nothing.
    #[error("no inline port is called `{port}`")]
    NotInline {
        /// As written.
        port: String,
        /// The name probably meant.
        nearest: Option<String>,
    },
    /// A peer of a tunnel that there is not.
    #[error("no peer of the tunnel is called `{peer}`")]
    UnknownTunnelPeer {
        /// As written.
        peer: String,
        /// The name probably meant.
        nearest: Option<String>,
    },
    /// Two peers of one name.
    #[error("a peer on line {line} is already called `{name}`")]
    DuplicateTunnelPeer {
        /// The name.
        name: String,
        /// Where the first is.
        line: u32,
    },
    /// An address that none of ours reaches.
    #[error("`live.tunnel.local` has no address of the IP of {address}")]
    NoLocalAddress {
        /// The address.
        address: IpAddr,
    },
    /// Packets would go past the workers that seal them.
    #[error("settled flows of inline ports would go on unsealed, past the workers")]
    ShuntPastTunnel,
    /// Two outputs into one file.
    #[error("the output on line {line} already writes to `{path}`")]
    DuplicateOutput {
        /// The file.
        path: String,
        /// Where the first is.
        line: u32,
    },
    /// Standard output cannot be moved.
    #[error("standard output cannot be rotated")]
    RotatedOutput {
        /// The key that asks for it.
        key: &'static str,
    },
    /// What becomes of files that ended, where none ends.
    #[error("`{key}` is about files that ended, and this one never does")]
    NeverEnds {
        /// The key.
        key: &'static str,
    },
}

impl BrokenRule {
    fn mend(&self) -> String {
        match self {
            Self::DuplicateCore { .. } => "name each worker core once".to_owned(),
            Self::WorkerOnMainCore { core } => {
                format!("take {core} out of `boot.cores`, or choose another `boot.main_core`")
            }
            Self::NoInterfaceName { .. } => {
                "write at most 15 characters, as `exception_port = \"ww0\"`".to_owned()
            }
            Self::ExceptionIsPort { .. } => "choose another name, as `exception_port = \"ww0\"`".to_owned(),
            Self::FlowTableTwice { .. } => "keep either `flow_memory` or `flow_capacity`".to_owned(),
            Self::NotWholePages { next, .. } => format!("write `mib = {next}`"),
            Self::BuffersDoNotFit { need_mib, .. } => {
                format!("write `boot.memory.mib = {need_mib}` or more, or fewer descriptors or queues")
            }
            Self::TimeoutOrder { key, limit_key, limit, .. } => {
                format!("write `{key} = \"{limit}\"` or less, or a longer {limit_key}")
            }
            Self::LargerThanWhole { key, limit_key, limit, .. } => {
                format!("write `{key} = \"{limit}\"` or less, or a larger {limit_key}")
            }
            Self::DuplicateOutput { .. } => {
                "write to another file, or give one output the types of both".to_owned()
            }
            Self::RotatedOutput { key } => format!("remove `{key}`, or write to a file"),
            Self::NeverEnds { key } => {
                format!("add `rotate_size = \"1GiB\"` or `rotate_every = \"1h\"`, or remove `{key}`")
            }
            Self::NotInline { nearest: Some(nearest), .. }
            | Self::UnknownTunnelPeer { nearest: Some(nearest), .. } => {
                format!("did you mean \"{nearest}\"?")
            }
            Self::NotInline { .. } => "name a port with `mode = \"inline\"`".to_owned(),
            Self::UnknownTunnelPeer { .. } => "write the `name` of one of [[live.tunnel.peers]]".to_owned(),
            Self::DuplicateTunnelPeer { .. } => "give each peer its own name".to_owned(),
            Self::NoLocalAddress { .. } => "add an address of that IP to `live.tunnel.local`".to_owned(),
            Self::ShuntPastTunnel => "write `live.shunt.ports = \"taps\"`".to_owned(),
            port => port.mend_port(),
        }
    }

    fn mend_port(&self) -> String {
        match self {
            Self::DuplicatePortName { .. } => "give each port its own name".to_owned(),
            Self::DuplicateDevice { .. } => "give each port its own device".to_owned(),
            Self::MoreQueuesThanCores { workers, .. } => {
                format!("write `queues = {workers}` or less, or add cores to `boot.cores`")
            }
            Self::BackendCannotOpen { opens, .. } => {
                format!("name {opens}, or write `boot.backend = \"auto\"`")
            }
            Self::MixedDevices { .. } => "name devices of one kind".to_owned(),
            Self::NoPeer => "add `peer = \"NAME\"` with the name of the other port".to_owned(),
            Self::PeerOfTap => "remove `peer`, or write `mode = \"inline\"`".to_owned(),
            Self::UnknownPeer { nearest: Some(nearest), .. } => format!("did you mean \"{nearest}\"?"),
            Self::UnknownPeer { .. } | Self::PeerOfItself => {
                "write the `name` of the other [[boot.ports]]".to_owned()
            }
            Self::OneSidedPeer { peer, name } => {
                format!("write `mode = \"inline\"` and `peer = \"{name}\"` in the port `{peer}`")
            }
            Self::LongForAfPacket { limit } => {
                format!("write `mtu = {limit}`, or `boot.backend = \"af_xdp\"`, which reads longer ones")
            }
            Self::InlineFile => "write `mode = \"tap\"`".to_owned(),
            _ => String::new(),
        }
    }
}
