//! What a worker does with keys between two of its bursts: SAs come made, so that no packet waits for their making.

use std::sync::Arc;

use api::tunnel::{Objection, PeerCounters};
use engine::Counter;
use packet_io::{PacketBuf, PacketIo};
use tunnel::{
    CoreId, Endpoint, Epoch, InboundSa, Moment, Notice, OutboundSa, Packet, PeerId, Spi, TableError, Version,
};

use super::act::{Ends, SCRATCH_HEADROOM, Tunnelling, end_of, peer_id};
use super::mesh::Note;
use super::opening::put_ethernet;
use super::plan::{PeerPlan, Side, TunnelPlan};
use super::sealing::policy_id;

/// An outbound SA that is not used yet.
#[derive(Debug)]
pub(crate) struct Pending {
    slot: usize,
    epoch: u64,
    sa: Box<OutboundSa>,
    /// When the next probe is due, and until when there are any.
    probing: Option<(u64, u64)>,
}

/// What a worker is told about keys.
pub(crate) enum KeyOrder {
    /// An inbound SA of this worker.
    Inbound(Box<InboundSa>),
    /// An inbound SA of another.
    Point(Spi, CoreId),
    /// An outbound SA of this worker, to be used once it is up.
    Outbound {
        /// Whose.
        slot: usize,
        /// Which.
        epoch: u64,
        /// Itself.
        sa: Box<OutboundSa>,
    },
    /// Probes are to be sent on an epoch that is not up.
    Probe {
        /// Whose.
        slot: usize,
        /// Which.
        epoch: u64,
    },
    /// An epoch is used from now on.
    Up {
        /// Whose.
        slot: usize,
        /// Which.
        epoch: u64,
    },
    /// Nothing is sent on an epoch any more.
    Expired {
        /// Whose.
        slot: usize,
        /// Which.
        epoch: u64,
    },
    /// An epoch is wiped, inbound SAs by name.
    Wipe {
        /// Whose.
        slot: usize,
        /// Which.
        epoch: u64,
        /// Names of its inbound SAs, here and at other workers.
        spis: Arc<[u32]>,
    },
    /// A path has another MTU.
    PathMtu {
        /// To whom.
        slot: usize,
        /// Bytes of the largest outer packet.
        mtu: u16,
    },
    /// A dummy packet of this size is to be sent.
    MtuProbe {
        /// To whom.
        slot: usize,
        /// Bytes of the outer packet.
        size: u16,
    },
    /// What happened since the last look.
    Look,
}

/// What a worker answers.
pub(crate) enum KeyAnswer {
    /// It is done.
    Done,
    /// It is not done.
    Refused(Objection),
    /// What happened.
    Looked(Box<Looked>),
}

/// What a worker has seen.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// Its inbound SAs that have opened a packet, by name.
    pub(crate) heard: Vec<u32>,
    /// Slots whose SA in use has reached a soft limit.
    pub(crate) due: Vec<usize>,
    /// Peers that send from elsewhere.
    pub(crate) moved: Vec<(usize, Endpoint)>,
    /// Bytes of the largest outer packet around a dummy of a peer, where it is that of a probe of the path's MTU.
    pub(crate) probed: Vec<(usize, u16)>,
    /// What it counted, by slot.
    pub(crate) counters: Vec<PeerCounters>,
}

impl<B: PacketBuf> Tunnelling<B> {
    /// Knows a peer from now on, or as it is configured now.
    pub(super) fn know_peer(&mut self, plan: &TunnelPlan, slot: usize, peer: Option<&PeerPlan>) {
        let nowhere = Endpoint { address: std::net::Ipv4Addr::UNSPECIFIED.into(), port: 0 };
        let (endpoint, roaming) = peer
            .map_or((nowhere, tunnel::Roaming::Fixed), |peer| (peer.endpoint(plan.udp_port), peer.roaming()));
        while self.unsealed.len() <= slot {
            self.unsealed.push(super::act::Unsealed::default());
            // Both lists grow alike, and have a limit that slots keep to.
            let _ = self.gateway.add_peer(nowhere, tunnel::Roaming::Fixed);
            let _ = self.gateway.outbound.add_policy(tunnel::Selectors::default());
        }
        // A peer that has moved stays where it is.
        let known = self.gateway.endpoint(peer_id(slot)).unwrap_or(nowhere);
        let has_moved = roaming == tunnel::Roaming::Follow && !known.address.is_unspecified();
        self.gateway.set_peer(peer_id(slot), if has_moved { known } else { endpoint }, roaming);
    }

    /// Carries out what the worker is told.
    #[cold]
    pub(crate) fn obey<Io: PacketIo<Buf = B>>(
        &mut self,
        order: KeyOrder,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> KeyAnswer {
        match order {
            KeyOrder::Inbound(sa) => return installed(self.gateway.inbound.install(*sa)),
            KeyOrder::Point(spi, core) => return installed(self.gateway.inbound.point(spi, core)),
            KeyOrder::Outbound { slot, epoch, sa } => {
                self.pending.push(Pending { slot, epoch, sa, probing: None });
            }
            KeyOrder::Probe { slot, epoch } => {
                for pending in self.pending.iter_mut().filter(|it| (it.slot, it.epoch) == (slot, epoch)) {
                    pending.probing = Some((now_ns, now_ns.saturating_add(PROBING_NS)));
                }
                if let Some(plan) = self.plan.clone() {
                    self.send_probes(&plan, ends, now_ns);
                }
            }
            KeyOrder::Up { slot, epoch } => return self.up(slot, epoch),
            KeyOrder::Expired { slot, epoch } => {
                self.drop_outbound(slot, epoch);
            }
            KeyOrder::Wipe { slot, epoch, spis } => {
                self.drop_outbound(slot, epoch);
                for spi in spis.iter().filter_map(|spi| Spi::new(*spi)) {
                    self.gateway.inbound.retire(spi, Moment(now_ns));
                }
                self.gateway.inbound.expire(Moment(now_ns));
            }
            KeyOrder::PathMtu { slot, mtu } => {
                if self.gateway.outbound.set_path_mtu(policy_id(slot), mtu).is_err() {
                    return KeyAnswer::Refused(Objection::Mtu);
                }
            }
            KeyOrder::MtuProbe { slot, size } => self.probe_mtu(slot, size, ends, now_ns),
            KeyOrder::Look => return KeyAnswer::Looked(Box::new(self.look(now_ns))),
        }
        KeyAnswer::Done
    }

    fn up(&mut self, slot: usize, epoch: u64) -> KeyAnswer {
        let Some(at) = self.pending.iter().position(|it| (it.slot, it.epoch) == (slot, epoch)) else {
            return KeyAnswer::Refused(Objection::UnknownEpoch);
        };
        let mut sa = self.pending.swap_remove(at).sa;
        let follows = self.plan.as_ref().and_then(|plan| plan.peer(slot)).map(PeerPlan::roaming)
            == Some(tunnel::Roaming::Follow);
        match self.gateway.endpoint(peer_id(slot)) {
            // Where its newest packet came from. A peer that went to the other IP is reached again by the next keys.
            Some(endpoint) if follows && !endpoint.address.is_unspecified() => _ = sa.redirect(endpoint),
            _ => self.gateway.move_peer(peer_id(slot), sa.config().path.remote),
        }
        match self.gateway.outbound.install(policy_id(slot), *sa) {
            Ok(()) => KeyAnswer::Done,
            Err(_) => KeyAnswer::Refused(Objection::UnknownPeer),
        }
    }

    fn drop_outbound(&mut self, slot: usize, epoch: u64) {
        self.pending.retain(|it| (it.slot, it.epoch) != (slot, epoch));
        let policy = policy_id(slot);
        if self.gateway.outbound.sa(policy).is_some_and(|sa| sa.config().epoch == short(epoch)) {
            self.gateway.outbound.remove(policy);
        }
    }

    /// Sends the probes that are due.
    pub(super) fn send_probes<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        for at in 0..self.pending.len() {
            let Some(pending) = self.pending.get_mut(at) else { return };
            let Some((due, until)) = pending.probing.filter(|(due, _)| now_ns >= *due) else { continue };
            pending.probing = (now_ns < until).then_some((due.max(now_ns) + PROBE_EVERY_NS, until));
            let slot = pending.slot;
            self.send_dummy(plan, (slot, Some(at)), PROBE, ends, now_ns);
        }
    }

    fn probe_mtu<Io: PacketIo<Buf = B>>(
        &mut self,
        slot: usize,
        size: u16,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let Some(plan) = self.plan.clone() else { return };
        let Some(sa) = self.gateway.outbound.sa(policy_id(slot)) else { return };
        if let Some(len) = sa.dummy_len(size) {
            self.send_dummy(&plan, (slot, None), len, ends, now_ns);
        }
    }

    /// Sends a dummy packet on the SA in use, or on one that is pending.
    fn send_dummy<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        (slot, pending): (usize, Option<usize>),
        len: u16,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let Some(remote) = self.gateway.endpoint(peer_id(slot)) else { return };
        let pending_to = pending.and_then(|at| self.pending.get(at)).map(|it| it.sa.config().path.remote);
        let address = if remote.address.is_unspecified() {
            pending_to.map_or(remote.address, |remote| remote.address)
        } else {
            remote.address
        };
        let version = if address.is_ipv4() { Version::V4 } else { Version::V6 };
        // Until its link-layer address is known there is none; the next probe comes soon.
        let Some(mac) = self.link_address(plan, Side::Outside, address, ends, now_ns) else { return };
        let mut scratch = core::mem::take(&mut self.scratch);
        if let Some(mut packet) = Packet::new(&mut scratch, SCRATCH_HEADROOM..SCRATCH_HEADROOM) {
            let now = Moment(now_ns);
            let sealed = match pending.map(|at| self.pending.get_mut(at)) {
                Some(Some(pending)) => pending.sa.seal_dummy(&mut packet, len, now).is_ok(),
                Some(None) => false,
                None => self.gateway.seal_dummy(policy_id(slot), &mut packet, len, now).is_ok(),
            };
            if sealed
                && put_ethernet(&mut packet, mac, plan.mac, version)
                && self.emit(end_of(ends, Side::Outside), packet.bytes())
            {
                self.counters.add(Counter::DummiesSent, 1);
            }
        }
        self.scratch = scratch;
    }

    fn look(&mut self, now_ns: u64) -> Looked {
        let heard = self.gateway.inbound.iter().filter(|sa| sa.opened() > 0);
        let mut looked =
            Looked { heard: heard.map(|sa| sa.config().spi.value()).collect(), ..Looked::default() };
        for notice in self.gateway.notices(Moment(now_ns)) {
            match notice {
                Notice::RekeyDue(policy) => looked.due.push(usize::from(policy.0)),
                Notice::PeerMoved(PeerId(peer), endpoint) => {
                    self.mesh.tell(Note::Moved(usize::from(peer), endpoint));
                    self.counters.add(Counter::PeersMoved, 1);
                    looked.moved.push((usize::from(peer), endpoint));
                }
            }
        }
        for (slot, unsealed) in self.unsealed.iter().enumerate() {
            let largest = self.gateway.take_largest_dummy(peer_id(slot));
            looked.probed.extend(largest.filter(|size| *size >= LEAST_MTU_PROBE).map(|size| (slot, size)));
            let tally = self.gateway.tally(peer_id(slot));
            looked.counters.push(PeerCounters {
                rx_packets: tally.opened,
                rx_bytes: tally.opened_bytes,
                tx_packets: tally.sealed,
                tx_bytes: tally.sealed_bytes,
                replay_drops: tally.replayed,
                auth_drops: tally.forged,
                inner_drops: tally.refused,
                keyless_drops: unsealed.keyless,
                seal_drops: unsealed.other,
            });
        }
        looked
    }
}

fn installed(result: Result<(), TableError>) -> KeyAnswer {
    match result {
        Ok(()) => KeyAnswer::Done,
        Err(TableError::Full { .. }) => KeyAnswer::Refused(Objection::Full),
        Err(TableError::InUse { .. }) => KeyAnswer::Refused(Objection::SpiInUse),
    }
}

/// An epoch as SAs are marked with it: enough to tell those of one peer apart.
#[expect(clippy::cast_possible_truncation, reason = "the low half tells neighbouring epochs apart")]
pub(crate) const fn short(epoch: u64) -> Epoch {
    Epoch(epoch as u32)
}

/// Bytes of a probe's text.
const PROBE: u16 = 64;
/// Bytes of the smallest outer packet that is a probe of the path's MTU: every IPv4 host takes as many (RFC 791, 3.1).
const LEAST_MTU_PROBE: u16 = 576;
const PROBE_EVERY_NS: u64 = 100_000_000;
const PROBING_NS: u64 = 10_000_000_000;
