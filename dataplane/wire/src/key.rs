use core::hint::select_unpredictable;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the addresses of a [`FlowKey`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// MAC addresses; both "ports" hold the EtherType.
    Ethernet = 0,
    /// IPv4 addresses.
    Ipv4 = 4,
    /// IPv6 addresses.
    Ipv6 = 6,
}

/// One of the two ends of a flow, by the order of address and port in its key (not by who spoke first).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Side {
    /// The end with the lower (address, port).
    #[default]
    Lower = 0,
    /// The end with the higher (address, port).
    Upper = 1,
}

impl Side {
    /// The other end.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Lower => Self::Upper,
            Self::Upper => Self::Lower,
        }
    }
}

/// What separates flows that share a 5-tuple: the VLAN stack and the id of a tunnel whose id is the same both ways.
///
/// Layout, most significant bit first: outer VLAN id (12), inner VLAN id (12), tunnel kind (8), tunnel id (32).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope(pub u64);

impl Scope {
    /// Packs VLAN ids (0 where there is none; IEEE 802.1Q 9.6) and a tunnel kind and id.
    #[must_use]
    pub const fn new(outer_vlan: u16, inner_vlan: u16, tunnel_kind: u8, tunnel_id: u32) -> Self {
        Self(
            ((outer_vlan as u64 & 0xfff) << 52)
                | ((inner_vlan as u64 & 0xfff) << 40)
                | ((tunnel_kind as u64) << 32)
                | tunnel_id as u64,
        )
    }

    /// Outer and inner VLAN id, 0 where there is none.
    #[must_use]
    pub const fn vlans(self) -> [u16; 2] {
        [((self.0 >> 52) & 0xfff) as u16, ((self.0 >> 40) & 0xfff) as u16]
    }
}

/// The identity of a flow, the same for both directions: ends in ascending order, protocol and [`Scope`]. 48 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct FlowKey {
    lower: [u64; 2],
    upper: [u64; 2],
    /// lower port (16) | upper port (16) | protocol (8) | kind (8) | zero (16), most significant first.
    meta: u64,
    scope: u64,
}

impl FlowKey {
    /// The key of a packet from `source` to `destination`, and the side that sent it.
    ///
    /// Addresses are 128-bit big-endian numbers as [`FlowKey::from_ipv4`] and its siblings make them.
    #[must_use]
    #[inline(always)]
    pub fn new(
        kind: KeyKind,
        protocol: u8,
        source: ([u64; 2], u16),
        destination: ([u64; 2], u16),
        scope: Scope,
    ) -> (Self, Side) {
        let tail = (u64::from(protocol) << 24) | ((kind as u64) << 16);
        // Which end is lower is a coin toss for each packet: no branch may depend on it.
        let is_upper = (whole(source.0) > whole(destination.0))
            | ((source.0 == destination.0) & (source.1 > destination.1));
        let pick = |yes: u64, no: u64| select_unpredictable(is_upper, yes, no);
        let lower = [pick(destination.0[0], source.0[0]), pick(destination.0[1], source.0[1])];
        let upper = [pick(source.0[0], destination.0[0]), pick(source.0[1], destination.0[1])];
        let ports = (u64::from(source.1) << 16) | u64::from(destination.1);
        let turned = (u64::from(destination.1) << 16) | u64::from(source.1);
        let meta = (pick(turned, ports) << 32) | tail;
        (Self { lower, upper, meta, scope: scope.0 }, if is_upper { Side::Upper } else { Side::Lower })
    }

    /// The 128-bit form of an IPv4 address: IPv4-mapped IPv6 (RFC 4291, 2.5.5.2).
    #[must_use]
    #[inline]
    pub const fn from_ipv4(octets: [u8; 4]) -> [u64; 2] {
        [0, 0xffff_0000_0000 | u32::from_be_bytes(octets) as u64]
    }

    /// The 128-bit form of an IPv6 address.
    #[must_use]
    #[inline]
    pub const fn from_ipv6(octets: [u8; 16]) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, low @ ..] = octets;
        [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes(low)]
    }

    /// The 128-bit form of a MAC address.
    #[must_use]
    #[inline]
    pub const fn from_mac(octets: [u8; 6]) -> [u64; 2] {
        let [a, b, c, d, e, f] = octets;
        [0, u64::from_be_bytes([0, 0, a, b, c, d, e, f])]
    }

    /// What the addresses are.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        let [_, _, _, _, _, kind, _, _] = self.meta.to_be_bytes();
        match kind {
            4 => KeyKind::Ipv4,
            6 => KeyKind::Ipv6,
            _ => KeyKind::Ethernet,
        }
    }

    /// IP protocol number (IANA), 0 for [`KeyKind::Ethernet`].
    #[must_use]
    #[inline]
    pub const fn protocol(&self) -> u8 {
        let [_, _, _, _, protocol, _, _, _] = self.meta.to_be_bytes();
        protocol
    }

    /// Port of one end; 0 for protocols without ports, the EtherType for [`KeyKind::Ethernet`].
    #[must_use]
    #[inline]
    pub const fn port(&self, side: Side) -> u16 {
        let [a, b, c, d, _, _, _, _] = self.meta.to_be_bytes();
        match side {
            Side::Lower => u16::from_be_bytes([a, b]),
            Side::Upper => u16::from_be_bytes([c, d]),
        }
    }

    /// IP address of one end, none for [`KeyKind::Ethernet`].
    #[must_use]
    pub fn ip(&self, side: Side) -> Option<IpAddr> {
        let [high, low] = self.address(side);
        match self.kind() {
            KeyKind::Ipv4 => {
                let [_, _, _, _, octets @ ..] = low.to_be_bytes();
                Some(IpAddr::V4(Ipv4Addr::from(octets)))
            }
            KeyKind::Ipv6 => {
                Some(IpAddr::V6(Ipv6Addr::from_bits((u128::from(high) << 64) | u128::from(low))))
            }
            KeyKind::Ethernet => None,
        }
    }

    /// MAC address of one end, none unless [`KeyKind::Ethernet`].
    #[must_use]
    pub const fn mac(&self, side: Side) -> Option<[u8; 6]> {
        match self.kind() {
            KeyKind::Ethernet => {
                let [_, _, a, b, c, d, e, f] = self.address(side)[1].to_be_bytes();
                Some([a, b, c, d, e, f])
            }
            _ => None,
        }
    }

    /// VLANs and tunnel that this flow is kept apart by.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        Scope(self.scope)
    }

    /// 64-bit hash, the same for both directions; `seed` is secret so that nobody can aim at one bucket.
    #[must_use]
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        // The upper halves of IPv4 addresses are zero: without a constant the product would be too.
        let a = fold(self.lower[0] ^ seed ^ K3, self.lower[1] ^ K0);
        let b = fold(self.upper[0] ^ seed.rotate_left(32) ^ K2, self.upper[1] ^ K1);
        let c = fold(self.meta ^ seed ^ K1, self.scope ^ K2);
        fold(a ^ c.rotate_left(32), b ^ K3 ^ seed)
    }

    /// 64-bit hash of the addresses alone, the same for both directions and for fragments without ports.
    #[must_use]
    #[inline]
    pub const fn address_hash(&self) -> u64 {
        let ([a, b], [c, d]) = (self.lower, self.upper);
        fold(fold(a ^ K0, b ^ K1) ^ K2, fold(c ^ K3, d ^ K1) ^ K0)
    }

    const fn address(&self, side: Side) -> [u64; 2] {
        match side {
            Side::Lower => self.lower,
            Side::Upper => self.upper,
        }
    }
}

/// An address as one number.
#[inline]
fn whole([high, low]: [u64; 2]) -> u128 {
    (u128::from(high) << 64) | u128::from(low)
}

/// Folded 64×64→128-bit multiplication: every input bit reaches every output bit.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the product are taken one by one")]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128) * (b as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

// Odd constants with balanced bits: fractional digits of square roots of 2, 3, 5 and 7.
const K0: u64 = 0x6a09_e667_f3bc_c909;
const K1: u64 = 0xbb67_ae85_84ca_a73b;
const K2: u64 = 0x3c6e_f372_fe94_f82b;
const K3: u64 = 0xa54f_f53a_5f1d_36f1;
