//! More packets than the worker takes, on an interface by which the host is also reached.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use sample::load;
use sample::pcap::PcapWriter;

use crate::network::{DataPlane, Namespace, number};

/// Packets of the flood.
const FLOOD: u32 = 300_000;
/// Messages that the host is asked to send back.
const ECHOES: u64 = 300;

const CONFIGURATION: &str = r#"
version = 1
[boot]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
[boot.xdp]
watchdog = "30s"
[[boot.ports]]
name = "tap"
device = "ta"
rx_descriptors = 64
"#;

/// A service on the port of SSH that sends back what it gets.
const SERVER: &str = r"
import socket
server = socket.create_server(('10.77.0.1', 22))
print('listening', flush=True)
client, _ = server.accept()
while data := client.recv(64):
    client.sendall(data)
";

/// Counts the messages that come back within a second.
const CLIENT: &str = r"
import socket, sys, time
back = 0
connection = socket.create_connection(('10.77.0.1', 22), timeout=5)
connection.settimeout(1)
for number in range(int(sys.argv[1])):
    try:
        connection.sendall(b'%08d' % number)
        back += len(connection.recv(8)) == 8
    except TimeoutError:
        pass
    time.sleep(0.005)
print(back)
";

pub(crate) fn check() {
    let Some(host) = Namespace::new("host") else { return };
    let Some(outside) = Namespace::new("outside") else { return };
    host.veth("ta", "tb", 1500);
    host.ip(&format!("link set tb netns {}", outside.name()));
    host.ip("addr add 10.77.0.1/24 dev ta");
    outside.ip("link set tb up");
    outside.ip("addr add 10.77.0.2/24 dev tb");
    let folder = tempfile::tempdir().unwrap();
    let capture = flood(folder.path());

    let plane = DataPlane::start(&host, folder.path(), CONFIGURATION, "AF_XDP on ta, native mode");
    let mut server = host.command("python3").args(["-c", SERVER]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "listening");
    sleep(Duration::from_millis(500));
    let resident = resident_kib(plane.id());
    let client = outside
        .command("python3")
        .args(["-c", CLIENT, &ECHOES.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    pour(&outside, &capture, &plane);
    let client = client.wait_with_output().unwrap();
    let _ = server.kill();
    let _ = server.wait();
    let back: u64 = String::from_utf8_lossy(&client.stdout).trim().parse().unwrap();
    // Not a packet more than 1 % may be late or lost.
    assert!(back * 100 >= ECHOES * 99, "{back} of {ECHOES} echoes came back");
    sleep(Duration::from_millis(300));
    let grown = resident_kib(plane.id());
    assert!(grown <= resident + resident / 5 + 8 * 1024, "{resident} KiB before, {grown} after");
    account(&plane.stop(), back, never_sent(&outside));
}

/// The same by AF_PACKET, whose ring the kernel drops at.
pub(crate) fn check_af_packet() {
    let Some(namespace) = Namespace::new("flooded") else { return };
    namespace.veth("ta", "tb", 1500);
    let folder = tempfile::tempdir().unwrap();
    let capture = flood(folder.path());
    let configuration = CONFIGURATION.replace("[boot]", "[boot]\nbackend = \"af_packet\"");
    let plane = DataPlane::start(&namespace, folder.path(), &configuration, "port tap: by DPDK");
    pour(&namespace, &capture, &plane);
    sleep(Duration::from_millis(300));
    let never_sent = never_sent(&namespace);
    let summary = plane.stop();
    let received = number(&summary, "port tap: rx ");
    let missed = before(&summary, " missed");
    eprintln!("never sent at most {never_sent}, received {received}, missed {missed}");
    assert!(missed > 0, "nothing was too much: {summary}");
    // What the two ends of the link say to each other comes on top.
    let came = received + missed;
    assert!(
        (u64::from(FLOOD).saturating_sub(never_sent)..u64::from(FLOOD) + 100).contains(&came),
        "{came}: {summary}"
    );
    assert!(!summary.contains("DOES NOT ADD UP"), "{summary}");
}

/// Flows of a flood that all end in silence at the same time.
pub(crate) fn check_ends() {
    /// Flows, of a packet each.
    const FLOWS: u32 = 200_000;
    let Some(namespace) = Namespace::new("scanned") else { return };
    namespace.veth("ta", "tb", 1500);
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("flood.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&capture).unwrap()).unwrap();
    load::syn_scan(FLOWS, &mut writer).unwrap();
    writer.finish().unwrap().flush().unwrap();
    let records = folder.path().join("eve.json");
    let configuration = CONFIGURATION
        .replace("16MiB", "256MiB")
        .replace("rx_descriptors = 64", "rx_descriptors = 8192")
        + &format!(
            "[live.flow.timeouts]\ntcp_new = \"1s\"\n[[live.output.eve]]\npath = {:?}\ntypes = [\"flow\"]\n",
            records.display().to_string()
        );
    let plane = DataPlane::start(&namespace, folder.path(), &configuration, "AF_XDP on ta, native mode");
    let sent = namespace.command("tcpreplay").args(["-q", "-i", "tb", "--topspeed"]).arg(&capture).status();
    assert!(sent.unwrap().success());
    let timed_out = || {
        let lines = fs::read_to_string(&records).unwrap();
        lines.lines().filter(|line| line.contains("\"reason\":\"timeout\"")).count() as u64
    };
    // All of them are silent for longer than they may, and then written, however long that takes here.
    let mut written = 0;
    for _ in 0..30 {
        sleep(Duration::from_secs(1));
        let before = core::mem::replace(&mut written, timed_out());
        if written > 0 && written == before {
            break;
        }
    }
    let summary = plane.stop();
    let flows = number(&summary, "\nflows ");
    let in_silence = timed_out();
    eprintln!("{flows} flows, {in_silence} records");
    assert!(flows >= u64::from(FLOWS) / 2, "too few came: {summary}");
    assert_eq!(number(&summary, "records lost "), 0, "{summary}");
    assert_eq!(in_silence, flows, "{summary}");
}

/// A capture of a tenth of the flood.
fn flood(folder: &Path) -> PathBuf {
    let capture = folder.join("flood.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&capture).unwrap()).unwrap();
    load::random_udp(1000, FLOOD / 10, &mut writer).unwrap();
    writer.finish().unwrap().flush().unwrap();
    capture
}

/// Sends the flood to a worker that does nothing now and then: its ring overflows, whatever the speed of this machine.
fn pour(from: &Namespace, capture: &Path, plane: &DataPlane) {
    let flood =
        from.command("tcpreplay").args(["-q", "-i", "tb", "--topspeed", "--loop=10"]).arg(capture).spawn();
    for _ in 0..5 {
        sleep(Duration::from_millis(100));
        signal(plane.id(), "-STOP");
        sleep(Duration::from_millis(200));
        signal(plane.id(), "-CONT");
    }
    assert!(flood.unwrap().wait().unwrap().success());
}

/// Packets of the flood that the sender's own device counts as dropped: at most so many never came to the program.
fn never_sent(outside: &Namespace) -> u64 {
    let output = outside.command("ip").args(["-s", "-j", "link", "show", "dev", "tb"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    told[0]["stats64"]["tx"]["dropped"].as_u64().unwrap()
}

/// Every packet of the flood came to the program or was dropped by its sender, and every one that the program handed over
/// was received or is counted by why not.
fn account(summary: &str, back: u64, never_sent: u64) {
    let received = number(summary, "port tap: rx ");
    let [missed, errors, no_buffer] =
        [" missed", " errors,", " without buffer"].map(|word| before(summary, word));
    let sum_of = |verdict: &str| -> u64 {
        let of_it = |line: &&str| line.starts_with(verdict) && line.contains(".packets ");
        summary
            .lines()
            .filter(of_it)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    };
    let handed_over = sum_of("xdp.tap.redirect.");
    assert_eq!(handed_over, received + missed + errors + no_buffer, "{summary}");
    // Settled flows are counted where they come in. The sender's device counts what it dropped, and what it sent again.
    let came = handed_over + sum_of("xdp.tap.shunt.");
    assert!(came + never_sent >= u64::from(FLOOD), "{came} came, {never_sent} never sent: {summary}");
    assert!(missed + no_buffer > 0, "nothing was too much: {summary}");
    assert!(number(summary, "xdp.tap.pass.service.packets ") >= back, "{summary}");
    assert!(!summary.contains("DOES NOT ADD UP"), "{summary}");
    eprintln!(
        "never sent at most {never_sent}, handed over {handed_over} = received {received} + missed {missed} + without buffer {no_buffer} + errors {errors}"
    );
}

/// The number ahead of a word, on the line of the port.
fn before(summary: &str, word: &str) -> u64 {
    let line = summary.lines().find(|line| line.starts_with("port tap: rx")).unwrap();
    let ahead = line.split(word).next().unwrap();
    ahead.rsplit(' ').next().unwrap().parse().unwrap()
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    number(&status, "VmRSS:")
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").arg(name).arg(pid.to_string()).status().unwrap().success());
}
