//! `wirewarden tune` with the real data plane: what it tells is what it measured.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const TEXT: &str = "version = 1\n[boot]\nflow_memory = \"16MiB\"\n[boot.memory]\nhugepages = false\nmib = 128\n\
                    [[boot.ports]]\nname = \"lan\"\ndevice = \"0000:03:00.0\"\n";

fn tune(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
    command.arg("tune").args(arguments).env("WIREWARDEN_SOCKET", "/nonexistent/a.sock").env("TMPDIR", folder);
    command.output().unwrap()
}

#[test]
fn nothing_is_proposed_that_was_not_measured_often_enough() {
    let plane = Path::new(env!("CARGO_BIN_EXE_wirewarden")).with_file_name("wirewarden-dataplane");
    if !plane.is_file() {
        eprintln!("SKIPPED: no {} (cargo build -p runner)", plane.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("a.toml");
    fs::write(&config, TEXT).unwrap();
    let file = config.display().to_string();
    // Time for a turn or two of the configuration as it is, and not for three of anything else.
    let output = tune(folder.path(), &["-c", &file, "--seconds", "6", "-o", "json"]);
    let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{told}");
    let json: Value = serde_json::from_str(&said).unwrap();
    assert!(json["packets_per_second"].as_f64().unwrap() > 10_000.0, "{json}");
    assert!(json["proposed"].is_null() && json["configuration"].is_null(), "{json}");
    assert!(json["tried"].as_array().unwrap().len() >= 4, "{json}");
    assert_eq!(json["not_tried"][0]["what"], "timeouts of flows", "{json}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["a.toml"], "nothing is left behind");
}

#[test]
fn what_cannot_be_tuned_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.toml");
    fs::write(&empty, "version = 1\n").unwrap();
    let wrong = folder.path().join("wrong.toml");
    fs::write(&wrong, "version = 1\n[boot]\ncorse = [1]\n").unwrap();
    for (file, part) in [(&empty, "no port"), (&wrong, "boot.cores"), (&folder.path().join("none"), "none")] {
        let output = tune(folder.path(), &["-c", &file.display().to_string()]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && told.contains(part), "{told}");
    }
    let output = tune(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(3), "no appliance whose configuration could be taken");
    assert!(String::from_utf8_lossy(&output.stderr).contains("-c FILE"));
}
