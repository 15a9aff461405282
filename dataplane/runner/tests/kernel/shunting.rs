//! Settled flows that the kernel counts: their records are what they would have been.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::Plan;
use sample::conversation::Parties;
use sample::load;
use sample::packet::Way;
use sample::pcap::PcapWriter;

use crate::equality::without_times;
use crate::network::{DataPlane, Namespace, number};
use crate::records::{self, TIMEOUTS};

/// TLS sessions, and frames of 1,514 bytes that each sends after its handshake.
const SESSIONS: u32 = 20;
const FRAMES: u32 = 400;

fn configuration(mode: &str, ports: &str, timeouts: &str, eve: &std::path::Path) -> String {
    format!(
        r#"
version = 1
[boot]
backend = "af_xdp"
flow_memory = "64MiB"
[boot.memory]
hugepages = false
[boot.xdp]
mode = "{mode}"
watchdog = "30s"
{ports}
[live.shunt]
ports = "all"
after_packets = 8
{timeouts}
[[live.output.eve]]
path = "{}"
"#,
        eve.display()
    )
}

/// Room for all packets of the capture: a sender whose machine stood still sends what is due all at once.
const TAP: &str = "[[boot.ports]]\nname = \"tap\"\ndevice = \"ta\"\nrx_descriptors = 16384";
const PAIR: &str = r#"
[[boot.ports]]
name = "tap"
device = "ta"
mode = "inline"
peer = "other"
[[boot.ports]]
name = "other"
device = "tc"
mode = "inline"
peer = "tap"
"#;

/// Packets of a verdict and reason of the port `tap`.
fn counted(summary: &str, reason: &str) -> u64 {
    let word = format!("xdp.tap.{reason}.packets ");
    if summary.contains(&word) { number(summary, &word) } else { 0 }
}

pub(crate) fn check_records(mode: &str) {
    let Some(namespace) = Namespace::new(&format!("shunt-{mode}")) else { return };
    namespace.veth("ta", "tb", 1500);
    let folder = tempfile::tempdir().unwrap();
    let (capture, by_file, by_port) =
        (folder.path().join("bulk.pcap"), folder.path().join("file.json"), folder.path().join("port.json"));
    let mut writer = PcapWriter::new(fs::File::create(&capture).unwrap()).unwrap();
    load::bulk_tls(SESSIONS, FRAMES, &mut writer).unwrap();
    writer.finish().unwrap();
    records::inspect(&capture, &Arc::new(Plan::builtin().unwrap()), &by_file);

    let opened = format!("AF_XDP on ta, {mode} mode");
    let plane =
        DataPlane::start(&namespace, folder.path(), &configuration(mode, TAP, TIMEOUTS, &by_port), &opened);
    let mut replay = namespace.command("tcpreplay");
    replay.args(["-q", "-i", "tb", "--pps=5000"]).arg(&capture);
    assert!(replay.output().unwrap().status.success());
    sleep(Duration::from_millis(100));
    let summary = plane.stop();
    let (shunted, received) = (counted(&summary, "shunt.drop"), number(&summary, "received "));
    assert!(shunted * 10 > u64::from(SESSIONS * FRAMES) * 9, "{summary}");
    let compared = records::compare(
        &records::records(&by_file, without_times),
        &records::records(&by_port, without_times),
    );
    assert!(compared.is_ok(), "{compared:?}\n{summary}");
    eprintln!(
        "{mode}: {received} packets received, {shunted} counted in the kernel, {compared:?} records equal"
    );
}

/// A flow that only the kernel hears does not time out, and its packets go on to the other interface.
pub(crate) fn check_inline() {
    let Some(namespace) = Namespace::new("shunt-inline") else { return };
    namespace.veth("ta", "client", 1500);
    namespace.veth("tc", "server", 1500);
    // What the kernel forwards to a veth is only taken where its peer receives as a driver does.
    for interface in ["client", "server"] {
        let set = namespace.command("ethtool").args(["-K", interface, "gro", "on"]).status();
        if !set.is_ok_and(|status| status.success()) {
            eprintln!("SKIPPED: needs ethtool");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (capture, eve) = (folder.path().join("udp.pcap"), folder.path().join("port.json"));
    let mut writer = PcapWriter::new(fs::File::create(&capture).unwrap()).unwrap();
    let [one, two]: [SocketAddr; 2] = ["10.0.0.1:4000", "10.0.0.2:5000"].map(|text| text.parse().unwrap());
    let mut parties = Parties::new(one, two, 1_700_000_000_000_000_000);
    for _ in 0..PACKETS {
        parties.datagram(Way::ToServer, b"\xf7\x01\x02\x03 what nobody knows", &mut writer).unwrap();
    }
    writer.finish().unwrap();
    let short = "[live.flow.timeouts]\nudp_new = \"3s\"\nudp_established = \"3s\"\n";
    let plane = DataPlane::start(
        &namespace,
        folder.path(),
        &configuration("native", PAIR, short, &eve),
        "AF_XDP on tc, native mode",
    );
    // Ten seconds, with a timeout of three.
    let mut replay = namespace.command("tcpreplay");
    replay.args(["-q", "-i", "client", "--pps=35"]).arg(&capture);
    assert!(replay.output().unwrap().status.success());
    let ended = Instant::now();
    while !fs::read_to_string(&eve).is_ok_and(|text| text.contains("\"event_type\":\"flow\"")) {
        assert!(ended.elapsed() < Duration::from_secs(60), "no record: {}", plane.said());
        sleep(Duration::from_millis(50));
    }
    let summary = plane.stop();
    assert!(counted(&summary, "shunt.forward") * 10 > PACKETS * 9, "{summary}");
    let flows: Vec<serde_json::Value> = fs::read_to_string(&eve)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["event_type"] == "flow")
        .collect();
    let [flow] = flows.as_slice() else { panic!("one flow, not {flows:?}") };
    assert_eq!(flow["flow"]["pkts_toserver"], PACKETS, "{flow}");
    assert_eq!(flow["flow"]["reason"], "timeout", "{flow}");
    let link: serde_json::Value = serde_json::from_str(&namespace.ip("-s -j link show server")).unwrap();
    assert_eq!(link[0]["stats64"]["rx"]["packets"], PACKETS, "{link}\n{summary}");
}

const PACKETS: u64 = 350;
