//! What the screen shows, computed from two looks at the appliance: no clock, no terminal.

use std::collections::BTreeMap;
use std::time::Duration;

use api::control::{
    CounterSnapshot, FlowPage, FlowRow, ProtocolRow, ProtocolTable, Status, SupervisionState, TunnelRow,
    TunnelState, WorkerState,
};

use crate::figures;

/// One look at the appliance.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// When, milliseconds since the program started.
    pub(super) at_ms: u64,
    pub(super) status: Status,
    /// None where the data plane did not answer.
    pub(super) counters: Option<CounterSnapshot>,
    pub(super) protocols: ProtocolTable,
    /// The largest open flows that anybody can read who copies the wire.
    pub(super) clear: FlowPage,
    /// The largest open flows.
    pub(super) largest: FlowPage,
    /// Each tunnel; none where there is no daemon.
    pub(super) tunnels: Vec<TunnelRow>,
    /// What is wrong with the filter, which was left out.
    pub(super) refused: Option<String>,
    /// Why the data plane did not answer.
    pub(super) silent: Option<String>,
}

/// What is shown; rates are per second.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub(super) about: About,
    pub(super) packets: u64,
    pub(super) bits: u64,
    pub(super) forwarded: u64,
    pub(super) dropped: u64,
    /// Packets that ports had for us, lost ones included.
    pub(super) offered: u64,
    pub(super) open_flows: u64,
    pub(super) new_flows: u64,
    pub(super) lines: u64,
    /// Records and lines that were lost since the start.
    pub(super) lost: u64,
    /// Bytes by what a copy of the wire gives away, the worst first.
    pub(super) exposures: Vec<(&'static str, u64)>,
    /// Handshakes since the start by class, the worst first.
    pub(super) handshakes: Vec<(String, u64)>,
    pub(super) protocols: Vec<ProtocolLine>,
    pub(super) drops: Vec<DropLine>,
    pub(super) worst: Vec<WorstLine>,
    pub(super) flows: Vec<FlowRow>,
    pub(super) cores: Vec<CoreLine>,
    pub(super) ports: Vec<PortLine>,
    pub(super) tunnels: Vec<TunnelLine>,
    /// What somebody should know, the most urgent first.
    pub(super) warnings: Vec<String>,
}

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) state: String,
    pub(super) is_well: bool,
    pub(super) uptime: Duration,
    pub(super) backend: String,
    pub(super) revision: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ProtocolLine {
    pub(super) name: String,
    pub(super) exposure: String,
    pub(super) bits: u64,
    pub(super) bytes: u64,
    pub(super) flows: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct DropLine {
    pub(super) cause: String,
    pub(super) rate: u64,
    pub(super) total: u64,
}

/// A server that is talked to in the clear.
#[derive(Clone, Debug, Default)]
pub(super) struct WorstLine {
    pub(super) server: String,
    pub(super) app: String,
    pub(super) flows: u64,
    pub(super) bytes: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct CoreLine {
    pub(super) worker: u32,
    pub(super) core: Option<u16>,
    pub(super) packets: u64,
    pub(super) busy: Option<(u64, u64)>,
    pub(super) flows: u64,
    pub(super) state: WorkerState,
}

#[derive(Clone, Debug, Default)]
pub(super) struct PortLine {
    pub(super) name: String,
    pub(super) packets: u64,
    pub(super) bits: u64,
    pub(super) sent: u64,
    pub(super) missed: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct TunnelLine {
    pub(super) peer: String,
    pub(super) state: TunnelState,
    /// Bits per second both ways, before sealing and after opening.
    pub(super) bits: u64,
    /// Packets that were refused since the start of the data plane.
    pub(super) dropped: u64,
}

/// What the protocols are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Rate,
    Bytes,
    Flows,
    Name,
}

impl Sort {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Rate => Self::Bytes,
            Self::Bytes => Self::Flows,
            Self::Flows => Self::Name,
            Self::Name => Self::Rate,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Bytes => "bytes",
            Self::Flows => "flows",
            Self::Name => "name",
        }
    }
}

impl View {
    /// What is shown after `after`; rates need a look before it, of the same data plane.
    pub(super) fn between(before: Option<&Sample>, after: &Sample) -> Self {
        let mut view = Self { about: about(&after.status), ..Self::default() };
        view.warnings = warnings(after);
        let Some(counters) = &after.counters else { return view };
        let was = before.and_then(|before| Some((before, before.counters.as_ref()?)));
        let was = was.filter(|(_, was)| was.pid == counters.pid && was.uptime_ms < counters.uptime_ms);
        view.totals(was.map(|(_, was)| was), counters);
        view.cores = cores(was.map(|(_, was)| was), counters, &after.status);
        view.ports = ports(was.map(|(_, was)| was), counters);
        let tables = was.map(|(before, _)| {
            (&before.protocols, Duration::from_millis(after.at_ms.saturating_sub(before.at_ms)))
        });
        view.protocols = protocols(tables, &after.protocols);
        let passed = tables.map(|(_, passed)| passed);
        view.tunnels = tunnels(was.map(|(before, _)| before.tunnels.as_slice()).zip(passed), &after.tunnels);
        view.exposures = exposures(&view.protocols);
        let crypto = &after.protocols.crypto;
        view.handshakes = crypto.iter().map(|row| (row.class.clone(), row.handshakes)).collect();
        view.worst = worst(&after.clear);
        view.flows.clone_from(&after.largest.flows);
        view
    }

    fn totals(&mut self, before: Option<&CounterSnapshot>, after: &CounterSnapshot) {
        let rate = Rate::between(before, after);
        let of = |value: fn(&CounterSnapshot) -> u64| rate.of(before.map(value), value(after));
        self.packets = of(CounterSnapshot::received);
        self.bits = of(|counters| counters.total("bytes.received")).saturating_mul(8);
        self.forwarded = of(|counters| counters.workers.iter().map(|worker| worker.forwarded).sum());
        self.new_flows = of(|counters| counters.total("flow.created"));
        self.open_flows = after.total("flow.active");
        self.lines = of(|counters| counters.outputs.iter().map(|output| output.lines).sum());
        let lost_records: u64 = after.workers.iter().map(|worker| worker.records_lost).sum();
        self.lost = lost_records + after.outputs.iter().map(|output| output.lost_lines).sum::<u64>();
        let earlier: BTreeMap<&str, u64> =
            before.map(|before| before.losses().into_iter().collect()).unwrap_or_default();
        for (cause, total) in after.losses().into_iter().filter(|(_, total)| *total > 0) {
            let was = before.map(|_| earlier.get(cause).copied().unwrap_or(0));
            let line = DropLine { cause: cause.to_owned(), rate: rate.of(was, total), total };
            self.dropped = self.dropped.saturating_add(line.rate);
            // Those were never a worker's.
            if cause.starts_with("port.rx") {
                self.offered = self.offered.saturating_add(line.rate);
            }
            self.drops.push(line);
        }
        self.offered = self.offered.saturating_add(self.packets);
        self.drops.sort_by_key(|line| core::cmp::Reverse((line.rate, line.total)));
    }

    /// Puts the protocols in an order.
    pub(super) fn sort(&mut self, by: Sort, is_reversed: bool) {
        let lines = &mut self.protocols;
        match by {
            Sort::Rate => lines.sort_by_key(|line| core::cmp::Reverse((line.bits, line.bytes))),
            Sort::Bytes => lines.sort_by_key(|line| core::cmp::Reverse(line.bytes)),
            Sort::Flows => lines.sort_by_key(|line| core::cmp::Reverse((line.flows, line.bytes))),
            Sort::Name => lines.sort_by(|one, other| one.name.cmp(&other.name)),
        }
        if is_reversed {
            lines.reverse();
        }
    }
}

/// Rates between two answers of the data plane, by its own clock.
struct Rate(Duration);

impl Rate {
    fn between(before: Option<&CounterSnapshot>, after: &CounterSnapshot) -> Self {
        let began = before.map_or(after.uptime_ms, |before| before.uptime_ms);
        Self(Duration::from_millis(after.uptime_ms.saturating_sub(began)))
    }

    /// Nothing where there is no look before.
    fn of(&self, before: Option<u64>, after: u64) -> u64 {
        before.and_then(|before| figures::per_second(after.saturating_sub(before), self.0)).unwrap_or(0)
    }
}

fn about(status: &Status) -> About {
    let daemon = status.daemon.as_ref();
    let supervision = daemon.map(|daemon| daemon.supervision.state);
    let (state, is_well) = match (&status.dataplane, supervision) {
        (_, Some(SupervisionState::Safe)) => ("safe mode", false),
        (_, Some(SupervisionState::Stopped)) => ("stopped", false),
        (_, Some(SupervisionState::BackingOff)) => ("waiting to start", false),
        (None, Some(SupervisionState::Starting)) => ("starting", false),
        (None, _) => ("gone", false),
        (Some(dataplane), _) if dataplane.mode == api::control::Mode::Safe => ("safe mode", false),
        (Some(_), _) => ("running", true),
    };
    let dataplane = status.dataplane.as_ref();
    About {
        state: state.to_owned(),
        is_well,
        uptime: Duration::from_millis(dataplane.map_or(0, |dataplane| dataplane.uptime_ms)),
        backend: dataplane.map(|dataplane| dataplane.backend.clone()).unwrap_or_default(),
        revision: daemon.map(|daemon| daemon.revision),
    }
}

fn warnings(sample: &Sample) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(why) = &sample.silent {
        let tries = sample.status.daemon.as_ref().map(|daemon| &daemon.supervision);
        let reason = tries.and_then(|tries| tries.last_reason.as_ref());
        let last = reason.map_or_else(String::new, |reason| format!("; last: {reason}"));
        all.push(format!("the data plane does not answer: {why}{last}"));
    }
    if let Some(pending) = sample.status.daemon.as_ref().and_then(|daemon| daemon.pending.as_ref()) {
        let left = figures::duration(Duration::from_millis(pending.left_ms));
        all.push(format!(
            "revision {} goes back to {} in {left}: `wirewarden config confirm` keeps it",
            pending.revision, pending.back_to
        ));
    }
    if let Some(dataplane) = &sample.status.dataplane {
        let ill = dataplane.workers.iter().filter(|worker| worker.state != WorkerState::Running);
        all.extend(ill.map(|worker| format!("worker {} is not running", worker.worker)));
        all.extend(dataplane.errors.last().cloned());
    }
    let mut silent = sample.protocols.silent_workers.clone();
    silent.extend(&sample.clear.silent_workers);
    silent.sort_unstable();
    silent.dedup();
    if !silent.is_empty() {
        all.push(format!("workers {silent:?} did not answer in time: their open flows are missing"));
    }
    all
}

fn cores(before: Option<&CounterSnapshot>, after: &CounterSnapshot, status: &Status) -> Vec<CoreLine> {
    let rate = Rate::between(before, after);
    let told = status.dataplane.as_ref().map(|dataplane| dataplane.workers.as_slice()).unwrap_or_default();
    let line = |worker: &api::control::WorkerCounters| {
        let was = before.and_then(|before| before.workers.iter().find(|was| was.worker == worker.worker));
        let busy = was.map(|was| {
            let busy = worker.busy_rounds.saturating_sub(was.busy_rounds);
            (busy, worker.rounds.saturating_sub(was.rounds))
        });
        let state = told.iter().find(|told| told.worker == worker.worker).map(|told| told.state);
        CoreLine {
            worker: worker.worker,
            core: worker.core,
            packets: rate.of(was.map(|was| was.received), worker.received),
            busy,
            flows: worker.engine.get("flow.active").copied().unwrap_or(0),
            state: state.unwrap_or_default(),
        }
    };
    after.workers.iter().map(line).collect()
}

fn ports(before: Option<&CounterSnapshot>, after: &CounterSnapshot) -> Vec<PortLine> {
    let rate = Rate::between(before, after);
    let line = |port: &api::control::PortCounters| {
        let was = before.and_then(|before| before.ports.iter().find(|was| was.port == port.port));
        PortLine {
            name: port.port.clone(),
            packets: rate.of(was.map(|was| was.rx_packets), port.rx_packets),
            bits: rate.of(was.map(|was| was.rx_bytes), port.rx_bytes).saturating_mul(8),
            sent: rate.of(was.map(|was| was.tx_packets), port.tx_packets),
            missed: port.rx_missed.saturating_add(port.rx_no_buffer),
        }
    };
    after.ports.iter().map(line).collect()
}

fn tunnels(before: Option<(&[TunnelRow], Duration)>, after: &[TunnelRow]) -> Vec<TunnelLine> {
    let bytes = |row: &TunnelRow| row.counters.rx_bytes.saturating_add(row.counters.tx_bytes);
    let line = |row: &TunnelRow| {
        let rate = before.and_then(|(before, passed)| {
            let was = before.iter().find(|was| was.peer == row.peer)?;
            figures::per_second(bytes(row).saturating_sub(bytes(was)), passed)
        });
        let drops = [row.counters.replay_drops, row.counters.auth_drops, row.counters.other_drops];
        TunnelLine {
            peer: row.peer.clone(),
            state: row.state,
            bits: rate.unwrap_or(0).saturating_mul(8),
            dropped: drops.into_iter().fold(0, u64::saturating_add),
        }
    };
    after.iter().map(line).collect()
}

fn protocols(before: Option<(&ProtocolTable, Duration)>, after: &ProtocolTable) -> Vec<ProtocolLine> {
    let bytes = |row: &ProtocolRow| row.open_bytes.saturating_add(row.ended_bytes);
    let earlier: BTreeMap<&str, u64> = before
        .map(|(before, _)| before.protocols.iter().map(|row| (row.name.as_str(), bytes(row))).collect())
        .unwrap_or_default();
    let line = |row: &ProtocolRow| {
        let rate = before.and_then(|(_, passed)| {
            let was = earlier.get(row.name.as_str()).copied().unwrap_or(0);
            figures::per_second(bytes(row).saturating_sub(was), passed)
        });
        ProtocolLine {
            name: row.name.clone(),
            exposure: row.exposure.clone(),
            bits: rate.unwrap_or(0).saturating_mul(8),
            bytes: bytes(row),
            flows: row.open_flows,
        }
    };
    after.protocols.iter().map(line).collect()
}

/// What crosses the wire now by what a copy of it gives away; since the start where nothing moves.
fn exposures(protocols: &[ProtocolLine]) -> Vec<(&'static str, u64)> {
    let is_moving = protocols.iter().any(|line| line.bits > 0);
    let part = |name: &str| -> u64 {
        let of = protocols.iter().filter(|line| line.exposure == name);
        of.fold(0, |sum, line| sum.saturating_add(if is_moving { line.bits } else { line.bytes }))
    };
    EXPOSURES.iter().map(|name| (*name, part(name))).collect()
}

/// Servers of open flows in the clear, most bytes first.
fn worst(page: &FlowPage) -> Vec<WorstLine> {
    let mut servers: BTreeMap<(&str, u16, &str), (u64, u64)> = BTreeMap::new();
    for flow in &page.flows {
        let app = flow.service.as_deref().unwrap_or(&flow.app);
        let (flows, bytes) = servers.entry((&flow.dst, flow.dst_port, app)).or_default();
        *flows += 1;
        *bytes = flow.bytes.iter().fold(*bytes, |sum, bytes| sum.saturating_add(*bytes));
    }
    let mut lines: Vec<WorstLine> = servers
        .into_iter()
        .map(|((address, port, app), (flows, bytes))| WorstLine {
            server: end(address, port),
            app: app.to_owned(),
            flows,
            bytes,
        })
        .collect();
    lines.sort_by_key(|line| core::cmp::Reverse(line.bytes));
    lines
}

/// `192.0.2.1:80`, `[2001:db8::1]:80`; no port where there is none.
pub(super) fn end(address: &str, port: u16) -> String {
    match (port, address.contains(':')) {
        (0, _) => address.to_owned(),
        (port, true) => format!("[{address}]:{port}"),
        (port, false) => format!("{address}:{port}"),
    }
}

/// Names of exposures, the worst first.
const EXPOSURES: [&str; 4] = ["cleartext", "unknown", "negotiated", "encrypted"];
