//! Numbers assigned by IANA and IEEE that the parser reads.

/// EtherTypes (IEEE 802 Numbers, IANA) and the SNAP protocol numbers used beside them.
pub mod ethertype {
    /// Below this, the field is the length of an IEEE 802.3 frame (IEEE 802.3, 3.2.6).
    pub const FIRST: u16 = 0x0600;
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// What stands for a SNAP protocol number of an organisation that is not Cisco and has one of Cisco's: Foundry's
    /// discovery (00-e0-52 0x2000).
    pub const FDP: u16 = 0x0452;
    /// The same for Extreme's discovery (00-e0-2b 0x00bb), which an LLC address could have.
    pub const EDP: u16 = 0x042b;
    /// Cisco Discovery Protocol, a SNAP protocol number under Cisco's OUI.
    pub const CDP: u16 = 0x2000;
    /// ERSPAN type III, in GRE.
    pub const ERSPAN_III: u16 = 0x22eb;
    /// Transparent Ethernet bridging, in GRE and GENEVE (RFC 1701).
    pub const TRANSPARENT_ETHERNET: u16 = 0x6558;
    /// RARP.
    pub const RARP: u16 = 0x8035;
    /// IEEE 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// Slow protocols: LACP and its siblings (IEEE 802.3, annex 57A).
    pub const SLOW: u16 = 0x8809;
    /// PPP, in GRE (RFC 2637).
    pub const PPP: u16 = 0x880b;
    /// WCCP redirected packets, in GRE.
    pub const WCCP: u16 = 0x883e;
    /// MPLS, downstream-assigned label (RFC 5332).
    pub const MPLS: u16 = 0x8847;
    /// MPLS, upstream-assigned label (RFC 5332).
    pub const MPLS_UPSTREAM: u16 = 0x8848;
    /// PPPoE discovery (RFC 2516).
    pub const PPPOE_DISCOVERY: u16 = 0x8863;
    /// PPPoE session (RFC 2516).
    pub const PPPOE_SESSION: u16 = 0x8864;
    /// EAP over LAN (IEEE 802.1X).
    pub const EAPOL: u16 = 0x888e;
    /// PROFINET.
    pub const PROFINET: u16 = 0x8892;
    /// EtherCAT (IEC 61158-4-12).
    pub const ETHERCAT: u16 = 0x88a4;
    /// IEEE 802.1ad service tag.
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// GOOSE (IEC 61850-8-1).
    pub const GOOSE: u16 = 0x88b8;
    /// GSE management (IEC 61850-8-1).
    pub const GSE: u16 = 0x88b9;
    /// Sampled values (IEC 61850-9-2).
    pub const SAMPLED_VALUES: u16 = 0x88ba;
    /// ERSPAN type I and II, in GRE.
    pub const ERSPAN: u16 = 0x88be;
    /// LLDP (IEEE 802.1AB).
    pub const LLDP: u16 = 0x88cc;
    /// MACsec (IEEE 802.1AE).
    pub const MACSEC: u16 = 0x88e5;
    /// PTP (IEEE 1588).
    pub const PTP: u16 = 0x88f7;
    /// Connectivity fault management (IEEE 802.1ag).
    pub const CFM: u16 = 0x8902;
    /// Cisco FabricPath.
    pub const FABRIC_PATH: u16 = 0x8903;
    /// FCoE initialisation (T11 FC-BB-5).
    pub const FIP: u16 = 0x8914;
    /// FCoE (T11 FC-BB-5).
    pub const FCOE: u16 = 0x8906;
    /// Configuration test protocol (loopback).
    pub const LOOPBACK: u16 = 0x9000;
    /// Stacked tag before IEEE 802.1ad.
    pub const OLD_SERVICE_VLAN: u16 = 0x9100;
    /// Stacked tag before IEEE 802.1ad, another vendor's.
    pub const OTHER_SERVICE_VLAN: u16 = 0x9200;
}

/// IP protocol numbers (IANA), IPv6 extension headers included.
pub mod protocol {
    /// IPv6 hop-by-hop options (RFC 8200, 4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// IGMP (RFC 9776).
    pub const IGMP: u8 = 2;
    /// IPv4 in IP (RFC 2003, 2473).
    pub const IPV4: u8 = 4;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 4213, 2473).
    pub const IPV6: u8 = 41;
    /// IPv6 routing header (RFC 8200, 4.4).
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header (RFC 8200, 4.5).
    pub const FRAGMENT: u8 = 44;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// ESP (RFC 4303).
    pub const ESP: u8 = 50;
    /// AH (RFC 4302).
    pub const AH: u8 = 51;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// No next header (RFC 8200, 4.7).
    pub const NO_NEXT_HEADER: u8 = 59;
    /// IPv6 destination options (RFC 8200, 4.6).
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// L2TP version 3 (RFC 3931, 4.1.1).
    pub const L2TP: u8 = 115;
    /// SCTP (RFC 9260).
    pub const SCTP: u8 = 132;
    /// Mobility header (RFC 6275, 6.1).
    pub const MOBILITY: u8 = 135;
    /// UDP-Lite (RFC 3828).
    pub const UDP_LITE: u8 = 136;
    /// MPLS in IP (RFC 4023).
    pub const MPLS: u8 = 137;
    /// HIP (RFC 7401).
    pub const HIP: u8 = 139;
    /// Shim6 (RFC 5533).
    pub const SHIM6: u8 = 140;
}

/// UDP ports behind which a tunnel is looked for (Service Name and Port Number Registry, IANA).
pub mod tunnel_port {
    /// L2TP (RFC 2661).
    pub const L2TP: u16 = 1701;
    /// GTP-U (3GPP TS 29.281, 4.4.2).
    pub const GTP_U: u16 = 2152;
    /// Teredo (RFC 4380).
    pub const TEREDO: u16 = 3544;
    /// VXLAN (RFC 7348).
    pub const VXLAN: u16 = 4789;
    /// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
    pub const VXLAN_GPE: u16 = 4790;
    /// CAPWAP data (RFC 5415).
    pub const CAPWAP: u16 = 5247;
    /// GENEVE (RFC 8926).
    pub const GENEVE: u16 = 6081;
    /// MPLS in UDP (RFC 7510).
    pub const MPLS: u16 = 6635;
    /// VXLAN as Linux sent it before it had a port of its own.
    pub const VXLAN_LINUX: u16 = 8472;

    /// All of them.
    pub const ALL: [u16; 9] = [L2TP, GTP_U, TEREDO, VXLAN, VXLAN_GPE, CAPWAP, GENEVE, MPLS, VXLAN_LINUX];
}
