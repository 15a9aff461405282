//! The same packets through a DPDK port and through `inspect` give the same records.

#![cfg(feature = "dpdk")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use engine::{Names, Plan, RecordBatch};
use export::eve::{EveExporter, EveOptions};
use export::{Exporter, OpenMode, Sink};
use packet_io::replay::{CaptureReader, Progress};
use runner::InspectOptions;
use runner::inspect::Observer;
use serde_json::Value;

/// Data planes at once: each waits most of its time for the end of its file to show.
const AT_ONCE: usize = 4;

struct Writing(EveExporter);

impl Observer for Writing {
    fn records(&mut self, batch: &RecordBatch, names: &Names) {
        self.0.export(batch, names).unwrap();
    }

    fn progress(&mut self, _: Progress) {}
}

#[test]
fn a_port_and_a_file_give_the_same_records() {
    let Some(captures) = captures() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan::builtin().unwrap());
    let next = AtomicUsize::new(0);
    let (sender, differences) = mpsc::channel();
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (captures, folder, plan, next, sender) =
                (&captures, folder.path(), &plan, &next, sender.clone());
            scope.spawn(move || {
                while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let own = folder.join(format!("{worker}"));
                    if let Some(difference) = compare(capture, &own, plan) {
                        sender.send(format!("{}: {difference}", capture.display())).unwrap();
                    }
                }
            });
        }
        drop(sender);
    });
    let differences: Vec<_> = differences.into_iter().collect();
    eprintln!("{} captures compared", captures.len());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every capture of the ground truth that is Ethernet throughout and that libpcap can read.
fn captures() -> Option<Vec<PathBuf>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(files) = fs::read_dir(folder.join("pcap")) else {
        eprintln!("SKIPPED: no labelled captures at {} (set WIREWARDEN_GROUND_TRUTH)", folder.display());
        return None;
    };
    let mut captures: Vec<_> =
        files.map(|file| file.unwrap().path()).filter(|path| is_ethernet(path)).collect();
    captures.sort();
    Some(captures)
}

/// Whether all packets are Ethernet and no longer than a jumbo buffer, and the file is whole.
fn is_ethernet(path: &Path) -> bool {
    let mut reader = CaptureReader::new(fs::File::open(path).unwrap());
    let mut packets = 0;
    loop {
        match reader.next() {
            Ok(Some(packet)) if packet.meta.link_type == 1 && packet.bytes.len() <= 9_018 => packets += 1,
            Ok(None) => return packets > 0,
            Ok(Some(_)) | Err(_) => return false,
        }
    }
}

fn compare(capture: &Path, folder: &Path, plan: &Arc<Plan>) -> Option<String> {
    fs::create_dir_all(folder).unwrap();
    let (by_file, by_port) = (folder.join("file.json"), folder.join("port.json"));
    let _ = fs::remove_file(&by_port);
    let sink = Sink::file(&by_file, OpenMode::Truncate).unwrap();
    let mut writing = Writing(EveExporter::new(sink, &EveOptions::default()));
    let stop = AtomicBool::new(false);
    runner::inspect(InspectOptions::new(vec![capture.to_owned()]), plan, &stop, &mut writing).unwrap();
    writing.0.flush().unwrap();
    let config = folder.join("port.toml");
    // A comma would end the file's name in the device's arguments.
    let link = folder.join("capture.pcap");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(fs::canonicalize(capture).unwrap(), &link).unwrap();
    fs::write(&config, configuration(&link, &by_port)).unwrap();
    let run =
        Command::new(env!("CARGO_BIN_EXE_wirewarden-dataplane")).arg("-c").arg(&config).output().unwrap();
    if !run.status.success() {
        return Some(format!("{}: {}", run.status, String::from_utf8_lossy(&run.stderr)));
    }
    let snapped = is_snapped(capture);
    let (file, port) = (records(&by_file, snapped), records(&by_port, snapped));
    if file.is_empty() {
        return Some("no records at all".to_owned());
    }
    let difference = file.iter().zip(&port).find(|(file, port)| file != port);
    match difference {
        Some((file, port)) => Some(format!("by file {file}\n  by port {port}")),
        None if file.len() == port.len() => None,
        None => Some(format!("{} records by file, {} by port", file.len(), port.len())),
    }
}

/// Whether packets were cut when they were captured: a port is not told how long they had been.
fn is_snapped(path: &Path) -> bool {
    let mut reader = CaptureReader::new(fs::File::open(path).unwrap());
    while let Ok(Some(packet)) = reader.next() {
        if usize::try_from(packet.meta.wire_len).unwrap() > packet.bytes.len() {
            return true;
        }
    }
    false
}

/// Records without what two runs may differ in, in an order of their own.
fn records(path: &Path, snapped: bool) -> Vec<String> {
    let mut records: Vec<String> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["event_type"] != "stats")
        .map(|mut record| {
            let members = record.as_object_mut().unwrap();
            for aside in ["timestamp", "in_iface"] {
                members.remove(aside);
            }
            if let Some(flow) = members.get_mut("flow").and_then(Value::as_object_mut).filter(|_| snapped) {
                flow.retain(|name, _| !name.starts_with("bytes_"));
            }
            record.to_string()
        })
        .collect();
    records.sort();
    records
}

fn configuration(capture: &Path, eve: &Path) -> String {
    format!(
        r#"
version = 1
[boot]
backend = "dpdk"
cores = [0]
stop_when_idle = "250ms"
flow_memory = "64MiB"
[boot.memory]
hugepages = false
mib = 256
[[boot.ports]]
name = "port"
device = "net_pcap0,rx_pcap={}"
mtu = 9000
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
        capture.display(),
        eve.display()
    )
}
