//! Databases.

use engine::protocols::cassandra::CASSANDRA;
use engine::protocols::memcached::MEMCACHED;
use engine::protocols::mongodb::MONGODB;
use engine::protocols::mysql::MYSQL;
use engine::protocols::oracle::ORACLE;
use engine::protocols::postgresql::POSTGRESQL;
use engine::protocols::redis::REDIS;
use engine::protocols::tds::TDS;

use engine::protocols::Carrier;
use serde_json::json;

use crate::talk::play;
use crate::{Sample, client, server, stream};

pub(crate) fn samples() -> Vec<Sample> {
    vec![
        postgresql(),
        mysql(),
        tds(),
        redis(),
        mongodb(),
        oracle(),
        cassandra(),
        memcached(),
        memcached_binary(),
    ]
}

/// A message with a type and its length.
fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

fn postgresql() -> Sample {
    let body = b"\x00\x03\x00\x00user\0alice\0database\0orders\0\0";
    let turns = vec![
        client([0, 0, 0, 8, 4, 210, 22, 47]),
        server(*b"N"),
        client([&(body.len() as u32 + 4).to_be_bytes()[..], body].concat()),
        server(typed(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")),
        client(typed(b'p', b"SCRAM-SHA-256\0\0\0\0\x10n,,n=,r=abcdefgh")),
        server(
            [typed(b'R', &[0, 0, 0, 0]), typed(b'S', b"server_version\x0016.1\0"), typed(b'Z', b"I")]
                .concat(),
        ),
        client(typed(b'Q', b"UPDATE t SET a = 'secret' WHERE b = 12\0")),
        server([typed(b'C', b"UPDATE 1\0"), typed(b'Z', b"I")].concat()),
        client(
            [
                typed(b'P', b"s\0SELECT a FROM t WHERE b = $1\0\0\0"),
                typed(b'B', b"\0s\0\0\0\0\0\0\0"),
                typed(b'E', b"\0\0\0\0\0"),
                typed(b'S', b""),
            ]
            .concat(),
        ),
        server(
            [
                typed(b'1', b""),
                typed(b'2', b""),
                typed(b'D', &[0; 900]),
                typed(b'C', b"SELECT 1\0"),
                typed(b'Z', b"I"),
            ]
            .concat(),
        ),
        client(typed(b'Q', b"DROP TABLE x\0")),
        server([typed(b'E', b"SERROR\0C42P01\0Mno such table\0\0"), typed(b'Z', b"I")].concat()),
        client(typed(b'X', b"")),
    ];
    stream(&POSTGRESQL, turns)
}

fn packet(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [low, middle, high, _] = (body.len() as u32).to_le_bytes();
    [&[low, middle, high, sequence][..], body].concat()
}

fn mysql() -> Sample {
    let greeting = [
        &b"\x0a8.0.36\0\x0b\0\0\0saltsalt\0\xff\xff\xff\x02\0\xff\xdf\x15"[..],
        &[0; 10],
        b"moresaltsalt\0caching_sha2_password\0",
    ];
    let login = [
        &[0x08, 0x82, 0x08, 0, 0, 0, 0, 1, 255][..],
        &[0; 23],
        b"bob\0\x03\x01\x02\x03shop\0mysql_native_password\0",
    ];
    let turns = vec![
        server(packet(0, &greeting.concat())),
        client(packet(1, &login.concat())),
        server(packet(2, &[0, 0, 0, 2, 0, 0, 0])),
        client(packet(0, b"\x03SELECT name FROM people WHERE id = 5")),
        server(
            [packet(1, &[2]), packet(2, &[0; 40]), packet(3, &[0; 3000]), packet(4, &[0xfe, 0, 0])].concat(),
        ),
        client(packet(0, b"\x02other")),
        server(packet(1, b"\xff\x19\x04#42000Unknown database")),
        client(packet(0, b"\x01")),
    ];
    stream(&MYSQL, turns)
}

fn tds_packet(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 1][..], &(body.len() as u16 + 8).to_be_bytes(), &[0, 0, 1, 0], body].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn tds() -> Sample {
    let prelogin = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 15, 0, 7, 208, 0, 0, 2];
    let mut login = vec![0; 94];
    login[4] = 4;
    login[7] = 0x74;
    for (at, text) in [(36, "host1"), (40, "sa"), (44, "hunter2"), (68, "orders")] {
        let start = (login.len() as u16).to_le_bytes();
        login[at..at + 2].copy_from_slice(&start);
        login[at + 2] = text.len() as u8;
        login.extend(wide(text));
    }
    let len = (login.len() as u32).to_le_bytes();
    login[..4].copy_from_slice(&len);
    let mut accepted = vec![0xad, 28, 0, 1, 0x74, 0, 0, 4, 9];
    accepted.extend(wide("SQLServer"));
    accepted.extend([15, 0, 7, 208, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut batch = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    batch.extend(wide("SELECT * FROM t WHERE a = N'secret'"));
    let turns = vec![
        client(tds_packet(18, &prelogin)),
        server(tds_packet(4, &prelogin)),
        client(tds_packet(16, &login)),
        server(tds_packet(4, &accepted)),
        client(tds_packet(1, &batch)),
        server(tds_packet(4, &[0x81, 2, 0, 1, 2, 3, 4, 5, 6])),
    ];
    stream(&TDS, turns)
}

fn redis() -> Sample {
    let turns = vec![
        client(*b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n"),
        server(*b"+OK\r\n"),
        client(*b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$300\r\n"),
        client([&[b'x'; 300][..], b"\r\n*2\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n"].concat()),
        server(*b"+OK\r\n*2\r\n$3\r\ndir\r\n$4\r\n/tmp\r\n"),
        client(*b"*1\r\n$4\r\nKEYS\r\n"),
        server(*b"-ERR wrong number of arguments\r\n"),
    ];
    stream(&REDIS, turns)
}

fn mongodb() -> Sample {
    let text = |name: &str, value: &str| {
        let len = (value.len() as u32 + 1).to_le_bytes();
        [&[2], name.as_bytes(), &[0], &len, value.as_bytes(), &[0]].concat()
    };
    let message = |request: u32, answers: u32, elements: &[Vec<u8>]| {
        let body = elements.concat();
        let words = [body.len() as u32 + 26, request, answers, 2013];
        let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        [&head[..], &[0; 5], &(body.len() as u32 + 5).to_le_bytes(), &body, &[0]].concat()
    };
    let turns = vec![
        client(message(1, 0, &[text("find", "people"), text("filter", "secret"), text("$db", "shop")])),
        server(message(9, 1, &[text("codeName", "Unauthorized"), [&[16][..], b"ok\0", &[0; 4]].concat()])),
        client(message(2, 0, &[text("insert", "people"), text("$db", "shop")])),
        server(message(10, 2, &[[&[16][..], b"ok\0", &[1, 0, 0, 0]].concat()])),
    ];
    stream(&MONGODB, turns)
}

fn tns(kind: u8, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u16 + 8).to_be_bytes()[..], &[0, 0, kind, 0, 0, 0], body].concat()
}

fn oracle() -> Sample {
    let descriptor = b"(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=192.0.2.9)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=orders)\
        (CID=(PROGRAM=sqlplus)(HOST=client1)(USER=alice))))";
    let mut connect = vec![1, 60, 1, 44, 0, 0, 32, 0, 127, 255, 127, 8, 0, 0, 1, 0];
    connect.extend((descriptor.len() as u16).to_be_bytes());
    connect.extend(58_u16.to_be_bytes());
    connect.resize(50, 0);
    connect.extend(descriptor);
    let part = |value: &[u8]| [&(value.len() as u16).to_be_bytes()[..], &[0, 2], value].concat();
    let mut negotiation = vec![0, 0, 0xde, 0xad, 0xbe, 0xef, 0, 40, 11, 2, 0, 0, 0, 1, 0];
    negotiation.extend([0, 2, 0, 2, 0, 0, 0, 0]);
    negotiation.extend([part(&[11, 2, 0, 0]), part(&[17])].concat());
    let turns = vec![
        client(tns(1, &connect)),
        server(tns(11, &[])),
        client(tns(1, &connect)),
        server(tns(2, &[1, 57, 0, 0, 32, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        client(tns(6, &[0, 0, 0xde, 0xad, 0xbe, 0xef, 0, 1])),
        server(tns(6, &negotiation)),
        client(tns(6, &[0, 0, 1, 2, 3])),
    ];
    stream(&ORACLE, turns)
}

#[test]
fn an_oracle_client_names_its_service_and_encryption_is_agreed_on() {
    let outcome = play(&ORACLE, Carrier::Tcp, &oracle().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    assert_eq!(
        outcome.of("oracle"),
        [
            &json!({
                "type": "connect", "version": 313, "service_name": "orders", "program": "sqlplus",
                "client_host": "client1", "client_user": "alice", "result": "accepted",
            }),
            &json!({"type": "negotiation", "encryption": "AES256", "checksum": "none", "crypto": {"class": "classical"}}),
        ]
    );
    let refused = server(tns(4, b"\0\0\0\x20(DESCRIPTION=(ERR=12514)(CODE=4))"));
    let turns = [oracle().turns.remove(0), refused];
    let outcome = play(&ORACLE, Carrier::Tcp, &turns);
    assert_eq!(
        (&outcome.of("oracle")[0]["result"], &outcome.of("oracle")[0]["error"]),
        (&json!("refused"), &json!("12514"))
    );
}

fn cql(version: u8, opcode: u8, stream: u8, body: &[u8]) -> Vec<u8> {
    [&[version, 0, 0, stream, opcode][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

fn cassandra() -> Sample {
    let startup = b"\0\x02\0\x0bCQL_VERSION\0\x053.0.0\0\x0bDRIVER_NAME\0\x04java";
    let class = b"\0\x2forg.apache.cassandra.auth.PasswordAuthenticator";
    let query = b"SELECT * FROM ks.people WHERE name = 'secret'";
    let long = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text, &[0, 1, 0]].concat();
    let turns = vec![
        client(cql(4, 1, 0, startup)),
        server(cql(0x84, 3, 0, class)),
        client(cql(4, 15, 0, b"\0\0\0\x0c\0bob\0hunter2")),
        server(cql(0x84, 16, 0, &[255, 255, 255, 255])),
        client([cql(4, 7, 1, &long(query)), cql(4, 9, 2, &long(b"DROP TABLE x"))].concat()),
        server([cql(0x84, 0, 2, b"\0\0\x22\0\0\x02no"), cql(0x84, 8, 1, &[0, 0, 0, 2, 0, 0])].concat()),
    ];
    stream(&CASSANDRA, turns)
}

/// A frame of version 5 without checksums, which are not checked: they belong to the transport.
fn cql_frame(payload: &[u8], is_self_contained: bool) -> Vec<u8> {
    let head = payload.len() as u32 | u32::from(is_self_contained) << 17;
    [&head.to_le_bytes()[..3], &[0; 3], payload, &[0; 4]].concat()
}

#[test]
fn a_cassandra_statement_in_several_frames_is_told_once_and_the_next_one_is_found() {
    let startup = b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
    let long = |text: &[u8]| [&(text.len() as u32).to_be_bytes()[..], text, &[0, 1, 0]].concat();
    let statement = [&b"INSERT INTO t (a) VALUES ('"[..], &[5; 200_000], b"')"].concat();
    let first = cql(5, 7, 1, &long(&statement));
    let (start, rest) = first.split_at(131_071);
    let turns = vec![
        client(cql(5, 1, 0, startup)),
        server(cql(0x85, 2, 0, b"")),
        client([cql_frame(start, false), cql_frame(rest, false)].concat()),
        client(cql_frame(&cql(5, 7, 2, &long(b"SELECT a FROM t")), true)),
        server(cql_frame(&cql(0x85, 8, 2, &[0, 0, 0, 2, 0, 0]), true)),
        server(cql_frame(&cql(0x85, 8, 1, &[0, 0, 0, 1]), true)),
    ];
    let outcome = play(&CASSANDRA, Carrier::Tcp, &turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let statements: Vec<_> =
        outcome.of("cassandra").iter().filter_map(|event| event["statement"].as_str()).collect();
    assert_eq!(statements.len(), 2);
    assert_eq!(statements[0], "SELECT a FROM t");
}

#[test]
fn a_cassandra_login_names_the_user_and_statements_hold_no_data() {
    let outcome = play(&CASSANDRA, Carrier::Tcp, &cassandra().turns);
    let events = outcome.of("cassandra");
    assert_eq!(
        events[0],
        &json!({
            "type": "login", "version": 4, "driver": "java",
            "credentials": {
                "mechanism": "org.apache.cassandra.auth.PasswordAuthenticator", "user": "bob", "password_in_clear": true,
            },
            "result": "success", "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!((&events[1]["type"], &events[1]["error"]["code"]), (&json!("prepare"), &json!(0x2200)));
    assert_eq!(
        (&events[2]["statement"], &events[2]["result"]),
        (&json!("SELECT * FROM ks.people WHERE name = ?"), &json!("rows"))
    );
    let text = format!("{events:?}");
    assert!(!text.contains("hunter2") && !text.contains("secret"));
}

fn memcached() -> Sample {
    let turns = vec![
        client(*b"set user:1 0 900 5\r\nhello\r\nget user:1 user:2\r\n"),
        server(*b"STORED\r\nVALUE user:1 0 5\r\nhello\r\nEND\r\n"),
        client(*b"set user:2 0 0 300 noreply\r\n"),
        client([&[b'x'; 300][..], b"\r\nstats\r\nincr n 5\r\n"].concat()),
        server(*b"STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n6\r\n"),
        client(*b"flush_all\r\n"),
        server(*b"SERVER_ERROR busy\r\n"),
        client(*b"quit\r\n"),
    ];
    stream(&MEMCACHED, turns)
}

#[test]
fn memcached_commands_are_told_with_their_answers() {
    let outcome = play(&MEMCACHED, Carrier::Tcp, &memcached().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let told: Vec<_> = outcome
        .of("memcached")
        .iter()
        .map(|event| (event["command"].as_str().unwrap(), event["result"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            ("set", "STORED"),
            ("get", "END"),
            ("set", "none"),
            ("stats", "END"),
            ("incr", "number"),
            ("flush_all", "SERVER_ERROR busy"),
            ("quit", "none"),
        ]
    );
    assert!(!format!("{:?}", outcome.events).contains("hello"));
}

fn binary(magic: u8, opcode: u8, extras: &[u8], key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = (extras.len() + key.len() + value.len()) as u32;
    let mut packet = vec![magic, opcode, 0, key.len() as u8, extras.len() as u8, 0, 0, 0];
    packet.extend(body.to_be_bytes());
    packet.extend([&[0, 0, 0, opcode, 0, 0, 0, 0, 0, 0, 0, 0][..], extras, key, value].concat());
    packet
}

fn memcached_binary() -> Sample {
    let turns = vec![
        client(binary(0x80, 0x21, &[], b"PLAIN", b"\0bob\0hunter2")),
        server(binary(0x81, 0x21, &[], &[], b"Authenticated")),
        client(binary(0x80, 1, &[0; 8], b"key", &[b'x'; 700])),
        server(binary(0x81, 1, &[], &[], &[])),
    ];
    stream(&MEMCACHED, turns)
}

#[test]
fn a_memcached_login_names_the_user_and_not_the_password() {
    let outcome = play(&MEMCACHED, Carrier::Tcp, &memcached_binary().turns);
    let events = outcome.of("memcached");
    assert_eq!(
        events[0]["credentials"],
        json!({"mechanism": "PLAIN", "user": "bob", "password_in_clear": true})
    );
    assert_eq!((&events[0]["result"], &events[1]["key"]), (&json!("ok"), &json!("key")));
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[test]
fn memcached_datagrams_tell_of_amplification() {
    let mut answer = b"\0\x07\0\0\0\x02\0\0STAT pid 1\r\n".to_vec();
    answer.resize(1400, b'x');
    let turns = [
        client(*b"\0\x07\0\0\0\x01\0\0stats\r\n"),
        server(answer.clone()),
        server([&b"\0\x07\0\x01\0\x02\0\0"[..], &answer].concat()),
    ];
    let outcome = play(&MEMCACHED, Carrier::Udp, &turns);
    let kinds: Vec<_> = outcome.of("memcached").iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["command", "answer", "amplification"]);
}
