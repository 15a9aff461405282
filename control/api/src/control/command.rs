use serde::{Deserialize, Serialize};

use super::{Apply, FlowQuery, Role};

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// How the programs and their parts are.
    Status,
    /// Every counter, per worker, port and queue.
    Counters,
    /// Flows that are open now.
    Flows(FlowQuery),
    /// Flows, packets and bytes by protocol and by service.
    Protocols,
    /// How every tunnel is. Daemon only.
    Tunnels,
    /// New keys, now. Daemon only.
    TunnelRotate {
        /// With this peer; with all of them where there is none.
        #[serde(default)]
        peer: Option<String>,
        /// How they are negotiated.
        #[serde(default)]
        by: Rotation,
    },
    /// The lines of EVE JSON as they are made, until the connection ends.
    Observe(Observe),
    /// A configuration of the history, or the running one. Daemon only.
    ConfigShow {
        /// Number in the history; the running one where there is none.
        #[serde(default)]
        revision: Option<u64>,
    },
    /// The history of the configuration, newest first. Daemon only.
    ConfigHistory {
        /// Entries at most.
        limit: u32,
    },
    /// What is wrong with a configuration, and what would change with it. Daemon only.
    ConfigCheck {
        /// TOML.
        text: String,
        /// What mistakes call the file.
        source: String,
    },
    /// What changes from one revision to another. Daemon only.
    ConfigDiff {
        /// Number in the history.
        from: u64,
        /// Number in the history; the running one where there is none.
        #[serde(default)]
        to: Option<u64>,
    },
    /// Takes a configuration into use. Daemon only.
    ConfigApply(Apply),
    /// Keeps what was applied on condition. Daemon only.
    ConfigConfirm,
    /// Takes an earlier configuration into use again, as a new revision; what awaits its confirmation is taken back
    /// where there is no number. Daemon only.
    ConfigRollback {
        /// Number in the history.
        #[serde(default)]
        revision: Option<u64>,
    },
    /// Starts the data plane anew. Daemon only.
    Restart,
    /// Ends the data plane in order; every open flow is written.
    Stop,
    /// Tokens for the HTTP interface. Daemon only.
    Tokens(Tokens),
    /// Takes the live part of a configuration into use. Data plane only: it is the daemon that keeps the history.
    Configure {
        /// TOML; its boot part must be that of the start.
        text: String,
    },
}

/// How new keys are negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// By a full handshake, with certificates.
    #[default]
    Handshake,
    /// By resumption with a fresh key exchange, as when keys are due; by a full handshake where nothing can be resumed.
    Resumption,
}

impl Command {
    /// The least role that may ask for this.
    #[must_use]
    pub const fn role(&self) -> Role {
        match self {
            Self::Status
            | Self::Counters
            | Self::Flows(_)
            | Self::Protocols
            | Self::Tunnels
            | Self::Observe(_)
            | Self::ConfigShow { .. }
            | Self::ConfigHistory { .. }
            | Self::ConfigCheck { .. }
            | Self::ConfigDiff { .. } => Role::Viewer,
            Self::ConfigApply(apply) if apply.restart => Role::Administrator,
            Self::ConfigApply(_)
            | Self::ConfigConfirm
            | Self::ConfigRollback { .. }
            | Self::TunnelRotate { .. } => Role::Operator,
            Self::Restart | Self::Stop | Self::Tokens(_) | Self::Configure { .. } => Role::Administrator,
        }
    }

    /// Name in messages and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Counters => "counters",
            Self::Flows(_) => "flows",
            Self::Protocols => "protocols",
            Self::Tunnels => "tunnels",
            Self::TunnelRotate { .. } => "tunnel_rotate",
            Self::Observe(_) => "observe",
            Self::ConfigShow { .. } => "config_show",
            Self::ConfigHistory { .. } => "config_history",
            Self::ConfigCheck { .. } => "config_check",
            Self::ConfigDiff { .. } => "config_diff",
            Self::ConfigApply(_) => "config_apply",
            Self::ConfigConfirm => "config_confirm",
            Self::ConfigRollback { .. } => "config_rollback",
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Tokens(_) => "tokens",
            Self::Configure { .. } => "configure",
        }
    }
}

/// Which events, and how many wait for a slow reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// Only flows for which this holds, and their events (`docs/filter.md`).
    #[serde(default)]
    pub filter: Option<String>,
    /// Values of `event_type`; empty is all.
    #[serde(default)]
    pub types: Vec<String>,
    /// Lines that wait at most, 1 to [`Observe::MOST_WAITING`]; above that the oldest are dropped and counted.
    #[serde(default = "usual_queue")]
    pub queue: u32,
}

impl Observe {
    /// Longest queue of a subscription, lines.
    pub const MOST_WAITING: u32 = 65_536;
    /// Lines that usually wait.
    pub const USUAL_WAITING: u32 = 1024;
}

impl Default for Observe {
    fn default() -> Self {
        Self { filter: None, types: Vec::new(), queue: Self::USUAL_WAITING }
    }
}

const fn usual_queue() -> u32 {
    Observe::USUAL_WAITING
}

/// What can be done with tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "token", rename_all = "snake_case", deny_unknown_fields)]
pub enum Tokens {
    /// Those that there are, without what they are.
    List,
    /// A new one; it is shown once and kept as a hash.
    Create {
        /// What it is called, unique.
        name: String,
        /// What its bearer may do.
        role: Role,
        /// Seconds until it is no longer good; for ever where there is none.
        #[serde(default)]
        expires_in_s: Option<u64>,
    },
    /// One is no longer good.
    Revoke {
        /// What it is called.
        name: String,
    },
}
