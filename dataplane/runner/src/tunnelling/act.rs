//! One worker's tunnels: what it does with a burst before and after the engine has seen it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use api::config::LinkFrames;
use arrayvec::ArrayVec;
use engine::{Counter, Counters, Verdict};
use packet_io::{BURST, Burst, Link, PacketBuf, PacketIo, PacketMeta};
use tunnel::{AnswerRate, CoreId, Gateway, Moment, PeerId};

use super::exception::{Exchanged, Packet, Passage};
use super::keys::Pending;
use super::mesh::{Mesh, Note};
use super::neighbours::{self, Heard, Neighbours};
use super::plan::{ANSWER_EVERY, ANSWERS_AT_ONCE, Side, TunnelPlan};

/// The queue pairs of both sides.
pub(crate) type Ends<'a, Io> = [&'a mut Io; 2];

/// One worker's tunnels.
pub(crate) struct Tunnelling<B> {
    pub(super) plan: Option<Arc<TunnelPlan>>,
    pub(super) gateway: Gateway,
    /// Outbound SAs that are not used yet.
    pub(super) pending: Vec<Pending>,
    pub(super) neighbours: [Neighbours; 2],
    pub(super) mesh: Mesh<B>,
    pub(super) counters: Arc<Counters>,
    /// Where packets are made: room before and behind them.
    pub(super) scratch: Box<[u8]>,
    pub(super) answers: AnswerRate,
    /// The way to the kernel and back.
    exception: Option<Arc<Exchanged>>,
    /// Packets of the kernel's whose next hop is asked for.
    waiting: ArrayVec<Waiting, WAITING>,
    /// ICMP for the kernel.
    icmp: AnswerRate,
    /// Packets not sealed, by slot.
    pub(super) unsealed: Vec<Unsealed>,
    /// Sealed packets of the burst in hand.
    pub(super) sealed: Burst<B>,
    /// The others.
    plain: Burst<B>,
    /// Frames that go on without anybody looking into them.
    through: Burst<B>,
    /// Packets that came from other workers, less those that went to them, since last asked.
    pub(super) exchanged: i64,
    next_tend_ns: u64,
    next_reach_ns: u64,
}

/// Packets of a peer that were not sealed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsealed {
    /// Because there is no key that may be used.
    pub(super) keyless: u64,
    /// Otherwise.
    pub(super) other: u64,
}

/// A packet of the kernel's that waits for a link-layer address.
#[derive(Debug)]
struct Waiting {
    packet: Packet,
    to: IpAddr,
    until_ns: u64,
}

/// What a frame is before the engine sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// For the engine.
    Plain,
    /// Sealed, and for us.
    Sealed,
    /// About link-layer addresses, and ours or asked for by us.
    Own(Heard),
    /// For the kernel.
    Exception(Passage),
    /// Without IP, or neighbour discovery between others.
    Link,
}

impl<B: PacketBuf> Tunnelling<B> {
    /// A worker without keys or plan.
    pub(crate) fn new(mesh: Mesh<B>, counters: Arc<Counters>, exception: Option<Arc<Exchanged>>) -> Self {
        let core = u16::try_from(mesh.own()).unwrap_or(u16::MAX);
        Self {
            plan: None,
            gateway: Gateway::new(CoreId(core), tunnel::NAT_PORT, INBOUND_SAS),
            pending: Vec::new(),
            neighbours: [Neighbours::new(), Neighbours::new()],
            mesh,
            counters,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            answers: AnswerRate::new(ANSWERS_AT_ONCE, ANSWER_EVERY),
            exception,
            waiting: ArrayVec::new(),
            icmp: AnswerRate::new(ANSWERS_AT_ONCE, ANSWER_EVERY),
            unsealed: Vec::new(),
            sealed: Burst::new(),
            plain: Burst::new(),
            through: Burst::new(),
            exchanged: 0,
            next_tend_ns: 0,
            next_reach_ns: 0,
        }
    }

    /// Works by this plan from now on; what was there comes back, for somebody else to free.
    pub(crate) fn set_plan(&mut self, plan: Option<Arc<TunnelPlan>>) -> Option<Arc<TunnelPlan>> {
        if let Some(plan) = &plan {
            for (slot, peer) in plan.peers.iter().enumerate() {
                self.know_peer(plan, slot, peer.as_ref());
            }
            self.gateway.set_port(plan.udp_port);
        }
        core::mem::replace(&mut self.plan, plan)
    }

    /// The interfaces inside and outside, where something is sealed.
    pub(crate) fn interfaces(&self) -> Option<[u16; 2]> {
        self.plan.as_ref().map(|plan| plan.interfaces())
    }

    /// Which side an interface is; none where nothing is sealed there.
    #[inline]
    pub(crate) fn side_of(&self, interface: u16) -> Option<Side> {
        self.plan.as_ref()?.side_of(interface)
    }

    /// What the engine's verdict on everything is where it does not look.
    pub(crate) fn unclassified(&self) -> Verdict {
        self.plan.as_ref().map_or(Verdict::Forward, |plan| plan.unclassified)
    }

    /// Packets that came from other workers, less those that went to them, since the last call.
    pub(crate) fn take_exchanged(&mut self) -> i64 {
        core::mem::take(&mut self.exchanged)
    }

    /// Takes out of a burst what is not for the engine, and opens what is sealed: what is left is for the engine, of
    /// which the packets from the returned place on were sealed.
    pub(crate) fn before_engine<Io: PacketIo<Buf = B>>(
        &mut self,
        side: Side,
        burst: &mut Burst<B>,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> usize {
        if side == Side::Outside {
            while burst.room() > 0
                && let Some((buf, meta)) = self.mesh.packet()
            {
                self.exchanged += 1;
                // There is room.
                let _never_full = burst.push(buf, meta);
            }
        }
        // Taken out and put back, since a count of references would be all workers' and change with every burst.
        let Some(plan) = self.plan.take_if(|_| !burst.is_empty()) else { return burst.len() };
        let opened_from = self.sort_and_open(&plan, side, burst, ends, now_ns);
        self.plan = Some(plan);
        opened_from
    }

    fn sort_and_open<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        side: Side,
        burst: &mut Burst<B>,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> usize {
        let mut kinds = [Kind::Plain; BURST];
        let mut has_others = false;
        for (kind, buf) in kinds.iter_mut().zip(burst.bufs()) {
            *kind = kind_of(plan, side, buf.bytes());
            has_others |= *kind != Kind::Plain;
        }
        if !has_others {
            return burst.len();
        }
        for ((buf, meta), kind) in burst.drain(BURST).zip(kinds) {
            self.distribute((plan, side), (buf, meta), kind, ends, now_ns);
        }
        for (buf, meta) in self.plain.drain(BURST) {
            let _never_full = burst.push(buf, meta);
        }
        let opened_from = burst.len();
        if !self.sealed.is_empty() {
            self.open(plan, burst, ends, now_ns);
        }
        opened_from
    }

    /// What follows from the verdicts: seals what is to be sealed, and leaves in the burst what goes to the other side.
    pub(crate) fn after_engine<Io: PacketIo<Buf = B>>(
        &mut self,
        side: Side,
        burst: &mut Burst<B>,
        (verdicts, opened_from): (&[Verdict; BURST], usize),
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let Some(plan) = self.plan.take() else { return burst.clear() };
        match side {
            Side::Inside => self.seal(&plan, burst, verdicts, ends, now_ns),
            Side::Outside => self.let_in(&plan, burst, (verdicts, opened_from)),
        }
        self.plan = Some(plan);
    }

    /// Frames that go to the other side as they are, whatever the engine says.
    pub(crate) fn through(&mut self) -> Option<&mut Burst<B>> {
        (!self.through.is_empty()).then_some(&mut self.through)
    }

    /// What has to be done every millisecond or so: probes, addresses of next hops, what other workers say.
    #[inline]
    pub(crate) fn is_tending_due(&self, now_ns: u64) -> bool {
        self.plan.is_some() && now_ns >= self.next_tend_ns
    }

    pub(crate) fn tend<Io: PacketIo<Buf = B>>(&mut self, ends: &mut Ends<'_, Io>, now_ns: u64) {
        self.next_tend_ns = now_ns + TEND_NS;
        let Some(plan) = self.plan.take() else { return };
        while let Some(note) = self.mesh.note() {
            match note {
                Note::Neighbour(side, address, mac) => self.neighbours_of(side).learn(address, mac, now_ns),
                Note::Moved(slot, endpoint) => {
                    self.gateway.move_peer(PeerId(u16::try_from(slot).unwrap_or(u16::MAX)), endpoint);
                }
            }
        }
        self.send_probes(&plan, ends, now_ns);
        if now_ns >= self.next_reach_ns {
            self.next_reach_ns = now_ns + REACH_NS;
            self.reach_peers(&plan, ends, now_ns);
        }
        self.send_for_kernel(&plan, ends, now_ns);
        self.plan = Some(plan);
    }

    /// Asks for the next hops of peers ahead of the first packet.
    fn reach_peers<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        for slot in 0..plan.peers.len() {
            if plan.peer(slot).is_none() || self.mesh.own() != 0 {
                continue;
            }
            let Some(endpoint) = self.gateway.endpoint(peer_id(slot)) else { continue };
            if !endpoint.address.is_unspecified() {
                let _ = self.link_address(plan, Side::Outside, endpoint.address, ends, now_ns);
            }
        }
    }

    /// Sends what the kernel has for the port outside, as far as it may; the first worker does.
    fn send_for_kernel<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let Some(exception) = self.exception.clone().filter(|_| self.mesh.own() == 0) else { return };
        while !self.waiting.is_full()
            && let Some(packet) = exception.for_wire()
        {
            match plan.exception.as_ref().and_then(|allowed| allowed.outwards(packet.bytes())) {
                Some((_, to)) => self.waiting.push(Waiting { packet, to, until_ns: now_ns + WAIT_NS }),
                None => {
                    self.counters.add(Counter::ExceptionRefused, 1);
                    exception.give_back(packet);
                }
            }
        }
        for one in core::mem::take(&mut self.waiting) {
            let fate = match self.link_address(plan, Side::Outside, one.to, ends, now_ns) {
                Some(mac) if self.send_packet(plan, mac, one.packet.bytes(), ends) => Counter::ExceptionOut,
                None if now_ns < one.until_ns => {
                    // It was there before.
                    self.waiting.push(one);
                    continue;
                }
                _ => Counter::ExceptionRefused,
            };
            self.counters.add(fate, 1);
            exception.give_back(one.packet);
        }
    }

    /// Sends an IP packet outside as it is.
    fn send_packet<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        mac: [u8; 6],
        packet: &[u8],
        ends: &mut Ends<'_, Io>,
    ) -> bool {
        let kind = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
        let length = ETHERNET + packet.len();
        let Some((head, body)) =
            self.scratch.get_mut(..length).and_then(|frame| frame.split_at_mut_checked(ETHERNET))
        else {
            return false;
        };
        let [k0, k1] = kind.to_be_bytes();
        let [a, b, c, d, e, f] = mac;
        let [g, h, i, j, k, l] = plan.mac;
        head.copy_from_slice(&[a, b, c, d, e, f, g, h, i, j, k, l, k0, k1]);
        body.copy_from_slice(packet);
        let frame = self.scratch.get(..length).unwrap_or_default();
        self.emit(end_of(ends, Side::Outside), frame)
    }

    /// The link-layer address by which an address is reached on a side, asked for where it is not known.
    #[inline]
    pub(super) fn link_address<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        side: Side,
        to: IpAddr,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> Option<[u8; 6]> {
        if let (Side::Outside, Some(mac)) = (side, plan.next_hop_mac) {
            return Some(mac);
        }
        if let Some(mac) = neighbours::group_mac(to) {
            return Some(mac);
        }
        let hop = plan.next_hop(side, to)?;
        let known = self.neighbours_of(side).resolve(hop, now_ns);
        if known.ask {
            let frame = neighbours::question(plan, side, hop);
            self.emit(end_of(ends, side), &frame);
            self.counters.add(Counter::NeighboursAsked, 1);
        }
        known.mac
    }

    /// Sends a frame that was made here.
    pub(super) fn emit<Io: PacketIo<Buf = B>>(&self, io: &mut Io, frame: &[u8]) -> bool {
        // Shorter ones are padded, as the wire demands it (IEEE 802.3, 4.2.3.3).
        let mut padded = [0; FRAME_LEAST];
        let frame = match padded.get_mut(..frame.len()) {
            Some(place) => {
                place.copy_from_slice(frame);
                padded.as_slice()
            }
            None => frame,
        };
        let Some(buf) = io.make(frame) else { return false };
        let wire_len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut one = Burst::new();
        let _never_full =
            one.push(buf, PacketMeta { wire_len, link: Link::ETHERNET, ..PacketMeta::default() });
        io.transmit(&mut one);
        one.is_empty()
    }

    pub(super) fn neighbours_of(&mut self, side: Side) -> &mut Neighbours {
        let [inside, outside] = &mut self.neighbours;
        match side {
            Side::Inside => inside,
            Side::Outside => outside,
        }
    }

    fn distribute<Io: PacketIo<Buf = B>>(
        &mut self,
        (plan, side): (&TunnelPlan, Side),
        (buf, meta): (B, PacketMeta),
        kind: Kind,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let into = match kind {
            Kind::Plain => &mut self.plain,
            Kind::Sealed => &mut self.sealed,
            Kind::Own(heard) => {
                self.count_own(&meta, Counter::Consumed);
                return self.hear(plan, side, heard, ends, now_ns);
            }
            Kind::Exception(passage) => return self.hand_to_kernel((&buf, &meta), passage, now_ns),
            Kind::Link if plan.link_frames == LinkFrames::Pass => {
                self.count_own(&meta, Counter::Processed);
                &mut self.through
            }
            Kind::Link => return self.count_own(&meta, Counter::DropLinkFrame),
        };
        // Each of them is as large as the burst.
        let _never_full = into.push(buf, meta);
    }

    /// Hands the kernel a packet for our own address.
    #[cold]
    fn hand_to_kernel(&mut self, (buf, meta): (&B, &PacketMeta), passage: Passage, now_ns: u64) {
        let packet = buf.bytes().get(ETHERNET..).unwrap_or_default();
        let is_in_time = passage == Passage::Exchange || self.icmp.take(Moment(now_ns));
        let is_taken =
            is_in_time && self.exception.as_ref().is_some_and(|exception| exception.take_in(packet));
        if is_taken {
            self.counters.add(Counter::ExceptionIn, 1);
        }
        self.count_own(meta, if is_taken { Counter::Consumed } else { Counter::DropExceptionFull });
    }

    /// Counts a frame that the engine does not see.
    pub(super) fn count_own(&self, meta: &PacketMeta, fate: Counter) {
        self.counters.add(Counter::Received, 1);
        self.counters.add(Counter::ReceivedBytes, u64::from(meta.wire_len));
        self.counters.add(fate, 1);
    }

    /// Counts a frame that the engine has counted as processed and that is dropped all the same.
    pub(super) fn count_later(&self, fate: Counter) {
        self.counters.add(Counter::DroppedLater, 1);
        self.counters.add(fate, 1);
    }

    /// Learns, and answers.
    #[cold]
    fn hear<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        side: Side,
        heard: Heard,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        match heard {
            Heard::Question { target, asker, mac } => {
                if let Some(asker) = asker {
                    self.neighbours_of(side).learn(asker, mac, now_ns);
                    self.mesh.tell(Note::Neighbour(side, asker, mac));
                }
                if let Some(answer) = neighbours::answer(plan, target, asker, mac) {
                    self.emit(end_of(ends, side), &answer);
                    self.counters.add(Counter::NeighboursAnswered, 1);
                }
            }
            Heard::Answer { address, mac } => {
                if self.neighbours_of(side).answered(address, mac, now_ns) {
                    self.mesh.tell(Note::Neighbour(side, address, mac));
                } else if self.mesh.own() == 0 {
                    // Another worker has asked.
                    self.mesh.tell(Note::Neighbour(side, address, mac));
                }
            }
            Heard::Other => {}
        }
    }
}

/// What a frame is that comes in on a side.
#[inline]
fn kind_of(plan: &TunnelPlan, side: Side, frame: &[u8]) -> Kind {
    if let Some(heard) = neighbours::read(frame) {
        return match heard {
            Heard::Question { target, .. } if plan.is_ours(side, target) => Kind::Own(heard),
            Heard::Answer { .. } if is_to(frame, plan.mac) => Kind::Own(heard),
            _ if plan.has_layer2 => Kind::Plain,
            _ => Kind::Link,
        };
    }
    match side {
        Side::Outside if is_sealed(plan, frame) => Kind::Sealed,
        Side::Outside if let Some(passage) = exception_of(plan, frame) => Kind::Exception(passage),
        _ if is_ip(frame) || plan.has_layer2 => Kind::Plain,
        _ => Kind::Link,
    }
}

/// What a frame is to the exception port.
#[inline]
fn exception_of(plan: &TunnelPlan, frame: &[u8]) -> Option<Passage> {
    let exception = plan.exception.as_ref()?;
    let (ethernet, packet) = frame.split_first_chunk::<ETHERNET>()?;
    let [.., t0, t1] = *ethernet;
    let is_ip = matches!(u16::from_be_bytes([t0, t1]), IPV4 | IPV6);
    is_ip.then(|| exception.inwards(packet)).flatten()
}

/// The queue pair of a side.
pub(crate) fn end_of<'a, Io>(ends: &'a mut Ends<'_, Io>, side: Side) -> &'a mut Io {
    let [inside, outside] = ends;
    match side {
        Side::Inside => inside,
        Side::Outside => outside,
    }
}

/// A slot as the tunnel numbers peers and policies.
pub(crate) fn peer_id(slot: usize) -> PeerId {
    PeerId(u16::try_from(slot).unwrap_or(u16::MAX))
}

/// Whether a frame is sealed and goes to an address of ours; what turns out not to be is refused when it is opened.
#[inline]
fn is_sealed(plan: &TunnelPlan, frame: &[u8]) -> bool {
    let Some((ethernet, packet)) = frame.split_first_chunk::<ETHERNET>() else { return false };
    let [.., t0, t1] = *ethernet;
    match u16::from_be_bytes([t0, t1]) {
        IPV4 => {
            let Some(header) = packet.first_chunk::<20>() else { return false };
            let [first, _, _, _, _, _, f0, f1, _, protocol, _, _, _, _, _, _, d0, d1, d2, d3] = *header;
            let is_later = u16::from_be_bytes([f0, f1]) & 0x1fff != 0;
            let udp = packet.get(usize::from(first & 15) * 4..).unwrap_or_default();
            plan.local.contains(&Ipv4Addr::new(d0, d1, d2, d3).into())
                && (protocol == ESP || protocol == UDP && (is_later || is_to_port(udp, plan.udp_port)))
        }
        IPV6 => {
            let Some(header) = packet.first_chunk::<40>() else { return false };
            let [_, _, _, _, _, _, next, ..] = *header;
            let Some(destination) = header.last_chunk::<16>() else { return false };
            let udp = packet.get(40..).unwrap_or_default();
            plan.local.contains(&Ipv6Addr::from(*destination).into())
                && match next {
                    // A fragment, or options that ESP may be behind.
                    ESP | 0 | 44 | 60 => true,
                    UDP => is_to_port(udp, plan.udp_port),
                    _ => false,
                }
        }
        _ => false,
    }
}

#[inline]
fn is_to_port(udp: &[u8], port: u16) -> bool {
    matches!(udp, [_, _, d0, d1, ..] if u16::from_be_bytes([*d0, *d1]) == port)
}

/// Whether a frame carries IP, in tags or without.
#[inline]
fn is_ip(frame: &[u8]) -> bool {
    let mut at = 12;
    // Two tags are all that a frame has a reason to carry here.
    for _ in 0..3 {
        let Some([t0, t1]) = frame.get(at..).and_then(|rest| rest.first_chunk()) else { return false };
        match u16::from_be_bytes([*t0, *t1]) {
            IPV4 | IPV6 => return true,
            0x8100 | 0x88a8 => at += 4,
            _ => return false,
        }
    }
    false
}

fn is_to(frame: &[u8], mac: [u8; 6]) -> bool {
    frame.first_chunk().is_some_and(|to| *to == mac || *to == [0x33, 0x33, 0, 0, 0, 1])
}

pub(super) const ETHERNET: usize = 14;
pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
const ESP: u8 = 50;
const UDP: u8 = 17;
const FRAME_LEAST: usize = 60;
/// Inbound SAs of all peers and epochs, those of other workers among them.
const INBOUND_SAS: u16 = 16_384;
/// Room for the largest packet that is made, with what is put around it.
const SCRATCH: usize = SCRATCH_HEADROOM + 9_728 + 64;
pub(super) const SCRATCH_HEADROOM: usize = 128;
/// Packets of the kernel's that wait for a link-layer address at most, and for how long.
const WAITING: usize = 64;
const WAIT_NS: u64 = 1_000_000_000;
const TEND_NS: u64 = 1_000_000;
const REACH_NS: u64 = 50_000_000;
