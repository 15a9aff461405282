//! What is told to those who ask how tunnels are.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use api::config::Choice;
use api::control::{
    Health, TunnelCounters, TunnelEvent, TunnelIdentity, TunnelRow, TunnelState, TunnelTable,
};
use api::tunnel::{PeerCounters, Remote};
use exchange::credentials::Loaded;
use exchange::endpoint::PeerStatus;

use super::running::{Known, Running};

impl Running {
    /// How everything is.
    pub(super) fn table(
        &mut self,
        health: Health,
        reason: Option<String>,
        events: Vec<TunnelEvent>,
        now: Instant,
    ) -> TunnelTable {
        let listen = self.driver.address().map(|address| address.to_string());
        let endpoint = self.driver.endpoint();
        let refusals = endpoint.refusals().all().filter(|(_, count)| *count > 0);
        let refusals = refusals.map(|(refusal, count)| (refusal.name().to_owned(), count)).collect();
        let mut peers: Vec<TunnelRow> = endpoint
            .status()
            .iter()
            .filter_map(|status| Some(row(self.peers.get(&status.id)?, status, now)))
            .collect();
        peers.sort_by(|one, other| one.peer.cmp(&other.peer));
        TunnelTable {
            health,
            reason,
            listen,
            identity: Some(identity(&self.loaded, SystemTime::now())),
            queues: self.queues,
            peers,
            refusals,
            events,
        }
    }
}

fn identity(loaded: &Loaded, now: SystemTime) -> TunnelIdentity {
    let wall = |at: SystemTime| millis(at.duration_since(UNIX_EPOCH).unwrap_or_default());
    TunnelIdentity {
        subject: loaded.identity.subject.clone(),
        signature: loaded.signature.name().to_owned(),
        pin: loaded.identity.spki.to_string(),
        from_ms: wall(loaded.identity.from),
        until_ms: wall(loaded.identity.until),
        due: loaded.is_due(now),
    }
}

fn row(known: &Known, status: &PeerStatus, now: Instant) -> TunnelRow {
    let wanted = &known.wanted;
    let settings = &wanted.exchange.settings;
    let age = |since: Instant| millis(now.saturating_duration_since(since));
    let state = match status.epoch {
        Some(_) if status.is_expired => TunnelState::Expired,
        Some(_) => TunnelState::Up,
        None if known.has_old => TunnelState::Old,
        None => TunnelState::Down,
    };
    TunnelRow {
        peer: wanted.name.as_str().to_owned(),
        state,
        address: known.remote.map(shown).or_else(|| wanted.address.clone()),
        exchange: wanted.exchange.address.map(|address| address.to_string()),
        prefixes: wanted.prefixes.clone(),
        framing: wanted.framing.name().to_owned(),
        profile: settings.profile.name().to_owned(),
        auth: settings.auth.name().to_owned(),
        group: status.facts.map(|facts| facts.group.name().to_owned()),
        signature: status.facts.map(|facts| facts.signature.name().to_owned()),
        cipher: status.facts.map(|_| CIPHER.to_owned()),
        pin: status.facts.map(|facts| facts.theirs.to_string()),
        epoch: status.epoch,
        key_age_ms: status.since.map(age),
        handshake_age_ms: status.full_handshake.map(age),
        connected: status.is_connected,
        handshakes: status.full_handshakes,
        rekeys: status.rekeys,
        failures: status.failures,
        refused: status.refused,
        last_refusal: status.last_refusal.map(|refusal| refusal.name().to_owned()),
        path_mtu: known.path.current(),
        counters: counters(&known.counters),
    }
}

const fn counters(counters: &PeerCounters) -> TunnelCounters {
    let others = counters.inner_drops.wrapping_add(counters.keyless_drops);
    TunnelCounters {
        rx_packets: counters.rx_packets,
        rx_bytes: counters.rx_bytes,
        tx_packets: counters.tx_packets,
        tx_bytes: counters.tx_bytes,
        replay_drops: counters.replay_drops,
        auth_drops: counters.auth_drops,
        other_drops: others.wrapping_add(counters.seal_drops),
    }
}

/// Where a peer is: its port as well, where its packets are in UDP.
pub(super) fn shown(remote: Remote) -> String {
    match remote.port {
        0 => remote.address.to_string(),
        port => SocketAddr::new(remote.address, port).to_string(),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The one there is (RFC 4106).
const CIPHER: &str = "AES-256-GCM";
