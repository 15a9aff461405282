use std::collections::BTreeSet;

use super::*;

fn builtin() -> SignatureSet {
    SignatureSet::builtin().unwrap_or_else(|errors| panic!("{errors}"))
}

#[expect(clippy::disallowed_methods, reason = "tests measure")]
fn clock() -> impl FnMut() -> u64 {
    let start = std::time::Instant::now();
    move || u64::try_from(start.elapsed().as_nanos()).unwrap()
}

fn place(sample: &Sample) -> String {
    format!("{}:{}", sample.file, sample.line)
}

#[test]
fn every_sample_is_right_and_no_two_protocols_match_one() {
    let set = builtin();
    let report = Report::run(&set, &mut clock()).unwrap();
    for failure in &report.failures {
        let sample = &set.samples()[failure.sample];
        let found = failure.found.and_then(|found| set.label(found.signature));
        println!("{}: should match {}, found {found:?}", place(sample), sample.is_match);
    }
    for overlap in &report.overlaps {
        println!(
            "{} is matched by {:?}",
            place(&set.samples()[overlap.sample]),
            set.label(overlap.signature)
        );
    }
    for (index, signature) in (0_u16..).zip(&report.signatures) {
        if signature.samples == 0 {
            println!("{:?} has no sample", set.label(index));
        }
    }
    assert!(report.is_clean());
    let dearest = (0_u16..)
        .zip(&report.signatures)
        .max_by(|a, b| a.1.price.ns_per_payload.total_cmp(&b.1.price.ns_per_payload));
    println!(
        "{} signatures of {} protocols, {} samples: {:.0} ns a payload, {:.2} Gbyte/s; dearest {:?}",
        set.len(),
        set.protocols().len(),
        report.samples,
        report.price.ns_per_payload,
        report.price.bytes_per_second / 1e9,
        dearest.map(|(index, one)| (&set.label(index).unwrap().id, one.price.ns_per_payload))
    );
}

#[test]
fn every_protocol_has_samples_of_both_kinds() {
    let set = builtin();
    for (index, protocol) in (0_u16..).zip(set.protocols()) {
        for is_match in [true, false] {
            let has =
                set.samples().iter().any(|sample| sample.protocol == index && sample.is_match == is_match);
            assert!(has, "{} has no sample with match = {is_match}", protocol.name);
        }
    }
}

#[test]
fn a_sample_cut_short_never_takes_another_name() {
    let set = builtin();
    let mut scanner = Scanner::new(&set).unwrap();
    for sample in set.samples().iter().filter(|sample| sample.is_match) {
        for length in 0..sample.payload.len().min(512) {
            let cut = Sample { payload: sample.payload[..length].to_vec(), ..sample.clone() };
            let Some(found) = cut.scan(&set, &mut scanner) else { continue };
            let name = &set.protocols()[usize::from(found.protocol)].name;
            assert_eq!(found.protocol, sample.protocol, "{} cut to {length} bytes is {name}", place(sample));
        }
    }
}

#[test]
fn a_million_random_payloads_get_fewer_than_a_thousand_names() {
    let set = builtin();
    let mut scanner = Scanner::new(&set).unwrap();
    let mut random = report::RandomPayloads::new();
    let mut found = vec![0_u32; set.len()];
    for _ in 0..1_000_000 {
        if let Some(wrong) = random.scan(&set, &mut scanner) {
            found[usize::from(wrong.signature)] += 1;
        }
    }
    for (index, count) in (0_u16..).zip(&found).filter(|(_, count)| **count > 0) {
        println!("{count} random payloads: {:?}", set.label(index));
    }
    let total: u32 = found.iter().sum();
    println!("{total} of 1,000,000 random payloads got a name");
    assert!(total < 1000);
}

#[test]
fn bits_flipped_in_samples_never_panic_and_first_bytes_never_hide_a_match() {
    let set = builtin();
    let mut state = 1_u32;
    for sample in set.samples() {
        for _ in 0..64 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut payload = sample.payload.clone();
            let place = usize::try_from(state >> 3).unwrap() % payload.len();
            payload[place] ^= 1 << (state & 7);
            let probe = probe(&payload, sample.carrier, sample.direction);
            let view = expression::View { bytes: &payload, len: probe.wire_len };
            let lane = &set.lanes[lane::lane_of(sample.carrier, sample.direction).unwrap()];
            let candidates: BTreeSet<u16> =
                lane.blocks().iter().flat_map(|block| block.candidates(&payload, view.len)).collect();
            for (index, signature) in (0_u16..).zip(&set.signatures) {
                if signature.payload.searched().is_none() && signature.payload.admits(view) {
                    let heads = signature.payload.heads();
                    assert!(
                        heads.sets().zip(&payload).all(|(set, byte)| set.contains(*byte)),
                        "{:?}",
                        set.label(index)
                    );
                }
            }
            for (index, signature) in (0_u16..).zip(&set.signatures) {
                let carrier = lane::lane_of(sample.carrier, sample.direction).unwrap() / 2;
                let rides = signature.carriers[carrier] && signature.goes(sample.direction);
                if rides && signature.payload.searched().is_none() && signature.payload.admits(view) {
                    assert!(candidates.contains(&index), "{:?}", set.label(index));
                }
            }
        }
    }
}

#[test]
fn compiling_is_quick_and_the_order_of_files_is_fixed() {
    let mut clock = clock();
    let mut least = u64::MAX;
    for _ in 0..5 {
        let start = clock();
        std::hint::black_box(builtin());
        least = least.min(clock() - start);
    }
    let first = builtin();
    println!("{} signatures compiled in {} us", first.len(), least / 1000);
    let second = builtin();
    assert_eq!(first.version(), second.version());
    assert_eq!(first.labels, second.labels);
    let names: Vec<&String> = first.protocols().iter().map(|protocol| &protocol.name).collect();
    assert!(names.is_sorted());
}

#[test]
fn a_scan_of_64_bytes_is_timed() {
    let set = builtin();
    let mut scanner = Scanner::new(&set).unwrap();
    let mut clock = clock();
    let mut state = 1_u32;
    let mut payload = || -> Vec<u8> {
        let next = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..64).map(|_| next(&mut state)).collect()
    };
    let payloads: Vec<Vec<u8>> = (0..2048).map(|_| payload()).collect();
    for carrier in [Carrier::Tcp, Carrier::Udp] {
        for from in [Direction::ToServer, Direction::ToClient] {
            let mut least = u64::MAX;
            for _ in 0..5 {
                let start = clock();
                for payload in &payloads {
                    std::hint::black_box(
                        scanner.scan(&set, &probe(std::hint::black_box(payload), carrier, from)),
                    );
                }
                least = least.min(clock() - start);
            }
            println!("{carrier:?} {from:?}: {} ns a payload", least / 2048);
        }
    }
}

#[test]
fn the_example_of_the_guide_is_right() {
    let guide = include_str!("../../../../../../docs/signatures.md");
    let (_, rest) = guide.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let text: String = example.lines().map(|line| format!("{}\n", line.trim_start())).collect();
    let file =
        SignatureFile { path: "operational/llrp.toml".to_owned(), text: text.into(), overrides: false };
    let set = SignatureSet::from_files(&[file]).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((set.len(), set.samples().len()), (1, 2));
    assert!(Report::run(&set, &mut clock()).unwrap().is_clean());
}
