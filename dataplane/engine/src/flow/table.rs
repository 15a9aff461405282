//! The flow table: fixed capacity, two cache lines a flow, one cache line a bucket.
//!
//! A flow may be in either of two buckets of eight places, chosen by its hash, so that nearly every place of the table
//! can be used and a look-up touches at most two buckets. Each place keeps 16 bits of the hash beside the index:
//! a flow that is not there is nearly always known from the buckets alone.

use mem_sys::{HugeVec, OutOfMemory, PagePolicy};
use wire::FlowKey;

use super::slot::{Marks, NONE, Phase, Slot, SlotIndex};

const PLACES: usize = 8;
/// Flows for each bucket when the table is full: with two choices, eight places overflow only near 7.
const FLOWS_PER_BUCKET: usize = 5;
/// Places of its first bucket that a flow leaves to others as long as its second one is emptier. So nearly all flows
/// of a table that is not full are in their first bucket (98 % of half a table, 86 % of a full one, by simulation), and
/// a look-up touches one line where it would touch two; yet both buckets of a flow are never full.
const RESERVE: u32 = 3;

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
    pub(crate) fn prefetch_bucket(&self, hash: u64) {
        self.buckets.prefetch(self.first_choice(hash));
    }

    /// The flow of the first bucket whose tag matches, not yet compared; asks for its cache lines, or for the second
    /// bucket where there is none.
    #[inline]
    pub(crate) fn prefetch_candidate(&self, hash: u64) -> SlotIndex {
        let index = self.tagged(self.first_choice(hash), hash);
        if index == NONE {
            self.buckets.prefetch(self.second_choice(hash));
        } else {
            self.prefetch_slot(index);
        }
        index
    }

    /// The same, of the second bucket.
    #[inline]
    pub(crate) fn prefetch_second_candidate(&self, hash: u64) -> SlotIndex {
        let index = self.tagged(self.second_choice(hash), hash);
        self.prefetch_slot(index);
        index
    }

    /// Asks for both cache lines of a slot, if there is one.
    #[inline]
    pub(crate) fn prefetch_slot(&self, index: SlotIndex) {
        self.slots.prefetch(index as usize);
        self.slots.prefetch_at(index as usize, 64);
    }

    /// The first flow of a bucket whose tag matches.
    #[inline]
    fn tagged(&self, choice: usize, hash: u64) -> SlotIndex {
        let Some(bucket) = self.buckets.get(choice) else { return NONE };
        bucket.matches(tag_of(hash)).next().map_or(NONE, |place| bucket.slot(place))
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

    /// A flow in one of the two buckets of `hash`, to give way when both are full: of those heard from one side only,
    /// or else of all, the one that was silent longest.
    pub(crate) fn neighbour(&self, hash: u64) -> Option<SlotIndex> {
        let buckets = self.choices(hash).map(|choice| self.buckets.get(choice));
        let indices = buckets.iter().flatten().flat_map(|bucket| bucket.slots).filter(|&index| index != NONE);
        indices.min_by_key(|&index| self.slot(index).map(|slot| (slot.phase != Phase::New, slot.last_ns)))
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
            // The next flow to begin takes the next free slot, which was left alone for long.
            self.prefetch_slot(self.free);
            return Some(index);
        }
        self.slots.push(slot).and_then(|index| u32::try_from(index).ok())
    }

    #[inline]
    fn empty_place(&self, hash: u64) -> Option<(usize, usize)> {
        let first = self.first_choice(hash);
        let mut one = self.buckets.get(first)?.matches(0);
        if one.count() > RESERVE {
            return one.next().map(|place| (first, place));
        }
        let second = self.second_choice(hash);
        let mut two = self.buckets.get(second)?.matches(0);
        // The emptier bucket keeps both from filling up.
        if two.count() > one.count() {
            return two.next().map(|place| (second, place));
        }
        one.next().map(|place| (first, place))
    }

    /// The two buckets of a hash.
    #[inline]
    fn choices(&self, hash: u64) -> [usize; 2] {
        [self.first_choice(hash), self.second_choice(hash)]
    }

    /// The bucket that most flows are in: the upper bits of the hash, scaled to the number of buckets.
    #[inline]
    fn first_choice(&self, hash: u64) -> usize {
        (((hash >> 32) * self.buckets.len() as u64) >> 32) as usize
    }

    /// The other one, by bits mixed anew.
    #[inline]
    fn second_choice(&self, hash: u64) -> usize {
        self.first_choice(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15))
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
    fn a_half_open_neighbour_gives_way_before_an_established_one() {
        let mut table = FlowTable::new(8, 1, PagePolicy::Transparent).unwrap();
        let places: Vec<SlotIndex> = (0..8)
            .map(|number| table.insert(key(number), table.hash(&key(number)), u64::from(number)).unwrap())
            .collect();
        // One that may be in either of the two buckets there are.
        let either = |hash: &u64| table.first_choice(*hash) != table.second_choice(*hash);
        let hash = (8..).map(|number| table.hash(&key(number))).find(either).unwrap();
        assert_eq!(table.neighbour(hash), Some(places[0]));
        for &index in &places[..5] {
            table.slot_mut(index).unwrap().phase = Phase::Established;
        }
        assert_eq!(table.neighbour(hash), Some(places[5]));
        places.iter().for_each(|&index| table.slot_mut(index).unwrap().phase = Phase::Closed);
        assert_eq!(table.neighbour(hash), Some(places[0]));
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
