//! Dispatch: which signatures a payload is worth, by its first bytes, and what Hyperscan looks for.
//!
//! A lane holds the signatures of one carrier and direction in at most 64 buckets. A table for each of the first four
//! bytes has a bit for each bucket that the byte allows: four look-ups and three ANDs leave the few buckets whose
//! signatures are evaluated, and most payloads never reach Hyperscan.

use super::database::{Database, Refused};
use super::opening::{ByteSet, HEAD, Heads};
use super::pattern::Pattern;
use super::signature::Signature;
use crate::protocols::Carrier;
use crate::record::Direction;

/// Lanes: three carriers, two directions.
pub(super) const LANES: usize = 6;
const BUCKETS: usize = 64;

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
    tables: Box<[[u64; 256]; HEAD]>,
    /// Members of each bucket, best rank first.
    buckets: Vec<Box<[u16]>>,
    /// What Hyperscan looks for, where a member has a pattern.
    pub(super) database: Option<Database>,
}

impl Lane {
    /// Builds the lane of `members`, which are in order of rank. Errors: what Hyperscan refuses.
    pub(super) fn build(members: &[(u16, &Signature)]) -> Result<Self, Vec<Refused>> {
        let patterns: Vec<(u16, &Pattern)> = members
            .iter()
            .filter_map(|(index, signature)| Some((*index, signature.payload.searched()?)))
            .collect();
        let database = Database::compile(&patterns)?;
        let mut tables = Box::new([[0; 256]; HEAD]);
        let mut buckets = Vec::new();
        for (bucket, group) in grouped(members).into_iter().enumerate() {
            for (_, heads) in &group {
                for (table, set) in tables.iter_mut().zip(heads.sets()) {
                    admit(table, set, 1 << bucket);
                }
            }
            buckets.push(group.into_iter().map(|(index, _)| index).collect());
        }
        Ok(Self { tables, buckets, database })
    }

    /// A bit for each bucket that the first bytes allow.
    pub(super) fn candidates(&self, payload: &[u8]) -> u64 {
        let all = if self.buckets.is_empty() { 0 } else { u64::MAX };
        self.tables
            .iter()
            .zip(payload)
            .fold(all, |buckets, (table, byte)| buckets & table.get(usize::from(*byte)).copied().unwrap_or(0))
    }

    /// The signatures of a bucket, best rank first.
    pub(super) fn members(&self, bucket: u32) -> &[u16] {
        usize::try_from(bucket)
            .ok()
            .and_then(|bucket| self.buckets.get(bucket))
            .map_or(&[], |members| members)
    }
}

/// At most 64 groups, in order of rank; with more signatures than that, those that start alike share one.
fn grouped(members: &[(u16, &Signature)]) -> Vec<Vec<(u16, Heads)>> {
    let mut all: Vec<(u16, Heads)> = members.iter().map(|(index, s)| (*index, s.payload.heads())).collect();
    let size = all.len().div_ceil(BUCKETS).max(1);
    if size > 1 {
        all.sort_by_key(|(index, heads)| (order(heads), *index));
    }
    let mut groups: Vec<Vec<_>> = all.chunks(size).map(<[_]>::to_vec).collect();
    for group in &mut groups {
        group.sort_by_key(|(index, _)| *index);
    }
    groups.sort_by_key(|group| group.first().map(|(index, _)| *index));
    groups
}

/// Sorts openings so that like ones are neighbours: by how much, and by what, each byte admits.
fn order(heads: &Heads) -> Vec<(u32, u8)> {
    let least = |set: ByteSet| (0..=u8::MAX).find(|value| set.contains(*value)).unwrap_or(0);
    heads.sets().map(|set| (set.count(), least(set))).collect()
}

fn admit(table: &mut [u64; 256], set: ByteSet, bucket: u64) {
    for (value, buckets) in (0..=u8::MAX).zip(table.iter_mut()) {
        if set.contains(value) {
            *buckets |= bucket;
        }
    }
}
