use super::*;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

/// "samr" as it goes over the wire, little-endian, version 1.0.
const SAMR: [u8; 20] =
    [0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0, 1, 0x23, 0x45, 0x67, 0x89, 0xac, 1, 0, 0, 0];
const NDR: [u8; 20] =
    [0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 8, 0, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0];

fn pdu(kind: u8, flags: u8, call: u8, body: &[u8], auth: &[u8]) -> Vec<u8> {
    let len = u16::try_from(16 + body.len() + auth.len()).unwrap().to_le_bytes();
    let token = u8::try_from(auth.len().saturating_sub(8)).unwrap();
    let mut bytes = vec![5, 0, kind, flags, 0x10, 0, 0, 0, len[0], len[1], token, 0, call, 0, 0, 0];
    bytes.extend(body);
    bytes.extend(auth);
    bytes
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let bind = [&[0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0][..], &SAMR, &NDR].concat();
    let auth = [10, 6, 0, 0, 1, 0, 0, 0, b'N', b'T', b'L', b'M'];
    let address = b"\x04\x00135\0\0\0";
    let ack = [&[0xb8, 0x10, 0xb8, 0x10, 9, 0, 0, 0][..], address, &[1, 0, 0, 0, 0, 0, 0, 0], &NDR].concat();
    let request = [&[24, 0, 0, 0, 0, 0, 13, 0][..], &[7; 24]].concat();
    let response = [&[8, 0, 0, 0, 0, 0, 0, 0][..], &[7; 12]].concat();
    vec![
        (ToServer, pdu(11, 3, 1, &bind, &auth)),
        (ToClient, pdu(12, 3, 1, &ack, &[])),
        (ToServer, pdu(0, 3, 2, &request, &[])),
        (ToClient, [pdu(2, 1, 2, &response, &[]), pdu(2, 2, 2, &response, &[])].concat()),
        (ToServer, pdu(0, 3, 3, &request, &[])),
        (ToClient, pdu(3, 3, 3, &[0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0], &[])),
    ]
}

#[test]
fn calls_name_the_interface_that_was_bound() {
    assert_eq!(probe(&tcp(&session()[0].1, ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&DCERPC);
    session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.kinds(), ["dcerpc"; 3]);
    assert_eq!(
        (bench.text("dcerpc", "request"), bench.text("dcerpc", "response")),
        ("BIND".into(), "BINDACK".into())
    );
    assert_eq!(bench.text("dcerpc", "uuid"), "12345778-1234-abcd-ef00-0123456789ac");
    assert_eq!(
        (bench.text("dcerpc", "interface"), bench.text("dcerpc", "version")),
        ("samr".into(), "1.0".into())
    );
    assert_eq!(bench.value("dcerpc", "ack_result"), Some(Datum::Unsigned(0)));
    assert_eq!(bench.value("dcerpc", "opnum"), Some(Datum::Unsigned(13)));
    assert_eq!(bench.text("dcerpc", "operation"), "SamrEnumerateUsersInDomain");
    assert_eq!(
        (bench.text("dcerpc", "type"), bench.text("dcerpc", "level")),
        ("ntlm".into(), "privacy".into())
    );
    assert_eq!(bench.text("dcerpc", "fault_name"), "access_denied");
    assert!(bench.all().iter().any(|item| item.contains("frag_cnt Unsigned(2)")));
}

fn call(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![4, kind, flags, 0, 0x10, 0, 0, 0];
    bytes.extend([0; 16]);
    bytes.extend(&SAMR[..16]);
    bytes.extend([0xac; 16]);
    bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 13, 0, 0xff, 0xff, 0xff, 0xff]);
    bytes.extend([u8::try_from(body.len()).unwrap(), 0, 0, 0, 0, 0]);
    bytes.extend(body);
    bytes
}

#[test]
fn datagrams_are_paired_by_activity_and_number() {
    let request = call(0, 0x20, &[7; 12]);
    assert_eq!(probe(&udp(&request, ToServer, 4000)), Found::Likely(98));
    assert_eq!(probe(&udp(&request[..90], ToServer, 135)), Found::No);
    let mut bench = Bench::new(&DCERPC);
    bench.datagram(ToServer, &request);
    bench.datagram(ToServer, &request);
    bench.datagram(ToClient, &call(2, 0, &[7; 4]));
    bench.finish();
    assert_eq!(bench.kinds(), ["dcerpc"]);
    assert_eq!(
        (bench.text("dcerpc", "interface"), bench.text("dcerpc", "version")),
        ("samr".into(), "1.0".into())
    );
    assert_eq!(bench.text("dcerpc", "operation"), "SamrEnumerateUsersInDomain");
    assert_eq!(bench.value("dcerpc", "seqnum"), Some(Datum::Unsigned(7)));
}

#[test]
fn near_misses_are_refused() {
    let right = &session()[0].1;
    for (at, value) in [(0, 4), (1, 2), (2, 1), (2, 10), (4, 0x11), (6, 1), (9, 0), (10, 0xff)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        if at == 9 {
            wrong[8] = 20;
        }
        assert_eq!(probe(&tcp(&wrong, ToServer, 135)), Found::No, "{at}");
    }
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&DCERPC), 0);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&DCERPC, &session());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut turns = session();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        assert_any_cut_agrees(&DCERPC, &turns);
    }
}
