//! Peers that come, change and go, new credentials, and a data plane that comes and goes, while keys of the others are in use.

use std::sync::Arc;
use std::time::Instant;

use rustls::{ClientConfig, ServerConfig};

use super::peer::{Peer, STOPPING};
use super::{Credentials, Endpoint, Event, PeerConfig};
use crate::gate::Limits;
use crate::profile::Profile;
use crate::session::PeerId;
use crate::tls::{self, Tickets, TlsError};

impl Endpoint {
    /// A new peer; it is called at once.
    ///
    /// # Errors
    ///
    /// [`TlsError`] where TLS cannot be configured.
    pub fn add(&mut self, config: PeerConfig, now: Instant) -> Result<PeerId, TlsError> {
        // Never one that was used before: what is still under way for an old peer is not for this one.
        let id = PeerId(self.local.next_peer);
        self.local.next_peer += 1;
        let tickets = Arc::default();
        let client =
            tls::client(self.local.side(vec![config.settings.profile], &tickets), config.trust.clone())?;
        self.local.peers.insert(id, Peer::new(config, Arc::new(client), tickets, now));
        self.listen_to_peers()?;
        Ok(id)
    }

    /// Another configuration of a peer. Its keys stay in use until there are new ones, which are negotiated at once where
    /// both sides must mean the same; where the peer is another one now, remove it and add the new one.
    ///
    /// # Errors
    ///
    /// [`TlsError`] where TLS cannot be configured.
    pub fn change(&mut self, peer: PeerId, config: PeerConfig, now: Instant) -> Result<(), TlsError> {
        let Some(state) = self.local.peers.get(&peer) else { return Ok(()) };
        let needs_keys = state.config.needs_keys_for(&config);
        let tickets = Arc::default();
        let client =
            tls::client(self.local.side(vec![config.settings.profile], &tickets), config.trust.clone())?;
        if let Some(state) = self.local.peers.get_mut(&peer) {
            if needs_keys {
                (state.client, state.tickets) = (Arc::new(client), tickets);
                (state.full_at, state.next_attempt, state.failures) = (now, now, 0);
            }
            state.config = config;
        }
        self.listen_to_peers()
    }

    /// A peer that is no more. It is told, and its keys are to be wiped.
    ///
    /// # Errors
    ///
    /// [`TlsError`] where TLS cannot be configured.
    pub fn remove(&mut self, peer: PeerId, now: Instant) -> Result<(), TlsError> {
        self.drop_keys(peer, now);
        self.local.peers.remove(&peer);
        self.local.forget_probes(peer);
        self.listen_to_peers()
    }

    /// Other credentials: a renewed certificate, another authority, a newer revocation list. Keys stay in use until a full
    /// handshake has brought new ones; those of a peer that is no longer trusted are dropped now.
    ///
    /// # Errors
    ///
    /// [`TlsError`] where TLS cannot be configured; the old ones stay then.
    pub fn set_credentials(&mut self, credentials: Credentials, now: Instant) -> Result<(), TlsError> {
        let old = std::mem::replace(&mut self.local.credentials, credentials);
        let tickets = Arc::default();
        let made = self.clients().and_then(|clients| Ok((clients, self.server(&tickets)?)));
        let (clients, server) = match made {
            Ok(made) => made,
            Err(error) => {
                self.local.credentials = old;
                return Err(error);
            }
        };
        (self.local.server, self.local.tickets) = (server, tickets);
        for (peer, (client, tickets)) in self.local.peers.values_mut().zip(clients) {
            (peer.client, peer.tickets) = (client, tickets);
            (peer.full_at, peer.next_attempt, peer.failures) = (now, now, 0);
        }
        let is_distrusted = |peer: &Peer| {
            peer.up.is_some() && self.local.trusts(peer.config.settings.profile, &peer.chain).is_err()
        };
        let peers = self.local.peers.iter();
        let distrusted: Vec<PeerId> =
            peers.filter(|(_, peer)| is_distrusted(peer)).map(|(id, _)| *id).collect();
        for peer in distrusted {
            self.drop_keys(peer, now);
        }
        Ok(())
    }

    fn clients(&self) -> Result<Vec<Client>, TlsError> {
        let client = |peer: &Peer| {
            let tickets = Arc::default();
            let side = self.local.side(vec![peer.config.settings.profile], &tickets);
            Ok((Arc::new(tls::client(side, peer.config.trust.clone())?), tickets))
        };
        self.local.peers.values().map(client).collect()
    }

    fn server(&self, tickets: &Arc<Tickets>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut profiles = self.local.profiles();
        if profiles.is_empty() {
            profiles.push(Profile::default());
        }
        Ok(Arc::new(tls::server(self.local.side(profiles, tickets))?))
    }

    /// Other limits to what is taken on.
    pub fn set_limits(&mut self, limits: Limits, now: Instant) {
        self.gate.limit(limits, now);
    }

    /// Queues of the data plane from which we send, 1 to [`MAX_QUEUES`](crate::channel::MAX_QUEUES); 0 while there is none:
    /// then nobody is called or let in. Another number is for the next keys.
    pub fn set_queues(&mut self, queues: u16, now: Instant) {
        if self.local.queues == 0 && queues > 0 {
            for peer in self.local.peers.values_mut() {
                peer.next_attempt = peer.next_attempt.min(now);
            }
        }
        self.local.queues = queues;
    }

    /// The data plane has keys of these epochs from before this program's start: newer epochs have larger numbers, and
    /// once new keys are in use these are wiped like any older ones.
    pub fn adopt(&mut self, peer: PeerId, epochs: &[u64]) {
        let Some(state) = self.local.peers.get_mut(&peer) else { return };
        for epoch in epochs {
            state.last_epoch = state.last_epoch.max(*epoch);
            let is_known = state.up.is_some_and(|up| up.epoch == *epoch)
                || state.lingering.iter().any(|(known, _)| known == epoch);
            if !is_known && !state.adopted.contains(epoch) {
                state.adopted.push(*epoch);
            }
        }
    }

    /// Our SAs with a peer are gone, as after a start of the data plane: it is told, so that it does not send into the
    /// void, and new keys are negotiated at once.
    pub fn lost_keys(&mut self, peer: PeerId, now: Instant) {
        self.drop_keys(peer, now);
        if let Some(state) = self.local.peers.get_mut(&peer) {
            (state.next_attempt, state.failures) = (now, 0);
        }
    }

    /// Ends every session with a peer, tells it that our SAs are gone, and has them wiped.
    fn drop_keys(&mut self, peer: PeerId, now: Instant) {
        for entry in self.sessions.values_mut().filter(|entry| entry.session.peer() == Some(peer)) {
            entry.session.close(STOPPING);
        }
        if let Some(state) = self.local.peers.get_mut(&peer) {
            state.went_down(now);
            state.lingering.clear();
            state.adopted.clear();
            self.events.push_back(Event::Down { peer, has_next: false });
        }
    }

    /// Lets in whom the peers' prefixes allow, with the groups and signatures that their profiles have.
    fn listen_to_peers(&mut self) -> Result<(), TlsError> {
        let prefixes = self.local.peers.values().flat_map(|peer| peer.config.prefixes.iter().copied());
        self.gate.allow(prefixes.collect());
        self.local.server = self.server(&Arc::clone(&self.local.tickets))?;
        Ok(())
    }
}

/// TLS as a client of one peer, with the sessions that it may resume.
type Client = (Arc<ClientConfig>, Arc<Tickets>);
