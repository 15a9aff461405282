//! HL7 version 2 over MLLP.

use engine::protocols::hl7::HL7;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::Sample;
use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, play_cut, probe};
use crate::tshark::{column, tshark};

fn block(segments: &[&str]) -> Vec<u8> {
    [&b"\x0b"[..], segments.join("\r").as_bytes(), b"\r\x1c\r"].concat()
}

const ADMIT: &str =
    "MSH|^~\\&|ADT1|MCM|LABADT|MCM|198808181126|SECURE|ADT^A01^ADT_A01|MSG00001|P|2.8||||||UTF-8";

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (
            ToServer,
            block(&[
                ADMIT,
                "EVN|A01|198808181123",
                "PID|1||PATID1234^5^M11||JONES^WILLIAM^A^III||19610615|M",
                "NK1|1|JONES^BARBARA",
            ]),
        ),
        (
            ToClient,
            block(&[
                "MSH|^~\\&|LABADT|MCM|ADT1|MCM|198808181127||ACK^A01^ACK|ACK1|P|2.8",
                "MSA|AA|MSG00001|William Jones accepted",
            ]),
        ),
        (
            ToServer,
            [
                block(&["MSH|^~\\&|LAB|H|EHR|H|2024||ORU^R01|M2|T|2.3", "PID|1||77", "OBX|1|NM|GLU||182"]),
                b"\r\n".to_vec(),
                block(&["MSH|^~\\&|LAB|H|EHR|H|2024||QRY^A19|M3|P|2.3", "QRD|x"]),
            ]
            .concat(),
        ),
        (ToClient, block(&["MSH|^~\\&|EHR|H|LAB|H|2024||ACK|A9|T|2.3", "MSA|AE|M2|bad"])),
    ];
    vec![Sample { protocol: &HL7, carrier: Carrier::Tcp, turns }]
}

#[test]
fn messages_are_paired_with_acknowledgements_and_patients_are_not_written() {
    let outcome = play(&HL7, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("hl7");
    assert_eq!(
        events[0]["request"],
        json!({
            "message_type": "ADT", "trigger_event": "A01", "structure": "ADT_A01", "control_id": "MSG00001",
            "processing_id": "P", "version": "2.8", "sending_application": "ADT1", "sending_facility": "MCM",
            "receiving_application": "LABADT", "receiving_facility": "MCM", "time": "198808181126", "security": "***",
            "character_set": "UTF-8", "segments": 3, "phi": true, "phi_segments": ["PID", "NK1"],
        })
    );
    assert_eq!(
        (&events[0]["response"]["acknowledgment_code"], &events[0]["response"]["accepted"]),
        (&json!("AA"), &json!(true))
    );
    assert_eq!(
        (&events[1]["request"]["control_id"], &events[1]["response"]["accepted"]),
        (&json!("M2"), &json!(false))
    );
    assert_eq!(
        (&events[2]["request"]["message_type"], &events[2]["request"]["phi_segments"]),
        (&json!("QRY"), &json!(["QRD"]))
    );
    let text = format!("{events:?}");
    for secret in ["JONES", "Jones", "PATID1234", "182", "19610615", "SECURE"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn long_messages_are_read_at_their_beginning_whatever_the_cut() {
    let report = "OBX|1|ED|PDF||".to_owned() + &"QUJD".repeat(40_000);
    let turns = vec![
        (ToServer, [block(&[ADMIT, "PID|1", &report]), block(&[ADMIT])].concat()),
        samples()[0].turns[1].clone(),
    ];
    let whole = play(&HL7, Carrier::Tcp, &turns);
    assert_eq!(whole.of("hl7").len(), 2);
    assert_eq!(whole.anomalies(), [""; 0]);
    for lengths in [&[1460][..], &[7777, 3], &[32768]] {
        let cut = play_cut(&HL7, &turns, lengths);
        assert!(cut.carried < 40_000);
        assert_eq!(cut.without_carried(), whole.clone().without_carried());
    }
}

#[test]
fn contradictions_are_anomalies() {
    let begin = samples()[0].turns[0].clone();
    for (turn, name) in [
        (
            (ToClient, block(&["MSH|^~\\&|a|b|c|d|e||ACK|1|P|2.3", "MSA|AA|OTHER"])),
            "unsolicited_acknowledgment",
        ),
        ((ToServer, block(&["PID|1"])), "missing_header_segment"),
        ((ToServer, b"\x0b\r\x1c\r".to_vec()), "empty_message"),
        ((ToServer, block(&[ADMIT, "\x0bMSH"])), "nested_start_block"),
        ((ToServer, b"MSH|^~\\&|\r".to_vec()), "missing_start_block"),
    ] {
        assert_eq!(play(&HL7, Carrier::Tcp, &[begin.clone(), turn]).anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    for payload in
        ["MSH|^~\\&|A|B", "\x0bMSH|^^\\&|A|B", "\x0bMSHx^~\\&xA", "\x0bPID|1|2|3|4", "\x0bMSH|^~A&|A|B"]
    {
        assert_eq!(probe(&HL7, Carrier::Tcp, ToServer, payload.as_bytes()), Found::No, "{payload}");
    }
    assert!(is_taken(probe(&HL7, Carrier::Tcp, ToServer, b"\x0bMSH|^~\\&|A|B")));
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("hl7.pcap") else { return };
    let flows = connections(&HL7, &file);
    assert!(flows.iter().all(|flow| flow.is_taken));
    for flow in &flows {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("hl7").len(), flow.outcome.anomalies());
    }
    let Some(rows) = tshark(&file, "hl7", &["hl7.message.type", "hl7.event.type"]) else { return };
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("hl7")).collect();
    let halves: usize = events
        .iter()
        .map(|event| ["request", "response"].iter().filter(|side| event.get(**side).is_some()).count())
        .sum();
    // The other dissector does not put the request's segments together.
    assert!(halves >= rows.len());
    for name in column(&rows, 0) {
        assert!(format!("{events:?}").contains(name.split(' ').next().unwrap_or_default()), "{name}");
    }
}
