//! Every command there is runs, and its help has an example of it. What a command does beyond is tested elsewhere; this
//! finds the one that nobody thought of.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sample::pcap::PcapWriter;

/// A command, what is typed behind it, how it ends, and a part of what it prints (standard output or error). `IN` is a
/// capture, `CONF` a configuration, `DIR` a folder that those before may have written to; no appliance answers, and no
/// interface is called `none0`.
type Run = (&'static str, &'static str, &'static [i32], &'static str);

const RUNS: &[Run] = &[
    ("inspect", "IN", &[0], "flows"),
    ("explain", "IN udp", &[0], ""),
    ("trace", "IN -n 1", &[0], "decide"),
    ("protocols", "", &[0], "modbus"),
    ("run", "-c DIR/none.toml", &[2], "none.toml"),
    ("check", "CONF", &[0], ""),
    ("status", "", &[3], "wirewardend"),
    ("top", "", &[2], "needs a terminal"),
    ("stats", "", &[3], "wirewardend"),
    ("drops", "", &[3], "wirewardend"),
    ("flows", "", &[3], "wirewardend"),
    ("traffic", "", &[3], "wirewardend"),
    ("observe", "", &[3], "wirewardend"),
    ("config check", "CONF", &[3], "wirewardend"),
    ("config show", "", &[3], "wirewardend"),
    ("config diff", "CONF", &[3], "wirewardend"),
    ("config apply", "CONF", &[3], "wirewardend"),
    ("config confirm", "", &[3], "wirewardend"),
    ("config rollback", "", &[3], "wirewardend"),
    ("config history", "", &[3], "wirewardend"),
    ("token create", "a", &[3], "wirewardend"),
    ("token list", "", &[3], "wirewardend"),
    ("token revoke", "a", &[3], "wirewardend"),
    ("restart", "", &[3], "wirewardend"),
    ("stop", "", &[3], "wirewardend"),
    ("doctor", "--root DIR", &[0, 1], ""),
    ("tune", "", &[3], "-c FILE"),
    ("bundle", "--dry-run", &[1], "doctor.json"),
    ("bench", "--seconds 0 --shape random-udp", &[0], "Mpps"),
    ("bench crypto", "--rounds 2 --library aws-lc", &[0], "X25519"),
    ("signatures test", "DIR", &[1], "a.toml"),
    // Only root sees them.
    ("xdp show", "", &[0, 3], ""),
    ("xdp counters", "none0", &[1, 3], "none0"),
    ("xdp lists", "none0", &[1, 3], "none0"),
    ("xdp limits", "none0", &[1, 3], "none0"),
    ("xdp shunts", "none0", &[1, 3], "none0"),
    ("xdp detach", "none0", &[1, 3], "none0"),
    ("tunnel show", "", &[3], "wirewardend"),
    ("tunnel peers", "", &[3], "wirewardend"),
    ("tunnel rotate", "", &[3], "wirewardend"),
    ("tunnel check", "", &[3], "wirewardend"),
    ("tunnel export-xfrm", "-c CONF", &[2], "live.tunnel.peers"),
    ("tunnel import-xfrm", "--netns none0 -c CONF", &[2], "live.tunnel.peers"),
    ("pki init", "Plant --dir DIR/pki", &[0], "Plant"),
    ("pki issue", "west.example --dir DIR/pki", &[0], "west.example"),
    ("pki show", "DIR/pki/west.example.crt", &[0], "west.example"),
    ("pki renew", "west.example --force --dir DIR/pki", &[0], "west.example"),
    ("pki revoke", "west.example --dir DIR/pki", &[0], ""),
    ("selftest crypto", "", &[0], ""),
    ("completions", "bash", &[0], "wirewarden"),
    ("man", "DIR/man", &[0], ""),
];

fn wirewarden(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
    command
        .args(arguments)
        .env("WIREWARDEN_SOCKET", "/nonexistent/control.sock")
        .env_remove("TERM")
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Every command that has no commands below it, as its help says.
fn leaves(path: &str, found: &mut Vec<String>) {
    let arguments: Vec<&str> = path.split(' ').filter(|word| !word.is_empty()).chain(["--help"]).collect();
    let help = text(&wirewarden(&arguments));
    let below: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    if below.is_empty() {
        found.push(path.to_owned());
    }
    for name in below {
        leaves(format!("{path} {name}").trim_start(), found);
    }
}

#[test]
fn every_command_is_run_by_a_test() {
    let mut found = Vec::new();
    leaves("", &mut found);
    assert!(found.len() > 30, "{found:?}");
    let run: BTreeSet<&str> = RUNS.iter().map(|(name, ..)| *name).collect();
    let untested: Vec<&String> = found.iter().filter(|name| !run.contains(name.as_str())).collect();
    assert!(untested.is_empty(), "no test runs {untested:?}");
    let gone: Vec<&&str> =
        run.iter().filter(|name| !found.iter().any(|found| found.starts_with(**name))).collect();
    assert!(gone.is_empty(), "these commands are not there: {gone:?}");
}

#[test]
fn the_help_of_every_command_has_an_example_of_it() {
    let mut found = Vec::new();
    leaves("", &mut found);
    for name in found {
        let arguments: Vec<&str> = name.split(' ').chain(["--help"]).collect();
        let help = text(&wirewarden(&arguments));
        let examples = help.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
        let is_there = examples
            .take_while(|line| line.starts_with("  "))
            .any(|line| line.contains(&format!("wirewarden {name}")));
        assert!(is_there, "wirewarden {name} --help has no example of it:\n{help}");
    }
}

#[test]
fn every_command_ends_as_it_should_where_no_appliance_is() {
    let folder = tempfile::tempdir().unwrap();
    let (capture, config) = (folder.path().join("in.pcap"), folder.path().join("a.toml"));
    let mut writer = PcapWriter::new(fs::File::create(&capture).unwrap()).unwrap();
    sample::load::random_udp(3, 12, &mut writer).unwrap();
    writer.finish().unwrap();
    fs::write(&config, "version = 1\n").unwrap();
    let path = |path: &Path| path.display().to_string();
    for (name, more, codes, part) in RUNS {
        let line = format!("{name} {more}");
        let line = line
            .replace("IN", &path(&capture))
            .replace("CONF", &path(&config))
            .replace("DIR", &path(folder.path()));
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = wirewarden(&arguments);
        let said = text(&output);
        let is_expected = output.status.code().is_some_and(|code| codes.contains(&code));
        assert!(
            is_expected && said.contains(part),
            "{line} ended with {:?}, not {codes:?}, {part:?}:\n{said}",
            output.status
        );
    }
}
