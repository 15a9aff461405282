use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Every counter of a data plane. Counters rise from its start; `defrag.held` and `flow.active` are levels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterSnapshot {
    /// When, milliseconds since the UNIX epoch.
    pub taken_ms: u64,
    /// Since the start of the data plane, milliseconds: rates come from differences of this.
    pub uptime_ms: u64,
    /// Process that counted: counters of another one start anew.
    pub pid: u32,
    /// Each worker, taken between two of its bursts.
    pub workers: Vec<WorkerCounters>,
    /// Each port, as its driver counts.
    pub ports: Vec<PortCounters>,
    /// What the XDP programs counted: `xdp.PORT.VERDICT.REASON.packets` and `.bytes`.
    #[serde(default)]
    pub xdp: BTreeMap<String, u64>,
    /// Each output.
    pub outputs: Vec<OutputCounters>,
}

impl CounterSnapshot {
    /// Sum of an engine counter over the workers.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        self.workers.iter().filter_map(|worker| worker.engine.get(name)).sum()
    }

    /// Every engine counter, workers added up.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<&str, u64> {
        let mut totals = BTreeMap::new();
        for (name, value) in self.workers.iter().flat_map(|worker| &worker.engine) {
            *totals.entry(name.as_str()).or_insert(0) += value;
        }
        totals
    }

    /// Packets taken from the ports.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.workers.iter().map(|worker| worker.received).sum()
    }

    /// Everything that lost packets, by cause (`crate::drops`), zeros included: ports, workers, the engine.
    #[must_use]
    pub fn losses(&self) -> Vec<(&str, u64)> {
        let ports = |of: fn(&PortCounters) -> u64| self.ports.iter().map(of).sum();
        let mut losses = vec![
            ("port.rx_missed", ports(|port| port.rx_missed)),
            ("port.rx_no_buffer", ports(|port| port.rx_no_buffer)),
            ("port.rx_errors", ports(|port| port.rx_errors)),
            ("port.tx_errors", ports(|port| port.tx_errors)),
            ("worker.not_forwarded", self.workers.iter().map(|worker| worker.not_forwarded).sum()),
        ];
        losses.extend(self.drops());
        losses
    }

    /// Drops by cause, zeros included, workers added up.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<&str, u64> {
        self.totals()
            .into_iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("drop.")?, value)))
            .collect()
    }
}

/// What one worker counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCounters {
    /// Number of the worker.
    pub worker: u32,
    /// Core it runs on.
    #[serde(default)]
    pub core: Option<u16>,
    /// Taken between two bursts: its numbers add up. False where the worker did not answer in time and was read as it ran.
    pub exact: bool,
    /// Rounds over its queues.
    pub rounds: u64,
    /// Rounds that had packets: their share is how busy the worker is.
    pub busy_rounds: u64,
    /// Packets taken from ports.
    pub received: u64,
    /// Packets sent on.
    pub forwarded: u64,
    /// Packets that no port took.
    pub not_forwarded: u64,
    /// Records lost because the exporter was behind.
    pub records_lost: u64,
    /// The engine's counters by name; drops are `drop.CAUSE`.
    pub engine: BTreeMap<String, u64>,
    /// Each queue.
    pub queues: Vec<QueueCounters>,
}

impl WorkerCounters {
    /// Packets dropped, all causes.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.engine.iter().filter(|(name, _)| name.starts_with("drop.")).map(|(_, count)| count).sum()
    }

    /// Whether every packet taken is accounted for: received = processed + held fragments + drops by cause.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let count = |name| self.engine.get(name).copied().unwrap_or(0);
        self.received == count("packets.received")
            && self.received == count("packets.processed") + count("defrag.held") + self.dropped()
    }
}

/// What one queue of a port counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueCounters {
    /// The port.
    pub port: String,
    /// Number of the queue.
    pub queue: u32,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets received in error.
    pub rx_errors: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// What a port's driver counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCounters {
    /// The port.
    pub port: String,
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets lost because no descriptor was free: the worker is too slow.
    pub rx_missed: u64,
    /// Packets received in error.
    pub rx_errors: u64,
    /// Packets lost because no buffer was free.
    pub rx_no_buffer: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// What an output wrote and lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputCounters {
    /// Its file.
    pub name: String,
    /// Lines written.
    pub lines: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Lines that could not be written.
    pub lost_lines: u64,
    /// Writes that failed.
    pub errors: u64,
    /// Files ended, and the next begun.
    #[serde(default)]
    pub rotations: u64,
    /// Files opened anew because somebody else moved the old one.
    #[serde(default)]
    pub reopened: u64,
    /// Files that ended and were compressed.
    #[serde(default)]
    pub compressed_files: u64,
    /// Files that ended and were removed, because they were more than are kept.
    #[serde(default)]
    pub removed_files: u64,
    /// Their bytes.
    #[serde(default)]
    pub removed_bytes: u64,
    /// Files that ended and were removed because the disk was full.
    #[serde(default)]
    pub shed_files: u64,
    /// Their bytes.
    #[serde(default)]
    pub shed_bytes: u64,
    /// Rotations, removals and compressions that failed; they are tried again.
    #[serde(default)]
    pub file_errors: u64,
}
