//! DNP3: frames with their checksums, fragments, objects.

use engine::protocols::Carrier;
use engine::protocols::dnp3::DNP3;
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

/// CRC of the standard, bit by bit: a second opinion to the parser's table.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum = 0_u16;
    for byte in bytes {
        sum ^= u16::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xa6bc } else { sum >> 1 };
        }
    }
    (!sum).to_le_bytes()
}

/// A frame of user data with all checksums.
fn frame(control: u8, destination: u16, source: u16, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x05, 0x64, 5 + data.len() as u8, control];
    frame.extend(destination.to_le_bytes());
    frame.extend(source.to_le_bytes());
    frame.extend(checksum(&frame));
    for block in data.chunks(16) {
        frame.extend(block);
        frame.extend(checksum(block));
    }
    frame
}

fn request(application: &str) -> Vec<u8> {
    frame(0xc4, 10, 1, &[&[0xc0][..], &hex(application)].concat())
}

fn response(application: &str) -> Vec<u8> {
    frame(0x44, 1, 10, &[&[0xc0][..], &hex(application)].concat())
}

pub(crate) fn samples() -> Vec<Sample> {
    // A response in two segments: 20 analogue inputs with flags.
    let mut long = hex("e1 81 8000 1e 01 00 00 13");
    for index in 0..20_u8 {
        long.extend([1, index, 0, 0, 0]);
    }
    let (first, second) = long.split_at(60);
    let turns = vec![
        (ToServer, request("c0 01 3c02 06 3c03 06 3c04 06 3c01 06")),
        (
            ToClient,
            [frame(0x44, 1, 10, &[&[0x41], first].concat()), frame(0x44, 1, 10, &[&[0x82], second].concat())]
                .concat(),
        ),
        (ToServer, request("c1 00")),
        (ToServer, request("c2 05 0c01 28 0100 0500 81 01 e8030000 00000000 00")),
        (ToClient, response("c2 81 0000 0c01 28 0100 0500 81 01 e8030000 00000000 04")),
        (ToServer, request("c3 02 5001 00 07 07 00")),
        (ToServer, request("c4 0d")),
        (
            ToClient,
            frame(
                0x44,
                1,
                10,
                &[&[0xc7][..], &hex("f5 82 0200 0202 17 02 03 81 10a4d4e86c01 04 01 10a4d4e86c01")].concat(),
            ),
        ),
        (ToServer, frame(0xc0, 10, 1, &[])),
    ];
    vec![Sample { protocol: &DNP3, carrier: Carrier::Tcp, turns }]
}

#[test]
fn fragments_are_events_in_the_fields_of_suricata() {
    let outcome = play(&DNP3, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("dnp3");
    assert_eq!(events.len(), 8);
    assert_eq!(events[0]["type"], "request");
    assert_eq!(
        events[0]["control"],
        json!({"dir": true, "pri": true, "fcb": false, "fcv": false, "function_code": 4})
    );
    assert_eq!((&events[0]["src"], &events[0]["dst"]), (&json!(1), &json!(10)));
    assert_eq!(events[0]["application"]["function"], "READ");
    assert_eq!(events[0]["application"]["objects"].as_array().unwrap().len(), 4);
    assert_eq!(
        events[0]["application"]["objects"][0],
        json!({"group": 60, "variation": 2, "qualifier": 6, "prefix_code": 0, "range_code": 6, "start": 0, "stop": 0, "count": 0})
    );
    let analogue = &events[1]["application"]["objects"][0];
    assert_eq!((&analogue["count"], &analogue["stop"]), (&json!(20), &json!(19)));
    assert_eq!(analogue["points"].as_array().unwrap().len(), 16);
    assert_eq!(analogue["points"][7], json!({"index": 7, "flags": 1, "value": 7}));
    assert_eq!(events[1]["iin"], json!({"indicators": ["device_restart"]}));
    assert_eq!(events[1]["application"]["complete"], true);
    assert_eq!(events[2]["application"]["function"], "CONFIRM");
    assert_eq!(
        events[3]["application"]["objects"][0]["points"][0],
        json!({
            "index": 5, "operation": "PULSE_ON", "trip_close": "TRIP", "clear": false, "count": 1,
            "on_time": 1000, "off_time": 0, "status": "SUCCESS",
        })
    );
    assert_eq!(events[4]["application"]["objects"][0]["points"][0]["status"], "NOT_SUPPORTED");
    assert_eq!(events[5]["application"]["objects"][0]["points"][0], json!({"index": 7, "value": 0}));
    assert_eq!(events[6]["application"]["function"], "COLD_RESTART");
    assert_eq!(events[7]["type"], "unsolicited_response");
    let changes = &events[7]["application"]["objects"][0]["points"];
    assert_eq!(
        (&changes[0]["index"], &changes[0]["value"], &changes[1]["index"]),
        (&json!(3), &json!(1), &json!(4))
    );
}

#[test]
fn contradictions_are_anomalies() {
    let begin = (ToServer, request("c0 01 3c02 06"));
    let mut bad_block = request("c1 01 3c02 06");
    *bad_block.last_mut().unwrap() ^= 1;
    let mut bad_header = request("c1 01 3c02 06");
    bad_header[9] ^= 1;
    for (turn, name) in [
        (bad_block, "bad_transport_crc"),
        (bad_header, "bad_link_crc"),
        (hex("0564 04 c0 0100 0000 0000"), "len_too_small"),
        (hex("1564 04 c0 0100 0000 0000"), "malformed"),
        (frame(0xc4, 10, 1, &[0x83, 0xc0, 1]), "transport_sequence"),
        (frame(0xc7, 10, 1, &[]), "unknown_link_function"),
        (request("c0 63"), "unknown_function"),
        (request("c0 02 0c01 00 05 04"), "malformed"),
        (request("c0 02 0c01 28 0100 0500 81"), "malformed"),
        (request("c0 02 fe01 00 00 00 00"), "unknown_object"),
    ] {
        let outcome = play(&DNP3, Carrier::Tcp, &[begin.clone(), (ToServer, turn)]);
        assert_eq!(outcome.anomalies(), [name]);
    }
}

#[test]
fn a_fragment_without_end_is_bounded() {
    let mut turns = vec![(ToServer, frame(0xc4, 10, 1, &[&[0x40][..], &[0; 240]].concat()))];
    for number in 1..60_u8 {
        turns.push((ToServer, frame(0xc4, 10, 1, &[&[number & 0x3f][..], &[0; 240]].concat())));
    }
    let outcome = play(&DNP3, Carrier::Tcp, &turns);
    assert_eq!(outcome.anomalies()[0], "fragment_too_long");
    assert!(outcome.of("dnp3").is_empty());
}

#[test]
fn near_misses_are_refused() {
    let right = request("c0 01 3c02 06");
    assert!(is_taken(probe(&DNP3, Carrier::Udp, ToServer, &right)));
    for bit in 0..80 {
        let mut wrong = right.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        assert!(!is_taken(probe(&DNP3, Carrier::Tcp, ToServer, &wrong)), "bit {bit}");
    }
}

/// What is not sent again.
const FIRST_SENT: &str =
    "dnp3.al.func && !tcp.analysis.retransmission && !tcp.analysis.spurious_retransmission";

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("dnp3.pcap") else { return };
    let flows = connections(&DNP3, &file);
    eprintln!("{} of {} flows taken", flows.iter().filter(|flow| flow.is_taken).count(), flows.len());
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("dnp3")).collect();
    for flow in &flows {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("dnp3").len(), flow.outcome.anomalies());
    }
    let Some(rows) = tshark(&file, FIRST_SENT, &["dnp3.al.func", "dnp3.src", "dnp3.al.obj"]) else { return };
    let mut ours: Vec<_> =
        events.iter().map(|event| event["application"]["function_code"].to_string()).collect();
    let mut theirs = column(&rows, 0);
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    // The other dissector reads no objects behind STOP_APPL, but two headers that are cut.
    let read = events.iter().filter(|event| event["application"]["function_code"] != 18);
    let mut theirs = column(&rows, 2);
    for object in read.flat_map(|event| event["application"]["objects"].as_array().unwrap()) {
        let (group, variation) = (object["group"].as_u64().unwrap(), object["variation"].as_u64().unwrap());
        let name = format!("0x{group:02x}{variation:02x}");
        let at = theirs.iter().position(|other| *other == name).unwrap_or_else(|| panic!("{name}"));
        theirs.remove(at);
    }
    assert_eq!(theirs, ["0x3c04"; 2]);
}
