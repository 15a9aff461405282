//! The same packets through an AF_XDP port and through `inspect` give the same records.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use engine::Plan;
use packet_io::replay::CaptureReader;
use sample::Sink as _;
use sample::pcap::PcapWriter;
use serde_json::Value;

use crate::network::{DataPlane, Namespace, number};
use crate::records::{self, Tally};

/// Data planes at once: each waits most of its time.
const AT_ONCE: usize = 3;
/// Time between two packets in the captures that are compared, so that no timeout makes a difference.
const GAP_NS: u64 = 40_000;
/// One capture in so many is compared where not all are.
const FEW: usize = 10;
/// Longest frame that the kernel sends on an interface with Ethernet's MTU, one tag included.
const ORDINARY: usize = 1518;
/// Longest packet that a port puts together from pieces: what a host captured ahead of its card's segmentation.
const LONGEST: usize = 65_535;

pub(crate) fn check(mode: &str) {
    let Some((mut captures, unfit)) = records::captures(LONGEST) else { return };
    // Each starts a data plane, so that all of them take minutes.
    if std::env::var("WIREWARDEN_PORTS").is_ok_and(|text| text == "full") {
        eprintln!("all captures");
    } else {
        captures = captures.into_iter().step_by(FEW).collect();
    }
    let Some(first) = Namespace::new(&format!("{mode}-probe")) else { return };
    drop(first);
    let folder = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan::builtin().unwrap());
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (captures, folder, plan, next, sender) =
                (&captures, folder.path(), &plan, &next, sender.clone());
            scope.spawn(move || {
                let namespace = Namespace::new(&format!("{mode}{worker}")).unwrap();
                namespace.veth("a0", "b0", 1500);
                namespace.veth("a1", "b1", 9200);
                namespace.veth("a2", "b2", 65_535);
                let bench = Bench { namespace, folder: folder.join(format!("{worker}")), mode, plan };
                fs::create_dir_all(&bench.folder).unwrap();
                while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    sender.send((capture.clone(), bench.compare(capture))).unwrap();
                }
            });
        }
        drop(sender);
    });
    Tally::of(results).check(&unfit, &format!("by AF_XDP in {mode} mode"));
}

/// A namespace, where its files are, and how ports are opened.
struct Bench<'a> {
    namespace: Namespace,
    folder: PathBuf,
    mode: &'a str,
    plan: &'a Arc<Plan>,
}

impl Bench<'_> {
    fn compare(&self, capture: &Path) -> Result<usize, String> {
        let (even, by_file) = (self.folder.join("even.pcap"), self.folder.join("file.json"));
        let packets = evenly(capture, &even);
        records::inspect(&even, self.plan, &by_file);
        // Each has an MTU with room for one tag beyond Ethernet's header.
        let longest = records::longest(capture, LONGEST).unwrap();
        let pair = [ORDINARY, records::JUMBO].into_iter().filter(|&most| longest > most).count();
        let mut received = 0;
        // The machine may be busy elsewhere just when a packet comes: that is said, and tried more slowly.
        for pps in [20_000, 5_000, 1_000] {
            received = self.replay(&even, pair, pps);
            if received == packets {
                break;
            }
        }
        if received != packets {
            return Err(format!("{received} of {packets} packets were received"));
        }
        let by_port = self.folder.join("port.json");
        records::compare(
            &records::records(&by_file, without_times),
            &records::records(&by_port, without_times),
        )
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
        let summary = plane.stop();
        // Flows that are settled and go on are counted in the kernel.
        let shunted = "xdp.port.shunt.drop.packets ";
        let in_kernel = if summary.contains(shunted) { number(&summary, shunted) } else { 0 };
        number(&summary, "received ") + in_kernel
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
{}
[[live.output.eve]]
path = "{}"
"#,
            self.mode,
            records::TIMEOUTS,
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

/// Takes out what the clock of a run is in.
pub(crate) fn without_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for aside in [
                "timestamp",
                "flow_id",
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
