//! What the program does with each of a table of packets.

use packet_io::af_xdp::{self, Port, PortConfig, Workers};
use packet_io::xdp::{Action, FlowKey, List, Rate, Reason, SHUNT_DROP, SHUNT_PASS, Service, Verdict};
use packet_io::{FlowTuple, ShuntAction, ShuntCount, Shunts};

use crate::network::veth;
use crate::packets::{
    ARP, SCTP, TCP, UDP, V4, V6, arp, ethernet, extension, fragment6, ipv4, ipv4_with, ipv6, ipv6_between,
    sctp, tagged, tcp, udp,
};

/// XDP actions (`linux/bpf.h`).
const DROP: u32 = 1;
const PASS: u32 = 2;
const REDIRECT: u32 = 4;

/// Puts a packet to the program; the reason it was counted for, and that the action is that of its verdict.
pub(crate) fn reason(port: &mut Port, packet: &[u8]) -> Reason {
    let before = port.program().state().counters().unwrap();
    let action = port.program_mut().try_packet(packet).unwrap();
    let after = port.program().state().counters().unwrap();
    let changed: Vec<Reason> = after
        .iter()
        .filter(|(reason, count)| count.packets != before.packets(*reason))
        .map(|(reason, _)| reason)
        .collect();
    let [reason] = changed[..] else { panic!("{changed:?} were counted of one packet") };
    let bytes = after.count(reason).bytes - before.count(reason).bytes;
    assert_eq!((after.packets(reason) - before.packets(reason), bytes), (1, packet.len() as u64));
    let expected = match (reason.verdict(), reason) {
        (Verdict::Pass, _) | (_, Reason::ShuntPass) => PASS,
        (Verdict::Redirect, _) => REDIRECT,
        _ => DROP,
    };
    assert_eq!(action, expected, "{reason:?}");
    reason
}

pub(crate) fn open() -> (Port, Workers) {
    veth("va", "vb", 1500);
    let mut config = PortConfig::new("va");
    // The test is no owner with a heartbeat.
    config.xdp.watchdog = None;
    config.xdp.protect.services = vec![Service::SSH, Service::Remote { protocol: UDP, port: 53 }];
    let (mut ports, queues) = af_xdp::open(&[config], 1).unwrap();
    (ports.pop().unwrap(), queues)
}

/// What is behind the tags, with how it is handed over.
type Shape = (&'static str, u16, Vec<u8>, Reason);

fn whole_tcp() -> Vec<u8> {
    tcp(40_000, 443, 0x18, b"hello")
}

/// The bytes with one of them changed.
fn with(mut bytes: Vec<u8>, at: usize, value: u8) -> Vec<u8> {
    bytes[at] = value;
    bytes
}

fn shapes() -> Vec<Shape> {
    use Reason::{RedirectNotIp, RedirectUnread};
    let others = vec![
        ("arp", ARP, arp(), RedirectNotIp),
        ("lldp", 0x88cc, vec![0; 40], RedirectNotIp),
        ("mpls", 0x8847, vec![0; 40], RedirectUnread),
        ("pppoe", 0x8864, vec![0; 40], RedirectUnread),
        ("llc", 0x0026, vec![0x42; 38], RedirectUnread),
    ];
    [shapes_v4(), transports_v4(), shapes_v6(), others].concat()
}

fn shapes_v4() -> Vec<Shape> {
    use Reason::{Redirect, RedirectFragment, RedirectMalformed};
    let whole = whole_tcp();
    let small = || ipv4(UDP, &udp(1, 2, b"x"));
    let tso = with(with(ipv4(TCP, &whole), 2, 0), 3, 0);
    vec![
        ("tcp", V4, ipv4(TCP, &whole), Redirect),
        ("udp", V4, ipv4(UDP, &udp(1, 2, b"abc")), Redirect),
        ("sctp", V4, ipv4(SCTP, &sctp(1, 2)), Redirect),
        ("udp-lite", V4, ipv4(136, &udp(1, 2, b"abc")), Redirect),
        ("icmp", V4, ipv4(1, &[8, 0, 0, 0, 0, 1, 0, 1]), Redirect),
        ("gre", V4, ipv4(47, &[0; 12]), Redirect),
        ("no payload", V4, ipv4(255, &[]), Redirect),
        ("options", V4, ipv4_with(TCP, [1, 1], 0, &[1; 40], &whole), Redirect),
        ("do not fragment", V4, ipv4_with(TCP, [1, 1], 0x4000, &[], &whole), Redirect),
        ("first fragment", V4, ipv4_with(UDP, [1, 1], 0x2000, &[], &udp(1, 2, &[0; 16])), RedirectFragment),
        ("middle fragment", V4, ipv4_with(UDP, [1, 1], 0x2002, &[], &[0; 16]), RedirectFragment),
        ("last fragment", V4, ipv4_with(UDP, [1, 1], 0x0004, &[], &[0; 5]), RedirectFragment),
        ("fragment beyond the end", V4, ipv4_with(UDP, [1, 1], 0x1fff, &[], &[0; 16]), RedirectMalformed),
        ("version 5", V4, [&[0x55][..], &ipv4(UDP, &udp(1, 2, b"x"))[1..]].concat(), RedirectMalformed),
        (
            "header of 16 bytes",
            V4,
            [&[0x44][..], &ipv4(UDP, &udp(1, 2, b"x"))[1..]].concat(),
            RedirectMalformed,
        ),
        ("header cut", V4, ipv4(TCP, &whole)[..19].to_vec(), RedirectMalformed),
        ("longer than the frame", V4, with(small(), 3, 38), RedirectMalformed),
        ("shorter than its header", V4, with(small(), 3, 19), RedirectMalformed),
        ("length by the card", V4, tso, Redirect),
    ]
}

fn transports_v4() -> Vec<Shape> {
    use Reason::RedirectMalformed;
    let whole = whole_tcp();
    vec![
        ("tcp of 19 bytes", V4, ipv4(TCP, &whole[..19]), RedirectMalformed),
        ("tcp offset 4", V4, ipv4(TCP, &with(whole.clone(), 12, 0x40)), RedirectMalformed),
        ("tcp offset beyond", V4, ipv4(TCP, &with(whole.clone(), 12, 0xf0)), RedirectMalformed),
        ("udp of 7 bytes", V4, ipv4(UDP, &udp(1, 2, b"")[..7]), RedirectMalformed),
        ("udp longer than ip", V4, ipv4(UDP, &with(udp(1, 2, b"abc"), 5, 12)), RedirectMalformed),
        ("udp length 7", V4, ipv4(UDP, &with(udp(1, 2, b"abc"), 5, 7)), RedirectMalformed),
        ("sctp of 11 bytes", V4, ipv4(SCTP, &sctp(1, 2)[..11]), RedirectMalformed),
        ("icmp of 7 bytes", V4, ipv4(1, &[8; 7]), RedirectMalformed),
    ]
}

fn shapes_v6() -> Vec<Shape> {
    use Reason::{Redirect, RedirectFragment, RedirectMalformed};
    let whole = whole_tcp();
    let extended =
        |count: usize| (0..count).fold((TCP, whole.clone()), |(next, rest), _| (60, extension(next, &rest)));
    let [(first9, nine), (first10, ten)] = [extended(9), extended(10)];
    let jumbo = with(with(ipv6(TCP, &whole), 4, 0), 5, 0);
    vec![
        ("tcp over v6", V6, ipv6(TCP, &whole), Redirect),
        ("udp over v6", V6, ipv6(UDP, &udp(1, 2, b"abc")), Redirect),
        ("sctp over v6", V6, ipv6(SCTP, &sctp(1, 2)), Redirect),
        ("hop-by-hop", V6, ipv6(0, &extension(TCP, &whole)), Redirect),
        ("routing", V6, ipv6(43, &extension(TCP, &whole)), Redirect),
        ("hop-by-hop and destination", V6, ipv6(0, &extension(60, &extension(TCP, &whole))), Redirect),
        ("nine extensions", V6, ipv6(first9, &nine), Redirect),
        ("ten extensions", V6, ipv6(first10, &ten), RedirectMalformed),
        ("atomic fragment", V6, ipv6(44, &fragment6(TCP, 0, &whole)), Redirect),
        ("first fragment of v6", V6, ipv6(44, &fragment6(UDP, 1, &udp(1, 2, &[0; 16]))), RedirectFragment),
        ("middle fragment of v6", V6, ipv6(44, &fragment6(UDP, 0x11, &[0; 16])), RedirectFragment),
        ("fragment of v6 beyond the end", V6, ipv6(44, &fragment6(UDP, 0xfff8, &[0; 16])), RedirectMalformed),
        ("extension cut", V6, ipv6(60, &[TCP, 0, 0, 0]), RedirectMalformed),
        ("extension too long", V6, ipv6(60, &[TCP, 9, 0, 0, 0, 0, 0, 0]), RedirectMalformed),
        ("no next header", V6, ipv6(59, &[]), Redirect),
        ("mobility message", V6, ipv6(135, &[59, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Redirect),
        ("icmpv6 echo", V6, ipv6(58, &[128, 0, 0, 0, 0, 1, 0, 1]), Redirect),
        ("icmpv6 of 3 bytes", V6, ipv6(58, &[128, 0, 0]), RedirectMalformed),
        ("v6 header cut", V6, ipv6(TCP, &whole)[..39].to_vec(), RedirectMalformed),
        ("v6 longer than the frame", V6, with(ipv6(UDP, &udp(1, 2, b"x")), 5, 10), RedirectMalformed),
        ("v6 version 4", V6, [&[0x40][..], &ipv6(TCP, &whole)[1..]].concat(), RedirectMalformed),
        ("jumbogram", V6, jumbo, Redirect),
    ]
}

pub(crate) fn check_shapes() {
    let (mut port, _queues) = open();
    let mut packets = 0;
    let eight = [0x8100; 8];
    let nine = [0x8100; 9];
    for tags in
        [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x9100, 0x9200], &[0x88a8, 0x8100, 0x8100], &eight, &nine]
    {
        for (name, ethertype, payload, expected) in shapes() {
            let expected = if tags.len() > 8 { Reason::RedirectUnread } else { expected };
            assert_eq!(
                reason(&mut port, &tagged(tags, ethertype, &payload)),
                expected,
                "{name} behind {tags:x?}"
            );
            packets += 1;
        }
    }
    // A tag of which only a part is there.
    for len in 14..18 {
        let packet = &tagged(&[0x8100], V4, &ipv4(TCP, &tcp(1, 2, 0, b"")))[..len];
        assert_eq!(reason(&mut port, packet), Reason::RedirectMalformed);
        packets += 1;
    }
    eprintln!("{packets} packets");
    assert!(packets >= 200);
}

fn ssh(source: u8, destination: u8) -> Vec<u8> {
    ethernet(V4, &ipv4_with(TCP, [source, destination], 0, &[], &tcp(50_000, 22, 2, b"")))
}

fn from(source: u8) -> Vec<u8> {
    ethernet(V4, &ipv4_with(UDP, [source, 7], 0, &[], &udp(1000, 2000, b"x")))
}

fn from6(source: u8, destination: u8) -> Vec<u8> {
    ethernet(V6, &ipv6_between(UDP, [source, destination], &udp(1000, 2000, b"x")))
}

pub(crate) fn check_protected() {
    let (mut port, _queues) = open();
    for address in ["192.0.2.1", "2001:db8:2::1"] {
        port.program_mut().state_mut().add_own_address(address.parse().unwrap()).unwrap();
    }
    // Denied as everybody is, the host's own keep reaching it.
    let state = port.program_mut().state_mut();
    state.list(List::Source, "0.0.0.0/0".parse().unwrap(), Action::Deny).unwrap();
    state.list(List::Source, "::/0".parse().unwrap(), Action::Deny).unwrap();
    for (packet, expected) in [
        (ssh(1, 1), Reason::PassService),
        (ssh(1, 2), Reason::DropDeniedSource),
        (tagged(&[0x8100], V4, &ipv4(TCP, &tcp(5, 22, 0x10, b"x"))), Reason::PassService),
        (ethernet(V4, &ipv4(TCP, &tcp(22, 5, 0x10, b"x"))), Reason::DropDeniedSource),
        (ethernet(V4, &ipv4(UDP, &udp(53, 5000, b"answer"))), Reason::PassService),
        (ethernet(V4, &ipv4(UDP, &udp(5000, 53, b"question"))), Reason::DropDeniedSource),
        (ethernet(V6, &ipv6(TCP, &tcp(5, 22, 2, b""))), Reason::PassService),
        (ethernet(V6, &ipv6(60, &extension(TCP, &tcp(5, 22, 2, b"")))), Reason::PassService),
        (ethernet(V6, &ipv6_between(TCP, [1, 9], &tcp(5, 22, 2, b""))), Reason::DropDeniedSource),
        // A later fragment to the host could be of SSH.
        (ethernet(V4, &ipv4_with(TCP, [1, 1], 0x0010, &[], &[0; 20])), Reason::PassService),
        (ethernet(V4, &ipv4_with(SCTP, [1, 1], 0x0010, &[], &[0; 20])), Reason::DropDeniedSource),
        (ethernet(ARP, &arp()), Reason::RedirectNotIp),
    ] {
        assert_eq!(reason(&mut port, &packet), expected);
    }
}

/// With addresses on the interface, neighbours are the host's.
pub(crate) fn check_neighbours() {
    veth("va", "vb", 1500);
    crate::network::ip("addr add 192.0.2.1/24 dev va");
    let mut config = PortConfig::new("va");
    config.xdp.watchdog = None;
    let (mut ports, _queues) = af_xdp::open(&[config], 1).unwrap();
    let port = &mut ports[0];
    for (packet, expected) in [
        (ethernet(ARP, &arp()), Reason::PassNeighbour),
        (tagged(&[0x8100], ARP, &arp()), Reason::PassNeighbour),
        (ethernet(V6, &ipv6(58, &[135, 0, 0, 0, 0, 0, 0, 0])), Reason::PassNeighbour),
        (ethernet(V6, &ipv6(58, &[128, 0, 0, 0, 0, 0, 0, 0])), Reason::Redirect),
        (ssh(1, 1), Reason::PassService),
        (from(1), Reason::Redirect),
    ] {
        assert_eq!(reason(port, &packet), expected);
    }
}

pub(crate) fn check_lists() {
    let (mut port, _queues) = open();
    let state = port.program_mut().state_mut();
    for (list, prefix, action) in [
        (List::Source, "198.51.100.0/24", Action::Deny),
        (List::Source, "198.51.100.8/29", Action::Allow),
        (List::Source, "198.51.100.9/32", Action::Deny),
        (List::Source, "2001:db8:1::/48", Action::Deny),
        (List::Source, "2001:db8:1::5/128", Action::Allow),
        (List::Destination, "192.0.2.66/32", Action::Deny),
        (List::Destination, "2001:db8:2::66/128", Action::Deny),
    ] {
        state.list(list, prefix.parse().unwrap(), action).unwrap();
    }
    assert_eq!(state.entries(List::Source, 100).unwrap().len(), 5);
    let to =
        |destination: u8| ethernet(V4, &ipv4_with(UDP, [8, destination], 0, &[], &udp(1000, 2000, b"x")));
    for (packet, expected) in [
        (from(1), Reason::DropDeniedSource),
        (from(8), Reason::Redirect),
        (from(9), Reason::DropDeniedSource),
        (from(10), Reason::Redirect),
        (to(66), Reason::DropDeniedDestination),
        (to(67), Reason::Redirect),
        (from6(1, 1), Reason::DropDeniedSource),
        (from6(5, 1), Reason::Redirect),
        (from6(5, 0x66), Reason::DropDeniedDestination),
        (ethernet(ARP, &arp()), Reason::RedirectNotIp),
    ] {
        assert_eq!(reason(&mut port, &packet), expected);
    }
    let state = port.program_mut().state_mut();
    state.set_others(List::Destination, Action::Deny).unwrap();
    state.list(List::Destination, "192.0.2.0/25".parse().unwrap(), Action::Allow).unwrap();
    assert_eq!(reason(&mut port, &to(1)), Reason::Redirect);
    assert_eq!(reason(&mut port, &to(200)), Reason::DropUnlistedDestination);
    let state = port.program_mut().state_mut();
    assert!(state.unlist(List::Source, "198.51.100.0/24".parse().unwrap()).unwrap());
    assert!(!state.unlist(List::Source, "198.51.100.0/24".parse().unwrap()).unwrap());
    assert_eq!(reason(&mut port, &from(1)), Reason::Redirect);
}

pub(crate) fn check_limits() {
    let (mut port, _queues) = open();
    let state = port.program_mut().state_mut();
    state.set_rate(Some(Rate { packets_per_second: 1, burst: 10 })).unwrap();
    assert_eq!(state.rate().unwrap(), Some(Rate { packets_per_second: 1, burst: 10 }));
    let mut let_through = 0;
    for _ in 0..50 {
        let_through += u32::from(reason(&mut port, &from(1)) == Reason::Redirect);
    }
    assert!((10..=12).contains(&let_through), "{let_through}");
    assert_eq!(reason(&mut port, &from(2)), Reason::Redirect, "another source has its own");
    port.program_mut().state_mut().set_rate(None).unwrap();
    assert_eq!(reason(&mut port, &from(1)), Reason::Redirect);
    port.program_mut().state_mut().set_sample(500_000).unwrap();
    assert_eq!(port.program().state().sample().unwrap(), 500_000);
    let taken = (0..=255).filter(|source| reason(&mut port, &from(*source)) == Reason::Redirect).count();
    assert!((90..=166).contains(&taken), "{taken} of 256");
}

pub(crate) fn check_shunts() {
    let (mut port, _queues) = open();
    let there = ethernet(V4, &ipv4_with(TCP, [1, 1], 0, &[], &tcp(40_000, 443, 0x10, b"hello")));
    let mut back = ipv4(TCP, &tcp(443, 40_000, 0x18, b"a longer answer"));
    back[12..20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 1]);
    let back = ethernet(V4, &back);
    let fin = ethernet(V4, &ipv4(TCP, &tcp(40_000, 443, 0x11, b"")));
    let key = FlowKey {
        lower: packet_io::xdp::Address::from(std::net::IpAddr::from([192, 0, 2, 1])),
        upper: packet_io::xdp::Address::from(std::net::IpAddr::from([198, 51, 100, 1])),
        lower_port: 443,
        upper_port: 40_000,
        protocol: TCP,
        kind: packet_io::xdp::kind::IPV4,
        ..FlowKey::default()
    };
    assert_eq!(reason(&mut port, &there), Reason::Redirect);
    port.program_mut().state_mut().shunt(key, SHUNT_DROP).unwrap();
    for _ in 0..3 {
        assert_eq!(reason(&mut port, &there), Reason::ShuntDrop);
    }
    assert_eq!(reason(&mut port, &back), Reason::ShuntDrop);
    assert_eq!(reason(&mut port, &fin), Reason::Redirect, "the end is user space's");
    assert_eq!(reason(&mut port, &tagged(&[0x8100], V4, &there[14..])), Reason::Redirect, "another VLAN");
    let state = port.program_mut().state_mut();
    let counted = state.unshunt(key).unwrap().unwrap();
    assert_eq!(counted.packets, [1, 3]);
    assert_eq!(counted.bytes, [back.len() as u64, 3 * there.len() as u64]);
    assert!(counted.last_ns > 0);
    assert_eq!(reason(&mut port, &there), Reason::Redirect);
    port.program_mut().state_mut().shunt(key, SHUNT_PASS).unwrap();
    assert_eq!(reason(&mut port, &there), Reason::ShuntPass);
    assert_eq!(port.program().state().shunts(10).len(), 1);
}

pub(crate) fn check_shunts_of_a_worker() {
    let (mut port, _queues) = open();
    let there = |flags| ethernet(V4, &ipv4(TCP, &tcp(40_000, 443, flags, b"hello")));
    let back = |flags| {
        let mut packet = ipv4(TCP, &tcp(443, 40_000, flags, b"a longer answer"));
        packet[12..20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 1]);
        ethernet(V4, &packet)
    };
    let flow = FlowTuple {
        lower: "192.0.2.1:443".parse().unwrap(),
        upper: "198.51.100.1:40000".parse().unwrap(),
        protocol: TCP,
        vlans: [0, 0],
    };
    let mut shunts = port.program_mut().state_mut().shunts_of_worker().unwrap();
    port.program_mut().state_mut().set_shunting(true).unwrap();
    assert_eq!((shunts.counted(&flow), shunts.end(&flow)), (None, None));
    shunts.begin(&flow, ShuntAction::Drop).unwrap();
    assert_eq!(shunts.counted(&flow), Some(ShuntCount::default()));
    assert_eq!(reason(&mut port, &there(0x18)), Reason::ShuntDrop);
    assert_eq!(reason(&mut port, &back(0x10)), Reason::ShuntDrop);
    // One side says its last; the other goes on.
    assert_eq!(reason(&mut port, &there(0x11)), Reason::Redirect);
    assert_eq!(reason(&mut port, &back(0x50)), Reason::ShuntDrop);
    let counted = shunts.counted(&flow).unwrap();
    assert_eq!((counted.packets, counted.tcp_flags), ([2, 1], [0x50, 0x19]));
    assert_eq!(counted.bytes, [2 * back(0).len() as u64, there(0).len() as u64]);
    assert!(counted.silent_ns.unwrap() < 1_000_000_000);
    // After the last of both, and after a reset or a new beginning, user space sees everything.
    assert_eq!(reason(&mut port, &back(0x11)), Reason::Redirect);
    assert_eq!(reason(&mut port, &there(0x10)), Reason::Redirect);
    assert_eq!(shunts.end(&flow).unwrap().packets, [2, 1]);
    for over in [0x04, 0x02, 0x12] {
        shunts.begin(&flow, ShuntAction::Pass).unwrap();
        assert_eq!(reason(&mut port, &there(0x10)), Reason::ShuntPass);
        assert_eq!(reason(&mut port, &back(over)), Reason::Redirect);
        assert_eq!(reason(&mut port, &there(0x10)), Reason::Redirect);
        assert_eq!(shunts.end(&flow).unwrap().packets, [0, 1]);
    }
    assert_eq!(port.program().state().shunts(10).len(), 0);
}
