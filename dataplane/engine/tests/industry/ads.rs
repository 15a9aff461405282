//! Beckhoff ADS.

use engine::protocols::ads::ADS;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

fn message(command: u8, flags: u8, invoke: u8, data: &str) -> Vec<u8> {
    let data = hex(data);
    let length = data.len() as u32;
    let mut message = vec![0, 0];
    message.extend((32 + length).to_le_bytes());
    let ends = ["05182590 0101 5303", "0a00000a 0101 1b80"];
    let (target, source) = if flags & 1 == 0 { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
    message.extend(hex(target));
    message.extend(hex(source));
    message.extend([command, 0, flags, 0]);
    message.extend(length.to_le_bytes());
    message.extend([0, 0, 0, 0, invoke, 0, 0, 0]);
    message.extend(data);
    message
}

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (ToServer, message(1, 4, 1, "")),
        (ToClient, message(1, 5, 1, "00000000 03 01 b80f 54434154 504c4320 53657276 65720000")),
        (ToServer, message(9, 4, 2, "03f00000 00000000 04000000 09000000 4d41494e2e6e5800 00")),
        (ToServer, message(5, 4, 3, "0600 0000 00000000")),
        (ToClient, message(9, 5, 2, "00000000 04000000 01000040")),
        (ToClient, message(8, 4, 0, "00000000 00000000")),
        (ToServer, message(3, 4, 4, "20400000 0a000000 02000000 1234")),
        (ToClient, message(3, 5, 4, "03070000")),
    ];
    vec![Sample { protocol: &ADS, carrier: Carrier::Tcp, turns }]
}

#[test]
fn commands_are_events() {
    let outcome = play(&ADS, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("ads");
    assert_eq!(
        events[0],
        &json!({
            "id": 1, "target": "5.24.37.144.1.1", "target_port": 851, "source": "10.0.0.10.1.1", "source_port": 32795,
            "invoke_id": 1, "command": "ReadDeviceInfo", "request": {},
            "response": {"result": 0, "major": 3, "minor": 1, "build": 4024, "device": "TCATPLC Server"},
        })
    );
    assert_eq!(
        (&events[1]["request"]["symbol"], &events[1]["request"]["index_group_name"]),
        (&json!("MAIN.nX"), &json!("symbol_handle_by_name"))
    );
    assert_eq!(events[2]["response"]["result"], 0x703);
    assert_eq!(events[3]["request"]["ads_state"], "Stop");
    assert_eq!(events[4], &json!({"command": "DeviceNotification", "count": 1}));
}

#[test]
fn near_misses_are_refused_and_contradictions_anomalies() {
    let right = message(4, 4, 1, "");
    assert!(is_taken(probe(&ADS, Carrier::Tcp, ToServer, &right)));
    for (at, value) in [(0, 1), (2, 33), (4, 1), (22, 10), (24, 6), (26, 1)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&ADS, Carrier::Tcp, ToServer, &wrong), Found::No, "{at}");
    }
    let outcome =
        play(&ADS, Carrier::Tcp, &[(ToServer, right), (ToClient, message(4, 5, 9, "00000000 0500 0000"))]);
    assert_eq!(outcome.anomalies(), ["unsolicited_response"]);
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("beckhoff_ads.pcapng") else { return };
    let flows = connections(&ADS, &file);
    assert!(flows.iter().all(|flow| flow.is_taken));
    let Some(rows) = tshark(&file, "ams", &["ams.cmdid", "ams.invokeid"]) else { return };
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("ads")).collect();
    let halves: usize = events
        .iter()
        .map(|event| ["request", "response"].iter().filter(|side| event.get(**side).is_some()).count())
        .sum();
    let notifications: u64 = events.iter().filter_map(|event| event["count"].as_u64()).sum();
    let theirs = column(&rows, 0);
    eprintln!("{halves} halves, {notifications} notifications of {}", theirs.len());
    assert_eq!(halves + notifications as usize, theirs.len());
}
