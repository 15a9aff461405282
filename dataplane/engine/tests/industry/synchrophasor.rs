//! IEEE C37.118 synchrophasors.

use engine::protocols::synchrophasor::SYNCHROPHASOR;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections, datagram_flows};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

/// CRC-CCITT bit by bit: a second opinion.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xaa, kind];
    frame.extend((16 + body.len() as u16).to_be_bytes());
    frame.extend(hex("003c 4d5a6b7c 00012345"));
    frame.extend(body);
    let mut sum = 0xffff_u16;
    for byte in &frame {
        sum ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
        }
    }
    frame.extend(sum.to_be_bytes());
    frame
}

pub(crate) fn samples() -> Vec<Sample> {
    let names = "5641202020202020202020202020202056422020202020202020202020202020".to_owned();
    let configuration = hex(&format!(
        "000f4240 0001 53746174696f6e204120202020202020 003c 0004 0002 0000 0000 {names} 00000000 00000000 0000 0001 001e"
    ));
    let turns = vec![
        (ToServer, frame(0x41, &hex("0005"))),
        (ToClient, frame(0x31, &configuration)),
        (ToServer, frame(0x41, &hex("0002"))),
        (ToClient, [frame(0x01, &[7; 20]), frame(0x01, &[8; 20])].concat()),
        (ToClient, frame(0x11, b"made for tests")),
    ];
    vec![Sample { protocol: &SYNCHROPHASOR, carrier: Carrier::Tcp, turns }]
}

#[test]
fn commands_and_configurations_are_events_and_data_is_counted() {
    let outcome = play(&SYNCHROPHASOR, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("synchrophasor");
    assert_eq!((&events[0]["command"], &events[0]["id_code"]), (&json!("send_configuration_2"), &json!(60)));
    assert_eq!(
        events[1]["stations"],
        json!([{"name": "Station A", "id_code": 60, "phasors": 2, "analogs": 0, "digitals": 0}])
    );
    assert_eq!(
        (&events[1]["data_rate"], &events[2]["command"]),
        (&json!(30), &json!("turn_on_transmission"))
    );
    assert_eq!(events[3]["text"], "made for tests");
    assert_eq!(events[4], &json!({"type": "data", "id_code": 60, "frames": 2}));
}

#[test]
fn a_wrong_checksum_or_type_is_refused() {
    let right = frame(0x41, &hex("0002"));
    assert!(is_taken(probe(&SYNCHROPHASOR, Carrier::Udp, ToServer, &right)));
    for bit in 0..right.len() * 8 {
        let mut wrong = right.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(probe(&SYNCHROPHASOR, Carrier::Udp, ToServer, &wrong), Found::No, "bit {bit}");
    }
    let mut wrong = right.clone();
    wrong[15] ^= 1;
    let outcome = play(&SYNCHROPHASOR, Carrier::Tcp, &[(ToServer, right), (ToServer, wrong)]);
    assert_eq!(outcome.anomalies(), ["checksum_mismatch"]);
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("ieee_c37118.pcap") else { return };
    let flows: Vec<_> =
        datagram_flows(&SYNCHROPHASOR, &file).into_iter().chain(connections(&SYNCHROPHASOR, &file)).collect();
    eprintln!("{} of {} flows taken", flows.iter().filter(|flow| flow.is_taken).count(), flows.len());
    let Some(rows) = tshark(&file, "synphasor", &["synphasor.frtype"]) else { return };
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("synchrophasor")).collect();
    let data: u64 = events.iter().filter_map(|event| event["frames"].as_u64()).sum();
    let others = events.iter().filter(|event| event["type"] != "data").count() as u64;
    let theirs = column(&rows, 0);
    let their_data = theirs.iter().filter(|kind| matches!(kind.as_str(), "0" | "0x0000")).count() as u64;
    eprintln!(
        "{data} data frames and {others} others; {their_data} and {}",
        theirs.len() as u64 - their_data
    );
    assert_eq!((data, others), (their_data, theirs.len() as u64 - their_data));
}
