//! Hyperscan: what patterns are compiled to. Nothing else of the engine knows its types.
//!
//! The crate's interface is safe as it is used here: the database outlives every call, the scratch space belongs to one
//! scanner and is only ever used with the database it was made for, and no callback panics or calls Hyperscan again.

use core::fmt;

use hyperscan::{BlockDatabase, BlockMode, Builder, ExprExt, HsError, Matching, PatternFlags, Patterns};

use super::pattern::Pattern;

/// Compiled patterns.
pub(super) struct Database(BlockDatabase);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("bytes", &self.0.size().ok()).finish()
    }
}

/// What one thread needs to scan with one database.
pub(super) struct Scratch(hyperscan::Scratch);

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("bytes", &self.0.size().ok()).finish()
    }
}

/// Whether a scan goes on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    GoOn,
    Stop,
}

/// A pattern that Hyperscan refuses, by the index of its signature.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) signature: u16,
    pub(super) reason: String,
}

impl Database {
    /// Compiles patterns, which report the index they are given with; none of none. Errors: all that are refused.
    pub(super) fn compile(patterns: &[(u16, &Pattern)]) -> Result<Option<Self>, Vec<Refused>> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let all = Patterns(patterns.iter().map(|(index, pattern)| translated(*index, pattern)).collect());
        match all.build() {
            Ok(database) => Ok(Some(Self(database))),
            Err(error) => Err(refused(all, &error)),
        }
    }

    /// Scratch space for one thread. Errors: no memory.
    pub(super) fn scratch(&self) -> Result<Scratch, hyperscan::Error> {
        self.0.alloc_scratch().map(Scratch)
    }

    /// Calls `on_match` with the index of each pattern that matches and the end of the match.
    pub(super) fn scan(
        &self,
        bytes: &[u8],
        scratch: &Scratch,
        mut on_match: impl FnMut(u16, usize) -> Search,
    ) {
        // A stop comes back as an error; other errors mean that nothing was scanned, which is no match.
        let _ = self.0.scan(bytes, &scratch.0, |id: u32, _from: u64, to: u64, _flags: u32| {
            match (u16::try_from(id), usize::try_from(to)) {
                (Ok(index), Ok(end)) if on_match(index, end) == Search::Stop => Matching::Terminate,
                _ => Matching::Continue,
            }
        });
    }
}

/// The patterns that are refused alone, or the first where they are too much together.
fn refused(all: Patterns, whole: &hyperscan::Error) -> Vec<Refused> {
    let alone = |pattern: hyperscan::Pattern| {
        let signature = pattern.id.and_then(|id| u16::try_from(id).ok()).unwrap_or(0);
        let error = Patterns(vec![pattern]).build::<BlockMode>().err()?;
        Some(Refused { signature, reason: reason(&error) })
    };
    let first = all.0.first().and_then(|pattern| u16::try_from(pattern.id?).ok()).unwrap_or(0);
    let mut refused: Vec<Refused> = all.0.into_iter().filter_map(alone).collect();
    if refused.is_empty() {
        refused.push(Refused { signature: first, reason: reason(whole) });
    }
    refused
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
        ext: ExprExt::default(),
        som: None,
    }
}

fn reason(error: &hyperscan::Error) -> String {
    match error {
        hyperscan::Error::Hyperscan(HsError::CompileError(error)) => error.message().to_owned(),
        other => other.to_string(),
    }
}
