use std::collections::{BTreeMap, VecDeque};

use engine::filter::{Filter, FlowView, Truth};
use engine::record::{Body, Datum, EventWriter, Item, Record};
use engine::{CryptoClass, RecordBatch};

/// Lets through the records of the flows that a filter chooses.
///
/// A flow's record and its events stay together: all are kept, or none. An event comes before its flow ended, so
/// that a filter on what is known at the end (`bytes > 1M`, `modbus`) cannot judge it yet; such an event is held
/// until its flow's record comes, and then goes right before it or is dropped. What the identity of the flow decides
/// (`host`, `port`, `vlan` …) is not held. If more than a limit is held, the flow that has waited longest is let go:
/// its events so far are kept unjudged, and counted.
#[derive(Debug)]
pub struct Selection {
    filter: Filter,
    limit: usize,
    held: BTreeMap<u64, Held>,
    /// Flows with held events, longest waiting first; those that were judged since are skipped.
    order: VecDeque<u64>,
    held_bytes: usize,
    /// What sessions of open flows negotiated.
    crypto: BTreeMap<u64, CryptoClass>,
    chosen: RecordBatch,
    unjudged_events: u64,
}

#[derive(Debug, Default)]
struct Held {
    events: RecordBatch,
    bytes: usize,
}

impl Selection {
    /// A selection by `filter` that holds at most `limit` bytes of events ([`Selection::USUAL_LIMIT`]).
    #[must_use]
    pub fn new(filter: Filter, limit: usize) -> Self {
        Self {
            filter,
            limit,
            held: BTreeMap::new(),
            order: VecDeque::new(),
            held_bytes: 0,
            crypto: BTreeMap::new(),
            chosen: RecordBatch::default(),
            unjudged_events: 0,
        }
    }

    /// Bytes of held events that a program can usually spare.
    pub const USUAL_LIMIT: usize = 64 * 1024 * 1024;

    /// The records to keep, those held so far included.
    pub fn choose(&mut self, batch: &RecordBatch) -> &RecordBatch {
        self.chosen.clear();
        for record in batch.records() {
            match record.body {
                Body::Flow(_) => self.flow(record),
                Body::Event(kind) => self.event(batch, record, kind),
            }
        }
        while self.held_bytes > self.limit && self.release_oldest() {}
        &self.chosen
    }

    /// No more records come: the events that are still held, of flows whose record never came.
    pub fn finish(&mut self) -> &RecordBatch {
        self.chosen.clear();
        while self.release_oldest() {}
        &self.chosen
    }

    /// Events that were kept although their flow could not be judged.
    #[must_use]
    pub const fn unjudged_events(&self) -> u64 {
        self.unjudged_events
    }

    fn flow(&mut self, record: &Record) {
        let Body::Flow(summary) = record.body else { return };
        let crypto = self.crypto.remove(&record.flow.id);
        let keep = self.filter.judge(&FlowView::of_record(record, crypto)) == Truth::Yes;
        if let Some(held) = self.held.remove(&record.flow.id) {
            self.held_bytes -= held.bytes;
            if keep {
                copy_all(&held.events, &mut self.chosen);
            }
            if self.held.len() < self.order.len() / 2 {
                self.order.retain(|id| self.held.contains_key(id));
            }
        }
        if keep {
            self.chosen.push_flow(record.timestamp_ns, record.flow, summary);
        }
    }

    fn event(&mut self, batch: &RecordBatch, record: &Record, kind: &'static str) {
        let id = record.flow.id;
        if let Some(class) = CryptoClass::of_event(batch, record)
            && (self.crypto.len() < MAX_CLASSES || self.crypto.contains_key(&id))
        {
            self.crypto.insert(id, class);
        }
        // A later event may say otherwise (STARTTLS), so the flow's own record decides on `crypto`.
        match self.filter.judge(&FlowView::of_record(record, None)) {
            Truth::No => {}
            Truth::Yes => copy_event(batch, record, kind, &mut self.chosen),
            Truth::Maybe => {
                let held = self.held.entry(id).or_insert_with(|| {
                    self.order.push_back(id);
                    Held::default()
                });
                copy_event(batch, record, kind, &mut held.events);
                let bytes = size(batch, record);
                held.bytes += bytes;
                self.held_bytes += bytes;
            }
        }
    }

    /// Lets the events go that have waited longest; false where none wait.
    fn release_oldest(&mut self) -> bool {
        while let Some(id) = self.order.pop_front() {
            let Some(held) = self.held.remove(&id) else { continue };
            self.held_bytes -= held.bytes;
            self.unjudged_events += held.events.records().len() as u64;
            copy_all(&held.events, &mut self.chosen);
            return true;
        }
        false
    }
}

fn copy_all(from: &RecordBatch, to: &mut RecordBatch) {
    for record in from.records() {
        if let Body::Event(kind) = record.body {
            copy_event(from, record, kind, to);
        }
    }
}

fn copy_event(from: &RecordBatch, record: &Record, kind: &'static str, to: &mut RecordBatch) {
    let mut event = to.event(record.timestamp_ns, record.flow, kind);
    for item in from.items(record) {
        copy_item(from, *item, &mut event);
    }
}

fn copy_item(from: &RecordBatch, item: Item, event: &mut EventWriter<'_>) {
    match item.value {
        Datum::Text(..) => event.text(item.name, from.text(item.value)),
        Datum::Hex(..) => event.hex(item.name, from.text(item.value)),
        Datum::Object => event.object(item.name),
        Datum::List => event.list(item.name),
        Datum::Close => event.close(),
        plain => event.datum(item.name, plain),
    };
}

fn size(batch: &RecordBatch, record: &Record) -> usize {
    let items = batch.items(record);
    let text: usize = items.iter().map(|item| batch.text(item.value).len()).sum();
    size_of::<Record>() + size_of_val(items) + text
}

/// Flows whose negotiated class is remembered; those beyond count as not negotiated.
const MAX_CLASSES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use engine::protocols::{Exposure, Family};
    use engine::record::{EndReason, FlowIdentity, FlowState, FlowSummary, TunnelIdentity};
    use engine::{Classification, Names, ProtocolId, ProtocolName};
    use wire::{FlowKey, KeyKind, Scope};

    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        for (name, exposure) in [("modbus", Exposure::Cleartext), ("tls", Exposure::Negotiated)] {
            let title = name.into();
            let _ = names.add_protocol(ProtocolName {
                name: name.into(),
                title,
                family: Family::Network,
                exposure,
            });
        }
        names
    }

    fn flow(id: u64, port: u16) -> FlowIdentity {
        let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, ([0, 1], 4000), ([0, 2], port), Scope::default());
        FlowIdentity {
            id,
            key,
            client,
            interface: 0,
            vlans: [0; 2],
            icmp: None,
            tunnel: TunnelIdentity::default(),
        }
    }

    fn summary(protocol: u16) -> FlowSummary {
        FlowSummary {
            packets: [1, 1],
            bytes: [100, 100],
            start_ns: 0,
            end_ns: 1,
            state: FlowState::New,
            reason: EndReason::Timeout,
            tcp_flags: None,
            midstream: false,
            gaps: false,
            class: Classification { protocol: ProtocolId(protocol), ..Classification::default() },
        }
    }

    fn selection(text: &str, limit: usize) -> Selection {
        Selection::new(Filter::parse(text, &names()).unwrap(), limit)
    }

    /// (flow id, event type or "flow") of what was chosen.
    fn seen(batch: &RecordBatch) -> Vec<(u64, &'static str)> {
        let kind = |record: &Record| match record.body {
            Body::Flow(_) => "flow",
            Body::Event(kind) => kind,
        };
        batch.records().iter().map(|record| (record.flow.id, kind(record))).collect()
    }

    fn event(batch: &mut RecordBatch, id: u64, kind: &'static str) {
        batch.event(id, flow(id, 502), kind).text("text", b"abc").object("inner").hex("hex", &[1, 2]).close();
    }

    #[test]
    fn events_wait_for_their_flow_and_share_its_fate() {
        let mut selection = selection("modbus", Selection::USUAL_LIMIT);
        let mut batch = RecordBatch::default();
        for id in [1, 2, 1] {
            event(&mut batch, id, "modbus");
        }
        assert_eq!(seen(selection.choose(&batch)), []);
        batch.clear();
        batch.push_flow(9, flow(2, 502), summary(2));
        batch.push_flow(9, flow(1, 502), summary(1));
        assert_eq!(seen(selection.choose(&batch)), [(1, "modbus"), (1, "modbus"), (1, "flow")]);
        assert_eq!(seen(selection.finish()), []);
        assert_eq!((selection.held_bytes, selection.unjudged_events()), (0, 0));
    }

    #[test]
    fn what_the_identity_decides_is_not_held() {
        let mut selection = selection("port 502", 0);
        let mut batch = RecordBatch::default();
        event(&mut batch, 1, "modbus");
        batch.event(0, flow(2, 80), "http").label("x", "y");
        assert_eq!(seen(selection.choose(&batch)), [(1, "modbus")]);
        assert_eq!(selection.held_bytes, 0);
    }

    #[test]
    fn a_copied_event_says_what_the_original_said() {
        let mut batch = RecordBatch::default();
        batch
            .event(5, flow(1, 443), "tls")
            .text("sni", b"\xffexample")
            .list("keys")
            .hex("", &[0xab])
            .close()
            .object("crypto")
            .label("class", "weak")
            .close();
        let mut selection = selection("tcp", 0);
        let chosen = selection.choose(&batch);
        let values = |batch: &RecordBatch| -> Vec<(&str, Vec<u8>)> {
            let items = batch.items(&batch.records()[0]);
            items.iter().map(|item| (item.name, batch.text(item.value).to_vec())).collect()
        };
        assert_eq!(values(chosen), values(&batch));
        assert_eq!(CryptoClass::of_event(chosen, &chosen.records()[0]), Some(CryptoClass::Weak));
    }

    #[test]
    fn what_was_negotiated_is_remembered_until_the_flow_ends() {
        let mut selection = selection("crypto = weak", Selection::USUAL_LIMIT);
        let mut batch = RecordBatch::default();
        for (id, class) in [(1, "weak"), (2, "post-quantum")] {
            batch.event(0, flow(id, 443), "tls").object("crypto").label("class", class).close();
            batch.push_flow(0, flow(id, 443), summary(2));
        }
        assert_eq!(seen(selection.choose(&batch)), [(1, "tls"), (1, "flow")]);
        assert!(selection.crypto.is_empty());
    }

    #[test]
    fn above_the_limit_the_longest_waiting_are_kept_unjudged() {
        let mut probe = RecordBatch::default();
        event(&mut probe, 1, "modbus");
        let one = size(&probe, &probe.records()[0]);
        let mut selection = selection("modbus", 2 * one);
        let mut batch = RecordBatch::default();
        for id in 1..=4 {
            event(&mut batch, id, "modbus");
        }
        assert_eq!(seen(selection.choose(&batch)), [(1, "modbus"), (2, "modbus")]);
        assert_eq!(selection.unjudged_events(), 2);
        assert_eq!(seen(selection.finish()), [(3, "modbus"), (4, "modbus")]);
        assert_eq!(selection.held_bytes, 0);
    }

    #[test]
    fn the_order_of_waiting_does_not_grow_with_flows_that_were_judged() {
        let mut selection = selection("modbus", Selection::USUAL_LIMIT);
        let mut batch = RecordBatch::default();
        for id in 1..=5000 {
            batch.clear();
            event(&mut batch, id, "modbus");
            batch.push_flow(0, flow(id, 502), summary(2));
            assert!(selection.choose(&batch).is_empty());
        }
        assert!(selection.order.len() < 4, "{}", selection.order.len());
    }
}
