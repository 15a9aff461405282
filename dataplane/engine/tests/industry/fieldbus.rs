//! Protocols straight over Ethernet: GOOSE, sampled values, PROFINET, EtherCAT.

use engine::protocols::ethercat::ETHERCAT;
use engine::protocols::goose::GOOSE;
use engine::protocols::profinet::PROFINET;
use engine::protocols::sampled_values::SAMPLED_VALUES;
use engine::protocols::{Carrier, Protocol};
use engine::record::Direction::ToServer;
use serde_json::json;

use crate::talk::{Outcome, Turn, play};
use crate::{Sample, hex};

/// A frame's payload, filled up as short frames are.
fn frame(bytes: Vec<u8>) -> Turn {
    let mut bytes = bytes;
    bytes.resize(bytes.len().max(46), 0);
    (ToServer, bytes)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128);
    [&[tag, content.len() as u8][..], content].concat()
}

fn substation(application: u16, reserved: u16, unit: &[u8]) -> Turn {
    let length = (8 + unit.len() as u16).to_be_bytes();
    frame([&application.to_be_bytes()[..], &length, &reserved.to_be_bytes(), &[0, 0], unit].concat())
}

fn goose(state: u32, sequence: u32, configuration: u8, reserved: u16) -> Turn {
    let content = [
        element(0x80, b"IED1LD0/LLN0$GO$gcb1"),
        element(0x81, &[7, 0xd0]),
        element(0x82, b"IED1LD0/LLN0$DS1"),
        element(0x83, b"trip"),
        element(0x84, &[0; 8]),
        element(0x85, &state.to_be_bytes()),
        element(0x86, &sequence.to_be_bytes()),
        element(0x87, &[0]),
        element(0x88, &[configuration]),
        element(0x89, &[0]),
        element(0x8a, &[1]),
        element(0xab, &element(0x83, &[1])),
    ];
    substation(0x0001, reserved, &element(0x61, &content.concat()))
}

fn sampled(count: u16, synchronised: u8) -> Turn {
    let samples = [
        element(0x80, b"MU01"),
        element(0x82, &count.to_be_bytes()),
        element(0x83, &[0, 0, 0, 1]),
        element(0x85, &[synchronised]),
        element(0x87, &[0; 64]),
    ];
    let list = element(0xa2, &element(0x30, &samples.concat()));
    substation(0x4000, 0, &element(0x60, &[element(0x80, &[1]), list].concat()))
}

fn discovery(frame_id: u16, service: u8, kind: u8, blocks: &str) -> Turn {
    let blocks = hex(blocks);
    let length = (blocks.len() as u16).to_be_bytes();
    frame([&frame_id.to_be_bytes()[..], &[service, kind], &[0, 0, 0, 7], &[0, 0], &length, &blocks].concat())
}

fn cyclic(frame_id: u16, status: u8) -> Turn {
    let mut bytes = frame([&frame_id.to_be_bytes()[..], &[0x80; 20]].concat());
    let end = bytes.1.len();
    bytes.1[end - 4..].copy_from_slice(&[0, 1, status, 0]);
    bytes
}

fn datagram(command: u8, device: u16, register: u16, data: &[u8], has_more: bool) -> Vec<u8> {
    let length = data.len() as u16 | if has_more { 0x8000 } else { 0 };
    let words = [device, register, length, 0].map(u16::to_le_bytes).concat();
    [&[command, 0][..], &words, data, &[0, 0]].concat()
}

fn ethercat(datagrams: &[Vec<u8>]) -> Turn {
    let datagrams = datagrams.concat();
    let header = (datagrams.len() as u16 | 0x1000).to_le_bytes();
    frame([&header[..], &datagrams].concat())
}

fn sample(protocol: &'static Protocol, turns: Vec<Turn>) -> Sample {
    Sample { protocol, carrier: protocol.carriers[0], turns }
}

pub(crate) fn samples() -> Vec<Sample> {
    let alarm =
        "fc01 0001 0002 11 01 ffff fffe 0018 0001 0018 01 00 0001 00000000 0002 0001 00000032 00000001 0000";
    vec![
        sample(&GOOSE, vec![goose(5, 10, 1, 0), goose(5, 11, 1, 0), goose(6, 0, 1, 0), goose(6, 1, 1, 0)]),
        sample(
            &SAMPLED_VALUES,
            vec![sampled(3998, 2), sampled(3999, 2), sampled(0, 2), sampled(1, 0), sampled(3, 0)],
        ),
        sample(
            &PROFINET,
            vec![
                discovery(0xfefe, 5, 0, "ff ff 0000"),
                discovery(
                    0xfefd,
                    4,
                    0,
                    "0202 0007 0001 7063672d31 00 0102 000e 0001 0a000002 ffffff00 0a000001",
                ),
                discovery(0xfefd, 4, 1, "0504 0003 0202 00 00 0504 0003 0102 02 00"),
                discovery(0xfefd, 3, 0, "0202 0203"),
                cyclic(0x8001, 0x35),
                cyclic(0x8001, 0x35),
                cyclic(0x8001, 0x25),
                frame(hex(alarm)),
                frame(hex("ff40 0000")),
            ],
        ),
        sample(
            &ETHERCAT,
            vec![
                ethercat(&[datagram(7, 0, 0x0130, &[0, 0], true), datagram(12, 0, 1, &[0; 20], false)]),
                ethercat(&[
                    datagram(5, 1001, 0x0120, &[0x12, 0], true),
                    datagram(2, 0xfffe, 0x0120, &[8, 0], false),
                ]),
                ethercat(&[datagram(5, 1001, 0x0502, &[1, 2, 0, 0, 0, 0], false)]),
                frame(vec![4, 0x40]),
            ],
        ),
    ]
}

fn outcome(number: usize) -> Outcome {
    let sample = samples().remove(number);
    play(sample.protocol, sample.carrier, &sample.turns)
}

#[test]
fn a_state_change_is_told_and_repetition_counted() {
    let outcome = outcome(0);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("goose");
    assert_eq!(
        events[0],
        &json!({
            "type": "publisher", "app_id": 1, "control_block": "IED1LD0/LLN0$GO$gcb1", "data_set": "IED1LD0/LLN0$DS1",
            "go_id": "trip", "time_allowed_to_live_ms": 2000, "st_num": 5, "sq_num": 10, "conf_rev": 1,
            "simulation": false, "nds_com": false, "entries": 1,
        })
    );
    assert_eq!((&events[1]["type"], &events[1]["st_num"]), (&json!("state_change"), &json!(6)));
    assert_eq!(
        events[2],
        &json!({
            "type": "summary", "app_id": 1, "control_block": "IED1LD0/LLN0$GO$gcb1", "frames": 4, "changes": 1,
            "st_num": 6,
        })
    );
}

#[test]
fn numbers_that_a_second_publisher_would_send_are_anomalies() {
    for (next, name) in [
        (goose(4, 0, 1, 0), "state_number_fell"),
        (goose(9, 0, 1, 0), "state_number_jumped"),
        (goose(5, 10, 1, 0), "sequence_number_repeated"),
        (goose(5, 11, 2, 0), "configuration_changed"),
        ((ToServer, vec![0; 46]), "malformed_frame"),
        (substation(1, 0, &[0x61, 2, 0x80, 0]), "malformed_unit"),
    ] {
        let outcome = play(&GOOSE, GOOSE.carriers[0], &[goose(5, 10, 1, 0), next]);
        assert_eq!(outcome.anomalies(), [name]);
    }
    let simulated = play(&GOOSE, GOOSE.carriers[0], &[goose(5, 10, 1, 0), goose(5, 11, 1, 0x8000)]);
    assert_eq!(simulated.of("goose")[1]["simulation"], true);
    let restart = play(&GOOSE, GOOSE.carriers[0], &[goose(5, 10, 1, 0), goose(1, 0, 1, 0)]);
    assert_eq!(restart.anomalies(), [""; 0]);
}

#[test]
fn samples_are_counted_and_gaps_found() {
    let outcome = outcome(1);
    let events = outcome.of("sv");
    assert_eq!(
        events[0],
        &json!({
            "type": "stream", "app_id": 0x4000, "sv_id": "MU01", "conf_rev": 1, "simulation": false,
            "synchronisation": "global", "sample_bytes": 64,
        })
    );
    assert_eq!((&events[1]["type"], &events[1]["synchronisation"]), (&json!("change"), &json!("none")));
    assert_eq!(
        events[2],
        &json!({"type": "summary", "app_id": 0x4000, "sv_id": "MU01", "samples": 5, "gaps": 1, "repeated": 0})
    );
}

#[test]
fn discovery_alarms_and_cyclic_data_are_told_apart() {
    let outcome = outcome(2);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("profinet");
    assert_eq!(
        (&events[0]["service"], &events[0]["blocks"][0]["option"]),
        (&json!("identify"), &json!("all"))
    );
    assert_eq!(
        events[1]["blocks"],
        json!([
            {"option": "name_of_station", "value": "pcg-1"},
            {"option": "ip_parameter", "ip": "10.0.0.2", "netmask": "255.255.255.0", "gateway": "10.0.0.1"},
        ])
    );
    assert_eq!(events[2]["blocks"][1], json!({"option": "response", "about": "ip_parameter", "error": 2}));
    assert_eq!(events[3]["blocks"], json!(["name_of_station", "device_id"]));
    assert_eq!((&events[4]["running"], &events[5]["running"]), (&json!(true), &json!(false)));
    assert_eq!(
        events[6],
        &json!({
            "type": "alarm", "priority": "high", "block": "notification", "alarm_code": 1, "alarm": "diagnosis",
            "api": 0, "slot": 2, "subslot": 1,
        })
    );
    assert_eq!((&events[7]["frame_id"], &events[7]["frames"]), (&json!(0x8001), &json!(3)));
    assert_eq!(events[8]["clock_frames"], 1);
}

#[test]
fn commands_are_counted_and_requests_for_a_state_told() {
    let outcome = outcome(3);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("ethercat");
    assert_eq!(
        events[0],
        &json!({
            "type": "state_request", "command": "FPWR", "address": 1001, "state": "pre_operational",
            "acknowledge_error": true,
        })
    );
    assert_eq!((&events[1]["position"], &events[1]["state"]), (&json!(2), &json!("operational")));
    assert_eq!((&events[2]["type"], &events[2]["address"]), (&json!("memory_write"), &json!(1001)));
    assert_eq!(
        events[3],
        &json!({
            "type": "summary", "frames": 4, "commands": {"APWR": 1, "FPWR": 2, "BRD": 1, "LRW": 1},
            "network_variables": 1, "mailboxes": 0,
        })
    );
}

#[test]
fn cut_frames_are_anomalies() {
    for sample in samples() {
        for (_, bytes) in &sample.turns {
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            for cut in 0..end {
                let outcome = play(sample.protocol, sample.carrier, &[(ToServer, bytes[..cut].to_vec())]);
                assert!(outcome.ending.is_none());
            }
        }
    }
    for (wrong, name) in [
        (frame(vec![0, 0x20]), "unknown_type"),
        (frame(vec![0xff, 0x17]), "invalid_length"),
        (ethercat(&[datagram(15, 0, 0, &[], false)]), "unknown_command"),
        (ethercat(&[datagram(1, 0, 0, &[], true)]), "malformed_datagram"),
    ] {
        assert_eq!(play(&ETHERCAT, Carrier::Ethernet(0x88a4), &[wrong]).anomalies(), [name]);
    }
    let wrong = frame(hex("fefe 05 00 00000001 0000 0500"));
    assert_eq!(play(&PROFINET, Carrier::Ethernet(0x8892), &[wrong]).anomalies(), ["malformed_dcp"]);
}
