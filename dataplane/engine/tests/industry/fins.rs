//! Omron FINS over UDP and TCP.

use engine::protocols::fins::FINS;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::talk::{is_taken, play, probe};
use crate::{Sample, hex};

fn tcp(command: u8, data: &str) -> Vec<u8> {
    let data = hex(data);
    let mut message = b"FINS".to_vec();
    message.extend((8 + data.len() as u32).to_be_bytes());
    message.extend([0, 0, 0, command, 0, 0, 0, 0]);
    message.extend(data);
    message
}

pub(crate) fn samples() -> Vec<Sample> {
    let read = "80 00 02 000100 006300 05 0101 82 0064 00 000a";
    let answer = "c0 00 02 006300 000100 05 0101 0000 0001000200030004000500060007000800090010".to_owned();
    let model = "435331472d43505534352d565635202020202020".replace("565635", "56");
    let identity = format!("c0 00 02 006300 000100 06 0501 0000 {model:0<40} {:0<40}", "30342e3030");
    let udp = vec![
        (ToServer, hex(read)),
        (ToClient, hex(&answer)),
        (ToServer, hex("80 00 02 000100 006300 06 0501 00")),
        (ToClient, hex(&identity)),
        (ToServer, hex("80 00 02 000100 006300 07 0402")),
        (ToClient, hex("c0 00 02 006300 000100 07 0402 2001")),
    ];
    let tcp = vec![
        (ToServer, tcp(0, "00000000")),
        (ToClient, tcp(1, "00000063 00000001")),
        (ToServer, tcp(2, read)),
        (ToClient, tcp(2, &answer)),
        (ToServer, tcp(2, "80 00 02 000100 006300 08 0401 ffff 04")),
    ];
    vec![
        Sample { protocol: &FINS, carrier: Carrier::Udp, turns: udp },
        Sample { protocol: &FINS, carrier: Carrier::Tcp, turns: tcp },
    ]
}

#[test]
fn commands_and_their_responses_are_one_event() {
    let outcome = play(&FINS, Carrier::Udp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("fins");
    assert_eq!(
        events[0],
        &json!({
            "id": 1, "destination": {"network": 0, "node": 1, "unit": 0}, "source": {"network": 0, "node": 99, "unit": 0},
            "service_id": 5, "command_code": 0x101, "command": "memory_area_read",
            "request": {"area": "DM", "area_code": 0x82, "address": 100, "bit": 0, "count": 10},
            "response": {"end_code": "0000", "end": "normal", "size": 20},
        })
    );
    assert!(events[1]["response"]["model"].as_str().unwrap().starts_with("CS1G-CPU45"));
    assert_eq!(
        (&events[2]["command"], &events[2]["response"]["end"]),
        (&json!("stop"), &json!("read_not_possible"))
    );
    let outcome = play(&FINS, Carrier::Tcp, &samples()[1].turns);
    let events = outcome.of("fins");
    assert_eq!(
        events[1],
        &json!({"type": "node_address_response", "error": 0, "client_node": 99, "server_node": 1})
    );
    assert_eq!((&events[3]["command"], &events[3]["request"]["mode"]), (&json!("run"), &json!("run")));
}

#[test]
fn near_misses_are_refused_and_contradictions_anomalies() {
    let right = samples()[0].turns[0].1.clone();
    assert!(is_taken(probe(&FINS, Carrier::Udp, ToServer, &right)));
    for (at, value) in [(0, 0x00), (0, 0xa0), (1, 1), (2, 8), (3, 200), (10, 0x77), (11, 0x44)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&FINS, Carrier::Udp, ToServer, &wrong), Found::No, "{at}");
    }
    let begin = samples()[1].turns[0].clone();
    for (turn, name) in [
        (tcp(9, "00000000"), "unknown_command"),
        (tcp(0, "000000"), "invalid_length"),
        (b"FINX".to_vec(), "invalid_header"),
        (tcp(2, "80 01 02 000100 006300 08 0401"), "malformed_unit"),
        (tcp(2, "80 00 02 000100 006300 08 7777"), "unknown_command"),
    ] {
        assert_eq!(play(&FINS, Carrier::Tcp, &[begin.clone(), (ToServer, turn)]).anomalies(), [name]);
    }
}
