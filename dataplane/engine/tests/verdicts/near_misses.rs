//! Payloads of known protocols, whole and with one field broken.

use std::collections::BTreeMap;

use engine::detectors::signatures::Sample;
use engine::protocols::Carrier;
use engine::record::Direction;
use sample::random::Random;
use wire::{Headers, ParseOptions};

use crate::ground_truth;
use crate::run::{Said, is_part, plan};
use crate::support::capture::frames;
use crate::talks::{Talk, listen};

/// Bytes from the start of a payload that are broken, one at a time.
const BROKEN: usize = 24;
/// Payloads of each label that are taken from captures.
const OF_A_NAME: usize = 6;

fn protocol_of(sample: &Sample) -> &'static str {
    &plan().signatures().protocols()[usize::from(sample.protocol)].name
}

/// The samples of all signature files that one flow over TCP or UDP can show.
fn samples(is_match: bool) -> Vec<&'static Sample> {
    let all = plan().signatures().samples().iter();
    all.filter(|sample| sample.is_match == is_match && sample.carrier != Carrier::Sctp).collect()
}

fn talk_of(sample: &Sample, payload: Vec<u8>) -> Talk {
    let before = sample.after.clone().map(|bytes| (sample.direction.reversed(), bytes));
    let turns = before.into_iter().chain([(sample.direction, payload)]).collect();
    Talk { carrier: sample.carrier, port: 40_001, turns }
}

fn name(said: Option<&Said>) -> &str {
    said.filter(|said| said.by_content()).map_or("unknown", |said| &said.protocol)
}

#[test]
fn a_sample_that_is_none_never_gets_its_name() {
    let samples = samples(false);
    let talks: Vec<Talk> = samples.iter().map(|sample| talk_of(sample, sample.payload.clone())).collect();
    let mut wrong = Vec::new();
    for (sample, said) in samples.iter().zip(listen(&talks)) {
        if name(said.as_ref()) == protocol_of(sample) {
            wrong.push(format!("{}:{}", sample.file, sample.line));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_broken_byte_makes_no_other_protocol() {
    let mut dice = Random::new(1);
    let mut mutants = Vec::new();
    for sample in samples(true) {
        for at in 0..sample.payload.len().min(BROKEN) {
            let mut payload = sample.payload.clone();
            payload[at] ^= dice.below(255) as u8 + 1;
            mutants.push((protocol_of(sample), talk_of(sample, payload)));
        }
    }
    assert_few_others(&mutants, 500);
}

#[test]
fn a_broken_byte_of_a_capture_makes_no_other_protocol() {
    let Some(folder) = ground_truth() else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder.join("pcap"))
        .expect("a folder of captures")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let firsts: Vec<Talk> = files.iter().flat_map(|file| first_payloads(file)).collect();
    let mut dice = Random::new(2);
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut mutants = Vec::new();
    let whole = listen(&firsts);
    for (talk, said) in firsts.iter().zip(&whole) {
        let name = name(said.as_ref());
        let taken = taken.entry(name).or_default();
        *taken += 1;
        if name == "unknown" || *taken > OF_A_NAME {
            continue;
        }
        for at in 0..talk.turns[0].1.len().min(BROKEN) {
            let mut talk = talk.clone();
            talk.turns[0].1[at] ^= dice.below(255) as u8 + 1;
            mutants.push((name, talk));
        }
    }
    assert_few_others(&mutants, 200);
}

/// Listens to broken talks and says which got the name of a protocol that they are not made from.
fn assert_few_others(mutants: &[(&str, Talk)], most: usize) {
    let talks: Vec<Talk> = mutants.iter().map(|(_, talk)| talk.clone()).collect();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    let mut own = 0;
    for ((from, _), said) in mutants.iter().zip(listen(&talks)) {
        match name(said.as_ref()) {
            "unknown" => {}
            name if name == *from || is_part(from, name) => own += 1,
            name => *others.entry(format!("{from} as {name}")).or_default() += 1,
        }
    }
    let count: usize = others.values().sum();
    let all = mutants.len();
    println!("{all} broken payloads: {own} keep their name, {count} get another: {others:#?}");
    assert!(count * most <= all, "{count} of {all} get another name: {others:#?}");
}

/// The first payload of every TCP and UDP flow of a capture, as a flow of its own with the same server port.
fn first_payloads(file: &std::path::Path) -> Vec<Talk> {
    let mut seen = std::collections::BTreeSet::new();
    let mut talks = Vec::new();
    for frame in frames(file) {
        let mut headers = Headers::default();
        if headers.parse(&frame.bytes, frame.wire_len, frame.link, &ParseOptions::default()).is_err() {
            continue;
        }
        let carrier = match headers.protocol {
            6 => Carrier::Tcp,
            17 => Carrier::Udp,
            _ => continue,
        };
        let start = headers.payload_offset as usize;
        let payload = frame.bytes.get(start..start + headers.payload_len as usize).unwrap_or_default();
        let key = headers.key;
        let own = (key.ip(headers.sender), key.port(headers.sender));
        let other = (key.ip(headers.sender.opposite()), key.port(headers.sender.opposite()));
        if payload.is_empty() || !seen.insert((headers.protocol, own.max(other), own.min(other))) {
            continue;
        }
        let from = if own.1 < other.1 { Direction::ToClient } else { Direction::ToServer };
        talks.push(Talk::of(carrier, own.1.min(other.1).max(1), from, payload.to_vec()));
    }
    talks
}
