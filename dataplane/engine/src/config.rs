use core::time::Duration;

use mem_sys::PagePolicy;
use wire::ParseOptions;

/// Sizes and rules of one engine (one worker). All memory is bounded by them.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Flows tracked at once.
    pub flow_capacity: usize,
    /// Which pages the flow table takes.
    pub pages: PagePolicy,
    /// Secret that keys the flow hash, so that nobody can aim at one bucket.
    pub hash_seed: u64,
    /// How frames are read.
    pub parse: ParseOptions,
    /// When idle flows end.
    pub timeouts: Timeouts,
    /// Which flow gives way when the table is full.
    pub eviction: Eviction,
    /// Limits of reassembly.
    pub stream: StreamLimits,
    /// Limits of defragmentation.
    pub defrag: DefragLimits,
    /// Payloads of a flow looked at before it is given up as unknown.
    pub max_payloads: u8,
    /// Whether a flow that nothing else decided is named after its port.
    pub guesses: Guesses,
    /// Whether payloads are looked at: without it the engine counts flows only.
    pub inspection: Inspection,
    /// Which flows are this engine's, where several see the same packets.
    pub share: Share,
}

/// One engine's part of the flows, by a hash of their addresses: both directions, and fragments, meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// This engine, from 0.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl Share {
    /// Everything.
    pub const ALL: Self = Self { index: 0, of: 1 };
}

/// Whether ports and addresses name what payloads did not; such names are marked as guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guesses {
    /// Where nothing contradicts.
    On,
    /// Never.
    Off,
}

/// Whether payloads are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspection {
    /// Flows are classified and their protocols parsed.
    Full,
    /// Flows are counted only.
    Off,
}

/// How long a flow may be silent, by protocol and state.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP before both sides were heard.
    pub tcp_new: Duration,
    /// TCP connections.
    pub tcp_established: Duration,
    /// TCP after FIN both ways or RST: late segments still find their flow.
    pub tcp_closed: Duration,
    /// UDP with packets one way only.
    pub udp_new: Duration,
    /// UDP with packets both ways.
    pub udp_established: Duration,
    /// ICMP and ICMPv6.
    pub icmp: Duration,
    /// Everything else.
    pub other: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_new: Duration::from_secs(60),
            tcp_established: Duration::from_secs(600),
            tcp_closed: Duration::from_secs(10),
            udp_new: Duration::from_secs(30),
            udp_established: Duration::from_secs(300),
            icmp: Duration::from_secs(30),
            other: Duration::from_secs(60),
        }
    }
}

impl Timeouts {
    /// For captures, which hold what somebody chose to keep: silence in them is rarely an end.
    #[must_use]
    pub const fn for_captures() -> Self {
        let long = Duration::from_secs(3600);
        Self {
            tcp_new: long,
            tcp_established: long,
            tcp_closed: Duration::from_secs(600),
            udp_new: long,
            udp_established: long,
            icmp: long,
            other: long,
        }
    }
}

/// Which flow gives way when the table is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The oldest flow heard from one side only; without one, the flow nearest to its timeout.
    HalfOpenFirst,
    /// None: the new flow is not tracked, and its packets are counted as `flow_table_full`.
    RefuseNew,
}

/// Which bytes count where two segments differ about the same place of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// Those that came first.
    First,
    /// Those that came last, as long as they were not read yet.
    Last,
}

/// Limits of TCP reassembly.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Flows under inspection at once (undecided with payload, or with a parser).
    pub inspections: usize,
    /// Out-of-order bytes held for one direction of one flow.
    pub pending_bytes: usize,
    /// Out-of-order segments held for one direction of one flow.
    pub pending_segments: usize,
    /// Bytes held by all flows together: out-of-order segments and unread bytes.
    pub total_bytes: usize,
    /// Which bytes count where segments overlap.
    pub overlap: Overlap,
    /// Whether streams whose start was not seen are read.
    pub midstream: bool,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            inspections: 65_536,
            pending_bytes: 256 * 1024,
            pending_segments: 256,
            total_bytes: 64 << 20,
            overlap: Overlap::First,
            midstream: true,
        }
    }
}

/// Limits of IP defragmentation.
#[derive(Clone, Copy, Debug)]
pub struct DefragLimits {
    /// Datagrams being put together at once.
    pub datagrams: usize,
    /// Fragments of one datagram.
    pub fragments: usize,
    /// Bytes of all datagrams together.
    pub total_bytes: usize,
    /// How long the rest of a datagram may take (RFC 791 says 15 s, RFC 8200 60 s).
    pub timeout: Duration,
}

impl Default for DefragLimits {
    fn default() -> Self {
        Self { datagrams: 4096, fragments: 64, total_bytes: 16 << 20, timeout: Duration::from_secs(30) }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            flow_capacity: 1 << 20,
            pages: PagePolicy::default(),
            hash_seed: 0,
            parse: ParseOptions::default(),
            timeouts: Timeouts::default(),
            eviction: Eviction::HalfOpenFirst,
            stream: StreamLimits::default(),
            defrag: DefragLimits::default(),
            max_payloads: 4,
            guesses: Guesses::On,
            inspection: Inspection::Full,
            share: Share::ALL,
        }
    }
}
