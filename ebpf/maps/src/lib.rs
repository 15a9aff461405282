//! The XDP program as the kernel loads it, and the names and layouts of its maps.
//!
//! `ebpf/xdp/maps.h` says the same in C; `tests/layout.rs` compares both. Everything is in the byte order of the host.

#![forbid(unsafe_code)]

mod layout;
mod reason;

pub use layout::{
    Address, Count, FlowKey, LIST_ALLOW, LIST_DENY, LpmV4, LpmV6, Parsed, Probe, SERVICE_LOCAL,
    SERVICE_REMOTE, SHUNT_DROP, SHUNT_FORWARD, SHUNT_PASS, SHUNT_UPPER_FLAGS, Service, Settings, Shunt,
    flags, kind,
};
pub use reason::{Reason, Verdict};

/// Object file of the XDP program.
pub static PROGRAM: &[u8] = &WIREWARDEN.0;

/// Object file of the program that writes down what the parser reads, for tests.
pub static PARSE_PROBE: &[u8] = &PROBE.0;

/// Names of the programs in [`PROGRAM`].
pub mod programs {
    /// For packets in several pieces too (kernel 5.18).
    pub const WITH_FRAGMENTS: &str = "wirewarden_sg";
    /// For packets in one piece.
    pub const PLAIN: &str = "wirewarden";
    /// The one in [`PARSE_PROBE`](super::PARSE_PROBE).
    pub const PROBE: &str = "parse_probe";
}

/// Names of the maps in [`PROGRAM`], short enough (15 bytes) for the kernel to keep them whole.
pub mod maps {
    /// One [`Settings`](super::Settings).
    pub const SETTINGS: &str = "settings";
    /// Nanoseconds of `CLOCK_MONOTONIC` when the owner was last alive.
    pub const HEARTBEAT: &str = "heartbeat";
    /// A [`Count`](super::Count) per core for each [`Reason`](super::Reason).
    pub const COUNTERS: &str = "counters";
    /// The AF_XDP socket of each receive queue.
    pub const SOCKETS: &str = "sockets";
    /// Interface that shunted packets are forwarded to.
    pub const PEER: &str = "peer";
    /// Addresses of this host.
    pub const OWN_ADDRESSES: &str = "own_addresses";
    /// Services of this host that are never kept from it.
    pub const SERVICES: &str = "services";
    /// Prefixes of IPv4 sources.
    pub const V4_SOURCE: &str = "v4_source";
    /// Prefixes of IPv4 destinations.
    pub const V4_DESTINATION: &str = "v4_destination";
    /// Prefixes of IPv6 sources.
    pub const V6_SOURCE: &str = "v6_source";
    /// Prefixes of IPv6 destinations.
    pub const V6_DESTINATION: &str = "v6_destination";
    /// When each source's next packet is due.
    pub const RATES: &str = "rates";
    /// Settled flows.
    pub const SHUNTS: &str = "shunts";
    /// One [`Probe`](super::Probe), in [`PARSE_PROBE`](super::PARSE_PROBE).
    pub const PROBED: &str = "probed";
}

/// Readers of object files expect them aligned.
#[repr(C, align(32))]
struct Aligned<T: ?Sized>(T);

static WIREWARDEN: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/wirewarden.o")));
static PROBE: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!("OUT_DIR"), "/parse_probe.o")));
