//! The fast path says what the general one says.

#[path = "../../tests/packets/builder.rs"]
#[expect(dead_code, reason = "made for the integration tests")]
mod builder;

use super::{fast, frame};
use crate::{Headers, LinkType, ParseOptions};
use builder::Ends;
use proptest::prelude::*;
use std::vec::Vec;

/// What each path says; none where the fast one leaves the frame to the general one.
fn both(bytes: &[u8], options: &ParseOptions) -> (Option<Headers>, Option<Headers>) {
    let mut fast = Headers::default();
    let is_plain = fast::ethernet(&mut fast, bytes, options);
    let mut general = Headers::default();
    let wire_len = u32::try_from(bytes.len()).unwrap();
    let is_read = frame(&mut general, bytes, wire_len, LinkType::Ethernet, options).is_ok();
    (is_plain.then_some(fast), is_read.then_some(general))
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| Ends::V4(a, b)),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| Ends::V6(a, b)),
    ]
}

/// A plain frame with padding.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    let segment = (
        any::<bool>(),
        any::<u16>(),
        any::<u16>(),
        0..4_usize,
        proptest::collection::vec(any::<u8>(), 0..80),
    );
    let tags =
        proptest::collection::vec((any::<u16>(), proptest::sample::select(&[0x8100_u16, 0x88a8][..])), 0..3);
    (ends(), segment, tags, 0..30_usize).prop_map(|(ends, segment, tags, padding)| {
        let (is_tcp, source, destination, options, payload) = segment;
        let packet = if is_tcp {
            builder::ip(ends, 6, &builder::tcp(ends, source, destination, &[1; 12][..options * 4], &payload))
        } else {
            builder::ip(ends, 17, &builder::udp(ends, source, destination, &payload))
        };
        let mut number = builder::ethertype(ends);
        let mut rest = packet;
        for (id, tpid) in tags {
            rest = builder::tag(id, number, &rest);
            number = tpid;
        }
        rest.resize(rest.len() + padding, 0);
        builder::ethernet(number, &rest)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn plain_frames_take_the_fast_path_and_say_the_same(bytes in plain(), key_vlan in any::<bool>()) {
        let options = ParseOptions { key_vlan, ..ParseOptions::default() };
        let (fast, general) = both(&bytes, &options);
        prop_assert!(general.is_some());
        prop_assert!(fast.is_some() || general.is_some_and(|said| said.protocol == 17));
        prop_assert!(fast.is_none() || fast == general);
    }

    #[test]
    fn what_the_fast_path_reads_of_a_spoiled_frame_is_what_the_general_one_reads(
        mut bytes in plain(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        for (at, value) in changes {
            // Most of the headers, so that most changes matter.
            let index = at.index(bytes.len().min(60));
            bytes[index] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (fast, general) = both(&bytes, &ParseOptions::default());
        prop_assert!(fast.is_none() || fast == general, "{:?}\n{:?}", fast, general);
    }
}

/// TCP and UDP over IPv4 and IPv6, with a tag and without.
fn one_of_each() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for ends in [builder::INNER, builder::INNER6] {
        for (protocol, segment) in
            [(6, builder::tcp(ends, 80, 1024, &[1; 4], b"x")), (17, builder::udp(ends, 53, 1024, b"x"))]
        {
            let packet = builder::ip(ends, protocol, &segment);
            let tagged = builder::tag(5, builder::ethertype(ends), &packet);
            frames.extend([builder::frame(ends, &packet), builder::ethernet(0x8100, &tagged)]);
        }
    }
    frames
}

#[test]
fn a_packet_of_each_kind_takes_the_fast_path() {
    for bytes in one_of_each() {
        let (fast, general) = both(&bytes, &ParseOptions::default());
        assert!(fast.is_some() && fast == general);
    }
}

#[test]
fn no_bit_of_a_plain_frame_makes_the_paths_differ() {
    for plain in one_of_each() {
        for bit in 0..plain.len() * 8 {
            let mut bytes = plain.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (fast, general) = both(&bytes, &ParseOptions::default());
            assert!(fast.is_none() || fast == general, "bit {bit}: {fast:?}\n{general:?}");
        }
    }
}
