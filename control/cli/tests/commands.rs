//! The commands beside `inspect`, as a user runs them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn wirewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirewarden")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn version_and_help_are_on_standard_output() {
    let output = wirewarden(&["--version"]);
    assert_eq!(text(&output.stdout), format!("wirewarden {}\n", env!("CARGO_PKG_VERSION")));
    let help = text(&wirewarden(&["--help"]).stdout);
    for command in ["inspect", "run", "check", "doctor", "completions", "man", "Exit codes"] {
        assert!(help.contains(command), "{command} is missing:\n{help}");
    }
    let help = text(&wirewarden(&["inspect", "--help"]).stdout);
    assert!(
        help.contains("Examples:") && help.contains("--filter 'modbus and not src 10.0.0.0/8'"),
        "{help}"
    );
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = wirewarden(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        for command in ["inspect", "top", "tune", "bundle", "rollback", "completions"] {
            assert!(text(&output.stdout).contains(command), "{shell}: no {command}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page_and_an_example() {
    let folder = std::env::temp_dir().join(format!("wirewarden-cli-man-{}", std::process::id()));
    let output = wirewarden(&["man", &folder.display().to_string()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let help = text(&wirewarden(&["--help"]).stdout);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let mut names: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.retain(|name| *name != "help");
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let page = fs::read_to_string(folder.join(format!("wirewarden-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains("Example"), "{name}:\n{page}");
    }
    assert!(fs::read_to_string(folder.join("wirewarden.1")).unwrap().contains("Exit codes"));
    fs::remove_dir_all(&folder).unwrap();
}

/// A copy of the program in a folder of its own, with or without a data plane beside it.
fn installed(name: &str, data_plane: Option<&str>) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("wirewarden-cli-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_wirewarden"), folder.join("wirewarden")).unwrap();
    fs::write(folder.join("wirewarden.toml"), "").unwrap();
    if let Some(script) = data_plane {
        let path = folder.join("wirewarden-dataplane");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn run(folder: &Path, config: &Path) -> Output {
    let mut command = Command::new(folder.join("wirewarden"));
    command.env("PATH", folder.join("nothing-here")).args(["run", "-c"]).arg(config).output().unwrap()
}

#[test]
fn run_becomes_the_data_plane_beside_it() {
    let folder = installed("run", Some("#!/bin/sh\necho \"data plane $1 $2\"\nexit 42\n"));
    let config = folder.join("wirewarden.toml");
    let output = run(&folder, &config);
    assert_eq!(output.status.code(), Some(42), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("data plane -c {}\n", config.display()));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn run_says_what_is_missing() {
    let folder = installed("missing", None);
    let output = run(&folder, &folder.join("wirewarden.toml"));
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("wirewarden-dataplane"), "{}", text(&output.stderr));
    let output = run(&folder, &folder.join("no.toml"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no.toml"), "{}", text(&output.stderr));
    fs::remove_dir_all(&folder).unwrap();
}
