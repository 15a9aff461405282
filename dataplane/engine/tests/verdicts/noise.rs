//! Payloads that are nobody's get nobody's name.

use engine::protocols::{ALL, Carrier};
use engine::record::Direction::{ToClient, ToServer};
use sample::random::Random;

use crate::payloads::{Noise, SEALED, TEXT};
use crate::talks::{Talk, listen, names};

/// Flows of each family on ports that mean nothing, and of all families together on each port that does.
const FLOWS: usize = 6_000;
const FLOWS_A_PORT: usize = 60;

/// How much larger than usual the run is to be.
fn scale() -> usize {
    std::env::var("WIREWARDEN_NEGATIVE").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Flows of up to six payloads of one family, both ways.
fn talks(noise: &Noise, flows: usize, port: impl Fn(&mut Random) -> u16, dice: &mut Random) -> Vec<Talk> {
    (0..flows)
        .map(|_| {
            let carrier = if dice.below(2) == 0 { Carrier::Tcp } else { Carrier::Udp };
            let port = port(dice);
            let turns = (0..dice.below(6) + 1).map(|_| {
                let from = if dice.below(3) == 0 { ToClient } else { ToServer };
                (from, (noise.make)(dice))
            });
            Talk { carrier, port, turns: turns.collect() }
        })
        .collect()
}

/// Runs families and gives how many flows there were, and how many of them got a name.
fn run(families: &[Noise], flows: usize, port: impl Fn(&mut Random) -> u16 + Copy) -> (usize, usize) {
    let mut dice = Random::new(20_260_101);
    let (mut all, mut named) = (0, 0);
    for noise in families {
        let said = listen(&talks(noise, flows, port, &mut dice));
        let names = names(&said);
        let count: usize = names.iter().map(|(_, count)| count).sum();
        if count > 0 {
            println!("{}: {count} of {flows} flows got a name: {names:?}", noise.name);
        }
        all += flows;
        named += count;
    }
    (all, named)
}

/// Ports that some protocol calls its own.
fn known_ports() -> Vec<u16> {
    let plan = crate::run::plan();
    let coded = ALL.iter().flat_map(|protocol| protocol.ports.iter().copied());
    let described = plan.signatures().protocols().iter().flat_map(|protocol| protocol.ports.iter().copied());
    let mut ports: Vec<u16> = coded.chain(described).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn assert_at_most_one_in(most: usize, (all, named): (usize, usize)) {
    println!("{named} of {all} flows got a name");
    assert!(named * most <= all, "{named} of {all} flows got a name: more than one in {most}");
}

#[test]
fn one_flow_in_a_thousand_of_sealed_bytes_gets_a_name_at_most() {
    assert_at_most_one_in(1000, run(SEALED, FLOWS * scale(), |dice| 40_000 + dice.below(9000) as u16));
}

#[test]
fn one_flow_in_a_thousand_of_text_gets_a_name_at_most() {
    assert_at_most_one_in(1000, run(TEXT, FLOWS * scale(), |dice| 40_000 + dice.below(9000) as u16));
}

#[test]
fn a_known_port_gives_no_name_to_sealed_bytes() {
    let ports = known_ports();
    let flows = ports.len() * FLOWS_A_PORT / SEALED.len() * scale();
    let port = |dice: &mut Random| ports[dice.below(ports.len() as u32) as usize];
    assert_at_most_one_in(1000, run(SEALED, flows, port));
}

#[test]
fn a_known_port_gives_no_name_to_text() {
    let ports = known_ports();
    let flows = ports.len() * FLOWS_A_PORT / TEXT.len() * scale();
    let port = |dice: &mut Random| ports[dice.below(ports.len() as u32) as usize];
    assert_at_most_one_in(1000, run(TEXT, flows, port));
}
