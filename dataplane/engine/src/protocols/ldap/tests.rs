use super::*;
use crate::protocols::Then;
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

fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, id], operation])
}

fn bind(password: &[u8]) -> Vec<u8> {
    element(0x60, &[&[2, 1, 3], &element(4, &[b"cn=admin,dc=example,dc=org"]), &element(0x80, &[password])])
}

fn done(tag: u8, code: u8) -> Vec<u8> {
    element(tag, &[&[10, 1, code], &[4, 0], &[4, 0]])
}

fn search() -> Vec<u8> {
    let equal = element(0xa3, &[&element(4, &[b"objectClass"]), &element(4, &[b"us(er"])]);
    let pieces = element(0x30, &[&element(0x80, &[b"adm"]), &element(0x81, &[b"x"])]);
    let like = element(0xa4, &[&element(4, &[b"cn"]), &pieces]);
    let filter = element(0xa0, &[&equal, &like, &element(0xa2, &[&element(0x87, &[b"mail"])])]);
    element(
        0x63,
        &[
            &element(4, &[b"dc=example,dc=org"]),
            &[10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0],
            &filter,
            &element(0x30, &[&element(4, &[b"servicePrincipalName"])]),
        ],
    )
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let entry = element(0x64, &[&element(4, &[b"cn=a,dc=example,dc=org"]), &element(0x30, &[])]);
    vec![
        (ToServer, message(1, &bind(b"hidden!"))),
        (ToClient, message(1, &done(0x61, 0))),
        (ToServer, message(2, &search())),
        (ToClient, [message(2, &entry), message(2, &entry), message(2, &done(0x65, 0))].concat()),
        (ToServer, message(3, &element(0x42, &[]))),
    ]
}

#[test]
fn requests_stand_with_their_responses_and_no_password_does() {
    assert_eq!(probe(&tcp(&session()[0].1, ToServer, 4000)), Found::Yes);
    let mut bench = Bench::new(&LDAP);
    session().iter().for_each(|(from, bytes)| bench.stream(*from, bytes));
    assert_eq!(bench.kinds(), ["ldap"; 3]);
    assert_eq!(bench.text("ldap", "name"), "cn=admin,dc=example,dc=org");
    assert_eq!(bench.value("ldap", "password_in_clear"), Some(Datum::Flag(true)));
    assert_eq!(bench.text("ldap", "result_code"), "success");
    assert_eq!(bench.text("ldap", "filter"), "(&(objectClass=us\\28er)(cn=adm*x*)(!(mail=*)))");
    assert_eq!(bench.value("ldap", "entries"), Some(Datum::Unsigned(2)));
    assert!(!bench.all().iter().any(|item| item.contains("104, 105, 100, 100")));
}

#[test]
fn tls_is_handed_on_when_the_server_agrees_and_not_else() {
    for (code, ending) in [(0, Some(Then::Upgrade)), (52, None)] {
        let mut bench = Bench::new(&LDAP);
        bench.stream(ToServer, &message(1, &element(0x77, &[&element(0x80, &[START_TLS])])));
        bench.stream(ToClient, &message(1, &done(0x78, code)));
        assert_eq!(bench.ending, ending);
        assert_eq!(bench.text("ldap", "extension"), "start_tls");
    }
}

#[test]
fn a_security_layer_ends_the_reading() {
    let mut bench = Bench::new(&LDAP);
    let sasl = element(0xa3, &[&element(4, &[b"GSS-SPNEGO"]), &element(4, &[b"secret token"])]);
    bench.stream(ToServer, &message(1, &element(0x60, &[&[2, 1, 3, 4, 0], &sasl])));
    bench.stream(ToClient, &message(1, &done(0x61, 0)));
    assert_eq!(bench.text("ldap", "mechanism"), "GSS-SPNEGO");
    bench.stream(ToServer, &[&[0, 0, 0, 80, 5, 4, 6, 0xff][..], &[7; 76]].concat());
    assert_eq!(bench.value("ldap", "sealed"), Some(Datum::Flag(true)));
    assert_eq!(bench.ending, Some(Then::Done));
}

#[test]
fn a_filter_nested_without_end_is_cut() {
    let mut filter = element(0x87, &[b"a"]);
    for _ in 0..200 {
        filter = element(0xa2, &[&filter]);
    }
    let mut text = Vec::new();
    filter::write(filter[0], &filter[4..], 1000, &mut text);
    assert!(text.len() < 100 && text.ends_with(b"...))))))))))))))))"));
}

#[test]
fn datagrams_end_with_their_messages() {
    let request = message(1, &search());
    assert_eq!(probe(&udp(&request, ToServer, 389)), Found::Yes);
    assert_eq!(probe(&udp(&[&request[..], &[0]].concat(), ToServer, 389)), Found::No);
    let mut bench = Bench::new(&LDAP);
    bench.datagram(ToServer, &request);
    bench.datagram(ToClient, &message(1, &done(0x65, 0)));
    assert_eq!(bench.kinds(), ["ldap"]);
}

#[test]
fn random_payloads_are_not_taken() {
    assert!(taken_of_random(&LDAP) < 2);
}

#[test]
fn any_cut_gives_the_same_events() {
    assert_any_cut_agrees(&LDAP, &session());
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
        assert_any_cut_agrees(&LDAP, &turns);
    }
}
