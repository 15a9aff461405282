//! The key socket: a thread that takes SAs from the daemon, has the workers use them between two of their bursts, and
//! reports back. One daemon at a time; what it installed lives on when it goes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use api::config::Framing;
use api::tunnel::{
    Arrival, Incoming, Install, InstalledEpoch, KeyChannelError, Objection, Order, PeerCounters, PeerName,
    Remote, Report, SaDirection, send,
};
use tunnel::{
    CoreId, Endpoint, InboundConfig, InboundSa, Limits, Moment, OutboundConfig, OutboundSa, SaError, SaKey,
    Sequence, Spi, TfcPadding,
};

use super::control::{Control, ControlError, is_ours};
use crate::tunnelling::act::peer_id;
use crate::tunnelling::keys::{Looked, short};
use crate::tunnelling::plan::PeerPlan;
use crate::tunnelling::{KeyAnswer, KeyOrder, TunnelPlan};

/// How often the workers are asked what they heard.
const LOOK: Duration = Duration::from_millis(20);
/// Looks between two reports of counters.
const LOOKS_PER_COUNT: u32 = 50;
/// A daemon that takes nothing for so long has gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Listens on `path` from now on, in a thread of its own, until the process ends. The lock of the control socket keeps
/// two data planes apart.
pub(super) fn listen(control: &Arc<Control>, path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Listen { path: path.to_owned(), source };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let mut keys = Keys { control: Arc::clone(control), epochs: Vec::new(), generation: 0, plan: None };
    let serve = move || {
        loop {
            keys.follow_configuration(&mut Vec::new());
            match listener.accept() {
                Ok((stream, _)) if is_ours(&stream) => {
                    // However it ends, what was installed stays.
                    let _ = keys.serve(stream);
                }
                Ok(_) => {}
                Err(_) => thread::sleep(LOOK),
            }
        }
    };
    thread::Builder::new().name("keys".into()).spawn(serve).map_err(failed)?;
    Ok(())
}

/// All SAs, as far as the workers need not know.
struct Keys {
    control: Arc<Control>,
    epochs: Vec<EpochSas>,
    /// Of the tunnels that `plan` is.
    generation: u64,
    plan: Option<Arc<TunnelPlan>>,
}

/// The SAs of one epoch of a peer.
struct EpochSas {
    peer: PeerName,
    slot: usize,
    epoch: u64,
    /// Names of the inbound ones.
    inbound: Vec<u32>,
    /// Queues that have their outbound one.
    queues: Vec<u16>,
    stage: Stage,
}

/// How far an epoch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// SAs are coming.
    Installing,
    /// One was refused: the rest is, too, and nothing more is said of it.
    Refused,
    /// All are there.
    Installed,
    /// The peer's packets came on each inbound one.
    Heard,
    /// Its outbound ones are used; whether the peer was heard before does not matter any more.
    Up,
    /// They were used, and those of another epoch are now.
    Replaced,
}

impl Keys {
    /// Serves one daemon until it goes.
    fn serve(&mut self, stream: UnixStream) -> Result<(), KeyChannelError> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut out = stream.try_clone()?;
        let mut incoming = Incoming::new(stream);
        send(&self.hello(), &mut out)?;
        let (mut looks, mut looked_ns) = (0_u32, 0);
        loop {
            let mut reports = Vec::new();
            match incoming.receive::<Order>()? {
                Arrival::Closed => return Ok(()),
                Arrival::Message(order) => self.carry_out(order, &mut reports),
                Arrival::Nothing => {}
            }
            let now_ns = self.control.now_ns();
            if now_ns.saturating_sub(looked_ns) >= u64::try_from(LOOK.as_nanos()).unwrap_or(u64::MAX) {
                looked_ns = now_ns;
                self.follow_configuration(&mut reports);
                self.look(looks.is_multiple_of(LOOKS_PER_COUNT), &mut reports);
                looks = looks.wrapping_add(1);
            }
            for report in &reports {
                send(report, &mut out)?;
            }
        }
    }

    fn hello(&self) -> Report {
        let is_there = |it: &&EpochSas| !matches!(it.stage, Stage::Installing | Stage::Refused);
        let mut installed: Vec<InstalledEpoch> = self
            .epochs
            .iter()
            .filter(is_there)
            .map(|it| InstalledEpoch { peer: it.peer, epoch: it.epoch, is_up: it.stage == Stage::Up })
            .collect();
        installed.sort_by_key(|it| (it.peer, it.epoch));
        Report::Hello { queues: self.control.sealing_workers(), installed }
    }

    fn carry_out(&mut self, order: Order, reports: &mut Vec<Report>) {
        match order {
            Order::Install(install) => self.install(&install, reports),
            Order::Complete { peer, epoch } => self.complete(peer, epoch, reports),
            Order::Probe { peer, epoch } => {
                self.order_epoch((peer, epoch), reports, |slot| KeyOrder::Probe { slot, epoch });
            }
            Order::Up { peer, epoch } => self.up(peer, epoch, reports),
            Order::Expired { peer, epoch } => {
                self.order_epoch((peer, epoch), reports, |slot| KeyOrder::Expired { slot, epoch });
            }
            Order::Wipe { peer, epoch } => self.wipe(peer, epoch, reports),
            Order::Down { peer } => self.down(peer, reports),
            Order::MtuProbe { peer, size } => {
                if let Some(slot) = self.control.slot_of(peer) {
                    let _ = self.control.key_order(0, KeyOrder::MtuProbe { slot, size });
                }
            }
            Order::PathMtu { peer, mtu } => {
                let Some(slot) = self.control.slot_of(peer) else { return };
                if let Err(why) = self.to_all(|| KeyOrder::PathMtu { slot, mtu }) {
                    reports.push(Report::Refused { peer, epoch: 0, why });
                }
            }
        }
    }

    /// Takes one SA in; where it cannot be, its epoch is refused as a whole.
    fn install(&mut self, install: &Install, reports: &mut Vec<Report>) {
        let (peer, epoch) = (install.peer, install.epoch);
        let Some(at) = self.begin(peer, epoch) else {
            return reports.push(Report::Refused { peer, epoch, why: Objection::UnknownPeer });
        };
        let stage = self.epochs.get(at).map(|it| it.stage);
        let result = match stage {
            Some(Stage::Installing) => self.take_in(at, install),
            Some(Stage::Refused) => return,
            _ => Err(Objection::StaleEpoch),
        };
        if let Err(why) = result {
            if stage == Some(Stage::Installing) {
                self.forget_sas(at);
                if let Some(it) = self.epochs.get_mut(at) {
                    it.stage = Stage::Refused;
                }
            }
            reports.push(Report::Refused { peer, epoch, why });
        }
    }

    /// The place of an epoch, which begins now where it was not there; `None` where there is no such peer.
    fn begin(&mut self, peer: PeerName, epoch: u64) -> Option<usize> {
        if let Some(at) = self.find(peer, epoch) {
            return Some(at);
        }
        let slot = self.control.slot_of(peer)?;
        self.plan.as_ref()?.peer(slot)?;
        let (inbound, queues) = (Vec::new(), Vec::new());
        self.epochs.push(EpochSas { peer, slot, epoch, inbound, queues, stage: Stage::Installing });
        Some(self.epochs.len() - 1)
    }

    fn find(&self, peer: PeerName, epoch: u64) -> Option<usize> {
        self.epochs.iter().position(|it| it.peer == peer && it.epoch == epoch)
    }

    fn take_in(&mut self, at: usize, install: &Install) -> Result<(), Objection> {
        let plan = self.plan.clone().ok_or(Objection::UnknownPeer)?;
        let workers = self.control.sealing_workers();
        let now = Moment(self.control.now_ns());
        let it = self.epochs.get_mut(at).ok_or(Objection::UnknownEpoch)?;
        let peer = plan.peer(it.slot).ok_or(Objection::UnknownPeer)?;
        if install.framing != peer.config.framing {
            return Err(Objection::Framing);
        }
        let spi = Spi::new(install.spi).ok_or(Objection::SpiInUse)?;
        match install.direction {
            SaDirection::Inbound => {
                let owner = install.queue % workers;
                // Before it is tried: what was not installed is not there to be wiped, and that is harmless.
                it.inbound.push(install.spi);
                let sa = inbound(peer, it.slot, spi, install)?;
                let mut sa = Some(Box::new(sa));
                for worker in 0..workers {
                    let order = match sa.take_if(|_| worker == owner) {
                        Some(sa) => KeyOrder::Inbound(sa),
                        None => KeyOrder::Point(spi, CoreId(owner)),
                    };
                    answered(self.control.key_order(usize::from(worker), order).as_ref())?;
                }
            }
            SaDirection::Outbound => {
                if install.queue >= workers || it.queues.contains(&install.queue) {
                    return Err(Objection::Queues);
                }
                it.queues.push(install.queue);
                let (slot, epoch) = (it.slot, it.epoch);
                let sa = Box::new(outbound(&plan, (peer, slot), spi, install, now)?);
                let order = KeyOrder::Outbound { slot, epoch, sa };
                answered(self.control.key_order(usize::from(install.queue), order).as_ref())?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, peer: PeerName, epoch: u64, reports: &mut Vec<Report>) {
        let workers = usize::from(self.control.sealing_workers());
        let Some(at) = self.find(peer, epoch) else {
            return reports.push(Report::Refused { peer, epoch, why: Objection::UnknownEpoch });
        };
        let Some(it) = self.epochs.get_mut(at) else { return };
        match it.stage {
            Stage::Refused => {
                self.epochs.swap_remove(at);
            }
            Stage::Installing if it.queues.len() == workers && !it.inbound.is_empty() => {
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

    fn up(&mut self, peer: PeerName, epoch: u64, reports: &mut Vec<Report>) {
        if !self.order_epoch((peer, epoch), reports, |slot| KeyOrder::Up { slot, epoch }) {
            return;
        }
        for it in self.epochs.iter_mut().filter(|it| it.peer == peer) {
            if it.epoch == epoch {
                it.stage = Stage::Up;
            } else if it.stage == Stage::Up {
                it.stage = Stage::Replaced;
            }
        }
    }

    /// Gives all workers an order about an epoch; whether they carried it out.
    fn order_epoch(
        &self,
        (peer, epoch): (PeerName, u64),
        reports: &mut Vec<Report>,
        order: impl Fn(usize) -> KeyOrder,
    ) -> bool {
        let is_there = |it: &&EpochSas| !matches!(it.stage, Stage::Installing | Stage::Refused);
        let found = self.find(peer, epoch).and_then(|at| self.epochs.get(at)).filter(is_there);
        let result = match found {
            Some(it) => self.to_all(|| order(it.slot)),
            None => Err(Objection::UnknownEpoch),
        };
        if let Err(why) = result {
            reports.push(Report::Refused { peer, epoch, why });
        }
        result.is_ok()
    }

    fn to_all(&self, order: impl Fn() -> KeyOrder) -> Result<(), Objection> {
        let mut result = Ok(());
        for worker in 0..self.control.sealing_workers() {
            // All are told, whatever one of them says.
            result = answered(self.control.key_order(usize::from(worker), order()).as_ref()).and(result);
        }
        result
    }

    fn wipe(&mut self, peer: PeerName, epoch: u64, reports: &mut Vec<Report>) {
        let spis = self.find(peer, epoch).map(|at| {
            self.forget_sas(at);
            self.epochs.swap_remove(at).inbound
        });
        reports.push(Report::Wiped { peer, epoch, spis: spis.unwrap_or_default() });
    }

    fn down(&mut self, peer: PeerName, reports: &mut Vec<Report>) {
        while let Some(epoch) = self.epochs.iter().find(|it| it.peer == peer).map(|it| it.epoch) {
            self.wipe(peer, epoch, reports);
        }
    }

    /// Has all workers wipe the SAs of an epoch.
    fn forget_sas(&self, at: usize) {
        let Some(EpochSas { slot, epoch, inbound, .. }) = self.epochs.get(at) else { return };
        let (slot, epoch, spis) = (*slot, *epoch, Arc::from(inbound.as_slice()));
        // A worker that is stuck wipes when it goes on: the order waits for it.
        let _ = self.to_all(|| KeyOrder::Wipe { slot, epoch, spis: Arc::clone(&spis) });
    }

    /// Wipes the SAs of peers that another configuration does not have, or has otherwise.
    fn follow_configuration(&mut self, reports: &mut Vec<Report>) {
        let (plan, generation) = self.control.tunnels();
        if generation == self.generation {
            return;
        }
        let before = core::mem::replace(&mut self.plan, plan.clone());
        self.generation = generation;
        let config = |plan: &Option<Arc<TunnelPlan>>, slot| {
            plan.as_ref()
                .and_then(|plan| plan.peer(slot).map(|peer| (peer.config.clone(), plan.local.clone())))
        };
        let mut changed: Vec<PeerName> = self
            .epochs
            .iter()
            .filter(|it| config(&before, it.slot) != config(&plan, it.slot))
            .map(|it| it.peer)
            .collect();
        changed.dedup();
        for peer in changed {
            self.down(peer, reports);
        }
    }

    /// Asks the workers what they heard.
    fn look(&mut self, is_counting: bool, reports: &mut Vec<Report>) {
        let (mut heard, mut counters) = (Vec::new(), Vec::<PeerCounters>::new());
        for worker in 0..self.control.sealing_workers() {
            let Some(KeyAnswer::Looked(looked)) = self.control.key_order(usize::from(worker), KeyOrder::Look)
            else {
                continue;
            };
            let Looked { heard: spis, due, moved, probed, counters: counted } = *looked;
            heard.extend(spis);
            let used = |slot: usize| self.epochs.iter().find(|it| it.slot == slot && it.stage == Stage::Up);
            for it in due.into_iter().filter_map(used) {
                reports.push(Report::RekeyWanted { peer: it.peer, epoch: it.epoch });
            }
            for (slot, Endpoint { address, port }) in moved {
                if let Some(peer) = self.plan.as_ref().and_then(|plan| plan.peer(slot)) {
                    reports.push(Report::Roamed { peer: peer.name, remote: Remote { address, port } });
                }
            }
            for (slot, size) in probed {
                if let Some(peer) = self.plan.as_ref().and_then(|plan| plan.peer(slot)) {
                    reports.push(Report::MtuProbeArrived { peer: peer.name, size });
                }
            }
            counters.resize(counters.len().max(counted.len()), PeerCounters::default());
            for (sum, one) in counters.iter_mut().zip(&counted) {
                *sum = sum.plus(one);
            }
        }
        for it in self.epochs.iter_mut().filter(|it| it.stage == Stage::Installed) {
            if it.inbound.iter().all(|spi| heard.contains(spi)) {
                it.stage = Stage::Heard;
                reports.push(Report::Heard { peer: it.peer, epoch: it.epoch });
            }
        }
        let Some(plan) = self.plan.as_ref().filter(|_| is_counting) else { return };
        for (slot, counters) in counters.into_iter().enumerate() {
            if let Some(peer) = plan.peer(slot) {
                reports.push(Report::Counters { peer: peer.name, counters });
            }
        }
    }
}

fn answered(answer: Option<&KeyAnswer>) -> Result<(), Objection> {
    match answer {
        Some(KeyAnswer::Done | KeyAnswer::Looked(_)) => Ok(()),
        Some(KeyAnswer::Refused(why)) => Err(*why),
        None => Err(Objection::Stuck),
    }
}

/// The key of a message, which wipes its own.
fn key(install: &Install) -> Result<SaKey, Objection> {
    SaKey::fill(|bytes| {
        bytes.copy_from_slice(install.key.expose());
        Ok(())
    })
}

fn inbound(peer: &PeerPlan, slot: usize, spi: Spi, install: &Install) -> Result<InboundSa, Objection> {
    let selectors = peer.selectors().map_err(|_| Objection::Path)?.reversed();
    let config = InboundConfig {
        spi,
        peer: peer_id(slot),
        epoch: short(install.epoch),
        framing: peer.framing(),
        selectors,
        sequence: Sequence::Extended,
    };
    InboundSa::new(key(install)?, config).map_err(objection)
}

fn outbound(
    plan: &TunnelPlan,
    (peer, slot): (&PeerPlan, usize),
    spi: Spi,
    install: &Install,
    now: Moment,
) -> Result<OutboundSa, Objection> {
    let remote = install.remote.map(|remote| Endpoint { address: remote.address, port: remote.port });
    let selectors = match peer.config.framing {
        Framing::Ip => peer.selectors().map_err(|_| Objection::Path)?,
        Framing::EtherIp | Framing::Gre => tunnel::Selectors::default(),
    };
    let limits = Limits {
        soft_packets: install.limits.soft_packets,
        hard_packets: install.limits.hard_packets,
        soft_after: install.limits.soft_after,
        hard_after: install.limits.hard_after,
    };
    let config = OutboundConfig {
        spi,
        peer: peer_id(slot),
        epoch: short(install.epoch),
        path: peer.path(plan, remote)?,
        framing: peer.framing(),
        selectors,
        sequence: Sequence::Extended,
        limits,
        padding: TfcPadding::None,
    };
    OutboundSa::new(key(install)?, config, now).map_err(objection)
}

const fn objection(error: SaError) -> Objection {
    match error {
        SaError::MixedVersions => Objection::Path,
        SaError::PathTooSmall { .. } => Objection::Mtu,
        SaError::NoEngine => Objection::Cipher,
    }
}
