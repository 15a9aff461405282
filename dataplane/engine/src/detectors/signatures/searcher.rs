//! What Hyperscan looks for on behalf of a lane: databases that were compiled for it, or for a set before it.
//!
//! Compiling is what takes long. A database knows its expressions by their place and nothing of signatures, so that one
//! serves every set, lane and direction that looks for the same; a set that differs in a few takes the databases of
//! before, leaves out what is gone, and adds a small one for what is new. Small ones that were added before are taken as they
//! are while there is room for them, so that whoever changes little compiles little; the last one takes in what has none.
//! What was added is made one with the rest by [`Searcher::merged`], beside what is in use.

use std::sync::Arc;

use super::database::{Database, Expression, Scratch, Search};
use super::pattern::Pattern;

/// Expressions that are compiled beside a database that has the others; with more, all are compiled anew. So many take
/// about a tenth of a second.
const MOST_ADDED: usize = 256;
/// Databases of a lane at most: each is scanned by itself.
const MOST_PARTS: usize = 8;
/// Expressions beside the first database from which on merging is worth its time.
const WORTH_MERGING: usize = 48;
/// The rank of an expression that no signature has.
const NONE: u16 = u16::MAX;

/// A pattern that Hyperscan refuses, by the rank of its signature.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) signature: u16,
    pub(super) reason: String,
}

/// The databases of a lane: one, or one and those that were added to it.
#[derive(Debug)]
pub(super) struct Searcher {
    parts: Vec<Part>,
}

/// A database, and whose its expressions are.
#[derive(Debug)]
pub(super) struct Part {
    database: Arc<Database>,
    /// The rank of the signature at each place.
    ranks: Box<[u16]>,
    /// A bit for each rank that it looks for.
    has: Box<[u64]>,
}

impl Searcher {
    /// Calls `on_match` with the rank of each signature whose pattern matches and the end of the match, until that stops
    /// it. Databases that are not worth it are left out.
    pub(super) fn scan(
        &self,
        (bytes, scratch): (&[u8], &Scratch),
        is_worth: impl Fn(&Part) -> bool,
        mut on_match: impl FnMut(u16, usize) -> Search,
    ) {
        for part in self.parts.iter().filter(|part| self.parts.len() == 1 || is_worth(part)) {
            let stopped = part.database.scan(bytes, scratch, |place, end| match part.ranks.get(place) {
                Some(rank) if *rank != NONE => on_match(*rank, end),
                _ => Search::GoOn,
            });
            if stopped == Search::Stop {
                return;
            }
        }
    }

    /// The databases.
    pub(super) fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.parts.iter().map(|part| &part.database)
    }

    /// Whether so much was added to the first database, or is gone from it, that one for all of it is worth compiling.
    pub(super) fn is_worth_merging(&self) -> bool {
        let added: usize = self.parts.iter().skip(1).map(Part::used).sum();
        let gone = self.parts.iter().map(|part| part.ranks.len() - part.used()).sum::<usize>();
        added >= WORTH_MERGING || self.parts.len() >= MOST_PARTS - 1 || 4 * gone > self.ranks()
    }

    /// One database for all that is looked for, put on the shelf; nothing where there is one already, or where Hyperscan
    /// has no memory for it.
    pub(super) fn merge_onto(&self, shelf: &mut Shelf) {
        let used = self.parts.iter().flat_map(|part| part.database.expressions().iter().zip(&part.ranks));
        let mut wanted: Vec<(Expression, u16)> = used
            .filter(|(_, rank)| **rank != NONE)
            .map(|(expression, rank)| (expression.clone(), *rank))
            .collect();
        wanted.sort();
        if shelf.exactly(&wanted).is_none() {
            let _ = shelf.compiled(&wanted);
        }
    }

    fn ranks(&self) -> usize {
        self.parts.iter().map(|part| part.ranks.len()).sum()
    }
}

impl Part {
    /// The part of `wanted`, which is in order, that a database has; what it has not is left in `wanted`.
    fn take(database: Arc<Database>, wanted: &mut Vec<(Expression, u16)>) -> Self {
        let mut ranks = vec![NONE; database.expressions().len()].into_boxed_slice();
        let mut places = database.expressions().iter().zip(&mut ranks).peekable();
        wanted.retain(|(expression, rank)| {
            while places.next_if(|(known, _)| *known < expression).is_some() {}
            match places.next_if(|(known, _)| *known == expression) {
                Some((_, place)) => *place = *rank,
                None => return true,
            }
            false
        });
        let mut has = Vec::new();
        for rank in ranks.iter().copied().filter(|rank| *rank != NONE) {
            let word = usize::from(rank >> 6);
            if has.len() <= word {
                has.resize(word + 1, 0);
            }
            if let Some(word) = has.get_mut(word) {
                *word |= 1 << (rank & 63);
            }
        }
        Self { database, ranks, has: has.into_boxed_slice() }
    }

    /// How many of its expressions belong to a signature.
    fn used(&self) -> usize {
        self.ranks.iter().filter(|rank| **rank != NONE).count()
    }

    /// Whether it looks for one of the ranks whose bits are set.
    pub(super) fn has_any(&self, ranks: &[u64]) -> bool {
        self.has.iter().zip(ranks).any(|(own, wanted)| own & wanted != 0)
    }

    /// Whether it looks for this rank.
    pub(super) fn has(&self, rank: u16) -> bool {
        self.has.get(usize::from(rank >> 6)).is_some_and(|word| word >> (rank & 63) & 1 == 1)
    }
}

/// Databases at hand while a set is compiled: those of the set before it, of the cache, and its own.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    databases: Vec<Arc<Database>>,
}

impl Shelf {
    /// A shelf with these databases, each once.
    pub(super) fn of(databases: impl IntoIterator<Item = Arc<Database>>) -> Self {
        let mut shelf = Self::default();
        for database in databases {
            if !shelf.databases.iter().any(|known| Arc::ptr_eq(known, &database)) {
                shelf.databases.push(database);
            }
        }
        shelf
    }

    /// The databases on it.
    pub(super) fn into_databases(self) -> Vec<Arc<Database>> {
        self.databases
    }

    /// What looks for these patterns, each with the rank of its signature; none for none. Errors: all that Hyperscan
    /// refuses.
    pub(super) fn searcher(
        &mut self,
        patterns: &[(u16, &Pattern)],
    ) -> Result<Option<Searcher>, Vec<Refused>> {
        let mut wanted: Vec<(Expression, u16)> =
            patterns.iter().map(|(rank, pattern)| (Expression::of(pattern), *rank)).collect();
        wanted.sort();
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut parts = Vec::new();
        while !wanted.is_empty() {
            let has_room = parts.len() + 1 < MOST_PARTS;
            let known = self.exactly(&wanted);
            let known = known.or_else(|| has_room.then(|| self.nearest(&wanted, parts.is_empty())).flatten());
            let database = match known {
                Some(database) => database,
                None => self.compiled(&wanted)?,
            };
            parts.push(Part::take(database, &mut wanted));
        }
        Ok(Some(Searcher { parts }))
    }

    /// The database of exactly these expressions.
    fn exactly(&self, wanted: &[(Expression, u16)]) -> Option<Arc<Database>> {
        let is_it = |database: &&Arc<Database>| {
            database.expressions().len() == wanted.len()
                && database.expressions().iter().eq(wanted.iter().map(|(expression, _)| expression))
        };
        self.databases.iter().find(is_it).cloned()
    }

    /// The database that has most of these expressions, and not too many others; the first of a lane all but a few.
    fn nearest(&self, wanted: &[(Expression, u16)], is_first: bool) -> Option<Arc<Database>> {
        let candidates = self.databases.iter().filter_map(|database| {
            let shared = shared(database.expressions(), wanted);
            let missing = wanted.len() - shared;
            let is_near = if is_first { missing < shared } else { shared > 0 };
            let is_worth = missing <= MOST_ADDED && 2 * shared >= database.expressions().len();
            (is_near && is_worth).then_some((shared, database))
        });
        candidates.max_by_key(|(shared, _)| *shared).map(|(_, database)| Arc::clone(database))
    }

    fn compiled(&mut self, wanted: &[(Expression, u16)]) -> Result<Arc<Database>, Vec<Refused>> {
        let expressions = wanted.iter().map(|(expression, _)| expression.clone()).collect();
        let database = Database::compile(expressions).map_err(|refusals| {
            let refused = refusals.into_iter().map(|refusal| Refused {
                signature: wanted.get(refusal.place).map_or(NONE, |(_, rank)| *rank),
                reason: refusal.reason,
            });
            refused.collect::<Vec<_>>()
        })?;
        let database = Arc::new(database);
        self.databases.push(Arc::clone(&database));
        Ok(database)
    }
}

/// How many expressions two lists in order share.
fn shared(known: &[Expression], wanted: &[(Expression, u16)]) -> usize {
    let mut known = known.iter().peekable();
    let is_shared = |(expression, _): &&(Expression, u16)| {
        while known.next_if(|other| *other < expression).is_some() {}
        known.next_if(|other| *other == expression).is_some()
    };
    wanted.iter().filter(is_shared).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(words: &[&str]) -> Vec<Pattern> {
        words.iter().map(|word| Pattern::parse(word, (0, 128)).unwrap()).collect()
    }

    /// The ranks that are found in a text.
    fn found(searcher: &Searcher, text: &str) -> Vec<u16> {
        let scratch = Scratch::for_all(searcher.databases().map(Arc::as_ref)).unwrap().unwrap();
        let mut found = Vec::new();
        searcher.scan(
            (text.as_bytes(), &scratch),
            |_| true,
            |rank, _| {
                found.push(rank);
                Search::GoOn
            },
        );
        found.sort_unstable();
        found
    }

    fn ranked(patterns: &[Pattern], first: u16) -> Vec<(u16, &Pattern)> {
        (first..).zip(patterns).collect()
    }

    #[test]
    fn what_is_new_is_added_what_is_gone_is_not_found_and_the_rest_is_not_compiled_again() {
        let mut shelf = Shelf::default();
        let before = patterns(&["alpha", "bravo", "charlie", "delta", "echoes"]);
        let old = shelf.searcher(&ranked(&before, 10)).unwrap().unwrap();
        assert_eq!(found(&old, "alpha delta echoes"), [10, 13, 14]);
        // Other ranks, one gone, one new.
        let after = patterns(&["foxtrot", "alpha", "bravo", "charlie", "delta"]);
        let new = shelf.searcher(&ranked(&after, 0)).unwrap().unwrap();
        assert!(Arc::ptr_eq(&old.parts[0].database, &new.parts[0].database));
        assert_eq!((new.parts.len(), new.parts[1].database.expressions().len()), (2, 1));
        assert_eq!(found(&new, "alpha delta echoes foxtrot"), [0, 1, 4]);
        assert!(new.parts[1].has(0) && !new.parts[0].has(0) && new.parts[0].has_any(&[0b10]));
        // The same again compiles nothing.
        let same = shelf.searcher(&ranked(&after, 3)).unwrap().unwrap();
        assert_eq!((same.parts.len(), shelf.databases.len()), (2, 2));
        assert_eq!(found(&same, "foxtrot"), [3]);
        // What has little to do with it is compiled by itself.
        let other = patterns(&["golfing", "hotels"]);
        assert_eq!(shelf.searcher(&ranked(&other, 0)).unwrap().unwrap().parts.len(), 1);
        assert!(shelf.searcher(&[]).unwrap().is_none());
    }

    /// `count` words, the first of them number `first`.
    fn words(first: usize, count: usize) -> Vec<Pattern> {
        (first..first + count).map(|n| Pattern::parse(&format!("word{n:05}x"), (0, 128)).unwrap()).collect()
    }

    #[test]
    fn of_many_small_changes_each_compiles_what_is_new_and_merging_makes_one_of_all() {
        let mut shelf = Shelf::default();
        let mut searcher = shelf.searcher(&ranked(&words(0, 100), 0)).unwrap().unwrap();
        let mut merged = None;
        for turn in 1..=40 {
            // Three go, three come; what a reload has at hand is what is in use, and what was merged beside it.
            let after = words(3 * turn, 100);
            let known: Vec<_> =
                searcher.databases().cloned().chain(merged.take().into_iter().flatten()).collect();
            let mut shelf = Shelf::of(known.iter().cloned());
            searcher = shelf.searcher(&ranked(&after, 0)).unwrap().unwrap();
            let compiled: usize =
                shelf.databases.iter().skip(known.len()).map(|new| new.expressions().len()).sum();
            // What is merged is at hand for the next turn here: nothing else is compiled than what is new.
            assert!(compiled <= 3 && searcher.parts.len() <= MOST_PARTS, "turn {turn}: {compiled}");
            let (gone, last) = (format!("word{:05}x", 3 * turn - 1), format!("word{:05}x", 3 * turn + 99));
            assert_eq!(
                found(&searcher, &format!("{gone} word{:05}x {last}", 3 * turn)),
                [0, 99],
                "turn {turn}"
            );
            if searcher.is_worth_merging() {
                let mut shelf = Shelf::default();
                searcher.merge_onto(&mut shelf);
                let one = shelf.into_databases();
                assert_eq!(one.iter().map(|one| one.expressions().len()).collect::<Vec<_>>(), [100]);
                merged = Some(one);
            }
        }
    }

    #[test]
    fn where_nothing_is_merged_the_last_database_takes_in_what_has_no_room() {
        let mut searcher = Shelf::default().searcher(&ranked(&words(0, 200), 0)).unwrap().unwrap();
        for turn in 1..=12 {
            let known: Vec<_> = searcher.databases().cloned().collect();
            let mut shelf = Shelf::of(known.iter().cloned());
            searcher = shelf.searcher(&ranked(&words(0, 200 + 3 * turn), 0)).unwrap().unwrap();
            let compiled: Vec<_> =
                shelf.databases.iter().skip(known.len()).map(|new| new.expressions().len()).collect();
            // The newest of those before goes into it, too.
            let most = if turn < MOST_PARTS { 3 } else { 9 };
            assert!(compiled.iter().sum::<usize>() <= most, "turn {turn}: {compiled:?}");
            assert_eq!(searcher.parts.len(), MOST_PARTS.min(turn + 1), "turn {turn}");
            assert_eq!(found(&searcher, &format!("word{:05}x", 199 + 3 * turn)).len(), 1);
        }
    }

    #[test]
    fn one_database_is_not_merged_with_itself() {
        let mut shelf = Shelf::default();
        let searcher = shelf.searcher(&ranked(&words(0, 100), 0)).unwrap().unwrap();
        assert!(!searcher.is_worth_merging());
        searcher.merge_onto(&mut shelf);
        assert_eq!(shelf.databases.len(), 1);
    }

    #[test]
    fn the_same_expression_twice_is_found_for_both_signatures() {
        let mut shelf = Shelf::default();
        let one = patterns(&["alpha", "bravo", "charlie"]);
        shelf.searcher(&ranked(&one, 0)).unwrap();
        let twice = patterns(&["alpha", "alpha", "bravo", "charlie"]);
        let searcher = shelf.searcher(&ranked(&twice, 0)).unwrap().unwrap();
        assert_eq!(found(&searcher, "alpha"), [0, 1]);
    }
}
