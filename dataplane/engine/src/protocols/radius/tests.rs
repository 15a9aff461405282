use super::*;
use crate::protocols::bench::{Bench, taken_of_random, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn packet(code: u8, id: u8, attributes: &[(u8, &[u8])]) -> Vec<u8> {
    let mut content = Vec::new();
    for (kind, value) in attributes {
        content.extend([*kind, u8::try_from(value.len() + 2).unwrap()]);
        content.extend(*value);
    }
    let len = u16::try_from(20 + content.len()).unwrap().to_be_bytes();
    [&[code, id, len[0], len[1]][..], &[0xa5; 16], &content].concat()
}

fn request() -> Vec<u8> {
    packet(1, 7, &[(1, b"alice"), (2, &[0x5c; 16]), (4, &[192, 0, 2, 1]), (5, &[0, 0, 0, 3])])
}

#[test]
fn a_logon_stands_with_its_answer_and_without_its_password() {
    assert_eq!(probe(&udp(&request(), ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&RADIUS);
    bench.datagram(ToServer, &request());
    bench.datagram(ToServer, &request());
    bench.datagram(ToClient, &packet(3, 7, &[(18, b"no")]));
    assert_eq!(bench.kinds(), ["radius"]);
    assert_eq!(
        (bench.text("radius", "request"), bench.text("radius", "response")),
        ("access_request".into(), "access_reject".into())
    );
    assert_eq!(
        (bench.text("radius", "username"), bench.text("radius", "kind")),
        ("alice".into(), "pap".into())
    );
    assert_eq!(bench.value("radius", "nas_ip"), Some(Datum::Ip([192, 0, 2, 1].into())));
    assert_eq!(bench.value("radius", "success"), Some(Datum::Flag(false)));
    assert!(bench.all().iter().any(|item| item.contains("no_message_authenticator")));
    assert!(!bench.all().iter().any(|item| item.contains("92, 92")));
}

#[test]
fn accounting_and_eap_are_named() {
    let start = packet(4, 1, &[(40, &[0, 0, 0, 2]), (44, b"s-1"), (49, &[0, 0, 0, 4]), (42, &[0, 0, 1, 0])]);
    let eap = packet(1, 2, &[(1, b"bob"), (79, &[2, 1, 0, 6, 25, 0]), (80, &[1; 16])]);
    let mut bench = Bench::new(&RADIUS);
    bench.datagram(ToServer, &start);
    bench.datagram(ToServer, &eap);
    bench.finish();
    assert_eq!(bench.kinds(), ["radius"; 2]);
    assert_eq!(bench.text("radius", "status_type"), "stop");
    assert_eq!(bench.text("radius", "terminate_cause"), "idle_timeout");
    assert_eq!(bench.value("radius", "input_octets"), Some(Datum::Unsigned(256)));
    assert_eq!(bench.text("radius", "method"), "peap");
}

#[test]
fn a_request_without_a_name_is_taken_where_radius_is_at_home() {
    let visiting = packet(1, 2, &[(126, b"0NAME"), (126, b"1example.org"), (128, b"\0\x01here")]);
    assert_eq!(probe(&udp(&visiting, ToServer, 1812)), Found::Yes);
    assert_eq!(probe(&udp(&visiting, ToServer, 4000)), Found::No);
}

#[test]
fn near_misses_are_refused() {
    let right = request();
    // Code, length, the first attributes: none is right. A later attribute: damaged, and so only where RADIUS is at home.
    let damaged = Found::Likely(80);
    for (at, value, at_home) in
        [(0, 9, Found::No), (3, 40, Found::No), (21, 1, Found::No), (28, 15, Found::No), (46, 3, damaged)]
    {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&udp(&wrong, ToServer, 1812)), at_home, "{at}");
        assert_eq!(probe(&udp(&wrong, ToServer, 4000)), Found::No, "{at}");
    }
    assert_eq!(probe(&udp(&packet(2, 7, &[]), ToClient, 1812)), Found::Likely(85));
    assert_eq!(probe(&udp(&packet(2, 7, &[]), ToClient, 4000)), Found::No);
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&RADIUS), 0);
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut message = request();
        let place = at.index(message.len());
        message[place] = value;
        let mut bench = Bench::new(&RADIUS);
        bench.datagram(ToServer, &message);
        bench.datagram(ToClient, &message);
        bench.finish();
    }
}
