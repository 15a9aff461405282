use std::time::Duration;

use engine::protocols::{Exposure, Family};
use engine::record::{EndReason, FlowIdentity, FlowState, TunnelIdentity};
use engine::{Classification, Names, ProtocolName, Tier};
use proptest::prelude::*;
use wire::{FlowKey, KeyKind, Scope};

use super::*;
use crate::look::{Characters, Colours, Look};

/// From 10.0.x.x:40000 to 10.0.y.y:443 over TCP.
pub(super) fn flow(id: u64, client: u32, server: u32) -> FlowIdentity {
    let address = |host: u32| FlowKey::from_ipv4((0x0a00_0000 | host).to_be_bytes());
    let (key, client) =
        FlowKey::new(KeyKind::Ipv4, 6, (address(client), 40_000), (address(server), 443), Scope::default());
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

pub(super) fn summary(protocol: u16, bytes: [u64; 2]) -> FlowSummary {
    FlowSummary {
        packets: [2, 1],
        bytes,
        start_ns: 1_000_000_000,
        end_ns: 3_000_000_000,
        state: FlowState::Closed,
        reason: EndReason::Closed,
        tcp_flags: None,
        midstream: false,
        gaps: false,
        class: Classification {
            protocol: ProtocolId(protocol),
            tier: Tier::Parser,
            ..Classification::default()
        },
    }
}

fn names() -> Names {
    let mut names = Names::default();
    for (name, exposure) in
        [("http", Exposure::Cleartext), ("tls", Exposure::Negotiated), ("wireguard", Exposure::Encrypted)]
    {
        let title = name.into();
        names.add_protocol(ProtocolName { name: name.into(), title, family: Family::Web, exposure }).unwrap();
    }
    names.add_service("YouTube").unwrap();
    names
}

fn facts() -> RunFacts {
    let counter = |name: &str, value| (name.to_owned(), value);
    RunFacts {
        files: vec!["office.pcap".to_owned()],
        counters: vec![
            counter("packets.received", 20),
            counter("bytes.received", 12_000),
            counter("packets.processed", 17),
            counter("defrag.held", 1),
            counter("drop.tcp_truncated", 2),
            counter("drop.flow_table_full", 0),
        ],
        elapsed: Duration::from_millis(250),
        flows_seen: 6,
        ..RunFacts::default()
    }
}

fn sample() -> Summary {
    let mut batch = RecordBatch::default();
    for (id, posture) in [(1, "weak"), (2, "classical"), (3, "hybrid")] {
        batch
            .event(0, flow(id, 1, 2), "tls")
            .object("crypto")
            .label("class", "classical")
            .label("posture", posture);
        batch.push_flow(0, flow(id, 1, 2), summary(2, [100, 900]));
    }
    batch
        .event(0, flow(4, 3, 2), "anomaly")
        .label("app_proto", "http")
        .label("type", "applayer")
        .text("event", b"bad\x1b[2J");
    batch.event(0, flow(4, 3, 2), "alert").text("signature", "caf\u{e9}".as_bytes());
    let mut with_service = summary(1, [5000, 0]);
    with_service.class.service = ServiceId(1);
    batch.push_flow(0, flow(4, 3, 2), with_service);
    batch.push_flow(0, flow(5, 3, 2), summary(3, [10, 10]));
    batch.push_flow(0, flow(6, 3, 2), summary(2, [1, 0]));
    let mut sum = Summary::new();
    sum.add(&batch);
    sum
}

fn look(width: usize) -> Look {
    Look { width, colours: Colours::None, characters: Characters::Ascii }
}

fn page(report: &Report, look: &Look, top: usize) -> String {
    let mut out = Vec::new();
    write_text(report, look, top, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The line that accounts for every packet is the only one that may be longer than the page: it is never cut.
fn fits(line: &str, width: usize) -> bool {
    line.chars().count() <= width || line.contains(" received ")
}

#[test]
fn what_was_negotiated_goes_with_its_flow_and_the_rest_by_protocol() {
    let report = Report::new(&sample(), &names(), facts(), 10);
    let exposure: Vec<_> = report.exposure.iter().map(|row| (row.posture.name(), row.usage.flows)).collect();
    assert_eq!(
        exposure,
        [
            ("cleartext", 1),
            ("weak", 1),
            ("quantum-vulnerable", 1),
            ("post-quantum", 1),
            ("encrypted", 1),
            ("unknown", 1)
        ]
    );
    assert_eq!(report.total, Usage { flows: 6, packets: 18, bytes: 8021 });
    let protocols: Vec<_> =
        report.protocols.iter().map(|(name, usage)| (name.as_str(), usage.bytes)).collect();
    assert_eq!(protocols, [("http", 5000), ("tls", 3001), ("wireguard", 20)]);
}

#[test]
fn a_page_is_as_wide_as_it_may_be_and_says_everything() {
    let report = Report::new(&sample(), &names(), facts(), 10);
    for width in [48, 60, 80, 120] {
        let text = page(&report, &look(width), 10);
        for line in text.lines() {
            assert!(fits(line, width), "{width}: {line:?}");
        }
        for part in
            ["office.pcap", "http", "YouTube", "10.0.0.2", "post-quantum", "tcp_truncated", "wireguard"]
        {
            assert!(text.contains(part), "{part} at {width}:\n{text}");
        }
        assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    }
    let text = page(&report, &look(80), 10);
    assert!(text.contains("20 received = 17 processed + 2 dropped + 1 held"), "{text}");
    assert!(text.contains("http bad?[2J"), "{text}");
}

#[test]
fn a_count_that_does_not_add_up_is_told() {
    let mut facts = facts();
    facts.counters[2].1 = 5;
    let report = Report::new(&sample(), &names(), facts, 10);
    assert!(page(&report, &look(80), 10).contains("20 received is not 5 processed + 2 dropped + 1 held"));
}

#[test]
fn lists_are_cut_and_say_so() {
    let report = Report::new(&sample(), &names(), facts(), 1);
    let text = page(&report, &look(80), 1);
    assert!(text.contains("2 more"), "{text}");
    assert!(!text.contains("wireguard"), "{text}");
}

#[test]
fn colours_and_blocks_are_for_terminals_that_have_them() {
    let report = Report::new(&sample(), &names(), facts(), 10);
    let rich = Look { width: 80, colours: Colours::Ansi, characters: Characters::Unicode };
    let text = page(&report, &rich, 10);
    assert!(text.contains("\u{1b}[31m") && text.contains('█') && text.contains("café"), "{text}");
}

#[test]
fn the_json_form_holds_the_same_figures() {
    let report = Report::new(&sample(), &names(), facts(), 10);
    let mut out = Vec::new();
    write_json(&report, &mut out).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value["packets"]["received"], 20);
    assert_eq!(value["packets"]["dropped"], 2);
    assert_eq!(value["protocols"][0]["name"], "http");
    assert_eq!(value["exposure"][1]["name"], "weak");
    assert_eq!(value["exposure"][1]["protocols"][0]["name"], "tls");
    assert_eq!(value["talkers"][0]["ip"], "10.0.0.2");
    assert_eq!(value["drops"]["tcp_truncated"], 2);
    assert_eq!(value["events"]["tls"], 3);
    assert_eq!(value["anomalies"]["http bad\u{1b}[2J"], 1);
    assert_eq!(value["captured_seconds"], 2.0);
}

#[test]
fn an_empty_capture_has_a_page_too() {
    let report = Report::new(&Summary::new(), &names(), RunFacts::default(), 10);
    let text = page(&report, &look(80), 10);
    assert!(text.contains("0 received = 0 processed + 0 dropped"), "{text}");
    let mut out = Vec::new();
    write_json(&report, &mut out).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()["first_packet_ns"],
        serde_json::Value::Null
    );
}

#[test]
fn names_of_anomalies_are_bounded() {
    let mut sum = Summary::new();
    let mut batch = RecordBatch::default();
    for number in 0..MAX_NAMES + 10 {
        batch.clear();
        batch.event(0, flow(1, 1, 2), "anomaly").text("event", number.to_string().as_bytes());
        sum.add(&batch);
    }
    assert_eq!((sum.anomalies.by_name.len(), sum.anomalies.beyond), (MAX_NAMES, 10));
}

proptest! {
    #[test]
    fn any_figures_fit_the_page(bytes: [u64; 2], packets: [u64; 2], width in 48..=120_usize, top in 0..20_usize) {
        let mut batch = RecordBatch::default();
        for id in 0..3 {
            let extreme = FlowSummary { packets, bytes, start_ns: u64::MAX, end_ns: 0, ..summary(1, bytes) };
            batch.push_flow(0, flow(id, 1, 2), extreme);
        }
        let mut sum = Summary::new();
        sum.add(&batch);
        let report = Report::new(&sum, &names(), facts(), top);
        for line in page(&report, &look(width), top).lines() {
            prop_assert!(fits(line, width), "{}", line);
        }
    }
}
