use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
#[expect(clippy::disallowed_types, reason = "a test, not a packet core")]
use std::sync::Mutex;

use engine::protocols::{Exposure, Family};
use engine::record::{Datum, EndReason, EventWriter, FlowIdentity, FlowState, FlowSummary, TunnelIdentity};
use engine::{Classification, Evidence, ProtocolName, ServiceBasis, Tier};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::{FlowKey, KeyKind, Scope, TunnelKind};

use super::*;

/// What was written, to be looked at while the exporter lives.
#[derive(Clone, Debug, Default)]
#[expect(clippy::disallowed_types, reason = "a test, not a packet core")]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn lines(options: &EveOptions, fill: impl FnOnce(&mut EveExporter)) -> Vec<String> {
    let shared = Shared::default();
    let mut exporter = EveExporter::new(Sink::writer(shared.clone(), "memory".to_owned()), options);
    fill(&mut exporter);
    exporter.flush().unwrap();
    let bytes = shared.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(exporter.tally().lines, text.lines().count() as u64);
    text.lines().map(str::to_owned).collect()
}

fn one_line(batch: &RecordBatch) -> String {
    let mut lines = lines(&EveOptions::default(), |exporter| exporter.export(batch, &names()).unwrap());
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

fn names() -> Names {
    let mut names = Names::default();
    let exposure = Exposure::Negotiated;
    let title = "TLS".into();
    names.add_protocol(ProtocolName { name: "tls".into(), title, family: Family::Crypto, exposure }).unwrap();
    names.add_service("YouTube").unwrap();
    names.add_signature("tls-hello").unwrap();
    names.add_interface("eth0").unwrap();
    names
}

fn identity(protocol: u8, client: (&str, u16), server: (&str, u16)) -> FlowIdentity {
    let wide = |address: &str| match address.parse().unwrap() {
        IpAddr::V4(v4) => (KeyKind::Ipv4, FlowKey::from_ipv4(v4.octets())),
        IpAddr::V6(v6) => (KeyKind::Ipv6, FlowKey::from_ipv6(v6.octets())),
    };
    let ((kind, from), (_, to)) = (wide(client.0), wide(server.0));
    let (key, side) = FlowKey::new(kind, protocol, (from, client.1), (to, server.1), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1234, key, client: side, interface: 0, vlans: [0; 2], icmp: None, tunnel }
}

const START: u64 = 1_795_238_040_123_456_789;

fn summary() -> FlowSummary {
    FlowSummary {
        packets: [12, 10],
        bytes: [1400, 9000],
        start_ns: START,
        end_ns: START + 61_999_999_999,
        state: FlowState::Closed,
        reason: EndReason::Closed,
        tcp_flags: Some([0x1a, 0x1b]),
        midstream: false,
        gaps: false,
        class: Classification {
            protocol: engine::ProtocolId(1),
            service: engine::ServiceId(1),
            confidence: 97,
            tier: Tier::Signature,
            evidence: Evidence { offset: 5, packet: 4, ..Evidence::default() },
        },
    }
}

#[test]
fn a_tcp_flow_reads_as_suricata_writes_it() {
    let mut batch = RecordBatch::default();
    let mut flow = identity(6, ("192.168.1.10", 51000), ("203.0.113.5", 443));
    flow.vlans = [100, 20];
    batch.push_flow(START + 62_000_000_000, flow, summary());
    let golden = concat!(
        r#"{"timestamp":"2026-11-21T05:15:02.123456+0000","flow_id":1234,"in_iface":"eth0","event_type":"flow","#,
        r#""vlan":[100,20],"src_ip":"192.168.1.10","src_port":51000,"dest_ip":"203.0.113.5","dest_port":443,"#,
        r#""proto":"TCP","app_proto":"tls","app_service":"YouTube","app_confidence":97,"#,
        r#""app_evidence":{"tier":"signature","signature":"tls-hello","packet":4,"offset":5},"#,
        r#""flow":{"pkts_toserver":12,"pkts_toclient":10,"bytes_toserver":1400,"bytes_toclient":9000,"#,
        r#""start":"2026-11-21T05:14:00.123456+0000","end":"2026-11-21T05:15:02.123456+0000","age":61,"#,
        r#""state":"closed","reason":"closed","alerted":false},"#,
        r#""tcp":{"tcp_flags":"1b","tcp_flags_ts":"1a","tcp_flags_tc":"1b","#,
        r#""syn":true,"fin":true,"psh":true,"ack":true,"state":"closed"}}"#,
    );
    let golden: Value = serde_json::from_str(golden).unwrap();
    let line = one_line(&batch);
    let mut value: Value = serde_json::from_str(&line).unwrap();
    // The hash has its own test vectors.
    assert!(value.as_object_mut().unwrap().remove("community_id").is_some());
    assert_eq!(value, golden, "{line}");
    let order: Vec<&str> =
        ["timestamp", "flow_id", "event_type", "src_ip", "proto", "app_proto", "flow", "tcp"].to_vec();
    let positions: Vec<_> = order.iter().map(|name| line.find(&format!("\"{name}\":")).unwrap()).collect();
    assert!(positions.is_sorted(), "{line}");
}

#[test]
fn a_guess_names_its_port_and_a_service_what_told_it() {
    let evidence_of = |class: Classification| {
        let mut batch = RecordBatch::default();
        let flow = identity(6, ("192.168.1.10", 51000), ("203.0.113.5", 443));
        batch.push_flow(0, flow, FlowSummary { class, ..summary() });
        let value: Value = serde_json::from_str(&one_line(&batch)).unwrap();
        (value.get("app_proto").cloned(), value["app_evidence"].clone())
    };
    let evidence = Evidence { offset: 443, service: ServiceBasis::Address, ..Evidence::default() };
    let guess = Classification { tier: Tier::Guess, confidence: 20, evidence, ..summary().class };
    let wanted = serde_json::json!({"tier": "guess", "port": 443, "service": "address"});
    assert_eq!(evidence_of(guess), (Some("tls".into()), wanted));
    let service_alone = Classification {
        service: engine::ServiceId(1),
        evidence: Evidence { service: ServiceBasis::Address, ..Evidence::default() },
        ..Classification::default()
    };
    assert_eq!(evidence_of(service_alone), (None, serde_json::json!({"tier": "none", "service": "address"})));
}

#[test]
fn unknown_flows_say_nothing_about_an_application() {
    let mut batch = RecordBatch::default();
    let flow = FlowIdentity { interface: 9, ..identity(17, ("2001:db8::1", 5), ("2001:db8::2", 6)) };
    let class = Classification::default();
    batch.push_flow(
        0,
        flow,
        FlowSummary { class, tcp_flags: None, midstream: true, gaps: true, ..summary() },
    );
    let value: Value = serde_json::from_str(&one_line(&batch)).unwrap();
    for absent in
        ["app_proto", "app_service", "app_confidence", "app_evidence", "tcp", "vlan", "in_iface", "tunnel"]
    {
        assert_eq!(value.get(absent), None, "{absent}");
    }
    assert_eq!(value["proto"], "UDP");
    assert_eq!((&value["flow"]["midstream"], &value["flow"]["gaps"]), (&json!(true), &json!(true)));
}

#[test]
fn protocols_are_named_or_numbered_and_only_some_have_ports() {
    for (number, name, ports) in [
        (6, "TCP", true),
        (17, "UDP", true),
        (132, "SCTP", true),
        (1, "ICMP", false),
        (58, "ICMPv6", false),
        (2, "IGMP", false),
        (50, "ESP", false),
        (51, "AH", false),
        (103, "PIM", false),
        (112, "VRRP", false),
        (113, "PGM", false),
        (88, "88", false),
        (254, "254", false),
    ] {
        let mut batch = RecordBatch::default();
        let mut flow = identity(number, ("192.0.2.1", 0), ("192.0.2.2", 0));
        flow.icmp = (name == "ICMP").then_some((3, 1));
        batch.push_flow(0, flow, summary());
        let value: Value = serde_json::from_str(&one_line(&batch)).unwrap();
        assert_eq!(value["proto"], name);
        assert_eq!(value.get("src_port").is_some(), ports, "{name}");
        assert_eq!(value.get("icmp_type"), flow.icmp.map(|_| json!(3)).as_ref());
        assert_eq!(value.get("icmp_code"), flow.icmp.map(|_| json!(1)).as_ref());
    }
}

#[test]
fn flows_without_ip_are_told_by_their_mac_addresses() {
    for (number, name) in [(0x88cc, "LLDP"), (0x0806, "ARP"), (0x1234, "0x1234")] {
        let (from, to) =
            (FlowKey::from_mac([2, 0, 0, 0, 0, 1]), FlowKey::from_mac([1, 0x80, 0xc2, 0, 0, 0x0e]));
        let (key, client) =
            FlowKey::new(KeyKind::Ethernet, 0, (from, number), (to, number), Scope::default());
        let flow = FlowIdentity { key, client, ..identity(6, ("192.0.2.1", 1), ("192.0.2.2", 2)) };
        let mut batch = RecordBatch::default();
        batch.push_flow(0, flow, FlowSummary { tcp_flags: None, ..summary() });
        let value: Value = serde_json::from_str(&one_line(&batch)).unwrap();
        let ether =
            json!({"src_mac": "02:00:00:00:00:01", "dest_mac": "01:80:c2:00:00:0e", "ether_type": number});
        assert_eq!((&value["ether"], &value["proto"]), (&ether, &json!(name)));
        assert_eq!((value.get("src_ip"), value.get("community_id")), (None, None));
    }
}

#[test]
fn a_tunnel_is_named_with_its_ends() {
    let mut batch = RecordBatch::default();
    let mut flow = identity(6, ("192.0.2.1", 1), ("192.0.2.2", 2));
    let outer = Some(("198.51.100.1".parse().unwrap(), "2001:db8::9".parse().unwrap()));
    flow.tunnel = TunnelIdentity { kind: TunnelKind::Vxlan, depth: 2, id: 5000, outer };
    batch.push_flow(0, flow, summary());
    let value: Value = serde_json::from_str(&one_line(&batch)).unwrap();
    let tunnel =
        json!({"kind": "vxlan", "id": 5000, "depth": 2, "src_ip": "198.51.100.1", "dest_ip": "2001:db8::9"});
    assert_eq!(value["tunnel"], tunnel);
}

#[test]
fn an_event_is_an_object_of_its_type_from_flattened_items() {
    let mut batch = RecordBatch::default();
    batch
        .event(START, identity(6, ("192.0.2.1", 1), ("192.0.2.2", 443)), "tls")
        .text("sni", b"www.example.org")
        .label("version", "TLS 1.3")
        .number("port", 443_u16)
        .flag("resumed", false)
        .hex("session", &[0xde, 0xad])
        .datum("offset", Datum::Signed(-5))
        .datum("ratio", Datum::Real(0.5))
        .datum("nan", Datum::Real(f64::NAN))
        .datum("at", Datum::Time(START))
        .datum("peer", Datum::Ip("2001:db8::1".parse().unwrap()))
        .object("crypto")
        .label("class", "weak")
        .list("groups")
        .number("", 29_u16)
        .object("")
        .label("name", "x25519")
        .close()
        .list("")
        .close()
        .close()
        .close()
        .list("left open")
        .object("");
    let value: Value = serde_json::from_str(&one_line(&batch)).unwrap();
    let expected = json!({
        "sni": "www.example.org", "version": "TLS 1.3", "port": 443, "resumed": false, "session": "dead",
        "offset": -5, "ratio": 0.5, "nan": null, "at": "2026-11-21T05:14:00.123456+0000", "peer": "2001:db8::1",
        "crypto": {"class": "weak", "groups": [29, {"name": "x25519"}, []]}, "left open": [{}],
    });
    assert_eq!(value["tls"], expected);
    assert_eq!((&value["event_type"], &value["dest_port"]), (&json!("tls"), &json!(443)));
}

#[test]
fn options_change_the_zone_and_the_hash() {
    let mut batch = RecordBatch::default();
    batch.push_flow(0, identity(17, ("192.168.1.52", 54585), ("8.8.8.8", 53)), summary());
    let id = |community_id| {
        let options = EveOptions { community_id, ..EveOptions::default() };
        let lines = lines(&options, |exporter| exporter.export(&batch, &names()).unwrap());
        serde_json::from_str::<Value>(&lines[0]).unwrap().get("community_id").cloned()
    };
    assert_eq!(id(Some(0)), Some(json!("1:d/FP5EW3wiY1vCndhwleRRKHowQ=")));
    assert_eq!(id(Some(1)), Some(json!("1:Q9We8WO3piVF8yEQBNJF4uiSVrI=")));
    assert_eq!(id(None), None);
}

#[test]
fn only_the_wanted_types_are_written() {
    let flow = identity(6, ("192.0.2.1", 1), ("192.0.2.2", 443));
    let mut batch = RecordBatch::default();
    batch.event(0, flow, "tls").label("sni", "a");
    batch.event(0, flow, "dns").label("rrname", "b");
    batch.push_flow(0, flow, summary());
    let options = EveOptions { types: vec!["dns".to_owned(), "flow".to_owned()], ..EveOptions::default() };
    let lines = lines(&options, |exporter| {
        exporter.export(&batch, &names()).unwrap();
        exporter.stats(0, &[("uptime", 1)]).unwrap();
    });
    let kind = |line: &String| serde_json::from_str::<Value>(line).unwrap()["event_type"].clone();
    assert_eq!(lines.iter().map(kind).collect::<Vec<_>>(), ["dns", "flow"]);
}

#[test]
fn stats_are_one_object_grouped_by_dots() {
    let counters = [("capture.packets", 5), ("uptime", 1), ("capture.drops.full", 2)];
    let lines = lines(&EveOptions::default(), |exporter| exporter.stats(START, &counters).unwrap());
    let value: Value = serde_json::from_str(&lines[0]).unwrap();
    let expected = json!({
        "timestamp": "2026-11-21T05:14:00.123456+0000", "event_type": "stats",
        "stats": {"capture": {"packets": 5, "drops": {"full": 2}}, "uptime": 1},
    });
    assert_eq!(value, expected);
}

#[test]
fn more_than_a_buffer_of_records_comes_out_whole_and_in_order() {
    let lines = lines(&EveOptions::default(), |exporter| {
        for round in 0..10 {
            let mut batch = RecordBatch::default();
            for id in 0..500 {
                let flow =
                    FlowIdentity { id: round * 500 + id, ..identity(6, ("192.0.2.1", 1), ("192.0.2.2", 2)) };
                batch.push_flow(0, flow, summary());
            }
            exporter.export(&batch, &names()).unwrap();
        }
    });
    let ids: Vec<u64> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["flow_id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, (0..5000).collect::<Vec<_>>());
}

#[derive(Clone, Debug)]
enum Step {
    Text(&'static str, Vec<u8>),
    Hex(&'static str, Vec<u8>),
    Plain(&'static str, Datum),
    Object(&'static str),
    List(&'static str),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || prop::sample::select(vec!["", "a", "b", "client_version", "ja3"]);
    let text = prop::sample::select(vec!["", "plain", "quo\"te", "back\\slash", "\u{1}", "\u{2028}"]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let plain = prop_oneof![
        any::<u64>().prop_map(Datum::Unsigned),
        any::<i64>().prop_map(Datum::Signed),
        any::<f64>().prop_map(Datum::Real),
        any::<bool>().prop_map(Datum::Flag),
        any::<IpAddr>().prop_map(Datum::Ip),
        any::<u64>().prop_map(Datum::Time),
        text.prop_map(Datum::Static),
    ];
    let step = prop_oneof![
        3 => (name(), bytes()).prop_map(|(name, bytes)| Step::Text(name, bytes)),
        1 => (name(), bytes()).prop_map(|(name, bytes)| Step::Hex(name, bytes)),
        3 => (name(), plain).prop_map(|(name, datum)| Step::Plain(name, datum)),
        1 => name().prop_map(Step::Object),
        1 => name().prop_map(Step::List),
        2 => Just(Step::Close),
    ];
    prop::collection::vec(step, 0..60)
}

fn write(event: &mut EventWriter<'_>, step: &Step) {
    match step {
        Step::Text(name, bytes) => event.text(name, bytes),
        Step::Hex(name, bytes) => event.hex(name, bytes),
        Step::Plain(name, datum) => event.datum(name, *datum),
        Step::Object(name) => event.object(name),
        Step::List(name) => event.list(name),
        Step::Close => event.close(),
    };
}

proptest! {
    #[test]
    fn any_items_make_valid_json(steps in steps(), timestamp: u64, id: u64, protocol: u8, flags: [u8; 2]) {
        let mut batch = RecordBatch::default();
        let flow = FlowIdentity { id, icmp: Some((8, 0)), ..identity(protocol, ("192.0.2.1", 1), ("192.0.2.2", 2)) };
        let mut event = batch.event(timestamp, flow, "any");
        for step in &steps {
            write(&mut event, step);
        }
        drop(event);
        let end_ns = timestamp;
        batch.push_flow(timestamp, flow, FlowSummary { tcp_flags: Some(flags), end_ns, ..summary() });
        let lines = lines(&EveOptions::default(), |exporter| exporter.export(&batch, &names()).unwrap());
        prop_assert_eq!(lines.len(), 2);
        for line in lines {
            prop_assert!(serde_json::from_str::<Value>(&line).is_ok(), "{}", line);
        }
    }
}
