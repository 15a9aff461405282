//! `protocols`, `explain` and `signatures test`, as a user runs them.

#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::indexing_slicing, reason = "tests")]

#[expect(dead_code, reason = "other tests use the rest")]
mod capture;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use capture::Capture;

fn wirewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirewarden")).args(arguments).env("COLUMNS", "100").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder of its own for one test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wirewarden-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn protocols_are_listed_and_told_one_by_one() {
    let list = text(&wirewarden(&["protocols"]).stdout);
    assert!(list.lines().count() > 250, "{list}");
    let one = text(&wirewarden(&["protocols", "Modbus"]).stdout);
    for wanted in ["operational", "known by", "parser", "tcp", "502", "cleartext"] {
        assert!(one.contains(wanted), "{wanted}:\n{one}");
    }
    let all: serde_json::Value =
        serde_json::from_slice(&wirewarden(&["protocols", "--json"]).stdout).unwrap();
    let tls = all.as_array().unwrap().iter().find(|one| one["name"] == "tls").unwrap();
    assert_eq!(tls["known_by"], "parser");
    assert!(tls["events"].as_array().unwrap().contains(&"tls".into()));
    let missing = wirewarden(&["protocols", "modbuss"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("modbus"), "{}", text(&missing.stderr));
}

#[test]
fn services_are_listed_and_told_one_by_one() {
    let one = text(&wirewarden(&["protocols", "--services", "youtube"]).stdout);
    assert!(one.contains("googlevideo.com") && one.contains("video"), "{one}");
    let all = wirewarden(&["protocols", "--services", "--json"]).stdout;
    let all: serde_json::Value = serde_json::from_slice(&all).unwrap();
    assert!(all.as_array().unwrap().len() >= 300);
}

#[test]
fn a_flow_is_explained_by_its_ends_its_filter_and_its_id() {
    let mut capture = Capture::default();
    capture.http(40_000);
    capture.dns(40_001);
    let folder = folder("explain");
    let file = folder.join("two.pcap");
    fs::write(&file, capture.bytes()).unwrap();
    let file = file.to_str().unwrap();
    let by_ends = wirewarden(&["explain", file, "tcp", "192.0.2.1:40000", "198.51.100.7:80"]);
    assert_eq!(by_ends.status.code(), Some(0), "{}", text(&by_ends.stderr));
    let story = text(&by_ends.stdout);
    for wanted in [
        "packet 4: segment",
        "probe http: yes",
        "verdict: http",
        "parser http reads",
        "event http",
        "hostname = www.example.org",
        "final verdict: http (HTTP",
    ] {
        assert!(story.contains(wanted), "{wanted}:\n{story}");
    }
    assert!(!story.contains("event dns"), "{story}");
    let id = story.split_whitespace().nth(1).unwrap().trim_end_matches(':');
    assert_eq!(text(&wirewarden(&["explain", file, id]).stdout), story);
    let by_filter = text(&wirewarden(&["explain", file, "app dns"]).stdout);
    assert!(by_filter.contains("event dns"), "{by_filter}");
    let several = text(&wirewarden(&["explain", file, "host 192.0.2.1"]).stdout);
    assert!(several.contains("1 other flow is meant too"), "{several}");
    let none = wirewarden(&["explain", file, "port 9"]);
    assert_eq!((none.status.code(), text(&none.stdout).as_str()), (Some(1), ""));
    let wrong = wirewarden(&["explain", file, "prot 9"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
    assert_eq!(wirewarden(&["explain", "-", "port 9"]).status.code(), Some(2));
    fs::remove_dir_all(&folder).unwrap();
}

const GOOD: &str = r#"id = "teapot"
title = "Teapot"
family = "operational"
exposure = "cleartext"
source = "made up"
carriers = ["tcp"]

[[signature]]
name = "brew"
hex = "7ea907 01"
checks = ['u16be(4) == len']
confidence = 95

[[sample]]
hex = "7ea90701 0008 0000"
direction = "to_server"
match = true

[[sample]]
hex = "7ea90701 0009 0000"
direction = "to_server"
match = false
note = "the length is wrong"
"#;

/// Runs the test on one file in `operational/`.
fn tested(name: &str, file: &str) -> Output {
    let folder = folder(name);
    fs::create_dir_all(folder.join("operational")).unwrap();
    fs::write(folder.join("operational/teapot.toml"), file).unwrap();
    let output = wirewarden(&["signatures", "test", folder.to_str().unwrap()]);
    fs::remove_dir_all(&folder).unwrap();
    output
}

#[test]
fn a_good_signature_passes_with_its_price() {
    let output = tested("good", GOOD);
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{page}{}", text(&output.stderr));
    assert!(
        page.contains("teapot/brew") && page.contains("GB/s") && page.contains("nothing found"),
        "{page}"
    );
}

#[test]
fn a_sample_that_does_not_match_is_found() {
    let output = tested("sample", &GOOD.replace("7ea90701 0008 0000", "7ea90701 0007 0000"));
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.contains("operational/teapot.toml:14: no signature matches the sample"), "{page}");
}

#[test]
fn a_signature_that_takes_everyday_traffic_is_found() {
    let greedy = GOOD.replace("hex = \"7ea907 01\"\nchecks = ['u16be(4) == len']", "pattern = '^The quick '");
    let output = tested("greedy", &greedy);
    let page = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{page}");
    assert!(page.contains("takes everyday traffic for its protocol"), "{page}");
}

#[test]
fn literals_that_would_slow_all_scans_down_are_refused() {
    for literal in [r"\x00\x00\x00\x00ab", r"https", r"abc\x00\x00\x00\x00\x00def", r"\xff\xff\xff\xff"] {
        let dear = GOOD
            .replace("hex = \"7ea907 01\"\nchecks = ['u16be(4) == len']", &format!("pattern = '{literal}'"));
        let output = tested("dear", &dear);
        assert_eq!(output.status.code(), Some(1), "{literal}: {}", text(&output.stdout));
        let told = text(&output.stderr);
        assert!(told.contains("teapot.toml:10") && told.contains("slow all scans down"), "{literal}: {told}");
    }
}

#[test]
fn a_folder_without_signatures_is_a_mistake() {
    let folder = folder("empty");
    assert_eq!(wirewarden(&["signatures", "test", folder.to_str().unwrap()]).status.code(), Some(2));
    assert_eq!(wirewarden(&["signatures", "test", "/nowhere/at/all"]).status.code(), Some(2));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_new_command_shows_examples() {
    for arguments in [&["protocols", "--help"][..], &["explain", "--help"], &["signatures", "test", "--help"]]
    {
        let help = text(&wirewarden(arguments).stdout);
        assert!(help.contains("Examples:"), "{help}");
    }
}
