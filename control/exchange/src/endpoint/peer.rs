use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;

use crate::channel::Close;
use crate::gate::Prefix;
use crate::profile::Settings;
use crate::refusal::Refusal;
use crate::schedule::{Mode, PolicyHash};
use crate::session::{PeerId, SessionFacts};
use crate::tls::{PeerTrust, Tickets};

/// A peer, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Groups, signatures, intervals.
    pub settings: Settings,
}

impl PeerConfig {
    /// Whether keys that were agreed on with this configuration must be replaced with the other one.
    pub(super) fn needs_keys_for(&self, other: &Self) -> bool {
        let agreed =
            |config: &Self| (config.mode, config.policy, config.settings.profile, config.settings.auth);
        agreed(self) != agreed(other) || self.trust != other.trust || self.classical != other.classical
    }
}

/// How a peer is doing.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Which peer.
    pub id: PeerId,
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
    /// Sessions with it that were refused by either side.
    pub refused: u64,
    /// Why the last of them was.
    pub last_refusal: Option<Refusal>,
    /// When the last full handshake led to keys.
    pub full_handshake: Option<Instant>,
    /// Whether the channel that the keys came from is still open.
    pub is_connected: bool,
    /// Whether sending stopped at the hard limit.
    pub is_expired: bool,
}

/// What the endpoint holds of a peer.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) config: PeerConfig,
    pub(super) client: Arc<ClientConfig>,
    pub(super) tickets: Arc<Tickets>,
    /// The certificates that it showed for the keys in use.
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) last_epoch: u64,
    /// The session of the keys in use, as long as its connection lives.
    pub(super) session: Option<u64>,
    pub(super) up: Option<Up>,
    pub(super) lingering: Vec<(u64, Instant)>,
    /// Epochs of which the data plane has had keys since before the start of this program.
    pub(super) adopted: Vec<u64>,
    pub(super) next_attempt: Instant,
    pub(super) full_at: Instant,
    pub(super) next_ping: Instant,
    pub(super) unanswered: u32,
    pub(super) failures: u32,
    pub(super) full_handshakes: u64,
    pub(super) rekeys: u64,
    pub(super) refused: u64,
    pub(super) last_refusal: Option<Refusal>,
    pub(super) full_handshake: Option<Instant>,
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
    pub(super) fn new(
        config: PeerConfig,
        client: Arc<ClientConfig>,
        tickets: Arc<Tickets>,
        now: Instant,
    ) -> Self {
        Self {
            config,
            client,
            tickets,
            chain: Vec::new(),
            last_epoch: 0,
            session: None,
            up: None,
            lingering: Vec::new(),
            adopted: Vec::new(),
            next_attempt: now,
            full_at: now,
            next_ping: now,
            unanswered: 0,
            failures: 0,
            full_handshakes: 0,
            rekeys: 0,
            refused: 0,
            last_refusal: None,
            full_handshake: None,
        }
    }

    pub(super) fn status(&self, id: PeerId) -> PeerStatus {
        PeerStatus {
            id,
            name: self.config.name.clone(),
            epoch: self.up.map(|up| up.epoch),
            facts: self.up.map(|up| up.facts),
            since: self.up.map(|up| up.since),
            full_handshakes: self.full_handshakes,
            rekeys: self.rekeys,
            failures: self.failures,
            refused: self.refused,
            last_refusal: self.last_refusal,
            full_handshake: self.full_handshake,
            is_connected: self.session.is_some(),
            is_expired: self.up.is_some_and(|up| up.expired),
        }
    }

    /// New keys are in use: the older ones linger, and the next are planned.
    pub(super) fn came_up(&mut self, session: u64, up: Up, random: u16) -> Option<u64> {
        let settings = self.config.settings;
        if let Some(old) = self.up.replace(up) {
            self.lingering.push((old.epoch, up.since + settings.linger));
        }
        let adopted = self.adopted.drain(..).map(|epoch| (epoch, up.since + settings.linger));
        self.lingering.extend(adopted);
        if up.facts.resumed {
            self.rekeys += 1;
        } else {
            self.full_handshakes += 1;
            self.full_handshake = Some(up.since);
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

    /// An attempt ended without keys, and without a fault of either side.
    pub(super) fn try_again(&mut self, now: Instant) {
        self.next_attempt = self.next_attempt.min(now + FIRST_RETRY);
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
