//! FIX sessions.

use engine::protocols::fix::FIX;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::Sample;
use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};

/// A message with body length and checksum; fields are separated by `|`.
fn message(version: &str, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let mut message = format!("8={version}\x019={}\x01{body}", body.len()).into_bytes();
    let sum = message.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend(format!("10={sum:03}\x01").bytes());
    message
}

const HEAD: &str = "49=BUYER|56=VENUE|52=20240605-09:30:00.123|";

pub(crate) fn samples() -> Vec<Sample> {
    let turns = vec![
        (ToServer, message("FIX.4.4", &format!("35=A|34=1|{HEAD}98=0|108=30|141=Y|553=trader|554=hunter2|"))),
        (ToClient, message("FIX.4.4", "35=A|34=1|49=VENUE|56=BUYER|52=20240605-09:30:00.200|98=0|108=30|")),
        (
            ToServer,
            [
                message(
                    "FIX.4.4",
                    &format!(
                        "35=D|34=2|{HEAD}11=A1|1=ACC-12345|55=EUR/USD|54=1|38=1000000|40=2|44=1.0861|59=0|"
                    ),
                ),
                message("FIX.4.4", &format!("35=0|34=3|{HEAD}112=x|")),
            ]
            .concat(),
        ),
        (
            ToClient,
            message(
                "FIX.4.4",
                "35=8|34=2|49=VENUE|56=BUYER|52=20240605-09:30:01.000|37=O1|17=E1|150=F|39=2|55=EUR/USD|54=1|32=1000000|31=1.0861|95=3|96=a|b|58=done|",
            ),
        ),
        (ToServer, message("FIXT.1.1", &format!("35=5|34=4|1128=9|{HEAD}58=bye|"))),
    ];
    let fast = |content: &[u8]| framed(0xfa01, content);
    let binary = framed(0xeb50, &[16, 0, 100, 0, 1, 0, 3, 0, 7, 7, 7, 7]);
    let encoded = vec![
        (
            ToServer,
            [fast(&[0xc0, 0x85, 1, 2, 3, 4, 5, 0x86]), fast(&[0xc0, 0x85, 1, 2, 3, 4, 5, 0x87])].concat(),
        ),
        (ToClient, [binary.clone(), binary, fast(&[0xc0, 0x01, 0x80, 2, 3, 4, 5, 0x86])].concat()),
    ];
    vec![
        Sample { protocol: &FIX, carrier: Carrier::Tcp, turns },
        Sample { protocol: &FIX, carrier: Carrier::Tcp, turns: encoded },
    ]
}

/// A message in another encoding behind the simple open framing header.
fn framed(encoding: u16, content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 6).to_be_bytes()[..], &encoding.to_be_bytes(), content].concat()
}

#[test]
fn other_encodings_are_told_by_template_and_counted() {
    let outcome = play(&FIX, Carrier::Tcp, &samples()[1].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("fix");
    assert_eq!(events[0], &json!({"framing": "sofh", "encoding": "fast", "template_id": 5}));
    assert_eq!(
        events[1],
        &json!({"framing": "sofh", "encoding": "sbe", "template_id": 100, "schema_id": 1, "schema_version": 3})
    );
    assert_eq!(
        events[3],
        &json!({
            "templates": [
                {"encoding": "fast", "template_id": 5, "messages": 2},
                {"encoding": "sbe", "template_id": 100, "messages": 2},
                {"encoding": "fast", "template_id": 128, "messages": 1},
            ],
            "other_messages": 0,
        })
    );
    let right = samples()[1].turns[0].1.clone();
    // Length, encoding, a presence map without template, an encoding of private use.
    for (at, value) in [(3, 13), (3, 15), (4, 0xf9), (4, 0), (6, 0x80)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert!(!is_taken(probe(&FIX, Carrier::Tcp, ToServer, &wrong)), "{at}");
    }
}

#[test]
fn messages_are_events_and_passwords_and_accounts_are_not_written() {
    let outcome = play(&FIX, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("fix");
    assert_eq!(
        events[0],
        &json!({
            "version": "FIX.4.4", "msg_type": "A", "msg_name": "Logon", "MsgSeqNum": 1, "SenderCompID": "BUYER",
            "TargetCompID": "VENUE", "SendingTime": "20240605-09:30:00.123", "EncryptMethod": 0, "HeartBtInt": 30,
            "ResetSeqNumFlag": true, "fields": 10, "credentials": {"user": "t***", "password_in_clear": true},
        })
    );
    assert_eq!(
        (&events[2]["msg_name"], &events[2]["Side"], &events[2]["OrdType"]),
        (&json!("NewOrderSingle"), &json!("buy"), &json!("limit"))
    );
    assert_eq!((&events[2]["Price"], &events[2]["OrderQty"]), (&json!("1.0861"), &json!("1000000")));
    assert_eq!(
        (&events[4]["ExecType"], &events[4]["OrdStatus"], &events[4]["Text"]),
        (&json!("trade"), &json!("filled"), &json!("done"))
    );
    assert_eq!((&events[5]["version"], &events[5]["msg_name"]), (&json!("FIXT.1.1"), &json!("Logout")));
    let text = format!("{events:?}");
    assert!(!text.contains("hunter2") && !text.contains("trader") && !text.contains("ACC-12345"));
}

#[test]
fn contradictions_are_anomalies() {
    let begin = (ToServer, message("FIX.4.2", &format!("35=0|34=1|{HEAD}")));
    let mut wrong_sum = message("FIX.4.2", &format!("35=0|34=2|{HEAD}"));
    let at = wrong_sum.len() - 2;
    wrong_sum[at] = if wrong_sum[at] == b'9' { b'0' } else { wrong_sum[at] + 1 };
    for (turn, name) in [
        (wrong_sum, "checksum_mismatch"),
        (message("FIX.4.2", &format!("35=0|34=9|{HEAD}")), "sequence_gap"),
        (message("FIX.4.2", &format!("35=0|34=2|{HEAD}x|")), "malformed_field"),
        (b"8=FIX.4.2\x019=5\x0135=0\x0111=\x01".to_vec(), "invalid_body_length"),
        (b"8=FIX.9.9\x01".to_vec(), "invalid_begin_string"),
    ] {
        assert_eq!(play(&FIX, Carrier::Tcp, &[begin.clone(), (ToServer, turn)]).anomalies(), [name]);
    }
    // Sent again, or after a reset, numbers may be others.
    for again in ["35=0|34=1|43=Y|", "35=4|34=2|36=70|"] {
        let turn = (ToServer, message("FIX.4.2", &format!("{again}{HEAD}")));
        assert_eq!(play(&FIX, Carrier::Tcp, &[begin.clone(), turn]).anomalies(), [""; 0]);
    }
}

#[test]
fn near_misses_are_refused() {
    for payload in [
        &b"8=FIX.4.2|9=65|35=A|49=S|"[..],
        b"8=FIX.6.0\x019=65\x0135=A\x01",
        b"8=FIX.4.2\x019=65\x0149=S\x01",
        b"8=FIX.4.2\x0135=A\x019=65\x01",
    ] {
        assert_eq!(probe(&FIX, Carrier::Tcp, ToServer, payload), Found::No);
    }
    assert!(is_taken(probe(&FIX, Carrier::Tcp, ToServer, b"8=FIXT.1.1\x019=65\x0135=A\x01")));
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("fix.pcap") else { return };
    let flows = connections(&FIX, &file);
    eprintln!("{} of {} flows taken", flows.iter().filter(|flow| flow.is_taken).count(), flows.len());
    for flow in flows.iter().filter(|flow| !flow.outcome.anomalies().is_empty()) {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("fix").len(), flow.outcome.anomalies());
    }
    let filter = "fix && !tcp.analysis.retransmission";
    let Some(rows) = tshark(&file, filter, &["fix.MsgType", "fix.MsgSeqNum"]) else { return };
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("fix")).collect();
    let ours: Vec<_> = events.iter().map(|event| event["msg_type"].as_str().unwrap().to_owned()).collect();
    let theirs = column(&rows, 0);
    eprintln!("{} messages, {} of the other dissector", ours.len(), theirs.len());
    for kind in theirs.iter().collect::<std::collections::BTreeSet<_>>() {
        let count = |all: &[String]| all.iter().filter(|other| *other == kind).count();
        eprintln!("{kind}: {} and {}", count(&ours), count(&theirs));
    }
    assert!(flows.iter().all(|flow| flow.is_taken && flow.outcome.anomalies().is_empty()));
}
