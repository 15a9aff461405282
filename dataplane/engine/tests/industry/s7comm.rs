//! S7comm and S7comm-plus over ISO transport.

use engine::CryptoClass;
use engine::protocols::s7comm::{S7COMM, S7COMM_PLUS};
use engine::protocols::{Carrier, Found, Then};
use engine::record::Direction::{self, ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{Turn, is_taken, play, probe};
use crate::{Sample, hex};

/// A transport unit with data, in its packet.
fn data(from: Direction, message: &str) -> Turn {
    let message = hex(message);
    let length = (7 + message.len() as u16).to_be_bytes();
    (from, [&[3, 0], &length[..], &[2, 0xf0, 0x80], &message].concat())
}

fn joined(turns: &[Turn]) -> Turn {
    (turns[0].0, turns.iter().flat_map(|(_, bytes)| bytes.clone()).collect())
}

fn connection() -> Vec<Turn> {
    vec![
        (ToServer, hex("03000016 11e00000000100 c0010a c1020100 c2020102")),
        (ToClient, hex("03000016 11d00001000400 c0010a c1020100 c2020102")),
    ]
}

fn setup() -> Turn {
    data(ToServer, "32 01 0000 0000 0008 0000 f0 00 0001 0001 01e0")
}

pub(crate) fn samples() -> Vec<Sample> {
    let [connect, confirm] = connection().try_into().unwrap();
    let mut fragmented = data(ToServer, "32 01 0000 0600 000e 0000 04 01 12 0a 10 02 0001 0001 84 0000 08").1;
    let second = fragmented.split_off(16);
    fragmented[3] = 16;
    fragmented[6] = 0;
    fragmented.extend([3, 0, 0, 7 + second.len() as u8, 2, 0xf0, 0x80]);
    fragmented.extend(second);
    let turns = vec![
        joined(&[connect.clone(), setup()]),
        confirm.clone(),
        data(ToClient, "32 03 0000 0000 0008 0000 00 00 f0 00 0001 0001 00f0"),
        data(
            ToServer,
            "32 01 0000 0100 001a 0000 04 02 12 0a 10 02 0004 0001 84 0000 50 12 0a 10 01 0001 0000 83 0000 2b",
        ),
        data(ToClient, "32 03 0000 0100 0002 000d 00 00 04 02 ff 04 0020 0000002a ff 03 0001 01"),
        data(ToServer, "32 01 0000 0200 000e 0006 05 01 12 0a 10 02 0002 0001 84 0000 00 00 04 0010 1234"),
        data(ToClient, "32 03 0000 0200 0002 0001 00 00 05 01 05"),
        data(ToServer, "32 01 0000 0300 0010 0000 29 0000000000 09 50 5f50 524f 4752 414d"),
        data(ToClient, "32 02 0000 0300 0001 0000 00 00 29"),
        data(ToServer, "32 01 0000 0400 0012 0000 1d 00 0000 00000000 09 5f 3041 3030 3030 3141"),
        data(ToServer, "32 07 0000 0500 0008 0008 000112 04 11 44 01 00 ff 09 0004 0011 0000"),
        data(ToClient, "32 07 0000 0500 000c 0008 000112 08 12 84 01 01 0000 0000 ff 09 0004 0011 0000"),
        (ToServer, fragmented),
        data(ToServer, "32 01 0000 0700 0014 0000 28 000000000000fd 0000 09 50 5f50 524f 4752 414d"),
        data(ToServer, "32 07 0000 0800 0008 000c 000112 04 11 45 01 00 ff 09 0008 6465666768696a6b"),
    ];
    let plus = vec![
        joined(&[
            connect,
            data(ToServer, "72 01 0012 31 0000 04ca 0000 0001 00000120 36 0102 0304 7201 0000"),
        ]),
        confirm,
        data(ToClient, "72 01 000d 32 0000 04ca 0000 0001 34 0000 00 7201 0000"),
        data(ToServer, "72 fe 0002 0000"),
        data(
            ToServer,
            &format!("72 03 0031 20 {} 31 0000 054c 0000 0002 000003a1 34 0000 7203 0000", "ab".repeat(32)),
        ),
    ];
    vec![
        Sample { protocol: &S7COMM, carrier: Carrier::Tcp, turns },
        Sample { protocol: &S7COMM_PLUS, carrier: Carrier::Tcp, turns: plus },
    ]
}

#[test]
fn jobs_and_their_acknowledgements_are_one_event() {
    let outcome = play(&S7COMM, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("s7comm");
    assert_eq!(
        events[0],
        &json!({
            "type": "connect_request", "source_tsap": "0100", "destination_tsap": "0102", "rack": 0, "slot": 2,
            "connection_type": "programmer", "tpdu_size": 1024,
        })
    );
    assert_eq!(events[2]["request"]["function"], "setup_communication");
    assert_eq!(
        (&events[2]["request"]["pdu_length"], &events[2]["response"]["pdu_length"]),
        (&json!(480), &json!(240))
    );
    assert_eq!(
        events[3]["request"]["items"],
        json!([
            {"area": "DB", "db": 1, "size": "BYTE", "count": 4, "address": 10, "bit": 0},
            {"area": "M", "size": "BIT", "count": 1, "address": 5, "bit": 3},
        ])
    );
    assert_eq!(events[3]["response"]["results"], json!(["success", "success"]));
    assert_eq!(events[4]["response"]["results"], json!(["invalid_address"]));
    assert_eq!(events[5]["request"]["function"], "plc_stop");
    assert_eq!(events[5]["request"]["service"]["name"], "P_PROGRAM");
    assert_eq!(events[5]["response"]["rosctr"], "ack");
    assert_eq!(events[6]["request"]["function"], "read_szl");
    assert_eq!(
        (&events[6]["request"]["szl_id"], &events[6]["response"]["result"]),
        (&json!("0011"), &json!("success"))
    );
    // Without answers, at the end.
    let block = &events[7]["request"]["block"];
    assert_eq!(
        (&block["type"], &block["number"], &block["file_system"]),
        (&json!("DB"), &json!("00001"), &json!("active"))
    );
    assert_eq!(events[8]["request"]["items"][0]["address"], 1);
    assert_eq!(events[9]["request"]["service"]["meaning"], "start_or_stop");
    assert_eq!(events[10]["request"]["password_present"], true);
    assert!(!serde_json::to_string(events[10]).unwrap().contains("6465"), "the password must not be written");
}

#[test]
fn the_plus_protocol_is_told_apart() {
    let outcome = play(&S7COMM, Carrier::Tcp, &samples()[1].turns);
    assert_eq!((outcome.refined, outcome.crypto), (Some("s7comm_plus"), Some(CryptoClass::Cleartext)));
    let events = outcome.of("s7comm_plus");
    assert_eq!(
        events[0],
        &json!({
            "version": 1, "operation": "request", "function_code": 0x4ca, "function": "create_object", "sequence": 1,
            "session_id": 0x120, "integrity_protected": false, "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!(events[1]["operation"], "response");
    assert_eq!(
        (&events[2]["integrity_protected"], &events[2]["function"]),
        (&json!(true), &json!("get_multi_variables"))
    );
    assert_eq!(probe(&S7COMM, Carrier::Tcp, ToServer, &samples()[1].turns[0].1), Found::No);
    let mut turns = connection();
    turns.push(data(ToClient, "72 01 000d 32 0000 05b3 0000 0001 34 0000 00 7201 0000"));
    let outcome = play(&S7COMM_PLUS, Carrier::Tcp, &turns);
    assert_eq!((outcome.crypto, outcome.ending), (None, Some(Then::Done)));
}

#[test]
fn contradictions_are_anomalies() {
    for (turn, name) in [
        (data(ToClient, "32 03 0000 0900 0002 0001 00 00 04 01 ff"), "unsolicited_response"),
        (data(ToClient, "32 03 0000 0000 0002 0001 00 00 04 01 ff"), "function_mismatch"),
        (data(ToServer, "32 01 0000 0100 0002 0001 04 01"), "malformed_message"),
        (data(ToServer, "33 01 0000 0100 0002 0000 04 01"), "unknown_protocol"),
        ((ToServer, hex("0300 0008 09 f0 80 32")), "malformed_transport_unit"),
        ((ToServer, hex("0300 0006 02 f0")), "invalid_length"),
        ((ToServer, hex("0400 0007 02 f0 80")), "invalid_header"),
    ] {
        let outcome = play(&S7COMM, Carrier::Tcp, &[setup(), turn]);
        assert_eq!(outcome.anomalies(), [name]);
    }
}

#[test]
fn other_protocols_over_the_same_transport_are_refused() {
    // Manufacturing Message Specification: a session unit in the data.
    let (_, mut mms) = joined(&[connection()[0].clone(), data(ToServer, "0d a4 05 06 13 01 00 16 01 02")]);
    assert_eq!(probe(&S7COMM, Carrier::Tcp, ToServer, &mms), Found::No);
    mms.truncate(22);
    assert_eq!(probe(&S7COMM, Carrier::Tcp, ToServer, &mms), Found::Maybe);
    let right = setup().1;
    assert!(is_taken(probe(&S7COMM, Carrier::Tcp, ToServer, &right)));
    for (at, value) in
        [(0, 2), (3, 24), (4, 3), (5, 0xe0), (7, 0x31), (8, 9), (9, 1), (14, 9), (16, 1), (17, 0xf1)]
    {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert!(!is_taken(probe(&S7COMM, Carrier::Tcp, ToServer, &wrong)), "{at}");
    }
    let Some(file) = capture("iso9506-1-mms.pcap") else { return };
    assert!(connections(&S7COMM, &file).iter().all(|flow| !flow.is_taken));
}
