//! The parser of `docs/adding-a-protocol.md`, line for line, so that the walk-through goes on to work.

#![expect(unreachable_pub, reason = "in the program it is reached")]

use engine::protocols::{
    Carrier, Exposure, Family, Found, Input, Opening, Output, Parser, Probe, Progress, Protocol,
};
use engine::record::{Direction, FlowIdentity, RecordBatch, TunnelIdentity};
use wire::{FlowKey, KeyKind, Scope};

/// Blink.
pub static BLINK: Protocol = Protocol {
    name: "blink",
    title: "Blink",
    family: Family::Operational,
    carriers: &[Carrier::Udp],
    ports: &[4242],
    exposure: Exposure::Cleartext,
    // Which payloads the probe is shown at all, by bits of the first eight bytes: keeps the probes per packet few. Where
    // nothing is fixed, `.on_ports()` has it asked on its ports alone.
    opening: Opening::one_of(5, &[0xb1])
        .in_datagrams([0, 0xff, 0, 0, 0, 0, 0, 0], [0, 0x17, 0, 0, 0, 0, 0, 0]),
    probe: Some(probe),
    parser: Some(|| Box::new(BlinkParser)),
    events: &["blink"],
    source: "Blink 1.0",
};

/// A message: proved whole when it is made.
struct Message<'a> {
    name: &'a [u8],
    is_on: bool,
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[0xb1, 0x17, length], rest) = bytes.split_first_chunk()? else { return None };
        let (name, &[state]) = rest.split_at_checked(usize::from(length))? else { return None };
        let is_text = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        (is_text && state <= 1).then_some(Self { name, is_on: state == 1 })
    }
}

fn probe(probe: &Probe<'_>) -> Found {
    if Message::parse(probe.payload).is_some() { Found::Yes } else { Found::No }
}

#[derive(Debug)]
struct BlinkParser;

impl Parser for BlinkParser {
    fn reset(&mut self) {}

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if let Some(message) = Message::parse(input.bytes) {
            out.event("blink").text("name", message.name).flag("on", message.is_on);
        }
        Progress::all(&input)
    }
}

#[test]
fn the_parser_of_the_guide_reads_its_protocol() {
    let mut read = RecordBatch::default();
    let on = [&b"\xb1\x17\x04"[..], b"hall", b"\x01"].concat();
    for (bytes, found) in [
        (&on[..], Found::Yes),
        (&on[..7], Found::No),
        (b"\xb1\x17\x04hall\x02", Found::No),
        (b"\xb1\x17\x00\x01", Found::No),
        (b"\xb1\x17\x04ha\x00l\x01", Found::No),
    ] {
        assert_eq!(probe(&shown(bytes)), found, "{bytes:02x?}");
        let input =
            Input { bytes, from: Direction::ToServer, carrier: Carrier::Udp, now_ns: 0, after_gap: false };
        let mut parser = BLINK.parser.unwrap()();
        assert_eq!(parser.read(input, &mut Output::new(&mut read, &flow(), 0)).consumed, bytes.len());
    }
    let [event] = read.records() else { panic!("one event") };
    let names: Vec<_> = read.items(event).iter().map(|item| item.name).collect();
    assert_eq!(names, ["name", "on"]);
}

#[test]
fn the_guide_shows_this_parser() {
    let guide = include_str!("../../../../docs/adding-a-protocol.md");
    let own = include_str!("walkthrough.rs").split("#[test]").next().unwrap();
    for line in own
        .lines()
        .filter(|line| !line.starts_with("//!") && !line.starts_with("use ") && !line.starts_with("#!["))
    {
        assert!(guide.contains(line), "the guide lacks: {line}");
    }
}

fn shown(payload: &[u8]) -> Probe<'_> {
    Probe {
        payload,
        wire_len: payload.len() as u32,
        from: Direction::ToServer,
        carrier: Carrier::Udp,
        source_port: 40_000,
        destination_port: 4242,
        destination: None,
        earlier: &[],
        midstream: false,
    }
}

fn flow() -> FlowIdentity {
    let end = |last, port| (FlowKey::from_ipv4([192, 0, 2, last]), port);
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 17, end(1, 40_000), end(2, 4242), Scope::default());
    let tunnel = TunnelIdentity::default();
    FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel }
}
