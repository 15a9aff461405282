//! OPC UA: chunks, channels, services.

use engine::CryptoClass;
use engine::protocols::opcua::OPCUA;
use engine::protocols::{Carrier, Found, Then};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::captures::{capture, connections};
use crate::talk::{is_taken, play, probe};
use crate::tshark::{column, tshark};
use crate::{Sample, hex};

/// A chunk of a type.
fn chunk(kind: &str, body: &[u8]) -> Vec<u8> {
    [kind.as_bytes(), &(8 + body.len() as u32).to_le_bytes(), body].concat()
}

/// A string with its length.
fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn hello() -> Vec<u8> {
    let sizes = hex("00000000 00000100 00000100 00000000 00000000");
    chunk("HELF", &[sizes, string("opc.tcp://plant:4840/line")].concat())
}

fn acknowledge() -> Vec<u8> {
    chunk("ACKF", &hex("00000000 00000100 00000100 00000000 00000000"))
}

const NONE: &str = "http://opcfoundation.org/UA/SecurityPolicy#None";
/// Token, time, handle, diagnostics, no audit entry, timeout, no additional header.
const REQUEST: &str = "0000 0000000000000000 01000000 00000000 ffffffff 10270000 000000";
/// Time, handle, status, no diagnostics, no strings, no additional header.
const GOOD: &str = "0000000000000000 01000000 00000000 00 ffffffff 000000";

fn open(policy: &str, sequence: u8, body: &[u8]) -> Vec<u8> {
    let header =
        [hex("07000000"), string(policy), hex("ffffffff ffffffff"), vec![sequence, 0, 0, 0, 1, 0, 0, 0]]
            .concat();
    chunk("OPNF", &[header, body.to_vec()].concat())
}

fn service(kind: &str, sequence: u8, request: u8, body: &[u8]) -> Vec<u8> {
    let header = [hex("07000000 01000000"), vec![sequence, 0, 0, 0, request, 0, 0, 0]].concat();
    chunk(kind, &[header, body.to_vec()].concat())
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn samples() -> Vec<Sample> {
    let activate = [
        hex("0100 d301"),
        hex(REQUEST),
        // Signature, software certificates, locales.
        hex("ffffffff ffffffff ffffffff ffffffff"),
        // User name token.
        hex("01004401 01"),
        {
            let token = [string("policy"), string("operator"), string("hunter2"), hex("ffffffff")].concat();
            [&(token.len() as u32).to_le_bytes()[..], &token].concat()
        },
        hex("ffffffff ffffffff"),
    ]
    .concat();
    let read = [
        hex("0100 7702"),
        hex(REQUEST),
        hex("0000000000000000 02000000 02000000"),
        hex("010204d2 0d000000 ffffffff 0000 ffffffff"),
        hex("03 0500 03000000 6f7574 0d000000 ffffffff 0000 ffffffff"),
    ]
    .concat();
    let turns = vec![
        (ToServer, hello()),
        (ToClient, acknowledge()),
        (
            ToServer,
            open(
                NONE,
                1,
                &[hex("0100 be01"), hex(REQUEST), hex("00000000 00000000 01000000 ffffffff 80ee3600")]
                    .concat(),
            ),
        ),
        (
            ToClient,
            open(
                NONE,
                1,
                &[
                    hex("0100 c101"),
                    hex(GOOD),
                    hex("00000000 07000000 01000000 0000000000000000 80ee3600 ffffffff"),
                ]
                .concat(),
            ),
        ),
        (ToServer, service("MSGF", 2, 2, &activate)),
        (
            ToClient,
            service(
                "MSGF",
                2,
                2,
                &[hex("0100 d601"), hex(&GOOD.replace("01000000 00000000", "01000000 00002180"))].concat(),
            ),
        ),
        (ToServer, service("MSGF", 3, 3, &read)),
        (
            ToServer,
            service(
                "MSGF",
                4,
                4,
                &[hex("0100 c802"), hex(REQUEST), hex("01000000 0100020a00 0102e803 00000000")].concat(),
            ),
        ),
        (
            ToClient,
            [
                service("MSGC", 3, 3, &[hex("0100 7a02"), hex(GOOD), vec![0; 30]].concat()),
                service("MSGF", 4, 3, &[9; 40]),
            ]
            .concat(),
        ),
        (
            ToClient,
            service(
                "MSGF",
                5,
                4,
                &[hex("0100 8d01"), hex(&GOOD.replace("01000000 00000000", "01000000 00001f80"))].concat(),
            ),
        ),
        (ToServer, service("CLOF", 5, 5, &[hex("0100 c401"), hex(REQUEST)].concat())),
    ];
    vec![Sample { protocol: &OPCUA, carrier: Carrier::Tcp, turns }]
}

#[test]
fn channel_and_services_are_events() {
    let outcome = play(&OPCUA, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    assert_eq!(outcome.crypto, Some(CryptoClass::Cleartext));
    let events = outcome.of("opcua");
    assert_eq!(
        events[0],
        &json!({"type": "hello", "version": 0, "endpoint_url": "opc.tcp://plant:4840/line"})
    );
    assert_eq!(
        events[2],
        &json!({
            "type": "open_secure_channel", "channel_id": 7, "request_type": "issue", "security_mode": "None",
            "lifetime_ms": 3_600_000,
            "crypto": {"class": "cleartext", "posture": "cleartext", "security_policy": "None", "security_mode": "None"},
        })
    );
    assert_eq!(
        (&events[3]["status"], &events[4]["response"]["status"]),
        (&json!("Good"), &json!("BadIdentityTokenRejected"))
    );
    assert_eq!(events[4]["service"], "ActivateSession");
    assert_eq!(
        events[4]["request"]["credentials"],
        json!({"kind": "username", "user": "o***", "password_in_clear": true})
    );
    assert_eq!(
        events[5]["request"]["nodes"],
        json!([{"namespace": 2, "identifier": 0xd204}, {"namespace": 5, "identifier": "out"}])
    );
    assert_eq!(
        (&events[5]["response"]["status"], &events[5]["request"]["count"]),
        (&json!("Good"), &json!(2))
    );
    assert_eq!(events[6]["service"], "Call");
    assert_eq!(
        (&events[6]["response"]["fault"], &events[6]["response"]["status"]),
        (&json!(true), &json!("BadUserAccessDenied"))
    );
    assert_eq!(events[7]["type"], "close_secure_channel");
    assert!(!format!("{events:?}").contains("hunter2"), "passwords must not be written");
}

#[test]
fn encrypted_channels_show_their_policy_and_no_more() {
    let policy = "http://opcfoundation.org/UA/SecurityPolicy#Basic128Rsa15";
    let turns = [
        (ToServer, hello()),
        (ToServer, open(policy, 1, &[0xaa; 256])),
        (ToClient, open(policy, 1, &[0xbb; 256])),
        (ToServer, service("MSGF", 0x55, 0x66, &[0xcc; 64])),
    ];
    let outcome = play(&OPCUA, Carrier::Tcp, &turns);
    assert_eq!((outcome.crypto, outcome.ending), (Some(CryptoClass::QuantumVulnerable), Some(Then::Done)));
    let events = outcome.of("opcua");
    assert_eq!(
        events[1]["crypto"],
        json!({"class": "classical", "posture": "weak", "security_policy": "Basic128Rsa15", "weaknesses": ["sha1_signature"]})
    );
    assert_eq!(events[3]["crypto"]["security_mode"], "SignAndEncrypt");
    // Signed only: the services can be read all the same.
    let policy = "http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256";
    let read = service("MSGF", 2, 2, &[hex("0100 7702"), hex(REQUEST)].concat());
    let outcome = play(
        &OPCUA,
        Carrier::Tcp,
        &[(ToServer, hello()), (ToServer, open(policy, 1, &[0xaa; 256])), (ToServer, read)],
    );
    assert_eq!(outcome.crypto, Some(CryptoClass::Cleartext));
    let events = outcome.of("opcua");
    assert_eq!(
        (&events[2]["crypto"]["security_mode"], &events[3]["service"]),
        (&json!("Sign"), &json!("Read"))
    );
}

#[test]
fn contradictions_are_anomalies() {
    let begin = samples()[0].turns[..4].to_vec();
    let read = [hex("0100 7702"), hex(REQUEST)].concat();
    for (turn, name) in [
        ((ToServer, service("MSGF", 9, 2, &read)), "sequence_mismatch"),
        ((ToClient, service("MSGF", 2, 2, &[hex("0100 7a02"), hex(GOOD)].concat())), "unsolicited_response"),
        ((ToServer, service("MSGF", 2, 2, &[0xaa; 20])), "unknown_service"),
        ((ToServer, b"MSGX\x20\0\0\0".to_vec()), "invalid_message_type"),
        ((ToServer, b"MSGF\x08\0\0\0".to_vec()), "invalid_size"),
        ((ToServer, chunk("RHEF", &[0x7f; 20])), "malformed_message"),
    ] {
        let outcome = play(&OPCUA, Carrier::Tcp, &[begin.clone(), vec![turn]].concat());
        assert_eq!(outcome.anomalies()[0], name);
    }
}

#[test]
fn near_misses_are_refused() {
    let right = hello();
    for (at, value) in [(0, b'h'), (3, b'C'), (4, 60), (5, 0x80), (7, 1), (28, 1)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert!(!is_taken(probe(&OPCUA, Carrier::Tcp, ToServer, &wrong)), "{at}");
    }
    assert_eq!(probe(&OPCUA, Carrier::Tcp, ToServer, b"HELP "), Found::No);
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("opc-ua.pcap") else { return };
    let flows = connections(&OPCUA, &file);
    eprintln!("{} of {} flows taken", flows.iter().filter(|flow| flow.is_taken).count(), flows.len());
    for flow in &flows {
        eprintln!("{} events, anomalies {:?}", flow.outcome.of("opcua").len(), flow.outcome.anomalies());
    }
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("opcua")).collect();
    let Some(rows) = tshark(&file, "opcua", &["opcua.servicenodeid.numeric", "opcua.transport.endpoint"])
    else {
        return;
    };
    let theirs = column(&rows, 0);
    let halves = events.iter().filter(|event| event.get("request_id").is_some());
    let halves: usize = halves
        .map(|event| ["request", "response"].iter().filter(|side| event.get(**side).is_some()).count())
        .sum();
    let channels = events.iter().filter(|event| {
        matches!(event["type"].as_str(), Some("open_secure_channel" | "close_secure_channel"))
    });
    assert_eq!(halves + channels.count(), theirs.len());
    let urls: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "hello")
        .map(|event| event["endpoint_url"].as_str().unwrap())
        .collect();
    assert_eq!(urls, column(&rows, 1));
}
