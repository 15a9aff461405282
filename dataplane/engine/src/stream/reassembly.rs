use super::buffers::Buffers;
use crate::config::{Overlap, StreamLimits};
use crate::counters::{Counter, Counters};

/// One direction of a TCP connection.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    next_seq: u32,
    is_started: bool,
    /// Bytes were skipped since the parser last read.
    gap: bool,
    /// Nothing of this direction is of interest any more.
    pub(crate) is_done: bool,
    /// Bytes to come that nobody wants.
    pub(crate) skip: u64,
    /// In-order bytes that the parser has not consumed.
    pub(crate) carry: Vec<u8>,
    /// Length that `carry` must reach before it is worth reading again.
    pub(crate) worth_reading: usize,
    /// Segments that came too early, by sequence number, without overlap.
    pending: Vec<Pending>,
    pending_bytes: usize,
    /// The other side acknowledged bytes that are missing here.
    missing_acknowledged: bool,
    /// Zeros that may be padding: where, and how many.
    aside: Option<(u32, u8)>,
}

/// Zeros behind the headers of a segment that may be the padding of its frame.
const PADDING: [u8; 6] = [0; 6];

#[derive(Debug)]
struct Pending {
    seq: u32,
    bytes: Vec<u8>,
}

/// What became of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted<'a> {
    /// These bytes are next.
    Next(&'a [u8]),
    /// It came too early and is held, or was dropped and counted.
    Held,
    /// Nothing of it is new.
    Old,
}

impl Stream {
    /// Sets where the stream starts, unless it did already.
    pub(crate) const fn start(&mut self, seq: u32) {
        if !self.is_started {
            self.is_started = true;
            self.next_seq = seq;
        }
    }

    /// Takes whether bytes were skipped since this was last asked.
    pub(crate) const fn take_gap(&mut self) -> bool {
        core::mem::replace(&mut self.gap, false)
    }

    /// Marks that bytes were skipped.
    pub(crate) const fn mark_gap(&mut self) {
        self.gap = true;
    }

    /// The other side acknowledged everything before `ack`.
    pub(crate) fn acknowledge(&mut self, ack: u32) {
        if let Some(first) = self.pending.first()
            && distance(first.seq, ack) >= 0
        {
            self.missing_acknowledged = true;
        }
    }

    /// Takes a segment whose payload may be the padding of its frame: it counts once what follows it goes on behind it.
    pub(crate) fn set_aside(&mut self, seq: u32, payload: &[u8]) {
        self.start(seq);
        self.aside = u8::try_from(payload.len()).ok().map(|len| (seq, len));
    }

    /// Takes a segment's payload.
    pub(crate) fn accept<'a>(
        &mut self,
        seq: u32,
        payload: &'a [u8],
        buffers: &mut Buffers,
        limits: &StreamLimits,
        counters: &Counters,
    ) -> Accepted<'a> {
        self.start(seq);
        if let Some((at, len)) = self.aside.take()
            && at == self.next_seq
            && seq == at.wrapping_add(u32::from(len))
        {
            self.hold(at, PADDING.get(..usize::from(len)).unwrap_or_default(), buffers, limits, counters);
        }
        let ahead = distance(self.next_seq, seq);
        if ahead > 0 {
            counters.add(Counter::SegmentsOutOfOrder, 1);
            self.hold(seq, payload, buffers, limits, counters);
            return Accepted::Held;
        }
        let seen = ahead.unsigned_abs() as usize;
        let fresh = payload.get(seen..).unwrap_or_default();
        if seen > 0 {
            counters.add(Counter::SegmentsRepeated, 1);
        }
        if fresh.is_empty() {
            return Accepted::Old;
        }
        self.advance(fresh.len());
        Accepted::Next(fresh)
    }

    /// The next held segment whose turn has come, or (where the missing bytes will never come) the first after them.
    pub(crate) fn next_ready(
        &mut self,
        limits: &StreamLimits,
        counters: &Counters,
    ) -> Option<(Vec<u8>, usize)> {
        let over = self.pending.len() > limits.pending_segments || self.pending_bytes > limits.pending_bytes;
        let give_up = over || (self.missing_acknowledged && self.pending.len() > 1);
        let first = self.pending.first()?;
        let ahead = distance(self.next_seq, first.seq);
        if ahead > 0 {
            if !give_up {
                return None;
            }
            self.skip_to(first.seq, counters);
        }
        self.take_first()
    }

    /// The flow ends: held segments are handed out one by one, whatever is missing between them.
    pub(crate) fn next_at_end(&mut self, counters: &Counters) -> Option<(Vec<u8>, usize)> {
        let first = self.pending.first()?;
        if distance(self.next_seq, first.seq) > 0 {
            self.skip_to(first.seq, counters);
        }
        self.take_first()
    }

    /// Gives everything back and forgets.
    pub(crate) fn clear(&mut self, buffers: &mut Buffers) {
        buffers.release(core::mem::take(&mut self.carry));
        for pending in self.pending.drain(..) {
            buffers.release(pending.bytes);
        }
        let pending = core::mem::take(&mut self.pending);
        *self = Self { pending, ..Self::default() };
    }

    fn take_first(&mut self) -> Option<(Vec<u8>, usize)> {
        let pending = self.pending.remove(0);
        self.pending_bytes -= pending.bytes.len();
        self.missing_acknowledged &= !self.pending.is_empty();
        let seen = distance(pending.seq, self.next_seq).max(0).unsigned_abs() as usize;
        self.advance(pending.bytes.len().saturating_sub(seen));
        Some((pending.bytes, seen))
    }

    fn skip_to(&mut self, seq: u32, counters: &Counters) {
        counters.add(Counter::StreamGaps, 1);
        let missing = u64::from(seq.wrapping_sub(self.next_seq));
        if self.skip >= missing {
            // What is missing was not wanted anyway.
            self.skip -= missing;
        } else {
            self.skip = 0;
            self.gap = true;
        }
        self.next_seq = seq;
        self.missing_acknowledged = false;
    }

    #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap (RFC 9293, 3.4)")]
    const fn advance(&mut self, count: usize) {
        self.next_seq = self.next_seq.wrapping_add(count as u32);
    }

    /// Keeps the parts of an early segment that no other holds, by the overlap policy.
    fn hold(
        &mut self,
        seq: u32,
        payload: &[u8],
        buffers: &mut Buffers,
        limits: &StreamLimits,
        counters: &Counters,
    ) {
        let mut seq = seq;
        let mut rest = payload;
        let mut at = self.pending.partition_point(|held| distance(held.seq, seq) >= 0);
        // The one before may reach into this segment.
        if let Some(before) = at.checked_sub(1).and_then(|index| self.pending.get_mut(index)) {
            let offset = distance(before.seq, seq).unsigned_abs() as usize;
            let shared = before.bytes.len().saturating_sub(offset).min(rest.len());
            reconcile(&mut before.bytes, offset, rest, shared, limits.overlap, counters);
            rest = rest.get(shared..).unwrap_or_default();
            seq = seq.wrapping_add(u32::try_from(shared).unwrap_or(0));
        }
        while !rest.is_empty() {
            let room = match self.pending.get_mut(at) {
                None => rest.len(),
                Some(after) => {
                    let gap = distance(seq, after.seq).max(0).unsigned_abs() as usize;
                    if gap < rest.len() {
                        let shared = after.bytes.len().min(rest.len() - gap);
                        let overlapping = rest.get(gap..).unwrap_or_default();
                        reconcile(&mut after.bytes, 0, overlapping, shared, limits.overlap, counters);
                    }
                    gap.min(rest.len())
                }
            };
            let (part, tail) = rest.split_at(room);
            if !part.is_empty() {
                let mut bytes = Vec::new();
                if self.pending.len() > limits.pending_segments || buffers.append(&mut bytes, part).is_err() {
                    counters.add(Counter::StreamLimit, 1);
                    return;
                }
                self.pending_bytes += part.len();
                self.pending.insert(at, Pending { seq, bytes });
                at += 1;
            }
            let shared = self.pending.get(at).map_or(0, |after| after.bytes.len().min(tail.len()));
            rest = tail.get(shared..).unwrap_or_default();
            seq = seq.wrapping_add(u32::try_from(room + shared).unwrap_or(0));
            at += 1;
        }
    }
}

/// Settles what `held[offset..offset + shared]` says where a later segment says `later[..shared]`.
fn reconcile(
    held: &mut [u8],
    offset: usize,
    later: &[u8],
    shared: usize,
    policy: Overlap,
    counters: &Counters,
) {
    let (Some(held), Some(later)) = (held.get_mut(offset..offset + shared), later.get(..shared)) else {
        return;
    };
    if shared == 0 {
        return;
    }
    counters.add(Counter::SegmentsRepeated, 1);
    if held != later {
        counters.add(Counter::SegmentsConflicting, 1);
        if policy == Overlap::Last {
            held.copy_from_slice(later);
        }
    }
}

/// How far `to` is ahead of `from` in sequence space; negative when it is behind (RFC 9293, 3.4).
#[inline]
const fn distance(from: u32, to: u32) -> i32 {
    to.wrapping_sub(from).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Rig {
        stream: Stream,
        buffers: Buffers,
        limits: StreamLimits,
        counters: Counters,
        read: Vec<u8>,
    }

    impl Rig {
        fn new(start: u32) -> Self {
            let mut stream = Stream::default();
            stream.start(start);
            Self {
                stream,
                buffers: Buffers::new(1 << 20),
                limits: StreamLimits::default(),
                counters: Counters::default(),
                read: Vec::new(),
            }
        }

        fn segment(&mut self, seq: u32, bytes: &[u8]) {
            let accepted = self.stream.accept(seq, bytes, &mut self.buffers, &self.limits, &self.counters);
            if let Accepted::Next(next) = accepted {
                self.read.extend_from_slice(next);
            }
            while let Some((bytes, start)) = self.stream.next_ready(&self.limits, &self.counters) {
                self.read.extend_from_slice(bytes.get(start..).unwrap_or_default());
                self.buffers.release(bytes);
            }
        }
    }

    #[test]
    fn early_segments_wait_for_the_missing_one_across_the_wrap() {
        let start = u32::MAX - 3;
        let mut rig = Rig::new(start);
        rig.segment(start.wrapping_add(8), b"iiii");
        rig.segment(start.wrapping_add(4), b"mmmm");
        assert_eq!(rig.read, b"");
        rig.segment(start, b"aaaa");
        assert_eq!(rig.read, b"aaaammmmiiii");
        assert_eq!(rig.buffers.held(), 0);
    }

    #[test]
    fn the_overlap_policy_decides_between_two_versions() {
        for (overlap, expected) in [(Overlap::First, b"abcdXXgh"), (Overlap::Last, b"abcdYYgh")] {
            let mut rig = Rig::new(0);
            rig.limits.overlap = overlap;
            rig.segment(4, b"XX");
            rig.segment(4, b"YYgh");
            rig.segment(0, b"abcd");
            assert_eq!(rig.read, expected);
            assert_eq!(rig.counters.value(Counter::SegmentsConflicting), 1);
        }
    }

    #[test]
    fn a_hole_that_the_receiver_acknowledged_is_skipped() {
        let mut rig = Rig::new(0);
        rig.segment(10, b"later");
        rig.stream.acknowledge(15);
        rig.segment(15, b"more");
        assert_eq!(rig.read, b"latermore");
        assert!(rig.stream.take_gap());
        assert_eq!(rig.counters.value(Counter::StreamGaps), 1);
    }

    #[test]
    fn too_many_early_segments_are_read_with_a_gap() {
        let mut rig = Rig::new(0);
        rig.limits.pending_segments = 4;
        for index in 1..=6u32 {
            rig.segment(index * 10, b"0123456789");
        }
        assert!(rig.read.len() >= 40, "{}", rig.read.len());
        assert!(rig.stream.take_gap());
    }

    proptest! {
        #[test]
        fn any_order_and_overlap_of_segments_reads_as_the_stream(
            start: u32,
            data in proptest::collection::vec(any::<u8>(), 1..400),
            cuts in proptest::collection::vec((0usize..400, 1usize..80), 0..60),
        ) {
            let mut rig = Rig::new(start);
            for (at, len) in cuts {
                let from = at.min(data.len());
                let to = (from + len).min(data.len());
                rig.segment(start.wrapping_add(u32::try_from(from).unwrap()), &data[from..to]);
            }
            for (index, chunk) in (0u32..).zip(data.chunks(50)) {
                rig.segment(start.wrapping_add(index * 50), chunk);
            }
            prop_assert_eq!(&rig.read, &data);
            prop_assert_eq!(rig.buffers.held(), 0);
            prop_assert_eq!(rig.counters.value(Counter::SegmentsConflicting), 0);
        }
    }
}
