use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{Bench, taken_of_random, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};

/// A message of version 2 with these elements.
fn message2(kind: u8, elements: &[(u8, &[u8])]) -> Vec<u8> {
    let mut content = Vec::new();
    for (kind, value) in elements {
        content.push(*kind);
        content.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        content.push(0);
        content.extend_from_slice(value);
    }
    let len = u16::try_from(content.len() + 8).unwrap().to_be_bytes();
    [&[0x48, kind, len[0], len[1], 0, 0, 0, 9, 0, 0, 7, 0][..], &content].concat()
}

fn create_session() -> Vec<u8> {
    message2(
        32,
        &[
            (1, &[0x62, 0x02, 0x10, 0x32, 0x54, 0x76, 0x98, 0xf0]),
            (71, b"\x08internet\x07example"),
            (75, &[0x53, 0x02, 0x10, 0x32, 0x54, 0x76, 0x98, 0xf0]),
            (76, &[0x94, 0x71]),
            (79, &[1, 192, 0, 2, 5]),
            (82, &[6]),
            (83, &[0x62, 0xf2, 0x10]),
            (87, &[0x8a, 0, 0, 0, 1, 192, 0, 2, 9]),
            (93, &[73, 0, 1, 0, 5]),
        ],
    )
}

fn create_context() -> Vec<u8> {
    let elements =
        [
            &[
                2, 0x62, 0x02, 0x10, 0x32, 0x54, 0x76, 0x98, 0xf0, 14, 3, 16, 0, 0, 0, 1, 17, 0, 0, 0, 2, 20,
                5,
            ][..],
            b"\x83\x00\x09\x08internet\x85\x00\x04\xc0\x00\x02\x01\x85\x00\x04\xc0\x00\x02\x02",
        ]
        .concat();
    let len = u16::try_from(elements.len() + 4).unwrap().to_be_bytes();
    [&[0x32, 16, len[0], len[1], 0, 0, 0, 0, 0, 7, 0, 0][..], &elements].concat()
}

#[test]
fn control_is_known_by_its_structure_and_user_data_by_the_packet_in_it() {
    for payload in [create_session(), create_context()] {
        assert_eq!(probe_control(&udp(&payload, ToServer, 2123)), Found::Yes);
        assert_eq!(probe_control(&udp(&payload, ToServer, 4000)), Found::Likely(93));
        let mut longer = payload.clone();
        longer.push(0);
        assert_eq!(probe_control(&udp(&longer, ToServer, 2123)), Found::No);
    }
    let echo = [0x32, 1, 0, 6, 0, 0, 0, 0, 0, 1, 0, 0, 14, 0];
    assert_eq!(probe_user(&udp(&echo, ToServer, 2152)), Found::Yes);
    assert_eq!(probe_control(&udp(&echo, ToServer, 2152)), Found::No);
    assert_eq!(probe_control(&udp(&echo, ToServer, 2123)), Found::Yes);
    let mut data = vec![0x30, 255, 0, 20, 0, 0, 0, 1, 0x45, 0, 0, 20];
    data.resize(28, 0);
    assert_eq!(probe_user(&udp(&data, ToServer, 4000)), Found::Likely(90));
    data[11] = 21;
    assert_eq!(probe_user(&udp(&data, ToServer, 2152)), Found::No);
}

#[test]
fn of_the_subscriber_only_the_network_is_told() {
    for (payload, expected) in [(create_session(), "internet.example"), (create_context(), "internet")] {
        let mut bench = Bench::new(&GTPC);
        bench.datagram(ToServer, &payload);
        assert_eq!(bench.text("gtp", "apn"), expected);
        assert_eq!(bench.text("gtp", "subscriber_network"), "262-00");
        assert!(!bench.all().join(" ").contains("26200123"), "{:?}", bench.all());
    }
    let mut bench = Bench::new(&GTPC);
    bench.datagram(ToServer, &create_session());
    let text = |name| bench.text("gtp", name);
    assert_eq!((text("message"), text("rat")), ("create_session_request".into(), "eutran".into()));
    assert_eq!((text("serving_network"), text("device_type")), ("262-01".into(), "35200123".into()));
    assert_eq!(bench.value("gtp", "has_msisdn"), Some(Datum::Flag(true)));
    assert_eq!(bench.value("gtp", "teid"), Some(Datum::Unsigned(9)));
    assert_eq!(bench.value("gtp", "bearer"), Some(Datum::Unsigned(5)));
    assert_eq!(text("interface"), "s11_mme");
}

#[test]
fn a_message_that_rides_on_another_is_read_too() {
    let mut response = message2(33, &[(2, &[16, 0])]);
    response[0] |= 0x10;
    let both = [response, message2(95, &[(73, &[5])])].concat();
    let mut bench = Bench::new(&GTPC);
    bench.datagram(ToClient, &both);
    assert_eq!(bench.kinds(), ["gtp", "gtp"]);
    assert_eq!(bench.text("gtp", "cause"), "request_accepted");
}

#[test]
fn an_element_that_runs_out_is_an_anomaly() {
    let mut payload = create_session();
    payload[14] = 200;
    let mut bench = Bench::new(&GTPC);
    bench.datagram(ToServer, &payload);
    assert_eq!(bench.text("anomaly", "event"), "malformed_element");
    assert_eq!(probe_control(&udp(&payload, ToServer, 2123)), Found::No);
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!((taken_of_random(&GTPC), taken_of_random(&GTPU)), (0, 0));
}

proptest! {
    #[test]
    fn anything_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        Bench::new(&GTPC).datagram(ToServer, &bytes);
        for mut payload in [create_session(), create_context()] {
            for (at, value) in &changes {
                let place = at.index(payload.len());
                payload[place] = *value;
            }
            let _ = (probe_control(&udp(&payload, ToServer, 2123)), probe_user(&udp(&payload, ToServer, 2152)));
            Bench::new(&GTPU).datagram(ToServer, &payload);
        }
    }
}
