use wire::{FlowKey, Side, TcpFlags};

use crate::Classification;
use crate::shunting::Shunted;

/// Index of a flow in its table.
pub(crate) type SlotIndex = u32;

/// No slot, no inspection, end of a list.
pub(crate) const NONE: u32 = u32::MAX;

/// Packets that a side is counted to.
const MOST_PACKETS: u64 = (1 << 40) - 1;
const TCP: u8 = 6;

/// What a flow is doing; decides its timeout and which wheel it hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Packets from one side only.
    New,
    /// Packets from both sides.
    Established,
    /// TCP closed it.
    Closed,
}

/// A flow: 128 bytes, two cache lines, key and hot counters in the first.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Slot {
    pub(crate) key: FlowKey,
    /// Time of the last packet.
    pub(crate) last_ns: u64,
    /// Low 32 bits of the packet counts, by side of the key.
    packets_low: [u32; 2],

    // second cache line
    /// Bytes on the wire, by side of the key.
    pub(crate) bytes: [u64; 2],
    pub(crate) start_ns: u64,
    pub(crate) class: Classification,
    /// Index of the inspection, or (before there is one) the first sequence number of the upper side.
    inspection: u32,
    /// First sequence number of the lower side, where its SYN was seen.
    first_seq: u32,
    pub(crate) next: SlotIndex,
    pub(crate) previous: SlotIndex,
    /// Which entry of the wheel it hangs on.
    pub(crate) wheel_entry: u16,
    pub(crate) interface: u16,
    /// Index into the tunnels of the table, 0 for none.
    pub(crate) tunnel: u16,
    /// TCP control bits by side of the key, or (ICMP type, code) of the first message.
    pub(crate) tcp_flags: [u8; 2],
    packets_high: [u8; 2],
    pub(crate) phase: Phase,
    pub(crate) marks: Marks,
}

/// Facts about a flow, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// The lower side of the key is the client.
    pub(crate) const CLIENT_LOWER: Self = Self(1);
    /// No payload is of interest any more.
    pub(crate) const SETTLED: Self = Self(1 << 1);
    /// The opening was not seen.
    pub(crate) const MIDSTREAM: Self = Self(1 << 2);
    /// Bytes of the stream are missing.
    pub(crate) const GAPS: Self = Self(1 << 3);
    /// In use (a free slot has no marks).
    pub(crate) const LIVE: Self = Self(1 << 4);
    /// TCP: the lower side sent FIN; the next bit is for the upper side.
    pub(crate) const FIN_LOWER: Self = Self(1 << 5);
    pub(crate) const FIN_UPPER: Self = Self(1 << 6);
    /// `inspection` is an index.
    const INSPECTED: Self = Self(1 << 7);

    #[inline]
    pub(crate) const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 == mark.0
    }

    #[inline]
    pub(crate) const fn set(&mut self, mark: Self) {
        self.0 |= mark.0;
    }

    #[inline]
    pub(crate) const fn unset(&mut self, mark: Self) {
        self.0 &= !mark.0;
    }
}

const _: () = assert!(size_of::<Slot>() == 128, "an undecided flow costs 128 bytes");

impl Slot {
    pub(crate) fn new(key: FlowKey, now_ns: u64) -> Self {
        Self {
            key,
            last_ns: now_ns,
            packets_low: [0; 2],
            bytes: [0; 2],
            start_ns: now_ns,
            class: Classification::default(),
            inspection: 0,
            first_seq: 0,
            next: NONE,
            previous: NONE,
            wheel_entry: 0,
            interface: 0,
            tunnel: 0,
            tcp_flags: [0; 2],
            packets_high: [0; 2],
            phase: Phase::New,
            marks: Marks::LIVE,
        }
    }

    /// Counts one packet from `side`.
    #[inline]
    pub(crate) fn count(&mut self, side: Side, wire_len: u32, now_ns: u64) {
        self.last_ns = self.last_ns.max(now_ns);
        let (low, high, bytes) = match (side, &mut self.packets_low, &mut self.packets_high, &mut self.bytes)
        {
            (Side::Lower, [low, _], [high, _], [bytes, _]) => (low, high, bytes),
            (Side::Upper, [_, low], [_, high], [_, bytes]) => (low, high, bytes),
        };
        *low = low.wrapping_add(1);
        // 40 bits in all: at 10 million packets a second, thirty hours.
        *high = high.saturating_add(u8::from(*low == 0));
        *bytes += u64::from(wire_len);
    }

    /// Adds `packets` that were counted elsewhere (fragments of a datagram).
    pub(crate) fn count_more(&mut self, side: Side, packets: u32, bytes: u64) {
        for _ in 0..packets {
            self.count(side, 0, self.last_ns);
        }
        match (side, &mut self.bytes) {
            (Side::Lower, [total, _]) | (Side::Upper, [_, total]) => *total += bytes,
        }
    }

    /// Takes what was counted while the flow was shunted.
    pub(crate) fn credit(&mut self, counted: &Shunted, now_ns: u64) {
        let totals = [Side::Lower, Side::Upper].map(|side| self.packets(side));
        let (low, high) = (self.packets_low.iter_mut(), self.packets_high.iter_mut());
        for ((low, high), (before, more)) in low.zip(high).zip(totals.into_iter().zip(counted.packets)) {
            let [_, _, _, top, a, b, c, d] = before.saturating_add(more).min(MOST_PACKETS).to_be_bytes();
            (*low, *high) = (u32::from_be_bytes([a, b, c, d]), top);
        }
        for (total, more) in self.bytes.iter_mut().zip(counted.bytes) {
            *total = total.saturating_add(more);
        }
        // Of other protocols this is the type and code of a message.
        if self.key.protocol() == TCP {
            for (seen, more) in self.tcp_flags.iter_mut().zip(counted.tcp_flags) {
                *seen |= more;
            }
        }
        if let Some(silent_ns) = counted.silent_ns {
            self.last_ns = self.last_ns.max(now_ns.saturating_sub(silent_ns));
        }
    }

    /// Packets that `side` sent.
    #[inline]
    pub(crate) const fn packets(&self, side: Side) -> u64 {
        let ([low, _], [high, _]) = (self.packets_low, self.packets_high);
        let ([_, low_upper], [_, high_upper]) = (self.packets_low, self.packets_high);
        match side {
            Side::Lower => (high as u64) << 32 | low as u64,
            Side::Upper => (high_upper as u64) << 32 | low_upper as u64,
        }
    }

    /// Bytes that `side` sent.
    pub(crate) const fn bytes_of(&self, side: Side) -> u64 {
        let [lower, upper] = self.bytes;
        match side {
            Side::Lower => lower,
            Side::Upper => upper,
        }
    }

    /// Packets of both sides, up to 255.
    #[inline]
    pub(crate) fn packet_number(&self) -> u8 {
        u8::try_from(self.packets(Side::Lower) + self.packets(Side::Upper)).unwrap_or(u8::MAX)
    }

    /// TCP control bits seen from `first` and from the other side.
    pub(crate) const fn flags_of(&self, first: Side) -> [u8; 2] {
        let [lower, upper] = self.tcp_flags;
        match first {
            Side::Lower => [lower, upper],
            Side::Upper => [upper, lower],
        }
    }

    pub(crate) const fn client(&self) -> Side {
        if self.marks.has(Marks::CLIENT_LOWER) { Side::Lower } else { Side::Upper }
    }

    pub(crate) const fn set_client(&mut self, side: Side) {
        match side {
            Side::Lower => self.marks.set(Marks::CLIENT_LOWER),
            Side::Upper => self.marks.unset(Marks::CLIENT_LOWER),
        }
    }

    /// Index of the inspection, where there is one.
    #[inline]
    pub(crate) fn inspection(&self) -> Option<u32> {
        self.marks.has(Marks::INSPECTED).then_some(self.inspection)
    }

    /// Ties the flow to an inspection, or (none) settles it.
    pub(crate) const fn set_inspection(&mut self, index: Option<u32>) {
        match index {
            Some(index) => {
                self.inspection = index;
                self.marks.set(Marks::INSPECTED);
            }
            None => {
                self.marks.unset(Marks::INSPECTED);
                self.marks.set(Marks::SETTLED);
            }
        }
    }

    /// Remembers where the stream of `side` starts: the sequence number after its SYN's.
    pub(crate) fn note_start(&mut self, side: Side, seq: u32) {
        match side {
            Side::Lower => self.first_seq = seq,
            Side::Upper if !self.marks.has(Marks::INSPECTED) => self.inspection = seq,
            Side::Upper => {}
        }
    }

    /// Where the stream of `side` starts, if its SYN was seen; only before there is an inspection.
    pub(crate) fn start_of(&self, side: Side) -> Option<u32> {
        let [lower, upper] = self.tcp_flags;
        let (flags, seq) = match side {
            Side::Lower => (lower, self.first_seq),
            Side::Upper => (upper, self.inspection),
        };
        TcpFlags(flags).contains(TcpFlags::SYN).then_some(seq)
    }

    /// Remembers control bits that `side` sent.
    #[inline]
    pub(crate) fn note_flags(&mut self, side: Side, flags: TcpFlags) {
        match (side, &mut self.tcp_flags) {
            (Side::Lower, [seen, _]) | (Side::Upper, [_, seen]) => *seen |= flags.0,
        }
    }
}
