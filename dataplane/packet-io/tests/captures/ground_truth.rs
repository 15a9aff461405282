//! Real captures, against the packet counts of Wireshark's `capinfos`.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use packet_io::replay::{CaptureReader, Replay, ReplayOptions};
use packet_io::{Burst, PacketIo};

/// Folder of the captures, beside the checkout unless the environment says otherwise.
fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ground-truth");
    env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(beside, PathBuf::from).join("pcap")
}

fn captures() -> Option<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        folder().read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Some(paths).filter(|paths| !paths.is_empty())
}

/// Packets by file, as `capinfos` counts them; those before the damage, where a file is damaged.
fn counted(paths: &[PathBuf]) -> Option<BTreeMap<PathBuf, u64>> {
    let output = Command::new("capinfos").args(["-c", "-M", "-T", "-r"]).args(paths).output().ok()?;
    let line = |line: &str| {
        let (path, count) = line.rsplit_once('\t')?;
        Some((PathBuf::from(path), count.parse().ok()?))
    };
    Some(String::from_utf8_lossy(&output.stdout).lines().filter_map(line).collect())
}

#[test]
fn real_captures_have_as_many_packets_as_wireshark_counts() {
    let Some(paths) = captures() else {
        eprintln!("SKIPPED: no captures in {}; set WIREWARDEN_GROUND_TRUTH", folder().display());
        return;
    };
    let Some(expected) = counted(&paths) else {
        eprintln!("SKIPPED: `capinfos` is not installed (package wireshark-common)");
        return;
    };
    assert_eq!(expected.len(), paths.len(), "capinfos passed files over");
    let (mut all, mut damaged) = (0, Vec::new());
    for path in &paths {
        let mut reader = CaptureReader::new(File::open(path).unwrap());
        loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => damaged.push(format!("{}: {error}", path.display())),
            }
        }
        assert_eq!(reader.packets(), expected[path], "{}", path.display());
        all += reader.packets();
    }
    eprintln!("{all} packets in {} captures, damaged: {damaged:#?}", paths.len());

    let mut replay = Replay::open(&paths, ReplayOptions::default()).unwrap();
    let mut burst = Burst::new();
    while !replay.is_exhausted() {
        replay.receive(&mut burst);
        replay.transmit(&mut burst);
    }
    assert_eq!((replay.stats().rx_packets, replay.stats().tx_packets), (all, all));
    assert_eq!(replay.take_errors().len(), damaged.len());
    let progress = replay.progress();
    assert_eq!(Some(progress.bytes_read), progress.bytes_total);
}
