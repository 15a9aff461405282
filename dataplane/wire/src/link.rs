/// Link layer of a captured frame, by the LINKTYPE registry of tcpdump.org.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// BSD loopback: address family in host byte order, either order accepted (LINKTYPE_NULL, 0).
    Null,
    /// IEEE 802.3 Ethernet (1).
    Ethernet,
    /// PPP, RFC 1661, with or without the HDLC-like framing bytes of RFC 1662, or Cisco HDLC (9).
    Ppp,
    /// PPP in HDLC-like framing or Cisco HDLC (50, 104).
    PppHdlc,
    /// Raw IPv4 or IPv6, told apart by the version nibble (101, 228, 229, and the DLT numbers 12 and 14).
    RawIp,
    /// IEEE 802.11 (105).
    Ieee80211,
    /// OpenBSD loopback: address family in network byte order (108).
    Loop,
    /// Linux cooked capture v1 (113).
    LinuxSll,
    /// IEEE 802.11 behind a radiotap header (127).
    Ieee80211Radiotap,
    /// Linux cooked capture v2 (276).
    LinuxSll2,
}

impl LinkType {
    /// The link type of a LINKTYPE number, none where this crate does not read it.
    #[must_use]
    pub const fn from_linktype(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            50 | 104 => Self::PppHdlc,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            105 => Self::Ieee80211,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            127 => Self::Ieee80211Radiotap,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }
}
