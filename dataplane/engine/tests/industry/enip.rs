//! EtherNet/IP and CIP.

use engine::protocols::enip::ENIP;
use engine::protocols::{Carrier, Found, Then};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

/// An encapsulated message.
fn message(command: u16, context: u8, data: &str) -> Vec<u8> {
    let data = hex(data);
    let mut message = command.to_le_bytes().to_vec();
    message.extend((data.len() as u16).to_le_bytes());
    message.extend([0x2d, 0, 0, 0, 0, 0, 0, 0, context, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.extend(data);
    message
}

/// An unconnected message of CIP.
fn unconnected(context: u8, cip: &str) -> Vec<u8> {
    let length = hex(cip).len() as u8;
    message(0x6f, context, &format!("00000000 0000 0200 0000 0000 b200 {length:02x}00 {cip}"))
}

/// A connected message of CIP.
fn connected(sequence: u8, cip: &str) -> Vec<u8> {
    let length = hex(cip).len() as u8 + 2;
    message(
        0x70,
        0,
        &format!("00000000 0000 0200 a100 0400 11223344 b100 {length:02x}00 {sequence:02x}00 {cip}"),
    )
}

const IDENTITY: &str = "0100 0c00 2e00 0100 0002af12 c0a80a0a 0000000000000000 0100 0e00 4100 0b05 3000 785634120c 31373634 2d 4c52 502f 4220 4c 03";

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (ToServer, message(0x65, 0, "0100 0000")),
        (ToClient, message(0x65, 0, "0100 0000")),
        (ToServer, unconnected(1, "0e 03 20 01 24 01 30 07")),
        (ToClient, unconnected(1, "8e 00 00 00 04 41424344")),
        // Multiple services within an unconnected send, by way of the backplane.
        (
            ToServer,
            unconnected(
                2,
                "52 02 20 06 24 01 0a 05 1a00 0a 02 20 02 24 01 0200 0600 0e00 4c 02 91 02 4142 0100 10 02 20 01 24 01 0100 01 00 01 00",
            ),
        ),
        (ToClient, unconnected(2, "8a 00 1e 00 0200 0600 0c00 cc 00 00 00 c300 90 00 0e 01 ff00")),
        (
            ToServer,
            unconnected(
                3,
                "54 02 20 06 24 01 0a 0e 00000000 01000000 3412 0100 78563412 00000000 00127a00 f443 00127a00 f443 a3 03 01 00 20 02 24 01",
            ),
        ),
        (ToClient, unconnected(3, "d4 00 01 01 1101 3412 0100 78563412 00 00")),
        (
            ToServer,
            [connected(1, "05 02 20 01 24 01"), connected(2, "4d 02 91 02 5858 c300 0100 0500")].concat(),
        ),
        (ToClient, connected(2, "cd 00 00 00")),
        (ToClient, connected(1, "85 00 08 00")),
        (ToServer, message(0x66, 0, "")),
    ];
    let list = vec![(ToServer, message(0x63, 7, "")), (ToClient, message(0x63, 7, IDENTITY))];
    vec![
        Sample { protocol: &ENIP, carrier: Carrier::Tcp, turns },
        Sample { protocol: &ENIP, carrier: Carrier::Udp, turns: list },
    ]
}

#[test]
fn requests_and_responses_are_one_event_in_the_fields_of_suricata() {
    let outcome = play(&ENIP, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("enip");
    assert_eq!(
        events[0]["request"],
        json!({
            "command": "RegisterSession", "status": "Success", "session": 0x2d,
            "register_session": {"protocol_version": 1, "options": 0},
        })
    );
    let cip = &events[1]["request"]["cip"];
    assert_eq!((&cip["service"], &cip["class_name"]), (&json!("Get Attribute Single"), &json!("Identity")));
    assert_eq!(
        cip["path"],
        json!([
            {"segment_type": "class", "value": 1},
            {"segment_type": "instance", "value": 1},
            {"segment_type": "attribute", "value": 7},
        ])
    );
    assert_eq!(events[1]["response"]["cip"]["status"], "Success");
    let embedded = &events[2]["request"]["cip"]["embedded"];
    assert_eq!(
        (&embedded["service"], &embedded["class_name"]),
        (&json!("Multiple Service"), &json!("Message Router"))
    );
    assert_eq!(embedded["multiple"][0]["path"][0], json!({"segment_type": "symbol", "name": "AB"}));
    assert_eq!(embedded["multiple"][1]["service"], "Set Attribute Single");
    let multiple = &events[2]["response"]["cip"]["multiple"];
    assert_eq!(
        (&multiple[0]["service"], &multiple[1]["status"]),
        (&json!("Read Tag"), &json!("Attribute not settable"))
    );
    assert_eq!(multiple[1]["status_extended"], "ff00");
    assert_eq!(events[3]["request"]["cip"]["connection"]["serial"], 0x1234);
    assert_eq!(events[3]["response"]["cip"]["status"], "Connection failure");
    assert_eq!(
        (&events[4]["request"]["cip"]["service"], &events[4]["request"]["connection_id"]),
        (&json!("Write Tag"), &json!(0x4433_2211))
    );
    assert_eq!(events[5]["request"]["cip"]["service"], "Reset");
    assert_eq!(events[5]["response"]["cip"]["status"], "Service not supported");
    assert_eq!(events[6]["request"]["command"], "UnregisterSession");
}

#[test]
fn a_device_says_who_it_is() {
    let outcome = play(&ENIP, Carrier::Udp, &samples()[1].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("enip");
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0]["response"]["identity"],
        json!({
            "protocol_version": 1, "ip": "192.168.10.10", "port": 44818, "revision_major": 11, "revision_minor": 5,
            "vendor_id": 1, "vendor": "Rockwell Automation/Allen-Bradley", "device_type_id": 14,
            "device_type": "Programmable Logic Controller", "product_code": 65, "status": 48, "serial": 0x1234_5678,
            "product_name": "1764-LRP/B L", "state": 3,
        })
    );
}

#[test]
fn cyclic_data_is_told_once() {
    let datagram = hex("0200 0280 0800 11223344 01000000 b100 0600 0100 aabbccdd");
    assert!(is_taken(probe(&ENIP, Carrier::Udp, ToServer, &datagram)));
    assert!(!is_taken(probe(&ENIP, Carrier::Tcp, ToServer, &datagram)));
    let outcome = play(&ENIP, Carrier::Udp, &[(ToServer, datagram.clone()), (ToServer, datagram)]);
    assert_eq!(outcome.of("enip"), [&json!({"type": "cyclic_data", "connection_id": 0x4433_2211})]);
    assert_eq!(outcome.ending, Some(Then::Done));
}

#[test]
fn contradictions_are_anomalies() {
    let begin = (ToServer, message(0x65, 0, "0100 0000"));
    let mut options = message(0x66, 0, "");
    options[20] = 1;
    for (turn, name) in [
        ((ToClient, unconnected(9, "8e 00 00 00")), "unsolicited_response"),
        ((ToServer, message(0x6f, 0, "00000000 0000 0200 0000 0000 b200 0900 00")), "malformed_items"),
        ((ToServer, options), "invalid_header"),
        ((ToServer, message(0x99, 0, "")), "unknown_command"),
    ] {
        let outcome = play(&ENIP, Carrier::Tcp, &[begin.clone(), turn]);
        assert_eq!(outcome.anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    let right = unconnected(1, "0e 03 20 01 24 01 30 07");
    for (at, value) in
        [(0, 0x68), (1, 1), (2, 9), (8, 2), (11, 1), (20, 1), (24, 1), (30, 3), (32, 1), (38, 5)]
    {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert!(!is_taken(probe(&ENIP, Carrier::Tcp, ToServer, &wrong)) || (at, value) == (8, 2), "{at}");
    }
    assert_eq!(probe(&ENIP, Carrier::Udp, ToServer, &[0; 24]), Found::Yes);
    assert_eq!(probe(&ENIP, Carrier::Tcp, ToServer, &[0; 24]), Found::No);
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("ethernetIP.pcap") else { return };
    let flows = connections(&ENIP, &file);
    eprintln!("{} of {} flows taken", flows.iter().filter(|flow| flow.is_taken).count(), flows.len());
    for flow in &flows {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("enip").len(), flow.outcome.anomalies());
    }
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("enip")).collect();
    let halves: Vec<_> = events
        .iter()
        .flat_map(|event| ["request", "response"].map(|side| &event[side]))
        .filter(|half| !half.is_null())
        .collect();
    let Some(rows) = tshark(&file, "enip", &["enip.command", "cip.service", "cip.genstat"]) else { return };
    assert_eq!(halves.len(), column(&rows, 0).len());
    let mut services = Vec::new();
    for half in &halves {
        let response = if half["cip"].get("status").is_some() { 0x80 } else { 0 };
        let mut waiting = vec![&half["cip"]];
        while let Some(cip) = waiting.pop() {
            if let Some(code) = cip.get("service_code") {
                services.push(format!("0x{:02x}", code.as_u64().unwrap() | response));
                waiting.extend(cip["multiple"].as_array().into_iter().flatten());
                waiting.push(&cip["embedded"]);
            }
        }
    }
    let mut theirs = column(&rows, 1);
    services.sort();
    theirs.sort();
    assert_eq!(services, theirs);
}
