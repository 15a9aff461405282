//! Names of numbers as EVE prints them in `proto`.

use std::borrow::Cow;

use engine::record::FlowIdentity;
use wire::{KeyKind, Side};

/// What EVE prints in `proto` of a flow, or `proto` would be for one.
#[must_use]
pub fn transport(flow: &FlowIdentity) -> Cow<'static, str> {
    if flow.key.kind() == KeyKind::Ethernet {
        let number = flow.key.port(Side::Lower);
        return ether_type(number).map_or_else(|| format!("0x{number:04x}").into(), Cow::Borrowed);
    }
    let number = flow.key.protocol();
    ip_protocol(number).map_or_else(|| number.to_string().into(), Cow::Borrowed)
}

/// The name of an IP protocol; none for those that are printed as their number.
pub(super) const fn ip_protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        33 => "DCCP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        89 => "OSPF",
        103 => "PIM",
        112 => "VRRP",
        113 => "PGM",
        132 => "SCTP",
        136 => "UDPLite",
        _ => return None,
    })
}

/// The name of an `EtherType` (IEEE registry); none for those that are printed as their number.
pub(super) const fn ether_type(number: u16) -> Option<&'static str> {
    Some(match number {
        0x0806 => "ARP",
        0x0842 => "WoL",
        0x2000 => "CDP",
        0x22f0 => "AVTP",
        0x22f3 => "TRILL",
        0x6003 => "DECnet",
        0x8035 => "RARP",
        0x809b => "AppleTalk",
        0x80f3 => "AARP",
        0x8137 => "IPX",
        0x8808 => "MAC-Control",
        0x8809 => "Slow-Protocols",
        0x8847 | 0x8848 => "MPLS",
        0x8863 => "PPPoE-Discovery",
        0x8864 => "PPPoE-Session",
        0x887b => "HomePlug",
        0x888e => "EAPOL",
        0x8892 => "PROFINET",
        0x88a2 => "AoE",
        0x88a4 => "EtherCAT",
        0x88ab => "POWERLINK",
        0x88b8 => "GOOSE",
        0x88b9 => "GSE",
        0x88ba => "SV",
        0x88cc => "LLDP",
        0x88cd => "SERCOS-III",
        0x88e1 => "HomePlug-AV",
        0x88e3 => "MRP",
        0x88e5 => "MACsec",
        0x88f7 => "PTP",
        0x88fb => "PRP",
        0x8902 => "CFM",
        0x8906 => "FCoE",
        0x8914 => "FIP",
        0x892f => "HSR",
        0x9000 => "Loopback",
        _ => return None,
    })
}
