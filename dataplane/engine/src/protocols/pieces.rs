//! Bytes put together from pieces that come in any order, more than once, and overlapping.

use core::ops::Range;

use arrayvec::ArrayVec;

/// Pieces with gaps between them that are kept.
const MAX_PIECES: usize = 32;
/// Bytes of room that are kept from one use to the next.
const KEPT_CAPACITY: usize = 4096;

/// Bytes with gaps, up to a bound.
#[derive(Debug, Default)]
pub(in crate::protocols) struct Pieces {
    bytes: Vec<u8>,
    /// Which of them came, ascending, with gaps between.
    ranges: ArrayVec<Range<usize>, MAX_PIECES>,
}

impl Pieces {
    /// Takes a piece as far as it lies below `bound`. Where a place was filled before, the first bytes stay.
    pub(in crate::protocols) fn insert(&mut self, start: usize, piece: &[u8], bound: usize) {
        let end = start.saturating_add(piece.len()).min(bound);
        if start >= end || self.ranges.is_full() {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut at = start;
        for range in &self.ranges {
            if range.start > at {
                copy(&mut self.bytes, piece, start, at..range.start.min(end));
            }
            at = at.max(range.end);
            if at >= end {
                break;
            }
        }
        copy(&mut self.bytes, piece, start, at..end);
        self.note(start..end);
    }

    /// Adds a range and joins it with those it touches.
    fn note(&mut self, mut range: Range<usize>) {
        let first = self.ranges.partition_point(|other| other.end < range.start);
        let after = self.ranges.partition_point(|other| other.start <= range.end);
        for other in self.ranges.drain(first..after.max(first)) {
            range = range.start.min(other.start)..range.end.max(other.end);
        }
        let _ = self.ranges.try_insert(first, range);
    }

    /// The bytes from the start up to the first gap.
    pub(in crate::protocols) fn start(&self) -> &[u8] {
        let end = self.ranges.first().filter(|range| range.start == 0).map_or(0, |range| range.end);
        self.bytes.get(..end).unwrap_or_default()
    }

    /// Forgets the bytes and keeps a little room.
    pub(in crate::protocols) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY);
        self.ranges.clear();
    }
}

/// Copies those bytes of a piece, which starts at `start`, that belong to `places`.
fn copy(bytes: &mut [u8], piece: &[u8], start: usize, places: Range<usize>) {
    if places.start >= places.end {
        return;
    }
    let from = piece.get(places.start - start..places.end - start);
    if let (Some(to), Some(from)) = (bytes.get_mut(places), from) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_in_any_order_and_number_give_the_bytes(
            len in 1_usize..3000,
            cuts in prop::collection::vec(0_usize..3000, 0..12),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let whole: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < len).collect();
            cuts.extend([0, len]);
            cuts.sort_unstable();
            let ranges: Vec<_> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
            let mut pieces = Pieces::default();
            for index in &order {
                let range = index.get(&ranges).clone();
                // Overlapping what follows, as retransmissions do.
                pieces.insert(range.start, &whole[range.start..(range.end + 7).min(len)], 4096);
            }
            for range in ranges.iter().rev() {
                pieces.insert(range.start, &whole[range.clone()], 4096);
            }
            prop_assert_eq!(pieces.start(), whole);
        }

        #[test]
        fn the_first_bytes_of_a_place_stay(first in 0_usize..20, second in 0_usize..20) {
            let mut pieces = Pieces::default();
            pieces.insert(first, &[1; 10], 64);
            pieces.insert(second, &[2; 10], 64);
            prop_assert_eq!(&pieces.bytes[first..first + 10], &[1; 10]);
        }

        #[test]
        fn nothing_makes_it_hold_more_than_its_bound(
            input in prop::collection::vec((prop_oneof![any::<usize>(), 0_usize..20_000], 0_usize..2000), 0..200),
        ) {
            let mut pieces = Pieces::default();
            for (start, len) in input {
                pieces.insert(start, &vec![1; len], 16_384);
                prop_assert!(pieces.bytes.len() <= 16_384);
            }
            pieces.clear();
            prop_assert!(pieces.bytes.capacity() <= 16_384 && pieces.start().is_empty());
        }
    }
}
