//! Messaging.

use engine::protocols::amqp::AMQP;
use engine::protocols::kafka::KAFKA;
use engine::protocols::mqtt::MQTT;
use engine::protocols::nats::NATS;
use engine::protocols::smpp::SMPP;
use engine::protocols::stomp::STOMP;
use engine::protocols::zeromq::ZEROMQ;
use engine::protocols::{Carrier, Then};
use serde_json::json;

use crate::talk::play;
use crate::{Sample, client, server, stream};

pub(crate) fn samples() -> Vec<Sample> {
    vec![mqtt(), kafka(), nats(), amqp(), amqp_1_0(), stomp(), smpp(), zeromq()]
}

fn mqtt() -> Sample {
    let turns = vec![
        client(*b"\x10\x1c\0\x04MQTT\x04\xc2\0\x3c\0\x03cam\0\x03bob\0\x06secret"),
        server([0x20, 2, 0, 0]),
        client(*b"\x82\x08\0\x01\0\x03a/#\x00"),
        server([0x90, 3, 0, 1, 0]),
        server([&b"\x30\xac\x02\0\x03a/b"[..], &[7; 295]].concat()),
        client([0xc0, 0]),
        server([0xd0, 0]),
        client([0xe0, 0]),
    ];
    stream(&MQTT, turns)
}

fn kafka_message(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[..], body].concat()
}

fn kafka_request(key: u8, version: u8, correlation: u8, rest: &[u8]) -> Vec<u8> {
    kafka_message(&[&[0, key, 0, version, 0, 0, 0, correlation, 0, 8][..], b"consumer", rest].concat())
}

fn kafka() -> Sample {
    let turns = vec![
        client(kafka_request(18, 3, 1, b"\0\x05java\x053.61\0")),
        server(kafka_message(&[0, 0, 0, 1, 0, 0, 1])),
        client(kafka_request(17, 1, 2, b"\0\x05PLAIN")),
        server(kafka_message(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 1])),
        client(kafka_request(36, 1, 3, b"\0\0\0\x0c\0bob\0hunter2")),
        server(kafka_message(&[0, 0, 0, 3, 0, 58])),
        client(kafka_request(3, 1, 4, b"\0\0\0\x02\0\x06orders\0\x04logs")),
        server(kafka_message(&[&[0, 0, 0, 4][..], &[0; 3000]].concat())),
    ];
    stream(&KAFKA, turns)
}

#[test]
fn a_kafka_client_logs_on_and_names_its_topics() {
    let outcome = play(&KAFKA, Carrier::Tcp, &kafka().turns);
    let events = outcome.of("kafka");
    assert_eq!(events[0]["client_software"], "java");
    assert_eq!(
        events[2],
        &json!({
            "type": "login", "client_id": "consumer",
            "credentials": {"mechanism": "PLAIN", "user": "bob", "password_in_clear": true},
            "result": "failure", "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!((&events[4]["api"], &events[4]["topics"]), (&json!("Metadata"), &json!(["orders", "logs"])));
    assert!(!format!("{events:?}").contains("hunter2"));
}

fn nats() -> Sample {
    let turns = vec![
        server(*b"INFO {\"server_id\":\"X1\",\"version\":\"2.10.1\",\"auth_required\":true,\"max_payload\":1048576}\r\n"),
        client(*b"CONNECT {\"verbose\":false,\"user\":\"bob\",\"pass\":\"hunter2\",\"lang\":\"go\"}\r\nPING\r\n"),
        server(*b"PONG\r\n"),
        client(*b"SUB orders.* 1\r\nPUB orders.new 5\r\nhello\r\n"),
        server(*b"MSG orders.new 1 5\r\nhello\r\n-ERR 'Stale Connection'\r\n"),
    ];
    stream(&NATS, turns)
}

#[test]
fn a_nats_client_names_itself_and_its_subjects() {
    let outcome = play(&NATS, Carrier::Tcp, &nats().turns);
    let events = outcome.of("nats");
    assert_eq!((&events[0]["version"], &events[0]["auth_required"]), (&json!("2.10.1"), &json!(true)));
    assert_eq!(
        events[1]["credentials"],
        json!({"mechanism": "password", "user": "bob", "password_in_clear": true})
    );
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["info", "connect", "sub", "pub", "msg", "error"]);
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[test]
fn nats_hands_tls_on() {
    let required = [server(*b"INFO {\"server_id\":\"X\",\"tls_required\":true}\r\n")];
    assert_eq!(play(&NATS, Carrier::Tcp, &required).ending, Some(Then::Upgrade));
    let chosen = [server(*b"INFO {\"server_id\":\"X\",\"tls_available\":true}\r\n"), client([0x16, 3, 1])];
    assert_eq!(play(&NATS, Carrier::Tcp, &chosen).ending, Some(Then::Upgrade));
}

/// A method of AMQP 0-9-1 on a channel.
fn method(channel: u8, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let body = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    [&[1, 0, channel][..], &(body.len() as u32).to_be_bytes(), &body, &[0xce]].concat()
}

fn table(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut table = Vec::new();
    for (name, value) in entries {
        table.push(name.len() as u8);
        table.extend(name.bytes());
        table.push(b'S');
        table.extend((value.len() as u32).to_be_bytes());
        table.extend(value.bytes());
    }
    [&(table.len() as u32).to_be_bytes()[..], &table].concat()
}

fn amqp() -> Sample {
    let start = [
        &[0, 9][..],
        &table(&[("product", "RabbitMQ"), ("version", "3.12.0")]),
        b"\0\0\0\x05PLAIN\0\0\0\x05en_US",
    ];
    let start_ok = [&table(&[("product", "pika")])[..], b"\x05PLAIN\0\0\0\x0c\0bob\0hunter2\x05en_US"];
    let turns = vec![
        client(*b"AMQP\0\0\x09\x01"),
        server(method(0, 10, 10, &start.concat())),
        client(method(0, 10, 11, &start_ok.concat())),
        server(method(0, 10, 30, &[0, 0, 0, 2, 0, 0, 0, 60])),
        client([method(0, 10, 31, &[0, 0, 0, 2, 0, 0, 0, 60]), method(0, 10, 40, b"\x05/shop\0\0")].concat()),
        server(method(0, 10, 41, &[0])),
        client(method(1, 50, 10, b"\0\0\x06orders\0\0\0\0\0")),
        client(
            [
                method(1, 60, 40, b"\0\0\x02ex\x03key\0"),
                b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x05\0\0\xce".to_vec(),
                b"\x03\0\x01\0\0\0\x05hello\xce".to_vec(),
            ]
            .concat(),
        ),
        server(method(1, 20, 40, b"\x01\x94\x09NOT_FOUND\0\0\0\0")),
    ];
    stream(&AMQP, turns)
}

#[test]
fn an_amqp_client_logs_on_and_names_its_queues() {
    let outcome = play(&AMQP, Carrier::Tcp, &amqp().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("amqp");
    assert_eq!(
        events[0],
        &json!({
            "type": "login", "version": "0-9-1", "server": "RabbitMQ", "server_version": "3.12.0", "client": "pika",
            "virtual_host": "/shop",
            "credentials": {"mechanism": "PLAIN", "user": "bob", "password_in_clear": true},
            "result": "success", "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!(
        events[1..],
        [
            &json!({"type": "method", "method": "queue.declare", "queue": "orders"}),
            &json!({"type": "method", "method": "basic.publish", "exchange": "ex", "routing_key": "key"}),
            &json!({"type": "method", "method": "channel.close", "code": 404, "message": "NOT_FOUND"}),
            &json!({"type": "session", "published": 1, "delivered": 0}),
        ]
    );
    assert!(!format!("{events:?}").contains("hunter2"));
}

/// A frame of AMQP 1.0 with a performative.
fn performative(kind: u8, code: u8, fields: &[&[u8]]) -> Vec<u8> {
    let list = fields.concat();
    let body = [&[0, 0x53, code, 0xc0, list.len() as u8 + 1, fields.len() as u8][..], &list].concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], &[2, kind, 0, 0], &body].concat()
}

fn amqp_1_0() -> Sample {
    let turns = vec![
        client(*b"AMQP\x03\x01\0\0"),
        server([b"AMQP\x03\x01\0\0".to_vec(), performative(1, 0x40, &[b"\xa3\x05PLAIN"])].concat()),
        client(performative(1, 0x41, &[b"\xa3\x05PLAIN", b"\xa0\x0c\0bob\0hunter2", b"\x40"])),
        server(performative(1, 0x44, &[b"\x50\0"])),
        client(
            [b"AMQP\0\x01\0\0".to_vec(), performative(0, 0x10, &[b"\xa1\x02c1", b"\xa1\x04host"])].concat(),
        ),
        client(performative(
            0,
            0x12,
            &[
                b"\xa1\x01l",
                b"\x43",
                b"\x41",
                b"\x40",
                b"\x40",
                b"\0\x53\x28\xc0\x09\x01\xa1\x06orders",
                b"\0\x53\x29\x45",
            ],
        )),
        server(performative(0, 0x18, &[b"\0\x53\x1d\xc0\x08\x01\xa3\x05no:no"])),
    ];
    stream(&AMQP, turns)
}

#[test]
fn the_later_amqp_is_read_too() {
    let outcome = play(&AMQP, Carrier::Tcp, &amqp_1_0().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("amqp");
    assert_eq!(
        (&events[0]["credentials"]["user"], &events[0]["result"], &events[1]["hostname"]),
        (&json!("bob"), &json!("success"), &json!("host"))
    );
    assert_eq!(
        events[2],
        &json!({"type": "attach", "from": "client", "name": "l", "role": "receiver", "source": "orders"})
    );
    assert_eq!(events[3]["condition"], "no:no");
    assert!(!format!("{events:?}").contains("hunter2"));
    let tls = [client(*b"AMQP\x02\x01\0\0"), server(*b"AMQP\x02\x01\0\0")];
    assert_eq!(play(&AMQP, Carrier::Tcp, &tls).ending, Some(Then::Upgrade));
}

fn stomp() -> Sample {
    let turns = vec![
        client(*b"CONNECT\naccept-version:1.2\nhost:shop\nlogin:bob\npasscode:hunter2\n\n\0\n"),
        server(*b"CONNECTED\nversion:1.2\nserver:broker\n\n\0"),
        client(*b"SUBSCRIBE\nid:0\ndestination:/queue/a\n\n\0"),
        client(*b"SEND\r\ndestination:/queue/a\r\ncontent-length:6\r\n\r\nhel\0lo\0\n\n"),
        server(*b"MESSAGE\ndestination:/queue/a\nmessage-id:1\n\nhello\0"),
        server(*b"ERROR\nmessage:no such queue\n\n\0"),
    ];
    stream(&STOMP, turns)
}

#[test]
fn a_stomp_client_logs_on_and_names_its_queues() {
    let outcome = play(&STOMP, Carrier::Tcp, &stomp().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("stomp");
    assert_eq!(
        events[0],
        &json!({
            "type": "login", "host": "shop",
            "credentials": {"mechanism": "password", "user": "bob", "password_in_clear": true},
            "result": "success", "version": "1.2", "server": "broker", "crypto": {"class": "cleartext"},
        })
    );
    let told: Vec<_> = events[1..].iter().map(|event| event["command"].as_str().unwrap()).collect();
    assert_eq!(told, ["SUBSCRIBE", "SEND", "MESSAGE", "ERROR"]);
    assert!(!format!("{events:?}").contains("hunter2"));
}

fn pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let words = [body.len() as u32 + 16, command, status, sequence];
    words.iter().flat_map(|word| word.to_be_bytes()).chain(body.iter().copied()).collect()
}

fn smpp() -> Sample {
    let turns = vec![
        client(pdu(9, 0, 1, b"client\0hunter2\0\0\x34\0\0\0")),
        server(pdu(0x8000_0009, 0, 1, b"centre\0")),
        client(pdu(4, 0, 2, b"\0\x05\0Shop\0\x01\x0149151234567\0\0\0\0\0\0\0\0\0\0\x05hello")),
        server(pdu(0x8000_0004, 0x58, 2, b"")),
        client(pdu(0x15, 0, 3, b"")),
        server(pdu(0x8000_0015, 0, 3, b"")),
    ];
    stream(&SMPP, turns)
}

#[test]
fn a_message_centre_is_bound_to_and_neither_numbers_nor_text_are_told() {
    let outcome = play(&SMPP, Carrier::Tcp, &smpp().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("smpp");
    assert_eq!(
        events[0],
        &json!({
            "type": "bind", "command": "bind_transceiver", "version": "3.4",
            "credentials": {"mechanism": "password", "user": "client", "password_in_clear": true},
            "result": "ok", "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!((&events[1]["source"], &events[1]["destination"]), (&json!("Shop"), &json!("4915***")));
    assert_eq!(events[2]["status"], "throttled");
    let text = format!("{events:?}");
    assert!(!text.contains("hunter2") && !text.contains("hello") && !text.contains("1234567"));
}

fn zmtp_greeting(mechanism: &str, is_server: u8) -> Vec<u8> {
    let mut greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01".to_vec();
    greeting.extend(mechanism.bytes());
    greeting.resize(32, 0);
    greeting.push(is_server);
    greeting.resize(64, 0);
    greeting
}

fn zmtp_command(name: &str, body: &[u8]) -> Vec<u8> {
    [&[4, (name.len() + 1 + body.len()) as u8, name.len() as u8][..], name.as_bytes(), body].concat()
}

fn zeromq() -> Sample {
    let metadata =
        |kind: &str| [&b"\x0bSocket-Type\0\0\0"[..], &[kind.len() as u8], kind.as_bytes()].concat();
    let turns = vec![
        client(zmtp_greeting("PLAIN", 0)),
        server(zmtp_greeting("PLAIN", 1)),
        client(zmtp_command("HELLO", b"\x03bob\x07hunter2")),
        server(zmtp_command("WELCOME", b"")),
        client(zmtp_command("INITIATE", &metadata("REQ"))),
        server(zmtp_command("READY", &metadata("REP"))),
        client(*b"\x01\0\0\x05hello"),
        server([&[2, 0, 0, 0, 0, 0, 0, 1, 44][..], &[7; 300]].concat()),
    ];
    stream(&ZEROMQ, turns)
}

#[test]
fn sockets_of_zeromq_are_told_with_who_logs_on() {
    let outcome = play(&ZEROMQ, Carrier::Tcp, &zeromq().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("zeromq");
    assert_eq!(
        events[0],
        &json!({
            "type": "connection", "version": "3.1", "mechanism": "PLAIN",
            "client": {"socket_type": "REQ"}, "server": {"socket_type": "REP"},
            "credentials": {"mechanism": "PLAIN", "user": "bob", "password_in_clear": true},
            "crypto": {"class": "cleartext"},
        })
    );
    assert_eq!(events[1], &json!({"type": "session", "frames_toserver": 2, "frames_toclient": 1}));
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[test]
fn a_login_that_zeromq_refuses_is_told_however_the_error_is_spelt() {
    // As the specification has it, and as libzmq writes it.
    for error in [&b"\x04\x0a\x05ERROR\x03400"[..], b"\x04\x09\x5eRROR\x03400"] {
        let turns = [
            client(zmtp_greeting("PLAIN", 0)),
            server(zmtp_greeting("PLAIN", 1)),
            client(zmtp_command("HELLO", b"\x03bob\x07hunter2")),
            server(error.to_vec()),
        ];
        let outcome = play(&ZEROMQ, Carrier::Tcp, &turns);
        assert_eq!(outcome.anomalies(), [""; 0]);
        assert_eq!(outcome.of("zeromq")[0]["error"], "400");
    }
}
