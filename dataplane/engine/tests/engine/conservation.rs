//! Every frame is accounted for: received = processed + held + the sum of all drops.

use engine::{Counter, Counters, DefragLimits, EngineConfig, Verdict};
use proptest::prelude::*;
use sample::packet;
use wire::Checksums;

use crate::bench::{Bench, v4, v6};

fn assert_conserved(counters: &Counters) {
    let received = counters.value(Counter::Received);
    let processed = counters.value(Counter::Processed) + counters.value(Counter::DefragHeld);
    assert_eq!(received, processed + counters.dropped());
}

#[test]
fn what_is_held_for_defragmentation_is_accounted_for_at_the_end() {
    let mut bench = Bench::new();
    let payload = vec![7; 3000];
    let datagram = packet::udp(v4(1, 1), v4(2, 2), &payload);
    let mut first = datagram[..20 + 1480].to_vec();
    first[2..4].copy_from_slice(&1500u16.to_be_bytes());
    first[6] = 0x20;
    bench.packet(v4(1, 1).ip(), v4(2, 2).ip(), &first);
    assert_eq!(bench.counter(Counter::DefragHeld), 1);
    assert_conserved(bench.engine.counters());
    bench.shut_down();
    assert_eq!(bench.counter(Counter::DropDefragIncomplete), 1);
    assert_conserved(bench.engine.counters());
}

#[test]
fn checksums_are_summed_unless_the_port_did() {
    let mut config = EngineConfig::default();
    config.parse.checksums = Checksums::Enforce;
    let (client, server) = (v4(1, 40_000), v4(2, 9));
    let frame = |packet: &[u8]| packet::ethernet(client.ip(), server.ip(), &[], packet);
    let right = packet::udp(client, server, b"of no protocol");
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let mut bench = Bench::with(config);
    for (packet, is_offloaded, verdict) in
        [(&right, false, Verdict::Forward), (&wrong, false, Verdict::Drop), (&wrong, true, Verdict::Forward)]
    {
        let got = bench.offloaded_frame(&frame(packet), is_offloaded);
        assert_eq!(got, verdict, "{} bytes, offloaded: {is_offloaded}", packet.len());
    }
    assert_conserved(bench.engine.counters());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_frame_is_lost_whatever_it_says(
        frames in proptest::collection::vec(
            (0u32..40, 0u32..40, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80),
             proptest::collection::vec((0usize..120, any::<u8>()), 0..6), 0usize..160),
            1..200,
        ),
    ) {
        let defrag = DefragLimits { datagrams: 4, fragments: 4, total_bytes: 8192, ..DefragLimits::default() };
        let mut bench = Bench::with(EngineConfig { flow_capacity: 50, defrag, ..EngineConfig::default() });
        let mut flows = 0;
        for (from, to, old, payload, spoilt, cut) in frames {
            let mut frame = if old {
                let (from, to) = (v4(from, 1000), v4(to, 53));
                packet::ethernet(from.ip(), to.ip(), &[], &packet::udp(from, to, &payload))
            } else {
                let (from, to) = (v6(from as u16, 1000), v6(to as u16, 53));
                packet::ethernet(from.ip(), to.ip(), &[7], &packet::udp(from, to, &payload))
            };
            for (at, value) in spoilt {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = value;
                }
            }
            frame.truncate(frame.len().saturating_sub(cut / 4));
            bench.frame(&frame);
            assert_conserved(bench.engine.counters());
            flows = flows.max(bench.counter(Counter::FlowsActive));
        }
        bench.shut_down();
        assert_conserved(bench.engine.counters());
        prop_assert!(flows <= 50);
        let packets: u64 = bench.ended.iter().flat_map(|flow| flow.summary.packets).sum();
        prop_assert_eq!(packets, bench.counter(Counter::Processed), "every processed packet is in one record");
        prop_assert_eq!(bench.ended.len() as u64, bench.counter(Counter::FlowsCreated));
    }
}
