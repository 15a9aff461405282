use core::fmt;

macro_rules! malformed {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a frame could not be read; each is a drop reason with a counter of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Malformed { $($(#[$doc])* $name,)* }

        impl Malformed {
            /// Every reason, in counter order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Name of the reason as metrics and records print it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

malformed! {
    /// The frame ends inside its link-layer header, tags included.
    LinkTruncated = "link_truncated",
    /// A VLAN, MPLS or PPPoE header ends with the frame.
    TagTruncated = "tag_truncated",
    /// More stacked tags or labels than the parser follows.
    TooManyTags = "too_many_tags",
    /// The frame ends inside the IPv4 header.
    Ipv4Truncated = "ipv4_truncated",
    /// IHL below 5, or version not 4 (RFC 791, 3.1).
    Ipv4BadHeader = "ipv4_bad_header",
    /// Total length below the header's or past the end of the frame (RFC 791, 3.1).
    Ipv4BadLength = "ipv4_bad_length",
    /// Header checksum wrong, and checksums are enforced.
    Ipv4BadChecksum = "ipv4_bad_checksum",
    /// The frame ends inside the IPv6 header.
    Ipv6Truncated = "ipv6_truncated",
    /// Version not 6 (RFC 8200, 3).
    Ipv6BadHeader = "ipv6_bad_header",
    /// Payload length past the end of the frame (RFC 8200, 3).
    Ipv6BadLength = "ipv6_bad_length",
    /// An extension header ends with the packet or is longer than it (RFC 8200, 4).
    Ipv6BadExtension = "ipv6_bad_extension",
    /// More extension headers than the parser follows.
    Ipv6TooManyExtensions = "ipv6_too_many_extensions",
    /// A fragment that reaches past 65,535 bytes (RFC 791, 3.2).
    FragmentTooLong = "fragment_too_long",
    /// The packet ends inside the TCP header.
    TcpTruncated = "tcp_truncated",
    /// Data offset below 5 or past the packet (RFC 9293, 3.1).
    TcpBadOffset = "tcp_bad_offset",
    /// Checksum wrong, and checksums are enforced.
    TcpBadChecksum = "tcp_bad_checksum",
    /// The packet ends inside the UDP header.
    UdpTruncated = "udp_truncated",
    /// Length below 8 or past the packet (RFC 768).
    UdpBadLength = "udp_bad_length",
    /// Checksum wrong, and checksums are enforced.
    UdpBadChecksum = "udp_bad_checksum",
    /// The packet ends inside the SCTP common header.
    SctpTruncated = "sctp_truncated",
    /// CRC32c wrong (RFC 9260, 6.8), and checksums are enforced.
    SctpBadChecksum = "sctp_bad_checksum",
    /// The packet ends inside the ICMP or ICMPv6 header.
    IcmpTruncated = "icmp_truncated",
    /// Checksum wrong, and checksums are enforced.
    IcmpBadChecksum = "icmp_bad_checksum",
    /// The frame ends inside an ARP packet.
    ArpTruncated = "arp_truncated",
    /// A tunnel header ends with the packet or contradicts itself. [`crate::Headers::parse`] does not give it: it
    /// leaves such a packet to the outer flow.
    TunnelTruncated = "tunnel_truncated",
    /// No EtherType, protocol number or link type this parser reads: counted, and no flow.
    Unsupported = "unsupported",
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Malformed {}
