//! Traced packets as text and as JSON.

use std::fmt::Write;

use engine::{Membership, Verdict};
use serde_json::{Value, json};
use wire::Headers;

use crate::explain::story::{Told, Wording, ends};
use crate::figures;
use crate::look::{Ink, Look};

use super::Seen;

/// One step of a packet.
struct Line {
    name: &'static str,
    /// None where it has no time of its own.
    cycles: Option<u64>,
    /// What it found, the first on the line of the step.
    found: Vec<(Ink, String)>,
}

/// A paragraph for each packet.
pub(super) fn text(seen: &[Seen], wording: &Wording, look: &Look) -> String {
    let first_ns = seen.first().map_or(0, |packet| packet.timestamp_ns);
    let mut out = String::new();
    for packet in seen {
        let after = packet.timestamp_ns.saturating_sub(first_ns);
        let head = format!(
            "packet {}, {} bytes, +{}.{:06} s",
            packet.number,
            packet.length,
            after / 1_000_000_000,
            after / 1_000 % 1_000_000
        );
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", look.paint(Ink::Heading, &head));
        for line in lines(packet, wording) {
            let cycles = line.cycles.map_or_else(String::new, figures::grouped);
            let mut found = line.found.iter().map(|(ink, text)| look.paint(*ink, &look.safe(text)));
            let _ = writeln!(out, "  {:<8} {cycles:>9}  {}", line.name, found.next().unwrap_or_default());
            for more in found {
                let _ = writeln!(out, "  {:<8} {:>9}  {more}", "", "");
            }
        }
        out.push('\n');
    }
    out
}

/// All packets as one JSON object.
pub(super) fn json(seen: &[Seen], wording: &Wording) -> String {
    let packets: Vec<Value> = seen.iter().map(|packet| one(packet, wording)).collect();
    format!("{:#}\n", json!({ "packets": packets }))
}

fn one(packet: &Seen, wording: &Wording) -> Value {
    let steps = lines(packet, wording).into_iter().map(|line| {
        let found: Vec<&str> = line.found.iter().map(|(_, text)| text.trim()).collect();
        json!({ "step": line.name, "cycles": line.cycles, "found": found })
    });
    json!({
        "packet": packet.number,
        "timestamp_ns": packet.timestamp_ns,
        "bytes": packet.length,
        "flow_id": packet.flow().map(|flow| flow.id),
        "verdict": verdict(packet.walk.verdict),
        "records": packet.records,
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// The steps of a packet that it came to.
fn lines(packet: &Seen, wording: &Wording) -> Vec<Line> {
    let (walk, plain) = (&packet.walk, |text: String| vec![(Ink::Plain, text)]);
    let cycles = walk.cycles;
    let parsed = match &walk.parsed {
        Ok(headers) => plain(described(headers)),
        Err(reason) => vec![(Ink::Bad, format!("cannot be read: {}", reason.name()))],
    };
    let mut all = vec![Line { name: "parse", cycles: Some(cycles.parse), found: parsed }];
    let class = match &walk.membership {
        None => None,
        Some(Membership::Fragment) => {
            let found =
                plain("a fragment: it waits for the others of its datagram, or was the last".to_owned());
            all.push(Line { name: "inspect", cycles: Some(cycles.inspect), found });
            None
        }
        Some(Membership::Refused) => {
            let found = vec![(Ink::Bad, "the flow table is full".to_owned())];
            all.push(Line { name: "look up", cycles: Some(cycles.look_up), found });
            None
        }
        Some(Membership::Flow { identity, is_first, was_settled, summary }) => {
            let [to_server, to_client] = summary.packets;
            let how = if *is_first { "new" } else { "known" };
            let found = plain(format!("{how} flow {}: {}", identity.id, ends(identity)));
            all.push(Line { name: "look up", cycles: Some(cycles.look_up), found });
            let found = plain(format!("{to_server} packets to the server, {to_client} to the client"));
            all.push(Line { name: "count", cycles: Some(cycles.count), found });
            let found = inspected(packet, *was_settled);
            all.push(Line { name: "inspect", cycles: Some(cycles.inspect), found });
            Some(summary.class)
        }
    };
    let carries =
        class.map_or_else(String::new, |class| format!("; the flow is {}", wording.verdict(&class)));
    let ink = if walk.verdict == Verdict::Drop { Ink::Bad } else { Ink::Good };
    let found = vec![(ink, format!("{}{carries}", verdict(walk.verdict)))];
    all.push(Line { name: "decide", cycles: None, found });
    let written = match packet.records.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    all.push(Line { name: "records", cycles: Some(cycles.end), found: plain(written) });
    all
}

/// What came of its payload.
fn inspected(packet: &Seen, was_settled: bool) -> Vec<(Ink, String)> {
    let lines = packet.said.iter().filter_map(|told| match told {
        Told::Line { ink, text } => Some((*ink, text.clone())),
        Told::Payload { .. } | Told::Detail(_) => None,
    });
    let lines: Vec<_> = lines.collect();
    if !lines.is_empty() {
        return lines;
    }
    let text = match (was_settled, &packet.walk.parsed) {
        (true, _) => "settled: not looked at",
        (false, Ok(headers)) if headers.payload_len == 0 => "no payload",
        _ => "nothing to say",
    };
    vec![(Ink::Faint, text.to_owned())]
}

const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Forward => "forward",
        Verdict::Drop => "drop",
        Verdict::Seal(_) => "seal",
    }
}

/// Headers in one line.
fn described(headers: &Headers) -> String {
    let (key, from, to) = (&headers.key, headers.sender, headers.sender.opposite());
    let mut text = String::new();
    for vlan in headers.vlans.iter().filter(|vlan| **vlan != 0) {
        let _ = write!(text, "vlan {vlan}, ");
    }
    if headers.tunnel.depth > 0 {
        let _ = write!(text, "{} {}, ", headers.tunnel.kind.name(), headers.tunnel.id);
    }
    match (key.ip(from), key.ip(to)) {
        (Some(from), Some(to)) => {
            let version = if from.is_ipv4() { 4 } else { 6 };
            let _ = write!(text, "ipv{version} {from} > {to}, ttl {}, ", headers.ttl);
        }
        _ => {
            let _ = write!(text, "ethertype 0x{:04x}, ", headers.ethertype);
        }
    }
    let (source, target) = (key.port(from), key.port(to));
    let _ = match headers.protocol {
        6 => write!(text, "tcp {source} > {target} [{}], ", flags(headers.tcp.flags.0)),
        17 => write!(text, "udp {source} > {target}, "),
        1 | 58 => write!(text, "icmp type {} code {}, ", headers.icmp.kind, headers.icmp.code),
        0 => Ok(()),
        number => write!(text, "protocol {number}, "),
    };
    let _ = write!(text, "{} bytes of payload", headers.payload_len);
    text
}

/// The control bits that are set, by their letters (RFC 9293, 3.1).
fn flags(bits: u8) -> String {
    let letters = "FSRPAUEC".chars().enumerate();
    letters.filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, letter)| letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_bits_have_their_letters() {
        assert_eq!([0x02, 0x12, 0x18, 0x11, 0x00, 0xff].map(flags), ["S", "SA", "PA", "FA", "", "FSRPAUEC"]);
    }
}
