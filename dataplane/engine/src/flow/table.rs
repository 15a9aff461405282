//! The flow table: fixed capacity, two cache lines a flow, one cache line a bucket.
//!
//! A flow may be in either of two buckets of eight places, chosen by its hash, so that nearly every place of the table
//! can be used and a look-up touches at most two buckets. Each place keeps 16 bits of the hash beside the index:
//! a flow that is not there is nearly always known from the buckets alone.

use mem_sys::{HugeVec, OutOfMemory, PagePolicy};
use wire::FlowKey;

use super::slot::{Marks, NONE, Slot, SlotIndex};

const PLACES: usize = 8;
/// Flows for each bucket when the table is full: with two choices, eight places overflow only near 7.
const FLOWS_PER_BUCKET: usize = 5;

/// One cache line of places; tag 0 is an empty place.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Bucket {
    /// Tag of place `4 * word + lane` in lane `lane` (16 bits, lowest first) of word `word`.
    tags: [u64; PLACES / 4],
    slots: [SlotIndex; PLACES],
}

impl Bucket {
    const EMPTY: Self = Self { tags: [0; PLACES / 4], slots: [NONE; PLACES] };

    /// Places with this tag, one bit each (at 16 times the place modulo 4, words one behind the other).
    #[inline]
    fn matches(&self, tag: u16) -> Places {
        const LOW: u64 = 0x7fff_7fff_7fff_7fff;
        let wanted = u64::from(tag) * 0x0001_0001_0001_0001;
        // The highest bit of a lane is set where the lane is zero, exactly.
        let [first, second] = self.tags.map(|word| {
            let differs = word ^ wanted;
            !(((differs & LOW) + LOW) | differs | LOW)
        });
        Places((first >> 15) | (second >> 14))
    }

    fn set_tag(&mut self, place: usize, tag: u16) {
        if let Some(word) = self.tags.get_mut(place / 4) {
            let shift = 16 * (place % 4);
            *word = (*word & !(0xffff << shift)) | u64::from(tag) << shift;
        }
    }

    #[inline]
    fn slot(&self, place: usize) -> SlotIndex {
        self.slots.get(place).copied().unwrap_or(NONE)
    }
}

/// Places of a bucket: place `p` of the first word is bit `16 p`, of the second bit `16 p + 1`.
#[derive(Clone, Copy, Debug)]
struct Places(u64);

impl Places {
    #[inline]
    const fn count(self) -> u32 {
        self.0.count_ones()
    }
}

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(bit / 16 + 4 * (bit % 16))
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
            if let Some(place) = bucket.matches(tag).next() {
                let index = bucket.slot(place);
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
            for place in bucket.matches(tag) {
                let index = bucket.slot(place);
                if self.slot(index).is_some_and(|slot| slot.key == *key) {
                    return Some(index);
                }
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
            bucket.set_tag(place, tag_of(hash));
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
            bucket.set_tag(place, 0);
            if let Some(slot) = bucket.slots.get_mut(place) {
                *slot = NONE;
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
        let (choice, mut places) = if two.count() > one.count() { (second, two) } else { (first, one) };
        places.next().map(|place| (choice, place))
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
