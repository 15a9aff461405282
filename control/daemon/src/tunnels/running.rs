//! A key exchange that runs, and what changes of it while keys are in use.

use std::collections::BTreeMap;
use std::time::Instant;

use api::tunnel::{InstalledEpoch, Objection, PeerCounters, PeerName, Remote};
use exchange::credentials::Loaded;
use exchange::endpoint::{Driver, NotInstalled};
use exchange::profile::Auth;
use exchange::session::PeerId;

use super::path_mtu::PathMtu;
use super::plan::{Wanted, WantedPeer};

/// A key exchange that runs.
pub(super) struct Running {
    pub(super) driver: Driver,
    pub(super) loaded: Loaded,
    /// Queues of the data plane; none while it is not connected.
    pub(super) queues: u16,
    pub(super) peers: BTreeMap<PeerId, Known>,
    /// Why the newest files are not in use.
    pub(super) stale: Option<String>,
}

/// What is known of a peer beside what the endpoint knows.
pub(super) struct Known {
    pub(super) wanted: WantedPeer,
    /// SPIs of inbound SAs that the data plane has of us, by epoch.
    pub(super) spis: BTreeMap<u64, Vec<u32>>,
    /// Whether packets are sealed with keys of before our start.
    pub(super) has_old: bool,
    pub(super) remote: Option<Remote>,
    pub(super) counters: PeerCounters,
    /// Since when there have been no keys.
    pub(super) keyless: Option<Instant>,
    /// How large packets on the way to it may be.
    pub(super) path: PathMtu,
}

impl Known {
    fn new(wanted: WantedPeer, now: Instant) -> Self {
        Self {
            path: PathMtu::new(wanted.mtu, now),
            wanted,
            spis: BTreeMap::new(),
            has_old: false,
            remote: None,
            counters: PeerCounters::default(),
            keyless: Some(now),
        }
    }
}

impl Running {
    /// Brings peers, credentials and limits to what is wanted. Peers that stay as they are are not touched.
    pub(super) fn apply(&mut self, wanted: &Wanted, now: Instant) -> Result<(), String> {
        if self.loaded.files != wanted.files {
            self.loaded.files = wanted.files.clone();
            self.reload(now)?;
        }
        let wants_classical = |peer: &WantedPeer| peer.exchange.settings.auth == Auth::MlDsaAndClassical;
        if wanted.peers.iter().any(wants_classical) && self.loaded.credentials.classical.is_none() {
            return Err(format!(
                "{}: holds no classical key, which `auth = \"mldsa+classical\"` wants: `wirewarden pki init --classical ed25519`",
                self.loaded.files.identity.display()
            ));
        }
        let endpoint = self.driver.endpoint();
        endpoint.set_limits(wanted.limits, now);
        for (id, known) in &mut self.peers {
            let new = wanted.peers.iter().find(|peer| peer.name == known.wanted.name);
            let Some(new) = new.filter(|new| new.exchange.trust == known.wanted.exchange.trust) else {
                // Gone, or somebody else under its name.
                endpoint.remove(*id, now).map_err(|error| error.to_string())?;
                continue;
            };
            if *new != known.wanted {
                endpoint.change(*id, new.exchange.clone(), now).map_err(|error| error.to_string())?;
                if new.mtu != known.wanted.mtu {
                    known.path = PathMtu::new(new.mtu, now);
                }
                known.wanted = new.clone();
            }
        }
        for new in &wanted.peers {
            let is_known = |known: &Known| {
                known.wanted.name == new.name && known.wanted.exchange.trust == new.exchange.trust
            };
            if !self.peers.values().any(is_known) {
                let id = endpoint.add(new.exchange.clone(), now).map_err(|error| error.to_string())?;
                self.peers.insert(id, Known::new(new.clone(), now));
            }
        }
        self.driver.listen(wanted.listen).map_err(|error| {
            format!(
                "cannot listen at {}: {error}",
                wanted.listen.map_or_else(String::new, |at| at.to_string())
            )
        })
    }

    /// Which peer has this name.
    pub(super) fn peer_of(&self, name: &PeerName) -> Option<PeerId> {
        self.peers.iter().find(|(_, known)| known.wanted.name == *name).map(|(id, _)| *id)
    }

    /// What is known of the peer of this name.
    pub(super) fn known(&mut self, name: &PeerName) -> Option<&mut Known> {
        self.peers.values_mut().find(|known| known.wanted.name == *name)
    }

    /// The data plane did not do something with the keys of an epoch.
    pub(super) fn not_installed(&mut self, peer: PeerId, epoch: u64, why: Objection, now: Instant) {
        // It does not know what we take for the keys in use.
        if self.is_in_use(peer, epoch) {
            self.driver.endpoint().lost_keys(peer, now);
        }
        let how = match why {
            Objection::StaleEpoch => NotInstalled::Overtaken,
            _ => NotInstalled::Failed,
        };
        self.driver.endpoint().not_installed(peer, epoch, how, now);
    }

    /// The data plane wiped the keys of an epoch.
    pub(super) fn wiped(&mut self, peer: PeerId, epoch: u64, now: Instant) {
        if let Some(known) = self.peers.get_mut(&peer) {
            known.spis.remove(&epoch);
        }
        // Not by an order of ours: the peer is configured otherwise now.
        if self.is_in_use(peer, epoch) {
            self.driver.endpoint().lost_keys(peer, now);
        }
    }

    /// Whether these are the keys that we take for those in use.
    fn is_in_use(&mut self, peer: PeerId, epoch: u64) -> bool {
        let status = self.driver.endpoint().status();
        status.iter().any(|status| status.id == peer && status.epoch == Some(epoch))
    }

    /// Forgets the peers that [`apply`](Self::apply) removed, once their last orders are given.
    pub(super) fn forget_removed(&mut self) {
        let endpoint = self.driver.endpoint();
        let there: Vec<PeerId> = endpoint.status().iter().map(|status| status.id).collect();
        for (_, gone) in self.peers.extract_if(.., |id, _| !there.contains(id)) {
            endpoint.wiped(gone.spis.into_values().flatten());
        }
    }

    /// Reads the credentials anew.
    pub(super) fn reload(&mut self, now: Instant) -> Result<(), String> {
        let loaded = self.loaded.files.load().map_err(|error| error.to_string())?;
        self.driver
            .endpoint()
            .set_credentials(loaded.credentials.clone(), now)
            .map_err(|error| error.to_string())?;
        (self.loaded, self.stale) = (loaded, None);
        Ok(())
    }

    /// A data plane is connected: what it has of our keys goes on, what it has from before our start goes on until there
    /// are new ones, and what it has no longer is negotiated anew.
    pub(super) fn greet(&mut self, queues: u16, installed: &[InstalledEpoch], now: Instant) {
        self.queues = queues;
        let endpoint = self.driver.endpoint();
        let status = endpoint.status();
        for (id, known) in &mut self.peers {
            let of_peer = || installed.iter().filter(|one| one.peer == known.wanted.name);
            let has = |epoch: u64| of_peer().any(|one| one.epoch == epoch);
            let up = status.iter().find(|status| status.id == *id).and_then(|status| status.epoch);
            if up.is_some_and(|epoch| !of_peer().any(|one| one.epoch == epoch && one.is_up)) {
                endpoint.lost_keys(*id, now);
            }
            let gone: Vec<u64> = known.spis.keys().copied().filter(|epoch| !has(*epoch)).collect();
            for epoch in gone {
                endpoint.wiped(known.spis.remove(&epoch).unwrap_or_default());
            }
            let from_before: Vec<u64> =
                of_peer().map(|one| one.epoch).filter(|epoch| !known.spis.contains_key(epoch)).collect();
            known.has_old = up.is_none() && of_peer().any(|one| one.is_up);
            endpoint.adopt(*id, &from_before);
        }
        endpoint.set_queues(queues, now);
    }
}
