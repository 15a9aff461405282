//! All peers of one daemon: who is called when, which session's keys are used, who is refused. No I/O; time is an
//! argument. [`Driver`] connects it to TCP.

mod changes;
mod driver;
mod local;
mod peer;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rustls::time_provider::TimeProvider;

use crate::channel::{Close, Keys, Notice, Probe};
use crate::classical::Classical;
use crate::gate::{Gate, Limits};
use crate::primitive::Backend;
use crate::refusal::{Refusal, Refusals};
use crate::schedule::Role;
use crate::selftest::Proven;
use crate::session::{PeerId, Session, SessionFacts};
use crate::tls::{Identity, TlsError, Trust};
use local::Local;
use peer::{STOPPING, Up};

pub use driver::{Driver, Waker};
pub use peer::{PeerConfig, PeerStatus};

/// What an endpoint is made of. Its peers come with [`Endpoint::add`].
#[derive(Debug)]
pub struct Setup {
    /// That the self-test passed.
    pub proven: Proven,
    /// The library that computes.
    pub backend: Backend,
    /// Who we are and whom we trust.
    pub credentials: Credentials,
    /// How much is taken on.
    pub limits: Limits,
    /// The wall clock, by which certificates expire.
    pub clock: Arc<dyn TimeProvider>,
}

/// Who we are and whom we trust.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Our certificate and key.
    pub identity: Identity,
    /// Our classical key, where a peer's authentication wants one.
    pub classical: Option<Classical>,
    /// Whom we trust: the peers' authorities and pinned keys.
    pub trust: Arc<Trust>,
}

/// What the owner of an endpoint is to do or to know.
#[derive(Debug)]
pub enum Event {
    /// Keys of a new epoch: install the inbound SAs, then call [`Endpoint::installed`].
    Keys {
        /// With this peer.
        peer: PeerId,
        /// The SAs.
        keys: Box<Keys>,
    },
    /// Send a probe on each outbound SA of this epoch; when one of the peer arrives, call [`Endpoint::heard`].
    Probe {
        /// To this peer.
        peer: PeerId,
        /// Of this epoch.
        epoch: u64,
    },
    /// Send on the SAs of this epoch from now on.
    Up {
        /// To this peer.
        peer: PeerId,
        /// Of this epoch.
        epoch: u64,
        /// The session.
        facts: SessionFacts,
    },
    /// Wipe the SAs of this epoch, both directions.
    Wipe {
        /// With this peer.
        peer: PeerId,
        /// Of this epoch.
        epoch: u64,
    },
    /// The hard limit: send nothing more on the SAs of this epoch.
    Expired {
        /// With this peer.
        peer: PeerId,
        /// Of this epoch.
        epoch: u64,
    },
    /// The peer has no SAs any more: send nothing, wipe all but those that are on their way.
    Down {
        /// This peer.
        peer: PeerId,
        /// Whether keys of another session are on their way, so that all others are named by events of their own.
        has_next: bool,
    },
    /// A probe of the path's MTU arrived at the peer.
    ProbeSeen {
        /// At this peer.
        peer: PeerId,
        /// The probe.
        probe: Probe,
    },
    /// Somebody was refused, or refused us.
    Refused {
        /// Who, as far as it is known.
        peer: Option<PeerId>,
        /// From where, if it called us.
        from: Option<IpAddr>,
        /// Why.
        refusal: Refusal,
    },
}

/// A connection to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dial {
    /// The session that it is for.
    pub session: u64,
    /// Where to.
    pub address: SocketAddr,
}

/// All peers of one daemon.
#[derive(Debug)]
pub struct Endpoint {
    local: Local,
    gate: Gate,
    sessions: BTreeMap<u64, Entry>,
    next_session: u64,
    events: VecDeque<Event>,
    dials: VecDeque<Dial>,
    refusals: Arc<Refusals>,
}

#[derive(Debug)]
struct Entry {
    session: Session,
    from: Option<IpAddr>,
}

impl Endpoint {
    /// An endpoint without peers. It calls them and listens to them once there is a data plane
    /// ([`set_queues`](Self::set_queues)).
    ///
    /// # Errors
    ///
    /// [`TlsError`] where TLS cannot be configured.
    pub fn new(setup: Setup, now: Instant) -> Result<Self, TlsError> {
        let gate = Gate::new(Vec::new(), setup.limits, now);
        let (sessions, events, dials) = (BTreeMap::new(), VecDeque::new(), VecDeque::new());
        let local = Local::new(setup)?;
        Ok(Self { local, gate, sessions, next_session: 1, events, dials, refusals: Arc::default() })
    }

    /// Where refusals are counted.
    pub fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    /// How every peer is doing, in the order in which they came.
    pub fn status(&self) -> Vec<PeerStatus> {
        self.local.peers.iter().map(|(id, peer)| peer.status(*id)).collect()
    }

    /// Somebody connected to us.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed at once; counted.
    pub fn accepted(&mut self, from: IpAddr, now: Instant) -> Result<u64, Refusal> {
        if self.local.queues == 0 {
            self.refusals.count(Refusal::NoDataPlane);
            return Err(Refusal::NoDataPlane);
        }
        let is_half_open = |entry: &&Entry| entry.from.is_some() && !entry.session.is_keyed();
        let half_open = self.sessions.values().filter(is_half_open).count();
        match self.gate.admit(from, half_open, now) {
            Ok(()) => Ok(self.open(Session::accept(now), Some(from))),
            Err(refusal) => {
                // No event: a flood of them would be one of those.
                self.refusals.count(refusal);
                Err(refusal)
            }
        }
    }

    fn open(&mut self, session: Session, from: Option<IpAddr>) -> u64 {
        let id = self.next_session;
        self.next_session += 1;
        self.sessions.insert(id, Entry { session, from });
        id
    }

    /// Bytes came on a session's connection.
    pub fn received(&mut self, session: u64, bytes: &[u8], now: Instant) {
        let Some(entry) = self.sessions.get_mut(&session) else { return };
        let result = entry.session.receive(bytes, &mut self.local);
        self.take_notices(session, now);
        if let Err(refusal) = result {
            self.refused(session, refusal, now);
        }
    }

    fn take_notices(&mut self, session: u64, now: Instant) {
        loop {
            let Some(entry) = self.sessions.get_mut(&session) else { return };
            let (Some(facts), Some(notice)) = (entry.session.facts(), entry.session.notice()) else { return };
            let peer = facts.peer;
            match notice {
                Notice::Keys(keys) => {
                    if let Some(state) = self.local.peers.get_mut(&peer) {
                        state.last_epoch = state.last_epoch.max(keys.epoch);
                    }
                    self.events.push_back(Event::Keys { peer, keys });
                }
                Notice::Probe { epoch } => self.events.push_back(Event::Probe { peer, epoch }),
                Notice::Up { epoch } => self.came_up(session, epoch, facts, now),
                Notice::ProbeSeen(probe) => self.events.push_back(Event::ProbeSeen { peer, probe }),
                Notice::Alive(_) => {
                    if let Some(state) = self.local.peers.get_mut(&peer) {
                        state.unanswered = 0;
                    }
                }
                Notice::Closed(close) => self.peer_closed(session, facts, close, now),
            }
        }
    }

    fn came_up(&mut self, session: u64, epoch: u64, facts: SessionFacts, now: Instant) {
        let random = random();
        let Some(state) = self.local.peers.get_mut(&facts.peer) else { return };
        let up = Up { epoch, since: now, facts, expired: false };
        let replaced = if state.up.is_some_and(|current| current.epoch > epoch) {
            // Both sides called at once, and the other call was quicker: these keys are good but not the newest.
            state.lingering.push((epoch, now + state.config.settings.linger));
            Some(session)
        } else {
            self.events.push_back(Event::Up { peer: facts.peer, epoch, facts });
            let chain = self.sessions.get(&session).map(|entry| entry.session.chain().to_vec());
            state.chain = chain.unwrap_or_default();
            state.came_up(session, up, random)
        };
        if let Some(entry) = replaced.and_then(|replaced| self.sessions.get_mut(&replaced)) {
            entry.session.close(Close::Replaced);
        }
    }

    fn peer_closed(&mut self, session: u64, facts: SessionFacts, close: Close, now: Instant) {
        let peer = facts.peer;
        // What was said on a slow connection may come after the keys of the next.
        let is_next = |(id, entry): (&u64, &Entry)| {
            *id != session && entry.session.peer() == Some(peer) && entry.session.has_unused_keys()
        };
        let has_next = self.sessions.iter().any(is_next);
        let Some(state) = self.local.peers.get_mut(&peer) else { return };
        if close == Close::Stopping && state.session == Some(session) {
            let gone = state.went_down(now).map(|up| up.epoch).into_iter();
            let gone = gone.chain(state.lingering.drain(..).map(|(epoch, _)| epoch));
            let gone: Vec<u64> = gone.chain(state.adopted.drain(..)).collect();
            if has_next {
                self.events.extend(gone.into_iter().map(|epoch| Event::Wipe { peer, epoch }));
            }
            self.events.push_back(Event::Down { peer, has_next });
        }
        if close == Close::Refused {
            self.refused(session, Refusal::RefusedByPeer, now);
        } else if let Some(entry) = self.sessions.get_mut(&session) {
            if entry.session.has_unused_keys() {
                self.events.push_back(Event::Wipe { peer: facts.peer, epoch: entry.session.epoch() });
            }
            if !entry.session.is_up() && entry.session.role() == Role::Initiator {
                state.try_again(now);
            }
            entry.session.close(Close::Replaced);
        }
    }

    /// Counts and tells a refusal, and wipes keys that never came into use.
    fn refused(&mut self, session: u64, refusal: Refusal, now: Instant) {
        let Some(entry) = self.sessions.get_mut(&session) else { return };
        let (peer, from, role) = (entry.session.peer(), entry.from, entry.session.role());
        let unused = entry.session.has_unused_keys().then(|| entry.session.epoch());
        self.refusals.count(refusal);
        self.events.push_back(Event::Refused { peer, from, refusal });
        if let (Some(peer), Some(epoch)) = (peer, unused) {
            self.events.push_back(Event::Wipe { peer, epoch });
        }
        let state = peer.and_then(|peer| self.local.peers.get_mut(&peer));
        if let Some(state) = state {
            (state.refused, state.last_refusal) = (state.refused + 1, Some(refusal));
            if role == Role::Initiator {
                state.failed(now, random());
            }
        }
        if !self.sessions.get(&session).is_some_and(|entry| entry.session.is_ended()) {
            self.end(session);
        }
    }

    fn end(&mut self, session: u64) {
        if let Some(entry) = self.sessions.get_mut(&session) {
            entry.session.close(Close::Refused);
        }
    }

    /// What is to be sent on a session's connection, appended; whether the connection is to be closed after it.
    pub fn transmit(&mut self, session: u64, out: &mut Vec<u8>) -> After {
        let Some(entry) = self.sessions.get_mut(&session) else { return After::Close };
        entry.session.transmit(out);
        if entry.session.is_ended() { After::Close } else { After::Keep }
    }

    /// Whether a session ended, so that its connection need not be waited for.
    pub fn is_over(&self, session: u64) -> bool {
        self.sessions.get(&session).is_none_or(|entry| entry.session.is_ended())
    }

    /// A session's connection is gone: reset, closed or never made. Keys that are in use stay.
    pub fn lost(&mut self, session: u64, now: Instant) {
        let Some(entry) = self.sessions.get(&session) else { return };
        let (peer, ended) = (entry.session.peer(), entry.session.is_ended());
        if !entry.session.is_up() && !ended {
            self.refused(session, Refusal::ClosedEarly, now);
        }
        self.sessions.remove(&session);
        if let Some(state) = peer.and_then(|peer| self.local.peers.get_mut(&peer))
            && state.session == Some(session)
        {
            state.connection_lost(now);
        }
    }

    /// Does what is due: deadlines, attempts, keep-alives, wiping. Call it at least every 100 ms.
    pub fn tick(&mut self, now: Instant) {
        let overdue: Vec<u64> = self
            .sessions
            .iter()
            .filter(|(_, entry)| {
                let deadline = self.local.deadline(entry.session.peer());
                // Two round trips and the data plane's work come after the keys.
                let limit = if entry.session.is_keyed() { deadline * 2 } else { deadline };
                !entry.session.is_up() && !entry.session.is_ended() && now >= entry.session.started() + limit
            })
            .map(|(id, _)| *id)
            .collect();
        for session in overdue {
            self.refused(session, Refusal::Deadline, now);
        }
        let peers: Vec<PeerId> = self.local.peers.keys().copied().collect();
        for peer in peers {
            self.expire(peer, now);
            self.keep_alive(peer, now);
            self.attempt(peer, now);
        }
    }

    fn expire(&mut self, peer: PeerId, now: Instant) {
        let Some(state) = self.local.peers.get_mut(&peer) else { return };
        let hard_age = state.config.settings.hard_age;
        let due: Vec<u64> =
            state.lingering.extract_if(.., |(_, until)| now >= *until).map(|(epoch, _)| epoch).collect();
        self.events.extend(due.into_iter().map(|epoch| Event::Wipe { peer, epoch }));
        if let Some(up) = state.up.as_mut().filter(|up| !up.expired && now >= up.since + hard_age) {
            up.expired = true;
            self.events.push_back(Event::Expired { peer, epoch: up.epoch });
        }
    }

    fn keep_alive(&mut self, peer: PeerId, now: Instant) {
        let Some(state) = self.local.peers.get_mut(&peer).filter(|state| now >= state.next_ping) else {
            return;
        };
        let Some(session) = state.session else { return };
        state.next_ping = now + state.config.settings.keepalive;
        state.unanswered += 1;
        let dead = state.unanswered > MAX_UNANSWERED;
        let Some(entry) = self.sessions.get_mut(&session) else { return };
        if dead {
            entry.session.close(Close::Replaced);
            state.connection_lost(now);
        } else if entry.session.with_channel(|channel| channel.ping(u64::from(state.unanswered))).is_err() {
            entry.session.close(Close::Replaced);
        }
    }

    fn attempt(&mut self, peer: PeerId, now: Instant) {
        if self.local.queues == 0 {
            return;
        }
        let Some(state) = self.local.peers.get_mut(&peer) else { return };
        let Some(address) = state.config.address.filter(|_| now >= state.next_attempt) else { return };
        let is_attempt = |entry: &Entry| {
            entry.session.peer() == Some(peer) && !entry.session.is_up() && !entry.session.is_ended()
        };
        if self.sessions.values().any(is_attempt) {
            return;
        }
        if now >= state.full_at {
            state.tickets.forget();
        }
        // Until it is known how this attempt ends; success and failure both plan the next.
        state.next_attempt = now + state.config.settings.deadline * 3;
        if let Ok(session) = Session::initiate(Arc::clone(&state.client), peer, now) {
            let session = self.open(session, None);
            self.dials.push_back(Dial { session, address });
        }
    }

    /// Inbound SAs of this epoch are in place.
    pub fn installed(&mut self, peer: PeerId, epoch: u64, now: Instant) {
        self.on_channel(peer, epoch, now, crate::channel::Channel::installed);
    }

    /// The data plane did not take the keys of this epoch: its session ends.
    pub fn not_installed(&mut self, peer: PeerId, epoch: u64, why: NotInstalled, now: Instant) {
        let is_it = |(_, entry): &(&u64, &Entry)| {
            entry.session.peer() == Some(peer) && entry.session.is_keyed() && entry.session.epoch() == epoch
        };
        let Some(id) = self.sessions.iter().find(is_it).map(|(id, _)| *id) else { return };
        match why {
            NotInstalled::Failed => self.refused(id, Refusal::NoDataPlane, now),
            // Both sides called at once, and the other call was quicker.
            NotInstalled::Overtaken => {
                if let Some(entry) = self.sessions.get_mut(&id) {
                    entry.session.close(Close::Replaced);
                }
            }
        }
    }

    /// A packet with a good tag arrived on an SA of this epoch.
    pub fn heard(&mut self, peer: PeerId, epoch: u64, now: Instant) {
        self.on_channel(peer, epoch, now, crate::channel::Channel::heard);
    }

    fn on_channel(&mut self, peer: PeerId, epoch: u64, now: Instant, act: fn(&mut crate::channel::Channel)) {
        let is_it = |(_, entry): &(&u64, &mut Entry)| {
            entry.session.peer() == Some(peer) && entry.session.is_keyed() && entry.session.epoch() == epoch
        };
        let Some((id, entry)) = self.sessions.iter_mut().find(is_it) else { return };
        let id = *id;
        match entry.session.with_channel(act) {
            Ok(()) => self.take_notices(id, now),
            Err(refusal) => self.refused(id, refusal, now),
        }
    }

    /// New keys soon: an SA of this peer has sent many packets.
    pub fn rekey(&mut self, peer: PeerId, now: Instant) {
        if let Some(state) = self.local.peers.get_mut(&peer) {
            state.next_attempt = now;
        }
    }

    /// A full handshake and new keys, now.
    pub fn rotate(&mut self, peer: PeerId, now: Instant) {
        if let Some(state) = self.local.peers.get_mut(&peer) {
            (state.full_at, state.next_attempt) = (now, now);
        }
    }

    /// Tells the peer of a probe of the path's MTU that the data plane sent.
    pub fn probe(&mut self, peer: PeerId, probe: Probe) {
        let session = self.local.peers.get(&peer).and_then(|state| state.session);
        if let Some(entry) = session.and_then(|session| self.sessions.get_mut(&session)) {
            let _ = entry.session.with_channel(|channel| channel.probe(probe));
        }
    }

    /// A probe of the peer's data plane arrived at ours, in an outer packet of so many bytes.
    pub fn probe_arrived(&mut self, peer: PeerId, size: u16) {
        self.local.saw(peer, size);
    }

    /// The SPIs of an epoch are free again, once its SAs are wiped.
    pub fn wiped(&mut self, spis: impl IntoIterator<Item = u32>) {
        for spi in spis {
            self.local.spis.remove(&spi);
        }
    }

    /// Tells every peer that our SAs are gone.
    pub fn stop(&mut self) {
        for entry in self.sessions.values_mut() {
            entry.session.close(STOPPING);
        }
    }

    /// What the owner is to do or to know, oldest first.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next connection to be made.
    pub fn dial(&mut self) -> Option<Dial> {
        self.dials.pop_front()
    }
}

/// Why a data plane did not take keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInstalled {
    /// It could not.
    Failed,
    /// It has newer ones.
    Overtaken,
}

/// What becomes of a connection after what is sent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It is closed.
    Close,
}

/// 16 random bits; none is no jitter.
fn random() -> u16 {
    let mut bytes = [0; 2];
    aws_lc_rs::rand::fill(&mut bytes).map_or(0, |()| u16::from_be_bytes(bytes))
}

const MAX_UNANSWERED: u32 = 3;
