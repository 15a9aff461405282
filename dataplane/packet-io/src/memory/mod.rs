//! Packets held in memory, lent in rounds: the source that costs least, so that a benchmark measures what comes after
//! it, and the one that tests see through.

mod addresses;
mod arena;

use std::io::Read;

use crate::repeat::Span;
use crate::replay::{CaptureReader, ReplayError};
use crate::{BURST, Burst, IoStats, PacketBuf, PacketIo, PacketMeta};
use addresses::{Addresses, VARIANTS};
use arena::Arena;

pub use arena::{MemoryBuf, Room};

/// Hands out the same packets, in order, in one or more rounds.
///
/// The packets lie in one piece of memory, each on a cache line of its own, and are lent without a copy. A packet that
/// is still out from the round before is waited for: [`PacketIo::receive`] stops ahead of it. So nothing is lost, but
/// whoever keeps a packet for ever stops the source.
#[derive(Debug)]
pub struct Memory {
    /// The packets, several times over where they are few; round after round takes its turn through the copies.
    arena: Arena,
    slots: Box<[Slot]>,
    copies: u64,
    /// Where the copy of this round starts in the arena.
    copy_start: usize,
    /// Packets for [`PacketIo::make`], where there is room around packets.
    spares: Option<Arena>,
    /// The packets as they were given, where they are to be restored.
    originals: Option<Arena>,
    options: MemoryOptions,
    next: usize,
    /// Rounds completed.
    round: u64,
    period_ns: u64,
    shift_ns: u64,
    collected: Option<Vec<Sent>>,
    stats: IoStats,
}

/// How packets in memory are handed out and taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// How many rounds there are; `None` is for ever. Timestamps go on from round to round.
    pub loops: Option<u64>,
    /// Whether every round makes flows of its own.
    pub vary: Vary,
    /// What happens to a packet that was changed in place.
    pub changed: Changed,
    /// Packets that one call of [`PacketIo::transmit`] takes.
    pub transmit_room: usize,
    /// Free bytes around each packet, for what is put around it in place.
    pub room: Room,
}

impl Default for MemoryOptions {
    /// One round, no variation, changes undone, everything taken, no room.
    fn default() -> Self {
        Self {
            loops: Some(1),
            vary: Vary::Nothing,
            changed: Changed::Restore,
            transmit_room: usize::MAX,
            room: Room::default(),
        }
    }
}

/// Packets below which there are copies of them, so that bursts get full, and a few may be out, with a handful too.
const LEAST_PACKETS: usize = 8 * BURST;

/// Packets that can be made at once, and bytes of the longest.
const SPARES: usize = 64;
const SPARE: usize = 2048;

/// What is different from round to round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Nothing but the time.
    Nothing,
    /// The addresses of the outermost IP header, so that each of 65,535 rounds has its own flows. Both directions of
    /// a flow change alike, checksums stay as right or wrong as they were, and so do addresses that mean something
    /// else than a host (multicast …).
    Addresses,
}

/// What happens to a packet that was changed in place, before it is lent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It gets its bytes back, from a second copy of all packets: one copy for each packet that was changed.
    Restore,
    /// It stays as it is: no cost, and half the memory.
    Keep,
}

/// A packet that was transmitted, as [`Memory::collecting`] keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its bytes when it was transmitted.
    pub bytes: Vec<u8>,
    /// What the burst said of it.
    pub meta: PacketMeta,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    meta: PacketMeta,
    addresses: Addresses,
}

impl Memory {
    /// Takes copies of `packets`. Wire lengths below the packet's own are raised to it.
    #[must_use]
    pub fn new<B: AsRef<[u8]>>(
        packets: impl IntoIterator<Item = (B, PacketMeta)>,
        options: MemoryOptions,
    ) -> Self {
        let (packets, metas): (Vec<B>, Vec<PacketMeta>) = packets.into_iter().unzip();
        let mut span = Span::default();
        let slots = packets.iter().zip(metas).map(|(packet, mut meta)| {
            let bytes = packet.as_ref();
            span.add(meta.timestamp_ns);
            meta.wire_len = meta.wire_len.max(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            let addresses = match options.vary {
                Vary::Nothing => Addresses::default(),
                Vary::Addresses => Addresses::find(bytes, meta.link.linktype()),
            };
            Slot { meta, addresses }
        });
        let slots: Box<[Slot]> = slots.collect();
        let copies = LEAST_PACKETS.checked_div(packets.len()).unwrap_or(0).max(1);
        let all: Vec<&B> = packets.iter().cycle().take(packets.len() * copies).collect();
        Self {
            slots,
            arena: Arena::new(&all, options.room),
            spares: (options.room != Room::default())
                .then(|| Arena::new(&[[0; SPARE]; SPARES], options.room)),
            copies: copies as u64,
            copy_start: 0,
            originals: (options.changed == Changed::Restore).then(|| Arena::new(&packets, Room::default())),
            options,
            next: 0,
            round: 0,
            period_ns: span.period_ns(),
            shift_ns: 0,
            collected: None,
            stats: IoStats::default(),
        }
    }

    /// Takes the packets of a capture, up to its end or until they have `most_bytes`.
    ///
    /// # Errors
    /// The first error of the capture.
    pub fn from_capture<R: Read>(
        capture: &mut CaptureReader<R>,
        most_bytes: usize,
        options: MemoryOptions,
    ) -> Result<Self, ReplayError> {
        let (mut packets, mut bytes) = (Vec::new(), 0_usize);
        while let Some(packet) = capture.next()? {
            bytes = bytes.saturating_add(packet.bytes.len().max(1));
            if bytes > most_bytes {
                break;
            }
            packets.push((packet.bytes.to_vec(), packet.meta));
        }
        Ok(Self::new(packets, options))
    }

    /// The same, keeping copies of all packets that are transmitted, for tests.
    #[must_use]
    pub fn collecting(mut self) -> Self {
        self.collected = Some(Vec::new());
        self
    }

    /// What was transmitted since the last call, in order; empty unless [`Self::collecting`].
    #[must_use]
    pub fn take_sent(&mut self) -> Vec<Sent> {
        self.collected.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Packets of a round.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether a round has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Lends packets of this round, up to its end or until `burst` is full; `false` when one is still out.
    #[inline]
    fn lend(&mut self, burst: &mut Burst<MemoryBuf>) -> bool {
        let (shift_ns, is_varied) = (self.shift_ns, self.round > 0 && self.options.vary != Vary::Nothing);
        for _ in 0..burst.room() {
            let Some(&slot) = self.slots.get(self.next) else { break };
            let Some((mut buf, was_changed)) = self.arena.lend(self.copy_start + self.next) else {
                return false;
            };
            if was_changed || is_varied {
                self.renew(&mut buf, slot, was_changed);
            }
            let mut meta = slot.meta;
            meta.timestamp_ns = meta.timestamp_ns.saturating_add(shift_ns);
            self.stats.rx_packets += 1;
            self.stats.rx_bytes += u64::from(meta.wire_len);
            self.next += 1;
            if burst.push(buf, meta).is_err() {
                return false;
            }
        }
        true
    }

    /// Undoes changes and gives the packet the addresses of this round.
    fn renew(&mut self, buf: &mut MemoryBuf, slot: Slot, was_changed: bool) {
        let restored = self.originals.as_mut().filter(|_| was_changed).and_then(|all| all.lend(self.next));
        let rounds = match &restored {
            Some((original, _)) => {
                buf.bytes_mut().copy_from_slice(original.bytes());
                self.round
            }
            // It still has the addresses of the last round that took this copy, if one did.
            None => self.round.min(self.copies),
        };
        if self.round > 0 {
            // Below 65,535 by the modulus.
            slot.addresses.turn(buf.bytes_mut(), u16::try_from(rounds % VARIANTS).unwrap_or(0));
        }
        buf.settle();
    }

    /// Whether all rounds are done.
    fn is_over(&self) -> bool {
        self.slots.is_empty() || self.options.loops.is_some_and(|loops| self.round >= loops)
    }
}

impl PacketIo for Memory {
    type Buf = MemoryBuf;

    fn receive(&mut self, burst: &mut Burst<MemoryBuf>) {
        while burst.room() > 0 && !self.is_over() {
            if !self.lend(burst) {
                return;
            }
            if self.next == self.slots.len() {
                self.next = 0;
                self.round += 1;
                self.copy_start =
                    if self.round.is_multiple_of(self.copies) { 0 } else { self.copy_start + self.len() };
                self.shift_ns = self.shift_ns.saturating_add(self.period_ns);
            }
        }
    }

    fn transmit(&mut self, burst: &mut Burst<MemoryBuf>) {
        let count = burst.len().min(self.options.transmit_room);
        self.stats.tx_packets += count as u64;
        for (buf, meta) in burst.drain(count) {
            self.stats.tx_bytes += buf.bytes().len() as u64;
            if let Some(collected) = &mut self.collected {
                collected.push(Sent { bytes: buf.bytes().to_vec(), meta });
            }
        }
    }

    fn make(&mut self, bytes: &[u8]) -> Option<MemoryBuf> {
        let spares = self.spares.as_mut()?;
        let (mut buf, _) = (0..SPARES).find_map(|at| spares.lend(at))?;
        let (storage, all) = buf.storage_mut();
        let range = all.start..all.start.checked_add(bytes.len()).filter(|end| *end <= all.end)?;
        storage.get_mut(range.clone())?.copy_from_slice(bytes);
        buf.place(range).then_some(buf)
    }

    fn is_exhausted(&self) -> bool {
        self.is_over()
    }

    fn stats(&self) -> IoStats {
        self.stats
    }
}

#[cfg(test)]
mod tests;
