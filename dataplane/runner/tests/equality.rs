//! The same packets through a DPDK port and through `inspect` give the same records.

#![cfg(feature = "dpdk")]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod records;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use engine::Plan;
use packet_io::replay::CaptureReader;
use serde_json::Value;

use records::Tally;

/// Data planes at once: each waits most of its time for the end of its file to show.
const AT_ONCE: usize = 4;

#[test]
fn a_port_and_a_file_give_the_same_records() {
    let Some((captures, unfit)) = records::captures(records::JUMBO) else { return };
    let folder = tempfile::tempdir().unwrap();
    let plan = Arc::new(Plan::builtin().unwrap());
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for worker in 0..AT_ONCE {
            let (captures, folder, plan, next, sender) =
                (&captures, folder.path(), &plan, &next, sender.clone());
            scope.spawn(move || {
                while let Some(capture) = captures.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let own = folder.join(format!("{worker}"));
                    sender.send((capture.clone(), compare(capture, &own, plan))).unwrap();
                }
            });
        }
        drop(sender);
    });
    Tally::of(results).check(&unfit, "by a port of DPDK");
}

fn compare(capture: &Path, folder: &Path, plan: &Arc<Plan>) -> Result<usize, String> {
    fs::create_dir_all(folder).unwrap();
    let (by_file, by_port) = (folder.join("file.json"), folder.join("port.json"));
    let _ = fs::remove_file(&by_port);
    records::inspect(capture, plan, &by_file);
    let config = folder.join("port.toml");
    // A comma would end the file's name in the device's arguments.
    let link = folder.join("capture.pcap");
    let _ = fs::remove_file(&link);
    std::os::unix::fs::symlink(fs::canonicalize(capture).unwrap(), &link).unwrap();
    fs::write(&config, configuration(&link, &by_port)).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_wirewarden-dataplane"))
        .arg("-c")
        .arg(&config)
        .arg("--cache")
        .arg(folder.join("cache"))
        .output()
        .unwrap();
    if !run.status.success() {
        return Err(format!("{}: {}", run.status, String::from_utf8_lossy(&run.stderr)));
    }
    let is_snapped = is_snapped(capture);
    let strip = |record: &mut Value| strip(record, is_snapped);
    records::compare(&records::records(&by_file, strip), &records::records(&by_port, strip))
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

/// Takes out what two runs may differ in.
fn strip(record: &mut Value, is_snapped: bool) {
    let members = record.as_object_mut().unwrap();
    for aside in ["timestamp", "in_iface"] {
        members.remove(aside);
    }
    if let Some(flow) = members.get_mut("flow").and_then(Value::as_object_mut).filter(|_| is_snapped) {
        flow.retain(|name, _| !name.starts_with("bytes_"));
    }
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
{}
[[live.output.eve]]
path = "{}"
"#,
        capture.display(),
        records::TIMEOUTS,
        eve.display()
    )
}
