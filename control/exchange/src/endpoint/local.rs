use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use super::peer::Peer;
use super::{Credentials, Setup};
use crate::channel::{Probe, Terms};
use crate::primitive::Backend;
use crate::profile::{Auth, Profile};
use crate::refusal::Refusal;
use crate::schedule::PolicyHash;
use crate::selftest::Proven;
use crate::session::{Host, PeerId};
use crate::tls::{self, Check, Group, Side, SpkiHash, Tickets, TlsError, algorithms, signature_of};

/// What sessions ask for.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) proven: Proven,
    pub(super) backend: Backend,
    pub(super) credentials: Credentials,
    pub(super) clock: Arc<dyn TimeProvider>,
    pub(super) server: Arc<ServerConfig>,
    /// Sessions that peers may resume with us.
    pub(super) tickets: Arc<Tickets>,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    pub(super) next_peer: usize,
    /// Queues from which we send; none while there is no data plane.
    pub(super) queues: u16,
    /// SPIs of each epoch that is not yet wiped.
    pub(super) spis: BTreeSet<u32>,
    seen: BTreeMap<PeerId, Arrived>,
}

impl Local {
    pub(super) fn new(setup: Setup) -> Result<Self, TlsError> {
        let Setup { proven, backend, credentials, clock, .. } = setup;
        let tickets = Arc::default();
        let side = Side {
            proven,
            backend,
            profiles: vec![Profile::default()],
            identity: credentials.identity.clone(),
            trust: Arc::clone(&credentials.trust),
            tickets: Arc::clone(&tickets),
            clock: Arc::clone(&clock),
        };
        Ok(Self {
            server: Arc::new(tls::server(side)?),
            tickets,
            proven,
            backend,
            credentials,
            clock,
            peers: BTreeMap::new(),
            next_peer: 0,
            queues: 0,
            spis: BTreeSet::new(),
            seen: BTreeMap::new(),
        })
    }

    /// What one side of a channel needs for these profiles.
    pub(super) fn side(&self, profiles: Vec<Profile>, tickets: &Arc<Tickets>) -> Side {
        Side {
            proven: self.proven,
            backend: self.backend,
            profiles,
            identity: self.credentials.identity.clone(),
            trust: Arc::clone(&self.credentials.trust),
            tickets: Arc::clone(tickets),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Profiles of the peers, each once.
    pub(super) fn profiles(&self) -> Vec<Profile> {
        let is_used =
            |profile: &Profile| self.peers.values().any(|peer| peer.config.settings.profile == *profile);
        Profile::ALL.into_iter().filter(is_used).collect()
    }

    /// Until when a session must have keys after its start; of a stranger the longest of the peers' times.
    pub(super) fn deadline(&self, peer: Option<PeerId>) -> Duration {
        let deadline = |peer: &Peer| peer.config.settings.deadline;
        match peer.and_then(|peer| self.peers.get(&peer)) {
            Some(peer) => deadline(peer),
            None => self.peers.values().map(deadline).max().unwrap_or(STRANGER),
        }
    }

    /// A probe of the path's MTU arrived.
    pub(super) fn saw(&mut self, peer: PeerId, size: u16) {
        if self.peers.contains_key(&peer) {
            let arrived = self.seen.entry(peer).or_default();
            arrived.largest = size.max(arrived.largest);
        }
    }

    /// A peer is no more.
    pub(super) fn forget_probes(&mut self, peer: PeerId) {
        self.seen.remove(&peer);
    }

    /// Whether the certificates that a peer showed are still trusted.
    pub(super) fn trusts(&self, profile: Profile, chain: &[CertificateDer<'_>]) -> Result<(), Refusal> {
        let (certificate, intermediates) = chain.split_first().ok_or(Refusal::NoCertificate)?;
        let algorithms = algorithms(self.backend, &[profile]);
        let check = Check { algorithms: &algorithms, usage: KeyUsage::client_auth() };
        self.credentials.trust.check(certificate, intermediates, self.wall(), check)
    }
}

/// What came of a peer's probes of the path's MTU.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    /// The one that it tells of now.
    probe: Option<u32>,
    /// Bytes of the largest that came since.
    largest: u16,
}

impl Host for Local {
    fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    fn ours(&self) -> SpkiHash {
        self.credentials.identity.spki()
    }

    fn peer_of(&self, certificate: &CertificateDer<'_>) -> Option<PeerId> {
        self.peers.iter().find(|(_, peer)| peer.config.trust.is(certificate)).map(|(id, _)| *id)
    }

    fn admits(&self, peer: PeerId, group: Group, chain: &[CertificateDer<'_>]) -> Result<(), Refusal> {
        let profile = self.peers.get(&peer).ok_or(Refusal::WrongPeer)?.config.settings.profile;
        let is_strong =
            chain.first().and_then(signature_of).is_some_and(|signature| profile.accepts(signature));
        if profile.group() != group || !is_strong {
            return Err(Refusal::NothingInCommon);
        }
        // With one profile TLS has looked at exactly this.
        if self.profiles().len() < 2 { Ok(()) } else { self.trusts(profile, chain) }
    }

    fn terms(&self, peer: PeerId) -> Terms {
        let state = self.peers.get(&peer);
        let auth = state.map_or_else(Auth::default, |state| state.config.settings.auth);
        let classical = self.credentials.classical.clone();
        Terms {
            mode: state.map_or_else(Default::default, |state| state.config.mode),
            auth,
            classical: classical.filter(|_| auth == Auth::MlDsaAndClassical),
            classical_peer: state
                .and_then(|state| state.config.classical.clone())
                .filter(|_| auth == Auth::MlDsaAndClassical),
            // None is refused by the channel.
            queues: if state.is_some() { self.queues } else { 0 },
            policy: state.map_or(PolicyHash([0; 48]), |state| state.config.policy),
            last_epoch: state.map_or(0, |state| state.last_epoch),
        }
    }

    fn wall(&self) -> UnixTime {
        // A clock that fails is one at which every certificate has yet to begin.
        self.clock.current_time().unwrap_or(UnixTime::since_unix_epoch(Duration::ZERO))
    }

    fn resumable(&self) -> Duration {
        let every = self.peers.values().map(|peer| peer.config.settings.full_handshake_every);
        every.max().unwrap_or(Duration::ZERO)
    }

    fn fresh_spi(&mut self) -> Option<u32> {
        for _ in 0..16 {
            let mut bytes = [0; 4];
            aws_lc_rs::rand::fill(&mut bytes).ok()?;
            let spi = u32::from_be_bytes(bytes);
            if spi > crate::channel::RESERVED_SPIS && self.spis.insert(spi) {
                return Some(spi);
            }
        }
        None
    }

    fn has_seen(&mut self, peer: PeerId, probe: Probe) -> bool {
        let arrived = self.seen.entry(peer).or_default();
        if arrived.probe != Some(probe.id) {
            // What came before it was told of was another: the path may have become narrower since.
            *arrived = Arrived { probe: Some(probe.id), largest: 0 };
        }
        // ESP pads to four bytes, so the largest packet within a size may be up to three shorter.
        arrived.largest.saturating_add(3) >= probe.size
    }
}

/// Where there are no peers nobody is let in at all.
const STRANGER: Duration = Duration::from_secs(5);
