//! Dispatch: which signatures a payload is worth, by its first bytes, and what Hyperscan looks for.
//!
//! A lane holds the signatures of one carrier and direction in at most 64 buckets. A table for each of the first four
//! bytes has a bit for each bucket that the byte allows: four look-ups and three ANDs leave the few buckets whose
//! signatures are evaluated, and most payloads never reach Hyperscan.

use core::fmt;

use hyperscan::{BlockDatabase, Builder, HsError, PatternFlags, Patterns};

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
pub(super) struct Lane {
    /// For each of the first bytes and each value: the buckets it allows.
    tables: Box<[[u64; 256]; HEAD]>,
    /// Members of each bucket, best rank first.
    buckets: Vec<Box<[u16]>>,
    /// What Hyperscan looks for, where a member has a pattern.
    pub(super) database: Option<BlockDatabase>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("buckets", &self.buckets).field("has_database", &self.database.is_some()).finish()
    }
}

impl Lane {
    /// Builds the lane of `members`, which are in order of rank. Errors: what Hyperscan refuses.
    pub(super) fn build(members: &[(u16, &Signature)]) -> Result<Self, Vec<Refused>> {
        let patterns: Vec<(u16, &Pattern)> =
            members.iter().filter_map(|(index, signature)| Some((*index, signature.payload.pattern.as_ref()?))).collect();
        let database = database(&patterns)?;
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
        self.tables.iter().zip(payload).fold(all, |buckets, (table, byte)| {
            buckets & table.get(usize::from(*byte)).copied().unwrap_or(0)
        })
    }

    /// The signatures of a bucket, best rank first.
    pub(super) fn members(&self, bucket: u32) -> &[u16] {
        usize::try_from(bucket).ok().and_then(|bucket| self.buckets.get(bucket)).map_or(&[], |members| members)
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

/// A pattern that Hyperscan refuses, by the index of its signature.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) signature: u16,
    pub(super) reason: String,
}

/// Compiles patterns, which report the index they are given with; none of none. Errors: all that are refused.
pub(super) fn database(patterns: &[(u16, &Pattern)]) -> Result<Option<BlockDatabase>, Vec<Refused>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let all: Vec<hyperscan::Pattern> = patterns.iter().map(|(index, pattern)| translated(*index, pattern)).collect();
    match Patterns(all.clone()).build() {
        Ok(database) => Ok(Some(database)),
        Err(whole) => {
            let alone = |pattern: hyperscan::Pattern| {
                let signature = u16::try_from(pattern.id?).ok()?;
                let error: hyperscan::Error = Patterns(vec![pattern]).build::<hyperscan::BlockMode>().err()?;
                Some(Refused { signature, reason: reason(&error) })
            };
            let mut refused: Vec<Refused> = all.into_iter().filter_map(alone).collect();
            if refused.is_empty() {
                // Each is fine alone: they are too much together.
                let first = patterns.first().map_or(0, |(index, _)| *index);
                refused.push(Refused { signature: first, reason: reason(&whole) });
            }
            Err(refused)
        }
    }
}

fn translated(index: u16, pattern: &Pattern) -> hyperscan::Pattern {
    // A search whose window starts later needs every match, not only the first.
    let flags = if pattern.anchored || pattern.window.0 == 0 {
        PatternFlags::DOTALL | PatternFlags::SINGLEMATCH
    } else {
        PatternFlags::DOTALL
    };
    hyperscan::Pattern {
        expression: pattern.expression.clone(),
        flags,
        id: Some(usize::from(index)),
        ext: hyperscan::ExprExt::default(),
        som: None,
    }
}

fn reason(error: &hyperscan::Error) -> String {
    match error {
        hyperscan::Error::Hyperscan(HsError::CompileError(error)) => error.message().to_owned(),
        other => other.to_string(),
    }
}
