//! Plans and rules change between two bursts, and nothing is lost.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use engine::detectors::signatures::{self, SignatureFile};
use engine::{Counter, EngineConfig, Replacement, Timeouts};
use sample::packet::{ACK, PSH, SYN};

use crate::bench::{Bench, plan, v4};

/// A signature of datagrams that start with `text`.
fn signature(name: &str, text: &str) -> SignatureFile {
    let text = format!(
        "id = \"{name}\"\ntitle = \"{name}\"\nfamily = \"operational\"\nexposure = \"cleartext\"\nsource = \"a test\"\n\
         carriers = [\"udp\"]\n[[signature]]\nname = \"hello\"\npattern = '^{text}'\nconfidence = 90\n\
         [[sample]]\ntext = \"{text}\"\ndirection = \"to_server\"\nmatch = true\n"
    );
    SignatureFile { path: format!("operational/{name}.toml"), text: Cow::Owned(text), overrides: false }
}

fn with(more: &[SignatureFile]) -> Vec<SignatureFile> {
    signatures::builtin_files().into_iter().chain(more.iter().cloned()).collect()
}

#[test]
fn what_has_a_number_keeps_it_in_the_plans_that_follow() {
    let first = plan();
    assert!(first.following(&with(&[])).unwrap().is_none(), "the same files are the same plan");
    let second = first.following(&with(&[signature("zz_one", "ZZONEZZONE")])).unwrap().unwrap();
    // Without the first of them, and with one whose name sorts before all others.
    let third = second.following(&with(&[signature("aa_two", "AATWOAATWO")])).unwrap().unwrap();
    for (number, before) in first.names().protocols().enumerate() {
        let id = engine::ProtocolId(u16::try_from(number).unwrap());
        for later in [&second, &third] {
            assert_eq!(later.names().protocol(id).map(|after| &after.name), Some(&before.name));
        }
    }
    let one = second.protocol_id("zz_one").unwrap();
    assert_eq!(third.names().protocol(one).unwrap().name, "zz_one", "flows of it may still be open");
    assert_ne!(third.protocol_id("aa_two"), Some(one));
    for (number, service) in first.names().services().enumerate() {
        let id = engine::ServiceId(u16::try_from(number + 1).unwrap());
        assert_eq!(third.names().service(id), Some(service));
    }
}

#[test]
fn a_service_claims_only_signatures_that_are_there_also_those_that_are_off() {
    let file = |path: &str, text: &'static str, overrides| SignatureFile {
        path: path.to_owned(),
        text: Cow::Borrowed(text),
        overrides,
    };
    let claim = "category = \"test\"\n[[service]]\nname = \"ZZ\"\nsignatures = [\"zz_one\"]\n";
    let claim = file("services/zz.toml", claim, false);
    let files = with(&[signature("zz_one", "ZZONEZZONE"), claim.clone()]);
    let second = plan().following(&files).unwrap().unwrap();
    let errors = second.following(&with(&[claim])).unwrap_err().to_string();
    assert!(
        errors.starts_with("services/zz.toml:4: there is no signature file with `id` = \"zz_one\""),
        "{errors}"
    );

    // One that the program claims may be switched off.
    let off = file("game/demonware.toml", "id = \"demonware\"\nenabled = false\n", true);
    assert!(plan().following(&with(&[off])).unwrap().is_some());
}

#[test]
fn a_connection_is_read_on_under_the_new_plan() {
    let mut bench = Bench::new();
    let (client, server) = (v4(2, 40_000), v4(1, 8080));
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (900, 101), SYN | ACK, b"");
    let request = sample::content::http::get("plant.example.org", "/status");
    let (head, tail) = request.split_at(20);
    bench.tcp(client, server, (101, 901), ACK | PSH, head);

    let files = with(&[signature("zz_live", "ZZLIVEZZLIVE")]);
    let next = Arc::new(plan().following(&files).unwrap().unwrap());
    let mut replacement = Replacement::new(Arc::clone(&next), EngineConfig::default()).unwrap();
    bench.udp(v4(3, 9000), v4(4, 9001), b"ZZLIVEZZLIVE");
    bench.engine.replace(&mut replacement);
    assert!(Arc::ptr_eq(bench.engine.plan(), &next));

    bench.tcp(client, server, (121, 901), ACK | PSH, tail);
    bench.udp(v4(5, 9000), v4(6, 9001), b"ZZLIVEZZLIVE");
    let mut open = Vec::new();
    let mut at = Some(0);
    while let Some(from) = at {
        at = bench.engine.open_flows(from, 64, &mut |flow| open.push(flow.summary.packets));
    }
    open.sort_unstable();
    assert_eq!(open, [[1, 0], [1, 0], [3, 1]]);
    let received = bench.counter(Counter::Received);
    assert_eq!((received, bench.counter(Counter::Processed)), (6, 6));
    let flows = bench.shut_down();
    let named: Vec<&str> = flows.iter().map(|flow| flow.protocol.as_str()).collect();
    assert_eq!(named.iter().filter(|name| **name == "zz_live").count(), 1, "{named:?}");
    assert_eq!(named.iter().filter(|name| **name == "http").count(), 1, "{named:?}");
}

#[test]
fn shorter_timeouts_end_flows_and_the_sizes_of_the_start_stay() {
    let config = EngineConfig { flow_capacity: 64, ..EngineConfig::default() };
    let mut bench = Bench::with(config.clone());
    bench.udp(v4(2, 9000), v4(1, 9001), b"a");
    let timeouts = Timeouts { udp_new: Duration::from_secs(2), ..Timeouts::default() };
    let huge = EngineConfig { flow_capacity: 1 << 30, timeouts, ..config };
    let mut replacement = Replacement::new(plan(), huge).unwrap();
    bench.engine.replace(&mut replacement);
    bench.udp(v4(3, 9000), v4(1, 9001), b"a");
    bench.wait(4);
    assert_eq!(bench.ended.len(), 1, "the flow that began under the new rules");
    bench.wait(30);
    assert_eq!(bench.ended.len(), 2);
}
