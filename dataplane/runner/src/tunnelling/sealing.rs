//! What comes from inside: sealed where a rule says so, let out in the clear only where one says that.

use core::ops::Range;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::config::{Framing, Keyless};
use arrayvec::ArrayVec;
use engine::{Counter, RuleNumber, Verdict};
use packet_io::{BURST, Burst, PacketBuf, PacketIo};
use tunnel::{Fragments, Moment, Packet, PolicyId, SealRefusal, Version, answer_too_big, clamp_mss};

use super::act::{ETHERNET, Ends, IPV4, IPV6, SCRATCH_HEADROOM, Tunnelling, end_of, peer_id};
use super::causes;
use super::opening::put_ethernet;
use super::plan::{Side, TunnelPlan};

/// What becomes of a packet from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It goes on as it is.
    Clear,
    /// It goes to the peer of this slot.
    To(usize),
    /// It ends here, and is counted.
    Nowhere,
}

/// How sealing one packet went.
struct Sealing {
    at: usize,
    result: Result<(), SealRefusal>,
    range: Range<usize>,
}

impl<B: PacketBuf> Tunnelling<B> {
    /// Seals what is to be sealed, and leaves in the burst what goes outside.
    pub(super) fn seal<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        burst: &mut Burst<B>,
        verdicts: &[Verdict; BURST],
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let mut ways = [Way::Nowhere; BURST];
        let mut next = None;
        for ((way, buf), verdict) in ways.iter_mut().zip(burst.bufs()).zip(verdicts) {
            *way = match verdict {
                Verdict::Forward => Way::Clear,
                Verdict::Drop => Way::Nowhere,
                Verdict::Seal(rule) => self.way(plan, buf.bytes(), *rule),
            };
            if let (Way::To(slot), None) = (*way, next) {
                next = Some(slot);
            }
        }
        // One peer after the other: there are few in a burst.
        let mut done = [false; BURST];
        while let Some(slot) = next {
            self.seal_to((plan, slot), burst, &mut ways, ends, now_ns);
            next = None;
            for (done, way) in done.iter_mut().zip(&ways) {
                *done |= *way == Way::To(slot);
                if let (Way::To(other), false, None) = (way, *done, next) {
                    next = Some(*other);
                }
            }
        }
        burst.retain(|at| ways.get(at).is_some_and(|way| *way != Way::Nowhere));
    }

    /// Where a packet goes that a rule has sealed.
    #[inline]
    fn way(&mut self, plan: &TunnelPlan, frame: &[u8], rule: RuleNumber) -> Way {
        let said = plan.rule(rule);
        let slot = said.peer.or_else(|| {
            let (from, to) = addresses(frame)?;
            plan.route(from, to)
        });
        let cause = match slot {
            Some(slot) if self.gateway.outbound.sa(policy_id(slot)).is_some() => return Way::To(slot),
            Some(slot) => {
                self.note_unsealed(slot, SealRefusal::NoSa);
                Counter::DropSealNoSa
            }
            None => Counter::DropSealNoPeer,
        };
        if said.keyless == Keyless::Pass {
            self.counters.add(Counter::PassedKeyless, 1);
            return Way::Clear;
        }
        self.count_later(cause);
        Way::Nowhere
    }

    /// Seals the packets of a burst that go to one peer.
    fn seal_to<Io: PacketIo<Buf = B>>(
        &mut self,
        (plan, slot): (&TunnelPlan, usize),
        burst: &mut Burst<B>,
        ways: &mut [Way; BURST],
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let next_hop = self.next_hop_of(plan, slot, ends, now_ns);
        let sa = self.gateway.outbound.sa(policy_id(slot)).map(tunnel::OutboundSa::mtu);
        let (Some(peer), Some((mac, version)), Some(mtu)) = (plan.peer(slot), next_hop, sa) else {
            for way in ways.iter_mut().filter(|way| **way == Way::To(slot)) {
                *way = Way::Nowhere;
                self.count_later(Counter::DropNoNeighbour);
            }
            return;
        };
        let is_ip = peer.config.framing == Framing::Ip;
        let mut packets: ArrayVec<Packet<'_>, BURST> = ArrayVec::new();
        let mut places: ArrayVec<usize, BURST> = ArrayVec::new();
        for (at, (buf, way)) in burst.bufs_mut().iter_mut().zip(ways.iter_mut()).enumerate() {
            if *way != Way::To(slot) {
                continue;
            }
            let is_fit = !is_ip || is_untagged_ip(buf.bytes());
            let (storage, range) = buf.storage_mut();
            let start = if is_ip { range.start + ETHERNET } else { range.start };
            let Some(mut packet) = Packet::new(storage, start..range.end).filter(|_| is_fit) else {
                *way = Way::Nowhere;
                self.count_later(Counter::DropSealMalformed);
                continue;
            };
            if is_ip && clamp_mss(packet.bytes_mut(), mtu) {
                self.counters.add(Counter::MssClamped, 1);
            }
            packets.push(packet);
            places.push(at);
        }
        let lens: ArrayVec<usize, BURST> = packets.iter().map(Packet::len).collect();
        let mut results = [Ok(()); BURST];
        let taken = results.get_mut(..packets.len()).unwrap_or_default();
        self.gateway.seal(policy_id(slot), &mut packets, taken, Moment(now_ns));
        let mut sealings: ArrayVec<Sealing, BURST> = ArrayVec::new();
        for ((packet, at), result) in packets.iter_mut().zip(places).zip(results) {
            let framed =
                |()| put_ethernet(packet, mac, plan.mac, version).then_some(()).ok_or(SealRefusal::NoRoom);
            let result = result.and_then(framed);
            sealings.push(Sealing { at, result, range: packet.range() });
        }
        drop(packets);
        for (sealing, len) in sealings.into_iter().zip(lens) {
            let Some(buf) = burst.bufs_mut().get_mut(sealing.at) else { continue };
            if sealing.result.is_ok() && buf.place(sealing.range) {
                self.counters.add(Counter::Sealed, 1);
                self.counters.add(Counter::SealedBytes, len as u64);
                continue;
            }
            if let Some(way) = ways.get_mut(sealing.at) {
                *way = Way::Nowhere;
            }
            let refusal = sealing.result.err().unwrap_or(SealRefusal::NoRoom);
            self.refused((plan, slot), buf.bytes(), (refusal, mac, version), ends, now_ns);
        }
    }

    /// The link-layer address that a peer's packets go to, and which IP they are of.
    fn next_hop_of<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        slot: usize,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> Option<([u8; 6], Version)> {
        let address = self.gateway.endpoint(peer_id(slot))?.address;
        let version = if address.is_ipv4() { Version::V4 } else { Version::V6 };
        Some((self.link_address(plan, Side::Outside, address, ends, now_ns)?, version))
    }

    /// What follows where a packet was not sealed: its sender is told, or it goes in pieces.
    #[cold]
    fn refused<Io: PacketIo<Buf = B>>(
        &mut self,
        (plan, slot): (&TunnelPlan, usize),
        frame: &[u8],
        (refusal, mac, version): (SealRefusal, [u8; 6], Version),
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        match refusal {
            // What goes on is many frames, and their end is this one's.
            SealRefusal::NeedsFragments { mtu }
                if self.in_pieces((plan, slot), (frame, mtu), (mac, version), ends, now_ns) =>
            {
                return;
            }
            SealRefusal::TooBig { mtu } => self.tell_too_big(plan, frame, mtu, ends, now_ns),
            _ => {}
        }
        self.note_unsealed(slot, refusal);
        self.count_later(causes::of_sealing(refusal));
    }

    /// Fragments a packet, and seals and sends each fragment; whether all went.
    fn in_pieces<Io: PacketIo<Buf = B>>(
        &mut self,
        (plan, slot): (&TunnelPlan, usize),
        (frame, mtu): (&[u8], u16),
        (mac, version): ([u8; 6], Version),
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> bool {
        let packet = frame.get(ETHERNET..).unwrap_or_default();
        let Some(mut fragments) = Fragments::new(packet, mtu) else { return false };
        let mut scratch = core::mem::take(&mut self.scratch);
        let mut all = true;
        while let Some(mut piece) = Packet::new(&mut scratch, SCRATCH_HEADROOM..SCRATCH_HEADROOM) {
            match fragments.next_into(&mut piece) {
                None => break,
                Some(false) => {
                    all = false;
                    break;
                }
                Some(true) => {}
            }
            let mut results = [Ok(())];
            self.gateway.seal(
                policy_id(slot),
                core::slice::from_mut(&mut piece),
                &mut results,
                Moment(now_ns),
            );
            let [result] = results;
            all &= result.is_ok()
                && put_ethernet(&mut piece, mac, plan.mac, version)
                && self.emit(end_of(ends, Side::Outside), piece.bytes());
            self.counters.add(Counter::FragmentsMade, 1);
        }
        self.scratch = scratch;
        all
    }

    /// Tells the sender of a packet how large it may be, at a limited rate.
    fn tell_too_big<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        frame: &[u8],
        mtu: u16,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let Some((ethernet, packet)) = frame.split_first_chunk::<ETHERNET>() else { return };
        if !is_untagged_ip(frame) || !self.answers.take(Moment(now_ns)) {
            return;
        }
        let [_, _, _, _, _, _, m0, m1, m2, m3, m4, m5, t0, t1] = *ethernet;
        let version = if u16::from_be_bytes([t0, t1]) == IPV4 { Version::V4 } else { Version::V6 };
        // From an address that its sender knows, where we have one inside.
        let from: ArrayVec<IpAddr, 16> = plan
            .inside
            .iter()
            .map(|inside| inside.address)
            .chain(plan.local.iter().copied())
            .take(16)
            .collect();
        let mut scratch = core::mem::take(&mut self.scratch);
        if let Some(mut answer) = Packet::new(&mut scratch, SCRATCH_HEADROOM..SCRATCH_HEADROOM)
            && answer_too_big(packet, mtu, &from, &mut answer)
            && put_ethernet(&mut answer, [m0, m1, m2, m3, m4, m5], plan.mac, version)
            && self.emit(end_of(ends, Side::Inside), answer.bytes())
        {
            self.counters.add(Counter::TooBigAnswers, 1);
        }
        self.scratch = scratch;
    }

    fn note_unsealed(&mut self, slot: usize, refusal: SealRefusal) {
        let Some(unsealed) = self.unsealed.get_mut(slot) else { return };
        match refusal {
            SealRefusal::NoSa | SealRefusal::PacketLimit | SealRefusal::TimeLimit => unsealed.keyless += 1,
            _ => unsealed.other += 1,
        }
    }
}

/// A slot as the tunnel numbers policies.
pub(super) fn policy_id(slot: usize) -> PolicyId {
    PolicyId(peer_id(slot).0)
}

/// Whether a frame is an IP packet behind an Ethernet header without tags.
#[inline]
fn is_untagged_ip(frame: &[u8]) -> bool {
    let Some(&[.., t0, t1]) = frame.first_chunk::<ETHERNET>() else { return false };
    matches!(u16::from_be_bytes([t0, t1]), IPV4 | IPV6)
}

/// Where an IP packet in a frame comes from and goes to.
#[inline]
fn addresses(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (ethernet, packet) = frame.split_first_chunk::<ETHERNET>()?;
    let [.., t0, t1] = *ethernet;
    match u16::from_be_bytes([t0, t1]) {
        IPV4 => {
            let [s0, s1, s2, s3, d0, d1, d2, d3] = *packet.get(12..)?.first_chunk()?;
            Some((Ipv4Addr::new(s0, s1, s2, s3).into(), Ipv4Addr::new(d0, d1, d2, d3).into()))
        }
        IPV6 => {
            let (from, rest) = packet.get(8..)?.split_first_chunk::<16>()?;
            let to: &[u8; 16] = rest.first_chunk()?;
            Some((Ipv6Addr::from(*from).into(), Ipv6Addr::from(*to).into()))
        }
        _ => None,
    }
}
