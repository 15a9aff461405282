//! A flow is called the same, and says the same, however its packets come.

use std::path::PathBuf;

use crate::rewrite::{self, Read, Rewrite, read};
use crate::run::{Flows, Said, Shown, is_part, judge};
use crate::support::capture::{Frame, frames};
use crate::{ground_truth, wraps};

/// Captures up to this size are taken, unless all are asked for.
const SMALL: u64 = 128 * 1024;
/// Differences that are printed of each kind.
const SHOWN: usize = 12;

/// The same packets: all must be said of them that was said before.
const SAME: &[(&str, Rewrite)] = &[
    ("small segments", rewrite::small_segments),
    ("the first byte alone", rewrite::first_byte_alone),
    ("reordered", rewrite::reordered),
    ("doubled segments", rewrite::doubled_segments),
    ("fragmented", rewrite::fragmented),
    ("VLAN", wraps::vlan),
    ("QinQ", wraps::qinq),
    ("MPLS", wraps::mpls),
    ("VXLAN", wraps::vxlan),
    ("GENEVE", wraps::geneve),
    ("GRE", wraps::gre),
    ("ERSPAN", wraps::erspan),
    ("GTP-U", wraps::gtp_u),
    ("IP in IP", wraps::ip_in_ip),
];

/// Fewer packets, or some again: less or more may be said, but nothing else.
const OTHER: &[(&str, Rewrite)] = &[
    ("doubled", rewrite::doubled),
    ("without openings", rewrite::without_openings),
    ("without openings and first payloads", rewrite::without_first_payload),
    ("only the first speaker", rewrite::only_first_speaker),
    ("only the second speaker", rewrite::only_second_speaker),
];

fn is_full() -> bool {
    std::env::var("WIREWARDEN_INVARIANCE").is_ok_and(|text| text == "full")
}

fn captures() -> Option<Vec<(String, Vec<Read>)>> {
    let folder = ground_truth()?.join("pcap");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("captures").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let is_wanted =
        |file: &PathBuf| is_full() || std::fs::metadata(file).is_ok_and(|about| about.len() <= SMALL);
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Some(files.iter().filter(|f| is_wanted(f)).map(|file| (name(file), read(frames(file)))).collect())
}

fn said_of(frames: &[Frame], workers: usize) -> Flows {
    let shown = frames.iter().map(|f| Shown { link: f.link, bytes: &f.bytes, wire_len: f.wire_len });
    judge(&shown, workers)
}

/// How many flows of a kind there were, and what was different.
#[derive(Default)]
struct Tally {
    flows: usize,
    different: Vec<String>,
    /// Flows with the same name, of which something else was said.
    events: Vec<String>,
}

impl Tally {
    fn compare(&mut self, capture: &str, before: &Flows, after: &Flows, may_say_less: bool) {
        for (ends, one) in before {
            let none = Vec::new();
            let other = after.get(ends).unwrap_or(&none);
            self.flows += 1;
            let [(low, low_port), (high, high_port)] = ends.ends;
            let place = format!("{capture} {} {low}:{low_port} {high}:{high_port}", ends.protocol);
            if may_say_less {
                if !contradicts(one, other) {
                    continue;
                }
                self.different.push(format!("{place}: {} became {}", labels(one), labels(other)));
            } else if labels(one) != labels(other) {
                self.different.push(format!("{place}: {} became {}", labels(one), labels(other)));
            } else if one.iter().zip(other).any(|(one, other)| one.events != other.events) {
                self.events.push(format!("{place}: {}", labels(one)));
            }
        }
    }

    fn report(&self, name: &str) -> bool {
        let share = |count: usize| 100.0 * (1.0 - count as f64 / self.flows.max(1) as f64);
        let (names, all) = (self.different.len(), self.different.len() + self.events.len());
        println!("{name}: {} flows, name kept {:.2}%, all kept {:.2}%", self.flows, share(names), share(all));
        for line in self.different.iter().take(SHOWN) {
            println!("    {line}");
        }
        for line in self.events.iter().take(SHOWN) {
            println!("    other events: {line}");
        }
        all * 200 <= self.flows
    }
}

fn labels(flows: &[Said]) -> String {
    let names: Vec<String> = flows.iter().map(|said| format!("{} {}", said.protocol, said.service)).collect();
    names.join(", ")
}

/// Whether some flow after is called by content what none was called before.
fn contradicts(before: &[Said], after: &[Said]) -> bool {
    let means = |other: &Said, said: &Said| {
        !other.by_content() || other.protocol == said.protocol || is_part(&other.protocol, &said.protocol)
    };
    let new = |said: &&Said| said.by_content() && !before.iter().any(|other| means(other, said));
    after.iter().any(|said| new(&said))
}

#[test]
fn a_flow_is_called_the_same_however_its_packets_come() {
    let Some(captures) = captures() else { return };
    let mut tallies: Vec<Tally> = SAME.iter().chain(OTHER).map(|_| Tally::default()).collect();
    let mut workers = [Tally::default(), Tally::default()];
    for (name, reads) in &captures {
        let unchanged: Vec<Frame> = reads.iter().map(|read| copy_of(&read.frame)).collect();
        let before = said_of(&unchanged, 1);
        for (at, (_, rewrite)) in SAME.iter().chain(OTHER).enumerate() {
            let after = said_of(&rewrite(reads), 1);
            tallies[at].compare(name, &before, &after, at >= SAME.len());
        }
        for (tally, count) in workers.iter_mut().zip([2, 4]) {
            tally.compare(name, &before, &said_of(&unchanged, count), false);
        }
    }
    let mut fallen = Vec::new();
    for ((name, _), tally) in SAME.iter().chain(OTHER).zip(&tallies) {
        if !tally.report(name) {
            fallen.push(*name);
        }
    }
    for (tally, name) in workers.iter().zip(["two workers", "four workers"]) {
        if !tally.report(name) {
            fallen.push(name);
        }
    }
    assert!(fallen.is_empty(), "more than one flow in 200 is not said the same of: {fallen:?}");
}

fn copy_of(frame: &Frame) -> Frame {
    Frame { link: frame.link, bytes: frame.bytes.clone(), wire_len: frame.wire_len }
}
