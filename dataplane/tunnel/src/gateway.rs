use arrayvec::ArrayVec;

use crate::aead::{Aead, Aes256Gcm};
use crate::counter::{Counter, Counters};
use crate::inbound::{Found, InboundTable};
use crate::open::{OpenRefusal, Opened, Text};
use crate::outbound::{OutboundTable, PolicyId};
use crate::outer::{Arrived, Endpoint, Outer, arrived, is_source_intact};
use crate::packet::Packet;
use crate::replay::Freshness;
use crate::sa::{CoreId, Moment, PeerId};
use crate::seal::SealRefusal;

/// One core's half of all tunnels: its SAs, the peers they lead to, and its counters. It is shared with nobody.
#[derive(Debug)]
pub struct Gateway<A = Aes256Gcm> {
    core: CoreId,
    port: u16,
    /// SAs by which packets come in.
    pub inbound: InboundTable<A>,
    /// Policies and SAs by which packets go out.
    pub outbound: OutboundTable<A>,
    peers: Vec<Peer>,
    counters: Counters,
    notices: ArrayVec<Notice, NOTICES>,
}

/// Whether a peer may change its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roaming {
    /// It may: it is where its newest authentic packet came from.
    Follow,
    /// It stays where the configuration says.
    Fixed,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    endpoint: Endpoint,
    roaming: Roaming,
    tally: Tally,
    /// Bytes of the largest outer packet around a dummy since somebody asked.
    largest_dummy: u16,
}

/// What a gateway counts of one peer, absolute since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets opened.
    pub opened: u64,
    /// Bytes of them after opening.
    pub opened_bytes: u64,
    /// Packets sealed.
    pub sealed: u64,
    /// Bytes of them before sealing.
    pub sealed_bytes: u64,
    /// Packets whose number was seen before, or is behind the window.
    pub replayed: u64,
    /// Packets whose tag is wrong.
    pub forged: u64,
    /// Packets that are authentic and were not opened all the same.
    pub refused: u64,
}

/// Something that the key exchange or another core should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A policy's SA has reached a soft limit; said once to an SA.
    RekeyDue(PolicyId),
    /// A peer sends from elsewhere now; this core follows already, the others are to be told.
    PeerMoved(PeerId, Endpoint),
}

/// Packets that go through each half of sealing or opening together: as many as a core has memory requests under way.
const TOGETHER: usize = 16;

/// A packet between the halves of opening.
#[derive(Debug)]
enum Step {
    /// There is nothing to decrypt.
    Done(Opened),
    /// It was authentic.
    Decrypted { place: usize, peer: PeerId, class: u8, text: Text, outer_len: usize },
}

/// Notices kept until somebody takes them.
const NOTICES: usize = 64;

/// A peer was to be added to a full list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are 65,536 peers")]
pub struct TooManyPeers;

impl<A: Aead> Gateway<A> {
    /// A gateway without SAs for one core. UDP to `port` is taken for tunnels' ([`crate::NAT_PORT`]).
    #[must_use]
    pub fn new(core: CoreId, port: u16, inbound_capacity: u16) -> Self {
        Self {
            core,
            port,
            inbound: InboundTable::with_capacity(inbound_capacity),
            outbound: OutboundTable::new(),
            peers: Vec::new(),
            counters: Counters::new(),
            notices: ArrayVec::new(),
        }
    }

    /// Whose it is.
    #[must_use]
    pub const fn core(&self) -> CoreId {
        self.core
    }

    /// Takes UDP to another port for tunnels'.
    pub const fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Adds a peer.
    ///
    /// # Errors
    /// [`TooManyPeers`].
    pub fn add_peer(&mut self, endpoint: Endpoint, roaming: Roaming) -> Result<PeerId, TooManyPeers> {
        let id = u16::try_from(self.peers.len()).map_err(|_| TooManyPeers)?;
        self.peers.push(Peer { endpoint, roaming, tally: Tally::default(), largest_dummy: 0 });
        Ok(PeerId(id))
    }

    /// Where a peer is.
    #[must_use]
    pub fn endpoint(&self, peer: PeerId) -> Option<Endpoint> {
        self.peers.get(usize::from(peer.0)).map(|peer| peer.endpoint)
    }

    /// What was counted of a peer.
    #[must_use]
    pub fn tally(&self, peer: PeerId) -> Tally {
        self.peers.get(usize::from(peer.0)).map(|peer| peer.tally).unwrap_or_default()
    }

    /// Bytes of the largest outer packet around a dummy of a peer since the last call; none where none came.
    pub fn take_largest_dummy(&mut self, peer: PeerId) -> Option<u16> {
        let known = self.peers.get_mut(usize::from(peer.0))?;
        Some(core::mem::take(&mut known.largest_dummy)).filter(|size| *size > 0)
    }

    /// Changes where a peer is, and whether it may move, as a new configuration says.
    pub fn set_peer(&mut self, peer: PeerId, endpoint: Endpoint, roaming: Roaming) {
        if let Some(known) = self.peers.get_mut(usize::from(peer.0)) {
            (known.endpoint, known.roaming) = (endpoint, roaming);
        }
    }

    /// Follows a peer that another core has seen move.
    pub fn move_peer(&mut self, peer: PeerId, endpoint: Endpoint) {
        if let Some(known) = self.peers.get_mut(usize::from(peer.0)) {
            known.endpoint = endpoint;
            self.outbound.redirect(peer, endpoint);
        }
    }

    /// Seals packets of one policy in place; `results` says of each how it went.
    ///
    /// As many packets as there are results are looked at.
    pub fn seal(
        &mut self,
        policy: PolicyId,
        packets: &mut [Packet<'_>],
        results: &mut [Result<(), SealRefusal>],
        now: Moment,
    ) {
        let Self { outbound, counters, peers, .. } = self;
        let Some(sa) = outbound.sa_mut(policy) else {
            for (_, result) in packets.iter().zip(results) {
                counters.add(Counter::SealNoSa, 1);
                *result = Err(SealRefusal::NoSa);
            }
            return;
        };
        let mut bytes = 0;
        let mut sealed = 0;
        for (packets, results) in packets.chunks_mut(TOGETHER).zip(results.chunks_mut(TOGETHER)) {
            packets.iter().for_each(Packet::prefetch_to_seal);
            let mut framed: ArrayVec<_, TOGETHER> = ArrayVec::new();
            for (packet, _) in packets.iter_mut().zip(results.iter()) {
                bytes += packet.len() as u64;
                framed.push(sa.frame(packet, now));
            }
            for ((packet, result), framed) in packets.iter_mut().zip(results).zip(framed) {
                *result = framed.and_then(|framed| sa.encrypt(packet, framed));
                match result {
                    Ok(()) => sealed += 1,
                    Err(refusal) => {
                        bytes -= packet.len() as u64;
                        counters.add(refusal.counter(), 1);
                    }
                }
            }
        }
        counters.add(Counter::Sealed, sealed);
        counters.add(Counter::SealedBytes, bytes);
        if let Some(peer) = peers.get_mut(usize::from(sa.config().peer.0)) {
            peer.tally.sealed += sealed;
            peer.tally.sealed_bytes += bytes;
        }
    }

    /// Makes a dummy packet of a policy (see [`crate::OutboundSa::seal_dummy`]).
    ///
    /// # Errors
    /// [`SealRefusal`].
    pub fn seal_dummy(
        &mut self,
        policy: PolicyId,
        packet: &mut Packet<'_>,
        len: u16,
        now: Moment,
    ) -> Result<(), SealRefusal> {
        let sa = self.outbound.sa_mut(policy).ok_or(SealRefusal::NoSa);
        let result = sa.and_then(|sa| sa.seal_dummy(packet, len, now));
        self.counters.add(result.map_or_else(SealRefusal::counter, |()| Counter::SealedDummy), 1);
        result
    }

    /// Opens packets in place; `results` says of each what came out.
    ///
    /// As many packets as there are results are looked at.
    pub fn open(
        &mut self,
        packets: &mut [Packet<'_>],
        results: &mut [Result<Opened, OpenRefusal>],
        now: Moment,
    ) {
        let (mut opened, mut bytes) = (0, 0);
        for (packets, results) in packets.chunks_mut(TOGETHER).zip(results.chunks_mut(TOGETHER)) {
            packets.iter().for_each(Packet::prefetch_to_open);
            let mut steps: ArrayVec<_, TOGETHER> = ArrayVec::new();
            for (packet, _) in packets.iter_mut().zip(results.iter()) {
                steps.push(self.decrypt(packet, now));
            }
            for ((packet, result), step) in packets.iter_mut().zip(results).zip(steps) {
                let of_peer = match &step {
                    Ok(Step::Decrypted { peer, outer_len, .. }) => Some((*peer, *outer_len)),
                    _ => None,
                };
                *result = self.unwrap(packet, step);
                if let Some((peer, outer_len)) = of_peer
                    && let Some(peer) = self.peers.get_mut(usize::from(peer.0))
                {
                    peer.tally.unwrapped(result, packet.len() as u64);
                    if *result == Ok(Opened::Dummy) {
                        peer.largest_dummy =
                            peer.largest_dummy.max(u16::try_from(outer_len).unwrap_or(u16::MAX));
                    }
                }
                match result {
                    Ok(Opened::Ip(_) | Opened::Ethernet) => {
                        opened += 1;
                        bytes += packet.len() as u64;
                    }
                    Ok(other) => self.counters.add(other.counter(), 1),
                    Err(refusal) => self.counters.add(refusal.counter(), 1),
                }
            }
        }
        self.counters.add(Counter::Opened, opened);
        self.counters.add(Counter::OpenedBytes, bytes);
    }

    /// Notices since the last call, and SAs that have reached a soft limit since. To be called every second or so.
    pub fn notices(&mut self, now: Moment) -> ArrayVec<Notice, NOTICES> {
        let mut notices = core::mem::take(&mut self.notices);
        // An SA not told of here for the lack of room is so the next time.
        let room = notices.remaining_capacity();
        notices.extend(self.outbound.due(now).take(room).map(Notice::RekeyDue));
        notices
    }

    /// Its counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Counts what a caller did to packets besides sealing and opening.
    pub fn count(&mut self, counter: Counter, amount: u64) {
        self.counters.add(counter, amount);
    }

    /// The first half of opening; an error where nothing was decrypted.
    #[inline]
    fn decrypt(&mut self, packet: &mut Packet<'_>, now: Moment) -> Result<Step, OpenRefusal> {
        let outer = match arrived(packet.bytes(), self.port) {
            Arrived::Esp(outer) => outer,
            Arrived::KeepAlive => return Ok(Step::Done(Opened::KeepAlive)),
            Arrived::NonEsp => return Ok(Step::Done(Opened::NonEsp)),
            Arrived::Other => return Err(OpenRefusal::NotTunnelled),
            Arrived::Fragment => return Err(OpenRefusal::Fragment),
            Arrived::Malformed => return Err(OpenRefusal::MalformedOuter),
        };
        let spi = packet.bytes().get(outer.esp..outer.end).and_then(|esp| esp.first_chunk());
        let spi = spi.map(|spi| u32::from_be_bytes(*spi)).ok_or(OpenRefusal::Truncated)?;
        let (place, sa) = match self.inbound.look_up(spi, now) {
            Some(Found::Here(place, sa)) => (place, sa),
            Some(Found::Core(core)) => return Err(OpenRefusal::OtherCore(core)),
            None => return Err(OpenRefusal::UnknownSpi),
        };
        let peer = sa.config().peer;
        let moved = self.peers.get(usize::from(peer.0)).is_some_and(|peer| peer.has_moved(&outer));
        let moved = moved && is_source_intact(packet.bytes(), &outer);
        let decrypted = sa.decrypt(packet, &outer);
        if let (Err(refusal), Some(peer)) = (&decrypted, self.peers.get_mut(usize::from(peer.0))) {
            peer.tally.refused(*refusal);
        }
        let (freshness, text) = decrypted?;
        // Only the newest packet so far says where its sender is: an old one may have been held back.
        if moved && freshness == Freshness::Newest {
            self.follow(peer, &outer);
        }
        Ok(Step::Decrypted { place, peer, class: outer.class, text, outer_len: outer.end })
    }

    /// The second half of opening.
    #[inline]
    fn unwrap(
        &self,
        packet: &mut Packet<'_>,
        step: Result<Step, OpenRefusal>,
    ) -> Result<Opened, OpenRefusal> {
        match step? {
            Step::Done(opened) => Ok(opened),
            Step::Decrypted { place, class, text, .. } => {
                self.inbound.at(place).ok_or(OpenRefusal::UnknownSpi)?.unwrap(packet, class, text)
            }
        }
    }

    #[cold]
    fn follow(&mut self, peer: PeerId, outer: &Outer) {
        let endpoint = Endpoint::seen(outer.version, outer.source);
        self.move_peer(peer, endpoint);
        self.counters.add(Counter::PeerMoved, 1);
        if self.notices.try_push(Notice::PeerMoved(peer, endpoint)).is_err() {
            self.counters.add(Counter::NoticesLost, 1);
        }
    }
}

impl Tally {
    /// Counts an authentic packet.
    #[inline]
    const fn unwrapped(&mut self, result: &Result<Opened, OpenRefusal>, bytes: u64) {
        match result {
            Ok(Opened::Ip(_) | Opened::Ethernet) => {
                self.opened += 1;
                self.opened_bytes += bytes;
            }
            Ok(Opened::Dummy | Opened::KeepAlive | Opened::NonEsp) => {}
            Err(_) => self.refused += 1,
        }
    }

    /// Counts a packet that is not, as far as its peer is known.
    #[cold]
    const fn refused(&mut self, refusal: OpenRefusal) {
        match refusal {
            OpenRefusal::Replayed | OpenRefusal::TooOld => self.replayed += 1,
            OpenRefusal::NotAuthentic => self.forged += 1,
            _ => self.refused += 1,
        }
    }
}

impl Peer {
    #[inline]
    fn has_moved(&self, outer: &Outer) -> bool {
        self.roaming == Roaming::Follow && !self.endpoint.is(outer.version, outer.source)
    }
}

impl SealRefusal {
    /// The counter of this cause.
    #[must_use]
    pub const fn counter(self) -> Counter {
        match self {
            Self::Malformed => Counter::SealMalformed,
            Self::NotSelected => Counter::SealNotSelected,
            Self::TooBig { .. } => Counter::SealTooBig,
            Self::NeedsFragments { .. } => Counter::SealNeedsFragments,
            Self::PathBelowMinimum => Counter::SealPathBelowMinimum,
            Self::NoRoom => Counter::SealNoRoom,
            Self::NoSa => Counter::SealNoSa,
            Self::PacketLimit => Counter::SealPacketLimit,
            Self::TimeLimit => Counter::SealTimeLimit,
        }
    }
}

impl OpenRefusal {
    /// The counter of this cause.
    #[must_use]
    pub const fn counter(self) -> Counter {
        match self {
            Self::NotTunnelled => Counter::NotTunnelled,
            Self::OtherCore(_) => Counter::OtherCore,
            Self::Fragment => Counter::OpenFragment,
            Self::MalformedOuter => Counter::OpenMalformedOuter,
            Self::Truncated => Counter::OpenTruncated,
            Self::UnknownSpi => Counter::OpenUnknownSpi,
            Self::Replayed => Counter::OpenReplayed,
            Self::TooOld => Counter::OpenTooOld,
            Self::NotAuthentic => Counter::OpenNotAuthentic,
            Self::BadPadding => Counter::OpenBadPadding,
            Self::WrongFraming => Counter::OpenWrongFraming,
            Self::MalformedInner => Counter::OpenMalformedInner,
            Self::NotSelected => Counter::OpenNotSelected,
            Self::CongestionLoss => Counter::OpenCongestionLoss,
        }
    }
}

impl Opened {
    const fn counter(self) -> Counter {
        match self {
            Self::Ip(_) | Self::Ethernet => Counter::Opened,
            Self::Dummy => Counter::OpenedDummy,
            Self::KeepAlive => Counter::KeepAlive,
            Self::NonEsp => Counter::NonEsp,
        }
    }
}
