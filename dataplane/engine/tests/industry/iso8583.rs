//! ISO 8583 in the encodings and framings that networks use.

use engine::protocols::iso8583::ISO8583;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;
use serde_json::json;

use crate::talk::{Outcome, is_taken, play, probe};
use crate::{Sample, hex};

/// A bitmap, with its second half where an element needs it.
fn bitmap(elements: &[u8]) -> Vec<u8> {
    let mut bits = elements.iter().fold(0_u128, |bits, element| bits | 1 << (128 - u32::from(*element)));
    let has_second = elements.iter().any(|element| *element > 64);
    bits |= u128::from(has_second) << 127;
    bits.to_be_bytes()[..if has_second { 16 } else { 8 }].to_vec()
}

/// Length of two bytes before a message.
fn two(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// Four digits of length before a message.
fn four_digits(message: &[u8]) -> Vec<u8> {
    [format!("{:04}", message.len()).as_bytes(), message].concat()
}

const PURCHASE: [u8; 13] = [2, 3, 4, 7, 11, 22, 35, 37, 41, 42, 49, 52, 55];

fn ascii_purchase(is_hex: bool) -> Vec<u8> {
    let text = [
        "16",
        "4111111111111111",
        "000000",
        "000000012345",
        "1123145959",
        "000042",
        "051",
        "37",
        "4111111111111111=30122010000000000000",
        "123456789012",
        "TERM0001",
        "MERCHANT0000001",
        "840",
    ]
    .concat();
    let map = bitmap(&PURCHASE);
    let pin = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0];
    if is_hex {
        let digits: String = map.iter().map(|byte| format!("{byte:02X}")).collect();
        let pin: String = pin.iter().map(|byte| format!("{byte:02X}")).collect();
        [b"0200", digits.as_bytes(), text.as_bytes(), pin.as_bytes(), b"0089F2608AA"].concat()
    } else {
        [b"0200", &map[..], text.as_bytes(), &pin, b"008\x9f\x26\x05\x01\x02\x03\x04\x05"].concat()
    }
}

fn ascii_answer(code: &str) -> Vec<u8> {
    let map = bitmap(&[3, 4, 7, 11, 37, 38, 39, 41]);
    let text = ["000000", "000000012345", "1123145959", "000042", "123456789012", "A1B2C3", code, "TERM0001"]
        .concat();
    [b"0210", &map[..], text.as_bytes()].concat()
}

/// The same in packed digits behind a TPDU.
fn packed_purchase() -> Vec<u8> {
    let map = bitmap(&[2, 3, 4, 11, 22, 24, 25, 35, 41, 42, 62]);
    [
        &hex("6000010000 0200")[..],
        &map,
        &hex("16 4111111111111111 000000 000000012345 000043 0051 0001 00 33 4111111111111111d3012201000000000f"),
        b"TERM0001MERCHANT0000001",
        &hex("0006 303030303031"),
    ]
    .concat()
}

fn ebcdic(text: &str) -> Vec<u8> {
    text.bytes()
        .map(|byte| match byte {
            b'0'..=b'9' => byte - b'0' + 0xf0,
            b'A'..=b'I' => byte - b'A' + 0xc1,
            b'J'..=b'R' => byte - b'J' + 0xd1,
            b'S'..=b'Z' => byte - b'S' + 0xe2,
            b' ' => 0x40,
            _ => 0x6f,
        })
        .collect()
}

pub(crate) fn samples() -> Vec<Sample> {
    let ebcdic_logon = [ebcdic("0800"), bitmap(&[7, 11, 70]), ebcdic("1123145959000044301")].concat();
    let ebcdic_answer = [ebcdic("0810"), bitmap(&[7, 11, 39, 70]), ebcdic("112314595900004400301")].concat();
    [
        vec![(ToServer, two(&ascii_purchase(false))), (ToClient, two(&ascii_answer("00")))],
        vec![(ToServer, four_digits(&ascii_purchase(true))), (ToServer, b"0000".to_vec())],
        vec![(ToServer, two(&packed_purchase()))],
        vec![(ToServer, two(&ebcdic_logon)), (ToClient, two(&ebcdic_answer))],
    ]
    .map(|turns| Sample { protocol: &ISO8583, carrier: Carrier::Tcp, turns })
    .into()
}

fn text_of(outcome: &Outcome) -> String {
    format!("{:?}", outcome.events)
}

#[test]
fn a_purchase_is_one_event_and_its_account_number_is_masked() {
    let outcome = play(&ISO8583, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let event = outcome.of("iso8583")[0].clone();
    assert_eq!(
        event["request"],
        json!({
            "mti": "0200", "class": "financial", "function": "request", "origin": "acquirer", "edition": "1987",
            "stan": "000042", "processing_code": "000000", "amount": "000000012345", "currency": "840",
            "transmission_time": "1123145959", "pos_entry_mode": "051", "retrieval_reference": "123456789012",
            "terminal_id": "TERM0001", "merchant_id": "MERCHANT0000001", "pan": "411111******1111",
            "pan_luhn_valid": true, "track_data": true, "pin_block": true, "icc_data": true,
            "fields": [2, 3, 4, 7, 11, 22, 35, 37, 41, 42, 49, 52, 55],
        })
    );
    assert_eq!((&event["framing"], &event["encoding"]), (&json!("binary_2"), &json!("ascii")));
    assert_eq!(
        (&event["response"]["mti"], &event["response"]["response_code"]),
        (&json!("0210"), &json!("00"))
    );
}

#[test]
fn no_account_number_track_or_pin_is_written_in_any_encoding() {
    for sample in samples() {
        let outcome = play(&ISO8583, Carrier::Tcp, &sample.turns);
        let text = text_of(&outcome);
        for secret in ["4111111111111111", "30122010", "123456789a", "123456789A"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn encodings_and_headers_are_found_by_the_message_itself() {
    let all = samples();
    let event = |at: usize| play(&ISO8583, Carrier::Tcp, &all[at].turns).of("iso8583")[0].clone();
    let hexadecimal = event(1);
    assert_eq!(
        (&hexadecimal["framing"], &hexadecimal["encoding"]),
        (&json!("ascii_4"), &json!("ascii_hex_bitmap"))
    );
    let packed = event(2);
    assert_eq!((&packed["encoding"], &packed["header"]), (&json!("bcd"), &json!("tpdu")));
    assert_eq!(
        (&packed["request"]["pan"], &packed["request"]["stan"]),
        (&json!("411111******1111"), &json!("000043"))
    );
    assert_eq!(
        (&packed["request"]["pos_entry_mode"], &packed["request"]["terminal_id"]),
        (&json!("051"), &json!("TERM0001"))
    );
    let logon = event(3);
    assert_eq!(
        (&logon["encoding"], &logon["request"]["class"]),
        (&json!("ebcdic"), &json!("network_management"))
    );
    assert_eq!(
        (&logon["request"]["network_management_code"], &logon["response"]["response_code"]),
        (&json!("301"), &json!("00"))
    );
    // A header of a link, and lengths that count themselves, have four bytes, or are packed digits.
    for (message, framing, header) in [
        (two(&[b"ISO026000050", &ascii_answer("05")[..]].concat()), "binary_2", json!("iso")),
        ([&0_u32.to_be_bytes()[..3], &[83], &ascii_answer("05")].concat(), "binary_4", json!(null)),
        ([&[0, 85], &ascii_answer("05")[..]].concat(), "binary_2_inclusive", json!(null)),
        ([&[0, 0], &ascii_answer("05")[..]].concat(), "packed_2", json!(null)),
    ] {
        let mut message = message;
        let len = message.len();
        match framing {
            "binary_4" => message[3] = (len - 4) as u8,
            "binary_2_inclusive" => message[1] = len as u8,
            "packed_2" => message[1] = ((((len - 2) / 10) << 4) | ((len - 2) % 10)) as u8,
            _ => {}
        }
        let outcome = play(&ISO8583, Carrier::Tcp, &[(ToClient, message)]);
        let event = outcome.of("iso8583")[0].clone();
        assert_eq!((&event["framing"], &event["header"]), (&json!(framing), &header));
    }
}

#[test]
fn the_element_of_1993_are_known() {
    // Date and time in one element, a function code of three digits, an action code of three.
    let map = bitmap(&[3, 4, 11, 12, 22, 24, 39, 41]);
    let message = [
        b"1210",
        &map[..],
        b"000000",
        b"000000012345",
        b"000042",
        b"261123145959",
        b"A00101A03340",
        b"200",
        b"000",
        b"TERM0001",
    ]
    .concat();
    let outcome = play(&ISO8583, Carrier::Tcp, &[(ToClient, two(&message))]);
    assert_eq!(outcome.of("iso8583")[0]["response"]["edition"], "1993");
    assert_eq!(outcome.of("iso8583")[0]["response"]["response_code"], "000");
    assert_eq!(outcome.anomalies(), ["unsolicited_response"]);
}

#[test]
fn contradictions_are_anomalies() {
    let begin = samples()[0].turns[0].clone();
    let mut wrong = two(&ascii_answer("00"));
    wrong[20] = b'x';
    for (turn, name) in [
        ((ToClient, wrong), "malformed_message"),
        ((ToClient, vec![0, 5, 1, 2, 3]), "invalid_length"),
        (
            (
                ToClient,
                two(&ascii_answer("00")
                    .into_iter()
                    .map(|byte| if byte == b'4' { b'5' } else { byte })
                    .collect::<Vec<u8>>()),
            ),
            "unsolicited_response",
        ),
    ] {
        assert_eq!(play(&ISO8583, Carrier::Tcp, &[begin.clone(), turn]).anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    let right = two(&ascii_purchase(false));
    assert_eq!(probe(&ISO8583, Carrier::Tcp, ToServer, &right), Found::Yes);
    // Length, version, class, origin; a bit more; a letter in digits; a month that is none; one byte more or less.
    for (at, value) in
        [(1, 0), (2, b'3'), (3, b'9'), (5, b'7'), (6, 0xf2), (7, 0), (16, b'x'), (52, b'x'), (50, b'9')]
    {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert!(!is_taken(probe(&ISO8583, Carrier::Tcp, ToServer, &wrong)), "{at}");
    }
    for payload in [[&right[..], b"x"].concat(), right[..right.len() - 1].to_vec()] {
        let _ = probe(&ISO8583, Carrier::Tcp, ToServer, &payload);
    }
    assert!(!is_taken(probe(&ISO8583, Carrier::Tcp, ToServer, &right[..right.len() - 1])));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// A right length and a right type before random bytes are not enough.
    #[test]
    fn a_right_beginning_is_not_enough(mut body in prop::collection::vec(any::<u8>(), 40..200)) {
        body[..4].copy_from_slice(b"0200");
        prop_assert!(!is_taken(probe(&ISO8583, Carrier::Tcp, ToServer, &two(&body))));
    }
}
