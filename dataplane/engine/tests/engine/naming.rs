//! What names a flow beside its payload: services, guesses; and what a trace is told.

use std::sync::mpsc;

use engine::record::{Direction, FlowIdentity};
use engine::trace::{Answer, Step, Trace};
use engine::{EngineConfig, Guesses, ServiceBasis, Tier};
use sample::content::{dns, http};
use sample::packet::{ACK, PSH, SYN};

use crate::bench::{Bench, Ended, plan, v4};

fn service(flow: &Ended) -> (Option<String>, ServiceBasis) {
    let class = flow.summary.class;
    (plan().names().service(class.service).map(str::to_owned), class.evidence.service)
}

/// A handshake, and what the client says first.
fn connection(bench: &mut Bench, port: u16, said: &[u8]) {
    let (client, server) = (v4(2, 40_000), v4(1, port));
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (500, 101), SYN | ACK, b"");
    bench.tcp(client, server, (101, 501), ACK, b"");
    if !said.is_empty() {
        bench.tcp(client, server, (101, 501), PSH | ACK, said);
    }
}

#[test]
fn the_host_of_a_request_tells_the_service() {
    let mut bench = Bench::new();
    connection(&mut bench, 80, &http::get("www.youtube.com", "/"));
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!(flow.protocol, "http");
    assert_eq!(service(flow), (Some("YouTube".to_owned()), ServiceBasis::Host));
}

#[test]
fn the_first_question_that_somebody_owns_tells_the_service() {
    let mut bench = Bench::new();
    for (id, name) in [(1, "www.example.com"), (2, "web.whatsapp.com"), (3, "www.google.com")] {
        bench.udp(v4(2, 40_000), v4(1, 53), &dns::query(id, name, 1));
    }
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!(service(flow), (Some("WhatsApp".to_owned()), ServiceBasis::Query));
}

#[test]
fn frames_without_an_ethertype_are_named_by_their_access_point() {
    let cases: [(&[u8], &str); 7] = [
        (b"\x42\x42\x03\x00\x00", "stp"),
        (b"\xaa\xaa\x03\x00\x00\x0c\x01\x0b\x00\x00", "stp"),
        (b"\xfe\xfe\x03\x83\x1b", "isis"),
        (b"\xfe\xfe\x03\x82\x1b", "es_is"),
        (b"\xe0\xe0\x03\xff\xff", "ipx"),
        (b"\xff\xff\x00\x22", "ipx"),
        (b"\xaa\xaa\x03\x00\x00\x0c\x01\x11\x20", "udld"),
    ];
    for (content, name) in cases {
        let mut bench = Bench::new();
        let len = u16::try_from(content.len()).unwrap().to_be_bytes();
        let frame = [&[1, 0x80, 0xc2, 0, 0, 0][..], &[2, 0, 0, 0, 0, 1], &len, content].concat();
        bench.frame(&frame);
        let [flow] = bench.shut_down() else { panic!("one flow") };
        assert_eq!(flow.protocol, name);
    }
}

#[test]
fn a_port_makes_a_guess_where_nobody_said_anything() {
    let mut bench = Bench::new();
    connection(&mut bench, 22, b"");
    let [flow] = bench.shut_down() else { panic!("one flow") };
    let class = flow.summary.class;
    assert_eq!((flow.protocol.as_str(), class.tier, class.evidence.offset), ("ssh", Tier::Guess, 22));
    assert!((1..=40).contains(&class.confidence), "{}", class.confidence);
}

#[test]
fn a_guess_gives_way_to_what_was_said() {
    let mut bench = Bench::new();
    connection(&mut bench, 22, b"\xf9\x01 nothing that speaks SSH would ever say, twice over");
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!((flow.protocol.as_str(), flow.summary.class.tier), ("unknown", Tier::None));
}

#[test]
fn an_unanswered_packet_is_no_ground_for_a_guess() {
    let mut bench = Bench::new();
    bench.tcp(v4(2, 40_000), v4(1, 22), (100, 0), SYN, b"");
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!(flow.summary.class.tier, Tier::None);
}

#[test]
fn guesses_can_be_switched_off() {
    let off = EngineConfig { flow_capacity: 4096, guesses: Guesses::Off, ..EngineConfig::default() };
    let mut bench = Bench::with(off);
    connection(&mut bench, 22, b"");
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!((flow.protocol.as_str(), flow.summary.class.tier), ("unknown", Tier::None));
}

#[test]
fn a_signature_that_is_one_services_own_tells_the_service() {
    let mut bench = Bench::new();
    let mut probe = vec![0x01, 0x81];
    probe.extend_from_slice(b"sdping\x01\x02\x03\x04\x05\x06\x07\x08");
    bench.udp(v4(2, 40_000), v4(1, 27_045), &probe);
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!(flow.protocol, "steam_datagram_relay");
    assert_eq!(service(flow), (Some("Steam".to_owned()), ServiceBasis::Signature));
}

#[test]
fn a_port_that_a_company_publishes_makes_a_guess_at_the_service() {
    let mut bench = Bench::new();
    let (client, server) = (v4(2, 40_000), v4(1, 7985));
    bench.udp(client, server, b"\xf9\x01 nothing that anybody would ever say, twice over");
    bench.udp(server, client, b"\xf9\x02 nor would anybody answer in this way, I think");
    let [flow] = bench.shut_down() else { panic!("one flow") };
    assert_eq!((flow.protocol.as_str(), flow.summary.class.tier), ("unknown", Tier::None));
    assert_eq!(service(flow), (Some("Viber".to_owned()), ServiceBasis::Port));
}

#[test]
fn the_port_of_a_service_gives_way_to_a_name_and_needs_an_answer() {
    let mut bench = Bench::new();
    let (client, server) = (v4(2, 40_000), v4(1, 17_500));
    for (from, to) in [(client, server), (server, client)] {
        bench.udp(from, to, &dns::query(1, "web.whatsapp.com", 1));
    }
    bench.udp(v4(3, 40_001), server, b"\xf9\x01 nothing that anybody would ever say, twice over");
    let [named, alone] = bench.shut_down() else { panic!("two flows") };
    assert_eq!(service(named), (Some("WhatsApp".to_owned()), ServiceBasis::Query));
    assert_eq!(service(alone), (None, ServiceBasis::None));
}

/// Hands on what kind each step was.
#[derive(Debug)]
struct Kinds(mpsc::Sender<String>);

impl Trace for Kinds {
    fn step(&mut self, _: &FlowIdentity, step: Step<'_>) {
        let kind = match step {
            Step::Payload { from: Direction::ToServer, bytes, .. } => format!("payload {}", bytes.len()),
            Step::Asked { .. } => "asked".to_owned(),
            Step::Probed { answer: Answer::Said(engine::protocols::Found::Yes), .. } => "yes".to_owned(),
            Step::Probed { .. } => return,
            Step::Decided(class) => format!("decided {}", class.confidence),
            Step::Read { .. } => "read".to_owned(),
            Step::Service { .. } => "service".to_owned(),
            Step::Settled => "settled".to_owned(),
            Step::Guessed(_) => "guessed".to_owned(),
            _ => "other".to_owned(),
        };
        let _ = self.0.send(kind);
    }
}

#[test]
fn a_trace_is_told_every_step_from_payload_to_service() {
    let mut bench = Bench::new();
    let (sender, steps) = mpsc::channel();
    bench.engine.set_trace(Some(Box::new(Kinds(sender))));
    let request = http::get("www.youtube.com", "/");
    connection(&mut bench, 80, &request);
    bench.shut_down();
    let told: Vec<String> = steps.try_iter().collect();
    let first = format!("payload {}", request.len());
    assert_eq!(told.first(), Some(&first), "{told:?}");
    for wanted in ["asked", "yes", "decided 100", "read", "settled", "service"] {
        assert!(told.iter().any(|step| step == wanted), "{wanted}: {told:?}");
    }
}

#[test]
fn a_trace_changes_no_verdict() {
    let play = |traced: bool| {
        let mut bench = Bench::new();
        let (sender, _steps) = mpsc::channel();
        if traced {
            bench.engine.set_trace(Some(Box::new(Kinds(sender))));
        }
        connection(&mut bench, 80, &http::get("www.youtube.com", "/"));
        bench.udp(v4(3, 40_000), v4(1, 53), &dns::query(1, "www.example.com", 1));
        bench.udp(v4(4, 40_000), v4(1, 9999), b"nothing known");
        let ended = bench.shut_down().iter();
        let mut all: Vec<_> = ended.map(|flow| (flow.identity.id, flow.summary.class)).collect();
        all.sort_by_key(|(id, _)| *id);
        all
    };
    assert_eq!(play(true), play(false));
}
