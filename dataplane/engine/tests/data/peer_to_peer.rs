//! Peer-to-peer.

use engine::protocols::Carrier;
use engine::protocols::bittorrent::BITTORRENT;
use serde_json::json;

use crate::talk::play;
use crate::{Sample, client, server, stream};

pub(crate) fn samples() -> Vec<Sample> {
    let datagrams = |turns| Sample { protocol: &BITTORRENT, carrier: Carrier::Udp, turns };
    vec![peers(), datagrams(table()), datagrams(tracker()), datagrams(utp())]
}

fn handshake(peer: &[u8; 20]) -> Vec<u8> {
    [&b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05"[..], &[7; 20], peer].concat()
}

fn peers() -> Sample {
    let extended = b"d1:md11:ut_metadatai1ee1:v12:Example 1.23e";
    let turns = vec![
        client(handshake(b"-qB4610-abcdefghijkl")),
        server(handshake(b"-TR4050-abcdefghijkl")),
        client([&(extended.len() as u32 + 2).to_be_bytes()[..], &[20, 0], extended].concat()),
        server(*b"\0\0\0\x03\x05\xff\xff\0\0\0\x01\x01"),
        client(*b"\0\0\0\x01\x02\0\0\0\x0d\x06\0\0\0\0\0\0\0\0\0\0\x40\0"),
        server([&b"\0\0\x40\x09\x07\0\0\0\0\0\0\0\0"[..], &[9; 16384], &[0; 4]].concat()),
    ];
    stream(&BITTORRENT, turns)
}

#[test]
fn peers_say_who_they_are_and_what_they_exchange() {
    let outcome = play(&BITTORRENT, Carrier::Tcp, &peers().turns);
    assert_eq!(outcome.anomalies(), [""; 0]);
    let events = outcome.of("bittorrent");
    assert_eq!(events[0]["info_hash"], "07".repeat(20));
    assert_eq!(
        (
            &events[0]["initiator"]["client"],
            &events[0]["responder"]["client"],
            &events[0]["initiator"]["extensions"]
        ),
        (&json!("qBittorrent"), &json!("Transmission"), &json!(["dht", "fast", "extension_protocol"]))
    );
    assert_eq!(
        events[1],
        &json!({
            "type": "session", "initiator": {"version": "Example 1.23", "pieces_sent": 0, "bytes_sent": 0},
            "responder": {"pieces_sent": 1, "bytes_sent": 16384},
        })
    );
}

fn table() -> Vec<crate::talk::Turn> {
    // BEP 5, "get_peers".
    vec![
        client(*b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe"),
        server(*b"d1:rd2:id20:abcdefghij01234567895:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re"),
    ]
}

#[test]
fn the_hash_table_says_what_is_looked_for() {
    let outcome = play(&BITTORRENT, Carrier::Udp, &table());
    let events = outcome.of("bittorrent");
    assert_eq!((&events[0]["query"], &events[0]["message"]), (&json!("get_peers"), &json!("query")));
    assert_eq!(events[0]["info_hash"], "6d6e6f707172737475767778797a313233343536");
    assert_eq!(events[1]["message"], "response");
}

fn tracker() -> Vec<crate::talk::Turn> {
    let mut announce = vec![1; 8];
    announce.extend([0, 0, 0, 1, 0, 0, 0, 9]);
    announce.extend([[7; 20], [8; 20]].concat());
    announce.extend([0; 24]);
    announce.extend([0, 0, 0, 2]);
    announce.extend([0; 12]);
    announce.extend(6881_u16.to_be_bytes());
    vec![
        client(*b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\0\0\0\x09"),
        server(*b"\0\0\0\0\0\0\0\x09\x01\x01\x01\x01\x01\x01\x01\x01"),
        client(announce),
        server(*b"\0\0\0\x01\0\0\0\x09\0\0\x07\x08\0\0\0\x02\0\0\0\x05"),
    ]
}

#[test]
fn a_tracker_is_told_what_a_peer_has() {
    let outcome = play(&BITTORRENT, Carrier::Udp, &tracker());
    let events = outcome.of("bittorrent");
    assert_eq!((&events[2]["event"], &events[2]["port"]), (&json!("started"), &json!(6881)));
    assert_eq!((&events[3]["seeders"], &events[3]["interval"]), (&json!(5), &json!(1800)));
}

fn utp() -> Vec<crate::talk::Turn> {
    let head = b"\x01\0\x12\x34\0\0\0\0\0\0\0\0\0\x10\0\0\0\x02\0\x01";
    vec![
        client([&head[..], &handshake(b"-UT3550-abcdefghijkl")].concat()),
        server(*b"\x21\0\x12\x34\0\0\0\0\0\0\0\0\0\x10\0\0\0\x02\0\x01"),
    ]
}

#[test]
fn a_handshake_is_found_in_the_other_transport() {
    let outcome = play(&BITTORRENT, Carrier::Udp, &utp());
    let events = outcome.of("bittorrent");
    assert_eq!((&events[0]["type"], &events[1]["client"]), (&json!("utp"), &json!("uTorrent")));
}
