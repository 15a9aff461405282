//! `wirewarden-dataplane` as its users start and stop it, on devices that every machine has.

#![cfg(feature = "dpdk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure time"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sample::load;
use sample::pcap::PcapWriter;
use sample::still::Still;

const HEAD: &str = r#"
version = 1
[boot]
cores = [0]
flow_memory = "64MiB"
"#;

const MEMORY: &str = r"
[boot.memory]
hugepages = false
mib = 256
";

fn start(folder: &Path, configuration: &str) -> Child {
    let path = folder.join("dataplane.toml");
    fs::write(&path, configuration).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden-dataplane"));
    command.arg("-c").arg(path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(folder: &Path, configuration: &str) -> (i32, String) {
    told(&start(folder, configuration).wait_with_output().unwrap())
}

fn told(output: &Output) -> (i32, String) {
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn interrupt(child: &Child) {
    let killed = Command::new("kill").arg("-INT").arg(child.id().to_string()).status().unwrap();
    assert!(killed.success());
}

fn capture(folder: &Path) -> PathBuf {
    let path = folder.join("load.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&path).unwrap()).unwrap();
    load::random_udp(500, 5000, &mut writer).unwrap();
    writer.finish().unwrap();
    path
}

/// The number behind a word of the summary.
fn number(summary: &str, word: &str) -> u64 {
    let rest = summary.split(word).nth(1).unwrap_or_else(|| panic!("no {word:?} in {summary}"));
    rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

#[test]
fn an_interrupted_run_ends_within_a_second_with_every_packet_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let eve = folder.path().join("eve.json");
    let ports = format!(
        "[[boot.ports]]\nname = \"null\"\ndevice = \"net_null0\"\n[[live.output.eve]]\npath = \"{}\"\n",
        eve.display()
    );
    let child = start(folder.path(), &format!("{HEAD}{MEMORY}{ports}"));
    let began = Instant::now();
    while !eve.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not start");
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_secs(1));
    let asked = Still::watch();
    interrupt(&child);
    let (code, summary) = told(&child.wait_with_output().unwrap());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(code, 0, "{summary}");
    assert!(number(&summary, "received ") > 1000, "{summary}");
    assert!(!summary.contains("DOES NOT ADD UP"), "{summary}");
    assert!(fs::read_to_string(eve).unwrap().contains("\"event_type\":\"stats\""));
}

#[test]
fn an_inline_pair_forwards_what_it_receives() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(folder.path());
    let ports = format!(
        r#"
[[boot.ports]]
name = "lan"
device = "net_pcap0,rx_pcap={},tx_pcap={folder}/back.pcap"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "net_pcap1,rx_pcap={folder}/empty.pcap,tx_pcap={folder}/out.pcap"
mode = "inline"
peer = "lan"
"#,
        path.display(),
        folder = folder.path().display()
    );
    let empty = PcapWriter::new(fs::File::create(folder.path().join("empty.pcap")).unwrap()).unwrap();
    empty.finish().unwrap();
    let head = HEAD.replace("cores = [0]", "cores = [0]\nstop_when_idle = \"500ms\"");
    let (code, summary) = run(folder.path(), &format!("{head}{MEMORY}{ports}"));
    assert_eq!(code, 0, "{summary}");
    assert_eq!(number(&summary, "received "), 5000, "{summary}");
    assert_eq!(number(&summary, "forwarded "), 5000, "{summary}");
    let sent = fs::read(folder.path().join("out.pcap")).unwrap();
    let read = fs::read(path).unwrap();
    // Both files have a header of 24 bytes; the driver writes its own times, so that only lengths agree.
    assert_eq!(sent.len(), read.len());
}

#[test]
fn a_capture_file_is_a_port_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = capture(folder.path());
    let ports = format!("[[boot.ports]]\nname = \"file\"\ndevice = \"{}\"\n", path.display());
    let head = HEAD.replace("cores = [0]", "backend = \"replay\"");
    let (code, summary) = run(folder.path(), &format!("{head}{ports}"));
    assert_eq!(code, 0, "{summary}");
    assert_eq!(number(&summary, "received "), 5000, "{summary}");
    assert_eq!(number(&summary, "records lost "), 0, "{summary}");
}

#[test]
fn what_cannot_be_is_told_with_the_exit_code_of_its_kind() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = run(folder.path(), "version = 1\n[boot]\ncors = [0]\n");
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("boot.cors") && told.contains(":3:"), "{told}");

    let (code, told) = run(folder.path(), HEAD);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("boot.ports"), "{told}");

    let device = "[[boot.ports]]\nname = \"gone\"\ndevice = \"net_af_packet0,iface=nosuchinterface\"\n";
    let (code, told) = run(folder.path(), &format!("{HEAD}{MEMORY}{device}"));
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("net_af_packet0"), "{told}");
}
