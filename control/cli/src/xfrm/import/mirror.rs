//! Which SAs of an IKE daemon the data plane has, and what it is ordered when those of the kernel change.
//!
//! A key has one sender. So an SA is taken once, while the kernel has sent nothing by it, and never again: not after the data
//! plane was started anew, and not if it was there before this program began to look.

use std::collections::BTreeSet;
use std::time::Duration;

use api::config::Framing;
use api::tunnel::{
    Install, InstalledEpoch, Objection, Order, PeerName, Report, SaDirection, SaKeyMaterial, SaLimits, Suite,
};

use super::super::XfrmPeer;
use super::super::netlink::{Policy, Sa, SaName, Way};

/// What the kernel's SAs are to the data plane.
#[derive(Debug)]
pub(super) struct Mirror {
    peers: Vec<Mirrored>,
    /// SAs that were taken, or are not to be, each with the time of its making. They stay here when the kernel has them no
    /// more: a list may leave one out that is there in the next.
    spent: BTreeSet<(SaName, u64)>,
    /// Whether the kernel's SAs were looked at before.
    has_looked: bool,
    /// Whether the data plane can take them.
    takes: bool,
}

#[derive(Debug)]
struct Mirrored {
    peer: XfrmPeer,
    epochs: Vec<Pair>,
    next_epoch: u64,
    /// The first that was ours.
    first_epoch: Option<u64>,
    /// Epochs that somebody installed before us: wiped behind the first that is up.
    inherited: Vec<u64>,
    /// Whether the kernel's policies are those of the configuration; `None` before the first look.
    agrees: Option<bool>,
}

/// The SAs of an epoch: one each way.
#[derive(Debug)]
struct Pair {
    epoch: u64,
    inbound: Option<SaName>,
    outbound: Option<SaName>,
    added: u64,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Coming,
    Complete,
    Up,
    /// Its outbound SA is gone from the kernel.
    Ended,
}

/// What comes of a look: orders to the data plane, and what people should know.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) orders: Vec<Order>,
    pub(super) told: Vec<String>,
}

impl Mirror {
    pub(super) fn new(peers: Vec<XfrmPeer>) -> Self {
        let mirrored = |peer| Mirrored {
            peer,
            epochs: Vec::new(),
            next_epoch: 1,
            first_epoch: None,
            inherited: Vec::new(),
            agrees: None,
        };
        let peers = peers.into_iter().map(mirrored).collect();
        Self { peers, spent: BTreeSet::new(), has_looked: false, takes: false }
    }

    /// A data plane is there. SAs of ours that it does not have any more may have sent: they are not given to it again.
    pub(super) fn greet(&mut self, queues: u16, installed: &[InstalledEpoch], outcome: &mut Outcome) {
        self.takes = queues == 1;
        if !self.takes {
            outcome.told.push(format!(
                "the data plane seals on {queues} cores, and an SA of an IKE daemon has one sender: `queues = 1` for the port outside"
            ));
        }
        for mirrored in &mut self.peers {
            let has =
                |epoch: u64| installed.iter().any(|one| one.peer == mirrored.peer.name && one.epoch == epoch);
            for lost in mirrored.epochs.extract_if(.., |pair| !has(pair.epoch)) {
                // One that was not complete is not told of, and there all the same.
                outcome.orders.push(Order::Wipe { peer: mirrored.peer.name, epoch: lost.epoch });
                outcome.told.push(format!(
                    "{}: the data plane has lost epoch {}, and gets new SAs only: have the IKE daemon rekey",
                    mirrored.peer.name, lost.epoch
                ));
            }
            mirrored.inherit(installed, outcome);
        }
    }

    /// The connection to the data plane is gone: nothing can be taken until it says hello.
    pub(super) const fn lost(&mut self) {
        self.takes = false;
    }

    /// Brings the data plane to what the kernel has.
    pub(super) fn look(&mut self, sas: Vec<Sa>, policies: &[Policy]) -> Outcome {
        let mut outcome = Outcome::default();
        self.burn_used(&sas, &mut outcome);
        for mirrored in &mut self.peers {
            mirrored.let_go(&sas, &mut outcome);
            mirrored.compare(policies, &mut outcome);
        }
        if self.takes && self.spent.len() < MOST_SPENT {
            let is_new = |sa: &Sa| !self.spent.contains(&(sa.name, sa.added));
            let mut new: Vec<Sa> = sas.into_iter().filter(is_new).collect();
            new.sort_by_key(|sa| sa.added);
            new.into_iter().for_each(|sa| self.take(sa, &mut outcome));
        }
        self.has_looked = true;
        outcome
    }

    /// The data plane reported something.
    pub(super) fn hear(&mut self, report: &Report) -> Outcome {
        let mut outcome = Outcome::default();
        match report {
            Report::Hello { queues, installed } => self.greet(*queues, installed, &mut outcome),
            Report::Installed { peer, epoch } => {
                let Some(mirrored) = self.of(*peer) else { return outcome };
                if let Some(pair) = mirrored.epochs.iter_mut().find(|pair| pair.epoch == *epoch) {
                    pair.stage = Stage::Up;
                    outcome.orders.push(Order::Up { peer: *peer, epoch: *epoch });
                    let old = mirrored.inherited.drain(..);
                    outcome.orders.extend(old.map(|epoch| Order::Wipe { peer: *peer, epoch }));
                    outcome.told.push(format!("{peer}: epoch {epoch} is up"));
                }
            }
            Report::Refused { peer, epoch, why } => self.refused(*peer, *epoch, *why, &mut outcome),
            Report::RekeyWanted { peer, epoch } => outcome.told.push(format!(
                "{peer}: epoch {epoch} has sent most of what it may: have the IKE daemon rekey"
            )),
            _ => {}
        }
        outcome
    }

    /// The orders by which the data plane forgets everything: nobody looks at the kernel's counters any more.
    pub(super) fn end(&self) -> Vec<Order> {
        self.peers.iter().map(|mirrored| Order::Down { peer: mirrored.peer.name }).collect()
    }

    fn of(&mut self, peer: PeerName) -> Option<&mut Mirrored> {
        self.peers.iter_mut().find(|mirrored| mirrored.peer.name == peer)
    }

    /// What an order to the data plane did not do is not tried again with the same keys.
    fn refused(&mut self, peer: PeerName, epoch: u64, why: Objection, outcome: &mut Outcome) {
        let Some(mirrored) = self.of(peer) else { return };
        outcome.told.push(format!("{peer}: the data plane refuses epoch {epoch}: {why}"));
        if mirrored.epochs.extract_if(.., |pair| pair.epoch == epoch).count() > 0 {
            outcome.orders.push(Order::Wipe { peer, epoch });
        }
    }

    /// Tears down what the kernel has used as well: two senders on one key would repeat nonces.
    fn burn_used(&mut self, sas: &[Sa], outcome: &mut Outcome) {
        for sa in sas {
            let is_used = sa.packets > 0 || sa.sent_number > 0;
            let is_old = !self.has_looked;
            let Some(mirrored) = self.peers.iter_mut().find(|mirrored| mirrored.way_of(sa).is_some()) else {
                continue;
            };
            if !(is_used || is_old) {
                continue;
            }
            let (name, spi) = (mirrored.peer.name, sa.name.spi);
            let torn = mirrored.epochs.extract_if(.., |pair| pair.sas().any(|held| held == sa.name)).next();
            let is_new = self.spent.insert((sa.name, sa.added));
            if let Some(Pair { epoch, .. }) = torn {
                outcome.orders.push(Order::Wipe { peer: name, epoch });
                outcome.told.push(format!(
                    "{name}: the kernel has used SA {spi:#010x}: epoch {epoch} is torn down. Its namespace must carry no traffic; have the IKE daemon rekey"
                ));
            } else if is_new && is_used {
                outcome.told.push(format!("{name}: the kernel has used SA {spi:#010x}: it is not taken"));
            } else if is_new {
                outcome.told.push(format!(
                    "{name}: SA {spi:#010x} was there before, and may have sent: it is not taken. Have the IKE daemon rekey"
                ));
            }
        }
    }

    /// Takes an SA that is new, in the order of their making.
    fn take(&mut self, sa: Sa, outcome: &mut Outcome) {
        let found = self.peers.iter_mut().find_map(|mirrored| Some((mirrored.way_of(&sa)?, mirrored)));
        let Some((direction, mirrored)) = found else { return };
        if mirrored.agrees != Some(true) {
            return;
        }
        self.spent.insert((sa.name, sa.added));
        if let Err(why) = fit(&sa) {
            outcome
                .told
                .push(format!("{}: SA {:#010x} is not taken: {why}", mirrored.peer.name, sa.name.spi));
            return;
        }
        let Sa { name, added, key: Some(key), hard_packets, hard_seconds, .. } = sa else { return };
        let limits = limits(hard_packets, hard_seconds);
        let install = mirrored.install(direction, name, added, (limits, key));
        let epoch = install.epoch;
        outcome.orders.push(Order::Install(Box::new(install)));
        let peer = mirrored.peer.name;
        if let Some(pair) = mirrored.epochs.iter_mut().find(|pair| pair.epoch == epoch)
            && pair.inbound.is_some()
            && pair.outbound.is_some()
        {
            pair.stage = Stage::Complete;
            outcome.orders.push(Order::Complete { peer, epoch });
        }
    }
}

impl Mirrored {
    /// What a data plane has from before: what we know no more is wiped, what ended is to stay so, and what others
    /// installed goes on until there are SAs of ours.
    fn inherit(&mut self, installed: &[InstalledEpoch], outcome: &mut Outcome) {
        let peer = self.peer.name;
        self.inherited.clear();
        for epoch in installed.iter().filter(|one| one.peer == peer).map(|one| one.epoch) {
            match self.epochs.iter().find(|pair| pair.epoch == epoch) {
                Some(pair) if pair.stage == Stage::Ended => {
                    outcome.orders.push(Order::Expired { peer, epoch });
                }
                Some(_) => {}
                None if self.first_epoch.is_some_and(|first| epoch >= first) => {
                    outcome.orders.push(Order::Wipe { peer, epoch });
                }
                None => self.inherited.push(epoch),
            }
            self.next_epoch = self.next_epoch.max(epoch.saturating_add(1));
        }
        self.first_epoch.get_or_insert(self.next_epoch);
    }

    /// Which way the packets of an SA go, if it is one with this peer.
    fn way_of(&self, sa: &Sa) -> Option<SaDirection> {
        let XfrmPeer { local, remote, .. } = self.peer;
        match (sa.source, sa.name.target) {
            ends if ends == (local, remote) => Some(SaDirection::Outbound),
            ends if ends == (remote, local) => Some(SaDirection::Inbound),
            _ => None,
        }
    }

    /// The order for a new SA, whose epoch is the nearest in time that still lacks one of its direction.
    fn install(
        &mut self,
        direction: SaDirection,
        name: SaName,
        added: u64,
        (limits, key): (SaLimits, SaKeyMaterial),
    ) -> Install {
        let lacks = |pair: &&mut Pair| {
            pair.stage == Stage::Coming
                && match direction {
                    SaDirection::Inbound => pair.inbound.is_none(),
                    SaDirection::Outbound => pair.outbound.is_none(),
                }
        };
        let nearest = self.epochs.iter_mut().filter(lacks).min_by_key(|pair| pair.added.abs_diff(added));
        let (inbound, outbound) = match direction {
            SaDirection::Inbound => (Some(name), None),
            SaDirection::Outbound => (None, Some(name)),
        };
        let epoch = if let Some(pair) = nearest {
            pair.inbound = pair.inbound.or(inbound);
            pair.outbound = pair.outbound.or(outbound);
            pair.epoch
        } else {
            let epoch = self.next_epoch;
            self.next_epoch += 1;
            self.epochs.push(Pair { epoch, inbound, outbound, added, stage: Stage::Coming });
            epoch
        };
        Install {
            peer: self.peer.name,
            epoch,
            direction,
            queue: 0,
            spi: name.spi,
            framing: Framing::Ip,
            suite: Suite::Aes256Gcm16,
            limits,
            remote: None,
            key,
        }
    }

    /// Has the data plane let go of what the kernel has no more.
    fn let_go(&mut self, sas: &[Sa], outcome: &mut Outcome) {
        let peer = self.peer.name;
        let is_there = |name: &SaName| sas.iter().any(|sa| sa.name == *name);
        for pair in &mut self.epochs {
            let is_ended = pair.outbound.is_some_and(|outbound| !is_there(&outbound));
            if is_ended && pair.stage == Stage::Up {
                pair.stage = Stage::Ended;
                outcome.orders.push(Order::Expired { peer, epoch: pair.epoch });
            }
        }
        let gone = self.epochs.extract_if(.., |pair| !pair.sas().any(|name| is_there(&name)));
        outcome.orders.extend(gone.map(|pair| Order::Wipe { peer, epoch: pair.epoch }));
    }

    /// Whether the kernel's policies are about the traffic that the configuration seals for this peer. Where not, the IKE
    /// daemon agreed on something else, and the far end would drop what is sent.
    fn compare(&mut self, policies: &[Policy], outcome: &mut Outcome) {
        let (local, remote) = (self.peer.local, self.peer.remote);
        let of_peer =
            policies.iter().filter(|policy| policy.way == Way::Out && policy.ends == (local, remote));
        let has: Vec<_> =
            of_peer.filter(|policy| policy.traffic.udp_port.is_none()).map(|policy| policy.traffic).collect();
        let missing = self.peer.pairs.iter().find(|(ours, theirs)| {
            !has.iter().any(|traffic| (traffic.source, traffic.target) == (*ours, *theirs))
        });
        let agrees = missing.is_none();
        if self.agrees == Some(agrees) {
            return;
        }
        let peer = self.peer.name;
        if let Some((ours, theirs)) = missing {
            outcome.told.push(format!(
                "{peer}: the kernel has no policy from {ours} to {theirs} by {local} and {remote}: nothing is taken until it has"
            ));
            // Once they were there, the IKE daemon has taken them back.
            if self.agrees == Some(true) {
                outcome.orders.push(Order::Down { peer });
                self.epochs.clear();
            }
        }
        self.agrees = Some(agrees);
    }
}

impl Pair {
    fn sas(&self) -> impl Iterator<Item = SaName> + use<> {
        self.inbound.into_iter().chain(self.outbound)
    }
}

/// Whether the data plane can be an end of an SA.
fn fit(sa: &Sa) -> Result<(), &'static str> {
    if sa.key.is_none() {
        return Err("it is not ESP in tunnel mode with AES-256-GCM and a tag of 16 bytes (aes256gcm16)");
    }
    if !sa.is_extended {
        return Err("it has no extended sequence numbers (aes256gcm16-esn)");
    }
    if sa.is_in_udp {
        return Err("it is carried in UDP");
    }
    if sa.name.spi < 256 {
        return Err("its SPI is reserved");
    }
    Ok(())
}

/// How long an SA may send: as the IKE daemon says, and never longer than ours do.
fn limits(hard_packets: u64, hard_seconds: u64) -> SaLimits {
    let hard_packets = hard_packets.clamp(1, MOST_PACKETS);
    let hard_after = match hard_seconds {
        0 => LONGEST,
        seconds => Duration::from_secs(seconds).min(LONGEST),
    };
    SaLimits { soft_packets: hard_packets / 4 * 3, hard_packets, soft_after: hard_after / 4 * 3, hard_after }
}

/// SAs that are remembered: a hundred years of them, or an IKE daemon that has gone mad; nothing is taken then.
const MOST_SPENT: usize = 1 << 20;
const MOST_PACKETS: u64 = 1 << 30;
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
