//! What is in a capture, in numbers: added up from the records as they come, in bounded memory.

mod json;
mod report;
mod talkers;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use engine::record::{Body, FlowSummary, Record};
use engine::{CryptoClass, ProtocolId, RecordBatch, ServiceId};

pub(crate) use json::write as write_json;
pub(crate) use report::{Report, RunFacts};
pub(crate) use text::write as write_text;

use talkers::Talkers;

/// Flows, and what was in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) flows: u64,
    pub(crate) packets: u64,
    /// On the wire.
    pub(crate) bytes: u64,
}

impl Usage {
    fn add(&mut self, summary: &FlowSummary) {
        let sum = |pair: [u64; 2]| pair[0].saturating_add(pair[1]);
        self.flows += 1;
        self.packets = self.packets.saturating_add(sum(summary.packets));
        self.bytes = self.bytes.saturating_add(sum(summary.bytes));
    }

    fn plus(self, other: Self) -> Self {
        Self {
            flows: self.flows.saturating_add(other.flows),
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Adds records up.
#[derive(Debug)]
pub(crate) struct Summary {
    total: Usage,
    /// Flows whose protocol is a guess from a port.
    guessed: u64,
    first_ns: u64,
    last_ns: u64,
    /// By protocol and by what the session negotiated, if it said.
    protocols: BTreeMap<(ProtocolId, Option<CryptoClass>), Usage>,
    services: BTreeMap<ServiceId, Usage>,
    talkers: Talkers,
    events: BTreeMap<&'static str, u64>,
    anomalies: Tallied,
    alerts: Tallied,
    /// What sessions of flows negotiated that have not ended.
    negotiated: HashMap<u64, CryptoClass>,
}

impl Summary {
    pub(crate) fn new() -> Self {
        Self {
            total: Usage::default(),
            guessed: 0,
            first_ns: u64::MAX,
            last_ns: 0,
            protocols: BTreeMap::new(),
            services: BTreeMap::new(),
            talkers: Talkers::new(),
            events: BTreeMap::new(),
            anomalies: Tallied::default(),
            alerts: Tallied::default(),
            negotiated: HashMap::new(),
        }
    }

    /// Takes every record of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) {
        for record in batch.records() {
            match &record.body {
                Body::Flow(summary) => self.flow(record, summary),
                Body::Event(kind) => self.event(batch, record, kind),
            }
        }
    }

    /// Point in time of the last packet, nanoseconds since the UNIX epoch; 0 before any.
    pub(crate) const fn last_ns(&self) -> u64 {
        self.last_ns
    }

    fn flow(&mut self, record: &Record, summary: &FlowSummary) {
        self.total.add(summary);
        self.first_ns = self.first_ns.min(summary.start_ns);
        self.last_ns = self.last_ns.max(summary.end_ns);
        let class = &summary.class;
        self.guessed += u64::from(class.tier == engine::Tier::Guess);
        let negotiated = self.negotiated.remove(&record.flow.id);
        self.protocols.entry((class.protocol, negotiated)).or_default().add(summary);
        if class.service != ServiceId::default() {
            self.services.entry(class.service).or_default().add(summary);
        }
        self.talkers.add(&record.flow, summary);
    }

    fn event(&mut self, batch: &RecordBatch, record: &Record, kind: &'static str) {
        *self.events.entry(kind).or_default() += 1;
        if let Some(class) = CryptoClass::of_event(batch, record)
            && (self.negotiated.len() < MAX_NEGOTIATED || self.negotiated.contains_key(&record.flow.id))
        {
            self.negotiated.insert(record.flow.id, class);
        }
        match kind {
            "anomaly" => self.anomalies.add(batch, record, &["app_proto", "event"]),
            "alert" => self.alerts.add(batch, record, &["signature"]),
            _ => {}
        }
    }
}

/// How often something with a name was seen; names beyond a limit are counted together.
#[derive(Debug, Default)]
struct Tallied {
    by_name: BTreeMap<String, u64>,
    beyond: u64,
}

impl Tallied {
    /// Counts an event by the values of some of its members, those inside of objects aside.
    fn add(&mut self, batch: &RecordBatch, record: &Record, members: &[&str]) {
        let mut depth = 0_u32;
        let mut name = String::new();
        for item in batch.items(record) {
            match item.value {
                engine::record::Datum::Object | engine::record::Datum::List => depth += 1,
                engine::record::Datum::Close => depth = depth.saturating_sub(1),
                value if depth == 0 && members.contains(&item.name) => {
                    let text = batch.text(value);
                    if !name.is_empty() {
                        name.push(' ');
                    }
                    let text = text.get(..MAX_NAME_PART).unwrap_or(text);
                    name.push_str(&String::from_utf8_lossy(text));
                }
                _ => {}
            }
        }
        if let Some(count) = self.by_name.get_mut(&name) {
            *count += 1;
        } else if self.by_name.len() < MAX_NAMES {
            self.by_name.insert(name, 1);
        } else {
            self.beyond += 1;
        }
    }
}

/// Open flows whose negotiated class is remembered; those beyond count as not known.
const MAX_NEGOTIATED: usize = 1 << 20;
/// Different names of anomalies or alerts.
const MAX_NAMES: usize = 4096;
/// Bytes of each part of such a name.
const MAX_NAME_PART: usize = 128;
