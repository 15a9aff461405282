//! IBM MQ channels.

use engine::protocols::ibm_mq::IBM_MQ;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::Sample;
use crate::talk::{is_taken, play, probe};

/// A segment of one conversation, or of many.
fn segment(kind: u8, shared: Option<(u32, u32)>, content: &[u8]) -> Vec<u8> {
    let len = content.len() as u32 + if shared.is_some() { 36 } else { 28 };
    let mut bytes = if shared.is_some() { b"TSHM".to_vec() } else { b"TSH ".to_vec() };
    bytes.extend(len.to_be_bytes());
    if let Some((conversation, request)) = shared {
        bytes.extend(conversation.to_be_bytes());
        bytes.extend(request.to_be_bytes());
    }
    bytes.extend([2, kind, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x22, 2, 0, 0, 0x33, 3, 0, 0]);
    bytes.extend(content);
    bytes
}

fn padded(text: &str, len: usize) -> Vec<u8> {
    format!("{text:<len$}").into_bytes()
}

fn initial(product: &str) -> Vec<u8> {
    [
        &b"ID  \x0d\x26\0\0\0\0\0\0"[..],
        &32748_u32.to_le_bytes(),
        &4_194_304_u32.to_le_bytes(),
        &[0; 4],
        &padded("DEV.ADMIN.SVRCONN", 20),
        &[0x51, 0, 0x33, 3],
        &padded("QM1", 48),
        &300_u32.to_le_bytes(),
        &[0; 28],
        &10_u32.to_le_bytes(),
        &[0; 16],
        &padded(product, 12),
        &padded("QM1_2020-01-01_00.00.00", 48),
    ]
    .concat()
}

fn call(completion: u32, reason: u32, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32 + 16).to_be_bytes();
    [&len[..], &completion.to_le_bytes(), &reason.to_le_bytes(), &[0; 4], content].concat()
}

fn object(name: &str) -> Vec<u8> {
    [&b"OD  \x01\0\0\0\x01\0\0\0"[..], &padded(name, 48), &padded("QM1", 48), &[0x20; 60], &[0; 4]].concat()
}

/// The same text as a mainframe writes it.
fn ebcdic(bytes: &[u8]) -> Vec<u8> {
    let one = |byte: &u8| match byte {
        b' ' => 0x40,
        b'.' => 0x4b,
        b'A'..=b'I' => byte - b'A' + 0xc1,
        b'J'..=b'R' => byte - b'J' + 0xd1,
        b'S'..=b'Z' => byte - b'S' + 0xe2,
        b'0'..=b'9' => byte - b'0' + 0xf0,
        other => *other,
    };
    bytes.iter().map(one).collect()
}

pub(crate) fn samples() -> Vec<Sample> {
    let connect = [padded("QM1", 48), padded("amqsput", 28), vec![11, 0, 0, 0], vec![0; 40]].concat();
    let user = [&b"UID "[..], &padded("rita", 12), &padded("", 12), &padded("rita", 64)].concat();
    let secret = [&b"CAUT\x01\0\0\0\0\0\0\0\0\0\0\0\x04\0\0\0\x06\0\0\0"[..], b"ritasecret"].concat();
    let one = |kind, request, content: &[u8]| segment(kind, Some((1, request)), content);
    let turns = vec![
        (ToServer, segment(1, None, &initial("MQCC"))),
        (ToClient, segment(1, None, &initial("MQMM09010200"))),
        (ToServer, [one(8, 0, &user), one(0x0a, 0, &secret)].concat()),
        (ToServer, one(0x81, 3, &call(0, 0, &connect))),
        (ToClient, one(0x91, 3, &call(0, 0, &connect))),
        (ToServer, one(0x83, 4, &call(0, 0, &object("DEV.QUEUE.1")))),
        (ToClient, one(0x93, 4, &call(2, 2035, &object("DEV.QUEUE.1")))),
        (ToServer, [one(0x86, 5, &call(0, 0, &[7; 3000])), one(0x86, 6, &call(0, 0, &[7; 10]))].concat()),
        (ToClient, [one(0x96, 5, &call(0, 0, &[])), one(0x96, 6, &call(2, 2053, &[]))].concat()),
        (ToServer, one(0x8c, 7, &call(0, 0, &[&[0; 40], &object("DEV.QUEUE.2")[..]].concat()))),
        (ToClient, [one(0x9c, 7, &call(0, 0, &[])), one(0x0d, 1, &[7; 100])].concat()),
        (ToServer, one(0x82, 8, &call(0, 0, &[]))),
    ];
    let mut host = segment(1, None, &initial("MQMV"));
    host.splice(..4, [0xe3, 0xe2, 0xc8, 0x40]);
    let at = 28 + 24;
    let channel = ebcdic(&host[at..at + 20]);
    host.splice(at..at + 20, channel);
    vec![
        Sample { protocol: &IBM_MQ, carrier: Carrier::Tcp, turns },
        Sample { protocol: &IBM_MQ, carrier: Carrier::Tcp, turns: vec![(ToServer, host)] },
    ]
}

#[test]
fn a_channel_says_who_meets_whom() {
    let outcome = play(&IBM_MQ, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("ibm_mq");
    assert_eq!(
        events[1],
        &json!({
            "type": "initial_data", "fap_level": 13, "max_transmission_size": 32748,
            "max_message_size": 4_194_304, "channel": "DEV.ADMIN.SVRCONN", "ccsid": 819, "ebcdic": false,
            "queue_manager": "QM1", "heartbeat_s": 300, "conversations": 10, "product": "MQMM09010200",
            "queue_manager_id": "QM1_2020-01-01_00.00.00",
        })
    );
    assert_eq!(events[2]["credentials"], json!({"user": "r***", "password_in_clear": false}));
    assert_eq!(events[3]["credentials"], json!({"user": "r***", "password_in_clear": true}));
    let text = format!("{events:?}");
    assert!(!text.contains("rita") && !text.contains("secret"));
    let host = play(&IBM_MQ, Carrier::Tcp, &samples()[1].turns);
    assert_eq!(host.of("ibm_mq")[0]["channel"], "DEV.ADMIN.SVRCONN");
}

#[test]
fn calls_are_written_with_their_answers_and_messages_counted() {
    let outcome = play(&IBM_MQ, Carrier::Tcp, &samples()[0].turns);
    let events = outcome.of("ibm_mq");
    assert_eq!(
        events[4],
        &json!({
            "id": 1, "type": "call", "call": "MQCONN", "conversation": 1, "request_id": 3, "queue_manager": "QM1",
            "application": "amqsput", "application_type": 11, "completion": "ok", "reason_code": 0, "reason": "NONE",
        })
    );
    assert_eq!(
        events[5],
        &json!({
            "id": 2, "type": "call", "call": "MQOPEN", "conversation": 1, "request_id": 4, "object": "DEV.QUEUE.1",
            "object_queue_manager": "QM1", "completion": "failed", "reason_code": 2035, "reason": "NOT_AUTHORIZED",
        })
    );
    assert_eq!((&events[6]["call"], &events[6]["reason"]), (&json!("MQPUT"), &json!("Q_FULL")));
    assert_eq!((&events[7]["call"], &events[7]["object"]), (&json!("SPI"), &json!("DEV.QUEUE.2")));
    assert_eq!((&events[8]["call"], events[8].get("completion")), (&json!("MQDISC"), None));
    assert_eq!(
        events[9],
        &json!({"type": "traffic", "puts": 2, "gets": 0, "messages_to_server": 0, "messages_to_client": 1})
    );
}

#[test]
fn near_misses_are_refused_and_contradictions_anomalies() {
    let right = samples()[0].turns[0].1.clone();
    assert!(is_taken(probe(&IBM_MQ, Carrier::Tcp, ToServer, &right)));
    for (at, value) in [(0, b'U'), (3, b'X'), (4, 9), (8, 3), (9, 0x70)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&IBM_MQ, Carrier::Tcp, ToServer, &wrong), Found::No, "{at}");
    }
    for (wrong, name) in [
        (b"TSHX".to_vec(), "invalid_header"),
        (segment(0x70, None, &[]), "unknown_segment_type"),
        (b"TSH \0\0\0\x10\x02\x01".to_vec(), "invalid_length"),
    ] {
        let turns = [(ToServer, right.clone()), (ToServer, wrong)];
        assert_eq!(play(&IBM_MQ, Carrier::Tcp, &turns).anomalies(), [name]);
    }
}
