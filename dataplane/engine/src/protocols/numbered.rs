//! Protocols that an IP protocol number or an EtherType names by itself, and that have no parser.

use wire::number::ethertype;

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
    ($($static:ident = $name:literal, $title:literal, [$($carrier:expr),*], $exposure:ident, $source:literal;)*) => {
        $(static $static: Protocol =
            named($name, $title, &[$($carrier),*], Exposure::$exposure, $source);)*

        /// Every protocol known by its number alone.
        pub static NUMBERED: &[&Protocol] = &[$(&$static),*];
    };
}

numbered! {
    ICMP = "icmp", "ICMP", [Carrier::Ip(1)], Cleartext, "RFC 792";
    EGP = "egp", "EGP", [Carrier::Ip(8)], Cleartext, "RFC 904";
    IGRP = "igrp", "IGRP", [Carrier::Ip(9)], Cleartext, "Cisco: An introduction to IGRP";
    DCCP = "dccp", "DCCP", [Carrier::Ip(33)], Unknown, "RFC 4340";
    RSVP = "rsvp", "RSVP", [Carrier::Ip(46)], Cleartext, "RFC 2205";
    GRE = "gre", "GRE", [Carrier::Ip(47)], Unknown, "RFC 2784";
    IPSEC = "ipsec", "IPsec ESP", [Carrier::Ip(50)], Encrypted, "RFC 4303";
    AH = "ah", "IPsec authentication header", [Carrier::Ip(51)], Cleartext, "RFC 4302";
    CARP = "carp", "CARP", [], Cleartext, "OpenBSD, carp(4)";
    NHRP = "nhrp", "Next hop resolution", [Carrier::Ip(54)], Cleartext, "RFC 2332";
    MINIMAL_ENCAPSULATION = "mobile", "Minimal encapsulation", [Carrier::Ip(55)], Unknown, "RFC 2004";
    ICMPV6 = "icmpv6", "ICMPv6", [Carrier::Ip(58)], Cleartext, "RFC 4443";
    IPCOMP = "ipcomp", "IP payload compression", [Carrier::Ip(108)], Cleartext, "RFC 3173";
    PGM = "pgm", "PGM", [Carrier::Ip(113)], Cleartext, "RFC 3208";
    ISIS = "isis", "IS-IS", [Carrier::Ip(124), Carrier::Ethernet(0xfe83), Carrier::Ethernet(0x22f4)], Cleartext, "RFC 1195; ISO/IEC 10589";
    ES_IS = "es_is", "ES-IS", [Carrier::Ethernet(0xfe82)], Cleartext, "ISO 9542";
    CLNP = "clnp", "CLNP", [Carrier::Ethernet(0xfe81)], Cleartext, "ISO/IEC 8473-1";
    HIP = "hip", "Host identity", [Carrier::Ip(139)], Negotiated, "RFC 7401";
    SHIM6 = "shim6", "Shim6", [Carrier::Ip(140)], Cleartext, "RFC 5533";
    MANET = "manet", "MANET", [Carrier::Ip(138)], Cleartext, "RFC 5498";
    WESP = "wesp", "Wrapped ESP", [Carrier::Ip(141)], Negotiated, "RFC 5840";
    CARP_PFSYNC = "pfsync", "pfsync", [Carrier::Ip(240)], Cleartext, "OpenBSD, pfsync(4)";
    IFCP = "fibre_channel", "Fibre Channel over IP number 133", [Carrier::Ip(133)], Cleartext, "RFC 6172";
    HMP = "hmp", "Host monitoring", [Carrier::Ip(20)], Cleartext, "RFC 869";
    IRTP = "irtp", "Internet reliable transaction", [Carrier::Ip(28)], Cleartext, "RFC 938";
    IL = "il", "IL (Plan 9)", [Carrier::Ip(40)], Cleartext, "Presotto and Winterbottom: The IL protocol";
    SCTP = "sctp", "SCTP", [Carrier::Ip(132)], Unknown, "RFC 9260";

    ARP = "arp", "ARP", [Carrier::Ethernet(0x0806)], Cleartext, "RFC 826";
    RARP = "rarp", "RARP", [Carrier::Ethernet(0x8035)], Cleartext, "RFC 903";
    // Behind SNAP headers of organisations that are not Cisco: `wire` tells their numbers apart.
    FDP = "fdp", "Foundry discovery", [Carrier::Ethernet(ethertype::FDP)], Cleartext, "Brocade: FDP, SNAP 00-e0-52 0x2000";
    EDP = "edp", "Extreme discovery", [Carrier::Ethernet(ethertype::EDP)], Cleartext, "Extreme Networks: EDP, SNAP 00-e0-2b 0x00bb";
    SONMP = "sonmp", "Nortel discovery", [Carrier::Ethernet(0x01a1), Carrier::Ethernet(0x01a2)], Cleartext, "Nortel: SONMP (NDP), SNAP 00-00-81";
    STP = "stp", "Spanning tree", [Carrier::Ethernet(0x42), Carrier::Ethernet(0x010b)], Cleartext, "IEEE 802.1D; Cisco: PVST+, SNAP 0x010b";
    NETBEUI = "netbeui", "NetBIOS frames", [Carrier::Ethernet(0xf0)], Cleartext, "IBM: LAN technical reference, IEEE 802.2 and NetBIOS";
    SNA = "sna", "SNA over LLC", [Carrier::Ethernet(0x04)], Unknown, "IBM: SNA formats; IEEE 802.2 SAP 0x04";
    PAGP = "pagp", "Port aggregation", [Carrier::Ethernet(0x0104)], Cleartext, "Cisco: PAgP, SNAP 0x0104";
    UDLD = "udld", "Unidirectional link detection", [Carrier::Ethernet(0x0111)], Cleartext, "RFC 5171";
    VTP = "vtp", "VLAN trunking", [Carrier::Ethernet(0x2003)], Cleartext, "Cisco: VTP, SNAP 0x2003";
    DTP = "dtp", "Dynamic trunking", [Carrier::Ethernet(0x2004)], Cleartext, "Cisco: DTP, SNAP 0x2004";
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
    IPX = "ipx", "IPX", [Carrier::Ethernet(0x8137), Carrier::Ethernet(0xe0), Carrier::Ethernet(0xff)], Cleartext, "Novell: IPX";
    LLTD = "lltd", "Link layer topology discovery", [Carrier::Ethernet(0x88d9)], Cleartext, "MS-LLTD";
    ECPRI = "ecpri", "eCPRI", [Carrier::Ethernet(0xaefe)], Cleartext, "eCPRI 2.0";
    AVTP = "avtp", "Audio and video transport", [Carrier::Ethernet(0x22f0)], Cleartext, "IEEE 1722";
    SRP = "srp", "Stream reservation", [Carrier::Ethernet(0x22ea)], Cleartext, "IEEE 802.1Q 35";
    TRILL = "trill", "TRILL", [Carrier::Ethernet(0x22f3)], Cleartext, "RFC 6325";
    CFM = "cfm", "Connectivity fault management", [Carrier::Ethernet(0x8902)], Cleartext, "IEEE 802.1Q 18; ITU-T Y.1731";
    OAM_LOOP = "loopback", "Configuration testing", [Carrier::Ethernet(0x9000)], Cleartext, "Ethernet 2.0, 8";
    CC_LINK_IE = "cc_link_ie", "CC-Link IE", [Carrier::Ethernet(0x890f)], Cleartext, "CLPA BAP-C2005";
    MRP = "mrp", "Media redundancy", [Carrier::Ethernet(0x88e3)], Cleartext, "IEC 62439-2";
    PRP = "prp", "Parallel and seamless redundancy", [Carrier::Ethernet(0x88fb), Carrier::Ethernet(0x892f)], Cleartext, "IEC 62439-3";
    TTE = "tte", "Time-triggered Ethernet control", [Carrier::Ethernet(0x891d)], Cleartext, "SAE AS6802";
    GEONETWORKING = "geonetworking", "GeoNetworking", [Carrier::Ethernet(0x8947)], Cleartext, "ETSI EN 302 636-4-1";
    WSMP = "wsmp", "WAVE short messages", [Carrier::Ethernet(0x88dc)], Cleartext, "IEEE 1609.3";
    BATMAN = "batman_adv", "B.A.T.M.A.N. advanced", [Carrier::Ethernet(0x4305)], Cleartext, "batman-adv, packet formats";
    DECNET = "decnet", "DECnet phase IV", [Carrier::Ethernet(0x6003)], Cleartext, "DECnet DIGITAL Network Architecture phase IV";
    MOP = "mop", "DECnet maintenance operation", [Carrier::Ethernet(0x6001), Carrier::Ethernet(0x6002)], Cleartext, "DECnet, Maintenance operations functional specification";
    LAT = "lat", "Local area transport", [Carrier::Ethernet(0x6004)], Cleartext, "Digital Equipment: LAT architecture";
    COBRANET = "cobranet", "CobraNet", [Carrier::Ethernet(0x8819)], Cleartext, "Cirrus Logic: CobraNet programmer's reference";
    IEEE_1905 = "ieee1905", "IEEE 1905.1, EasyMesh", [Carrier::Ethernet(0x893a)], Cleartext, "IEEE 1905.1";
    TIPC = "tipc", "TIPC", [Carrier::Ethernet(0x88ca)], Cleartext, "TIPC protocol specification";
    MS_NLB = "ms_nlb", "Network load balancing heartbeats", [Carrier::Ethernet(0x886f)], Cleartext, "Microsoft: Network Load Balancing";
    NSH = "nsh", "Network service header", [Carrier::Ethernet(0x894f)], Unknown, "RFC 8300";
    MVRP = "mvrp", "VLAN registration", [Carrier::Ethernet(0x88f5)], Cleartext, "IEEE 802.1Q 11.2";
    MMRP = "mmrp", "MAC registration", [Carrier::Ethernet(0x88f6)], Cleartext, "IEEE 802.1Q 10.9";
    FIP = "fip", "FCoE initialization", [Carrier::Ethernet(0x8914)], Cleartext, "T11 FC-BB-5 7.9";
    APPLETALK = "appletalk", "AppleTalk", [Carrier::Ethernet(0x809b), Carrier::Ethernet(0x80f3)], Cleartext, "Apple: Inside AppleTalk";
}
