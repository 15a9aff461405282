//! What holds for every protocol: any cut of the bytes gives the same events, nothing makes a parser panic or hold much,
//! a parser that was reset is as new, and bytes of other kinds are not taken.

use engine::protocols::{ALL, CARRY_BYTES, Carrier, Found, Protocol};
use engine::record::Direction::{self, ToClient, ToServer};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};

use crate::talk::{Talk, is_taken, play, play_cut, probe};
use crate::{Sample, samples};

fn streams() -> Vec<Sample> {
    samples().into_iter().filter(|sample| sample.carrier == Carrier::Tcp).collect()
}

/// Protocols under test, each once.
fn protocols() -> Vec<&'static Protocol> {
    let mut all: Vec<&'static Protocol> = samples().iter().map(|sample| sample.protocol).collect();
    all.sort_by_key(|protocol| protocol.name);
    all.dedup_by_key(|protocol| protocol.name);
    all
}

#[test]
fn every_protocol_is_registered() {
    for protocol in protocols() {
        assert!(ALL.iter().any(|other| other.name == protocol.name), "{}", protocol.name);
    }
}

#[test]
fn every_sample_gives_events_and_no_end_to_the_flow_by_mistake() {
    for sample in samples() {
        let outcome = play(sample.protocol, sample.carrier, &sample.turns);
        assert!(!outcome.events.is_empty(), "{}", sample.protocol.name);
        assert_ne!(outcome.ending, Some(engine::protocols::Then::NotMine), "{}", sample.protocol.name);
        for (kind, _) in &outcome.events {
            assert!(sample.protocol.events.contains(&kind.as_str()), "{}: {kind}", sample.protocol.name);
        }
    }
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_events() {
    for sample in streams() {
        let whole = play(sample.protocol, Carrier::Tcp, &sample.turns).without_carried();
        for lengths in [&[1][..], &[2, 3], &[5], &[7, 1, 4], &[64], &[1400]] {
            let cut = play_cut(sample.protocol, &sample.turns, lengths).without_carried();
            assert_eq!(cut, whole, "{} cut {lengths:?}", sample.protocol.name);
        }
    }
}

#[test]
fn a_parser_that_was_reset_is_as_new() {
    for sample in samples() {
        let first = play(sample.protocol, sample.carrier, &sample.turns);
        let mut talk = Talk::new(sample.protocol, sample.carrier);
        for (from, bytes) in sample.turns.iter().take(3) {
            talk.send(*from, bytes.get(..bytes.len() - 1).unwrap());
        }
        let mut again = Talk::with(talk.finish_and_keep().1, sample.carrier);
        for (from, bytes) in &sample.turns {
            again.send(*from, bytes);
        }
        assert_eq!(again.finish(), first, "{}", sample.protocol.name);
    }
}

#[test]
fn the_first_turn_is_found_and_no_prefix_of_it_says_otherwise() {
    for sample in samples().into_iter().filter(|sample| sample.protocol.probe.is_some()) {
        let (from, bytes) = &sample.turns[0];
        let whole = probe(sample.protocol, sample.carrier, *from, bytes);
        assert!(is_taken(whole), "{}: {whole:?}", sample.protocol.name);
        if sample.carrier == Carrier::Tcp {
            for end in 1..bytes.len() {
                let found = probe(sample.protocol, sample.carrier, *from, &bytes[..end]);
                assert!(found != Found::No, "{}: {found:?} after {end} bytes", sample.protocol.name);
            }
        }
    }
}

/// Bytes lost between turns: what follows is found again.
#[test]
fn a_gap_is_survived() {
    for sample in streams() {
        let mut talk = Talk::new(sample.protocol, Carrier::Tcp);
        let (from, bytes) = &sample.turns[0];
        talk.send(*from, bytes);
        for (from, bytes) in &sample.turns {
            talk.lose(*from);
            talk.send(*from, bytes.get(1..).unwrap_or_default());
            talk.lose(*from);
            talk.send(*from, bytes);
        }
        assert!(!talk.finish().events.is_empty(), "{}", sample.protocol.name);
    }
}

fn rng() -> TestRng {
    TestRng::deterministic_rng(RngAlgorithm::ChaCha)
}

/// A hundred thousand random payloads, uniform and of the kinds that binary protocols look like.
#[test]
fn random_payloads_are_not_taken() {
    let protocols = protocols();
    let mut rng = rng();
    let mut taken = vec![0_u32; protocols.len()];
    const PAYLOADS: u32 = 100_000;
    let mut payload = [0_u8; 200];
    for round in 0..PAYLOADS {
        rng.fill_bytes(&mut payload);
        let len = 8 + usize::from(payload[199]) * 191 / 255;
        match round % 4 {
            // Small numbers and zeros, as in headers.
            1 => payload.iter_mut().for_each(|byte| *byte &= 0x8f & byte.rotate_left(3)),
            2 => payload.iter_mut().step_by(2).for_each(|byte| *byte = 0),
            3 => payload.iter_mut().for_each(|byte| *byte = 0x20 + *byte % 0x5f),
            _ => {}
        }
        let from = if payload[198] & 1 == 0 { ToServer } else { ToClient };
        for (protocol, taken) in protocols.iter().zip(&mut taken) {
            for carrier in protocol.carriers {
                *taken += u32::from(is_taken(probe(protocol, *carrier, from, &payload[..len])));
            }
        }
    }
    for (protocol, taken) in protocols.iter().zip(taken) {
        eprintln!("{}: {taken} of {PAYLOADS} random payloads taken", protocol.name);
        assert!(taken * 1000 < PAYLOADS, "{}: {taken}", protocol.name);
    }
}

/// Protocols that are alike in samples must not take each other's openings with more confidence than their own.
#[test]
fn no_probe_is_surer_of_the_openings_of_another_protocol() {
    let rank = |found| match found {
        Found::No | Found::Maybe => 0,
        Found::Likely(confidence) => confidence,
        Found::Yes => 100,
    };
    for sample in samples() {
        let (from, bytes) = &sample.turns[0];
        let own = rank(probe(sample.protocol, sample.carrier, *from, bytes));
        for other in ALL.iter().filter(|other| other.name != sample.protocol.name && other.probe.is_some()) {
            if !other.carriers.contains(&sample.carrier) || !is_opening(other, bytes) {
                continue;
            }
            let taken = rank(probe(other, sample.carrier, *from, bytes));
            assert!(
                taken < own,
                "{} is taken for {} at {taken}, own {own}",
                sample.protocol.name,
                other.name
            );
        }
    }
}

fn is_opening(protocol: &Protocol, bytes: &[u8]) -> bool {
    use engine::protocols::opening::FirstByte;
    match protocol.opening.first {
        FirstByte::Any => true,
        FirstByte::OneOf(allowed) => allowed.contains(&bytes[0]),
        FirstByte::Range(low, high) => (low..=high).contains(&bytes[0]),
    }
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(ToServer), Just(ToClient)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_cuts_agree(
        lengths in prop::collection::vec(1_usize..400, 1..12),
        pick in any::<prop::sample::Index>(),
    ) {
        let all = streams();
        let sample = pick.get(&all);
        prop_assert_eq!(
            play_cut(sample.protocol, &sample.turns, &lengths).without_carried(),
            play(sample.protocol, Carrier::Tcp, &sample.turns).without_carried()
        );
    }

    /// Mutated conversations are survived, hold little, and read the same in any cut.
    #[test]
    fn mutations_are_survived(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::collection::vec(1_usize..60, 1..5),
    ) {
        let all = samples();
        let sample = pick.get(&all);
        let mut turns = sample.turns.clone();
        for (at, value) in changes {
            let turn = at.index(turns.len());
            let place = at.index(turns[turn].1.len());
            turns[turn].1[place] = value;
        }
        let whole = play(sample.protocol, sample.carrier, &turns);
        prop_assert!(whole.carried <= CARRY_BYTES);
        if sample.carrier == Carrier::Tcp {
            let cut = play_cut(sample.protocol, &turns, &cut);
            prop_assert_eq!(cut.without_carried(), whole.without_carried(), "{}", sample.protocol.name);
        }
    }

    #[test]
    fn noise_is_survived(
        pick in any::<prop::sample::Index>(),
        parts in prop::collection::vec((direction(), prop::collection::vec(any::<u8>(), 1..300)), 1..5),
        begins_right in any::<bool>(),
        cut in prop::collection::vec(1_usize..60, 1..5),
    ) {
        let all = samples();
        let sample = pick.get(&all);
        let mut turns = parts;
        if begins_right {
            turns.insert(0, sample.turns[0].clone());
        }
        let whole = play(sample.protocol, sample.carrier, &turns);
        if sample.carrier == Carrier::Tcp {
            let cut = play_cut(sample.protocol, &turns, &cut);
            prop_assert_eq!(cut.without_carried(), whole.without_carried(), "{}", sample.protocol.name);
        }
        for (from, bytes) in &turns {
            probe(sample.protocol, sample.carrier, *from, bytes);
        }
    }
}
