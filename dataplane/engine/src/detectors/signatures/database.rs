//! Hyperscan: what patterns are compiled to. Nothing else of the engine knows its types.
//!
//! The crate's interface is safe as it is used here: the database outlives every call, the scratch space belongs to one
//! scanner and is only ever used with the databases it was made for, and no callback panics or calls Hyperscan again.

use core::fmt;

use hyperscan::{
    BlockDatabase, BlockMode, Builder, ExprExt, HsError, Matching, PatternFlags, Patterns, SerializedDatabase,
};

use super::pattern::Pattern;

/// A pattern as Hyperscan is given it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expression {
    pub(super) text: String,
    /// Every match counts, not only the first.
    pub(super) every: bool,
}

impl Expression {
    pub(super) fn of(pattern: &Pattern) -> Self {
        // A search whose window starts later needs every match, not only the first.
        Self { text: pattern.expression.clone(), every: !pattern.anchored && pattern.window.0 != 0 }
    }
}

/// Compiled expressions, which report the place they are given at.
pub(super) struct Database {
    compiled: BlockDatabase,
    expressions: Box<[Expression]>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compiled, expressions } = self;
        let bytes = compiled.size().ok();
        f.debug_struct("Database").field("expressions", &expressions.len()).field("bytes", &bytes).finish()
    }
}

/// What one thread needs to scan with the databases it was made for.
pub(super) struct Scratch(hyperscan::Scratch);

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("bytes", &self.0.size().ok()).finish()
    }
}

impl Scratch {
    /// Scratch space for one thread and all of these databases; none for none. Errors: no memory.
    pub(super) fn for_all<'d>(
        databases: impl IntoIterator<Item = &'d Database>,
    ) -> Result<Option<Self>, hyperscan::Error> {
        let mut scratch: Option<hyperscan::Scratch> = None;
        for database in databases {
            match &mut scratch {
                None => scratch = Some(database.compiled.alloc_scratch()?),
                Some(scratch) => _ = database.compiled.realloc_scratch(scratch)?,
            }
        }
        Ok(scratch.map(Self))
    }
}

/// Whether a scan goes on after a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    GoOn,
    Stop,
}

/// An expression that Hyperscan refuses, by its place.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) place: usize,
    pub(super) reason: String,
}

impl Database {
    /// Compiles expressions. Errors: all that are refused.
    pub(super) fn compile(expressions: Box<[Expression]>) -> Result<Self, Vec<Refusal>> {
        let all = Patterns(expressions.iter().enumerate().map(translated).collect());
        match all.build() {
            Ok(compiled) => Ok(Self { compiled, expressions }),
            Err(error) => Err(refused(all, &error)),
        }
    }

    /// What was compiled and written out before, by the same library for the same processor; none where Hyperscan does
    /// not take it.
    pub(super) fn from_bytes(expressions: Box<[Expression]>, bytes: &[u8]) -> Option<Self> {
        let compiled = SerializedDatabase::deserialize::<BlockMode>(&bytes).ok()?;
        Some(Self { compiled, expressions })
    }

    /// Written out, for [`Database::from_bytes`]; none where there is no memory.
    pub(super) fn to_bytes(&self) -> Option<Vec<u8>> {
        self.compiled.serialize().ok().map(|bytes| bytes.to_vec())
    }

    /// The library and the processor that databases made here are for.
    pub(super) fn made_for() -> Option<String> {
        let expressions = Box::new([Expression { text: "wirewarden".to_owned(), every: false }]);
        Self::compile(expressions).ok()?.compiled.info().ok()
    }

    /// What it looks for.
    pub(super) fn expressions(&self) -> &[Expression] {
        &self.expressions
    }

    /// Calls `on_match` with the place of each expression that matches and the end of the match; tells whether that
    /// stopped it.
    pub(super) fn scan(
        &self,
        bytes: &[u8],
        scratch: &Scratch,
        mut on_match: impl FnMut(usize, usize) -> Search,
    ) -> Search {
        let mut outcome = Search::GoOn;
        // A stop comes back as an error; other errors mean that nothing was scanned, which is no match.
        let _ = self.compiled.scan(bytes, &scratch.0, |id: u32, _from: u64, to: u64, _flags: u32| {
            match (usize::try_from(id), usize::try_from(to)) {
                (Ok(place), Ok(end)) if on_match(place, end) == Search::Stop => {
                    outcome = Search::Stop;
                    Matching::Terminate
                }
                _ => Matching::Continue,
            }
        });
        outcome
    }
}

/// The expressions that are refused alone, or the first where they are too much together.
fn refused(all: Patterns, whole: &hyperscan::Error) -> Vec<Refusal> {
    let alone = |pattern: hyperscan::Pattern| {
        let place = pattern.id.unwrap_or(0);
        let error = Patterns(vec![pattern]).build::<BlockMode>().err()?;
        Some(Refusal { place, reason: reason(&error) })
    };
    let mut refused: Vec<Refusal> = all.0.into_iter().filter_map(alone).collect();
    if refused.is_empty() {
        refused.push(Refusal { place: 0, reason: reason(whole) });
    }
    refused
}

fn translated((place, expression): (usize, &Expression)) -> hyperscan::Pattern {
    let flags = if expression.every {
        PatternFlags::DOTALL
    } else {
        PatternFlags::DOTALL | PatternFlags::SINGLEMATCH
    };
    hyperscan::Pattern {
        expression: expression.text.clone(),
        flags,
        id: Some(place),
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
