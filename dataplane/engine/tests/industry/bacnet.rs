//! BACnet over IP.

use engine::protocols::bacnet::BACNET;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, datagram_flows};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

/// A datagram of a virtual link function.
fn link(function: u8, rest: &str) -> Vec<u8> {
    let rest = hex(rest);
    let length = (4 + rest.len() as u16).to_be_bytes();
    [&[0x81, function], &length[..], &rest].concat()
}

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (ToServer, link(0x0b, "0120ffff00ff 10 08 09 00 1a 03e7")),
        (ToClient, link(0x0a, "0100 10 00 c4 0200007b 22 05c4 91 03 21 0f")),
        (ToServer, link(0x0a, "0104 02 75 01 0c 0c 0040000a 19 55")),
        (ToClient, link(0x0a, "0100 30 01 0c 0c 0040000a 19 55 3e 44 42290000 3f")),
        (ToServer, link(0x0a, "010c 0005 01 63 02 75 02 0f 0c 01000003 19 55 3e 91 01 3f 49 08")),
        (ToClient, link(0x0a, "0100 50 02 0f 91 02 91 28")),
        (ToServer, link(0x0a, "0104 02 75 03 0e 0c 0200007b 1e 09 4d 09 79 1f 0c 00400001 1e 09 55 1f")),
        (ToClient, link(0x0a, "0100 60 03 09")),
        (ToServer, link(0x0a, "0104 00 05 04 14 09 00 1d 06 00 7365637265")),
        (ToClient, link(0x0a, "0100 20 04 14")),
        (ToServer, link(0x0a, "0104 00 05 05 11 09 05 19 01")),
        (ToServer, link(0x05, "003c")),
        (ToClient, link(0x00, "0030")),
        (ToServer, link(0x04, "c0a80001bac0 0120ffff00ff 10 07 3d 05 00 74656d70")),
        (ToServer, link(0x0b, "0180 01 0001 0002")),
    ];
    vec![Sample { protocol: &BACNET, carrier: Carrier::Udp, turns }]
}

#[test]
fn services_are_events_with_what_they_are_about() {
    let outcome = play(&BACNET, Carrier::Udp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("bacnet");
    assert_eq!(
        events[0]["request"],
        json!({
            "function": "original_broadcast_npdu", "destination": {"network": 65535, "station": ""},
            "type": "unconfirmed_request", "service": "who_is", "low_limit": 0, "high_limit": 999,
        })
    );
    assert_eq!(
        events[1]["request"],
        json!({
            "function": "original_unicast_npdu", "type": "unconfirmed_request", "service": "i_am",
            "object_type": "device", "instance": 123, "max_apdu": 1476, "segmentation": "none", "vendor_id": 15,
        })
    );
    assert_eq!(
        events[2]["request"],
        json!({
            "function": "original_unicast_npdu", "type": "confirmed_request", "invoke_id": 1,
            "service": "read_property", "object_type": "analog-output", "instance": 10, "property_id": 85,
            "property": "present-value",
        })
    );
    assert_eq!(events[2]["response"]["type"], "complex_ack");
    let write = &events[3]["request"];
    assert_eq!((&write["source"], &write["value"]), (&json!({"network": 5, "station": "63"}), &json!(1)));
    assert_eq!((&write["object_type"], &write["priority"]), (&json!("binary-output"), &json!(8)));
    assert_eq!(
        (&events[3]["response"]["error_class"], &events[3]["response"]["error_code"]),
        (&json!("property"), &json!(40))
    );
    let objects = &events[4]["request"]["objects"];
    assert_eq!(objects[0]["properties"][0]["property"], "object-name");
    assert_eq!(
        (&objects[0]["properties"][1]["property"], &objects[1]["object_type"]),
        (&json!("vendor-name"), &json!("analog-output"))
    );
    assert_eq!(events[4]["response"]["reason"], "unrecognized_service");
    assert_eq!(
        (&events[5]["request"]["state"], &events[5]["request"]["password_present"]),
        (&json!("coldstart"), &json!(true))
    );
    assert_eq!(events[5]["response"]["type"], "simple_ack");
    assert_eq!(events[6], &json!({"function": "register_foreign_device", "value": 60}));
    assert_eq!(events[7], &json!({"function": "result", "value": 48}));
    assert_eq!(
        (&events[8]["request"]["service"], &events[8]["request"]["object_name"]),
        (&json!("who_has"), &json!("temp"))
    );
    assert_eq!(events[9]["networks"], json!([1, 2]));
    // Not answered.
    assert_eq!(
        (&events[10]["request"]["service"], &events[10]["request"]["duration_minutes"]),
        (&json!("device_communication_control"), &json!(5))
    );
    assert!(!format!("{events:?}").contains("secre"), "passwords must not be written");
}

#[test]
fn contradictions_are_anomalies() {
    let begin = samples()[0].turns[0].clone();
    for (datagram, name) in [
        (hex("810b000c 0120ffff00ff 10"), "malformed_link_unit"),
        (link(0x0a, "0200 10 08"), "malformed_network_unit"),
        (link(0x0a, "0150 10 08"), "malformed_network_unit"),
        (link(0x0a, "0100 18 08"), "malformed_application_unit"),
    ] {
        assert_eq!(play(&BACNET, Carrier::Udp, &[begin.clone(), (ToServer, datagram)]).anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    let right = samples()[0].turns[2].1.clone();
    assert!(is_taken(probe(&BACNET, Carrier::Udp, ToServer, &right)));
    for (at, value) in [(0, 0x80), (1, 0x0d), (2, 1), (3, 18), (4, 2), (5, 0x40), (6, 0x81), (9, 99)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&BACNET, Carrier::Udp, ToServer, &wrong), Found::No, "{at}");
    }
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("bacnet.pcap") else { return };
    let flows = datagram_flows(&BACNET, &file);
    assert!(flows.iter().all(|flow| flow.is_taken));
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("bacnet")).collect();
    for flow in &flows {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("bacnet").len(), flow.outcome.anomalies());
    }
    let Some(rows) = tshark(&file, "bacapp", &["bacapp.type", "bacapp.invoke_id", "bacapp.instance_number"])
    else {
        return;
    };
    let halves: Vec<_> = events
        .iter()
        .flat_map(|event| ["request", "response"].map(|side| &event[side]))
        .filter(|half| !half.is_null())
        .collect();
    assert_eq!(halves.iter().filter(|half| half.get("type").is_some()).count(), column(&rows, 0).len());
    let mut ours: Vec<_> =
        halves.iter().filter_map(|half| half.get("invoke_id")).map(ToString::to_string).collect();
    let mut theirs = column(&rows, 1);
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    let theirs = column(&rows, 2);
    let instances: Vec<_> =
        halves.iter().filter_map(|half| half.get("instance")).map(ToString::to_string).collect();
    assert!(instances.iter().all(|instance| theirs.contains(instance)), "{instances:?} {theirs:?}");
}
