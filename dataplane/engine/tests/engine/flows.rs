//! How flows begin, are counted, and end.

use engine::record::{EndReason, FlowState};
use engine::{Counter, EngineConfig, Eviction, Share, Verdict};
use sample::packet::{self, ACK, FIN, RST, SYN};
use wire::TunnelKind;

use crate::bench::{Bench, Ended, v4, v6};

#[test]
fn both_directions_are_one_flow_with_the_client_as_source() {
    let mut bench = Bench::new();
    let (client, server) = (v4(200, 40_000), v4(1, 53));
    bench.udp(client, server, b"question?");
    bench.udp(server, client, b"an answer that is longer");
    bench.udp(client, server, b"thanks");
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!(flow.identity.key.ip(flow.identity.client), Some(client.ip()));
    assert_eq!(flow.summary.packets, [2, 1]);
    assert_eq!(flow.summary.bytes, [120, 66], "frames as on the wire, padding included");
    assert_eq!(flow.summary.state, FlowState::Established);
    assert_eq!(flow.summary.reason, EndReason::Shutdown);
}

#[test]
fn frames_without_ip_are_read_where_their_ethertype_has_a_parser() {
    let mut bench = Bench::new();
    let addresses = [0x01, 0x0c, 0xcd, 0x01, 0, 1, 2, 0, 0, 0, 0, 1];
    // GOOSE: application 1, a control block, state 7, number 0; behind a priority tag, filled up to 60 bytes.
    let unit = *b"\x61\x0b\x80\x03gcb\x85\x01\x07\x86\x01\x00";
    let goose = [&[0x88, 0xb8, 0, 1, 0, 8 + unit.len() as u8, 0, 0, 0, 0][..], &unit, &[0; 22]].concat();
    bench.frame(&[&addresses[..], &[0x81, 0, 0x80, 0], &goose].concat());
    // Slow protocols: a number with a name, and no parser.
    bench.frame(&[&addresses[..], &[0x88, 0x09], &[0; 46]].concat());
    let flows: Vec<_> = bench.shut_down().iter().map(|flow| flow.protocol.clone()).collect();
    assert_eq!(flows, ["goose", "lacp"]);
    let kinds: Vec<_> = bench.events.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["goose", "goose"], "the publisher, and a summary");
    assert!(bench.events[0].1.contains(&"gcb".to_owned()));
}

#[test]
fn an_engine_that_shuts_down_ends_every_flow_also_those_that_begin_meanwhile() {
    let mut bench = Bench::new();
    let begin = |bench: &mut Bench, ports: core::ops::Range<u16>| {
        for port in ports {
            bench.udp(v4(2, port), v4(1, 7), b"?");
        }
    };
    begin(&mut bench, 1000..4000);
    for _ in 0..3 {
        assert!(!bench.engine.shut_down(&mut bench.batch), "a batch holds fewer");
    }
    // They take the places of flows that ended.
    begin(&mut bench, 5000..5100);
    let port = |flow: &Ended| flow.identity.key.port(flow.identity.client);
    let ports: Vec<u16> = bench.shut_down().iter().map(port).collect();
    let each: std::collections::BTreeSet<u16> = ports.iter().copied().collect();
    assert_eq!((ports.len(), each.len()), (3100, 3100));
    assert_eq!(bench.counter(Counter::FlowsActive), 0);
    assert!(bench.engine.shut_down(&mut bench.batch));
}

#[test]
fn a_connection_that_was_closed_ends_when_its_addresses_are_taken_up_again() {
    let mut bench = Bench::new();
    let (client, server) = (v4(2, 40_000), v4(1, 7));
    for _ in 0..2 {
        bench.tcp(client, server, (100, 0), SYN, b"");
        bench.tcp(server, client, (500, 101), SYN | ACK, b"");
        bench.tcp(client, server, (101, 501), FIN | ACK, b"");
        bench.tcp(server, client, (501, 102), FIN | ACK, b"");
        bench.tcp(client, server, (102, 502), ACK, b"");
    }
    assert_eq!(bench.ended.len(), 1, "the first connection");
    assert_eq!(bench.ended[0].summary.packets, [3, 2]);
    assert_eq!(bench.ended[0].summary.state, FlowState::Closed);
    assert_eq!(bench.ended[0].summary.tcp_flags, Some([SYN | ACK | FIN, SYN | ACK | FIN]));
    assert_eq!(bench.shut_down().len(), 2);
}

#[test]
fn a_reset_closes_and_late_segments_still_find_their_flow() {
    let mut bench = Bench::new();
    let (client, server) = (v4(2, 40_000), v4(1, 7));
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (0, 101), RST | ACK, b"");
    bench.tcp(client, server, (101, 0), ACK, b"");
    bench.wait(11);
    let [flow] = bench.ended.as_slice() else { panic!("one flow") };
    assert_eq!((flow.summary.state, flow.summary.reason), (FlowState::Closed, EndReason::Closed));
    assert_eq!(flow.summary.packets, [2, 1]);
}

#[test]
fn silence_ends_a_flow_by_the_timeout_of_its_state() {
    let mut bench = Bench::new();
    bench.udp(v4(1, 1000), v4(2, 2000), b"one way");
    bench.udp(v4(1, 1001), v4(2, 2000), b"both ways");
    bench.udp(v4(2, 2000), v4(1, 1001), b"both ways");
    bench.tcp(v4(1, 1002), v4(2, 2000), (1, 0), SYN, b"");
    bench.wait(31);
    assert_eq!(bench.ended.len(), 1, "UDP one way: 30 s");
    bench.wait(30);
    assert_eq!(bench.ended.len(), 2, "TCP half open: 60 s");
    bench.wait(240);
    assert_eq!(bench.ended.len(), 3, "UDP both ways: 300 s");
    assert_eq!(bench.ended_by(EndReason::Timeout), 3);
    assert_eq!(bench.counter(Counter::FlowsActive), 0);
}

#[test]
fn a_syn_that_is_only_repeated_begins_no_connection() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        bench.tcp(v4(2, 40_000), v4(1, 7), (100, 0), SYN, b"");
    }
    // One direction of a connection whose other one goes elsewhere.
    bench.tcp(v4(3, 40_000), v4(1, 7), (100, 0), SYN, b"");
    for _ in 0..10 {
        bench.tcp(v4(3, 40_000), v4(1, 7), (101, 501), ACK, b"");
    }
    bench.wait(61);
    assert_eq!(bench.ended_by(EndReason::Timeout), 1);
    assert_eq!(bench.ended[0].summary.packets, [10, 0]);
    bench.wait(600);
    assert_eq!(bench.ended_by(EndReason::Timeout), 2);
}

#[test]
fn flows_whose_time_is_up_wait_where_they_are_held() {
    let mut bench = Bench::new();
    for host in 2..6 {
        bench.udp(v4(host, 40_000), v4(1, 7), b"?");
    }
    bench.engine.hold_ends(true);
    bench.wait(3600);
    assert!(bench.ended.is_empty());
    // One that is heard again goes on.
    bench.udp(v4(2, 40_000), v4(1, 7), b"?");
    bench.engine.hold_ends(false);
    bench.wait(0);
    assert_eq!(bench.ended_by(EndReason::Timeout), 3);
    assert_eq!(bench.shut_down().len(), 4);
}

#[test]
fn a_flow_that_is_heard_again_and_again_does_not_time_out() {
    let mut bench = Bench::new();
    for _ in 0..50 {
        bench.udp(v4(1, 1000), v4(2, 2000), b"x");
        bench.udp(v4(2, 2000), v4(1, 1000), b"y");
        bench.wait(290);
    }
    assert!(bench.ended.is_empty());
    assert_eq!(bench.shut_down()[0].summary.packets, [50, 50]);
}

#[test]
fn a_full_table_gives_up_half_open_flows_before_established_ones() {
    let config = EngineConfig { flow_capacity: 100, ..EngineConfig::default() };
    let mut bench = Bench::with(config);
    for host in 0..20 {
        bench.udp(v4(host, 1000), v4(99, 2000), b"hello");
        bench.udp(v4(99, 2000), v4(host, 1000), b"hello");
    }
    for host in 1000..2000 {
        bench.tcp(v4(host, 1000), v4(99, 80), (1, 0), SYN, b"");
    }
    assert!(bench.ended.iter().all(|flow| flow.summary.state == FlowState::New));
    bench.shut_down();
    let established = bench.ended.iter().filter(|flow| flow.summary.state == FlowState::Established);
    assert_eq!(established.count(), 20);
    assert_eq!(bench.ended.len(), 1020);
    assert_eq!(bench.ended_by(EndReason::Evicted) as u64, bench.counter(Counter::FlowsEvicted));
}

#[test]
fn a_full_table_that_refuses_counts_what_it_does_not_track() {
    let config = EngineConfig { flow_capacity: 10, eviction: Eviction::RefuseNew, ..EngineConfig::default() };
    let mut bench = Bench::with(config);
    for host in 0..15 {
        bench.udp(v4(host, 1000), v4(99, 2000), b"hello");
    }
    let datagram = packet::udp(v4(70, 1), v4(99, 2), b"hello");
    assert_eq!(bench.packet(v4(70, 1).ip(), v4(99, 2).ip(), &datagram), Verdict::Drop);
    assert_eq!(bench.counter(Counter::DropFlowTableFull), 6);
    assert_eq!(bench.shut_down().len(), 10);
}

#[test]
fn the_opening_tells_who_the_client_is() {
    let mut bench = Bench::new();
    // The SYN was not seen: the SYN+ACK comes from the server.
    bench.tcp(v4(9, 80), v4(1, 40_000), (500, 101), SYN | ACK, b"");
    // Nothing of the handshake was seen: the well-known port is the server's.
    bench.tcp(v6(9, 443), v6(1, 40_000), (7, 7), ACK, b"midstream");
    bench.shut_down();
    for flow in &bench.ended {
        assert_eq!(flow.identity.key.port(flow.identity.client), 40_000);
        assert!(flow.summary.midstream);
    }
    assert_eq!(bench.counter(Counter::FlowsMidstream), 2);
}

#[test]
fn vlans_and_tunnels_keep_flows_apart_and_are_kept() {
    let mut bench = Bench::new();
    let (client, server) = (v4(1, 1000), v4(2, 2000));
    let datagram = packet::udp(client, server, b"hello");
    for vlans in [&[][..], &[10], &[20], &[10, 30]] {
        bench.frame(&packet::ethernet(client.ip(), server.ip(), vlans, &datagram));
    }
    let inner = packet::ethernet(client.ip(), server.ip(), &[], &datagram);
    let (near, far) = (v4(100, 0).ip(), v4(101, 0).ip());
    for vni in [5000, 5001] {
        let outer = packet::vxlan(near, far, vni, &inner);
        bench.packet(near, far, &outer);
    }
    bench.shut_down();
    let mut vlans: Vec<_> = bench.ended.iter().map(|flow| flow.identity.vlans).collect();
    vlans.sort_unstable();
    assert_eq!(vlans, [[0, 0], [0, 0], [0, 0], [10, 0], [10, 30], [20, 0]]);
    let tunnels: Vec<_> =
        bench.ended.iter().map(|flow| flow.identity.tunnel).filter(|tunnel| tunnel.depth > 0).collect();
    assert_eq!(tunnels.len(), 2);
    for tunnel in tunnels {
        assert_eq!((tunnel.kind, tunnel.outer), (TunnelKind::Vxlan, Some((near, far))));
        assert!([5000, 5001].contains(&tunnel.id));
    }
}

#[test]
fn several_engines_share_the_flows_without_loss_or_overlap() {
    let mut packets = Vec::new();
    for host in 0..200 {
        packets.push((v4(host, 1000), v4(host + 500, 2000)));
        packets.push((v4(host + 500, 2000), v4(host, 1000)));
    }
    let mut records = 0;
    for index in 0..4 {
        let share = Share { index, of: 4 };
        let mut bench = Bench::with(EngineConfig { share, flow_capacity: 1000, ..EngineConfig::default() });
        for (from, to) in &packets {
            bench.udp(*from, *to, b"hello");
        }
        bench.shut_down();
        assert!(bench.ended.iter().all(|flow| flow.summary.packets == [1, 1]));
        assert!(bench.ended.len() > 20, "a fair share");
        assert_eq!(bench.counter(Counter::Received), 2 * bench.ended.len() as u64);
        records += bench.ended.len();
    }
    assert_eq!(records, 200);
}
