//! An engine with a clock, fed by hand.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use engine::record::{Body, Datum, EndReason, FlowIdentity, FlowSummary};
use engine::{Counter, Counters, Engine, EngineConfig, Frame, Plan, RecordBatch, Verdict};
use sample::packet::{self, TcpHeader};
use wire::LinkType;

pub(crate) const START_NS: u64 = 1_700_000_000_000_000_000;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// A flow's record and the names of what it says.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) identity: FlowIdentity,
    pub(crate) summary: FlowSummary,
    pub(crate) protocol: String,
}

pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) batch: RecordBatch,
    pub(crate) now_ns: u64,
    pub(crate) ended: Vec<Ended>,
    /// Event kinds with the texts of their values.
    pub(crate) events: Vec<(&'static str, Vec<String>)>,
}

pub(crate) fn plan() -> Arc<Plan> {
    static PLAN: OnceLock<Arc<Plan>> = OnceLock::new();
    Arc::clone(PLAN.get_or_init(|| Arc::new(Plan::builtin().unwrap())))
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(EngineConfig { flow_capacity: 4096, ..EngineConfig::default() })
    }

    pub(crate) fn with(config: EngineConfig) -> Self {
        let engine = Engine::new(config, plan(), Arc::new(Counters::default())).unwrap();
        Self {
            engine,
            batch: RecordBatch::default(),
            now_ns: START_NS,
            ended: Vec::new(),
            events: Vec::new(),
        }
    }

    /// One frame at the present time.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> Verdict {
        self.offloaded_frame(bytes, false)
    }

    /// The same, of which the port may have said that its checksums are right.
    pub(crate) fn offloaded_frame(&mut self, bytes: &[u8], checksums_good: bool) -> Verdict {
        let frame = Frame {
            bytes,
            wire_len: bytes.len() as u32,
            timestamp_ns: self.now_ns,
            link: Some(LinkType::Ethernet),
            interface: 0,
            checksums_good,
        };
        let mut verdicts = [Verdict::Forward];
        self.engine.process(&[frame], &mut verdicts, &mut self.batch);
        self.now_ns += 1000;
        self.collect();
        verdicts[0]
    }

    pub(crate) fn packet(&mut self, from: IpAddr, to: IpAddr, packet: &[u8]) -> Verdict {
        self.frame(&packet::ethernet(from, to, &[], packet))
    }

    pub(crate) fn udp(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        let datagram = packet::udp(from, to, payload);
        self.packet(from.ip(), to.ip(), &datagram);
    }

    pub(crate) fn tcp(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        (seq, ack): (u32, u32),
        flags: u8,
        payload: &[u8],
    ) {
        let header = TcpHeader { seq, ack, flags, window: 65_000, options: &[] };
        let segment = packet::tcp(from, to, &header, payload);
        self.packet(from.ip(), to.ip(), &segment);
    }

    /// Nothing comes for `seconds`.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now_ns += seconds * SECOND;
        for _ in 0..64 {
            self.engine.tick(self.now_ns, &mut self.batch);
        }
        self.collect();
    }

    /// Ends the run; gives all flows that ended since the start.
    pub(crate) fn shut_down(&mut self) -> &[Ended] {
        while !self.engine.shut_down(&mut self.batch) {
            self.collect();
        }
        self.collect();
        &self.ended
    }

    pub(crate) fn counter(&self, counter: Counter) -> u64 {
        self.engine.counters().value(counter)
    }

    pub(crate) fn ended_by(&self, reason: EndReason) -> usize {
        self.ended.iter().filter(|flow| flow.summary.reason == reason).count()
    }

    fn collect(&mut self) {
        for record in self.batch.records() {
            match record.body {
                Body::Flow(summary) => {
                    let name = self.engine.plan().names().protocol(summary.class.protocol).unwrap();
                    let protocol = name.name.to_string();
                    self.ended.push(Ended { identity: record.flow, summary, protocol });
                }
                Body::Event(kind) => {
                    let texts = self.batch.items(record).iter().filter_map(|item| match item.value {
                        Datum::Text(..) => {
                            Some(String::from_utf8_lossy(self.batch.text(item.value)).into_owned())
                        }
                        Datum::Static(text) => Some(text.to_owned()),
                        Datum::Unsigned(number) => Some(number.to_string()),
                        _ => None,
                    });
                    self.events.push((kind, texts.collect()));
                }
            }
        }
        self.batch.clear();
    }
}

pub(crate) fn v4(host: u32, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x0a00_0000 + host).to_be_bytes()), port)
}

pub(crate) fn v6(host: u16, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, host]), port)
}
