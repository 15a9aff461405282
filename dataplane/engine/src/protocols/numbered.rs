//! Protocols that an IP protocol number or an EtherType names by itself, and that have no parser.

use super::{Carrier, Exposure, Family, Opening, Protocol};

const fn named(
    name: &'static str,
    title: &'static str,
    carriers: &'static [Carrier],
    exposure: Exposure,
    source: &'static str,
) -> Protocol {
    Protocol {
        name,
        title,
        family: Family::Network,
        carriers,
        ports: &[],
        exposure,
        opening: Opening::any(0),
        probe: None,
        parser: None,
        events: &[],
        source,
    }
}

macro_rules! numbered {
    ($($static:ident = $name:literal, $title:literal, [$($carrier:expr),+], $exposure:ident, $source:literal;)*) => {
        $(static $static: Protocol =
            named($name, $title, &[$($carrier),+], Exposure::$exposure, $source);)*

        /// Every protocol known by its number alone.
        pub static NUMBERED: &[&Protocol] = &[$(&$static),*];
    };
}

numbered! {
    ICMP = "icmp", "ICMP", [Carrier::Ip(1)], Cleartext, "RFC 792";
    EGP = "egp", "EGP", [Carrier::Ip(8)], Cleartext, "RFC 904";
    DCCP = "dccp", "DCCP", [Carrier::Ip(33)], Unknown, "RFC 4340";
    RSVP = "rsvp", "RSVP", [Carrier::Ip(46)], Cleartext, "RFC 2205";
    GRE = "gre", "GRE", [Carrier::Ip(47)], Unknown, "RFC 2784";
    IPSEC = "ipsec", "IPsec ESP and AH", [Carrier::Ip(50), Carrier::Ip(51)], Encrypted, "RFC 4303, RFC 4302";
    ICMPV6 = "icmpv6", "ICMPv6", [Carrier::Ip(58)], Cleartext, "RFC 4443";
    IPCOMP = "ipcomp", "IP payload compression", [Carrier::Ip(108)], Cleartext, "RFC 3173";
    PGM = "pgm", "PGM", [Carrier::Ip(113)], Cleartext, "RFC 3208";
    ISIS = "isis", "IS-IS over IPv4", [Carrier::Ip(124)], Cleartext, "RFC 1195";
    SCTP = "sctp", "SCTP", [Carrier::Ip(132)], Unknown, "RFC 9260";

    ARP = "arp", "ARP", [Carrier::Ethernet(0x0806)], Cleartext, "RFC 826";
    RARP = "rarp", "RARP", [Carrier::Ethernet(0x8035)], Cleartext, "RFC 903";
    STP = "stp", "Spanning tree", [Carrier::Ethernet(0x4242)], Cleartext, "IEEE 802.1D";
    SLOW = "lacp", "LACP and slow protocols", [Carrier::Ethernet(0x8809)], Cleartext, "IEEE 802.3 annex 57A";
    EAPOL = "eapol", "EAP over LAN", [Carrier::Ethernet(0x888e)], Negotiated, "IEEE 802.1X";
    MACSEC = "macsec", "MACsec", [Carrier::Ethernet(0x88e5)], Encrypted, "IEEE 802.1AE";
    PPPOE_DISCOVERY = "pppoe", "PPPoE discovery", [Carrier::Ethernet(0x8863)], Cleartext, "RFC 2516";
    PTP_LAYER_2 = "ptp", "PTP over Ethernet", [Carrier::Ethernet(0x88f7)], Cleartext, "IEEE 1588 annex E";
    POWERLINK = "powerlink", "Ethernet POWERLINK", [Carrier::Ethernet(0x88ab)], Cleartext, "EPSG DS 301";
    SERCOS = "sercos", "SERCOS III", [Carrier::Ethernet(0x88cd)], Cleartext, "IEC 61158-6-19";
    HOMEPLUG = "homeplug", "HomePlug AV", [Carrier::Ethernet(0x88e1)], Cleartext, "IEEE 1901";
    FCOE = "fcoe", "Fibre Channel over Ethernet", [Carrier::Ethernet(0x8906)], Cleartext, "T11 FC-BB-5";
    ROCE = "roce", "RoCE v1", [Carrier::Ethernet(0x8915)], Cleartext, "InfiniBand annex A16";
    AOE = "aoe", "ATA over Ethernet", [Carrier::Ethernet(0x88a2)], Cleartext, "AoEr11";
    WOL = "wol", "Wake-on-LAN", [Carrier::Ethernet(0x0842)], Cleartext, "AMD: Magic Packet";
    IPX = "ipx", "IPX", [Carrier::Ethernet(0x8137)], Cleartext, "Novell: IPX";
    APPLETALK = "appletalk", "AppleTalk", [Carrier::Ethernet(0x809b), Carrier::Ethernet(0x80f3)], Cleartext, "Apple: Inside AppleTalk";
}
