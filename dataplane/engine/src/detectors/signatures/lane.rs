//! Dispatch: which signatures a payload is worth, by its first bytes, and what Hyperscan looks for.
//!
//! A lane holds the signatures of one carrier and direction in at most 128 buckets. A table for each of the first four
//! bytes has a bit for each bucket that the byte allows: four look-ups and three ANDs leave the few buckets whose
//! members are looked at. A member tells by length and by the bits of the first eight bytes whether its signature is
//! evaluated, and most payloads never reach Hyperscan.

use super::opening::{ByteSet, HEAD, Heads};
use super::pattern::Pattern;
use super::searcher::{Refused, Searcher, Shelf};
use super::signature::{Condition, Signature};
use crate::protocols::Carrier;
use crate::record::Direction;

/// Lanes: three carriers, two directions.
pub(super) const LANES: usize = 6;
const BUCKETS: usize = 128;
/// A bit for each bucket.
type BucketSet = u128;
/// Bytes from the start of a payload that have a table.
const TABLES: usize = 4;

/// The lane of a carrier and direction; none for carriers that have no payloads to scan.
pub(super) const fn lane_of(carrier: Carrier, direction: Direction) -> Option<usize> {
    let first = match carrier {
        Carrier::Tcp => 0,
        Carrier::Udp => 2,
        Carrier::Sctp => 4,
        Carrier::Ip(_) | Carrier::Ethernet(_) => return None,
    };
    Some(match direction {
        Direction::ToServer => first,
        Direction::ToClient => first + 1,
    })
}

/// The signatures of one carrier and direction.
#[derive(Debug)]
pub(super) struct Lane {
    /// For each of the first bytes and each value: the buckets it allows.
    tables: Box<[[BucketSet; 256]; TABLES]>,
    /// Members of each bucket, best rank first.
    buckets: Vec<Box<[Member]>>,
    /// What Hyperscan looks for, where a member has a pattern.
    pub(super) searcher: Option<Searcher>,
}

/// What rules a signature out at a glance.
#[derive(Clone, Copy, Debug, Default)]
struct Glance {
    min_len: u32,
    max_len: u32,
    /// The bits of the first bytes that are fixed, and their values; the first byte is the lowest.
    mask: u64,
    value: u64,
}

impl Glance {
    fn new(heads: &Heads, condition: &Condition) -> Self {
        let (mut mask, mut value) = ([0; HEAD], [0; HEAD]);
        for ((mask, value), set) in mask.iter_mut().zip(&mut value).zip(heads.sets()) {
            (*mask, *value) = set.common_bits();
        }
        let (min_len, max_len) = condition.lengths();
        Self { min_len, max_len, mask: u64::from_le_bytes(mask), value: u64::from_le_bytes(value) }
    }
}

/// How the payloads of a signature begin: worked out once, for every lane and every set that it is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    heads: Heads,
    glance: Glance,
    /// Sorts so that like ones are neighbours: by how much, and by what, each byte admits.
    order: [(u32, u8); HEAD],
}

impl Beginning {
    pub(super) fn of(condition: &Condition) -> Self {
        let heads = condition.heads();
        let least = |set: ByteSet| (0..=u8::MAX).find(|value| set.contains(*value)).unwrap_or(0);
        let mut order = [(0, 0); HEAD];
        for (place, set) in order.iter_mut().zip(heads.sets()) {
            *place = (set.count(), least(set));
        }
        Self { glance: Glance::new(&heads, condition), heads, order }
    }
}

/// A signature in its bucket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// The signature: its rank.
    pub(super) index: u16,
    glance: Glance,
}

impl Member {
    /// Whether a payload of this length that starts like this may match.
    #[inline]
    pub(super) const fn may_match(&self, len: u32, start: Start) -> bool {
        let own = &self.glance;
        (start.bytes ^ own.value) & own.mask & start.known == 0 && own.min_len <= len && len <= own.max_len
    }
}

/// The first bytes of a payload, the first the lowest, and which of them there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    bytes: u64,
    known: u64,
}

impl Start {
    pub(super) fn of(payload: &[u8]) -> Self {
        if let Some(bytes) = payload.first_chunk() {
            return Self { bytes: u64::from_le_bytes(*bytes), known: u64::MAX };
        }
        let bytes = payload.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Self { bytes, known: (1 << (8 * payload.len())) - 1 }
    }
}

impl Lane {
    /// Builds the lane of `members`, which are in order of rank, with what is on the shelf. Errors: what Hyperscan
    /// refuses.
    pub(super) fn build(members: &[(u16, &Signature)], shelf: &mut Shelf) -> Result<Self, Vec<Refused>> {
        let patterns: Vec<(u16, &Pattern)> = members
            .iter()
            .filter_map(|(index, signature)| Some((*index, signature.payload.searched()?)))
            .collect();
        let searcher = shelf.searcher(&patterns)?;
        let mut tables = Box::new([[0; 256]; TABLES]);
        let mut buckets = Vec::new();
        for (bucket, group) in grouped(members).into_iter().enumerate() {
            let all = group.iter().map(|(_, signature)| signature.beginning.heads);
            let heads = all.reduce(|heads, more| heads.or(&more)).unwrap_or_default();
            for (table, set) in tables.iter_mut().zip(heads.sets()) {
                admit(table, set, 1 << bucket);
            }
            let member = |(index, signature): &(u16, &Signature)| Member {
                index: *index,
                glance: signature.beginning.glance,
            };
            buckets.push(group.iter().map(member).collect());
        }
        Ok(Self { tables, buckets, searcher })
    }

    /// A bit for each bucket that the first bytes allow.
    pub(super) fn candidates(&self, payload: &[u8]) -> BucketSet {
        let all = if self.buckets.is_empty() { 0 } else { BucketSet::MAX };
        self.tables
            .iter()
            .zip(payload)
            .fold(all, |buckets, (table, byte)| buckets & table.get(usize::from(*byte)).copied().unwrap_or(0))
    }

    /// The signatures of a bucket, best rank first.
    pub(super) fn members(&self, bucket: u32) -> &[Member] {
        usize::try_from(bucket)
            .ok()
            .and_then(|bucket| self.buckets.get(bucket))
            .map_or(&[], |members| members)
    }
}

/// At most [`BUCKETS`] groups, in order of rank; with more signatures than that, those that start alike share one.
fn grouped<'s>(members: &[(u16, &'s Signature)]) -> Vec<Vec<(u16, &'s Signature)>> {
    let mut all = members.to_vec();
    let size = all.len().div_ceil(BUCKETS).max(1);
    if size > 1 {
        all.sort_by(|(a, one), (b, other)| (&one.beginning.order, a).cmp(&(&other.beginning.order, b)));
    }
    let mut groups: Vec<Vec<_>> = all.chunks(size).map(<[_]>::to_vec).collect();
    for group in &mut groups {
        group.sort_by_key(|(index, _)| *index);
    }
    groups.sort_by_key(|group| group.first().map(|(index, _)| *index));
    groups
}

fn admit(table: &mut [BucketSet; 256], set: ByteSet, bucket: BucketSet) {
    for (value, buckets) in (0..=u8::MAX).zip(table.iter_mut()) {
        if set.contains(value) {
            *buckets |= bucket;
        }
    }
}
