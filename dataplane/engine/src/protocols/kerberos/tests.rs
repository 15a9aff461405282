use super::*;
use crate::protocols::bench::{Bench, assert_any_cut_agrees, taken_of_random, tcp, udp};
use crate::record::Datum;
use crate::record::Direction::{ToClient, ToServer};
use proptest::prelude::*;

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut bytes = vec![tag];
    if content.len() < 128 {
        bytes.push(u8::try_from(content.len()).unwrap());
    } else {
        bytes.push(0x82);
        bytes.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
    }
    bytes.extend(content);
    bytes
}

fn number(tag: u8, value: u8) -> Vec<u8> {
    element(tag, &[&[2, 1, value]])
}

fn string(tag: u8, text: &str) -> Vec<u8> {
    element(tag, &[&element(0x1b, &[text.as_bytes()])])
}

fn principal(tag: u8, parts: &[&str]) -> Vec<u8> {
    let parts: Vec<_> = parts.iter().map(|part| element(0x1b, &[part.as_bytes()])).collect();
    let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
    element(tag, &[&element(0x30, &[&number(0xa0, 1), &element(0xa1, &[&element(0x30, &parts)])])])
}

fn request(padata: Option<u8>) -> Vec<u8> {
    let padata = padata.map(|kind| {
        let item = element(0x30, &[&number(0xa1, kind), &element(0xa2, &[&element(4, &[b"secret"])])]);
        element(0xa3, &[&element(0x30, &[&item])])
    });
    let body = element(
        0x30,
        &[
            &element(0xa0, &[&[3, 5, 0, 0x40, 0x81, 0, 0x10]]),
            &principal(0xa1, &["alice"]),
            &string(0xa2, "EXAMPLE.ORG"),
            &principal(0xa3, &["krbtgt", "EXAMPLE.ORG"]),
            &element(0xa5, &[&element(0x18, &[b"20370913024805Z"])]),
            &number(0xa7, 77),
            &element(0xa8, &[&element(0x30, &[&[2, 1, 18, 2, 1, 23]])]),
        ],
    );
    let all = element(
        0x30,
        &[&number(0xa1, 5), &number(0xa2, 10), &padata.unwrap_or_default(), &element(0xa4, &[&body])],
    );
    element(0x6a, &[&all])
}

fn encrypted(tag: u8, etype: u8) -> Vec<u8> {
    element(tag, &[&element(0x30, &[&number(0xa0, etype), &element(0xa2, &[&element(4, &[&[9; 200]])])])])
}

fn reply(etype: u8, ticket_etype: u8) -> Vec<u8> {
    let ticket = element(
        0x30,
        &[
            &number(0xa0, 5),
            &string(0xa1, "EXAMPLE.ORG"),
            &principal(0xa2, &["krbtgt", "EXAMPLE.ORG"]),
            &encrypted(0xa3, ticket_etype),
        ],
    );
    let all = element(
        0x30,
        &[
            &number(0xa0, 5),
            &number(0xa1, 11),
            &string(0xa3, "EXAMPLE.ORG"),
            &principal(0xa4, &["alice"]),
            &element(0xa5, &[&element(0x61, &[&ticket])]),
            &encrypted(0xa6, etype),
        ],
    );
    element(0x6b, &[&all])
}

fn error(code: u8) -> Vec<u8> {
    let entry = element(0x30, &[&number(0xa0, 18), &string(0xa1, "salt")]);
    let info =
        element(0x30, &[&number(0xa1, 19), &element(0xa2, &[&element(4, &[&element(0x30, &[&entry])])])]);
    let all = element(
        0x30,
        &[
            &number(0xa0, 5),
            &number(0xa1, 30),
            &number(0xa6, code),
            &string(0xa9, "EXAMPLE.ORG"),
            &principal(0xaa, &["krbtgt", "EXAMPLE.ORG"]),
            &element(0xac, &[&element(4, &[&element(0x30, &[&info])])]),
        ],
    );
    element(0x7e, &[&all])
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, framed(&request(None))),
        (ToClient, framed(&error(25))),
        (ToServer, framed(&request(Some(2)))),
        (ToClient, framed(&reply(18, 23))),
    ]
}

#[test]
fn errors_and_replies_stand_with_their_requests() {
    assert_eq!(probe(&udp(&request(None), ToServer, 4000)), Found::Yes);
    assert_eq!(probe(&tcp(&framed(&request(None)), ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&KERBEROS);
    session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.kinds(), ["krb5"; 2]);
    assert_eq!(bench.text("krb5", "failed_request"), "KRB_AS_REQ");
    assert_eq!(bench.text("krb5", "error_code"), "KDC_ERR_PREAUTH_REQUIRED");
    assert_eq!(
        (bench.text("krb5", "cname"), bench.text("krb5", "realm")),
        ("alice".into(), "EXAMPLE.ORG".into())
    );
    assert_eq!(bench.text("krb5", "sname"), "krbtgt/EXAMPLE.ORG");
    assert_eq!(bench.text("krb5", "encryption"), "aes256-cts-hmac-sha1-96");
    assert_eq!(bench.text("krb5", "ticket_encryption"), "rc4-hmac");
    assert_eq!(bench.value("krb5", "ticket_weak_encryption"), Some(Datum::Flag(true)));
    assert_eq!(bench.text("krb5", "posture"), "weak");
    let all = bench.all();
    assert!(!all.iter().any(|item| item.contains("115, 101, 99, 114")), "no secret is written");
    let labels = ["rc4", "PA-ENC-TIMESTAMP", "forwardable", "renewable_ok"];
    assert!(labels.iter().all(|label| all.iter().any(|item| item.contains(label))), "{all:?}");
}

#[test]
fn a_ticket_without_proof_of_the_password_is_weak() {
    for (padata, posture) in [(None, "weak"), (Some(2), "symmetric"), (Some(128), "weak")] {
        let mut bench = Bench::new(&KERBEROS);
        bench.datagram(ToServer, &request(padata));
        bench.datagram(ToServer, &request(padata));
        bench.datagram(ToClient, &reply(18, 18));
        assert_eq!(bench.kinds(), ["krb5"]);
        assert_eq!(bench.text("krb5", "posture"), posture, "{padata:?}");
    }
}

#[test]
fn a_request_without_an_answer_is_told_at_the_end() {
    let mut bench = Bench::new(&KERBEROS);
    bench.datagram(ToServer, &request(None));
    bench.finish();
    assert_eq!(bench.text("krb5", "msg_type"), "KRB_AS_REQ");
}

#[test]
fn near_misses_are_refused() {
    let right = request(None);
    assert_eq!(probe(&udp(&right[..right.len() - 1], ToServer, 88)), Found::No);
    let place = |value| right.windows(3).position(|field| field == [2, 1, value]).unwrap() + 2;
    for (at, value) in [(0, 0x6c), (place(5), 4), (place(10), 11)] {
        let mut wrong = right.clone();
        wrong[at] = value;
        assert_eq!(probe(&udp(&wrong, ToServer, 88)), Found::No, "{at}");
    }
}

#[test]
fn random_payloads_are_not_taken() {
    assert_eq!(taken_of_random(&KERBEROS), 0);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&KERBEROS, &session());
}

proptest! {
    #[test]
    fn changed_bytes_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        as_datagrams in any::<bool>(),
    ) {
        let mut turns = session();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        if as_datagrams {
            let mut bench = Bench::new(&KERBEROS);
            turns.iter().for_each(|(from, bytes)| bench.datagram(*from, &bytes[4..]));
        } else {
            assert_any_cut_agrees(&KERBEROS, &turns);
        }
    }
}
