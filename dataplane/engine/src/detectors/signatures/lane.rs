//! Dispatch: which signatures a payload is worth, by its first bytes and its length, and what Hyperscan looks for.
//!
//! A lane holds the signatures of one carrier and direction in blocks of 512. A block has a table for each of the first
//! sixteen bytes and one for the length; a row of a table has a bit for each signature that the value allows. The AND of
//! seventeen rows, each a cache line that is asked for while the others are on their way, leaves the few signatures
//! that are evaluated, and most payloads never reach Hyperscan.

use std::collections::BTreeMap;

use super::opening::{ByteSet, HEAD, Heads};
use super::pattern::Pattern;
use super::searcher::{Refused, Searcher, Shelf};
use super::signature::{Condition, Signature};
use crate::protocols::Carrier;
use crate::record::Direction;

/// Lanes: three carriers, two directions.
pub(super) const LANES: usize = 6;
/// Signatures of a block.
const BLOCK: usize = 512;
/// Tables of a block: one for each of the first bytes, and one for the length.
const TABLES: usize = HEAD + 1;
/// Rows of a table.
const VALUES: usize = 256;

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
    /// In order of rank.
    blocks: Vec<Block>,
    /// What Hyperscan looks for, where a member has a pattern.
    pub(super) searcher: Option<Searcher>,
}

/// Up to [`BLOCK`] signatures.
#[derive(Debug)]
pub(super) struct Block {
    /// Which row each value of the first byte has, then each of the second, and so on; those of the length are the last.
    places: Box<[u16]>,
    /// Each row once: most values of most bytes have the same, and so few rows stay near the processor.
    rows: Box<[Row]>,
    /// The signature of each bit, best rank first.
    members: Box<[u16]>,
}

/// A bit for each signature of a block: one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(align(64))]
struct Row([u64; BLOCK / 64]);

/// How the payloads of a signature begin, and how long they are: worked out once, for every lane and every set that it
/// is in.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    heads: Heads,
    /// Classes of lengths, see [`class_of`].
    lengths: ByteSet,
}

impl Beginning {
    pub(super) fn of(condition: &Condition) -> Self {
        let (least, most) = condition.lengths();
        let lengths = ByteSet::of(|class| class_of(least) <= class && class <= class_of(most));
        Self { heads: condition.heads(), lengths }
    }
}

/// The row of a length: its own, or the last for all that are long.
fn class_of(len: u32) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
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
        Ok(Self { blocks: members.chunks(BLOCK).map(Block::build).collect(), searcher })
    }

    /// The blocks, best rank first.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }
}

impl Block {
    fn build(members: &[(u16, &Signature)]) -> Self {
        let mut known: BTreeMap<Row, u16> = BTreeMap::new();
        let mut places = Vec::with_capacity(TABLES * VALUES);
        for table in 0..TABLES {
            // Nearly every signature allows nearly every byte everything: those are written once.
            let mut of_all = Row::default();
            let mut few: Vec<(usize, ByteSet)> = Vec::new();
            for (bit, (_, signature)) in members.iter().enumerate() {
                let Beginning { heads, lengths } = &signature.beginning;
                match heads.sets().nth(table).unwrap_or(*lengths) {
                    ByteSet::ALL => of_all.insert(bit),
                    set => few.push((bit, set)),
                }
            }
            let mut rows = [of_all; VALUES];
            for (bit, set) in few {
                for value in set.values() {
                    if let Some(row) = rows.get_mut(usize::from(value)) {
                        row.insert(bit);
                    }
                }
            }
            let mut place_of = |row| {
                // At most one for each value of each table.
                let next = u16::try_from(known.len()).unwrap_or(u16::MAX);
                *known.entry(row).or_insert(next)
            };
            let usual = place_of(of_all);
            places.extend(rows.map(|row| if row == of_all { usual } else { place_of(row) }));
        }
        let mut rows = vec![Row::default(); known.len()].into_boxed_slice();
        for (row, place) in known {
            if let Some(own) = rows.get_mut(usize::from(place)) {
                *own = row;
            }
        }
        let members = members.iter().map(|(index, _)| *index).collect();
        Self { places: places.into_boxed_slice(), rows, members }
    }

    /// The signatures that may match a payload of this length on the wire, best rank first.
    #[inline]
    pub(super) fn candidates(&self, payload: &[u8], len: u32) -> Candidates<'_> {
        let mut left = self.row(HEAD, class_of(len));
        for (table, value) in payload.iter().take(HEAD).enumerate() {
            left = left.and(self.row(table, *value));
        }
        Candidates { members: &self.members, left, word: 0 }
    }

    #[inline]
    fn row(&self, table: usize, value: u8) -> Row {
        let place = self.places.get(table * VALUES + usize::from(value)).copied().unwrap_or_default();
        self.rows.get(usize::from(place)).copied().unwrap_or_default()
    }
}

impl Row {
    #[inline]
    fn and(mut self, other: Self) -> Self {
        for (word, allowed) in self.0.iter_mut().zip(other.0) {
            *word &= allowed;
        }
        self
    }

    fn insert(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }
}

/// What is left of a block's signatures.
#[derive(Debug)]
pub(super) struct Candidates<'l> {
    members: &'l [u16],
    left: Row,
    /// Words before this one are used up.
    word: usize,
}

impl Iterator for Candidates<'_> {
    type Item = u16;

    #[inline]
    fn next(&mut self) -> Option<u16> {
        loop {
            let word = self.left.0.get_mut(self.word)?;
            if *word != 0 {
                let bit = 64 * self.word + usize::try_from(word.trailing_zeros()).unwrap_or(0);
                *word &= *word - 1;
                // Bits beyond the members are in no row that is not of all.
                return self.members.get(bit).copied();
            }
            self.word += 1;
        }
    }
}
