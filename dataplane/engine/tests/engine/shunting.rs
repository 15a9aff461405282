//! Settled flows that are counted elsewhere: which, and what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use engine::record::{EndReason, FlowState};
use engine::{Counter, EngineConfig, Inspection, Shunt, ShuntAnswer, ShuntLimits, Shunted, Verdict};
use sample::packet::{ACK, FIN, PSH, SYN};
use wire::FlowKey;

use crate::bench::{Bench, SECOND, v4};

/// A port that counts what the test says it does.
#[derive(Debug, Default)]
struct Port {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Packets of 100 bytes that each side sent.
    packets: [AtomicU64; 2],
    /// Nanoseconds since the last of them, by the test's clock.
    silent_ns: AtomicU64,
    /// 1: there is no room; 2: it cannot do it.
    refuses: AtomicU64,
}

#[derive(Debug)]
struct Handle(Arc<Port>);

impl Handle {
    fn count(&self) -> Shunted {
        let packets = [self.0.packets[0].load(Relaxed), self.0.packets[1].load(Relaxed)];
        Shunted {
            packets,
            bytes: packets.map(|packets| packets * 100),
            tcp_flags: [PSH, 0],
            silent_ns: (packets != [0; 2]).then(|| self.0.silent_ns.load(Relaxed)),
        }
    }
}

impl Shunt for Handle {
    fn begin(&mut self, _: &FlowKey, _: u16, _: Verdict) -> ShuntAnswer {
        match self.0.refuses.load(Relaxed) {
            0 => {
                self.0.begun.fetch_add(1, Relaxed);
                ShuntAnswer::Begun
            }
            1 => ShuntAnswer::Full,
            _ => ShuntAnswer::Unsupported,
        }
    }

    fn counted(&mut self, _: &FlowKey) -> Shunted {
        self.count()
    }

    fn end(&mut self, _: &FlowKey) -> Shunted {
        self.0.ended.fetch_add(1, Relaxed);
        self.count()
    }
}

const LIMITS: ShuntLimits = ShuntLimits { after_packets: 10, most: 2, per_second: 100 };

/// An engine whose flows are settled from the start.
fn bench(limits: ShuntLimits) -> (Bench, Arc<Port>) {
    let config = EngineConfig { inspection: Inspection::Off, flow_capacity: 4096, ..EngineConfig::default() };
    let mut bench = Bench::with(config);
    let port = Arc::new(Port::default());
    bench.engine.set_shunt(Box::new(Handle(Arc::clone(&port))), limits);
    (bench, port)
}

fn talk(bench: &mut Bench, client: u32, packets: u32) {
    for _ in 0..packets {
        bench.udp(v4(client, 40_000), v4(1, 53), &[7; 100]);
        bench.engine.offer_settled();
    }
}

fn value(bench: &Bench, counter: Counter) -> u64 {
    bench.engine.counters().value(counter)
}

#[test]
fn a_flow_that_goes_on_is_shunted_and_its_record_has_what_was_counted_elsewhere() {
    let (mut bench, port) = bench(LIMITS);
    let (client, server) = (v4(2, 40_000), v4(1, 443));
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (500, 101), SYN | ACK, b"");
    for _ in 0..7 {
        bench.tcp(client, server, (101, 501), ACK, b"data");
        bench.engine.offer_settled();
    }
    assert_eq!(port.begun.load(Relaxed), 0, "too few");
    bench.tcp(client, server, (101, 501), ACK, b"data");
    bench.engine.offer_settled();
    assert_eq!((port.begun.load(Relaxed), value(&bench, Counter::ShuntsActive)), (1, 1));
    // 10.0.0.1, the server, is the lower side.
    port.packets[0].store(1000, Relaxed);
    port.packets[1].store(5, Relaxed);
    port.silent_ns.store(20 * SECOND, Relaxed);
    bench.tcp(client, server, (101, 501), FIN | ACK, b"");
    bench.tcp(server, client, (501, 102), FIN | ACK, b"");
    bench.wait(11);
    let [flow] = bench.ended.as_slice() else { panic!("one flow") };
    assert_eq!(flow.summary.packets, [1 + 8 + 5 + 1, 1 + 1000 + 1]);
    assert_eq!(flow.summary.bytes, [60 + 8 * 60 + 5 * 100 + 60, 60 + 1000 * 100 + 60]);
    assert_eq!(flow.summary.state, FlowState::Closed);
    assert_eq!(flow.summary.tcp_flags, Some([SYN | ACK | FIN, SYN | ACK | FIN | PSH]));
    assert_eq!((port.ended.load(Relaxed), value(&bench, Counter::ShuntsActive)), (1, 0));
    assert_eq!(value(&bench, Counter::ShuntPackets), 1005);
    assert_eq!(value(&bench, Counter::ShuntBytes), 100_500);
}

#[test]
fn a_flow_that_is_heard_elsewhere_is_not_silent() {
    let (mut bench, port) = bench(LIMITS);
    talk(&mut bench, 2, 11);
    assert_eq!(port.begun.load(Relaxed), 1);
    // An hour with a packet every ten seconds, none of them here.
    for _ in 0..360 {
        port.packets[1].fetch_add(1, Relaxed);
        bench.wait(10);
    }
    assert!(bench.ended.is_empty());
    let last_ns = bench.now_ns;
    port.silent_ns.store(200 * SECOND, Relaxed);
    bench.wait(200);
    assert!(bench.ended.is_empty(), "200 of 300 seconds");
    port.silent_ns.store(301 * SECOND, Relaxed);
    bench.wait(101);
    let [flow] = bench.ended.as_slice() else { panic!("one flow") };
    assert_eq!((flow.summary.reason, flow.summary.packets), (EndReason::Timeout, [11 + 360, 0]));
    assert_eq!(flow.summary.end_ns, last_ns, "when it was last heard, not when it was last seen here");
}

#[test]
fn limits_hold_and_what_is_refused_is_counted() {
    let (mut bench, port) = bench(LIMITS);
    for client in 2..6 {
        talk(&mut bench, client, 12);
    }
    assert_eq!((port.begun.load(Relaxed), value(&bench, Counter::ShuntsBegun)), (2, 2));
    assert!(value(&bench, Counter::ShuntsRefused) > 0);
    assert_eq!(bench.shut_down().len(), 4);
    assert_eq!((port.ended.load(Relaxed), value(&bench, Counter::ShuntsActive)), (2, 0));

    let (mut bench, port) = self::bench(ShuntLimits { most: 100, per_second: 1, ..LIMITS });
    for client in 2..6 {
        talk(&mut bench, client, 12);
    }
    assert_eq!(port.begun.load(Relaxed), 1);
    bench.now_ns += SECOND;
    talk(&mut bench, 2, 1);
    assert_eq!(port.begun.load(Relaxed), 2, "the next second");
}

#[test]
fn without_room_it_is_tried_again_and_what_cannot_be_is_not() {
    let (mut bench, port) = bench(LIMITS);
    port.refuses.store(1, Relaxed);
    talk(&mut bench, 2, 20);
    assert_eq!(value(&bench, Counter::ShuntsRefused), 11);
    port.refuses.store(2, Relaxed);
    talk(&mut bench, 2, 20);
    assert_eq!(value(&bench, Counter::ShuntsUnsupported), 1);
    port.refuses.store(0, Relaxed);
    talk(&mut bench, 2, 20);
    assert_eq!(port.begun.load(Relaxed), 0);
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!(flow.summary.packets, [60, 0], "the engine counts it itself");
}

#[test]
fn many_candidates_do_not_keep_a_flow_that_goes_on_from_its_turn() {
    let (mut bench, port) = bench(LIMITS);
    for number in 0..10_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        bench.udp(std::net::SocketAddr::from(([10, 9, high, low], 4000)), v4(1, 53), b"once");
    }
    talk(&mut bench, 2, 200);
    assert_eq!(port.begun.load(Relaxed), 1);
}
