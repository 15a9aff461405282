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

/// Heads of the lists of one wheel, and which are not empty.
#[derive(Debug)]
pub(crate) struct Wheel {
    heads: Box<[SlotIndex; ENTRIES]>,
    occupied: Box<[u64; ENTRIES / 64]>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { heads: Box::new([NONE; ENTRIES]), occupied: Box::new([0; ENTRIES / 64]) }
    }

    /// First flow of an entry.
    pub(crate) fn head(&self, entry: u16) -> SlotIndex {
        self.heads.get(usize::from(entry)).copied().unwrap_or(NONE)
    }

    /// Hangs `index` on the entry of `tick`.
    #[inline]
    pub(crate) fn link(&mut self, slots: &mut [Slot], index: SlotIndex, tick: u64) {
        let entry = entry_of(tick);
        let Some(head) = self.heads.get_mut(usize::from(entry)) else { return };
        let next = core::mem::replace(head, index);
        if let Some(slot) = slots.get_mut(index as usize) {
            slot.next = next;
            slot.previous = NONE;
            slot.wheel_entry = entry;
        }
        if let Some(second) = slots.get_mut(next as usize) {
            second.previous = index;
        }
        self.mark(entry, true);
    }

    /// Takes `index` off its entry.
    #[inline]
    pub(crate) fn unlink(&mut self, slots: &mut [Slot], index: SlotIndex) {
        let Some(slot) = slots.get_mut(index as usize) else { return };
        let (next, previous, entry) = (slot.next, slot.previous, slot.wheel_entry);
        (slot.next, slot.previous) = (NONE, NONE);
        if let Some(slot) = slots.get_mut(next as usize) {
            slot.previous = previous;
        }
        if let Some(slot) = slots.get_mut(previous as usize) {
            slot.next = next;
            return;
        }
        if let Some(head) = self.heads.get_mut(usize::from(entry)) {
            *head = next;
        }
        if next == NONE {
            self.mark(entry, false);
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
    fn mark(&mut self, entry: u16, occupied: bool) {
        if let Some(word) = self.occupied.get_mut(usize::from(entry) / 64) {
            let bit = 1 << (entry % 64);
            *word = if occupied { *word | bit } else { *word & !bit };
        }
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
        assert_eq!(wheel.head(70), 1);
        wheel.unlink(&mut slots, 0);
        assert_eq!(wheel.first_from(71), Some(3), "it goes round");
        wheel.unlink(&mut slots, 1);
        wheel.unlink(&mut slots, 2);
        assert_eq!(wheel.first_from(0), None);
    }
}
