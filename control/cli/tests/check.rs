//! `wirewarden check` as a script sees it: what it prints, and its exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot start the program cannot go on")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn check(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirewarden")).arg("check").args(arguments).output().unwrap()
}

fn written(name: &str, bytes: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[test]
fn a_right_file_is_exit_code_0() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/tap.toml");
    let output = check(&[&example.display().to_string()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("no mistakes"));
}

#[test]
fn a_file_with_mistakes_is_exit_code_2_and_each_is_told() {
    let path = written("mistakes.toml", b"version = 1\n[boot]\nbackand = \"dpdk\"\ncores = [1, 1]\n");
    let output = check(&[&path]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&format!("{path}:3:1: boot.backand: no such key")), "{text}");
    assert!(text.contains("did you mean `boot.backend`?"), "{text}");
    assert!(text.contains(&format!("{path}:4:13: boot.cores[1]: core 1 already runs a worker")), "{text}");
    let output = check(&[&path, "-o", "json"]);
    assert_eq!(output.status.code(), Some(2));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["mistakes"].as_array().map(Vec::len), Some(2));
}

#[test]
fn filters_of_rules_are_read_and_what_is_wrong_in_them_is_pointed_at() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/gateway.toml");
    let good = fs::read_to_string(example).unwrap();
    assert_eq!(check(&[&written("filters.toml", good.as_bytes())]).status.code(), Some(0));
    let bad = format!(
        "{good}\n[[live.tunnel.rules]]\nfilter = \"udp and prot 53\"\nverdict = \"drop\"\n\
         [[live.tunnel.rules]]\nfilter = \"tcp and bytes > 5\"\nverdict = \"drop\"\n"
    );
    let (rules, lines) = (good.matches("[[live.tunnel.rules]]").count(), good.lines().count());
    let path = written("filters.toml", bad.as_bytes());
    let output = check(&[&path]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stdout);
    let (one, other) = (lines + 3, lines + 6);
    assert!(text.contains(&format!("{path}:{one}:19: live.tunnel.rules[{rules}].filter: ")), "{text}");
    assert!(
        text.contains("    | ") && text.contains("^^^^") && text.contains("did you mean `port`?"),
        "{text}"
    );
    let late =
        format!("{path}:{other}:19: live.tunnel.rules[{}].filter: `bytes > 5` is only known", rules + 1);
    assert!(text.contains(&late) && text.contains("docs/filter.md"), "{text}");
}

#[test]
fn a_file_that_cannot_be_read_is_exit_code_3() {
    let output = check(&["there/is/no/such/file.toml"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there/is/no/such/file.toml"));
}

#[test]
fn bytes_that_are_no_text_are_a_mistake_at_their_line() {
    let output = check(&[&written("binary.toml", b"version = 1\n\xff\xfe\n")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("line 2 is not UTF-8"));
}

#[test]
fn standard_input_is_read_for_a_hyphen() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wirewarden"))
        .args(["check", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"version = 1\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
