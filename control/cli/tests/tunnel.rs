//! `wirewarden tunnel check` and `wirewarden bench crypto`, as a user runs them.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use exchange::pki::{Authority, Init, KeyKind, Renewal, Validity};
use exchange::primitive::{Backend, DsaSet};
use serde_json::Value;

const DAY: Duration = Duration::from_secs(24 * 3600);
const VALIDITY: Validity =
    Validity { key: KeyKind::MlDsa(DsaSet::MlDsa65), lifetime: DAY.saturating_mul(90) };

fn wirewarden(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirewarden")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An authority with a certificate for `west` of some days ago.
fn authority(folder: &Path, days_ago: u32) -> Authority {
    let now = SystemTime::now();
    let init = Init { name: "Test", key: VALIDITY.key, classical: None, lifetime: DAY * 900 };
    let authority = Authority::init(folder, &init, Backend::Liboqs, now).unwrap();
    authority.issue("west", VALIDITY, now - DAY * days_ago).unwrap();
    authority
}

fn configuration(folder: &Path, peer: &str, exchange: &str) -> String {
    let path = folder.join("gateway.toml");
    let text = format!(
        "version = 1\n[[boot.ports]]\nname = \"lan\"\ndevice = \"eth0\"\nmode = \"inline\"\npeer = \"wan\"\n\
         [[boot.ports]]\nname = \"wan\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"lan\"\n\
         [live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.1\"]\n\
         [[live.tunnel.peers]]\nname = \"east\"\nprefixes = [\"10.2.0.0/16\"]\nours = [\"10.1.0.0/16\"]\n{peer}\n\
         [live.tunnel.exchange]\nidentity = \"{0}/west.pem\"\nca = \"{0}/ca.crt\"\ncrl = \"{0}/ca.crl\"\n{exchange}\n",
        folder.display()
    );
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// What is not as it should be: what, what was seen, what mends it.
fn wrong(config: &str, more: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = wirewarden(&[&["tunnel", "check", "-c", config, "-o", "json"], more].concat());
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    let findings = report["findings"].as_array().unwrap();
    let bad = findings.iter().filter(|finding| finding["state"] != "ok");
    let line = |finding: &Value| {
        assert!(finding["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "nothing mends {finding}");
        format!("{} {}: {} | {}", finding["state"], finding["what"], finding["seen"], finding["mend"])
    };
    (output.status.code(), bad.map(line).collect())
}

#[test]
fn a_sound_gateway_is_found_sound_and_each_fault_is_named_with_what_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let authority = authority(folder, 0);
    let good = configuration(folder, "", "profile = \"balanced\"");
    assert_eq!(wrong(&good, &["--offline"]), (Some(0), vec![]));
    let csv = wirewarden(&["tunnel", "check", "-c", &good, "--offline", "-o", "csv"]);
    assert!(text(&csv.stdout).starts_with("state,what,seen,mend\r\nok,identity,"), "{}", text(&csv.stdout));
    let faulty = |peer: &str, exchange: &str, words: [&str; 2]| {
        let (code, bad) = wrong(&configuration(folder, peer, exchange), &["--offline"]);
        let found = bad.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?}: {bad:#?}");
        code
    };
    assert_eq!(faulty("", "profile = \"cnsa2\"", ["ML-DSA-87", "--profile cnsa2"]), Some(1));
    let classical = "profile = \"balanced\"\nauth = \"mldsa+classical\"";
    assert_eq!(faulty("", classical, ["classical key", "--classical ed25519"]), Some(1));
    authority.revoke("west", SystemTime::now()).unwrap();
    assert_eq!(faulty("", "profile = \"balanced\"", ["revoked", "pki --dir NEW issue west"]), Some(1));
    authority.renew("west", Renewal::Now, SystemTime::now()).unwrap();
    assert_eq!(wrong(&good, &["--offline"]).0, Some(0));
    fs::remove_file(folder.join("west.pem")).unwrap();
    assert_eq!(faulty("", "profile = \"balanced\"", ["west.pem", "pki issue"]), Some(1));
}

#[test]
fn keys_that_go_by_a_port_of_the_data_plane_need_an_exception_port() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), 0);
    let kernel = configuration(
        folder.path(),
        "address = \"192.0.2.2\"\nendpoint = \"192.0.2.2:4510\"",
        "profile = \"balanced\"",
    );
    let text = fs::read_to_string(&kernel).unwrap();
    let checked = |text: &str| {
        fs::write(&kernel, text).unwrap();
        wrong(&kernel, &["--offline"])
    };
    for text in [text.clone(), text.replace("eth0", "net_null0").replace("eth1", "net_null1")] {
        let (code, bad) = checked(&text);
        assert_eq!((code, bad.len()), (Some(1), 1), "{bad:?}");
        assert!(bad[0].contains("keys go by port wan") && bad[0].contains("boot.exception_port"), "{bad:?}");
    }
    let elsewhere = text.replace("192.0.2.2:4510", "10.99.0.2:4510");
    assert_eq!(checked(&elsewhere), (Some(0), vec![]), "keys go by another interface");
    let left = text.replace("version = 1", "version = 1\n[boot.xdp]\nprotect_tcp = [4510]");
    let left = left.replace("[live.tunnel.exchange]", "[live.tunnel.exchange]\nlisten = \"192.0.2.1:4510\"");
    assert_eq!(checked(&left), (Some(0), vec![]), "the kernel has this port");
    let (code, bad) =
        checked(&text.replace("version = 1", "version = 1\n[boot]\nexception_port = \"wwtest9\""));
    assert!(code == Some(0) && bad.len() == 1 && bad[0].contains("wwtest9 is not there"), "{bad:?}");
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning_and_one_that_ended_a_fault() {
    for (days_ago, code, words) in [(61, Some(0), "pki renew west"), (91, Some(1), "expired")] {
        let folder = tempfile::tempdir().unwrap();
        authority(folder.path(), days_ago);
        let (got, bad) = wrong(&configuration(folder.path(), "", "profile = \"balanced\""), &["--offline"]);
        assert!(got == code && bad.iter().any(|line| line.contains(words)), "{days_ago}: {bad:#?}");
    }
}

#[test]
fn a_peer_that_is_not_there_or_speaks_something_else_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), 0);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let chatty = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = silent.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    });
    let peer = format!("endpoint = \"127.0.0.1:{port}\"");
    let config = configuration(folder.path(), &peer, "profile = \"balanced\"");
    let (code, bad) = wrong(&config, &[]);
    assert!(code == Some(1) && bad[0].contains("malformed"), "{bad:#?}");
    chatty.join().unwrap();
    let (code, bad) = wrong(&config, &[]);
    assert!(
        code == Some(1) && bad[0].contains("no connection") && bad[0].contains("ip route get"),
        "{bad:#?}"
    );
}

#[test]
fn figures_of_handshakes_and_sealing_have_ratios() {
    let output = wirewarden(&["bench", "crypto", "--rounds", "2", "--library", "aws-lc", "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let handshakes = report["handshakes"].as_array().unwrap();
    // The classical one, and three profiles in full and resumed.
    assert_eq!(handshakes.len(), 7, "{report:#}");
    assert!(handshakes[0]["client_ratio"] == 1.0 && handshakes[0]["library"].is_null(), "{report:#}");
    assert!(
        handshakes
            .iter()
            .all(|one| one["server_us"].as_f64() > Some(0.0) && one["bytes"].as_u64() > Some(1000))
    );
    let sealing = report["sealing"].as_array().unwrap();
    assert!(sealing.iter().all(|one| one["seal_ns"].as_f64() > Some(0.0) && one["aws_lc_ratio"].is_f64()));
    assert_eq!(wirewarden(&["bench", "crypto", "--library", "none"]).status.code(), Some(2));
}

#[test]
fn each_command_has_an_example_in_its_help() {
    for command in [
        &["tunnel"][..],
        &["tunnel", "show"],
        &["tunnel", "peers"],
        &["tunnel", "rotate"],
        &["tunnel", "check"],
        &["tunnel", "export-xfrm"],
        &["tunnel", "import-xfrm"],
        &["bench", "crypto"],
    ] {
        let help = text(&wirewarden(&[command, &["--help"]].concat()).stdout);
        assert!(
            help.contains("Examples:") && help.contains(&format!("wirewarden {}", command.join(" "))),
            "{help}"
        );
    }
}
