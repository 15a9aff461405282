use serde::{Deserialize, Serialize};

use super::PendingChange;

/// How everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon; none where the data plane answers by itself.
    #[serde(default)]
    pub daemon: Option<DaemonStatus>,
    /// The data plane; none where it cannot be reached.
    #[serde(default)]
    pub dataplane: Option<DataplaneStatus>,
}

/// How the data plane is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataplaneStatus {
    /// Version of the program.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// Since its start, milliseconds.
    pub uptime_ms: u64,
    /// What it does with packets.
    pub mode: Mode,
    /// What moves the packets.
    pub backend: String,
    /// How often settings were taken into use, the start included.
    pub generation: u64,
    /// [`super::digest`] of the configuration in use.
    pub config: String,
    /// Version of the signature set.
    pub signatures_version: String,
    /// Signatures in it.
    pub signatures: u32,
    /// Protocols that are known.
    pub protocols: u32,
    /// Services that are known.
    pub services: u32,
    /// Subscriptions to events.
    pub observers: u32,
    /// Lines that slow subscribers lost.
    pub observers_dropped: u64,
    /// Each worker.
    pub workers: Vec<WorkerStatus>,
    /// What it took the place of, where it is on the kernel's interfaces because DPDK is lost.
    #[serde(default)]
    pub failover: Option<Box<FailoverStatus>>,
    /// What it gave up at its start, and what not.
    #[serde(default)]
    pub confinement: String,
    /// What went wrong since the start, each once, the latest last.
    pub errors: Vec<String>,
}

/// A data plane that took the place of one that DPDK had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverStatus {
    /// What happened to the one before.
    pub why: String,
    /// Flows that it had open.
    pub flows_lost: u64,
    /// From the loss to the first packet, milliseconds; none before that came.
    #[serde(default)]
    pub first_packet_ms: Option<u64>,
}

/// What a data plane does with packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything.
    #[default]
    Normal,
    /// Counts them and passes them on, after repeated crashes.
    Safe,
}

/// How a worker is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Number of the worker.
    pub worker: u32,
    /// Core it runs on.
    #[serde(default)]
    pub core: Option<u16>,
    /// Rounds over its queues: its heartbeat.
    pub rounds: u64,
    /// Since the last round, milliseconds.
    pub silent_ms: u64,
    /// How much of that it had a processor, or slept: what is left of it others had. Milliseconds.
    #[serde(default)]
    pub held_ms: u64,
    /// What it does.
    pub state: WorkerState,
    /// Flows it has.
    pub flows: u64,
}

/// What a worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// It goes round its queues.
    #[default]
    Running,
    /// It has not been round for a second that it had.
    Stuck,
    /// Its thread ended.
    Ended,
}

/// How the daemon is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of the program.
    pub version: String,
    /// Process.
    pub pid: u32,
    /// Since its start, milliseconds.
    pub uptime_ms: u64,
    /// How it keeps the data plane running.
    pub supervision: Supervision,
    /// Number of the running configuration.
    pub revision: u64,
    /// [`super::digest`] of it.
    pub config: String,
    /// A change that awaits its confirmation.
    #[serde(default)]
    pub pending: Option<PendingChange>,
    /// What it gave up at its start, and what not.
    #[serde(default)]
    pub confinement: String,
    /// Each part that can fail.
    pub components: Vec<ComponentHealth>,
}

/// How the daemon keeps the data plane running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// What it does.
    pub state: SupervisionState,
    /// Whether another program starts the data plane.
    pub external: bool,
    /// Restarts since the daemon started.
    pub restarts: u64,
    /// Why it was restarted last.
    #[serde(default)]
    pub last_reason: Option<String>,
    /// Crashes that count towards safe mode.
    pub recent_crashes: u32,
}

/// What the supervision does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupervisionState {
    /// The data plane is being started.
    #[default]
    Starting,
    /// It answers.
    Running,
    /// It waits before the next start.
    BackingOff,
    /// It answers, in safe mode.
    Safe,
    /// It was told to stop, or has no ports.
    Stopped,
}

/// Health of one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentHealth {
    /// Its name.
    pub name: String,
    /// How it is.
    pub health: Health,
    /// Since when, milliseconds since the UNIX epoch.
    pub since_ms: u64,
    /// Why it is not well.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its last changes, the latest last.
    #[serde(default)]
    pub history: Vec<HealthChange>,
}

/// How a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should.
    #[default]
    Good,
    /// It works in part.
    Degraded,
    /// It does not work.
    Failed,
}

impl Health {
    /// Name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }
}

/// A change of health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// When, milliseconds since the UNIX epoch.
    pub at_ms: u64,
    /// To what.
    pub health: Health,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}
