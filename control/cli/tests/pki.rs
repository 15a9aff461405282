//! `wirewarden pki` and `wirewarden selftest`, as a user runs them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

fn wirewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirewarden")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn an_authority_issues_renews_and_revokes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("pki");
    let dir = dir.to_str().unwrap();
    let pki = |arguments: &[&str]| wirewarden(&[&["pki", "--dir", dir], arguments].concat());
    let output = pki(&["init", "Plant CA", "--profile", "balanced", "--classical", "ed25519"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).matches("CN=Plant CA").count(), 4);
    let output = pki(&["issue", "west.example", "--profile", "balanced", "--json"]);
    let issued: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let file = issued["file"].as_str().unwrap();
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(issued["certificates"].as_array().unwrap().len(), 2);
    let shown = pki(&["show", &format!("{dir}/west.example.crt")]);
    assert!(text(&shown.stdout).contains(issued["certificates"][0]["pin"].as_str().unwrap()));
    assert_eq!(pki(&["renew", "west.example"]).status.code(), Some(1), "not due");
    assert_eq!(pki(&["renew", "west.example", "--force"]).status.code(), Some(0));
    assert_eq!(pki(&["revoke", "west.example"]).status.code(), Some(0));
    assert_eq!(pki(&["init", "Plant CA"]).status.code(), Some(2), "there is one");
    let output = pki(&["issue", "../west"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(text(&output.stderr).contains("is not a name"), "{}", text(&output.stderr));
}

#[test]
fn the_self_test_tells_every_kind_of_case() {
    let output = wirewarden(&["selftest", "crypto"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
    for line in ["ACVP ML-KEM keyGen", "75/75", "30/30", "45/45", "liboqs+aws-lc"] {
        assert!(told.contains(line), "{line} is missing:\n{told}");
    }
}
