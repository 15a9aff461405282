//! SWIFT FIN.

use engine::protocols::swift::SWIFT;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::Sample;
use crate::talk::{is_taken, play, probe};

const TRANSFER: &str = "{1:F01BANKBEBBAXXX2222123456}{2:I103BANKDEFFXXXXN}\
    {3:{108:MUR1234}{119:STP}{121:180f1e65-90e0-44d5-a49a-92b55eb3025f}}\
    {4:\r\n:20:494931/DEV\r\n:23B:CRED\r\n:32A:030731EUR1958,47\r\n:50K:/BE12345\r\nFRANZ HOLZAPFEL\r\n\
    :59:/26351-38947\r\nH.F. JANSSEN\r\n:70:/INV/18042-910412\r\n:71A:SHA\r\n-}{5:{CHK:123456789ABC}{TNG:}}";

pub(crate) fn samples() -> Vec<Sample> {
    let output = "{1:F01BANKDEFFAXXX0001000002}{2:O9401157091028SCBLZAJJXXXX55510000310910281157N}\
        {4:\r\n:20:9402\r\n:25:123\r\n-}";
    let turns = vec![
        (ToServer, TRANSFER.as_bytes().to_vec()),
        (ToClient, b"{1:F21BANKBEBBAXXX2222123456}{4:{177:0307310948}{451:0}}".to_vec()),
        (ToServer, format!("\x01{TRANSFER}{{S:{{SAC:}}}}\x03   \x01{output}\x03").into_bytes()),
        (ToClient, b"{1:F21BANKBEBBAXXX2222123457}{4:{177:0307310948}{451:1}{405:T13}}".to_vec()),
    ];
    vec![Sample { protocol: &SWIFT, carrier: Carrier::Tcp, turns }]
}

#[test]
fn a_message_is_told_without_its_customers() {
    let outcome = play(&SWIFT, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("swift");
    assert_eq!(
        events[0],
        &json!({
            "application": "fin", "service": "message", "logical_terminal": "BANKBEBBAXXX", "session": "2222",
            "sequence": "123456", "direction": "input", "message_type": "103",
            "message_name": "customer_credit_transfer", "receiver": "BANKDEFFXXXX", "priority": "normal",
            "user_reference": "MUR1234", "uetr": "180f1e65-90e0-44d5-a49a-92b55eb3025f", "validation": "STP",
            "reference": "494931/DEV", "operation": "CRED", "value_date": "030731", "currency": "EUR",
            "amount": "1958,47", "field_count": 7, "fields": ["20", "23B", "32A", "50K", "59", "70", "71A"],
            "checksum": true, "training": true,
        })
    );
    let other = events.iter().find(|event| event["message_type"] == "940").unwrap();
    assert_eq!(
        (&other["direction"], &other["sender"], &other["priority"]),
        (&json!("output"), &json!("SCBLZAJJXXXX"), &json!("normal"))
    );
    let answers: Vec<_> = events.iter().filter(|event| event["service"] == "acknowledgement").collect();
    assert_eq!((&answers[0]["accepted"], &answers[1]["error"]), (&json!(true), &json!("T13")));
    assert_eq!(events.len(), 5);
    let text = format!("{events:?}");
    for secret in ["HOLZAPFEL", "JANSSEN", "26351", "BE12345"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn contradictions_are_anomalies() {
    let begin = (ToServer, TRANSFER.as_bytes().to_vec());
    for (wrong, name) in [
        (&b"{1:F01bankbebbaxxx2222123456}"[..], "malformed_block"),
        (b"{4:\r\n:20:1\r\n-}", "malformed_block"),
        (b"{1:F01BANKBEBBAXXX2222123456}{2:X103}", "malformed_block"),
        (b"{1:\x02", "invalid_character"),
        (b"hello", "missing_block"),
    ] {
        let outcome = play(&SWIFT, Carrier::Tcp, &[begin.clone(), (ToServer, wrong.to_vec())]);
        assert_eq!(outcome.anomalies(), [name], "{wrong:?}");
    }
}

#[test]
fn near_misses_are_refused() {
    for payload in
        ["{1:F01BANKBEBBAXXX2222123456}{9:", "{1:2}", "{\"1\":2}", "{1:Z01BANKBEBBAXXX2222123456}{2:"]
    {
        assert_eq!(probe(&SWIFT, Carrier::Tcp, ToServer, payload.as_bytes()), Found::No, "{payload}");
    }
    assert!(is_taken(probe(&SWIFT, Carrier::Tcp, ToServer, b"\x01{1:F01BANKBEBBAXXX2222123456}{2:")));
}
