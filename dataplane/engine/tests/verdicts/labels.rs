//! What we call the flows of the captures, next to their labels.
//!
//! `labels/names.tsv` says which names mean what a label means, `labels/differences.tsv` where we say something else
//! and what decides. Anything else that contradicts a label is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::ground_truth;
use crate::run::{Ends, Flows, Said, Shown, judge};
use crate::support::capture::frames;

/// A name as it is compared: small letters and digits.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

struct Label {
    ends: Ends,
    name: String,
}

/// Labels by content, by capture.
fn labels(text: &str) -> BTreeMap<String, Vec<Label>> {
    let mut labels: BTreeMap<String, Vec<Label>> = BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("a label");
        if !row["confidence"].as_str().is_some_and(|text| text.starts_with("DPI")) {
            continue;
        }
        let protocol = match row["l4"].as_str() {
            Some("tcp") => 6,
            Some("udp") => 17,
            _ => continue,
        };
        let end = |ip: &str, port: &str| {
            let ip: IpAddr = row[ip].as_str()?.split('%').next()?.parse().ok()?;
            Some((ip, row[port].as_u64().unwrap_or(0) as u16))
        };
        let (Some(a), Some(b)) = (end("a_ip", "a_port"), end("b_ip", "b_port")) else { continue };
        let mut ends = [a, b];
        ends.sort_unstable();
        let name = row["protocol"].as_str().expect("a protocol").to_owned();
        let capture = row["pcap"].as_str().expect("a capture").to_owned();
        labels.entry(capture).or_default().push(Label { ends: Ends { protocol, ends }, name });
    }
    labels
}

/// How the flows of a label came out.
#[derive(Default)]
struct Score {
    right: usize,
    wrong: usize,
    unknown: usize,
}

#[test]
fn a_flow_is_called_what_its_label_says_or_the_reason_is_known() {
    let Some(folder) = ground_truth() else { return };
    let text = std::fs::read_to_string(folder.join("labels.jsonl")).expect("labels");
    let mut same: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows(include_str!("labels/names.tsv")) {
        same.insert(row[0].to_owned(), row[1].split(',').map(str::to_owned).collect());
    }
    let known: BTreeSet<(String, String)> = rows(include_str!("labels/differences.tsv"))
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect();
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let (mut faults, mut unknown) = (Vec::new(), Vec::new());
    for (capture, labels) in labels(&text) {
        let frames = frames(&folder.join("pcap").join(&capture));
        let shown = frames.iter().map(|f| Shown { link: f.link, bytes: &f.bytes, wire_len: f.wire_len });
        let flows = judge(&shown, 1);
        for label in labels {
            let score = scores.entry(label.name.clone()).or_default();
            match compare(&flows, &label, &same) {
                Outcome::Right => score.right += 1,
                Outcome::Unknown => {
                    score.unknown += 1;
                    unknown.push(format!("{capture} {}: {:?}", label.name, label.ends));
                }
                Outcome::Other(name) => {
                    score.wrong += 1;
                    if !known.contains(&(plain(&label.name), name.clone())) {
                        faults.push(format!("{capture}: {} called {name} {:?}", label.name, label.ends));
                    }
                }
            }
        }
    }
    report(&scores, &unknown);
    assert!(faults.is_empty(), "{faults:#?}");
}

enum Outcome {
    Right,
    Unknown,
    Other(String),
}

fn compare(flows: &Flows, label: &Label, same: &BTreeMap<String, BTreeSet<String>>) -> Outcome {
    let want = plain(&label.name);
    let said: &[Said] = flows.get(&label.ends).map_or(&[], Vec::as_slice);
    let means = |name: &str| {
        let name = plain(name);
        name == want || same.get(&want).is_some_and(|names| names.contains(&name))
    };
    if said.iter().any(|said| means(&said.protocol) || means(&said.service)) {
        return Outcome::Right;
    }
    match said.iter().find(|said| said.protocol != "unknown") {
        Some(said) => Outcome::Other(said.protocol.clone()),
        None => Outcome::Unknown,
    }
}

fn report(scores: &BTreeMap<String, Score>, unknown: &[String]) {
    let sum = |part: fn(&Score) -> usize| scores.values().map(part).sum::<usize>();
    let (right, wrong, open) = (sum(|s| s.right), sum(|s| s.wrong), sum(|s| s.unknown));
    let covered = scores.values().filter(|s| s.right * 2 >= s.right + s.wrong + s.unknown).count();
    let all = right + wrong + open;
    println!(
        "{all} flows: {right} right, {wrong} otherwise, {open} unknown; {covered} of {} labels",
        scores.len()
    );
    unknown.iter().for_each(|line| println!("unknown {line}"));
}
