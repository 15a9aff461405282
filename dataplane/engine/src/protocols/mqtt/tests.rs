use super::MQTT;
use crate::protocols::Found;
use crate::protocols::bench::{Bench, tcp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(body.len()).unwrap()][..], body].concat()
}

fn connect(level: u8) -> Vec<u8> {
    let properties: &[u8] = if level == 5 { &[5, 0x11, 0, 0, 0, 10] } else { &[] };
    let body = [b"\0\x04MQTT", &[level, 0xc2, 0, 60][..], properties, b"\0\x03cam\0\x03bob\0\x07hunter2"];
    packet(0x10, &body.concat())
}

#[test]
fn a_connection_names_the_client_and_not_the_password() {
    for (level, version) in [(4, "3.1.1"), (5, "5.0")] {
        let mut bench = Bench::new(&MQTT);
        bench.stream(ToServer, &connect(level));
        bench.stream(ToClient, &packet(0x20, if level == 5 { &[0, 0x87, 0] } else { &[0, 5] }));
        for (name, value) in
            [("version", version), ("client_id", "cam"), ("user", "bob"), ("result", "not_authorized")]
        {
            assert_eq!(bench.text("mqtt", name), value, "{name}");
        }
        assert_eq!(bench.value("mqtt", "password_in_clear"), Some(Datum::Flag(true)));
        assert!(!bench.all().iter().any(|item| item.contains(&format!("{:?}", b"hunter2"))));
    }
}

#[test]
fn topics_are_told_and_messages_counted() {
    let mut bench = Bench::new(&MQTT);
    bench.stream(ToServer, &connect(4));
    bench.stream(ToServer, &packet(0x82, b"\0\x01\0\x03a/#\0\0\x01b\x01"));
    bench.stream(ToClient, &packet(0x32, b"\0\x03a/b\0\x09secret"));
    assert_eq!(bench.text("mqtt", "topic"), "a/b");
    assert_eq!(bench.value("mqtt", "payload_length"), Some(Datum::Unsigned(6)));
    assert!(bench.all().contains(&format!(" {:?}", b"a/#")));
    for _ in 0..300 {
        bench.stream(ToClient, &packet(0x30, b"\0\x03a/bxx"));
    }
    bench.finish();
    assert_eq!(bench.kinds().len(), 130);
    assert_eq!(bench.value("mqtt", "payload_bytes"), Some(Datum::Unsigned(0)));
}

#[test]
fn near_misses_are_refused() {
    let probe = MQTT.probe.unwrap();
    assert_eq!(probe(&tcp(&connect(4), ToServer, 40_002)), Found::Yes);
    assert_eq!(probe(&tcp(&connect(4)[..7], ToServer, 40_002)), Found::Maybe);
    assert_eq!(
        probe(&tcp(&packet(0x10, b"\0\x06MQIsdp\x03\x02\0\x3c\0\x01x"), ToServer, 40_002)),
        Found::Yes
    );
    for (at, value) in [(0, 0x11), (3, 5), (7, b'U'), (8, 9), (9, 0xc3)] {
        let mut other = connect(4);
        other[at] = value;
        assert_eq!(probe(&tcp(&other, ToServer, 40_002)), Found::No, "{at}");
    }
}
