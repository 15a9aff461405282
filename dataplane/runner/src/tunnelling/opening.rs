//! What comes from outside: opened where it is sealed, let in where it may be.

use core::ops::Range;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use api::config::Keyless;
use arrayvec::ArrayVec;
use engine::{Counter, Verdict};
use packet_io::{BURST, Burst, ChecksumOffload, PacketBuf, PacketIo};
use tunnel::{CoreId, Moment, OpenRefusal, Opened, Packet, PolicyId, Version};

use super::act::{ETHERNET, Ends, IPV4, IPV6, Tunnelling};
use super::causes;
use super::plan::{Side, TunnelPlan};

/// What came out of a packet.
enum Outcome {
    /// A frame for inside, in this range of its buffer.
    Frame(Range<usize>),
    /// Nothing for anybody else.
    Consumed(Counter),
    /// Another worker has its key.
    Elsewhere(CoreId),
    Dropped(Counter),
}

impl<B: PacketBuf> Tunnelling<B> {
    /// Opens the sealed packets of the burst in hand and appends what comes out to `burst`.
    pub(super) fn open<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        burst: &mut Burst<B>,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) {
        let mut sealed = core::mem::take(&mut self.sealed);
        let mut packets: ArrayVec<Packet<'_>, BURST> = ArrayVec::new();
        for buf in sealed.bufs_mut() {
            let (storage, at) = buf.storage_mut();
            // All of them were seen to have an Ethernet header and more.
            packets.extend(Packet::new(storage, at.start + ETHERNET..at.end));
        }
        let mut results = [Err(OpenRefusal::NotTunnelled); BURST];
        let taken = results.get_mut(..packets.len()).unwrap_or_default();
        self.gateway.open(&mut packets, taken, Moment(now_ns));
        let mut outcomes: ArrayVec<Outcome, BURST> = ArrayVec::new();
        for (packet, result) in packets.iter_mut().zip(results) {
            outcomes.push(match result {
                Ok(Opened::Ip(version)) => self.frame_inside(plan, packet, version, ends, now_ns),
                Ok(Opened::Ethernet) => Outcome::Frame(packet.range()),
                Ok(Opened::Dummy) => Outcome::Consumed(Counter::DummiesReceived),
                Ok(Opened::KeepAlive) => Outcome::Consumed(Counter::KeepAlives),
                // IKE, which nobody here speaks.
                Ok(Opened::NonEsp) => Outcome::Dropped(Counter::DropClear),
                Err(OpenRefusal::OtherCore(core)) => Outcome::Elsewhere(core),
                Err(refusal) => Outcome::Dropped(causes::of_opening(refusal)),
            });
        }
        drop(packets);
        for ((mut buf, mut meta), outcome) in sealed.drain(BURST).zip(outcomes) {
            match outcome {
                Outcome::Frame(range) => {
                    meta.wire_len = u32::try_from(range.len()).unwrap_or(u32::MAX);
                    // What hardware summed was around it.
                    meta.link = meta.link.with_checksums(ChecksumOffload::Unknown);
                    if !buf.place(range) {
                        self.count_own(&meta, Counter::DropSealNoRoom);
                        continue;
                    }
                    self.counters.add(Counter::Opened, 1);
                    self.counters.add(Counter::OpenedBytes, u64::from(meta.wire_len));
                    let _never_full = burst.push(buf, meta);
                }
                Outcome::Consumed(counter) => {
                    self.counters.add(counter, 1);
                    self.count_own(&meta, Counter::Consumed);
                }
                Outcome::Elsewhere(core) => match self.mesh.hand_over(usize::from(core.0), (buf, meta)) {
                    Ok(()) => {
                        self.exchanged -= 1;
                        self.counters.add(Counter::HandedOver, 1);
                    }
                    Err((_, meta)) => self.count_own(&meta, Counter::DropHandoverFull),
                },
                Outcome::Dropped(counter) => self.count_own(&meta, counter),
            }
        }
        self.sealed = sealed;
    }

    /// Puts an Ethernet header before an opened packet.
    #[inline]
    fn frame_inside<Io: PacketIo<Buf = B>>(
        &mut self,
        plan: &TunnelPlan,
        packet: &mut Packet<'_>,
        version: Version,
        ends: &mut Ends<'_, Io>,
        now_ns: u64,
    ) -> Outcome {
        let Some(to) = destination(packet.bytes(), version) else {
            return Outcome::Dropped(Counter::DropOpenMalformedInner);
        };
        let Some(mac) = self.link_address(plan, Side::Inside, to, ends, now_ns) else {
            return Outcome::Dropped(Counter::DropNoNeighbour);
        };
        if !put_ethernet(packet, mac, plan.mac, version) {
            return Outcome::Dropped(Counter::DropSealNoRoom);
        }
        Outcome::Frame(packet.range())
    }

    /// Leaves in the burst what may go inside: what came sealed and no rule drops, and in the clear only what a rule lets
    /// pass in the clear.
    pub(super) fn let_in(
        &mut self,
        plan: &TunnelPlan,
        burst: &mut Burst<B>,
        (verdicts, opened_from): (&[Verdict; BURST], usize),
    ) {
        burst.retain(|at| match verdicts.get(at) {
            Some(Verdict::Forward) => true,
            Some(Verdict::Seal(_)) if at >= opened_from => true,
            Some(Verdict::Seal(rule)) => {
                let rule = plan.rule(*rule);
                let slot = rule.peer.and_then(|slot| u16::try_from(slot).ok());
                let is_keyless = slot.is_some_and(|slot| self.gateway.outbound.sa(PolicyId(slot)).is_none());
                let may_pass = rule.keyless == Keyless::Pass && (is_keyless || slot.is_none());
                if may_pass {
                    self.counters.add(Counter::PassedKeyless, 1);
                } else {
                    self.count_later(Counter::DropClear);
                }
                may_pass
            }
            Some(Verdict::Drop) | None => false,
        });
    }
}

/// Where an IP packet goes.
#[inline]
pub(super) fn destination(packet: &[u8], version: Version) -> Option<IpAddr> {
    match version {
        Version::V4 => {
            let octets: &[u8; 4] = packet.get(16..)?.first_chunk()?;
            Some(Ipv4Addr::from(*octets).into())
        }
        Version::V6 => {
            let octets: &[u8; 16] = packet.get(24..)?.first_chunk()?;
            Some(Ipv6Addr::from(*octets).into())
        }
    }
}

/// Puts an Ethernet header before a packet; whether there was room.
#[inline]
pub(super) fn put_ethernet(packet: &mut Packet<'_>, to: [u8; 6], from: [u8; 6], version: Version) -> bool {
    if !packet.grow(ETHERNET, 0) {
        return false;
    }
    let kind = match version {
        Version::V4 => IPV4,
        Version::V6 => IPV6,
    };
    if let Some((header, _)) = packet.bytes_mut().split_first_chunk_mut::<ETHERNET>() {
        let [t0, t1, t2, t3, t4, t5] = to;
        let [f0, f1, f2, f3, f4, f5] = from;
        let [k0, k1] = kind.to_be_bytes();
        *header = [t0, t1, t2, t3, t4, t5, f0, f1, f2, f3, f4, f5, k0, k1];
    }
    true
}
