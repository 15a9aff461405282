//! `wirewarden bundle`: everything is in it, and nothing secret.

#![expect(clippy::unwrap_used, reason = "tests")]

mod appliance;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use appliance::{Appliance, text};

/// What must not be found anywhere.
const PLANTED: &[&str] = &[
    "planted-comment-password",
    "planted-env-token",
    "planted-env-unusual",
    "planted-log-password",
    "planted-bearer-0123456789",
    "wwt_plantedtokenplantedtoken",
    "planted-url-password",
    "cGxhbnRlZC1wZW0ta2V5",
    "planted-psk-value",
    "planted-json-secret",
];

fn bundle(appliance: &Appliance, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
    command.arg("bundle").args(arguments).env("WIREWARDEN_SOCKET", appliance.socket());
    command.env("COLLECTOR_API_TOKEN", "planted-env-token").env("SOMETHING_ODD", "planted-env-unusual");
    command.current_dir(appliance.folder()).output().unwrap()
}

/// Names and contents of an archive.
fn unpack(path: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(path).unwrap()).unwrap());
    let unpacked = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let (name, mut bytes) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        (name, String::from_utf8(bytes).unwrap())
    });
    unpacked.collect()
}

#[test]
fn everything_is_in_a_bundle_but_secrets() {
    let Some(appliance) = Appliance::start("bundle") else { return };
    let folder = appliance.folder();
    // In comments, in paths and in the comment of the history, all of which the daemon keeps.
    let secret = format!(
        "# the password is planted-comment-password\n[[live.output.eve]]\n\
         # http://user:planted-url-password@collector.example/\npath = \"{}/eve-token=planted-psk-value.json\"\n",
        folder.display()
    );
    fs::write(folder.join("secret.toml"), text(folder, &secret)).unwrap();
    let applied = folder.join("secret.toml").display().to_string();
    appliance.says(&["config", "apply", &applied, "-m", "token: planted-json-secret"]);
    let log = "starting with --password planted-log-password\n\
               GET /x Authorization: Bearer planted-bearer-0123456789\n\
               token wwt_plantedtokenplantedtoken was refused\n\
               sending to https://user:planted-url-password@collector.example/ with planted-env-token\n\
               psk = \"planted-psk-value\"\n{\"client_secret\":\"planted-json-secret\"}\n\
               -----BEGIN PRIVATE KEY-----\ncGxhbnRlZC1wZW0ta2V5\n-----END PRIVATE KEY-----\nharmless end\n";
    fs::write(folder.join("dataplane.log"), log).unwrap();

    let dry = bundle(&appliance, &["--dry-run", "--log", "dataplane.log"]);
    let listed = String::from_utf8_lossy(&dry.stdout).into_owned();
    assert!(listed.contains("nothing was written") && listed.contains("secrets taken out"), "{listed}");
    let made = |name: &str| fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name() == name);
    assert!(!made("b.tar.zst"));

    let output = bundle(&appliance, &["-o", "b.tar.zst", "--log", "dataplane.log"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stdout));
    let path = folder.join("b.tar.zst");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "for its owner alone");
    let parts = unpack(&path);
    for name in [
        "MANIFEST.txt",
        "configuration.toml",
        "appliance/status.json",
        "appliance/counters-1.json",
        "appliance/counters-2.json",
        "appliance/history.json",
        "versions.txt",
        "doctor.json",
        "logs/1-dataplane.log",
        "processes/daemon.txt",
        "processes/dataplane.txt",
        "system/kernel.txt",
        "system/processor.txt",
        "system/memory.txt",
        "environment.txt",
    ] {
        assert!(listed.contains(name), "{name} is not listed:\n{listed}");
        let part = parts.iter().find(|(path, _)| path.ends_with(&format!("/{name}")));
        assert!(part.is_some_and(|(_, text)| !text.is_empty()), "{name} is not there");
    }
    for (name, text) in &parts {
        for planted in PLANTED {
            assert!(!text.contains(planted), "{planted} is in {name}:\n{text}");
        }
    }
    let all: String = parts.iter().map(|(_, text)| text.as_str()).collect();
    assert!(all.contains("harmless end") && all.contains("SOMETHING_ODD\n"), "what is harmless stays");
    assert!(all.contains("net_pcap0"), "the configuration is there");
    // One that is there is not written over.
    assert_eq!(bundle(&appliance, &["-o", "b.tar.zst"]).status.code(), Some(3));
    assert!(!unpack(&path).is_empty());
}

#[test]
fn without_an_appliance_the_rest_is_there_and_what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("running.toml");
    fs::write(
        &config,
        "version = 1\n# password: planted-comment-password\n[live.defrag]\ntimeout = \"9s\"\n",
    )
    .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
    command.args(["bundle", "--socket", "/nonexistent/a.sock", "-o", "b.tar.zst", "-c"]).arg(&config);
    let output = command.current_dir(folder.path()).output().unwrap();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{listed}");
    assert!(listed.contains("missing") && listed.contains("/nonexistent/a.sock"), "{listed}");
    let parts = unpack(&folder.path().join("b.tar.zst"));
    let text = |name: &str| parts.iter().find(|(path, _)| path.ends_with(name)).map(|(_, text)| text.clone());
    let configuration = text("/configuration.toml").unwrap();
    assert!(configuration.contains("timeout = \"9s\"") && !configuration.contains('#'), "{configuration}");
    assert!(text("/doctor.json").is_some() && text("/MANIFEST.txt").unwrap().contains("missing"));
}
