use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Health;

/// How every tunnel is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelTable {
    /// How the key exchange as a whole is.
    pub health: Health,
    /// Why it is not well.
    #[serde(default)]
    pub reason: Option<String>,
    /// Where peers reach it; none where it only calls.
    #[serde(default)]
    pub listen: Option<String>,
    /// Who we are to peers; none where it could not be read.
    #[serde(default)]
    pub identity: Option<TunnelIdentity>,
    /// Queues of the data plane that keys are made for; 0 where it is not connected.
    pub queues: u16,
    /// Each peer, in the order of their names.
    pub peers: Vec<TunnelRow>,
    /// Connections that were refused since the start of the daemon, by reason; those that there were none of are missing.
    pub refusals: BTreeMap<String, u64>,
    /// What happened last, the latest last.
    pub events: Vec<TunnelEvent>,
}

/// Who we are to peers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelIdentity {
    /// Subject of the certificate.
    pub subject: String,
    /// Signature algorithm of the key.
    pub signature: String,
    /// SHA-384 of the key, to be pinned by peers, hexadecimal.
    pub pin: String,
    /// When the certificate begins, milliseconds since the UNIX epoch.
    pub from_ms: u64,
    /// When it ends.
    pub until_ms: u64,
    /// Whether it is to be renewed: two thirds of its life are over.
    pub due: bool,
}

/// How one tunnel is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelRow {
    /// Name of the peer.
    pub peer: String,
    /// Whether packets are sealed for it.
    pub state: TunnelState,
    /// Where its packets come from; the configured one where none came yet.
    #[serde(default)]
    pub address: Option<String>,
    /// Where its key exchange listens; none where only it calls.
    #[serde(default)]
    pub exchange: Option<String>,
    /// Prefixes behind it.
    pub prefixes: Vec<String>,
    /// What packets carry: `ip`, `etherip` or `gre`.
    pub framing: String,
    /// Profile that both sides must have.
    pub profile: String,
    /// How it proves who it is.
    pub auth: String,
    /// Group of the key exchange of the keys in use.
    #[serde(default)]
    pub group: Option<String>,
    /// Signature algorithm of its key.
    #[serde(default)]
    pub signature: Option<String>,
    /// Cipher of the packets.
    #[serde(default)]
    pub cipher: Option<String>,
    /// SHA-384 of its key, hexadecimal.
    #[serde(default)]
    pub pin: Option<String>,
    /// Number of the keys in use.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// Age of the keys in use, milliseconds.
    #[serde(default)]
    pub key_age_ms: Option<u64>,
    /// Since the last full handshake, milliseconds.
    #[serde(default)]
    pub handshake_age_ms: Option<u64>,
    /// Whether the channel to its key exchange is open.
    pub connected: bool,
    /// Full handshakes that led to keys.
    pub handshakes: u64,
    /// Resumptions that led to keys.
    pub rekeys: u64,
    /// Attempts that failed since the last keys.
    pub failures: u32,
    /// Sessions that one of the two refused.
    pub refused: u64,
    /// Why the last of them was.
    #[serde(default)]
    pub last_refusal: Option<String>,
    /// Bytes of the largest outer packet that is sent to it.
    #[serde(default)]
    pub path_mtu: u16,
    /// What the data plane counted for it.
    pub counters: TunnelCounters,
}

/// What the data plane counts for a peer, since its own start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelCounters {
    /// Packets opened.
    pub rx_packets: u64,
    /// Bytes of them, after opening.
    pub rx_bytes: u64,
    /// Packets sealed.
    pub tx_packets: u64,
    /// Bytes of them, before sealing.
    pub tx_bytes: u64,
    /// Packets that came twice or too late.
    pub replay_drops: u64,
    /// Packets whose tag was wrong.
    pub auth_drops: u64,
    /// Packets that were not sealed or not opened for any other reason.
    pub other_drops: u64,
}

/// Whether packets are sealed for a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelState {
    /// There are no keys: what should be sealed is dropped, unless its rule says otherwise.
    #[default]
    Down,
    /// Keys of before the daemon's start are in use, until new ones are agreed on.
    Old,
    /// Keys are in use.
    Up,
    /// Keys are beyond their hard limit: nothing is sealed with them.
    Expired,
}

impl TunnelState {
    /// Name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Old => "old",
            Self::Up => "up",
            Self::Expired => "expired",
        }
    }
}

/// Something that happened to a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEvent {
    /// When, milliseconds since the UNIX epoch.
    pub at_ms: u64,
    /// What: `up`, `rekeyed`, `down`, `expired`, `refused`, `moved`, `mtu`, `credentials`, `dataplane`.
    pub what: String,
    /// With whom, as far as it is known.
    #[serde(default)]
    pub peer: Option<String>,
    /// More of it, for people.
    #[serde(default)]
    pub detail: Option<String>,
}
