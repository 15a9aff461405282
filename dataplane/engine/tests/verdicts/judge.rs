//! A second judge: what tshark, as a program, calls the flows of the captures.
//!
//! `judge/names.tsv` says which of its names mean which of ours; `judge/disagreements.tsv` lists every pair of names
//! that the two give to one flow and which do not mean the same, with what decides.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ground_truth;
use crate::run::{Ends, Shown, is_part, judge};
use crate::support::capture::frames;

/// Captures that are judged unless all are asked for: each costs a start of tshark.
const FEW: usize = 12;
/// What is no protocol above a transport.
const NO_NAME: &[&str] =
    &["data", "tcp.segments", "_ws.malformed", "_ws.expert", "_ws.short", "_ws.unreassembled"];

/// Names of tshark for each of ours, out of lines of two columns.
fn names() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut names = BTreeMap::new();
    for (line, columns) in rows(include_str!("judge/names.tsv")) {
        let [ours, theirs] = columns[..] else { panic_at("names.tsv", line) };
        let is_new = names.insert(ours, theirs.split(',').collect()).is_none();
        assert!(is_new, "names.tsv:{line}: {ours} twice");
    }
    names
}

/// Pairs of names (ours, theirs) that are known not to mean the same.
fn disagreements() -> BTreeSet<(&'static str, &'static str)> {
    let row = |(line, columns): (usize, Vec<&'static str>)| match columns[..] {
        [ours, theirs, reason] if !reason.is_empty() => (ours, theirs),
        _ => panic_at("disagreements.tsv", line),
    };
    rows(include_str!("judge/disagreements.tsv")).map(row).collect()
}

fn rows(text: &'static str) -> impl Iterator<Item = (usize, Vec<&'static str>)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(at, line)| (at + 1, line.split('\t').collect()))
}

#[expect(clippy::panic, reason = "a test's own file is wrong")]
fn panic_at(file: &str, line: usize) -> ! {
    panic!("{file}:{line}: wrong number of columns")
}

fn has_tshark() -> bool {
    let works = Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success());
    if !works {
        eprintln!("SKIPPED: there is no tshark to compare with");
    }
    works
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("captures").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    if std::env::var("WIREWARDEN_JUDGE").is_ok_and(|text| text == "full") {
        return files;
    }
    files.retain(|file| std::fs::metadata(file).is_ok_and(|about| about.len() <= 8 * 1024));
    let step = (files.len() / FEW).max(1);
    files.into_iter().step_by(step).collect()
}

/// The names that tshark gives to the packets of each flow, above the transport.
fn their_names(file: &Path) -> BTreeMap<Ends, BTreeSet<String>> {
    let fields = [
        "frame.protocols",
        "ip.src",
        "ipv6.src",
        "ip.dst",
        "ipv6.dst",
        "tcp.srcport",
        "udp.srcport",
        "tcp.dstport",
        "udp.dstport",
    ];
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "occurrence=l", "-r"]).arg(file);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark runs");
    let mut flows: BTreeMap<Ends, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let Some((ends, names)) = packet(&columns) else { continue };
        flows.entry(ends).or_default().extend(names);
    }
    flows
}

fn packet(columns: &[&str]) -> Option<(Ends, Vec<String>)> {
    let [protocols, ip_from, ip6_from, ip_to, ip6_to, tcp_from, udp_from, tcp_to, udp_to] = columns[..]
    else {
        return None;
    };
    let layers: Vec<&str> = protocols.split(':').collect();
    // A message about another packet quotes that packet's headers.
    if layers.iter().any(|layer| layer.starts_with("icmp")) {
        return None;
    }
    let transport = layers.iter().rposition(|layer| matches!(*layer, "tcp" | "udp" | "udplite"))?;
    let protocol = if layers[transport] == "tcp" { 6 } else { 17 };
    let (from_port, to_port) = if protocol == 6 { (tcp_from, tcp_to) } else { (udp_from, udp_to) };
    let inner_is_v6 =
        layers[..transport].iter().rev().find(|l| matches!(**l, "ip" | "ipv6")) == Some(&"ipv6");
    let (from, to) = if inner_is_v6 { (ip6_from, ip6_to) } else { (ip_from, ip_to) };
    let end = |ip: &str, port: &str| Some((ip.parse::<IpAddr>().ok()?, port.parse::<u16>().ok()?));
    let mut ends = [end(from, from_port)?, end(to, to_port)?];
    ends.sort_unstable();
    let names =
        layers[transport + 1..].iter().filter(|name| !NO_NAME.contains(name) && !name.starts_with("_ws"));
    Some((Ends { protocol, ends }, names.map(|name| (*name).to_owned()).collect()))
}

#[test]
fn tshark_calls_flows_the_same_or_the_reason_is_known() {
    let Some(folder) = ground_truth() else { return };
    if !has_tshark() {
        return;
    }
    let (names, known) = (names(), disagreements());
    let (mut compared, mut agreed) = (0, 0);
    let mut others: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for file in captures(&folder.join("pcap")) {
        let frames = frames(&file);
        let shown = frames.iter().map(|f| Shown { link: f.link, bytes: &f.bytes, wire_len: f.wire_len });
        let ours = judge(&shown, 1);
        for (ends, theirs) in their_names(&file) {
            let Some(said) = ours.get(&ends).and_then(|flows| flows.iter().find(|said| said.by_content()))
            else {
                continue;
            };
            let Some(first) = theirs.iter().next() else { continue };
            compared += 1;
            let same = names.get(said.protocol.as_str());
            let means = |name: &String| {
                *name == said.protocol
                    || is_part(&said.protocol, name)
                    || same.is_some_and(|s| s.contains(name.as_str()))
            };
            if theirs.iter().any(means) {
                agreed += 1;
            } else {
                let place =
                    format!("{} {:?}", file.file_name().unwrap_or_default().to_string_lossy(), ends.ends);
                others.entry((said.protocol.clone(), first.clone())).or_default().push(place);
            }
        }
    }
    println!("tshark and we name {compared} flows, {agreed} the same");
    let mut new = Vec::new();
    for ((ours, theirs), places) in &others {
        println!("{ours} / {theirs}: {} flows, such as {}", places.len(), places[0]);
        if !known.contains(&(ours.as_str(), theirs.as_str())) {
            new.push(format!("{ours} / {theirs}: {}", places.join(", ")));
        }
    }
    assert!(new.is_empty(), "not in disagreements.tsv: {new:#?}");
    assert!(
        compared == 0 || agreed * 100 >= compared * 99,
        "{agreed} of {compared} flows are called the same"
    );
}
