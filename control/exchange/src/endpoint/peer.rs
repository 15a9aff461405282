use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::channel::Close;
use crate::classical::Classical;
use crate::gate::Prefix;
use crate::profile::Settings;
use crate::schedule::{Mode, PolicyHash};
use crate::session::SessionFacts;
use crate::tls::{PeerTrust, Tickets};

/// A peer, as it is configured.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its name, for people.
    pub name: String,
    /// What makes it this peer.
    pub trust: PeerTrust,
    /// What makes it this peer by its classical key, where that is wanted.
    pub classical: Option<PeerTrust>,
    /// Where it listens; none if only it calls us.
    pub address: Option<SocketAddr>,
    /// From where it calls us.
    pub prefixes: Vec<Prefix>,
    /// What the SAs carry.
    pub mode: Mode,
    /// Hash of the policy.
    pub policy: PolicyHash,
    /// Queues from which we send to it, 1 to 256.
    pub queues: u16,
}

/// How a peer is doing.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// The epoch we send with; none while there are no keys.
    pub epoch: Option<u64>,
    /// What is known of the session that these keys came from.
    pub facts: Option<SessionFacts>,
    /// Since when these keys are used.
    pub since: Option<Instant>,
    /// Full handshakes that led to keys.
    pub full_handshakes: u64,
    /// Resumptions that led to keys.
    pub rekeys: u64,
    /// Attempts that failed since the last success.
    pub failures: u32,
}

/// What the endpoint holds of a peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) config: PeerConfig,
    pub(super) client: Arc<ClientConfig>,
    pub(super) tickets: Arc<Tickets>,
    pub(super) classical: Option<Classical>,
    pub(super) last_epoch: u64,
    /// The session of the keys in use, as long as its connection lives.
    pub(super) session: Option<u64>,
    pub(super) up: Option<Up>,
    pub(super) lingering: Vec<(u64, Instant)>,
    pub(super) next_attempt: Instant,
    pub(super) full_at: Instant,
    pub(super) next_ping: Instant,
    pub(super) unanswered: u32,
    pub(super) failures: u32,
    pub(super) full_handshakes: u64,
    pub(super) rekeys: u64,
}

/// The keys in use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Up {
    pub(super) epoch: u64,
    pub(super) since: Instant,
    pub(super) facts: SessionFacts,
    pub(super) expired: bool,
}

impl Peer {
    pub(super) fn status(&self) -> PeerStatus {
        PeerStatus {
            name: self.config.name.clone(),
            epoch: self.up.map(|up| up.epoch),
            facts: self.up.map(|up| up.facts),
            since: self.up.map(|up| up.since),
            full_handshakes: self.full_handshakes,
            rekeys: self.rekeys,
            failures: self.failures,
        }
    }

    /// New keys are in use: the older ones linger, and the next are planned.
    pub(super) fn came_up(&mut self, session: u64, up: Up, settings: &Settings, random: u16) -> Option<u64> {
        if let Some(old) = self.up.replace(up) {
            self.lingering.push((old.epoch, up.since + settings.linger));
        }
        if up.facts.resumed {
            self.rekeys += 1;
        } else {
            self.full_handshakes += 1;
            self.full_at = up.since + settings.full_handshake_every;
        }
        self.failures = 0;
        self.unanswered = 0;
        self.next_ping = up.since + settings.keepalive;
        self.next_attempt = up.since + shortened(settings.rekey_every, random);
        // The one who leads rekeys; the other only where that did not happen.
        if !self.leads(&up.facts) {
            self.next_attempt += FOLLOWS_AFTER;
        }
        self.session.replace(session)
    }

    /// Which of two that could both call is the first to: the one who called last time.
    fn leads(&self, facts: &SessionFacts) -> bool {
        facts.role == crate::schedule::Role::Initiator
    }

    /// An attempt failed: the next one later and later, up to 30 s.
    pub(super) fn failed(&mut self, now: Instant, random: u16) {
        self.tickets.forget();
        self.failures = self.failures.saturating_add(1);
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.saturating_sub(1).min(10)).min(LAST_RETRY);
        let planned = now + shortened(wait, random);
        // Keys that are good are not renewed sooner for a failure.
        self.next_attempt = if self.up.is_some() { self.next_attempt.max(planned) } else { planned };
    }

    /// The connection of the keys in use is lost; they stay, and another connection is made.
    pub(super) fn connection_lost(&mut self, now: Instant) {
        self.session = None;
        let patience = match self.up {
            Some(up) if !self.leads(&up.facts) => FOLLOWER_RETRY,
            _ => FIRST_RETRY,
        };
        self.next_attempt = self.next_attempt.min(now + patience);
    }

    /// The peer said that its SAs are gone.
    pub(super) fn went_down(&mut self, now: Instant) -> Option<Up> {
        self.connection_lost(now);
        self.tickets.forget();
        self.up.take()
    }
}

/// Up to a tenth less, so that peers that started together do not stay together.
fn shortened(time: Duration, random: u16) -> Duration {
    time - time * u32::from(random) / (10 * u32::from(u16::MAX))
}

/// What a session that ends before it has keys tells the other side.
pub(super) const STOPPING: Close = Close::Stopping;

const FIRST_RETRY: Duration = Duration::from_millis(200);
const FOLLOWER_RETRY: Duration = Duration::from_millis(1200);
const LAST_RETRY: Duration = Duration::from_secs(30);
const FOLLOWS_AFTER: Duration = Duration::from_secs(20);
