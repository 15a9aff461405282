//! The records of the same packets by two ways, made comparable: which captures, how `inspect` reads them, and how
//! records are told apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use engine::{Names, Plan, RecordBatch};
use export::eve::{EveExporter, EveOptions};
use export::{Exporter, OpenMode, Sink};
use packet_io::Link;
use packet_io::replay::{CaptureReader, Progress};
use runner::InspectOptions;
use runner::inspect::Observer;
use serde_json::Value;

/// Longest packet of a jumbo frame.
pub(crate) const JUMBO: usize = 9_018;

/// Timeouts that none of the captures reaches, so that the time between packets makes no difference.
pub(crate) const TIMEOUTS: &str = r#"
[live.flow.timeouts]
tcp_new = "1h"
tcp_established = "1h"
tcp_closed = "10m"
udp_new = "1h"
udp_established = "1h"
icmp = "1h"
other = "1h"
"#;

/// Why a capture cannot come from an Ethernet port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unfit {
    /// Packets of another link layer.
    NotEthernet,
    /// Packets shorter than an Ethernet header.
    TooShort,
    /// Packets longer than the port takes.
    TooLong,
    /// It ends within a record, or is none.
    Broken,
    /// It has no packets.
    Empty,
}

/// Every capture of the ground truth that can come from a port that takes packets up to `most` bytes, and how many cannot
/// by their reason.
pub(crate) fn captures(most: usize) -> Option<(Vec<PathBuf>, BTreeMap<Unfit, usize>)> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(files) = fs::read_dir(folder.join("pcap")) else {
        eprintln!("SKIPPED: no labelled captures at {} (set WIREWARDEN_GROUND_TRUTH)", folder.display());
        return None;
    };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let (mut fit, mut unfit) = (Vec::new(), BTreeMap::new());
    for path in paths {
        match longest(&path, most) {
            Ok(_) => fit.push(path),
            Err(why) => *unfit.entry(why).or_default() += 1,
        }
    }
    Some((fit, unfit))
}

/// Length of the longest packet of a capture that a port can be given.
pub(crate) fn longest(path: &Path, most: usize) -> Result<usize, Unfit> {
    let mut reader = CaptureReader::new(fs::File::open(path).unwrap());
    let mut longest = 0;
    loop {
        match reader.next() {
            Ok(Some(packet)) => match packet.bytes.len() {
                _ if packet.meta.link != Link::ETHERNET => return Err(Unfit::NotEthernet),
                0..14 => return Err(Unfit::TooShort),
                len if len > most => return Err(Unfit::TooLong),
                len => longest = longest.max(len),
            },
            Ok(None) if longest == 0 => return Err(Unfit::Empty),
            Ok(None) => return Ok(longest),
            Err(_) => return Err(Unfit::Broken),
        }
    }
}

struct Writing(EveExporter);

impl Observer for Writing {
    fn records(&mut self, batch: &RecordBatch, names: &Names) {
        self.0.export(batch, names).unwrap();
    }

    fn progress(&mut self, _: Progress) {}
}

/// Writes down what `inspect` says of a capture.
pub(crate) fn inspect(capture: &Path, plan: &Arc<Plan>, records: &Path) {
    let sink = Sink::file(records, OpenMode::Truncate).unwrap();
    let mut writing = Writing(EveExporter::new(sink, &EveOptions::default()));
    let stop = AtomicBool::new(false);
    runner::inspect(InspectOptions::new(vec![capture.to_owned()]), plan, &stop, &mut writing).unwrap();
    writing.0.flush().unwrap();
}

/// The records of a file without what `strip` takes out of them, in an order of their own.
pub(crate) fn records(path: &Path, strip: impl Fn(&mut Value)) -> Vec<String> {
    let mut records: Vec<String> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|record| record["event_type"] != "stats")
        .map(|mut record| {
            strip(&mut record);
            record.to_string()
        })
        .collect();
    records.sort();
    records
}

/// What is different between the records of a file and those of a port; how many they are where nothing is.
pub(crate) fn compare(file: &[String], port: &[String]) -> Result<usize, String> {
    if file.is_empty() {
        return Err("no records at all".to_owned());
    }
    match file.iter().zip(port).find(|(file, port)| file != port) {
        Some((file, port)) => Err(format!("by file {file}\n  by port {port}")),
        None if file.len() == port.len() => Ok(file.len()),
        None => Err(format!("{} records by file, {} by port", file.len(), port.len())),
    }
}

/// What became of the captures that several threads compare.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) captures: usize,
    pub(crate) records: usize,
    differences: Vec<String>,
}

impl Tally {
    /// Adds up the results by capture.
    pub(crate) fn of(results: impl IntoIterator<Item = (PathBuf, Result<usize, String>)>) -> Self {
        let mut tally = Self::default();
        for (path, result) in results {
            tally.captures += 1;
            match result {
                Ok(records) => tally.records += records,
                Err(difference) => tally.differences.push(format!("{}: {difference}", path.display())),
            }
        }
        tally
    }

    /// Fails where captures differ.
    pub(crate) fn check(&self, unfit: &BTreeMap<Unfit, usize>, how: &str) {
        let Self { captures, records, differences } = self;
        eprintln!(
            "{how}: {captures} captures, {records} records compared; {} differ; left out {unfit:?}",
            differences.len()
        );
        assert!(differences.is_empty(), "{} captures differ\n{}", differences.len(), differences.join("\n"));
    }
}
