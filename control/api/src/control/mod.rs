//! What the command line, the daemon and the data plane say to each other: JSON, one message a line, over Unix sockets.
//!
//! A client writes [`Request`]s and reads [`Message`]s; each request is answered once, by its `id`, in any order. A
//! subscription is answered, and then its lines come as [`Message::Event`] until the connection ends. The daemon and
//! the data plane speak the same language: the daemon hands on what it does not know itself, and adds what it does.
//!
//! Compatibility: [`VERSION`] rises when an old program would misunderstand a new one. Members may be added to answers,
//! and readers ignore those they do not know. A command with a member that is not known is refused: half a command is
//! not one.
//!
//! ```
//! use api::control::{Command, Request};
//!
//! let line = r#"{"version":1,"id":7,"command":{"do":"flows","filter":"tcp","limit":5}}"#;
//! let request = Request::from_line(line.as_bytes()).unwrap();
//! assert!(matches!(request.command, Command::Flows(query) if query.limit == 5));
//! assert!(Request::from_line(b"{\"version\":1,\"id\":7,\"command\":{\"do\":\"fly\"}}").is_err());
//! ```

mod client;
mod command;
mod counters;
mod ending;
mod flows;
mod lines;
mod message;
mod revisions;
mod role;
mod status;
mod tunnels;

pub use client::{Client, ClientError};
pub use command::{Command, Observe, Rotation, Tokens};
pub use counters::{CounterSnapshot, OutputCounters, PortCounters, QueueCounters, WorkerCounters};
pub use ending::{LastWords, Loss};
pub use flows::{CryptoRow, FlowOrder, FlowPage, FlowQuery, FlowRow, ProtocolRow, ProtocolTable, ServiceRow};
pub use lines::{LineError, Lines};
pub use message::{BadRequest, Failure, Message, Reason, Reply, Request};
pub use revisions::{
    Applied, Apply, Change, ConfigText, Diff, Mistake, PendingChange, Revision, RevisionKind, TokenCreated,
    TokenRow,
};
pub use role::Role;
pub use status::{
    ComponentHealth, DaemonStatus, DataplaneStatus, FailoverStatus, Health, HealthChange, Mode, Status,
    Supervision, SupervisionState, WorkerState, WorkerStatus,
};
pub use tunnels::{TunnelCounters, TunnelEvent, TunnelIdentity, TunnelRow, TunnelState, TunnelTable};

/// Version of this language.
pub const VERSION: u32 = 1;

/// Longest request that is read, bytes: a configuration of [`crate::config::MAX_TEXT`] with every byte escaped fits.
pub const MAX_REQUEST: usize = 7 * 1024 * 1024;

/// Longest answer or event that is read, bytes.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Name of the daemon's socket in its run directory.
pub const DAEMON_SOCKET: &str = "control.sock";

/// Name of the data plane's socket in the run directory.
pub const DATAPLANE_SOCKET: &str = "dataplane.sock";

/// Where the sockets are unless somebody says otherwise.
pub const RUN_DIRECTORY: &str = "/run/wirewarden";

/// SHA-256 of a configuration's canonical text, lower-case hexadecimal: what two programs compare to know whether they
/// mean the same configuration.
#[must_use]
pub fn digest(config: &crate::Config) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(config.to_toml());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
