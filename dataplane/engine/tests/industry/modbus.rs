//! Modbus over TCP and in the serial line's framing.

use engine::protocols::modbus::MODBUS;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

pub(crate) fn samples() -> Vec<Sample> {
    let tcp = vec![
        (ToServer, hex("0001 0000 0006 01 03 0000 000a")),
        (ToClient, hex("0001 0000 0017 01 03 14 2d9f20d0fe16f4cff2f8958e4daa6dab9580c7fb")),
        (ToServer, hex("0002 0000 000b 01 10 0000 0002 04 0a010203  0003 0000 0006 01 01 0013 0013")),
        (ToClient, hex("0003 0000 0003 01 81 02")),
        (ToClient, hex("0002 0000 0006 01 10 0000 0002")),
        (ToServer, hex("0004 0000 0005 ff 2b 0e 01 00")),
        (ToClient, hex("0004 0000 0016 ff 2b 0e 01 01 00 00 02 00 04 41636d65 01 06 504c432d3432")),
        (ToServer, hex("0005 0000 0006 01 05 00ac ff00")),
        (ToServer, hex("0006 0000 0004 01 5a 00 41")),
    ];
    let serial = vec![
        (ToServer, hex("01 03 0000 000a c5cd")),
        (ToClient, hex("01 83 02 c0f1")),
        (ToServer, hex("11 06 0001 0003 9a9b")),
        (ToClient, hex("11 06 0001 0003 9a9b")),
    ];
    [tcp, serial].map(|turns| Sample { protocol: &MODBUS, carrier: Carrier::Tcp, turns }).into()
}

#[test]
fn a_transaction_is_one_event_in_the_fields_of_suricata() {
    let outcome = play(&MODBUS, Carrier::Tcp, &samples()[0].turns);
    let events = outcome.of("modbus");
    assert_eq!(outcome.anomalies(), [""; 0]);
    assert_eq!(
        events[0],
        &json!({
            "id": 1,
            "request": {
                "transaction_id": 1, "protocol_id": 0, "unit_id": 1, "function_raw": 3,
                "function_code": "RdHoldRegs", "access_type": "READ | HOLDING", "category": "PUBLIC_ASSIGNED",
                "error_flags": "NONE", "read": {"address": 0, "quantity": 10},
            },
            "response": {
                "transaction_id": 1, "protocol_id": 0, "unit_id": 1, "function_raw": 3,
                "function_code": "RdHoldRegs", "access_type": "READ | HOLDING", "category": "PUBLIC_ASSIGNED",
                "error_flags": "NONE", "read": {"data": "2d9f20d0fe16f4cff2f8958e4daa6dab9580c7fb"},
            },
        })
    );
    // Answered out of order.
    assert_eq!((&events[1]["id"], &events[2]["id"]), (&json!(3), &json!(2)));
    assert_eq!(events[1]["response"]["exception"], json!({"raw": 2, "code": "IllegalDataAddr"}));
    assert_eq!(events[2]["request"]["write"], json!({"address": 0, "quantity": 2, "data": "0a010203"}));
    assert_eq!(events[2]["response"]["write"], json!({"address": 0, "quantity": 2}));
    let objects = &events[3]["response"]["mei"]["objects"];
    assert_eq!(objects[0], json!({"id": 0, "name": "vendor_name", "value": "Acme"}));
    assert_eq!(objects[1]["value"], "PLC-42");
    // Never answered: written at the end.
    assert_eq!(events[4]["request"]["write"], json!({"address": 0xac, "data": 0xff00}));
    assert_eq!(events[5]["request"]["umas"]["code"], "STOP_PLC");
    assert!(events[5].get("response").is_none());
}

#[test]
fn the_serial_lines_framing_is_read_and_its_checksum_kept_to() {
    let mut turns = samples().remove(1).turns;
    let outcome = play(&MODBUS, Carrier::Tcp, &turns);
    let events = outcome.of("modbus");
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["framing"], &events[0]["request"]["unit_id"]), (&json!("rtu"), &json!(1)));
    assert_eq!(events[0]["response"]["exception"]["code"], "IllegalDataAddr");
    assert_eq!(events[1]["response"]["write"], json!({"address": 1, "data": 3}));
    *turns[2].1.last_mut().unwrap() ^= 1;
    assert_eq!(play(&MODBUS, Carrier::Tcp, &turns).anomalies()[0], "invalid_crc");
}

#[test]
fn contradictions_are_anomalies() {
    let begin = (ToServer, hex("0001 0000 0006 01 03 0000 000a"));
    for (turn, name) in [
        ((ToClient, hex("0009 0000 0003 01 83 02")), "unsolicited_response"),
        ((ToClient, hex("0001 0000 0005 01 03 02 0000")), "value_mismatch"),
        ((ToClient, hex("0001 0000 0003 01 83 63")), "invalid_exception_code"),
        ((ToServer, hex("0002 0000 0006 01 03 0000 ffff")), "invalid_value"),
        ((ToServer, hex("0002 0000 0007 01 03 0000 0001 00")), "invalid_length"),
        ((ToServer, hex("0002 0000 0002 01 00")), "invalid_function_code"),
        ((ToServer, hex("0002 0001 0006 01 03 0000 0001")), "invalid_protocol_id"),
        ((ToServer, hex("0002 0000 0001 01 03 0000 0001")), "invalid_length"),
    ] {
        let outcome = play(&MODBUS, Carrier::Tcp, &[begin.clone(), turn]);
        assert_eq!(outcome.anomalies(), [name]);
    }
}

#[test]
fn what_is_not_modbus_is_refused_and_a_flood_is_bounded() {
    for (payload, why) in [
        ("0001 0000 0006 01 63 00", "cut"),
        ("0001 0001 0006 01 03 0000 000a", "another protocol"),
        ("0001 0000 0006 01 03 0000 0000", "nothing to read"),
        ("0001 0000 0007 01 03 0000 000a 00", "too long"),
        ("0001 0000 0002 01 83", "an exception as a request"),
    ] {
        let found = probe(&MODBUS, Carrier::Tcp, ToServer, &hex(payload));
        assert!(!is_taken(found), "{why}");
    }
    assert_eq!(probe(&MODBUS, Carrier::Udp, ToServer, &hex("0001 0000 0006 01 03 0000")), Found::No);
    let requests: Vec<_> = (0..200_u8)
        .map(|id| (ToServer, [&[0, id], &hex("0000 0006 01 03 0000 000a")[..]].concat()))
        .collect();
    let outcome = play(&MODBUS, Carrier::Tcp, &requests);
    assert_eq!(outcome.of("modbus").len(), 200);
    assert_eq!(outcome.anomalies(), ["flooded"; 16]);
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("modbus.pcap") else { return };
    let flows = connections(&MODBUS, &file);
    assert!(flows.iter().all(|flow| flow.is_taken));
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("modbus")).collect();
    eprintln!("{} transactions, anomalies {:?}", events.len(), flows[0].outcome.anomalies());
    let Some(rows) = tshark(&file, "modbus", &["modbus.func_code", "mbtcp.trans_id", "modbus.reference_num"])
    else {
        return;
    };
    let count = |side: &str, path: [&str; 2]| {
        let mut values: Vec<_> = events
            .iter()
            .filter_map(|event| event[side][path[0]].get(path[1]))
            .map(ToString::to_string)
            .collect();
        values.sort();
        values
    };
    let codes = events
        .iter()
        .flat_map(|event| ["request", "response"].map(|side| event[side]["function_raw"].as_u64()));
    let mut codes: Vec<_> = codes.flatten().map(|code| (code & 0x7f).to_string()).collect();
    codes.sort();
    let mut theirs = column(&rows, 0);
    theirs.sort();
    assert_eq!(codes, theirs);
    let mut references: Vec<_> =
        rows.iter().filter_map(|row| row.get(2)).filter(|cell| !cell.is_empty()).cloned().collect();
    references.sort();
    let mut ours = count("request", ["read", "address"]);
    ours.extend(count("request", ["write", "address"]));
    ours.sort();
    assert!(ours.iter().all(|address| references.contains(address)), "{ours:?} {references:?}");
}
