use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

fn packet(unit: &[u8]) -> Vec<u8> {
    let len = u16::try_from(unit.len() + TPKT_LEN).unwrap().to_be_bytes();
    [&[3, 0, len[0], len[1]][..], unit].concat()
}

fn setup() -> Vec<u8> {
    let user = b"\x7e\x00\x0c\x05\x20\xb0\x06\x00\x08\x91\x4a\x00\x04\x01\x02";
    let elements =
        [&b"\x04\x03\x88\x93\xa5\x28\x05alice\x6c\x05\x81555\x31\x70\x04\x81123"[..], user].concat();
    packet(&[&[8, 2, 0x12, 0x34, 5][..], &elements].concat())
}

fn capabilities() -> Vec<u8> {
    packet(b"\x02\x70\x01\x06\x00\x08\x81\x75\x00\x07\x80\x13")
}

fn registration() -> Vec<u8> {
    b"\x0e\xc0\x00\x04\x06\x00\x08\x91\x4a\x00\x04\x80\x01".to_vec()
}

#[test]
fn openings_are_found_and_no_start_of_one_is_refused() {
    for opening in [setup(), capabilities()] {
        assert_eq!(probe(&tcp(&opening, ToServer, 4000)), Found::Yes);
        for end in 1..opening.len() {
            let found = probe(&tcp(&opening[..end], ToServer, 4000));
            assert!(matches!(found, Found::Maybe | Found::Yes), "{found:?} after {end}");
        }
    }
    for (at, value) in [(5, 1), (8, 4), (10, 0xff)] {
        let mut other = setup();
        other[at] = value;
        assert_eq!(probe(&tcp(&other, ToServer, 1720)), Found::No, "{at}");
    }
    let rdp = packet(b"\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00");
    assert_eq!(probe(&tcp(&rdp, ToServer, 1720)), Found::No);
    assert_eq!(probe(&udp(&registration(), ToServer, 4000)), Found::Yes);
    assert_eq!(probe(&udp(b"\x0e\xc0\x00\x04\x06\x00\x08\x91\x4b\x00\x04", ToServer, 1719)), Found::No);
}

#[test]
fn calls_are_told_and_who_calls_whom_is_masked() {
    let mut bench = Bench::new(&H323);
    bench.stream(ToServer, &setup());
    let text = |name| bench.text("h323", name);
    assert_eq!((text("message"), text("display")), ("setup".into(), "a***".into()));
    assert_eq!((text("calling_number"), text("called_number")), ("5***".into(), "1***".into()));
    assert_eq!(bench.value("h323", "call_reference"), Some(Datum::Unsigned(0x1234)));
    assert_eq!(bench.value("h323", "version"), Some(Datum::Unsigned(4)));
}

#[test]
fn control_and_registration_are_told_by_name() {
    let mut bench = Bench::new(&H323);
    bench.stream(ToServer, &capabilities());
    bench.stream(ToClient, &packet(&[0x21, 0x80, 0x01]));
    bench.stream(ToClient, &packet(&[0x4a, 0x00]));
    let names: Vec<_> = bench.all().into_iter().filter(|item| item.starts_with("message")).collect();
    for (name, expected) in
        names.iter().zip(["terminal_capability_set", "terminal_capability_set_ack", "end_session"])
    {
        assert!(name.contains(&format!("\"{expected}\"")), "{name}");
    }
    let mut bench = Bench::new(&H323);
    bench.datagram(ToServer, &registration());
    assert_eq!(bench.text("h323", "message"), "registration_request");
    assert_eq!(bench.value("h323", "sequence"), Some(Datum::Unsigned(5)));
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&H323), 0);
}

proptest! {
    #[test]
    fn any_cut_of_anything_agrees(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        bytes in prop::collection::vec(any::<u8>(), 1..60),
    ) {
        let mut turns = vec![(ToServer, setup()), (ToClient, capabilities()), (ToServer, bytes.clone())];
        for (at, value) in &changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = *value;
        }
        assert_any_cut_agrees(&H323, &turns);
        Bench::new(&H323).datagram(ToServer, &bytes);
    }
}
