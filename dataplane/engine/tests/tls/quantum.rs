//! Sessions between endpoints that printed what they agreed on: every one must be told right.

use engine::protocols::tls::PROTOCOL;
use serde_json::Value;

use crate::support::drive::{End, run};
use crate::support::ground_truth;
use crate::support::json::events;
use crate::support::tcp::{Stream, streams};

#[test]
fn version_group_and_class_are_what_the_endpoints_say() {
    let Some(folder) = ground_truth() else { return };
    let truth = std::fs::read_to_string(folder.join("quantum/truth.json")).expect("truth");
    let truth: Value = serde_json::from_str(&truth).expect("JSON");
    let streams = streams(&folder.join("quantum/tls.pcap"));
    let sessions = truth["tls.pcap"].as_array().expect("list");
    let mut wrong = Vec::new();
    for session in sessions {
        let port = session["server_port"].as_u64().expect("port");
        let nth = session["session"].as_u64().map_or(0, |nth| usize::try_from(nth - 1).expect("small"));
        let stream = streams.iter().filter(|stream| u64::from(stream.server.port()) == port).nth(nth);
        let event = read(stream.expect("a stream for each session"));
        for (said, want) in compare(session, &event) {
            if !said.eq_ignore_ascii_case(&want) {
                wrong.push(format!("{port}: {said} instead of {want}\n{event:#}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sessions.len(), 16);
}

fn read(stream: &Stream) -> Value {
    let mut parser = PROTOCOL.parser.expect("a parser")();
    let run = run(parser.as_mut(), &stream.chunks);
    assert_eq!(run.end, End::Done, "the handshake is complete");
    let mut events = events(&run.batch, "tls");
    assert_eq!(events.len(), 1);
    events.pop().expect("one")
}

/// Pairs of what was said and what is true.
fn compare(session: &Value, event: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let crypto = &event["crypto"];
    let version = text(&session["version"]);
    let version = if version == "TLSv1.0" { "TLSv1".to_owned() } else { version.replace("TLSv", "TLS ") };
    let mut pairs = vec![
        (text(&event["version"]), version),
        (text(&crypto["selected_group"]), text(&session["selected"])),
        (text(&crypto["class"]), text(&session["class"])),
    ];
    let note = session["note"].as_str().unwrap_or_default();
    pairs.push((crypto["hello_retry"].to_string(), note.contains("HelloRetryRequest").to_string()));
    pairs.push((
        event["session_resumed"].as_bool().unwrap_or_default().to_string(),
        note.contains("resumed").to_string(),
    ));
    if session["cipher"].is_string() {
        pairs.push((text(&event["cipher"]), text(&session["cipher"])));
    }
    pairs
}
