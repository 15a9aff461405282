//! How soon the last verdict on a flow is given, in packets with payload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use engine::record::FlowIdentity;
use engine::trace::{Step, Trace};
use engine::{Counters, Engine, RecordBatch};

use crate::ground_truth;
use crate::run::{Flows, Run, Shown, config, plan};
use crate::support::capture::frames;

/// Payloads of a flow, and after how many of them the verdict changed last.
#[derive(Clone, Copy, Debug, Default)]
struct Waited {
    protocol: u8,
    payloads: u32,
    decided: Option<u32>,
}

/// Hands over what it counted, by flow id, when it is dropped.
#[derive(Debug)]
struct Counting {
    flows: BTreeMap<u64, Waited>,
    done: Sender<BTreeMap<u64, Waited>>,
}

impl Trace for Counting {
    fn step(&mut self, flow: &FlowIdentity, step: Step<'_>) {
        let waited = self.flows.entry(flow.id).or_default();
        waited.protocol = flow.key.protocol();
        match step {
            Step::Payload { .. } => waited.payloads += 1,
            Step::Decided(_) | Step::Refined { .. } => waited.decided = Some(waited.payloads),
            Step::TakenBack { .. } => waited.decided = None,
            _ => {}
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let _ = self.done.send(std::mem::take(&mut self.flows));
    }
}

#[test]
fn half_of_the_flows_are_known_by_their_first_payloads() {
    let Some(folder) = ground_truth() else { return };
    let mut paths: Vec<_> = folder
        .join("pcap")
        .read_dir()
        .expect("captures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let mut waits: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
    for path in paths {
        let (done, counted) = channel();
        let mut engine =
            Engine::new(config(), Arc::clone(plan()), Arc::new(Counters::default())).expect("an engine");
        engine.set_trace(Some(Box::new(Counting { flows: BTreeMap::new(), done })));
        let frames = frames(&path);
        let shown = frames.iter().map(|f| Shown { link: f.link, bytes: &f.bytes, wire_len: f.wire_len });
        Run { engine, batch: RecordBatch::default() }.show(shown, &mut Flows::new());
        for waited in counted.recv().expect("the trace is gone").values() {
            waits.entry(waited.protocol).or_default().extend(waited.decided);
        }
    }
    for (protocol, most) in [(6, 2), (17, 1)] {
        let all = waits.get_mut(&protocol).expect("flows");
        all.sort_unstable();
        let (median, tenth) = (all[all.len() / 2], all[all.len() * 9 / 10]);
        println!("protocol {protocol}: {} flows, median {median}, nine in ten {tenth} payloads", all.len());
        assert!(median <= most, "protocol {protocol}: half of the flows take {median} payloads");
    }
}
