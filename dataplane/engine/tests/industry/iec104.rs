//! IEC 60870-5-104: frames, sequence numbers, application units.

use engine::protocols::iec104::IEC104;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (ToServer, hex("68 04 07 00 00 00")),
        (ToClient, hex("68 04 0b 00 00 00")),
        (ToServer, hex("68 0e 0000 0000 64 01 06 00 0100 000000 14")),
        (
            ToClient,
            hex(
                "68 0e 0000 0200 64 01 07 00 0100 000000 14  68 15 0200 0200 1e 01 03 00 0100 630000 01 12e7130d260311",
            ),
        ),
        (ToClient, hex("68 12 0400 0200 0d 01 03 00 0100 010700 0000c03f 91  68 04 43 00 00 00")),
        (ToClient, hex("68 11 0600 0200 01 84 14 00 0100 640000 01 00 81 00")),
        (ToServer, hex("68 04 0100 0800")),
        (ToServer, hex("68 0e 0200 0800 2d 01 06 00 0100 881300 81")),
        (ToClient, hex("68 0e 0800 0400 2d 01 47 00 0100 881300 81")),
        (ToServer, hex("68 04 83 00 00 00")),
    ];
    vec![Sample { protocol: &IEC104, carrier: Carrier::Tcp, turns }]
}

#[test]
fn units_are_events() {
    let outcome = play(&IEC104, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("iec104");
    assert_eq!(events[0], &json!({"type": "U", "function": "STARTDT_ACT"}));
    assert_eq!(
        events[2],
        &json!({
            "type": "I", "send_sequence": 0, "receive_sequence": 0,
            "asdu": {
                "type_id": 100, "type": "C_IC_NA_1", "sequence": false, "count": 1, "cause_id": 6, "cause": "activation",
                "negative": false, "test": false, "originator": 0, "common_address": 1,
                "objects": [{"address": 0, "qualifier": 20}],
            },
        })
    );
    let spontaneous = &events[4]["asdu"]["objects"][0];
    assert_eq!((&spontaneous["address"], &spontaneous["value"]), (&json!(99), &json!(1)));
    assert_eq!(spontaneous["time"].as_u64(), Some((1_488_806_340_000 + 59_154) * 1_000_000));
    assert_eq!(
        events[5]["asdu"]["objects"][0],
        json!({"address": 0x701, "value": 1.5, "quality": ["overflow", "blocked", "invalid"]})
    );
    let points = &events[7]["asdu"]["objects"];
    assert_eq!(points[3]["address"], 103);
    assert_eq!(points[2], json!({"address": 102, "value": 1, "quality": ["invalid"]}));
    assert_eq!(
        events[8]["asdu"]["objects"][0],
        json!({"address": 5000, "value": 1, "qualifier": 0, "select": true})
    );
    assert_eq!(
        (&events[9]["asdu"]["negative"], &events[9]["asdu"]["cause"]),
        (&json!(true), &json!("activation_confirmation"))
    );
}

#[test]
fn contradictions_are_anomalies() {
    let begin = (ToServer, hex("68 0e 0000 0000 64 01 06 00 0100 000000 14"));
    for (turn, name) in [
        ("68 0e 0400 0000 64 01 06 00 0100 000000 14", "sequence_mismatch"),
        ("68 0e 0200 0000 64 02 06 00 0100 000000 14", "malformed_asdu"),
        ("68 0e 0200 0000 ff 01 06 00 0100 000000 14", "unknown_type"),
        ("68 0e 0200 0000 64 01 3f 00 0100 000000 14", "unknown_cause"),
        ("68 04 17 00 00 00", "invalid_control_field"),
        ("68 03 07 00 00 00", "invalid_length"),
        ("67 04 07 00 00 00", "invalid_start"),
    ] {
        let outcome = play(&IEC104, Carrier::Tcp, &[begin.clone(), (ToServer, hex(turn))]);
        assert_eq!(outcome.anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    for payload in [
        "68 04 17 00 00 00",
        "68 04 07 00 01 00",
        "68 05 07 00 00 00 00",
        "68 0e 0000 0100 64 01 06 00 0100 000000 14",
        "68 0e 0000 0000 00 01 06 00 0100 000000 14",
        "68 0e 0000 0000 64 01 00 00 0100 000000 14",
        "68 0f 0000 0000 64 01 06 00 0100 000000 14 00",
        "68 04 07 00 00 00 69",
    ] {
        assert_eq!(probe(&IEC104, Carrier::Tcp, ToServer, &hex(payload)), Found::No, "{payload}");
    }
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("IEC104.pcap") else { return };
    let flows = connections(&IEC104, &file);
    assert!(flows.iter().all(|flow| flow.is_taken));
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("iec104")).collect();
    for flow in &flows {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("iec104").len(), flow.outcome.anomalies());
    }
    let fields = ["iec60870_asdu.typeid", "iec60870_asdu.causetx", "iec60870_asdu.ioa"];
    let Some(rows) = tshark(&file, "iec60870_asdu", &fields) else { return };
    for (at, path) in ["type_id", "cause_id"].into_iter().enumerate() {
        let mut ours: Vec<_> =
            events.iter().filter_map(|event| event["asdu"].get(path)).map(ToString::to_string).collect();
        let mut theirs = column(&rows, at);
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{path}");
    }
    let objects = events.iter().filter_map(|event| event["asdu"]["objects"].as_array()).flatten();
    let ours: Vec<_> = objects.map(|object| object["address"].to_string()).collect();
    let theirs = column(&rows, 2);
    assert!(theirs.iter().all(|address| ours.contains(address)), "{ours:?} {theirs:?}");
}
