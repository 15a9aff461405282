//! What a start fixes for ports on kernel interfaces.

use std::path::PathBuf;

use crate::config::reader::Section;
use crate::config::{Choice, Timeout};

/// The XDP program and the AF_XDP sockets of all ports that are kernel interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpConfig {
    /// Where the program runs.
    pub mode: XdpMode,
    /// Whether packets are copied.
    pub copy: XdpCopy,
    /// Bytes of memory for each packet.
    pub frame_size: XdpFrameSize,
    /// Whether workers do the driver's work.
    pub busy_poll: bool,
    /// Silence of the data plane after which packets go to the host.
    pub watchdog: Timeout,
    /// Whether ARP and neighbour discovery go to the host.
    pub protect_neighbours: Neighbours,
    /// TCP ports of the host whose packets go to it.
    pub protect_tcp: Vec<u16>,
    /// UDP ports of the host whose packets go to it.
    pub protect_udp: Vec<u16>,
    /// Whether everything that is addressed to the host goes to it.
    pub pass_own: bool,
    /// Settled flows that the program counts, for each port.
    pub shunts: u32,
    /// Prefixes of IPv4 and of IPv6 that each list of a port has room for.
    pub prefixes: u32,
    /// Folder of a BPF file system below which maps have names.
    pub pin: Option<PathBuf>,
}

impl Default for XdpConfig {
    fn default() -> Self {
        Self {
            mode: XdpMode::Auto,
            copy: XdpCopy::Auto,
            frame_size: XdpFrameSize::Auto,
            busy_poll: false,
            watchdog: Timeout::from_secs(2),
            protect_neighbours: Neighbours::Auto,
            protect_tcp: vec![SSH],
            protect_udp: Vec::new(),
            pass_own: false,
            shunts: 65_536,
            prefixes: 1_000_000,
            pin: None,
        }
    }
}

/// Where the XDP program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver, or in the stack where that is refused.
    Auto,
    /// In the driver.
    Native,
    /// In the stack.
    Generic,
}

impl Choice for XdpMode {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("native", Self::Native), ("generic", Self::Generic)];
}

/// Whether packets are copied between the driver's memory and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpCopy {
    /// Where the driver must.
    Auto,
    /// Always.
    Copy,
    /// Never.
    ZeroCopy,
}

impl Choice for XdpCopy {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("copy", Self::Copy), ("zero_copy", Self::ZeroCopy)];
}

/// Bytes of memory for each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpFrameSize {
    /// As the interface's MTU needs.
    Auto,
    /// 2 KiB.
    TwoKib,
    /// 4 KiB.
    FourKib,
}

impl Choice for XdpFrameSize {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("2KiB", Self::TwoKib), ("4KiB", Self::FourKib)];
}

/// Whether ARP and neighbour discovery go to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// Where the interface has an address.
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

impl Choice for Neighbours {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

const SSH: u16 = 22;
const MAX_PROTECTED: usize = 256;

pub(super) fn read(section: &Section<'_, '_>) -> XdpConfig {
    let default = XdpConfig::default();
    let ports = |key: &str, default: Vec<u16>| {
        if !section.has(key) {
            return default;
        }
        let entries = section.list(key, "[22]", MAX_PROTECTED);
        entries.iter().filter_map(|entry| section.entry_integer(entry, 1..=65_535)).collect()
    };
    XdpConfig {
        mode: section.choice("mode", default.mode),
        copy: section.choice("copy", default.copy),
        frame_size: section.choice("frame_size", default.frame_size),
        busy_poll: section.flag("busy_poll", default.busy_poll),
        watchdog: section.timeout(
            "watchdog",
            default.watchdog,
            Timeout::from_millis(500)..=Timeout::from_secs(60),
        ),
        protect_neighbours: section.choice("protect_neighbours", default.protect_neighbours),
        protect_tcp: ports("protect_tcp", default.protect_tcp),
        protect_udp: ports("protect_udp", default.protect_udp),
        pass_own: section.flag("pass_own", default.pass_own),
        shunts: section.integer("shunts", default.shunts, 1024..=4_194_304),
        prefixes: section.integer("prefixes", default.prefixes, 1024..=16_777_216),
        pin: section.path("pin", "/sys/fs/bpf/wirewarden"),
    }
}
