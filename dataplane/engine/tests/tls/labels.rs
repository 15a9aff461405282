//! Fields of the event against the labels of a reference classifier, over all captures.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use engine::protocols::tls::PROTOCOL;
use serde_json::Value;

use crate::support::drive::{End, probe, rank, run};
use crate::support::ground_truth;
use crate::support::json::events;
use crate::support::tcp::{Stream, streams};

/// Per cent of the labels of each field that must be found.
const LEAST: [(&str, f64); 6] =
    [("sni", 97.0), ("ja3", 97.0), ("ja4", 97.0), ("ja3s", 97.0), ("cipher", 97.0), ("cert_sha1", 97.0)];

#[test]
fn fields_agree_with_the_labels() {
    let Some(folder) = ground_truth() else { return };
    let mut captures: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.join("labels.jsonl")).expect("labels").lines() {
        let label: Value = serde_json::from_str(line).expect("JSON");
        if label["protocol"] == "TLS" && label["l4"] == "tcp" {
            captures.entry(text(&label["pcap"])).or_default().push(label);
        }
    }
    let mut score = Score::default();
    for (capture, labels) in &captures {
        score.capture(&folder.join("pcap").join(capture), labels);
    }
    score.report();
    for (field, least) in LEAST {
        let (right, all) = score.fields[field];
        assert!(f64::from(right) * 100.0 >= least * f64::from(all), "{field}: {right} of {all}");
    }
}

#[derive(Default)]
struct Score {
    /// Right and all, by field.
    fields: BTreeMap<&'static str, (u32, u32)>,
    /// The same letter by letter, without known differences of the labels.
    literal: BTreeMap<&'static str, (u32, u32)>,
    /// Labels by confidence: probed as TLS, and all.
    probed: BTreeMap<String, (u32, u32)>,
    misses: Vec<String>,
}

impl Score {
    fn capture(&mut self, path: &Path, labels: &[Value]) {
        let streams = streams(path);
        for label in labels {
            let ends = ["a", "b"].map(|end| end_of(label, end));
            let is_labelled = |stream: &&Stream| {
                ends == [stream.client, stream.server] || ends == [stream.server, stream.client]
            };
            let found: Vec<_> = streams.iter().filter(is_labelled).collect();
            let is_probed = found.iter().any(|stream| rank(probe(&PROTOCOL, stream)) > 0);
            let counts = self.probed.entry(text(&label["confidence"])).or_default();
            counts.0 += u32::from(is_probed);
            counts.1 += 1;
            if !is_probed && label["confidence"] == "DPI" {
                self.misses.push(format!("{} not probed: {label}", path.display()));
            }
            let events: Vec<_> = found.iter().flat_map(|stream| read(stream)).collect();
            for (field, _) in LEAST.iter().filter(|(field, _)| label[field].is_string()) {
                let want = text(&label[field]);
                let said: Vec<_> = events.iter().map(|event| value(event, field)).collect();
                let is_right = said.iter().any(|said| agrees(field, said, &want));
                let is_same = said.iter().any(|said| said.eq_ignore_ascii_case(&want));
                self.literal.entry(field).or_default().0 += u32::from(is_same);
                let counts = self.fields.entry(field).or_default();
                counts.0 += u32::from(is_right);
                counts.1 += 1;
                if !is_right {
                    let name = path.file_name().expect("name").to_string_lossy();
                    self.misses.push(format!("{name} {ends:?} {field}: {said:?} instead of {want}"));
                }
            }
        }
    }

    fn report(&self) {
        for miss in &self.misses {
            eprintln!("{miss}");
        }
        eprintln!("probed: {:?}", self.probed);
        for (field, (right, all)) in &self.fields {
            let (literal, _) = self.literal[field];
            let percent = f64::from(*right) * 100.0 / f64::from(*all);
            eprintln!("{field}: {right} of {all}, {percent:.1} % ({literal} to the letter)");
        }
    }
}

fn read(stream: &Stream) -> Vec<Value> {
    let mut parser = PROTOCOL.parser.expect("a parser")();
    let run = run(parser.as_mut(), &stream.chunks);
    if run.end == End::NotMine { Vec::new() } else { events(&run.batch, "tls") }
}

/// Whether a value is the label's. The labels' JA4 differs from its definition in three places: 'd' stands where the
/// server name is no address, also where there is none; the name of the protocol gives its first two characters
/// instead of its first and last; and the hash over no extensions is that of nothing instead of zeros.
fn agrees(field: &str, said: &str, want: &str) -> bool {
    if field != "ja4" {
        return said.eq_ignore_ascii_case(want);
    }
    let blur = |ja4: &str| {
        let mut ja4 = ja4.replace("e3b0c44298fc", "000000000000").into_bytes();
        for at in [3, 9] {
            if let Some(place) = ja4.get_mut(at) {
                *place = b'?';
            }
        }
        ja4
    };
    blur(said) == blur(want)
}

fn value(event: &Value, field: &str) -> String {
    match field {
        "ja3" | "ja3s" => text(&event[field]["hash"]),
        "cert_sha1" => text(&event["fingerprint"]),
        _ => text(&event[field]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn end_of(label: &Value, end: &str) -> SocketAddr {
    let ip = text(&label[format!("{end}_ip")]);
    let ip = ip.split('%').next().unwrap_or_default().parse().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let port = label[format!("{end}_port")].as_u64().and_then(|port| u16::try_from(port).ok());
    SocketAddr::new(ip, port.unwrap_or_default())
}
