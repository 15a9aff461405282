//! The labelled captures: what a reference classifier read of the same flows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::protocols::http::HTTP;
use engine::protocols::ssh::SSH;
use engine::protocols::{Carrier, Found, Probe, Protocol, dns};
use engine::record::Direction::{ToClient, ToServer};
use serde_json::Value;
use wire::{Headers, ParseOptions};

use crate::conversation::{Conversation, Outcome};
use crate::support::capture::frames;
use crate::support::tcp::{Stream, streams};

/// Folder of the labelled captures; none, and a line that says so, where it is absent.
fn ground_truth() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    if folder.join("labels.jsonl").is_file() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no labelled captures at {} (set WIREWARDEN_GROUND_TRUTH)", folder.display());
    None
}

type Ends = [SocketAddr; 2];

fn ends(a: SocketAddr, b: SocketAddr) -> Ends {
    if a < b { [a, b] } else { [b, a] }
}

struct Label {
    l4: String,
    ends: Ends,
    protocol: String,
    is_certain: bool,
    values: Value,
}

fn labels(folder: &Path) -> BTreeMap<String, Vec<Label>> {
    let mut by_capture: BTreeMap<String, Vec<Label>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("labels.jsonl")).unwrap().lines() {
        let values: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| values[name].as_str().unwrap_or_default().to_owned();
        let end = |ip: &str, port: &str| {
            let address = text(ip).parse().ok()?;
            Some(SocketAddr::new(address, u16::try_from(values[port].as_u64()?).ok()?))
        };
        let (Some(a), Some(b)) = (end("a_ip", "a_port"), end("b_ip", "b_port")) else { continue };
        let label = Label {
            l4: text("l4"),
            ends: ends(a, b),
            protocol: text("protocol"),
            is_certain: text("confidence").starts_with("DPI"),
            values: values.clone(),
        };
        by_capture.entry(text("pcap")).or_default().push(label);
    }
    by_capture
}

/// The best that a probe says of the beginnings of both directions.
fn probe_stream(protocol: &Protocol, stream: &Stream) -> bool {
    [ToServer, ToClient].into_iter().any(|from| {
        let mut start = Vec::new();
        for chunk in stream.chunks.iter().filter(|chunk| chunk.from == from).take(6) {
            start.extend_from_slice(&chunk.bytes);
            let (source, destination) = if from == ToServer {
                (stream.client, stream.server)
            } else {
                (stream.server, stream.client)
            };
            let probe = Probe {
                payload: &start,
                wire_len: u32::try_from(start.len()).unwrap(),
                from,
                carrier: Carrier::Tcp,
                source_port: source.port(),
                destination_port: destination.port(),
                destination: Some(destination.ip()),
                earlier: &[],
                midstream: stream.midstream,
            };
            match protocol.probe.unwrap()(&probe) {
                Found::Maybe => {}
                found => return found != Found::No,
            }
        }
        false
    })
}

fn play_stream(protocol: &Protocol, stream: &Stream) -> Outcome {
    let mut talk = Conversation::new(protocol, Carrier::Tcp);
    for chunk in &stream.chunks {
        if chunk.after_gap {
            talk.lose(chunk.from);
        }
        talk.send(chunk.from, &chunk.bytes);
    }
    talk.finish()
}

/// All texts and numbers of events, as the scoring of the labels compares them.
fn leaves(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.values().for_each(|member| leaves(member, into)),
        Value::Array(members) => members.iter().for_each(|member| leaves(member, into)),
        Value::String(text) => drop(into.insert(text.trim().to_lowercase())),
        Value::Number(number) => drop(into.insert(number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A part of a whole, in per cent.
#[derive(Default)]
struct Share {
    part: usize,
    whole: usize,
}

impl Share {
    fn count(&mut self, is_part: bool) {
        self.part += usize::from(is_part);
        self.whole += 1;
    }

    fn percent(&self) -> f64 {
        100.0 * self.part as f64 / self.whole as f64
    }
}

#[test]
fn http_flows_and_their_fields_are_found() {
    let Some(folder) = ground_truth() else { return };
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    let mut found = Share::default();
    let mut others: BTreeMap<String, usize> = BTreeMap::new();
    for (capture, labels) in labels(&folder) {
        let mut seen: BTreeMap<Ends, BTreeSet<String>> = BTreeMap::new();
        for stream in streams(&folder.join("pcap").join(&capture)) {
            if probe_stream(&HTTP, &stream) {
                let values = seen.entry(ends(stream.client, stream.server)).or_default();
                for (_, event) in play_stream(&HTTP, &stream).events {
                    leaves(&event, values);
                }
            }
        }
        for label in labels.iter().filter(|label| label.l4 == "tcp" && label.is_certain) {
            let values = seen.get(&label.ends);
            let is_http = matches!(label.protocol.as_str(), "HTTP" | "HTTP_Proxy" | "HTTP_Connect" | "SOAP");
            if is_http {
                found.count(values.is_some());
                if values.is_none() {
                    eprintln!("not found: {capture} {:?}", label.ends);
                }
            } else if values.is_some() {
                *others.entry(label.protocol.clone()).or_default() += 1;
            }
            for name in ["url", "user_agent", "status"] {
                let Some(wanted) = label.values[name].as_str().filter(|_| is_http) else { continue };
                let is_there = values.is_some_and(|values| values.contains(&wanted.trim().to_lowercase()));
                shares.entry(name).or_default().count(is_there);
                if !is_there {
                    eprintln!("{name} missing: {capture} {:?} {wanted}", label.ends);
                }
            }
        }
    }
    eprintln!(
        "flows labelled HTTP that are found: {} of {} ({:.2} %)",
        found.part,
        found.whole,
        found.percent()
    );
    eprintln!("flows labelled otherwise that open like HTTP: {others:?}");
    for (name, share) in &shares {
        eprintln!("{name}: {} of {} ({:.2} %)", share.part, share.whole, share.percent());
        assert!(share.percent() >= 95.0, "{name}");
    }
    assert!(found.percent() >= 98.0);
}

struct Datagram {
    source: SocketAddr,
    destination: SocketAddr,
    payload: Vec<u8>,
    wire_len: u32,
}

/// UDP flows of a capture: their datagrams in order.
fn datagrams(path: &Path) -> BTreeMap<Ends, Vec<Datagram>> {
    let mut flows: BTreeMap<Ends, Vec<_>> = BTreeMap::new();
    let options = ParseOptions { tunnel_depth: 4, ..ParseOptions::default() };
    for frame in frames(path) {
        let mut headers = Headers::default();
        let parsed = headers.parse(&frame.bytes, frame.wire_len, frame.link, &options);
        if parsed.is_err() || headers.protocol != 17 || headers.fragment.is_some() {
            continue;
        }
        let start = headers.payload_offset as usize;
        let Some(payload) = frame.bytes.get(start..start + headers.payload_len as usize) else { continue };
        let end = |side| Some(SocketAddr::new(headers.key.ip(side)?, headers.key.port(side)));
        let (Some(source), Some(destination)) = (end(headers.sender), end(headers.sender.opposite())) else {
            continue;
        };
        let datagram =
            Datagram { source, destination, payload: payload.to_vec(), wire_len: headers.payload_wire_len };
        flows.entry(ends(source, destination)).or_default().push(datagram);
    }
    flows
}

#[test]
fn dns_flows_are_found_and_nothing_else_is_taken_for_them() {
    let Some(folder) = ground_truth() else { return };
    let protocols = [("DNS", &dns::DNS), ("MDNS", &dns::MDNS), ("LLMNR", &dns::LLMNR)];
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    let mut names = Share::default();
    let mut taken: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (capture, labels) in labels(&folder) {
        let flows = datagrams(&folder.join("pcap").join(&capture));
        for label in labels.iter().filter(|label| label.l4 == "udp") {
            let Some(flow) = flows.get(&label.ends) else { continue };
            let said = protocols
                .iter()
                .find(|(_, protocol)| flow.iter().take(4).any(|datagram| is_found(protocol, datagram)));
            if let Some((name, _)) =
                protocols.iter().find(|(name, _)| *name == label.protocol && label.is_certain)
            {
                let is_right = said.is_some_and(|(said, _)| said == name);
                shares.entry(name).or_default().count(is_right);
                if !is_right {
                    eprintln!("not found: {capture} {:?} {name}", label.ends);
                }
            } else if let Some((said, protocol)) = said {
                let said = play_datagrams(protocol, flow).refined.unwrap_or(said);
                taken.entry(format!("{} as {said}", label.protocol)).or_default().push(capture.clone());
            }
            if let (Some((_, protocol)), Some(name)) = (said, label.values["sni"].as_str())
                && label.protocol == "DNS"
            {
                names.count(has_name(protocol, flow, name));
            }
        }
    }
    for (name, share) in &shares {
        eprintln!("{name}: {} of {} ({:.2} %)", share.part, share.whole, share.percent());
        assert!(share.percent() >= 95.0, "{name}");
    }
    eprintln!("names asked for: {} of {} ({:.2} %)", names.part, names.whole, names.percent());
    for (what, captures) in &taken {
        eprintln!("{what}: {} in {:?}", captures.len(), captures.iter().collect::<BTreeSet<_>>());
    }
}

fn is_found(protocol: &Protocol, datagram: &Datagram) -> bool {
    let probe = Probe {
        payload: &datagram.payload,
        wire_len: datagram.wire_len,
        from: ToServer,
        carrier: Carrier::Udp,
        source_port: datagram.source.port(),
        destination_port: datagram.destination.port(),
        destination: Some(datagram.destination.ip()),
        earlier: &[],
        midstream: false,
    };
    matches!(protocol.probe.unwrap()(&probe), Found::Yes | Found::Likely(_))
}

fn play_datagrams(protocol: &Protocol, flow: &[Datagram]) -> Outcome {
    let mut talk = Conversation::new(protocol, Carrier::Udp);
    for datagram in flow {
        let from = if datagram.source.port() > datagram.destination.port() { ToServer } else { ToClient };
        talk.send(from, &datagram.payload);
    }
    talk.finish()
}

fn has_name(protocol: &Protocol, flow: &[Datagram], name: &str) -> bool {
    let mut values = BTreeSet::new();
    for (_, event) in play_datagrams(protocol, flow).events {
        leaves(&event, &mut values);
    }
    values.contains(name)
}

#[test]
fn ssh_sessions_are_classed_as_their_endpoints_say() {
    let Some(folder) = ground_truth() else { return };
    let truth: Value =
        serde_json::from_slice(&std::fs::read(folder.join("quantum/truth.json")).unwrap()).unwrap();
    let streams = streams(&folder.join("quantum/ssh.pcap"));
    let mut right = Share::default();
    for session in truth["ssh.pcap"].as_array().unwrap() {
        let port = session["client_port"].as_u64().unwrap();
        let stream = streams.iter().find(|stream| u64::from(stream.client.port()) == port).unwrap();
        assert!(probe_stream(&SSH, stream));
        let seen = play_stream(&SSH, stream);
        let crypto = &seen.of("ssh")[0]["crypto"];
        right.count(crypto["kex"] == session["selected"] && crypto["class"] == session["class"]);
        eprintln!("{port}: {} {}", crypto["kex"], crypto["class"]);
        // The same from another dissector.
        assert_eq!(seen.of("ssh")[0]["server"]["hassh"]["hash"], "47ce91007d4d0fc7881c2f0cd0932eb7");
    }
    assert_eq!((right.part, right.whole), (4, 4));
}
