//! The same packets through an AF_XDP port and through `inspect` give the same records.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use engine::{Names, Plan, RecordBatch};
use export::eve::{EveExporter, EveOptions};
use export::{Exporter, OpenMode, Sink};
use packet_io::replay::{CaptureReader, Progress};
use runner::InspectOptions;
use runner::inspect::Observer;
use sample::Sink as _;
use sample::pcap::PcapWriter;
use serde_json::Value;

use crate::network::{DataPlane, Namespace, number};

/// Data planes at once: each waits most of its time.
const AT_ONCE: usize = 3;
/// Time between two packets in the captures that are compared, so that no timeout makes a difference.
const GAP_NS: u64 = 40_000;
/// Longest frame on an interface with Ethernet's MTU, tags included.
const ORDINARY: usize = 1522;

struct Writing(EveExporter);

impl Observer for Writing {
    fn records(&mut self, batch: &RecordBatch, names: &Names) {
        self.0.export(batch, names).unwrap();
    }

    fn progress(&mut self, _: Progress) {}
}

pub(crate) fn check(mode: &str) {
    let Some(captures) = captures() else { return };
    let Some(first) = Namespace::new(&format!("{mode}-probe")) else { return };
    drop(first);
    let folder = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan::builtin().unwrap());
    let next = AtomicUsize::new(0);
    let (sender, differences) = mpsc::channel();
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (captures, folder, plan, next, sender) =
                (&captures, folder.path(), &plan, &next, sender.clone());
            scope.spawn(move || {
                let namespace = Namespace::new(&format!("{mode}{worker}")).unwrap();
                namespace.veth("a0", "b0", 1500);
                namespace.veth("a1", "b1", 9200);
                let bench = Bench { namespace, folder: folder.join(format!("{worker}")), mode, plan };
                fs::create_dir_all(&bench.folder).unwrap();
                while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Some(difference) = bench.compare(capture) {
                        sender.send(format!("{}: {difference}", capture.display())).unwrap();
                    }
                }
            });
        }
        drop(sender);
    });
    let differences: Vec<_> = differences.into_iter().collect();
    eprintln!("{} captures compared in {mode} mode", captures.len());
    assert!(differences.is_empty(), "{} captures differ\n{}", differences.len(), differences.join("\n"));
}

/// Every capture of the ground truth that is Ethernet throughout.
fn captures() -> Option<Vec<PathBuf>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(files) = fs::read_dir(folder.join("pcap")) else {
        eprintln!("SKIPPED: no labelled captures at {} (set WIREWARDEN_GROUND_TRUTH)", folder.display());
        return None;
    };
    let mut captures: Vec<_> =
        files.map(|file| file.unwrap().path()).filter(|path| longest(path).is_some()).collect();
    captures.sort();
    Some(captures)
}

/// Length of the longest packet, none unless all are Ethernet and an interface can carry them.
fn longest(path: &Path) -> Option<usize> {
    let mut reader = CaptureReader::new(fs::File::open(path).unwrap());
    let mut longest = None;
    loop {
        match reader.next() {
            Ok(Some(packet)) if packet.meta.link_type == 1 && (14..=9_018).contains(&packet.bytes.len()) => {
                longest = longest.max(Some(packet.bytes.len()));
            }
            Ok(None) => return longest,
            Ok(Some(_)) | Err(_) => return None,
        }
    }
}

/// A namespace, where its files are, and how ports are opened.
struct Bench<'a> {
    namespace: Namespace,
    folder: PathBuf,
    mode: &'a str,
    plan: &'a Arc<Plan>,
}

impl Bench<'_> {
    fn compare(&self, capture: &Path) -> Option<String> {
        let (even, by_file) = (self.folder.join("even.pcap"), self.folder.join("file.json"));
        let packets = evenly(capture, &even);
        let sink = Sink::file(&by_file, OpenMode::Truncate).unwrap();
        let mut writing = Writing(EveExporter::new(sink, &EveOptions::default()));
        let stop = AtomicBool::new(false);
        runner::inspect(InspectOptions::new(vec![even.clone()]), self.plan, &stop, &mut writing).unwrap();
        writing.0.flush().unwrap();
        let pair = usize::from(longest(capture)? > ORDINARY);
        let mut received = 0;
        // The machine may be busy elsewhere just when a packet comes: that is said, and tried more slowly.
        for pps in [20_000, 5_000, 1_000] {
            received = self.replay(&even, pair, pps);
            if received == packets {
                break;
            }
        }
        if received != packets {
            return Some(format!("{received} of {packets} packets were received"));
        }
        let (file, port) = (records(&by_file), records(&self.folder.join("port.json")));
        if file.is_empty() {
            return Some("no records at all".to_owned());
        }
        match file.iter().zip(&port).find(|(file, port)| file != port) {
            Some((file, port)) => Some(format!("by file {file}\n  by port {port}")),
            None if file.len() == port.len() => None,
            None => Some(format!("{} records by file, {} by port", file.len(), port.len())),
        }
    }

    /// Sends a capture to a port; how many packets came.
    fn replay(&self, capture: &Path, pair: usize, pps: u32) -> u64 {
        let eve = self.folder.join("port.json");
        let _ = fs::remove_file(&eve);
        let configuration = self.configuration(&format!("a{pair}"), &eve);
        let opened = format!("AF_XDP on a{pair}, {} mode", self.mode);
        let plane = DataPlane::start(&self.namespace, &self.folder, &configuration, &opened);
        let mut replay = self.namespace.command("tcpreplay");
        replay.args(["-q", "-i", &format!("b{pair}"), &format!("--pps={pps}")]).arg(capture);
        let output = replay.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        thread::sleep(Duration::from_millis(100));
        number(&plane.stop(), "received ")
    }

    fn configuration(&self, interface: &str, eve: &Path) -> String {
        format!(
            r#"
version = 1
[boot]
backend = "af_xdp"
flow_memory = "64MiB"
[boot.memory]
hugepages = false
[boot.xdp]
mode = "{}"
[[boot.ports]]
name = "port"
device = "{interface}"
[live.flow.timeouts]
tcp_new = "1h"
tcp_established = "1h"
tcp_closed = "10m"
udp_new = "1h"
udp_established = "1h"
icmp = "1h"
other = "1h"
[[live.output.eve]]
path = "{}"
"#,
            self.mode,
            eve.display()
        )
    }
}

/// Writes a capture with the same packets at even distances, whole as far as they were captured; how many.
fn evenly(capture: &Path, to: &Path) -> u64 {
    let mut reader = CaptureReader::new(fs::File::open(capture).unwrap());
    let mut writer = PcapWriter::new(std::io::BufWriter::new(fs::File::create(to).unwrap())).unwrap();
    let (mut packets, mut time_ns) = (0, 1_700_000_000_000_000_000);
    while let Ok(Some(packet)) = reader.next() {
        writer.packet(time_ns, packet.bytes).unwrap();
        time_ns += GAP_NS;
        packets += 1;
    }
    writer.finish().unwrap();
    packets
}

/// Records without what two runs may differ in, in an order of their own.
fn records(path: &Path) -> Vec<String> {
    let mut records: Vec<String> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["event_type"] != "stats")
        .map(|mut record| {
            without_times(&mut record);
            record.to_string()
        })
        .collect();
    records.sort();
    records
}

/// Takes out what the clock of a run is in.
fn without_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for aside in [
                "timestamp",
                "in_iface",
                "start",
                "end",
                "age",
                "duration",
                "duration_ms",
                "rtt_ms",
                "rtt_us",
            ] {
                members.remove(aside);
            }
            members.values_mut().for_each(without_times);
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        _ => {}
    }
}
