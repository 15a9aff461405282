use proptest::prelude::*;

use super::*;
use crate::protocols::bench::Bench;
use crate::record::Direction::{ToClient, ToServer};

fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<_> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let value = |digit: u8| u8::try_from((digit as char).to_digit(16).unwrap()).unwrap();
    digits.chunks(2).map(|pair| value(pair[0]) << 4 | value(pair[1])).collect()
}

/// A message of each protocol, and what it must say.
#[expect(clippy::too_many_lines, reason = "a table")]
fn samples() -> Vec<(&'static Protocol, Vec<u8>, &'static [&'static str])> {
    vec![
        (
            &OSPF,
            hex("0201 0030 c0000201 00000000 0000 0001 7365637265740000
                 ffffff00 000a 02 01 00000028 c0000201 00000000 c0000202"),
            &[
                "hello",
                "hello_interval_s Unsigned(10)",
                "dead_interval_s Unsigned(40)",
                "password",
                "192.0.2.2",
            ],
        ),
        (
            &OSPF,
            hex(
                "0301 0028 c0000201 00000001 0000 00 00 00000005 01 000013 000a 0028 c0000201 00000000 c0000202",
            ),
            &["version Unsigned(3)", "dead_interval_s Unsigned(40)", "192.0.2.2"],
        ),
        (
            &EIGRP,
            hex(
                "0205 0000 00000000 00000000 00000000 0000 0064 0001 000c 010001000000000f 0004 0008 0c040102",
            ),
            &["hello", "autonomous_system Unsigned(100)", "hold_time_s Unsigned(15)"],
        ),
        (
            &PIM,
            hex("2000 0000 0001 0002 0069 0013 0004 00000001"),
            &["hello", "hold_time_s Unsigned(105)", "priority Unsigned(1)"],
        ),
        (
            &IGMP,
            hex("2200 0000 0000 0001 04000000 e00000fb"),
            &["membership_report", "to_exclude", "224.0.0.251"],
        ),
        (&IGMP, hex("1164 0000 00000000"), &["membership_query", "version Unsigned(2)"]),
        (&VRRP, hex("3101 64 01 0064 0000 c0000201"), &["priority Unsigned(100)", "192.0.2.1"]),
        (&VRRP, hex("2101 64 01 01 01 0000 c0000201 7365637265740000"), &["password", "192.0.2.1"]),
        (
            &HSRP,
            hex("00 00 10 03 0a 64 01 00 636973636f000000 c0000201"),
            &["hello", "active", "has_default_password Flag(true)"],
        ),
        (
            &HSRP,
            hex(
                "01 28 02 00 06 04 0001 020000000001 00000064 00000bb8 00002710 c0000201 000000000000000000000000",
            ),
            &["version Unsigned(2)", "active", "priority Unsigned(100)", "192.0.2.1"],
        ),
        (
            &RIP,
            hex("0202 0000 ffff 0002 73656372657400000000000000000000
                 0002 0000 c6336400 ffffff00 00000000 00000010"),
            &["response", "password", "routes Unsigned(1)", "unreachable Unsigned(1)"],
        ),
        (
            &RIPNG,
            hex("0201 0000 20010db8000100000000000000000000 0000 30 01
                 fe800000000000000000000000000001 0000 00 ff
                 20010db8000200000000000000000000 0000 40 10"),
            &["response", "routes Unsigned(2)", "unreachable Unsigned(1)"],
        ),
        (
            &BFD,
            hex("20 c0 03 18 00000001 00000002 000f4240 000f4240 00000000"),
            &["up", "multiplier Unsigned(3)", "your_discriminator Unsigned(2)"],
        ),
    ]
}

#[test]
fn messages_say_who_the_neighbour_is_and_no_password() {
    for (protocol, bytes, expected) in samples() {
        let mut bench = Bench::new(protocol);
        bench.datagram(ToServer, &bytes);
        let all = bench.all().join("\n");
        for text in expected {
            let quoted = format!("{:?}", text.as_bytes());
            assert!(
                all.contains(text) || all.contains(quoted.trim_matches(['[', ']'])),
                "{}: {text} in {all}",
                protocol.name
            );
        }
        assert_eq!(bench.kinds(), [protocol.name], "{all}");
        assert!(!all.contains("115, 101, 99, 114, 101, 116"), "{}", protocol.name);
    }
}

#[test]
fn a_digest_behind_a_packet_of_ospf_is_not_of_it() {
    let hello = "0201 002c c0000201 00000000 0000 0002 00000110 6b040561 ffffff00 000a 02 01 00000028 c0000201 00000000";
    let mut bench = Bench::new(&OSPF);
    bench.datagram(ToServer, &[hex(hello), vec![0x5a; 16]].concat());
    assert_eq!(bench.text("ospf", "authentication"), "cryptographic");
    let all = bench.all().join("\n");
    assert!(!all.contains("90.90.90.90"), "{all}");
}

#[test]
fn carp_is_not_vrrp() {
    let carp = hex("21 09 00 07 00 01 1c2d 0011223344556677 000102030405060708090a0b0c0d0e0f10111213");
    let mut bench = Bench::new(&VRRP);
    bench.datagram(ToServer, &carp);
    assert_eq!((bench.refined, bench.kinds()), (Some("carp"), vec![]));
    // Seven addresses and the authentication data of VRRP.
    let vrrp = hex(
        "21 09 64 07 00 01 0000 c0000201 c0000202 c0000203 c0000204 c0000205 c0000206 c0000207 0000000000000000",
    );
    let mut bench = Bench::new(&VRRP);
    bench.datagram(ToServer, &vrrp);
    assert_eq!((bench.refined, bench.kinds()), (None, vec!["vrrp"]));
}

#[test]
fn ripng_is_taken_on_its_port_alone() {
    use crate::protocols::bench::{taken_of_random, udp};
    let (_, response, _) = samples().into_iter().find(|(protocol, ..)| protocol.name == "ripng").unwrap();
    let look = |bytes: &[u8], port| rip::probe_ng(&udp(bytes, ToServer, port));
    assert_eq!(look(&response, 521), Found::Yes);
    assert_eq!(look(&response, 520), Found::No);
    assert_eq!(look(&response[..response.len() - 1], 521), Found::No);
    assert_eq!(look(&response[..4], 521), Found::No);
    for (at, value) in [(0, 3), (1, 2), (2, 1), (22, 129), (23, 17), (23, 0)] {
        let mut other = response.clone();
        other[at] = value;
        assert_eq!(look(&other, 521), Found::No, "{at}");
    }
    assert_eq!(taken_of_random(&RIPNG), 0);
}

#[test]
fn who_asks_for_all_routes_has_none_that_cannot_be_reached() {
    let mut bench = Bench::new(&RIP);
    bench.datagram(ToServer, &hex("0102 0000 0000 0000 00000000 00000000 00000000 00000010"));
    assert_eq!(bench.value("rip", "unreachable"), Some(Datum::Unsigned(0)));
}

#[test]
fn what_is_said_again_is_counted_and_what_changed_is_told() {
    let mut bench = Bench::new(&BFD);
    let (_, up, _) = samples().pop().unwrap();
    let mut down = up.clone();
    down[1] = 0x40;
    for bytes in [&up, &up, &down, &down, &up] {
        bench.datagram(ToServer, bytes);
    }
    bench.datagram(ToClient, &up);
    bench.finish();
    assert_eq!(bench.kinds(), ["bfd"; 5]);
    assert!(bench.all().contains(&"messages Unsigned(6) []".to_owned()), "{:?}", bench.all());
}

#[test]
fn truncated_messages_are_anomalies() {
    for (protocol, bytes, _) in samples() {
        let mut bench = Bench::new(protocol);
        bench.datagram(ToServer, &bytes);
        bench.datagram(ToClient, &bytes[..3]);
        assert_eq!(bench.text("anomaly", "event"), "malformed_message", "{}", protocol.name);
    }
}

proptest! {
    #[test]
    fn anything_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 1..120),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        for (protocol, mut sample, _) in samples() {
            Bench::new(protocol).datagram(ToServer, &bytes);
            for (at, value) in &changes {
                let place = at.index(sample.len());
                sample[place] = *value;
            }
            let mut bench = Bench::new(protocol);
            bench.datagram(ToServer, &sample);
            bench.datagram(ToServer, &sample[..cut.index(sample.len()).max(1)]);
            bench.finish();
        }
    }
}
