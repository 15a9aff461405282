//! The SAs and policies that the kernel has of us: what the daemon orders of the data plane, carried out there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use api::config::Framing;
use api::tunnel::{
    Install, InstalledEpoch, Objection, Order, PeerCounters, PeerName, Report, SaDirection, SaLimits,
};

use super::super::XfrmPeer;
use super::super::kernel::{KernelError, Xfrm};
use super::super::netlink::{NewSa, Policy, Sa, SaName, Traffic, Way};

/// All SAs and policies of ours.
pub(super) struct Sas<X> {
    kernel: X,
    peers: Vec<XfrmPeer>,
    epochs: Vec<Epoch>,
    next_reqid: u32,
    /// What SAs counted that are gone.
    past: BTreeMap<PeerName, PeerCounters>,
}

/// The SAs of one epoch of a peer.
struct Epoch {
    peer: PeerName,
    epoch: u64,
    inbound: Vec<SaName>,
    outbound: Option<Outbound>,
    stage: Stage,
    /// Inbound ones that an authentic packet has come on.
    heard: BTreeSet<u32>,
    /// When the next probe is due, and until when there are any.
    probing: Option<(Instant, Instant)>,
}

struct Outbound {
    name: SaName,
    reqid: u32,
    limits: SaLimits,
    since: Instant,
    is_due: bool,
}

/// How far an epoch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Installing,
    Refused,
    Installed,
    Heard,
    Up,
    Replaced,
}

/// A packet that is to be sent through an outbound SA that is not in use yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProbeDue {
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
}

impl<X: Xfrm> Sas<X> {
    /// Begins without any: what an earlier run left is removed, since nobody knows its keys any more.
    pub(super) fn new(kernel: X) -> Result<Self, KernelError> {
        let (peers, epochs, past) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut sas = Self { kernel, peers, epochs, next_reqid: FIRST_REQID, past };
        sas.remove_sas()?;
        Ok(sas)
    }

    /// Removes all SAs of ours. Policies stay, and without SAs they drop.
    pub(super) fn remove_sas(&mut self) -> Result<(), KernelError> {
        self.epochs.clear();
        for sa in self.kernel.sas()?.into_iter().filter(|sa| is_ours(sa.reqid)) {
            self.kernel.delete_sa(sa.name)?;
        }
        Ok(())
    }

    /// Removes all policies of ours: what they were about goes in the clear from now on.
    pub(super) fn remove_policies(&mut self) -> Result<usize, KernelError> {
        let ours: Vec<Policy> =
            self.kernel.policies()?.into_iter().filter(|policy| is_ours(policy.reqid)).collect();
        for policy in &ours {
            self.kernel.delete_policy(&policy.traffic, policy.way)?;
        }
        Ok(ours.len())
    }

    /// Has these peers from now on. Policies of new ones come before those that are gone are removed; SAs of peers that
    /// are gone or are others now are wiped.
    pub(super) fn configure(
        &mut self,
        peers: Vec<XfrmPeer>,
        reports: &mut Vec<Report>,
    ) -> Result<(), KernelError> {
        let changed: Vec<PeerName> =
            self.peers.iter().filter(|peer| !peers.contains(peer)).map(|peer| peer.name).collect();
        changed.into_iter().for_each(|peer| self.down(peer, reports));
        self.peers = peers;
        let mut wanted = Vec::new();
        for peer in &self.peers {
            let reqid = self.reqid_in_use(peer.name).unwrap_or(INBOUND_REQID);
            wanted.extend(policies_of(peer, reqid));
        }
        for policy in &wanted {
            self.kernel.set_policy(policy)?;
        }
        let is_wanted = |there: &Policy| {
            wanted.iter().any(|policy| (policy.traffic, policy.way) == (there.traffic, there.way))
        };
        let stale = |there: &Policy| is_ours(there.reqid) && there.priority == PRIORITY && !is_wanted(there);
        for policy in self.kernel.policies()?.into_iter().filter(stale) {
            self.kernel.delete_policy(&policy.traffic, policy.way)?;
        }
        Ok(())
    }

    /// The epochs that have SAs.
    pub(super) fn installed(&self) -> Vec<InstalledEpoch> {
        let is_there = |it: &&Epoch| !matches!(it.stage, Stage::Installing | Stage::Refused);
        let of = |it: &Epoch| InstalledEpoch { peer: it.peer, epoch: it.epoch, is_up: it.stage == Stage::Up };
        let mut installed: Vec<InstalledEpoch> = self.epochs.iter().filter(is_there).map(of).collect();
        installed.sort_by_key(|it| (it.peer, it.epoch));
        installed
    }

    /// Whether a peer may be heard that was not yet: only then packets need to be looked at.
    pub(super) fn awaits_probes(&self) -> bool {
        self.epochs.iter().any(|it| matches!(it.stage, Stage::Installing | Stage::Installed))
    }

    /// Carries an order out.
    pub(super) fn carry_out(&mut self, order: &Order, now: Instant, reports: &mut Vec<Report>) {
        match order {
            Order::Install(install) => self.install(install, now, reports),
            Order::Complete { peer, epoch } => self.complete(*peer, *epoch, reports),
            Order::Probe { peer, epoch } => self.probe(*peer, *epoch, now, reports),
            Order::Up { peer, epoch } => self.up(*peer, *epoch, reports),
            Order::Wipe { peer, epoch } => self.wipe(*peer, *epoch, reports),
            Order::Expired { peer, epoch } => self.expired(*peer, *epoch),
            Order::Down { peer } => self.down(*peer, reports),
            // The kernel finds the path's MTU out by itself.
            Order::MtuProbe { .. } | Order::PathMtu { .. } => {}
        }
    }

    /// An authentic packet came on an inbound SA.
    pub(super) fn heard(&mut self, spi: u32, reports: &mut Vec<Report>) {
        let of = |it: &&mut Epoch| it.inbound.iter().any(|name| name.spi == spi);
        let Some(it) = self.epochs.iter_mut().find(of) else { return };
        it.heard.insert(spi);
        if it.stage == Stage::Installed && it.heard.len() == it.inbound.len() {
            it.stage = Stage::Heard;
            reports.push(Report::Heard { peer: it.peer, epoch: it.epoch });
        }
    }

    /// Probes that are due now.
    pub(super) fn probes(&mut self, now: Instant) -> Vec<ProbeDue> {
        let mut due = Vec::new();
        for it in &mut self.epochs {
            let Some((_, until)) = it.probing.filter(|(next, _)| *next <= now) else { continue };
            it.probing = (now < until).then_some((now + PROBE_EVERY, until));
            due.extend(self.peers.iter().find(|peer| peer.name == it.peer).map(XfrmPeer::probe));
        }
        due
    }

    /// Looks at what the kernel counted; with `counters`, reports that too.
    pub(super) fn look(
        &mut self,
        now: Instant,
        counters: bool,
        reports: &mut Vec<Report>,
    ) -> Result<(), KernelError> {
        let there = self.kernel.sas()?;
        // The kernel opened it: it is authentic. Its own counters leave out what has no payload.
        let opened: Vec<u32> = there.iter().filter(|sa| sa.packets > 0).map(|sa| sa.name.spi).collect();
        opened.into_iter().for_each(|spi| self.heard(spi, reports));
        for it in &mut self.epochs {
            let Some(outbound) = it.outbound.as_mut().filter(|outbound| !outbound.is_due) else { continue };
            let sent = there.iter().find(|sa| sa.name == outbound.name).map_or(0, |sa| sa.packets);
            let limits = outbound.limits;
            outbound.is_due = sent >= limits.soft_packets || now >= outbound.since + limits.soft_after;
            if outbound.is_due && it.stage == Stage::Up {
                reports.push(Report::RekeyWanted { peer: it.peer, epoch: it.epoch });
            }
        }
        if counters {
            for peer in &self.peers {
                let past = self.past.get(&peer.name).copied().unwrap_or_default();
                let of_peer = self.epochs.iter().filter(|it| it.peer == peer.name);
                let counters = of_peer.fold(past, |sum, it| sum.plus(&it.counted(&there)));
                reports.push(Report::Counters { peer: peer.name, counters });
            }
        }
        Ok(())
    }

    fn find(&self, peer: PeerName, epoch: u64) -> Option<usize> {
        self.epochs.iter().position(|it| it.peer == peer && it.epoch == epoch)
    }

    fn reqid_in_use(&self, peer: PeerName) -> Option<u32> {
        let up = self.epochs.iter().find(|it| it.peer == peer && it.stage == Stage::Up)?;
        up.outbound.as_ref().map(|outbound| outbound.reqid)
    }

    fn install(&mut self, install: &Install, now: Instant, reports: &mut Vec<Report>) {
        let (peer, epoch) = (install.peer, install.epoch);
        let Some(known) = self.peers.iter().find(|known| known.name == peer).cloned() else {
            return reports.push(Report::Refused { peer, epoch, why: Objection::UnknownPeer });
        };
        let at = self.find(peer, epoch).unwrap_or_else(|| {
            self.epochs.push(Epoch::new(peer, epoch));
            self.epochs.len() - 1
        });
        let stage = self.epochs.get(at).map(|it| it.stage);
        let result = match stage {
            Some(Stage::Installing) => self.take_in(at, &known, install, now),
            Some(Stage::Refused) => return,
            _ => Err(Objection::StaleEpoch),
        };
        if let Err(why) = result {
            if stage == Some(Stage::Installing) {
                self.forget_sas(at);
                if let Some(it) = self.epochs.get_mut(at) {
                    (it.inbound, it.outbound, it.stage) = (Vec::new(), None, Stage::Refused);
                }
            }
            reports.push(Report::Refused { peer, epoch, why });
        }
    }

    fn take_in(
        &mut self,
        at: usize,
        peer: &XfrmPeer,
        install: &Install,
        now: Instant,
    ) -> Result<(), Objection> {
        let it = self.epochs.get_mut(at).ok_or(Objection::UnknownEpoch)?;
        if install.framing != Framing::Ip {
            return Err(Objection::Framing);
        }
        let (spi, key) = (install.spi, &install.key);
        let new = match install.direction {
            SaDirection::Inbound => {
                let name = SaName { target: peer.local, spi };
                let new = NewSa {
                    name,
                    source: peer.remote,
                    reqid: INBOUND_REQID,
                    key,
                    hard_packets: u64::MAX,
                    hard_seconds: 0,
                };
                self.kernel.add_sa(&new).map_err(|error| objection(&error))?;
                it.inbound.push(name);
                return Ok(());
            }
            SaDirection::Outbound if install.queue != 0 || it.outbound.is_some() => {
                return Err(Objection::Queues);
            }
            SaDirection::Outbound => NewSa {
                name: SaName { target: peer.remote, spi },
                source: peer.local,
                reqid: self.next_reqid,
                key,
                hard_packets: install.limits.hard_packets,
                hard_seconds: install.limits.hard_after.as_secs().max(1),
            },
        };
        self.kernel.add_sa(&new).map_err(|error| objection(&error))?;
        let (name, reqid, limits) = (new.name, new.reqid, install.limits);
        it.outbound = Some(Outbound { name, reqid, limits, since: now, is_due: false });
        self.next_reqid = if reqid >= LAST_REQID { FIRST_REQID } else { reqid + 1 };
        Ok(())
    }

    fn complete(&mut self, peer: PeerName, epoch: u64, reports: &mut Vec<Report>) {
        let Some(at) = self.find(peer, epoch) else {
            return reports.push(Report::Refused { peer, epoch, why: Objection::UnknownEpoch });
        };
        let Some(it) = self.epochs.get_mut(at) else { return };
        match it.stage {
            Stage::Refused => _ = self.epochs.swap_remove(at),
            Stage::Installing if it.outbound.is_some() && !it.inbound.is_empty() => {
                it.stage = Stage::Installed;
                reports.push(Report::Installed { peer, epoch });
            }
            Stage::Installing => {
                self.forget_sas(at);
                self.epochs.swap_remove(at);
                reports.push(Report::Refused { peer, epoch, why: Objection::Queues });
            }
            _ => reports.push(Report::Refused { peer, epoch, why: Objection::StaleEpoch }),
        }
    }

    /// Packets to the peer itself, to the port where everything is discarded, go through the new SA from now on.
    fn probe(&mut self, peer: PeerName, epoch: u64, now: Instant, reports: &mut Vec<Report>) {
        let known = self.peers.iter().find(|known| known.name == peer);
        let it = self.epochs.iter_mut().find(|it| it.peer == peer && it.epoch == epoch);
        let (Some(known), Some(it)) = (known, it) else {
            return reports.push(Report::Refused { peer, epoch, why: Objection::UnknownEpoch });
        };
        let Some(outbound) = &it.outbound else { return };
        match self.kernel.set_policy(&known.probe_policy(outbound.reqid)) {
            Ok(()) => it.probing = Some((now, now + PROBING)),
            Err(error) => reports.push(Report::Refused { peer, epoch, why: objection(&error) }),
        }
    }

    fn end_probes(&mut self, peer: PeerName) {
        let of_peer = self.epochs.iter_mut().filter(|it| it.peer == peer && it.probing.is_some());
        if of_peer.map(|it| it.probing = None).count() > 0
            && let Some(known) = self.peers.iter().find(|known| known.name == peer)
        {
            // One that stays is for packets that nobody sends.
            let _ = self.kernel.delete_policy(&known.probe_policy(0).traffic, Way::Out);
        }
    }

    fn up(&mut self, peer: PeerName, epoch: u64, reports: &mut Vec<Report>) {
        self.end_probes(peer);
        let known = self.peers.iter().find(|known| known.name == peer);
        let it = self.epochs.iter().find(|it| it.peer == peer && it.epoch == epoch);
        let reqid = it.and_then(|it| it.outbound.as_ref()).map(|outbound| outbound.reqid);
        let (Some(known), Some(reqid)) = (known, reqid) else {
            return reports.push(Report::Refused { peer, epoch, why: Objection::UnknownEpoch });
        };
        for policy in policies_of(known, reqid).into_iter().filter(|policy| policy.way == Way::Out) {
            if let Err(error) = self.kernel.set_policy(&policy) {
                return reports.push(Report::Refused { peer, epoch, why: objection(&error) });
            }
        }
        for at in 0..self.epochs.len() {
            let Some(it) = self.epochs.get_mut(at).filter(|it| it.peer == peer) else { continue };
            if it.epoch == epoch {
                it.stage = Stage::Up;
            } else if it.stage == Stage::Up {
                it.stage = Stage::Replaced;
                self.drop_outbound(at);
            }
        }
    }

    fn expired(&mut self, peer: PeerName, epoch: u64) {
        if let Some(at) = self.find(peer, epoch) {
            self.drop_outbound(at);
        }
    }

    fn wipe(&mut self, peer: PeerName, epoch: u64, reports: &mut Vec<Report>) {
        let spis = self.find(peer, epoch).map(|at| {
            if self.epochs.get(at).is_some_and(|it| it.probing.is_some()) {
                self.end_probes(peer);
            }
            self.forget_sas(at);
            self.epochs.swap_remove(at).inbound.iter().map(|name| name.spi).collect()
        });
        reports.push(Report::Wiped { peer, epoch, spis: spis.unwrap_or_default() });
    }

    fn down(&mut self, peer: PeerName, reports: &mut Vec<Report>) {
        while let Some(epoch) = self.epochs.iter().find(|it| it.peer == peer).map(|it| it.epoch) {
            self.wipe(peer, epoch, reports);
        }
    }

    /// Has the kernel forget an outbound SA: its traffic is dropped until a policy names another.
    fn drop_outbound(&mut self, at: usize) {
        let Some(it) = self.epochs.get_mut(at) else { return };
        let (peer, outbound) = (it.peer, it.outbound.take());
        if let Some(outbound) = outbound {
            self.remove(peer, outbound.name, SaDirection::Outbound);
        }
    }

    /// Has the kernel forget all SAs of an epoch.
    fn forget_sas(&mut self, at: usize) {
        self.drop_outbound(at);
        let Some(it) = self.epochs.get(at) else { return };
        let (peer, inbound) = (it.peer, it.inbound.clone());
        inbound.into_iter().for_each(|name| self.remove(peer, name, SaDirection::Inbound));
    }

    /// Removes an SA; what it counted is kept.
    fn remove(&mut self, peer: PeerName, name: SaName, direction: SaDirection) {
        let there = self.kernel.sas().unwrap_or_default();
        if let Some(sa) = there.iter().find(|sa| sa.name == name) {
            let past = self.past.entry(peer).or_default();
            *past = past.plus(&counted(sa, direction));
        }
        // One that stays ends at its hard limit, and no policy leads to it.
        let _ = self.kernel.delete_sa(name);
    }
}

/// What an SA has counted.
fn counted(sa: &Sa, direction: SaDirection) -> PeerCounters {
    let none = PeerCounters::default();
    match direction {
        SaDirection::Outbound => PeerCounters { tx_packets: sa.packets, tx_bytes: sa.bytes, ..none },
        SaDirection::Inbound => PeerCounters {
            rx_packets: sa.packets,
            rx_bytes: sa.bytes,
            replay_drops: sa.replayed,
            auth_drops: sa.forged,
            ..none
        },
    }
}

impl Epoch {
    fn new(peer: PeerName, epoch: u64) -> Self {
        let (inbound, heard) = (Vec::new(), BTreeSet::new());
        Self { peer, epoch, inbound, outbound: None, stage: Stage::Installing, heard, probing: None }
    }

    fn counted(&self, there: &[Sa]) -> PeerCounters {
        let is_outbound = |sa: &Sa| self.outbound.as_ref().is_some_and(|outbound| outbound.name == sa.name);
        there.iter().fold(PeerCounters::default(), |sum, sa| match sa {
            sa if self.inbound.contains(&sa.name) => sum.plus(&counted(sa, SaDirection::Inbound)),
            sa if is_outbound(sa) => sum.plus(&counted(sa, SaDirection::Outbound)),
            _ => sum,
        })
    }
}

impl XfrmPeer {
    const fn probe(&self) -> ProbeDue {
        ProbeDue { local: self.local, remote: self.remote }
    }

    fn probe_policy(&self, reqid: u32) -> Policy {
        let one =
            |address: IpAddr| api::config::Prefix { address, bits: if address.is_ipv4() { 32 } else { 128 } };
        let traffic = Traffic { source: one(self.local), target: one(self.remote), udp_port: Some(DISCARD) };
        Policy { traffic, way: Way::Out, priority: PROBE_PRIORITY, ends: (self.local, self.remote), reqid }
    }
}

/// The policies of a peer, its outbound ones for the SA of this number.
fn policies_of(peer: &XfrmPeer, reqid: u32) -> Vec<Policy> {
    let mut policies = Vec::new();
    for (ours, theirs) in &peer.pairs {
        let out = Traffic { source: *ours, target: *theirs, udp_port: None };
        let back = Traffic { source: *theirs, target: *ours, udp_port: None };
        let (to, from) = ((peer.local, peer.remote), (peer.remote, peer.local));
        let priority = PRIORITY;
        policies.push(Policy { traffic: out, way: Way::Out, priority, ends: to, reqid });
        for way in [Way::In, Way::Forward] {
            policies.push(Policy { traffic: back, way, priority, ends: from, reqid: INBOUND_REQID });
        }
    }
    policies
}

const fn is_ours(reqid: u32) -> bool {
    reqid >= INBOUND_REQID && reqid <= LAST_REQID
}

fn objection(error: &KernelError) -> Objection {
    match error {
        KernelError::Lacks { .. } => Objection::Cipher,
        KernelError::Refused { error, .. } if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Objection::SpiInUse
        }
        KernelError::Refused { .. } => Objection::Full,
        _ => Objection::Stuck,
    }
}

/// By which inbound SAs are chosen, and policies that have no outbound one yet.
const INBOUND_REQID: u32 = 0x5757_0000;
/// Each outbound SA has a number of its own, so that a policy chooses which one sends.
const FIRST_REQID: u32 = INBOUND_REQID + 1;
const LAST_REQID: u32 = 0x5757_ffff;
const PRIORITY: u32 = 0x5757;
/// Comes first.
const PROBE_PRIORITY: u32 = 0x5756;
/// Where a host throws away what it gets (RFC 863); the far end's policy drops it before.
pub(super) const DISCARD: u16 = 9;
const PROBE_EVERY: Duration = Duration::from_millis(100);
const PROBING: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "sas_tests.rs"]
mod tests;
