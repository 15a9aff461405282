//! Messaging.

use engine::protocols::mqtt::MQTT;

use crate::{Sample, client, server, stream};

pub(crate) fn samples() -> Vec<Sample> {
    vec![mqtt()]
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
