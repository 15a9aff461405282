use crate::{FlowKey, LinkType, Malformed, Side, parse};

/// How many VLAN ids [`Headers`] keeps, outermost first; deeper tags are walked but not kept.
pub const MAX_VLANS: usize = 2;

/// How [`Headers::parse`] treats what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// How many tunnels are opened one inside the other, 0 to 8.
    pub tunnel_depth: u8,
    /// Whether VLAN ids are part of the flow key.
    pub key_vlan: bool,
    /// Whether ids of tunnels that carry both directions under one id (VXLAN, GENEVE) are part of the flow key.
    pub key_tunnel: bool,
    /// What becomes of a wrong checksum.
    pub checksums: Checksums,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { tunnel_depth: 4, key_vlan: true, key_tunnel: true, checksums: Checksums::Ignore }
    }
}

/// What becomes of a wrong IPv4, TCP or UDP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// Not computed: captures from the sending host hold unfinished checksums (offload).
    Ignore,
    /// Computed; a wrong one is [`Malformed`].
    Enforce,
}

/// The layers met on the way to the innermost header, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerSet(pub u32);

impl LayerSet {
    /// IEEE 802.1Q or 802.1ad tag.
    pub const VLAN: Self = Self(1);
    /// MPLS label stack (RFC 3032).
    pub const MPLS: Self = Self(1 << 1);
    /// PPPoE session (RFC 2516).
    pub const PPPOE: Self = Self(1 << 2);
    /// IPv4 options other than padding.
    pub const IPV4_OPTIONS: Self = Self(1 << 3);
    /// IPv6 extension headers.
    pub const IPV6_EXTENSIONS: Self = Self(1 << 4);
    /// The captured bytes end before the packet does.
    pub const SNAPPED: Self = Self(1 << 5);
    /// LLC or SNAP framing (IEEE 802.2).
    pub const LLC: Self = Self(1 << 6);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every layer of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What carries the innermost packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TunnelKind {
    /// No tunnel.
    #[default]
    None = 0,
    /// GRE version 0 (RFC 2784, 2890); the id is the key.
    Gre = 1,
    /// Enhanced GRE of PPTP (RFC 2637); the id is the call id.
    Pptp = 2,
    /// ERSPAN type I, II or III; the id is the session id.
    Erspan = 3,
    /// VXLAN or VXLAN-GPE (RFC 7348); the id is the VNI.
    Vxlan = 4,
    /// GENEVE (RFC 8926); the id is the VNI.
    Geneve = 5,
    /// GTP-U (3GPP TS 29.281); the id is the TEID.
    GtpU = 6,
    /// L2TP version 2 or 3 (RFC 2661, 3931); the id is tunnel id and session id.
    L2tp = 7,
    /// IPv4 in IPv4 (RFC 2003).
    IpIp = 8,
    /// IPv6 in IPv4 (RFC 4213).
    SixInFour = 9,
    /// IPv4 in IPv6 (RFC 2473).
    FourInSix = 10,
    /// IPv6 in IPv6 (RFC 2473).
    SixInSix = 11,
    /// Teredo (RFC 4380).
    Teredo = 12,
    /// CAPWAP data (RFC 5415).
    Capwap = 13,
    /// MPLS in UDP or IP (RFC 7510, 4023).
    Mpls = 14,
}

impl TunnelKind {
    /// Name as records print it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gre => "gre",
            Self::Pptp => "pptp",
            Self::Erspan => "erspan",
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::GtpU => "gtpu",
            Self::L2tp => "l2tp",
            Self::IpIp => "ipip",
            Self::SixInFour => "6in4",
            Self::FourInSix => "4in6",
            Self::SixInSix => "6in6",
            Self::Teredo => "teredo",
            Self::Capwap => "capwap",
            Self::Mpls => "mpls",
        }
    }
}

/// The tunnel around the innermost packet (the last one opened, where several are nested).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// What it is.
    pub kind: TunnelKind,
    /// How many tunnels were opened.
    pub depth: u8,
    /// Its id, 0 where the kind has none.
    pub id: u32,
    /// Offset in the frame of the IP header that carries it (in the frame of the fragment, for a tunnel that
    /// [`Headers::parse_ip`] was called in).
    pub outer_ip_offset: u32,
}

/// A fragment of an IP packet (RFC 791, 3.2; RFC 8200, 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Identification.
    pub id: u32,
    /// Offset of this fragment's data in the packet's, bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
    /// Where the fragment's data starts in the frame.
    pub data_offset: u32,
    /// Bytes of the fragment's data that were captured.
    pub data_len: u32,
}

/// The control bits of a TCP header (RFC 9293, 3.1), in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// FIN.
    pub const FIN: Self = Self(0x01);
    /// SYN.
    pub const SYN: Self = Self(0x02);
    /// RST.
    pub const RST: Self = Self(0x04);
    /// PSH.
    pub const PSH: Self = Self(0x08);
    /// ACK.
    pub const ACK: Self = Self(0x10);
    /// URG.
    pub const URG: Self = Self(0x20);
    /// ECE (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// CWR (RFC 3168).
    pub const CWR: Self = Self(0x80);

    /// Whether every bit of `other` is set.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    #[must_use]
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What later steps need of a TCP header (RFC 9293, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFields {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Window as sent, not scaled.
    pub window: u16,
    /// Control bits.
    pub flags: TcpFlags,
}

/// Type and code of an ICMP or ICMPv6 message (RFC 792, RFC 4443).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpFields {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
}

/// Where everything is in one frame, and the key of its flow. Offsets count bytes from the start of the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Identity of the flow; ports are 0 in a fragment, the first one too.
    pub key: FlowKey,
    /// The side of the key that sent this packet.
    pub sender: Side,
    /// IP protocol of the innermost packet, after extension headers; 0 for a frame without IP.
    pub protocol: u8,
    /// EtherType of what the innermost link header carries, 0 where there is none (raw IP). LLC without SNAP has its
    /// DSAP here, SNAP its protocol number; behind MPLS and PPP it is that of the IP version.
    pub ethertype: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Layers met.
    pub layers: LayerSet,
    /// VLAN ids of the frame, outermost first, 0 where there is none.
    pub vlans: [u16; MAX_VLANS],
    /// Start of the innermost IP header (of what follows the link header, for a frame without IP).
    pub network_offset: u32,
    /// Start of the innermost transport header.
    pub transport_offset: u32,
    /// Start of the payload of the innermost transport protocol: behind the first 8 bytes of ICMP and ICMPv6, at the
    /// transport header of a protocol that is not read (GRE, ESP, IGMP…).
    pub payload_offset: u32,
    /// Captured bytes of that payload; padding of the link layer is not part of it.
    pub payload_len: u32,
    /// Bytes of that payload on the wire: more than `payload_len` in a capture cut by its snap length.
    pub payload_wire_len: u32,
    /// TCP fields; zero for other protocols.
    pub tcp: TcpFields,
    /// ICMP or ICMPv6 fields; zero for other protocols.
    pub icmp: IcmpFields,
    /// Set where the innermost packet is a fragment; then `payload_len` is 0 and defragmentation is the caller's.
    pub fragment: Option<Fragment>,
    /// The tunnel around it.
    pub tunnel: Tunnel,
}

impl Headers {
    /// Reads one frame of `wire_len` bytes on the wire, of which `bytes` were captured.
    ///
    /// A tunnel is opened only where what it carries can be read to its transport header; otherwise the packet
    /// belongs to the flow of the outer addresses.
    ///
    /// # Errors
    /// The reason why there is no flow to account this frame to; `self` is then as it was. A packet cut short by
    /// the capture's snap length is not an error as long as its ports are there ([`LayerSet::SNAPPED`]).
    #[inline]
    pub fn parse(
        &mut self,
        bytes: &[u8],
        wire_len: u32,
        link: LinkType,
        options: &ParseOptions,
    ) -> Result<(), Malformed> {
        if link == LinkType::Ethernet && parse::fast::ethernet(self, bytes, options) {
            return Ok(());
        }
        parse::frame(self, bytes, wire_len, link, options)
    }

    /// Reads a reassembled IP packet: the IP header of `outer`'s packet (with or without an IPv6 fragment header)
    /// and its whole payload. Offsets count from the start of `bytes`.
    ///
    /// `outer` is what [`Headers::parse`] said of a fragment: its VLANs, tunnel, EtherType and scope are kept. The
    /// length and fragment fields of the IP header are not looked at, so that the header of any fragment will do.
    ///
    /// # Errors
    /// As [`Headers::parse`].
    pub fn parse_ip(&mut self, bytes: &[u8], outer: &Self, options: &ParseOptions) -> Result<(), Malformed> {
        parse::reassembled(self, bytes, outer, options)
    }
}
