//! Telnet and the 3270 terminal over it.

use engine::protocols::telnet::TELNET;
use engine::protocols::{Carrier, Found, Then};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::talk::{Outcome, Turn, play, probe};
use crate::{Sample, hex};

fn ebcdic(text: &str) -> String {
    let letters = text.bytes().map(|byte| match byte {
        b'A'..=b'I' => byte - b'A' + 0xc1,
        b'J'..=b'R' => byte - b'J' + 0xd1,
        b'S'..=b'Z' => byte - b'S' + 0xe2,
        b'0'..=b'9' => byte - b'0' + 0xf0,
        b'/' => 0x61,
        _ => 0x40,
    });
    letters.map(|byte| format!("{byte:02x}")).collect()
}

fn login(password: &str, answer: &str) -> Vec<Turn> {
    vec![
        (ToClient, hex("fffd18 fffd20 fffb01 fffb03")),
        (ToServer, hex("fffb18 fffc20 fffd01 fffd03 fffa18 00 787465726d fff0 fffa1f 0050 0018 fff0")),
        (ToClient, b"\r\nLinux 6.1\r\nlogin: ".to_vec()),
        (ToServer, b"ro".to_vec()),
        (ToClient, b"ro".to_vec()),
        (ToServer, b"ot\r\0".to_vec()),
        (ToClient, b"ot\r\nPassword: ".to_vec()),
        (ToServer, format!("{password}\r\0").into_bytes()),
        (ToClient, answer.as_bytes().to_vec()),
        (ToServer, b"ls\r\0".to_vec()),
    ]
}

/// A session of TN3270E: device type, functions, BIND, a screen with a hidden field, a key and the next screen.
fn extended() -> Vec<Turn> {
    let screen = format!(
        "00 00 00 0001 f5 c3 11 4040 1d 60 {} 11 c150 1d 60 {} 1d 40 13 11 c260 1d 4c ffef",
        ebcdic("TSO/E LOGON"),
        ebcdic("USERID")
    );
    vec![
        (ToClient, hex("fffd28")),
        (ToServer, hex("fffb28")),
        (ToClient, hex("fffa28 08 02 fff0")),
        (ToServer, hex("fffa28 02 07 49424d2d333237382d322d45 01 4c55303031 fff0")),
        (ToClient, hex("fffa28 02 04 49424d2d333237382d322d45 01 5453303031 fff0")),
        (ToServer, hex("fffa28 03 07 00 02 04 fff0")),
        (ToClient, hex("fffa28 03 04 00 02 04 fff0")),
        (ToClient, hex(&format!("03 00 00 0000 31 {} 08 {} ffef", "00".repeat(26), ebcdic("TSO1    ")))),
        (ToClient, hex(&screen)),
        (
            ToServer,
            hex(&format!(
                "00 00 00 0001 7d c2e5 11 c1d8 {} 11 c261 {} ffef",
                ebcdic("IBMUSER"),
                ebcdic("SECRET")
            )),
        ),
        (ToClient, hex(&format!("00 00 00 0002 f1 c3 11 4040 {} ffef", ebcdic("ISPF PRIMARY OPTION MENU")))),
        (ToServer, hex("00 00 00 0002 f3 4040 ffef")),
    ]
}

/// A 5250 session: variables with a device's name and a password's substitute, then records.
fn midrange() -> Vec<Turn> {
    let variables = "fffa27 00 00 55534552 01 51534543 03 4445564e414d45 01 44535031 03 49424d5253454544 01 c3 0200 17 \
                     03 49424d5355425350 57 01 a1 0203 b2 fff0";
    vec![
        (ToClient, hex("fffd27 fffd18")),
        (ToServer, hex("fffb27 fffb18")),
        (ToClient, hex("fffa27 01 03 49424d5253454544 c1c2c3 00 03 fff0 fffa18 01 fff0")),
        (ToServer, hex(variables)),
        (ToServer, hex("fffa18 00 49424d2d333137392d32 fff0")),
        (ToClient, hex("fffd19 fffb19 fffd00 fffb00")),
        (ToServer, hex("fffb19 fffd19 fffb00 fffd00")),
        (ToClient, hex("0011 12a0 0000 04 0000 03 0440 0411 0014 01 ffef")),
        (ToServer, hex("000f 12a0 0000 04 0000 03 0635 f1 d7e6 ffef")),
        (ToClient, hex("000a 12a0 0000 04 0000 0a ffef")),
    ]
}

pub(crate) fn samples() -> Vec<Sample> {
    [login("hunter2", "\r\nLast login: Mon\r\n$ "), extended(), midrange()]
        .map(|turns| Sample { protocol: &TELNET, carrier: Carrier::Tcp, turns })
        .into()
}

fn talk(turns: &[Turn]) -> Outcome {
    play(&TELNET, Carrier::Tcp, turns)
}

#[test]
fn a_login_is_noticed_and_neither_user_nor_password_written() {
    let outcome = talk(&samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("telnet");
    assert_eq!(
        events[0],
        &json!({"type": "login", "user": "r***", "password_in_clear": true, "result": "success"})
    );
    assert_eq!(
        events[1],
        &json!({
            "type": "session", "client_options": ["TERMINAL_TYPE"],
            "server_options": ["ECHO", "SUPPRESS_GO_AHEAD"], "terminal_type": "xterm", "columns": 80, "rows": 24,
            "authentication": false, "encrypted": false,
        })
    );
    let text = format!("{events:?}");
    assert!(!text.contains("root") && !text.contains("hunter2"));
    let failed = talk(&login("guess", "\r\nLogin incorrect\r\nlogin: "));
    assert_eq!(failed.of("telnet")[0]["result"], "failure");
}

#[test]
fn a_midrange_terminal_is_told_with_its_device_and_without_its_user() {
    let outcome = talk(&samples()[2].turns);
    assert_eq!((outcome.refined, outcome.anomalies()), (Some("tn5250"), vec![]));
    assert_eq!(
        outcome.of("tn5250"),
        [&json!({
            "type": "session", "terminal_type": "IBM-3179-2", "device_name": "DSP1",
            "credentials": {"user": "Q***", "password_in_clear": false, "password_substitute": true},
            "records_to_server": 1, "records_to_client": 2,
        })]
    );
    assert!(outcome.of("telnet").is_empty());
}

#[test]
fn a_terminal_is_told_apart_with_its_names_keys_and_screens() {
    let outcome = talk(&samples()[1].turns);
    assert_eq!((outcome.refined, outcome.anomalies()), (Some("tn3270"), vec![]));
    let events = outcome.of("tn3270");
    assert_eq!(
        events[0]["response"],
        json!({"command": "erase_write", "fields": 4, "input_fields": 2, "hidden_fields": 1, "application": "tso"})
    );
    assert_eq!(
        events[1]["request"],
        json!({"aid": "ENTER", "cursor": 165, "modified_fields": 2, "hidden_input_in_clear": true})
    );
    assert_eq!(
        (&events[1]["response"]["command"], &events[1]["response"]["application"]),
        (&json!("write"), &json!("ispf"))
    );
    assert_eq!(events[2]["request"]["aid"], "PF3");
    assert_eq!(
        events[3],
        &json!({
            "type": "session", "tn3270e": true, "device_type": "IBM-3278-2-E", "lu_name": "TS001",
            "requested_lu_name": "LU001", "application": "TSO1    ",
            "functions": ["BIND_IMAGE", "RESPONSES", "SYSREQ"],
        })
    );
    let text = format!("{events:?}").to_uppercase();
    assert!(!text.contains("IBMUSER") && !text.contains("SECRET"));
}

#[test]
fn the_older_terminal_is_known_by_its_type_and_records() {
    let turns = [
        (ToClient, hex("fffd18 fffd19 fffb19 fffd00 fffb00")),
        (ToServer, hex("fffb18 fffb19 fffd19 fffb00 fffd00")),
        (ToServer, hex("fffa18 00 49424d2d333237382d32 fff0")),
        (ToClient, hex("f5 c3 11 4040 1d f0 c3c9c3e2 ffef")),
        (ToServer, hex("6d ffef")),
    ];
    let outcome = talk(&turns);
    assert_eq!(outcome.refined, Some("tn3270"));
    let events = outcome.of("tn3270");
    assert_eq!(
        (&events[0]["response"]["application"], &events[1]["request"]["aid"]),
        (&json!("cics"), &json!("CLEAR"))
    );
    assert_eq!((&events[2]["tn3270e"], &events[2]["device_type"]), (&json!(false), &json!("IBM-3278-2")));
}

#[test]
fn encryption_ends_the_reading() {
    let turns = [
        (ToClient, hex("fffd2e")),
        (ToServer, hex("fffb2e fffa2e01fff0")),
        (ToClient, hex("fffa2e01fff0")),
        (ToServer, hex("1603010005")),
    ];
    let outcome = talk(&turns);
    assert_eq!((outcome.ending, outcome.crypto), (Some(Then::Upgrade), None));
    assert_eq!(outcome.of("telnet")[0]["encrypted"], true);
}

#[test]
fn contradictions_are_anomalies() {
    let mut turns = extended();
    turns.truncate(7);
    for (turn, name) in [
        ((ToClient, hex("09 00 00 0000 f5 c3 ffef")), "unknown_data_type"),
        ((ToClient, hex("00 00 ffef")), "truncated_header"),
        ((ToClient, hex("00 00 00 0000 99 ffef")), "unknown_command"),
        ((ToServer, hex("00 00 00 0000 01 ffef")), "unknown_aid"),
        ((ToServer, hex("ff01")), "invalid_command"),
    ] {
        assert_eq!(talk(&[turns.clone(), vec![turn]].concat()).anomalies(), [name]);
    }
}

#[test]
fn near_misses_are_refused() {
    for payload in
        ["ff f0 18", "ff fd 60 ff fd 61", "ff ff 18", "00 ff fd 18", "ff fd 18 01 02", "ff fa 60 00 ff f0"]
    {
        assert_eq!(probe(&TELNET, Carrier::Tcp, ToClient, &hex(payload)), Found::No, "{payload}");
    }
    assert_eq!(probe(&TELNET, Carrier::Tcp, ToClient, &hex("fffd18")), Found::Likely(80));
}
