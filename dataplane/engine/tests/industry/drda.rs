//! DRDA, as Db2 speaks it.

use engine::protocols::drda::DRDA;
use engine::protocols::{Carrier, Found};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::json;

use crate::Sample;
use crate::captures::{capture, connections};
use crate::talk::{Turn, is_taken, play, probe};
use crate::tshark::{column, tshark};

fn object(code: u16, data: &[u8]) -> Vec<u8> {
    [&(data.len() as u16 + 4).to_be_bytes()[..], &code.to_be_bytes(), data].concat()
}

fn structure(format: u8, correlation: u16, objects: &[Vec<u8>]) -> Vec<u8> {
    let objects = objects.concat();
    let length = (objects.len() as u16 + 6).to_be_bytes();
    [&length[..], &[0xd0, format], &correlation.to_be_bytes(), &objects].concat()
}

/// Letters, digits and blanks as a mainframe writes them.
fn ebcdic(text: &str) -> Vec<u8> {
    let one = |byte: u8| match byte {
        b' ' => 0x40,
        b'a'..=b'i' => byte - b'a' + 0x81,
        b'j'..=b'r' => byte - b'j' + 0x91,
        b's'..=b'z' => byte - b's' + 0xa2,
        b'A'..=b'I' => byte - b'A' + 0xc1,
        b'J'..=b'R' => byte - b'J' + 0xd1,
        b'S'..=b'Z' => byte - b'S' + 0xe2,
        b'0'..=b'9' => byte - b'0' + 0xf0,
        other => other,
    };
    text.bytes().map(one).collect()
}

fn sql(text: &str) -> Vec<u8> {
    object(0x2414, &[&[0][..], &(text.len() as u32).to_be_bytes(), text.as_bytes(), &[0xff]].concat())
}

fn outcome(code: i32, state: &str) -> Vec<u8> {
    object(0x2408, &[&[0][..], &code.to_le_bytes(), state.as_bytes(), b"SQL08024", &[0; 24]].concat())
}

fn database() -> Vec<u8> {
    object(0x2110, &ebcdic("SAMPLE            "))
}

/// Attributes, security, the check of a user, and access to a database.
fn session() -> Vec<Turn> {
    let attributes = [
        object(0x115e, &ebcdic("db2jcc application")),
        object(0x1147, &ebcdic("QDB2 JVM")),
        object(0x115a, b"JCC02100"),
    ];
    let security = [object(0x11a2, &[0, 3]), database()];
    let check = [
        object(0x11a2, &[0, 3]),
        database(),
        object(0x11a0, &ebcdic("rita")),
        object(0x11a1, &ebcdic("secret")),
    ];
    let access = [database(), object(0x112e, &ebcdic("JCC02100"))];
    let server = [object(0x1147, &ebcdic("QDB2 LINUX")), object(0x116d, b"db1")];
    let checked = [object(0x1149, &[0, 0]), object(0x11a4, &[0])];
    let accessed = [object(0x1149, &[0, 0]), object(0x112e, &ebcdic("SQL08024"))];
    let one = |format, correlation, code, parts: &[Vec<u8>]| {
        structure(format, correlation, &[object(code, &parts.concat())])
    };
    vec![
        (ToServer, [one(0x41, 1, 0x1041, &attributes), one(0x01, 2, 0x106d, &security)].concat()),
        (
            ToClient,
            [one(0x42, 1, 0x1443, &server), one(0x02, 2, 0x14ac, &[object(0x11a2, &[0, 3])])].concat(),
        ),
        (ToServer, [one(0x41, 1, 0x106e, &check), one(0x01, 2, 0x2001, &access)].concat()),
        (
            ToClient,
            [
                one(0x42, 1, 0x1219, &checked),
                one(0x52, 2, 0x2201, &accessed),
                structure(0x03, 2, &[outcome(0, "00000")]),
            ]
            .concat(),
        ),
    ]
}

pub(crate) fn samples() -> Vec<Sample> {
    let mut long = structure(0x03, 6, &[object(0x2412, &[0; 100])]);
    long[0] |= 0x80;
    let mut turns = session();
    turns.extend([
        (
            ToServer,
            [
                structure(0x51, 3, &[object(0x200d, &object(0x2113, &[0x40; 60]))]),
                structure(0x43, 3, &[sql("select name from patients where id = 4711 and city = 'Ulm'")]),
                structure(0x01, 4, &[object(0x200c, &[])]),
            ]
            .concat(),
        ),
        (
            ToClient,
            [
                structure(0x43, 3, &[outcome(-204, "42704")]),
                structure(0x02, 4, &[object(0x2212, &object(0x1149, &[0, 8]))]),
            ]
            .concat(),
        ),
        (ToServer, [structure(0x41, 6, &[object(0x200b, &[])]), long, vec![0, 30], vec![7; 28]].concat()),
        (ToServer, structure(0x01, 7, &[object(0x200e, &[])])),
    ]);
    vec![Sample { protocol: &DRDA, carrier: Carrier::Tcp, turns }]
}

#[test]
fn a_session_says_who_asks_which_database() {
    let outcome = play(&DRDA, Carrier::Tcp, &samples()[0].turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("drda");
    assert_eq!(
        events[0],
        &json!({
            "id": 1, "correlation_id": 1, "command": "EXCSAT",
            "request": {"external_name": "db2jcc application", "server_class": "QDB2 JVM", "server_release": "JCC02100"},
            "response": {"replies": ["EXCSATRD"], "server_class": "QDB2 LINUX", "server_name": "db1"},
        })
    );
    assert_eq!(events[1]["request"], json!({"mechanism": "user_password", "database": "SAMPLE"}));
    assert_eq!(
        events[2]["request"]["credentials"],
        json!({"user": "r***", "password_in_clear": true, "token": false})
    );
    assert_eq!(
        events[2]["response"],
        json!({"replies": ["SECCHKRM"], "severity": 0, "check_code": 0, "check": "ok"})
    );
    assert_eq!(events[3]["response"]["product_id"], "SQL08024");
    let text = format!("{events:?}");
    assert!(!text.contains("rita") && !text.contains("secret"));
}

#[test]
fn statements_are_written_without_literals_and_with_their_outcome() {
    let outcome = play(&DRDA, Carrier::Tcp, &samples()[0].turns);
    let events = outcome.of("drda");
    assert_eq!(
        events[4],
        &json!({
            "id": 5, "correlation_id": 3, "command": "PRPSQLSTT",
            "sql": "select name from patients where id = ? and city = ?",
            "response": {"replies": ["SQLCARD"], "sqlcode": -204, "sqlstate": "42704"},
        })
    );
    assert_eq!(events[5]["response"], json!({"replies": ["OPNQFLRM"], "severity": 8}));
    assert_eq!((&events[6]["command"], &events[7]["command"]), (&json!("EXCSQLSTT"), &json!("RDBCMM")));
}

#[test]
fn near_misses_are_refused_and_contradictions_anomalies() {
    let right = samples()[0].turns[0].1.clone();
    assert!(is_taken(probe(&DRDA, Carrier::Tcp, ToServer, &right)));
    for (at, value) in [(1, 0xff), (2, 0xd1), (3, 0x04), (7, 1), (8, 0x77), (9, 0x77)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&DRDA, Carrier::Tcp, ToServer, &wrong), Found::No, "{at}");
    }
    for (wrong, name) in [
        (structure(0x01, 9, &[object(0x7777, &[])]), "unknown_command"),
        (vec![0, 5, 0xd0, 1, 0, 0], "invalid_length"),
        (vec![0, 9, 0xd1, 1, 0, 0], "invalid_header"),
        (structure(0x01, 9, &[vec![0, 2, 0, 0]]), "malformed_object"),
    ] {
        let turns = [(ToServer, right.clone()), (ToServer, wrong)];
        assert_eq!(play(&DRDA, Carrier::Tcp, &turns).anomalies(), [name]);
    }
}

#[test]
fn the_capture_reads_as_another_dissector_reads_it() {
    let Some(file) = capture("drda_db2.pcap") else { return };
    let flows = connections(&DRDA, &file);
    assert!(flows.iter().all(|flow| flow.is_taken && flow.outcome.anomalies().is_empty()));
    let Some(rows) = tshark(&file, "drda", &["drda.ddm.codepoint"]) else { return };
    let commands = [0x1041, 0x106d, 0x106e, 0x2001, 0x2005, 0x2008, 0x200b, 0x200c, 0x200d, 0x200e, 0x2014];
    let codes = column(&rows, 0);
    let expected = codes
        .iter()
        .filter_map(|code| u16::from_str_radix(code.trim_start_matches("0x"), 16).ok())
        .filter(|code| commands.contains(code))
        .count();
    let events: Vec<_> = flows.iter().flat_map(|flow| flow.outcome.of("drda")).collect();
    assert_eq!(events.iter().filter(|event| event.get("command").is_some()).count(), expected);
    assert!(events.iter().any(|event| event["sql"] == "select current schema from sysibm.sysdummy1"
        || event["sql"].as_str().is_some_and(|sql| sql.starts_with("select current schema"))));
}
