//! Timer wheel: which flows may be due, without touching them while they live.
//!
//! A flow hangs on the entry of the tick at which it would be due if it stayed silent. Packets do not move it; when
//! its tick comes it is looked at, and hung up again further on if it was heard meanwhile. So the packet path pays
//! nothing, and each tick costs what is due.

use super::slot::{NONE, Slot, SlotIndex};

/// Entries of a wheel; a flow due later than one turn is looked at once a turn.
pub(crate) const ENTRIES: usize = 4096;
/// Nanoseconds of a tick, as a power of two: 2^28 ns are 0.27 s, a turn 18 minutes.
pub(crate) const TICK_SHIFT: u32 = 28;

/// First and last flows of the lists of one wheel, in the order they were hung up, and which lists are not empty.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Box<[SlotIndex; ENTRIES]>,
    tails: Box<[SlotIndex; ENTRIES]>,
    occupied: Box<[u64; ENTRIES / 64]>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        let none = || Box::new([NONE; ENTRIES]);
        Self { heads: none(), tails: none(), occupied: Box::new([0; ENTRIES / 64]) }
    }

    /// The flow that hangs on an entry longest.
    pub(crate) fn head(&self, entry: u16) -> SlotIndex {
        self.heads.get(usize::from(entry)).copied().unwrap_or(NONE)
    }

    /// Hangs `index` on the entry of `tick`, behind those that hang there.
    #[inline]
    pub(crate) fn link(&mut self, slots: &mut [Slot], index: SlotIndex, tick: u64) {
        let entry = entry_of(tick);
        let Some(tail) = self.tails.get_mut(usize::from(entry)) else { return };
        let previous = core::mem::replace(tail, index);
        if let Some(slot) = slots.get_mut(index as usize) {
            slot.next = NONE;
            slot.previous = previous;
            slot.wheel_entry = entry;
        }
        match slots.get_mut(previous as usize) {
            Some(last) => last.next = index,
            None => self.begin_list(entry, index),
        }
    }

    /// Takes `index` off its entry.
    #[inline]
    pub(crate) fn unlink(&mut self, slots: &mut [Slot], index: SlotIndex) {
        let Some(slot) = slots.get_mut(index as usize) else { return };
        let (next, previous, entry) = (slot.next, slot.previous, slot.wheel_entry);
        (slot.next, slot.previous) = (NONE, NONE);
        match slots.get_mut(next as usize) {
            Some(slot) => slot.previous = previous,
            None => set(&mut self.tails, entry, previous),
        }
        match slots.get_mut(previous as usize) {
            Some(slot) => slot.next = next,
            None => self.begin_list(entry, next),
        }
    }

    /// The first entry that is not empty, from the one of `tick` on, going round once.
    pub(crate) fn first_from(&self, tick: u64) -> Option<u16> {
        let start = usize::from(entry_of(tick));
        let words = self.occupied.len();
        let first = self.occupied.get(start / 64)? & (u64::MAX << (start % 64));
        if first != 0 {
            return entry_at(start / 64, first);
        }
        for step in 1..=words {
            let at = (start / 64 + step) % words;
            let word = *self.occupied.get(at)?;
            if word != 0 {
                return entry_at(at, word);
            }
        }
        None
    }

    #[inline]
    fn begin_list(&mut self, entry: u16, head: SlotIndex) {
        set(&mut self.heads, entry, head);
        if let Some(word) = self.occupied.get_mut(usize::from(entry) / 64) {
            let bit = 1 << (entry % 64);
            *word = if head == NONE { *word & !bit } else { *word | bit };
        }
    }
}

#[inline]
fn set(ends: &mut [SlotIndex; ENTRIES], entry: u16, index: SlotIndex) {
    if let Some(end) = ends.get_mut(usize::from(entry)) {
        *end = index;
    }
}

/// Tick of a time.
#[inline]
pub(crate) const fn tick_of(ns: u64) -> u64 {
    ns >> TICK_SHIFT
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "below ENTRIES, which is below 2^16")]
const fn entry_of(tick: u64) -> u16 {
    (tick % ENTRIES as u64) as u16
}

fn entry_at(word: usize, bits: u64) -> Option<u16> {
    u16::try_from(word * 64 + bits.trailing_zeros() as usize).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::FlowKey;

    #[test]
    fn entries_are_found_in_order_and_emptied() {
        let mut slots = vec![Slot::new(FlowKey::default(), 0); 3];
        let mut wheel = Wheel::new();
        wheel.link(&mut slots, 0, 70);
        wheel.link(&mut slots, 1, 70);
        wheel.link(&mut slots, 2, 4096 + 3);
        assert_eq!(wheel.first_from(0), Some(3));
        assert_eq!(wheel.first_from(4), Some(70));
        wheel.unlink(&mut slots, 0);
        assert_eq!(wheel.first_from(71), Some(3), "it goes round");
        wheel.unlink(&mut slots, 1);
        wheel.unlink(&mut slots, 2);
        assert_eq!(wheel.first_from(0), None);
    }

    #[test]
    fn the_flow_that_hangs_longest_is_first_whoever_leaves_in_between() {
        let mut slots = vec![Slot::new(FlowKey::default(), 0); 4];
        let mut wheel = Wheel::new();
        (0..4).for_each(|index| wheel.link(&mut slots, index, 9));
        for (leaves, first) in [(2, 0), (0, 1), (3, 1)] {
            wheel.unlink(&mut slots, leaves);
            assert_eq!(wheel.head(9), first);
        }
        wheel.link(&mut slots, 0, 9);
        wheel.unlink(&mut slots, 1);
        assert_eq!(wheel.head(9), 0, "hung up again, it is last");
        wheel.unlink(&mut slots, 0);
        assert_eq!((wheel.head(9), wheel.first_from(0)), (NONE, None));
    }
}
