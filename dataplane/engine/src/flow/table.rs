//! The flow table: fixed capacity, two cache lines a flow, one cache line a bucket.
//!
//! A flow may be in either of two buckets of ten places, chosen by its hash, so that nearly every place of the table
//! can be used and a look-up touches at most two buckets. Each place keeps 16 bits of the hash beside the index:
//! a flow that is not there is nearly always known from the buckets alone.

use mem_sys::{HugeVec, OutOfMemory, PagePolicy};
use wire::FlowKey;

use super::slot::{Marks, NONE, Slot, SlotIndex};

const PLACES: usize = 10;
/// Places for each flow, in tenths: with two choices of ten places a bucket overflows only near 1.
const FLOWS_PER_BUCKET: usize = 7;

/// One cache line of places; tag 0 is an empty place.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u16; PLACES],
    slots: [SlotIndex; PLACES],
}

impl Bucket {
    const EMPTY: Self = Self { tags: [0; PLACES], slots: [NONE; PLACES] };

    #[inline]
    fn matches(&self, tag: u16) -> u32 {
        let mut bits = 0;
        for (place, &other) in self.tags.iter().enumerate() {
            bits |= u32::from(other == tag) << place;
        }
        bits
    }

    #[inline]
    fn slot(&self, place: u32) -> SlotIndex {
        self.slots.get(place as usize).copied().unwrap_or(NONE)
    }
}

/// Both buckets are full, or every slot is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFull;

/// Flows by key.
#[derive(Debug)]
pub(crate) struct FlowTable {
    slots: HugeVec<Slot>,
    buckets: HugeVec<Bucket>,
    free: SlotIndex,
    live: usize,
    seed: u64,
}

impl FlowTable {
    pub(crate) fn new(capacity: usize, seed: u64, pages: PagePolicy) -> Result<Self, OutOfMemory> {
        let capacity = capacity.clamp(1, NONE as usize - 1);
        let buckets = capacity.div_ceil(FLOWS_PER_BUCKET).max(2);
        Ok(Self {
            slots: HugeVec::with_capacity(capacity, pages)?,
            buckets: HugeVec::filled(buckets, Bucket::EMPTY, pages)?,
            free: NONE,
            live: 0,
            seed,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    #[inline]
    pub(crate) fn hash(&self, key: &FlowKey) -> u64 {
        key.hash(self.seed)
    }

    #[inline]
    pub(crate) fn slot(&self, index: SlotIndex) -> Option<&Slot> {
        self.slots.get(index as usize)
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, index: SlotIndex) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)
    }

    pub(crate) fn slots_mut(&mut self) -> &mut [Slot] {
        &mut self.slots
    }

    /// Every index that may hold a flow.
    pub(crate) fn indices(&self) -> core::ops::Range<SlotIndex> {
        0..u32::try_from(self.slots.len()).unwrap_or(NONE)
    }

    /// Asks for the bucket that a flow of this hash is most likely in.
    #[inline]
    pub(crate) fn prefetch_buckets(&self, hash: u64) {
        let [first, second] = self.choices(hash);
        self.buckets.prefetch(first);
        self.buckets.prefetch(second);
    }

    /// The flow whose tag matches, not yet compared, and asks for its cache lines.
    #[inline]
    pub(crate) fn prefetch_candidate(&self, hash: u64) -> SlotIndex {
        let tag = tag_of(hash);
        for choice in self.choices(hash) {
            let Some(bucket) = self.buckets.get(choice) else { continue };
            let bits = bucket.matches(tag);
            if bits != 0 {
                let index = bucket.slot(bits.trailing_zeros());
                self.slots.prefetch(index as usize);
                self.slots.prefetch_at(index as usize, 64);
                return index;
            }
        }
        NONE
    }

    /// The flow of `key`; `candidate` is tried first.
    #[inline]
    pub(crate) fn find(&self, key: &FlowKey, hash: u64, candidate: SlotIndex) -> Option<SlotIndex> {
        // A slot that was freed since the candidate was chosen has lost its mark.
        if self.slot(candidate).is_some_and(|slot| slot.key == *key && slot.marks.has(Marks::LIVE)) {
            return Some(candidate);
        }
        self.find_slowly(key, hash)
    }

    #[inline(never)]
    fn find_slowly(&self, key: &FlowKey, hash: u64) -> Option<SlotIndex> {
        let tag = tag_of(hash);
        for choice in self.choices(hash) {
            let Some(bucket) = self.buckets.get(choice) else { continue };
            let mut bits = bucket.matches(tag);
            while bits != 0 {
                let index = bucket.slot(bits.trailing_zeros());
                if self.slot(index).is_some_and(|slot| slot.key == *key) {
                    return Some(index);
                }
                bits &= bits - 1;
            }
        }
        None
    }

    /// Adds a flow that is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, key: FlowKey, hash: u64, now_ns: u64) -> Result<SlotIndex, TableFull> {
        let (choice, place) = self.empty_place(hash).ok_or(TableFull)?;
        let index = self.allocate(Slot::new(key, now_ns)).ok_or(TableFull)?;
        if let Some(bucket) = self.buckets.get_mut(choice) {
            if let Some(tag) = bucket.tags.get_mut(place) {
                *tag = tag_of(hash);
            }
            if let Some(slot) = bucket.slots.get_mut(place) {
                *slot = index;
            }
        }
        self.live += 1;
        Ok(index)
    }

    /// A flow in one of the two buckets of `hash`, to give way when both are full.
    pub(crate) fn neighbour(&self, hash: u64) -> Option<SlotIndex> {
        let [first, _] = self.choices(hash);
        let bucket = self.buckets.get(first)?;
        bucket
            .slots
            .iter()
            .copied()
            .filter(|&index| index != NONE)
            .min_by_key(|&index| self.slot(index).map_or(u64::MAX, |slot| slot.last_ns))
    }

    /// Whether both buckets of `hash` are full.
    pub(crate) fn is_crowded(&self, hash: u64) -> bool {
        self.empty_place(hash).is_none()
    }

    /// Takes a flow out; its slot is free for the next.
    pub(crate) fn remove(&mut self, index: SlotIndex) {
        let Some(slot) = self.slots.get(index as usize) else { return };
        if !slot.marks.has(Marks::LIVE) {
            return;
        }
        for choice in self.choices(slot.key.hash(self.seed)) {
            let Some(bucket) = self.buckets.get_mut(choice) else { continue };
            let Some(place) = bucket.slots.iter().position(|&other| other == index) else { continue };
            if let (Some(tag), Some(slot)) = (bucket.tags.get_mut(place), bucket.slots.get_mut(place)) {
                (*tag, *slot) = (0, NONE);
            }
            break;
        }
        let free = self.free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.marks = Marks::default();
            slot.next = free;
        }
        self.free = index;
        self.live -= 1;
    }

    fn allocate(&mut self, slot: Slot) -> Option<SlotIndex> {
        let index = self.free;
        if let Some(place) = self.slots.get_mut(index as usize) {
            self.free = place.next;
            *place = slot;
            return Some(index);
        }
        self.slots.push(slot).and_then(|index| u32::try_from(index).ok())
    }

    #[inline]
    fn empty_place(&self, hash: u64) -> Option<(usize, usize)> {
        let [first, second] = self.choices(hash);
        let (one, two) = (self.buckets.get(first)?.matches(0), self.buckets.get(second)?.matches(0));
        // The emptier bucket keeps both from filling up.
        let (choice, places) = if two.count_ones() > one.count_ones() { (second, two) } else { (first, one) };
        (places != 0).then(|| (choice, places.trailing_zeros() as usize))
    }

    /// The two buckets of a hash: its upper and its middle bits, scaled to the number of buckets.
    #[inline]
    fn choices(&self, hash: u64) -> [usize; 2] {
        let buckets = self.buckets.len() as u64;
        let first = ((hash >> 32) * buckets) >> 32;
        let second = ((hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) * buckets) >> 32;
        [first as usize, second as usize]
    }
}

/// 16 bits of the hash that do not choose the bucket; never 0.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
const fn tag_of(hash: u64) -> u16 {
    (hash as u16) | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{KeyKind, Scope};

    fn key(number: u32) -> FlowKey {
        let source = FlowKey::from_ipv4(number.to_be_bytes());
        let destination = FlowKey::from_ipv4([10, 0, 0, 1]);
        FlowKey::new(KeyKind::Ipv4, 17, (source, 1000), (destination, 53), Scope::default()).0
    }

    #[test]
    fn every_slot_of_the_table_can_be_used() {
        let mut table = FlowTable::new(100_000, 42, PagePolicy::Transparent).unwrap();
        for number in 0..100_000 {
            let key = key(number);
            let hash = table.hash(&key);
            assert_eq!(table.find(&key, hash, table.prefetch_candidate(hash)), None);
            table.insert(key, hash, 0).unwrap();
        }
        assert_eq!(table.len(), 100_000);
        for number in 0..100_000 {
            let key = key(number);
            let hash = table.hash(&key);
            let found = table.find(&key, hash, table.prefetch_candidate(hash)).unwrap();
            assert_eq!(table.slot(found).unwrap().key, key);
        }
        let more = key(100_000);
        assert_eq!(table.insert(more, table.hash(&more), 0), Err(TableFull));
    }

    #[test]
    fn a_removed_flow_is_gone_and_its_slot_serves_the_next() {
        let mut table = FlowTable::new(8, 1, PagePolicy::Transparent).unwrap();
        let (one, two) = (key(1), key(2));
        let first = table.insert(one, table.hash(&one), 0).unwrap();
        table.remove(first);
        table.remove(first);
        assert_eq!((table.len(), table.find(&one, table.hash(&one), first)), (0, None));
        assert_eq!(table.insert(two, table.hash(&two), 0).unwrap(), first);
        assert_eq!(table.find(&one, table.hash(&one), first), None);
    }
}
