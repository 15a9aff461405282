//! HART-IP.

use engine::protocols::hart_ip::HART_IP;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::talk::{is_taken, play, probe};
use crate::{Sample, hex};

/// A unit with a frame of the field bus, whose checksum is put behind it.
fn pass(kind: u8, sequence: u8, frame: &str) -> Vec<u8> {
    let mut frame = hex(frame);
    frame.push(frame.iter().fold(0, |sum, byte| sum ^ byte));
    [&[1, kind, 3, 0, 0, sequence, 0, 8 + frame.len() as u8][..], &frame].concat()
}

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (ToServer, hex("01 00 00 00 0001 000d 01 00009c40")),
        (ToClient, hex("01 01 00 00 0001 000d 01 00009c40")),
        (ToServer, pass(0, 2, "02 80 00 00")),
        (ToClient, pass(1, 2, "06 80 00 0e 00 00 fe 3e06 05 07 05 02 28 00 0a1b2c")),
        (ToServer, pass(0, 3, "82 be06 0a1b2c 2a 00")),
        (ToServer, hex("01 00 02 00 0004 0008")),
        (ToClient, hex("01 01 02 00 0004 0008")),
        (ToServer, hex("01 00 01 00 0005 0008")),
    ];
    [Carrier::Tcp, Carrier::Udp]
        .map(|carrier| Sample { protocol: &HART_IP, carrier, turns: turns.clone() })
        .into()
}

#[test]
fn sessions_and_frames_are_events() {
    let outcome = play(&HART_IP, Carrier::Udp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("hart_ip");
    assert_eq!(
        events[0]["request"],
        json!({"type": "request", "status": 0, "master": "primary", "inactivity_ms": 40000})
    );
    assert_eq!(
        events[1]["response"]["frame"],
        json!({
            "type": "response", "address": "80", "command": 0, "command_name": "read_unique_identifier",
            "response_code": 0, "device_status": 0, "size": 12, "device_type": 0x3e06, "device_revision": 7,
            "software_revision": 5, "device_id": "0a1b2c",
        })
    );
    let reset = events.iter().find(|event| event["request"]["frame"]["command"] == 42).unwrap();
    assert_eq!(reset["request"]["frame"]["command_name"], "device_reset");
}

#[test]
fn contradictions_are_anomalies_and_near_misses_refused() {
    let begin = samples()[0].turns[0].clone();
    let mut wrong = pass(0, 2, "02 80 00 00");
    *wrong.last_mut().unwrap() ^= 1;
    for (turn, name) in [
        ((ToServer, wrong.clone()), "malformed_frame"),
        ((ToClient, hex("01 01 02 00 0009 0008")), "unsolicited_response"),
        ((ToServer, hex("03 00 02 00 0009 0008")), "invalid_header"),
    ] {
        assert_eq!(play(&HART_IP, Carrier::Tcp, &[begin.clone(), turn]).anomalies(), [name]);
    }
    for payload in [
        wrong,
        hex("01 03 00 00 0001 000d 01 00009c40"),
        hex("01 00 00 00 0001 000d 07 00009c40"),
        hex("01 00 02 01 0001 0008"),
    ] {
        assert_eq!(probe(&HART_IP, Carrier::Udp, ToServer, &payload), Found::No);
    }
    assert!(is_taken(probe(&HART_IP, Carrier::Udp, ToServer, &pass(0, 2, "02 80 00 00"))));
}
