//! One frame of each kind, each around the same UDP packet from port 1111 to 2222.

use crate::builder::*;
use wire::{LinkType, TunnelKind};

/// A frame in which the packet is behind link headers only.
pub(crate) struct Linked {
    pub(crate) name: &'static str,
    pub(crate) link: LinkType,
    pub(crate) ends: Ends,
    pub(crate) frame: Vec<u8>,
}

/// A frame in which the packet is in a tunnel, or several.
pub(crate) struct Tunneled {
    pub(crate) name: &'static str,
    pub(crate) kind: TunnelKind,
    pub(crate) id: u32,
    pub(crate) depth: u8,
    pub(crate) ends: Ends,
    pub(crate) frame: Vec<u8>,
}

pub(crate) fn linked() -> Vec<Linked> {
    let v4 = inner_udp(INNER);
    let v6 = inner_udp(INNER6);
    let ethernet_sample = |name, frame| Linked { name, link: LinkType::Ethernet, ends: INNER, frame };
    let mut samples = vec![
        ethernet_sample("Ethernet II", ethernet(0x0800, &v4)),
        ethernet_sample("SNAP", ethernet_llc(&snap([0; 3], 0x0800, &v4))),
        ethernet_sample("SNAP of IEEE 802.1H", ethernet_llc(&snap([0, 0, 0xf8], 0x0800, &v4))),
        ethernet_sample("LLC with the IP SAP", ethernet_llc(&join(&[&[6, 6, 3], &v4]))),
        ethernet_sample("802.1Q", ethernet(0x8100, &tag(5, 0x0800, &v4))),
        ethernet_sample("802.1ad", ethernet(0x88a8, &tag(7, 0x8100, &tag(5, 0x0800, &v4)))),
        ethernet_sample("0x9100 and 0x9200", ethernet(0x9100, &tag(7, 0x9200, &tag(5, 0x0800, &v4)))),
        ethernet_sample(
            "three tags",
            ethernet(0x8100, &tag(1, 0x8100, &tag(2, 0x8100, &tag(3, 0x0800, &v4)))),
        ),
        ethernet_sample("tag and SNAP", {
            let llc = snap([0; 3], 0x0800, &v4);
            ethernet(0x8100, &tag(5, u16::try_from(llc.len()).unwrap(), &llc))
        }),
        ethernet_sample("MPLS", ethernet(0x8847, &mpls(&[100, 200], &v4))),
        ethernet_sample("MPLS multicast", ethernet(0x8848, &mpls(&[100], &v4))),
        ethernet_sample(
            "MPLS pseudowire with control word",
            ethernet(0x8847, &mpls(&[16], &join(&[&[0; 4], &frame(INNER, &v4)]))),
        ),
        ethernet_sample("MPLS pseudowire", ethernet(0x8847, &mpls(&[16], &frame(INNER, &v4)))),
        ethernet_sample("PPPoE", ethernet(0x8864, &pppoe(9, &ppp(0x21, &v4)))),
        ethernet_sample("PPPoE, short protocol field", ethernet(0x8864, &pppoe(9, &join(&[&[0x21], &v4])))),
        ethernet_sample("PPPoE, MPLS", ethernet(0x8864, &pppoe(9, &ppp(0x0281, &mpls(&[3], &v4))))),
        ethernet_sample("FabricPath", ethernet(0x8903, &join(&[&[0, 0x40], &frame(INNER, &v4)]))),
        Linked { name: "IPv6", link: LinkType::Ethernet, ends: INNER6, frame: frame(INNER6, &v6) },
        Linked {
            name: "MPLS with IPv6",
            link: LinkType::Ethernet,
            ends: INNER6,
            frame: ethernet(0x8847, &mpls(&[2], &v6)),
        },
        Linked {
            name: "PPPoE with IPv6",
            link: LinkType::Ethernet,
            ends: INNER6,
            frame: ethernet(0x8864, &pppoe(9, &ppp(0x57, &v6))),
        },
    ];
    samples.extend(other_links());
    samples.extend(wireless());
    samples
}

fn other_links() -> Vec<Linked> {
    let v4 = inner_udp(INNER);
    let v6 = inner_udp(INNER6);
    let sample = |name, link, frame| Linked { name, link, ends: INNER, frame };
    let sample6 = |name, link, frame| Linked { name, link, ends: INNER6, frame };
    let cooked = |protocol: u16| {
        let head = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0x0c, 0, 0];
        join(&[&head, &protocol.to_be_bytes()])
    };
    let cooked2 = |protocol: u16| {
        join(&[&protocol.to_be_bytes(), &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 0x0c, 0, 0]])
    };
    vec![
        sample("loopback, little-endian", LinkType::Null, join(&[&[2, 0, 0, 0], &v4])),
        sample("loopback, big-endian", LinkType::Null, join(&[&[0, 0, 0, 2], &v4])),
        sample6("loopback of FreeBSD", LinkType::Null, join(&[&[28, 0, 0, 0], &v6])),
        sample6("loopback of Darwin", LinkType::Null, join(&[&[0, 0, 0, 30], &v6])),
        sample("OpenBSD loopback", LinkType::Loop, join(&[&[0, 0, 0, 2], &v4])),
        sample6("OpenBSD loopback with IPv6", LinkType::Loop, join(&[&[0, 0, 0, 24], &v6])),
        sample("raw IPv4", LinkType::RawIp, v4.clone()),
        sample6("raw IPv6", LinkType::RawIp, v6.clone()),
        sample("PPP", LinkType::Ppp, ppp(0x21, &v4)),
        sample("PPP, short protocol field", LinkType::Ppp, join(&[&[0x21], &v4])),
        sample("PPP in HDLC", LinkType::PppHdlc, join(&[&[0xff, 3], &ppp(0x21, &v4)])),
        sample6("PPP with IPv6", LinkType::PppHdlc, join(&[&[0xff, 3], &ppp(0x57, &v6)])),
        sample("Cisco HDLC", LinkType::PppHdlc, join(&[&[0x0f, 0, 8, 0], &v4])),
        sample("Cisco HDLC, broadcast", LinkType::Ppp, join(&[&[0x8f, 0, 8, 0], &v4])),
        sample("cooked", LinkType::LinuxSll, join(&[&cooked(0x0800), &v4])),
        sample6("cooked with IPv6", LinkType::LinuxSll, join(&[&cooked(0x86dd), &v6])),
        sample("cooked with a tag", LinkType::LinuxSll, join(&[&cooked(0x8100), &tag(5, 0x0800, &v4)])),
        sample("cooked with LLC", LinkType::LinuxSll, join(&[&cooked(4), &snap([0; 3], 0x0800, &v4)])),
        sample("cooked v2", LinkType::LinuxSll2, join(&[&cooked2(0x0800), &v4])),
        sample6("cooked v2 with IPv6", LinkType::LinuxSll2, join(&[&cooked2(0x86dd), &v6])),
    ]
}

/// An 802.11 header of a data frame: flags, quality of service, and what follows it.
pub(crate) fn dot11(subtype: u8, flags: u8, quality: &[u8], body: &[u8]) -> Vec<u8> {
    let fourth: &[u8] = if flags & 3 == 3 { &CLIENT_MAC } else { &[] };
    let head = [subtype, flags, 0, 0];
    join(&[&head, &SERVER_MAC, &CLIENT_MAC, &SERVER_MAC, &[0, 0], fourth, quality, body])
}

fn wireless() -> Vec<Linked> {
    let llc = snap([0; 3], 0x0800, &inner_udp(INNER));
    let sample = |name, link, frame| Linked { name, link, ends: INNER, frame };
    let plain = |name, frame| sample(name, LinkType::Ieee80211, frame);
    let length = u16::try_from(llc.len()).unwrap().to_be_bytes();
    vec![
        plain("802.11 to an access point", dot11(0x08, 1, &[], &llc)),
        plain("802.11 from an access point", dot11(0x08, 2, &[], &llc)),
        plain("802.11 between stations", dot11(0x08, 0, &[], &llc)),
        plain("802.11 with four addresses", dot11(0x08, 3, &[], &llc)),
        plain("802.11 with quality of service", dot11(0x88, 1, &[0, 0], &llc)),
        plain("802.11 with HT control", dot11(0x88, 0x81, &[0, 0, 1, 2, 3, 4], &llc)),
        plain(
            "802.11 aggregate",
            dot11(0x88, 1, &[0x80, 0], &join(&[&SERVER_MAC, &CLIENT_MAC, &length, &llc, &[0xee; 30]])),
        ),
        sample(
            "radiotap without fields",
            LinkType::Ieee80211Radiotap,
            join(&[&[0, 0, 8, 0, 0, 0, 0, 0], &dot11(0x08, 1, &[], &llc)]),
        ),
        sample(
            "radiotap with timestamp, padding and check sequence",
            LinkType::Ieee80211Radiotap,
            join(&[
                &[0, 0, 25, 0, 3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x30, 0, 0, 0, 0, 0, 0, 0, 0],
                &dot11(0x88, 1, &[0, 0, 0, 0], &llc),
                &[0xfc; 4],
            ]),
        ),
        sample(
            "radiotap with two presence words",
            LinkType::Ieee80211Radiotap,
            join(&[&[0, 0, 13, 0, 2, 0, 0, 0x80, 0, 0, 0, 0, 0x10], &dot11(0x08, 1, &[], &llc), &[0xfc; 4]]),
        ),
    ]
}

pub(crate) fn tunneled() -> Vec<Tunneled> {
    let mut samples = in_ip();
    samples.extend(in_gre());
    samples.extend(in_udp());
    samples.extend(nested());
    samples
}

fn sample(name: &'static str, kind: TunnelKind, id: u32, frame: Vec<u8>) -> Tunneled {
    Tunneled { name, kind, id, depth: 1, ends: INNER, frame }
}

fn in_ip() -> Vec<Tunneled> {
    let v4 = inner_udp(INNER);
    let v6 = inner_udp(INNER6);
    let inner_frame = frame(INNER, &v4);
    let by_ip6 = |protocol, payload: &[u8]| frame(OUTER6, &ip(OUTER6, protocol, payload));
    vec![
        sample("IPv4 in IPv4", TunnelKind::IpIp, 0, carried_by_ip(4, &v4)),
        Tunneled { ends: INNER6, ..sample("IPv6 in IPv4", TunnelKind::SixInFour, 0, carried_by_ip(41, &v6)) },
        sample("IPv4 in IPv6", TunnelKind::FourInSix, 0, by_ip6(4, &v4)),
        Tunneled { ends: INNER6, ..sample("IPv6 in IPv6", TunnelKind::SixInSix, 0, by_ip6(41, &v6)) },
        sample(
            "IPv4 in IPv6 behind destination options",
            TunnelKind::FourInSix,
            0,
            by_ip6(60, &extension(4, 8, &v4)),
        ),
        sample("MPLS in IP", TunnelKind::Mpls, 0, carried_by_ip(137, &mpls(&[77], &v4))),
        sample(
            "L2TPv3 with Ethernet",
            TunnelKind::L2tp,
            0x0102,
            carried_by_ip(115, &join(&[&[0, 0, 1, 2], &inner_frame])),
        ),
        sample(
            "L2TPv3 with a cookie of 4",
            TunnelKind::L2tp,
            7,
            carried_by_ip(115, &join(&[&[0, 0, 0, 7, 0xff, 0xfe, 0xfd, 0xfc], &inner_frame])),
        ),
        sample(
            "L2TPv3 with a cookie of 8 and a sublayer",
            TunnelKind::L2tp,
            7,
            carried_by_ip(115, &join(&[&[0, 0, 0, 7], &[0xab; 8], &[0x40, 0, 0, 1], &inner_frame])),
        ),
        sample(
            "L2TPv3 with PPP",
            TunnelKind::L2tp,
            7,
            carried_by_ip(115, &join(&[&[0, 0, 0, 7, 0xff, 3], &ppp(0x21, &v4)])),
        ),
    ]
}

fn in_gre() -> Vec<Tunneled> {
    let v4 = inner_udp(INNER);
    let inner_frame = frame(INNER, &v4);
    let gre = |header: &[u8], payload: &[u8]| carried_by_ip(47, &join(&[header, payload]));
    let ppp = ppp(0x21, &v4);
    let length = u16::try_from(ppp.len()).unwrap().to_be_bytes();
    let pptp = |flags: u8, fields: &[u8]| {
        gre(&join(&[&[0x30, flags, 0x88, 0x0b], &length, &[0x12, 0x34], fields]), &ppp)
    };
    let third = [0x20, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        sample("GRE", TunnelKind::Gre, 0, gre(&[0, 0, 8, 0], &v4)),
        sample("GRE with a key", TunnelKind::Gre, 0xa0b0, gre(&[0x20, 0, 8, 0, 0, 0, 0xa0, 0xb0], &v4)),
        sample(
            "GRE with checksum, key and sequence number",
            TunnelKind::Gre,
            3,
            gre(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9], &v4),
        ),
        sample("GRE with Ethernet", TunnelKind::Gre, 0, gre(&[0, 0, 0x65, 0x58], &inner_frame)),
        sample("GRE with MPLS", TunnelKind::Gre, 0, gre(&[0, 0, 0x88, 0x47], &mpls(&[5], &v4))),
        sample("GRE with PPP", TunnelKind::Gre, 0, gre(&[0, 0, 0x88, 0x0b], &ppp)),
        sample("WCCP version 1", TunnelKind::Gre, 0, gre(&[0, 0, 0x88, 0x3e], &v4)),
        sample("WCCP version 2", TunnelKind::Gre, 0, gre(&[0, 0, 0x88, 0x3e, 0, 0, 0, 0], &v4)),
        sample("PPTP", TunnelKind::Pptp, 0x1234, pptp(1, &[0, 0, 0, 1])),
        sample("PPTP with acknowledgment", TunnelKind::Pptp, 0x1234, pptp(0x81, &[0, 0, 0, 1, 0, 0, 0, 1])),
        sample("ERSPAN I", TunnelKind::Erspan, 0, gre(&[0, 0, 0x88, 0xbe], &inner_frame)),
        sample(
            "ERSPAN II",
            TunnelKind::Erspan,
            0x123,
            gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 1, 0x23, 0, 0, 0, 0], &inner_frame),
        ),
        sample(
            "ERSPAN III",
            TunnelKind::Erspan,
            5,
            gre(&join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &third]), &inner_frame),
        ),
        sample(
            "ERSPAN III with a platform subheader",
            TunnelKind::Erspan,
            5,
            gre(&join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &third[..11], &[1], &[0; 8]]), &inner_frame),
        ),
        sample(
            "ERSPAN III with IP",
            TunnelKind::Erspan,
            5,
            gre(&join(&[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &third[..10], &[2 << 2, 0]]), &v4),
        ),
    ]
}

fn by_udp(port: u16, header: &[u8], payload: &[u8]) -> Vec<u8> {
    carried_by_udp(port, &join(&[header, payload]))
}

fn in_udp() -> Vec<Tunneled> {
    let v4 = inner_udp(INNER);
    let inner_frame = frame(INNER, &v4);
    let vxlan = [8, 0, 0, 0, 0, 1, 2, 0];
    let mut samples = vec![
        sample("VXLAN", TunnelKind::Vxlan, 0x102, by_udp(4789, &vxlan, &inner_frame)),
        sample("VXLAN at Linux's port", TunnelKind::Vxlan, 0x102, by_udp(8472, &vxlan, &inner_frame)),
        sample(
            "VXLAN with a group policy",
            TunnelKind::Vxlan,
            0x102,
            by_udp(4789, &[0x88, 0, 0, 9, 0, 1, 2, 0], &inner_frame),
        ),
        sample(
            "VXLAN with an inner tag",
            TunnelKind::Vxlan,
            0x102,
            by_udp(4789, &vxlan, &ethernet(0x8100, &tag(99, 0x0800, &v4))),
        ),
        sample("VXLAN-GPE", TunnelKind::Vxlan, 9, by_udp(4790, &[0x0c, 0, 0, 1, 0, 0, 9, 0], &v4)),
        sample(
            "VXLAN-GPE with Ethernet",
            TunnelKind::Vxlan,
            9,
            by_udp(4790, &[0x0c, 0, 0, 3, 0, 0, 9, 0], &inner_frame),
        ),
        sample(
            "GENEVE",
            TunnelKind::Geneve,
            0x0a_0b0c,
            by_udp(6081, &[0, 0, 0x65, 0x58, 10, 11, 12, 0], &inner_frame),
        ),
        sample(
            "GENEVE with options and IPv4",
            TunnelKind::Geneve,
            5,
            by_udp(6081, &[3, 0x40, 8, 0, 0, 0, 5, 0, 1, 2, 3, 1, 9, 9, 9, 9, 1, 2, 3, 0], &v4),
        ),
        sample("MPLS in UDP", TunnelKind::Mpls, 0, by_udp(6635, &[], &mpls(&[1000], &v4))),
    ];
    samples.extend(in_gtp_and_l2tp());
    samples.extend(in_teredo_and_capwap());
    samples
}

fn in_gtp_and_l2tp() -> Vec<Tunneled> {
    let v4 = inner_udp(INNER);
    let ppp = ppp(0x21, &v4);
    let be = |len: usize| u16::try_from(len).unwrap().to_be_bytes();
    let (len, long) = (be(v4.len()), be(v4.len() + 8));
    let all_fields =
        join(&[&[0x4a, 2], &be(v4.len() + 20), &[0, 1, 0, 2, 0, 0, 0, 0, 0, 2, 0xaa, 0xaa, 0xff, 3]]);
    vec![
        sample(
            "GTP-U",
            TunnelKind::GtpU,
            0x1000,
            by_udp(2152, &[0x30, 0xff, len[0], len[1], 0, 0, 0x10, 0], &v4),
        ),
        sample(
            "GTP-U with an extension header",
            TunnelKind::GtpU,
            1,
            by_udp(2152, &[0x34, 0xff, long[0], long[1], 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0x10, 9, 0], &v4),
        ),
        sample("L2TP", TunnelKind::L2tp, 0x0001_0002, by_udp(1701, &[0, 2, 0, 1, 0, 2, 0xff, 3], &ppp)),
        sample("L2TP with all fields", TunnelKind::L2tp, 0x0001_0002, by_udp(1701, &all_fields, &ppp)),
        sample(
            "L2TPv3 over UDP",
            TunnelKind::L2tp,
            6,
            by_udp(1701, &[0, 3, 0, 0, 0, 0, 0, 6], &frame(INNER, &v4)),
        ),
    ]
}

fn in_teredo_and_capwap() -> Vec<Tunneled> {
    let llc = snap([0; 3], 0x0800, &inner_udp(INNER));
    let v6 = inner_udp(INNER6);
    let indications = join(&[&[0, 1, 2, 3, 7, 7, 8, 8, 8], &[0; 9], &[0, 0, 1, 2, 3, 4, 5, 6]]);
    let radio = [0, 0x20, 0x43, 0x10, 0, 0, 0, 0, 6, 2, 0, 0, 0, 0, 0x0c, 0];
    let teredo = |name, frame| Tunneled { ends: INNER6, ..sample(name, TunnelKind::Teredo, 0, frame) };
    let capwap = |name, frame| sample(name, TunnelKind::Capwap, 0, frame);
    vec![
        teredo("Teredo", by_udp(3544, &[], &v6)),
        teredo("Teredo with authentication and origin", by_udp(3544, &indications, &v6)),
        capwap(
            "CAPWAP with 802.3",
            by_udp(5247, &[0, 0x10, 0x02, 0, 0, 0, 0, 0], &frame(INNER, &inner_udp(INNER))),
        ),
        capwap(
            "CAPWAP with 802.11",
            by_udp(5247, &[0, 0x10, 0x03, 0, 0, 0, 0, 0], &dot11(0x08, 1, &[], &llc)),
        ),
        capwap(
            "CAPWAP with exchanged frame control and radio address",
            by_udp(5247, &radio, &dot11(0x01, 8, &[], &llc)),
        ),
    ]
}

fn nested() -> Vec<Tunneled> {
    let vxlan = join(&[&[8, 0, 0, 0, 0, 1, 2, 0], &frame(INNER, &inner_udp(INNER))]);
    let second = ip(OUTER, 17, &udp(OUTER, 50_000, 4789, &vxlan));
    let len = u16::try_from(second.len()).unwrap().to_be_bytes();
    let gtp = join(&[&[0x30, 0xff, len[0], len[1], 0, 0, 0, 1], &second]);
    vec![Tunneled {
        depth: 3,
        ..sample(
            "VXLAN in GTP-U in GRE",
            TunnelKind::Vxlan,
            0x102,
            carried_by_ip(47, &join(&[&[0, 0, 8, 0], &ip(OUTER, 17, &udp(OUTER, 2152, 2152, &gtp))])),
        )
    }]
}
