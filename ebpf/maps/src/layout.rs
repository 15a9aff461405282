//! Keys and values of the maps.

use core::net::IpAddr;

/// Identity of a flow, the same for both directions; see `flow_key` in `maps.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FlowKey {
    /// Address of the lower end.
    pub lower: Address,
    /// Address of the upper end.
    pub upper: Address,
    /// Port of the lower end.
    pub lower_port: u16,
    /// Port of the upper end.
    pub upper_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// [`kind::IPV4`] or [`kind::IPV6`].
    pub kind: u8,
    /// Outer VLAN id, 0 where there is none or it does not count.
    pub outer_vlan: u16,
    /// Inner VLAN id.
    pub inner_vlan: u16,
    /// Zero.
    pub zero: [u16; 3],
}

/// An IP address as a 128-bit number, most significant half first; IPv4 is IPv4-mapped (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Address(pub [u64; 2]);

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        let bits = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        Self([low_half(bits >> 64), low_half(bits)])
    }
}

impl Address {
    /// The address, IPv4 where `kind` says so.
    #[must_use]
    pub fn ip(self, kind: u8) -> IpAddr {
        let [high, low] = self.0;
        let v6 = core::net::Ipv6Addr::from_bits((u128::from(high) << 64) | u128::from(low));
        v6.to_ipv4_mapped().filter(|_| kind == kind::IPV4).map_or(IpAddr::V6(v6), IpAddr::V4)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a half is what is asked for")]
const fn low_half(bits: u128) -> u64 {
    bits as u64
}

/// A settled flow; see `shunt` in `maps.h`. Pairs are of the lower and of the upper end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Shunt {
    /// Packets sent by each end.
    pub packets: [u64; 2],
    /// Bytes sent by each end.
    pub bytes: [u64; 2],
    /// `CLOCK_MONOTONIC_COARSE` of the last packet, nanoseconds.
    pub last_ns: u64,
    /// [`SHUNT_DROP`], [`SHUNT_PASS`] or [`SHUNT_FORWARD`].
    pub action: u32,
    /// TCP control bits seen so far: of the lower end, and above [`SHUNT_UPPER_FLAGS`] of the upper end.
    pub tcp_flags: u32,
}

/// Where the control bits of the upper end start.
pub const SHUNT_UPPER_FLAGS: u32 = 8;

/// Packets of the flow are dropped.
pub const SHUNT_DROP: u32 = 0;
/// Packets of the flow are left to the host.
pub const SHUNT_PASS: u32 = 1;
/// Packets of the flow are sent out of the peer port.
pub const SHUNT_FORWARD: u32 = 2;

/// A prefix is denied.
pub const LIST_DENY: u32 = 1;
/// A prefix is allowed.
pub const LIST_ALLOW: u32 = 2;

/// An IPv4 prefix as the kernel's tries have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LpmV4 {
    /// Bits, 0 to 32.
    pub prefix_len: u32,
    /// The address, most significant byte first.
    pub address: [u8; 4],
}

/// An IPv6 prefix as the kernel's tries have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LpmV6 {
    /// Bits, 0 to 128.
    pub prefix_len: u32,
    /// The address, most significant byte first.
    pub address: [u8; 16],
}

/// A service of this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Service {
    /// IP protocol number.
    pub protocol: u8,
    /// Zero.
    pub zero: u8,
    /// Port; 0 stands for fragments, which have none.
    pub port: u16,
}

/// The port is this host's.
pub const SERVICE_LOCAL: u32 = 1;
/// The port is the other end's: this host is the client.
pub const SERVICE_REMOTE: u32 = 2;

/// Bits of [`Settings::flags`].
pub mod flags {
    /// ARP and neighbour discovery go to the host.
    pub const PROTECT_NEIGHBOURS: u32 = 1 << 0;
    /// The services of the list go to the host.
    pub const PROTECT_SERVICES: u32 = 1 << 1;
    /// Everything addressed to the host goes to it.
    pub const PASS_OWN: u32 = 1 << 2;
    /// There are lists of sources.
    pub const LIST_SOURCES: u32 = 1 << 3;
    /// There are lists of destinations.
    pub const LIST_DESTINATIONS: u32 = 1 << 4;
    /// Sources on no list are denied.
    pub const DENY_OTHER_SOURCES: u32 = 1 << 5;
    /// Destinations on no list are denied.
    pub const DENY_OTHER_DESTINATIONS: u32 = 1 << 6;
    /// There may be shunted flows.
    pub const SHUNT: u32 = 1 << 7;
    /// VLAN ids are part of a flow's identity.
    pub const KEY_VLAN: u32 = 1 << 8;
    /// All packets go to the host when the heartbeat stops.
    pub const WATCHDOG: u32 = 1 << 9;
}

/// What the program does; see `settings` in `maps.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Settings {
    /// Bits of [`flags`].
    pub flags: u32,
    /// Flows are taken whose hash is at most this.
    pub sample: u32,
    /// Nanoseconds that one packet of a source costs; 0 is no limit.
    pub rate_interval_ns: u64,
    /// Nanoseconds that a source may be ahead of its time.
    pub rate_burst_ns: u64,
    /// Age of the heartbeat from which on the owner is taken for dead, nanoseconds.
    pub stall_ns: u64,
}

impl Default for Settings {
    /// Everything is handed over.
    fn default() -> Self {
        Self { flags: 0, sample: u32::MAX, rate_interval_ns: 0, rate_burst_ns: 0, stall_ns: 0 }
    }
}

/// A counter on one core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Values of [`Parsed::kind`].
pub mod kind {
    /// A frame without IP.
    pub const NOT_IP: u8 = 0;
    /// IPv4.
    pub const IPV4: u8 = 4;
    /// IPv6.
    pub const IPV6: u8 = 6;
    /// Headers that only user space reads.
    pub const UNREAD: u8 = 0xfe;
    /// Headers that contradict each other.
    pub const MALFORMED: u8 = 0xff;
}

/// What the parser read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Parsed {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Start of the IP header.
    pub network_offset: u32,
    /// Start of the transport header.
    pub transport_offset: u32,
    /// Start of what the transport header precedes.
    pub payload_offset: u32,
    /// Port of the source.
    pub source_port: u16,
    /// Port of the destination.
    pub destination_port: u16,
    /// EtherType behind all tags.
    pub ethertype: u16,
    /// Outer VLAN id.
    pub outer_vlan: u16,
    /// Inner VLAN id.
    pub inner_vlan: u16,
    /// One of [`kind`].
    pub kind: u8,
    /// IP protocol behind extension headers.
    pub protocol: u8,
    /// 1 for a fragment.
    pub is_fragment: u8,
    /// Control bits of TCP.
    pub tcp_flags: u8,
    /// Type of ICMP.
    pub icmp_type: u8,
    /// Zero.
    pub zero: [u8; 5],
}

/// What the test program says of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Probe {
    /// What the parser read.
    pub parsed: Parsed,
    /// Key of the flow.
    pub key: FlowKey,
    /// Which end sent it: 0 the lower, 1 the upper.
    pub side: u32,
    /// Number that decides about sampling.
    pub hash: u32,
}
