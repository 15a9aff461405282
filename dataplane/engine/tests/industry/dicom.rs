//! DICOM associations and messages.

use engine::protocols::dicom::DICOM;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::Sample;
use crate::talk::{is_taken, play, play_cut, probe};

const VERIFICATION: &str = "1.2.840.10008.1.1";
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const FIND: &str = "1.2.840.10008.5.1.4.1.2.2.1";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

fn unit(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

fn item(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &(content.len() as u16).to_be_bytes(), content].concat()
}

fn context(id: u8, syntax: &str) -> Vec<u8> {
    let items =
        [item(0x30, syntax.as_bytes()), item(0x40, b"1.2.840.10008.1.2"), item(0x40, EXPLICIT.as_bytes())];
    item(0x20, &[&[id, 0, 0, 0][..], &items.concat()].concat())
}

fn agreed(id: u8, result: u8) -> Vec<u8> {
    item(0x21, &[&[id, 0, result, 0][..], &item(0x40, EXPLICIT.as_bytes())].concat())
}

fn associate(kind: u8, items: &[Vec<u8>]) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    body.extend(format!("{:<16}{:<16}", "ARCHIVE", "CT01").bytes());
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    body.extend(items.concat());
    let mut user = item(0x51, &[0, 0, 0x40, 0]);
    user.extend(item(0x52, b"1.2.3.4.5"));
    user.extend(item(0x55, b"EXAMPLE_10"));
    if kind == 1 {
        user.extend(item(0x58, b"\x02\x00\x00\x04rita\x00\x06secret"));
    }
    body.extend(item(0x50, &user));
    unit(kind, &body)
}

fn element(number: u16, value: &[u8]) -> Vec<u8> {
    let value = if value.len().is_multiple_of(2) { value.to_vec() } else { [value, &[0]].concat() };
    [&[0, 0][..], &number.to_le_bytes(), &(value.len() as u32).to_le_bytes(), &value].concat()
}

/// A command: field, message number, and further elements.
fn command(field: u16, id: u16, class: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let number = if field & 0x8000 == 0 { 0x0110 } else { 0x0120 };
    let elements = [
        element(0x0002, class.as_bytes()),
        element(0x0100, &field.to_le_bytes()),
        element(number, &id.to_le_bytes()),
        more.concat(),
    ]
    .concat();
    [element(0x0000, &(elements.len() as u32).to_le_bytes()), elements].concat()
}

fn value(context: u8, control: u8, content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 2).to_be_bytes()[..], &[context, control], content].concat()
}

fn no_data() -> Vec<u8> {
    element(0x0800, &0x0101_u16.to_le_bytes())
}

fn with_data() -> Vec<u8> {
    element(0x0800, &[0, 0])
}

fn status(code: u16) -> Vec<u8> {
    element(0x0900, &code.to_le_bytes())
}

fn data(values: &[Vec<u8>]) -> Vec<u8> {
    unit(4, &values.concat())
}

pub(crate) fn samples() -> Vec<Sample> {
    let asked = [context(1, VERIFICATION), context(3, CT), context(5, FIND)];
    let store = command(0x0001, 2, CT, &[with_data(), element(0x1000, b"1.2.3.4.5.6.7")]);
    let image = [b"\x10\x00\x10\x00PN\x0c\x00DOE^JANE^^^ ".to_vec(), vec![0; 20_000]].concat();
    let turns = vec![
        (ToServer, associate(1, &asked)),
        (ToClient, associate(2, &[agreed(1, 0), agreed(3, 0), agreed(5, 3)])),
        (ToServer, data(&[value(1, 3, &command(0x0030, 1, VERIFICATION, &[no_data()]))])),
        (ToClient, data(&[value(1, 3, &command(0x8030, 1, VERIFICATION, &[no_data(), status(0)]))])),
        // A command in two pieces, the second with the image's beginning behind it.
        (ToServer, data(&[value(3, 1, &store[..30])])),
        (ToServer, data(&[value(3, 3, &store[30..]), value(3, 0, &image[..64])])),
        (
            ToServer,
            [data(&[value(3, 0, &image[64..20_000])]), data(&[value(3, 2, &image[20_000..])])].concat(),
        ),
        (ToClient, data(&[value(3, 3, &command(0x8001, 2, CT, &[no_data(), status(0xb000)]))])),
        (
            ToServer,
            [
                data(&[value(5, 3, &command(0x0020, 3, FIND, &[with_data()]))]),
                data(&[value(5, 2, b"\x10\x00\x10\x00PN\x04\x00DOE*")]),
            ]
            .concat(),
        ),
        (
            ToClient,
            [
                data(&[value(5, 3, &command(0x8020, 3, FIND, &[with_data(), status(0xff00)]))]),
                data(&[value(5, 2, b"\x10\x00\x10\x00PN\x08\x00DOE^JANE")]),
                data(&[value(5, 3, &command(0x8020, 3, FIND, &[no_data(), status(0)]))]),
            ]
            .concat(),
        ),
        (ToServer, data(&[value(3, 3, &command(0x0001, 4, CT, &[with_data()]))])),
        (ToServer, unit(5, &[0; 4])),
        (ToClient, unit(6, &[0; 4])),
    ];
    vec![Sample { protocol: &DICOM, carrier: Carrier::Tcp, turns }]
}

#[test]
fn an_association_says_who_asks_whom_for_what() {
    let outcome = play(&DICOM, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let event = outcome.of("dicom")[0];
    assert_eq!(
        (&event["type"], &event["called_ae"], &event["calling_ae"]),
        (&json!("association"), &json!("ARCHIVE"), &json!("CT01"))
    );
    assert_eq!(
        event["request"]["contexts"][1],
        json!({
            "id": 3, "abstract_syntax": CT, "abstract_syntax_name": "CT Image Storage",
            "transfer_syntaxes": ["Implicit VR Little Endian", "Explicit VR Little Endian"],
        })
    );
    assert_eq!(
        event["request"]["user_identity"],
        json!({"type": "username_and_passcode", "user": "r***", "password_in_clear": true})
    );
    assert_eq!(event["response"]["contexts"][2]["result"], "abstract_syntax_not_supported");
    assert_eq!(
        (&event["response"]["max_pdu_length"], &event["response"]["implementation_version"]),
        (&json!(16384), &json!("EXAMPLE_10"))
    );
}

#[test]
fn services_are_written_with_their_answers_and_no_patient() {
    let outcome = play(&DICOM, Carrier::Tcp, &samples()[0].turns);
    let events = outcome.of("dicom");
    assert_eq!(
        events[1],
        &json!({
            "id": 1, "type": "message", "message_id": 1, "command": "C-ECHO", "sop_class": VERIFICATION,
            "sop_class_name": "Verification", "phi": false, "request": {"instance": false, "data_bytes": 0},
            "response": {"status_code": 0, "status": "success", "instance": false, "data_bytes": 0},
        })
    );
    assert_eq!(
        (&events[2]["command"], &events[2]["phi"], &events[2]["request"]["data_bytes"]),
        (&json!("C-STORE"), &json!(true), &json!(20_020))
    );
    assert_eq!(events[2]["response"]["status"], "warning");
    assert_eq!(
        (&events[3]["command"], &events[3]["pending"], &events[3]["response"]["data_bytes"]),
        (&json!("C-FIND"), &json!(1), &json!(16))
    );
    assert_eq!(
        (&events[4]["type"], &events[5]["type"]),
        (&json!("release_request"), &json!("release_response"))
    );
    assert_eq!((&events[6]["command"], events[6].get("response")), (&json!("C-STORE"), None));
    let text = format!("{events:?}");
    for secret in ["DOE", "JANE", "rita", "secret", "1.2.3.4.5.6.7"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn images_are_passed_over_not_held() {
    let image = data(&[value(3, 0, &[7; 200_000])]);
    let turns = vec![samples()[0].turns[0].clone(), (ToServer, image)];
    assert!(play_cut(&DICOM, &turns, &[1460]).carried < 2000);
}

#[test]
fn rejections_and_aborts_say_why() {
    let begin = samples()[0].turns[0].clone();
    let outcome = play(&DICOM, Carrier::Tcp, &[begin.clone(), (ToClient, unit(3, &[0, 1, 1, 7]))]);
    assert_eq!(
        outcome.of("dicom"),
        [&json!({
            "type": "rejected", "called_ae": "ARCHIVE", "calling_ae": "CT01", "result": "permanent", "source": 1,
            "reason": "called_ae_not_recognized",
        })]
    );
    let outcome = play(&DICOM, Carrier::Tcp, &[begin, (ToClient, unit(7, &[0, 0, 2, 6]))]);
    assert_eq!(outcome.of("dicom")[0], &json!({"type": "abort", "reason": 6, "source": "service_provider"}));
}

#[test]
fn contradictions_are_anomalies() {
    let begin = samples()[0].turns[0].clone();
    let echo = |field, id| value(1, 3, &command(field, id, VERIFICATION, &[no_data()]));
    for (turns, name) in [
        (vec![(ToClient, data(&[echo(0x8030, 7)]))], "unsolicited_response"),
        (
            vec![(ToServer, data(&[echo(0x0030, 7)])), (ToClient, data(&[echo(0x8001, 7)]))],
            "command_mismatch",
        ),
        (vec![(ToServer, data(&[value(1, 3, &[1, 0, 0, 0, 0, 0, 0, 0])]))], "malformed_command"),
        (vec![(ToServer, data(&[vec![0, 0, 0, 1, 1, 3]]))], "invalid_length"),
        (vec![(ToServer, unit(5, &[0; 5]))], "invalid_length"),
        (vec![(ToServer, unit(9, &[0; 4]))], "unknown_unit_type"),
    ] {
        let turns = [vec![begin.clone()], turns].concat();
        assert_eq!(play(&DICOM, Carrier::Tcp, &turns).anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    let right = samples()[0].turns[0].1.clone();
    assert_eq!(probe(&DICOM, Carrier::Tcp, ToServer, &right), Found::Yes);
    // Type, reserved, length, version, reserved, a title, the application context.
    for (at, value) in
        [(0, 3), (0, 8), (1, 1), (2, 9), (7, 0), (8, 1), (12, 7), (74, 0x20), (80, b'3'), (90, b'x')]
    {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert!(!is_taken(probe(&DICOM, Carrier::Tcp, ToServer, &wrong)), "{at}");
    }
    let echo = data(&[value(1, 3, &command(0x0030, 1, VERIFICATION, &[no_data()]))]);
    assert!(is_taken(probe(&DICOM, Carrier::Tcp, ToServer, &echo)));
    for (at, value) in [(10, 2), (11, 1), (12, 1), (16, 5)] {
        let mut wrong = echo.clone();
        wrong[at] = value;
        assert_eq!(probe(&DICOM, Carrier::Tcp, ToServer, &wrong), Found::No, "{at}");
    }
}
