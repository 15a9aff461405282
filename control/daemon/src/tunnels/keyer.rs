//! The thread that agrees on keys with peers and gives them to the data plane.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

use api::config::TunnelConfig;
use api::control::{Health, Reason, Rotation, TunnelTable};
use api::tunnel::{Order, PeerName, Report};
use exchange::channel::{Keys, Probe};
use exchange::credentials::Complaint;
use exchange::endpoint::{Driver, Endpoint, Event, NotInstalled, Setup};
use exchange::selftest::Proven;
use exchange::session::PeerId;
use rustls::time_provider::DefaultTimeProvider;

use super::diary::{Diary, Weight};
use super::orders;
use super::path_mtu::Told;
use super::plan::{self, Wanted};
use super::plane_link::{Heard, PlaneLink};
use super::running::{Known, Running};
use super::{Shared, Wish};

/// The longest wait; the endpoint is asked for what is due at least so often.
const TURN: Duration = Duration::from_millis(50);
/// How often files are looked at, and tried again where they could not be read.
const LOOK: Duration = Duration::from_secs(2);
/// How often others are told how it is.
const PUBLISH: Duration = Duration::from_millis(200);
/// A peer without keys for so long is worth a complaint, as is a data plane that is gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Everything of the thread.
pub(super) struct Keyer {
    pub(super) wishes: Receiver<Wish>,
    pub(super) wake: UnixStream,
    pub(super) shared: Arc<Shared>,
    pub(super) diary: Diary,
    pub(super) link: PlaneLink,
    pub(super) proven: Option<Proven>,
    pub(super) config: Option<TunnelConfig>,
    /// What the configuration wants; none where it has no tunnels.
    pub(super) wanted: Option<Wanted>,
    pub(super) running: Option<Running>,
    /// Why nothing runs although it should, or not as it should.
    pub(super) failure: Option<String>,
    pub(super) next_look: Instant,
    pub(super) next_publish: Instant,
}

impl Keyer {
    /// Runs until whoever wishes is gone.
    pub(super) fn run(mut self) {
        loop {
            match self.wishes.try_recv() {
                Ok(wish) => {
                    self.fulfil(wish);
                    continue;
                }
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {}
            }
            let now = Instant::now();
            self.look(now);
            self.turn();
            let now = Instant::now();
            self.hear(now);
            self.probe_paths(now);
            if now >= self.next_publish {
                self.next_publish = now + PUBLISH;
                self.publish(now);
            }
        }
    }

    fn fulfil(&mut self, wish: Wish) {
        let now = Instant::now();
        match wish {
            Wish::Configure(config) => {
                self.config = Some(*config);
                self.configure(now);
            }
            Wish::Rotate { peer, by, answer } => {
                // Who asked may have gone.
                let _ = answer.send(self.rotate(peer.as_deref(), by, now));
            }
        }
        self.obey(now);
        self.publish(now);
    }

    /// Waits for the network, the data plane and wishes, and does what comes.
    fn turn(&mut self) {
        let Some(running) = &mut self.running else {
            // A wish ends the wait.
            let _ = self.wake.set_nonblocking(false);
            let _ = self.wake.set_read_timeout(Some(TURN * 4));
            let _ = self.wake.read(&mut [0; 64]);
            return;
        };
        let mut beside = vec![self.wake.as_fd()];
        beside.extend(self.link.readable());
        let turned = running.driver.turn_beside(TURN, &beside);
        let _ = self.wake.set_nonblocking(true);
        while matches!(self.wake.read(&mut [0; 64]), Ok(1..)) {}
        match turned {
            Ok(events) => {
                let now = Instant::now();
                events.into_iter().for_each(|event| self.on_event(event, now));
            }
            Err(error) => {
                self.failure = Some(format!("cannot wait for peers: {error}"));
                std::thread::sleep(TURN);
            }
        }
    }

    /// Does what the endpoint orders.
    fn obey(&mut self, now: Instant) {
        while let Some(event) = self.running.as_mut().and_then(|running| running.driver.endpoint().event()) {
            self.on_event(event, now);
        }
    }

    fn on_event(&mut self, event: Event, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let name_of = |peer: &PeerId| running.peers.get(peer).map(|known| known.wanted.name);
        match event {
            // The keys are wiped when they are given.
            Event::Keys { peer, keys } => self.give(peer, &keys, now),
            Event::Up { peer, epoch, facts } => {
                let Some(known) = running.peers.get_mut(&peer) else { return };
                (known.has_old, known.keyless) = (false, None);
                known.path.restart(now);
                let (name, path) = (known.wanted.name, known.path);
                self.link.order(&Order::Up { peer: name, epoch }, now);
                // New SAs begin with what is configured.
                if path.is_narrower() {
                    self.link.order(&Order::PathMtu { peer: name, mtu: path.current() }, now);
                }
                let how = format!(
                    "epoch {epoch}, {}, {}",
                    facts.group.name(),
                    if facts.resumed { "resumed" } else { facts.signature.name() }
                );
                let what = if facts.resumed { "rekeyed" } else { "up" };
                self.diary.note(Weight::Plain, what, Some(name.as_str()), how);
            }
            Event::Probe { peer, epoch } => {
                if let Some(peer) = name_of(&peer) {
                    self.link.order(&Order::Probe { peer, epoch }, now);
                }
            }
            Event::Wipe { peer, epoch } => {
                if let Some(peer) = name_of(&peer) {
                    self.link.order(&Order::Wipe { peer, epoch }, now);
                }
            }
            Event::Expired { peer, epoch } => {
                if let Some(peer) = name_of(&peer) {
                    self.link.order(&Order::Expired { peer, epoch }, now);
                    let detail = format!("epoch {epoch}: nothing is sent any more");
                    self.diary.note(Weight::Trouble, "expired", Some(peer.as_str()), detail);
                }
            }
            Event::Down { peer, has_next } => self.went_down(peer, has_next, now),
            Event::ProbeSeen { peer, probe } => self.probe_seen(peer, probe, now),
            Event::Refused { peer, from, refusal } => {
                let name = peer.as_ref().and_then(name_of);
                self.diary.refused(refusal, name.as_ref().map(PeerName::as_str), from, now);
            }
        }
    }

    fn went_down(&mut self, peer: PeerId, has_next: bool, now: Instant) {
        let Some(known) = self.running.as_mut().and_then(|running| running.peers.get_mut(&peer)) else {
            return;
        };
        known.has_old = false;
        let was_up = known.keyless.is_none();
        known.keyless.get_or_insert(now);
        let name = known.wanted.name;
        if !has_next {
            self.link.order(&Order::Down { peer: name }, now);
        }
        if was_up {
            self.diary.note(Weight::Trouble, "down", Some(name.as_str()), "there are no keys".to_owned());
        }
    }

    /// A packet of this size passed on the way to a peer.
    fn probe_seen(&mut self, peer: PeerId, probe: Probe, now: Instant) {
        let Some(known) = self.running.as_mut().and_then(|running| running.peers.get_mut(&peer)) else {
            return;
        };
        let name = known.wanted.name;
        if let Some(mtu) = known.path.seen(probe, now) {
            self.link.order(&Order::PathMtu { peer: name, mtu }, now);
            let detail = format!("{mtu} bytes pass on the way");
            self.diary.note(Weight::Plain, "mtu", Some(name.as_str()), detail);
        }
    }

    /// Sends the probes of paths' MTUs that are due, by the data plane and with a word to the peer.
    fn probe_paths(&mut self, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let endpoint = running.driver.endpoint();
        for (id, known) in running.peers.iter_mut().filter(|(_, known)| known.keyless.is_none()) {
            let Some((probe, told)) = known.path.due(now) else { continue };
            endpoint.probe(*id, probe);
            if told == Told::Again {
                self.link.order(&Order::MtuProbe { peer: known.wanted.name, size: probe.size }, now);
            }
        }
    }

    /// Gives the keys of an epoch to the data plane; the ones here are wiped behind it.
    fn give(&mut self, peer: PeerId, keys: &Keys, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let spis: Vec<u32> = keys.inbound.iter().map(|sa| sa.spi).collect();
        let given = running.peers.get_mut(&peer).is_some_and(|known| {
            let given = orders::of_keys(&known.wanted, keys).all(|order| self.link.order(&order, now));
            if given {
                known.spis.insert(keys.epoch, spis.clone());
            }
            given
        });
        if !given {
            let endpoint = running.driver.endpoint();
            endpoint.wiped(spis);
            endpoint.not_installed(peer, keys.epoch, NotInstalled::Failed, now);
        }
    }

    fn hear(&mut self, now: Instant) {
        if self.running.is_none() {
            return;
        }
        self.link.connect(now);
        while let Some(heard) = self.link.hear(now) {
            match heard {
                Heard::Report(report) => self.on_report(report, now),
                Heard::Lost(why) => {
                    self.diary.note(Weight::Trouble, "dataplane", None, format!("lost: {why}"));
                }
            }
        }
        if self.link.gone_for(now).is_some()
            && let Some(running) = self.running.as_mut().filter(|running| running.queues > 0)
        {
            running.queues = 0;
            running.driver.endpoint().set_queues(0, now);
        }
        self.obey(now);
    }

    fn on_report(&mut self, report: Report, now: Instant) {
        let Some(running) = &mut self.running else { return };
        match report {
            Report::Hello { queues, installed } => {
                let detail = format!("connected: {queues} queues, {} epochs with keys", installed.len());
                self.diary.note(Weight::Plain, "dataplane", None, detail);
                running.greet(queues, &installed, now);
            }
            Report::Installed { peer, epoch } => {
                if let Some(peer) = running.peer_of(&peer) {
                    running.driver.endpoint().installed(peer, epoch, now);
                }
            }
            Report::Heard { peer, epoch } => {
                if let Some(peer) = running.peer_of(&peer) {
                    running.driver.endpoint().heard(peer, epoch, now);
                }
            }
            Report::Refused { peer, epoch, why } => {
                let Some(id) = running.peer_of(&peer).filter(|_| epoch > 0) else { return };
                running.not_installed(id, epoch, why, now);
                let detail = format!("epoch {epoch}: {why}");
                self.diary.note(Weight::Trouble, "dataplane", Some(peer.as_str()), detail);
            }
            Report::Wiped { peer, epoch, spis } => {
                running.driver.endpoint().wiped(spis);
                if let Some(peer) = running.peer_of(&peer) {
                    running.wiped(peer, epoch, now);
                }
            }
            Report::RekeyWanted { peer, .. } => {
                if let Some(peer) = running.peer_of(&peer) {
                    running.driver.endpoint().rekey(peer, now);
                }
            }
            Report::Roamed { peer, remote } => {
                if let Some(known) = running.known(&peer) {
                    known.remote = Some(remote);
                    let detail = format!("to {}", super::table::shown(remote));
                    self.diary.note(Weight::Plain, "moved", Some(peer.as_str()), detail);
                }
            }
            Report::Counters { peer, counters } => {
                if let Some(known) = running.known(&peer) {
                    known.counters = counters;
                }
            }
            Report::MtuProbeArrived { peer, size } => {
                if let Some(peer) = running.peer_of(&peer) {
                    running.driver.endpoint().probe_arrived(peer, size);
                }
            }
        }
    }

    fn rotate(&mut self, wanted: Option<&str>, by: Rotation, now: Instant) -> Result<Vec<String>, Reason> {
        let running = self.running.as_mut();
        let mut rotated = Vec::new();
        if let Some(Running { driver, peers, .. }) = running {
            let chosen = |known: &Known| wanted.is_none_or(|name| known.wanted.name.as_str() == name);
            for (id, known) in peers.iter().filter(|(_, known)| chosen(known)) {
                match by {
                    Rotation::Handshake => driver.endpoint().rotate(*id, now),
                    Rotation::Resumption => driver.endpoint().rekey(*id, now),
                }
                rotated.push(known.wanted.name.as_str().to_owned());
            }
        }
        match wanted {
            Some(name) if rotated.is_empty() => {
                Err(Reason::NotFound { what: format!("tunnel with `{name}`: see `wirewarden tunnel peers`") })
            }
            None if rotated.is_empty() => {
                Err(Reason::NotFound { what: "tunnel: the configuration has none".to_owned() })
            }
            _ => Ok(rotated),
        }
    }

    /// Tries again what could not be done, and reads files that changed.
    fn look(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK;
        if self.failure.is_some() {
            self.configure(now);
        }
        let Some(running) = self.running.as_mut().filter(|running| running.loaded.is_stale()) else { return };
        match running.reload(now) {
            Ok(()) => {
                let detail = "read anew: full handshakes follow".to_owned();
                self.diary.note(Weight::Plain, "credentials", None, detail);
            }
            Err(why) => {
                if running.stale.as_ref() != Some(&why) {
                    let detail = format!("{why}; the ones before stay in use");
                    self.diary.note(Weight::Trouble, "credentials", None, detail);
                }
                running.stale = Some(why);
            }
        }
        self.obey(now);
    }

    /// Does what the configuration says; what cannot be done shows in the health, and is tried again.
    fn configure(&mut self, now: Instant) {
        let failed_before = self.failure.take();
        let Some(config) = &self.config else { return };
        let wanted = match plan::of_config(config) {
            Ok(Some(wanted)) => self.wanted.insert(wanted).clone(),
            Ok(None) => {
                self.wanted = None;
                self.stop(now);
                return;
            }
            // What runs goes on: keys that are in use are good.
            Err(why) => return self.failed(failed_before.as_deref(), why),
        };
        // Another library or other files of the same names: begin anew, as after a start of this program.
        if self.running.as_ref().is_some_and(|running| running.loaded.files.backend != wanted.files.backend) {
            self.running = None;
            self.link.drop_connection("another library computes".to_owned(), now);
        }
        let done = match &mut self.running {
            Some(running) => running.apply(&wanted, now),
            None => self.start(&wanted, now),
        };
        self.obey(now);
        if let Some(running) = &mut self.running {
            running.forget_removed();
        }
        if let Err(why) = done {
            self.failed(failed_before.as_deref(), why);
        }
    }

    fn failed(&mut self, before: Option<&str>, why: String) {
        if before != Some(&why) {
            self.diary.note(Weight::Trouble, "failed", None, why.clone());
        }
        self.failure = Some(why);
    }

    /// There are to be no tunnels any more: peers are told, and keys are wiped.
    fn stop(&mut self, now: Instant) {
        let Some(running) = &mut self.running else { return };
        let peers: Vec<PeerId> = running.peers.keys().copied().collect();
        for peer in peers {
            let _ = running.driver.endpoint().remove(peer, now);
        }
        self.obey(now);
        if let Some(running) = self.running.take() {
            let _ = running.driver.stop();
        }
        self.link.drop_connection("the configuration has no tunnels".to_owned(), now);
    }

    fn start(&mut self, wanted: &Wanted, now: Instant) -> Result<(), String> {
        let proven = match self.proven {
            Some(proven) => proven,
            None => {
                exchange::process::harden().map_err(|error| error.to_string())?;
                let proven = exchange::selftest::prove().map_err(|error| error.to_string())?;
                *self.proven.insert(proven)
            }
        };
        let loaded = wanted.files.load().map_err(|error| error.to_string())?;
        let setup = Setup {
            proven,
            backend: wanted.files.backend,
            credentials: loaded.credentials.clone(),
            limits: wanted.limits,
            clock: Arc::new(DefaultTimeProvider),
        };
        let endpoint = Endpoint::new(setup, now).map_err(|error| error.to_string())?;
        let driver = Driver::new(endpoint, None).map_err(|error| error.to_string())?;
        let running = Running { driver, loaded, queues: 0, peers: BTreeMap::new(), stale: None };
        self.running.insert(running).apply(wanted, now)
    }

    fn publish(&mut self, now: Instant) {
        let (health, reason) = self.health(now);
        let events = self.diary.events();
        let table = match &mut self.running {
            Some(running) => running.table(health, reason, events, now),
            None => TunnelTable { health, reason, events, ..TunnelTable::default() },
        };
        self.shared.publish(table, self.wanted.is_some() || self.failure.is_some());
    }

    /// How the key exchange is, and why it is not well.
    fn health(&self, now: Instant) -> (Health, Option<String>) {
        if let Some(failure) = &self.failure {
            return (Health::Failed, Some(failure.clone()));
        }
        let Some(running) = &self.running else { return (Health::Good, None) };
        let complaints = running.loaded.complaints(SystemTime::now());
        if let Some(Complaint::Broken(why)) = complaints.first() {
            return (Health::Failed, Some(why.clone()));
        }
        if let Some((_, why)) = self.link.gone_for(now).filter(|(gone, _)| *gone > PATIENCE) {
            return (Health::Failed, Some(format!("no key socket of the data plane: {why}")));
        }
        if let Some(stale) = &running.stale {
            return (Health::Degraded, Some(format!("{stale}; the ones before stay in use")));
        }
        let keyless = |known: &&Known| {
            known.keyless.is_some_and(|since| now.saturating_duration_since(since) > PATIENCE)
        };
        let names: Vec<&str> =
            running.peers.values().filter(keyless).map(|known| known.wanted.name.as_str()).collect();
        if !names.is_empty() {
            return (Health::Degraded, Some(format!("no keys with {}", names.join(", "))));
        }
        match complaints.into_iter().next() {
            Some(Complaint::Soon(why) | Complaint::Broken(why)) => (Health::Degraded, Some(why)),
            None => (Health::Good, None),
        }
    }
}
