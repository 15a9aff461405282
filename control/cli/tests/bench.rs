//! `wirewarden bench` and `wirewarden trace` as a user runs them.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

mod capture;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use capture::Capture;
use serde_json::Value;

fn wirewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirewarden")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A capture of a DNS question and answer, an HTTP conversation, and a packet that lies.
fn office(name: &str) -> PathBuf {
    let mut capture = Capture::default();
    capture.dns(50_000);
    capture.http(40_000);
    capture.bad_ipv4();
    let path = std::env::temp_dir().join(format!("wirewarden-cli-{name}-{}.pcap", std::process::id()));
    fs::write(&path, capture.bytes()).unwrap();
    path
}

#[test]
fn bench_tells_rates_and_the_cycles_of_every_step() {
    let output =
        wirewarden(&["bench", "--shape", "mixed", "--shape", "syn-scan", "--seconds", "0", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["machine"]["cores"].as_u64() >= Some(1));
    let traffic = report["traffic"].as_array().unwrap();
    assert_eq!(
        traffic.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["mixed", "syn-scan"]
    );
    for one in traffic {
        for case in ["count", "full", "full_with_eve"] {
            let (mpps, gbit) =
                (one[case]["mpps"].as_f64().unwrap(), one[case]["gbit_per_second"].as_f64().unwrap());
            let expected = mpps * one["bytes_per_packet"].as_f64().unwrap() * 8.0 / 1000.0;
            assert!(mpps > 0.0 && (gbit - expected).abs() < 1e-6 * gbit, "{one:#}");
            assert!(one[case]["cycles_per_packet"].as_f64() > Some(0.0), "{one:#}");
        }
        for step in ["receive", "parse", "look_up", "inspect", "records", "export"] {
            assert!(one["cycles_per_packet"][step].is_f64(), "{step}: {one:#}");
        }
    }
    assert_eq!(
        traffic[1]["flows_per_run"], traffic[1]["packets_per_run"],
        "every packet of a scan begins a flow"
    );
    assert!(traffic[0]["records_per_run"].as_u64() > Some(1000));
}

#[test]
fn bench_says_what_it_measured_on_and_why_there_is_no_comparison() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
    command.args(["bench", "--shape", "bulk-tls", "--seconds", "0", "--testpmd"]);
    let output = command.env("PATH", "/there-is-no-such-folder").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a part could not be done");
    let shown = text(&output.stdout);
    for part in ["kernel ", "CPU time", "Gbit/s", "bulk-tls", "look up", "no comparison with dpdk-testpmd"] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
}

#[test]
fn a_trace_tells_the_steps_of_the_packets_that_match() {
    let path = office("trace");
    let output = wirewarden(&["trace", &path.display().to_string(), "--filter", "udp port 53", "-n", "10"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert_eq!(shown.matches("packet ").count(), shown.matches("\n  decide").count(), "{shown}");
    assert!(
        shown.starts_with("packet 1, ") && shown.contains("\npacket 2, ") && !shown.contains("\npacket 3, "),
        "{shown}"
    );
    for part in [
        "  parse ",
        "udp 50000 > 53",
        "  look up ",
        "new flow",
        "known flow",
        "probe dns: ",
        "forward; the flow is dns",
        "  records ",
    ] {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn a_trace_as_json_has_the_cycles_of_each_step_and_drops() {
    let path = office("trace-json");
    let output = wirewarden(&["trace", &path.display().to_string(), "-n", "100", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packets = report["packets"].as_array().unwrap();
    assert_eq!(packets.len(), 11);
    let steps: Vec<&str> =
        packets[0]["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["parse", "look up", "count", "inspect", "decide", "records"]);
    assert!(packets[0]["steps"][3]["cycles"].as_u64() > Some(0));
    assert_eq!(packets[10]["verdict"], "drop");
    assert!(packets[10]["steps"][0]["found"][0].as_str().unwrap().contains("cannot be read"));
    let http: Vec<&Value> =
        packets.iter().filter(|packet| packet["records"].to_string().contains("http")).collect();
    assert!(!http.is_empty(), "{report:#}");
    fs::remove_file(path).unwrap();
}

#[test]
fn a_trace_says_where_a_filter_is_wrong_and_when_nothing_matches() {
    let path = office("trace-wrong");
    let output = wirewarden(&["trace", &path.display().to_string(), "--filter", "udp prot 53"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("column 5"), "{}", text(&output.stderr));
    let output = wirewarden(&["trace", &path.display().to_string(), "--filter", "tcp port 9"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no such packet"), "{}", text(&output.stderr));
    fs::remove_file(path).unwrap();
}
