use proptest::prelude::*;

use super::*;
use crate::protocols::bench::{Bench, taken_of_random};
use crate::record::Direction::{ToClient, ToServer};

/// A message with these elements.
fn message(kind: u8, procedure: u8, elements: &[(u16, &[u8])]) -> Vec<u8> {
    let count = u16::try_from(elements.len()).unwrap();
    let mut content = [&[0][..], &count.to_be_bytes()].concat();
    for (id, value) in elements {
        content.extend_from_slice(&id.to_be_bytes());
        content.extend_from_slice(&[0x40, u8::try_from(value.len()).unwrap()]);
        content.extend_from_slice(value);
    }
    [&[kind, procedure, 0, u8::try_from(content.len()).unwrap()][..], &content].concat()
}

fn setup() -> Vec<u8> {
    message(0, 21, &[(27, &[0, 0x00, 0xf1, 0x10, 0x50, 0, 0, 0, 1]), (82, b"\x02\x00gnb-1")])
}

fn show(payload: &[u8], port: u16, from: Direction) -> Found {
    let (source_port, destination_port) = if from == ToServer { (40_000, port) } else { (port, 40_000) };
    let probe = Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap(),
        from,
        carrier: Carrier::Sctp,
        source_port,
        destination_port,
        destination: None,
        earlier: &[],
        midstream: false,
    };
    NGAP.probe.unwrap()(&probe)
}

#[test]
fn sound_messages_are_known_by_their_port_and_left_open_without() {
    assert_eq!(show(&setup(), 38412, ToServer), Found::Likely(95));
    assert_eq!(show(&setup(), 4000, ToClient), Found::Maybe);
    let mut longer = setup();
    longer.push(0);
    assert_eq!(show(&longer, 38412, ToServer), Found::No);
    let mut other = setup();
    other[0] = 0x60;
    assert_eq!(show(&other, 38412, ToServer), Found::No);
}

#[test]
fn a_setup_says_whose_network_it_is() {
    let mut bench = Bench::new(&NGAP);
    bench.datagram(ToServer, &setup());
    let text = |name| bench.text("ngap", name);
    assert_eq!((text("message"), text("procedure")), ("initiating".into(), "ng_setup".into()));
    assert_eq!((text("plmn"), text("ran_name")), ("001-01".into(), "gnb-1".into()));
    let mut lte = Bench::new(&S1AP);
    lte.datagram(ToClient, &message(0x20, 17, &[(61, b"\x01\x80mme1")]));
    assert_eq!(lte.text("s1ap", "message"), "successful_outcome");
    assert_eq!(lte.text("s1ap", "mme_name"), "mme1");
    let mut within = Bench::new(&F1AP);
    within.datagram(ToClient, &message(0x40, 1, &[]));
    assert_eq!(within.text("f1ap", "message"), "successful_outcome");
}

#[test]
fn the_chosen_algorithms_are_told_and_enciphered_messages_are_not_read() {
    // A security mode command: integrity-protected, AES and SNOW 3G.
    let command =
        [&[0x13, 0x7e, 0x03, 1, 2, 3, 4, 0][..], b"\x7e\x00\x5d\x21\x00\x02\xf0\xf0\xe1\x36\x01\x00"];
    let ids: [(u16, &[u8]); 2] = [(10, &[0, 7]), (85, &[0x40, 1, 0])];
    let payload = message(0, 4, &[ids[0], ids[1], (38, &command.concat())]);
    let mut bench = Bench::new(&NGAP);
    bench.datagram(ToClient, &payload);
    let all = bench.all().join("\n");
    for expected in
        ["security_mode_command", "aes", "snow3g", "amf_ue_id Unsigned(7)", "ran_ue_id Unsigned(256)"]
    {
        assert!(all.contains(expected), "{expected} in {all}");
    }
    let mut sealed = Bench::new(&NGAP);
    sealed.datagram(ToServer, &message(0, 46, &[(38, &[4, 0x7e, 0x02, 1, 2])]));
    assert!(sealed.all().join("\n").contains("integrity_and_ciphering"));
}

#[test]
fn an_element_that_comes_twice_is_told_once() {
    let mut bench = Bench::new(&S1AP);
    bench.datagram(ToServer, &message(0, 17, &[(60, b"\x00\x80ab"), (60, b"\x00\x80cd")]));
    let names: Vec<_> = bench.all().into_iter().filter(|item| item.starts_with("enb_name")).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn random_payloads_are_not_taken() {
    for protocol in [&NGAP, &HNBAP] {
        assert_eq!(taken_of_random(protocol), 0);
    }
}

proptest! {
    #[test]
    fn anything_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..80), change in any::<(prop::sample::Index, u8)>()) {
        for protocol in [&NGAP, &S1AP, &RUA] {
            Bench::new(protocol).datagram(ToServer, &bytes);
            let mut changed = setup();
            let at = change.0.index(changed.len());
            changed[at] = change.1;
            Bench::new(protocol).datagram(ToServer, &changed);
        }
    }
}
