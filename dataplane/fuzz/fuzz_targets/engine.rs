//! Any frames through a small engine: defragmentation, reassembly, classification and parsers at once. Every frame is
//! accounted for, and every flow is written once. Each frame starts with its length (two bytes) and the time since the
//! one before (one byte, in quarters of a second).

#![no_main]

use std::sync::{Arc, LazyLock};

use engine::{
    Counter, Counters, DefragLimits, Engine, EngineConfig, Frame, Plan, RecordBatch, StreamLimits, Verdict,
};
use wire::LinkType;

static PLAN: LazyLock<Option<Arc<Plan>>> = LazyLock::new(|| Plan::builtin().ok().map(Arc::new));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some(plan) = PLAN.as_ref() else { return };
    let config = EngineConfig {
        flow_capacity: 16,
        defrag: DefragLimits { datagrams: 4, fragments: 8, total_bytes: 1 << 16, ..DefragLimits::default() },
        stream: StreamLimits {
            inspections: 8,
            pending_segments: 8,
            total_bytes: 1 << 16,
            ..StreamLimits::default()
        },
        ..EngineConfig::default()
    };
    let counters = Arc::new(Counters::default());
    let Ok(mut engine) = Engine::new(config, Arc::clone(plan), Arc::clone(&counters)) else { return };
    let mut batch = RecordBatch::default();
    let mut timestamp_ns = 1_700_000_000_000_000_000;
    let mut rest = input;
    let mut frames = 0;
    while let Some((&[high, low, wait], tail)) = rest.split_first_chunk::<3>() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (bytes, next) = tail.split_at(len);
        rest = next;
        timestamp_ns += u64::from(wait) * 250_000_000;
        let wire_len = u32::try_from(len).unwrap_or(u32::MAX);
        let link = Some(LinkType::Ethernet);
        let frame = Frame { bytes, wire_len, timestamp_ns, link, interface: 0, checksums_good: false };
        engine.process(&[frame], &mut [Verdict::Forward], &mut batch);
        frames += 1;
        batch.clear();
    }
    while !engine.shut_down(&mut batch) {
        batch.clear();
    }
    let processed = counters.value(Counter::Processed);
    assert_eq!(counters.value(Counter::Received), frames);
    assert_eq!(frames, processed + counters.dropped());
    assert_eq!(counters.value(Counter::FlowsActive), 0);
});
