//! Structure checks: a tiny total language over one payload.
//!
//! `u16be(4) + 6 == len && u8(7) in 1..=43` is parsed and type-checked once, cut at its outermost `&&` into
//! [`Test`]s, and evaluated without allocation, recursion or loops: a jump only goes forward, so a check costs at most
//! its own length. Whatever cannot be computed (a read beyond the payload, an overflow, a division by zero) makes the
//! whole check false, never an error. `docs/signatures.md` lists the functions.

mod compile;
mod lexer;
mod parser;
mod program;
#[cfg(test)]
mod tests;

use thiserror::Error;

use super::opening::Heads;
use program::Test;
pub(super) use program::{Lengths, View};

/// Characters that one check may have.
const MAX_TEXT: usize = 1024;

/// Compiled checks, all of which must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Checks {
    /// The cheapest first: as none has a side effect the order is free.
    tests: Box<[Test]>,
}

impl Checks {
    /// Adds the check `text`. Errors: what is wrong and where.
    pub(super) fn add(&mut self, text: &str) -> Result<(), ExpressionError> {
        if text.len() > MAX_TEXT {
            return Err(ExpressionError {
                column: 1,
                problem: ExpressionProblem::TooLong { most: MAX_TEXT },
            });
        }
        let tokens = lexer::tokens(text)?;
        let root = parser::parse(&tokens)?;
        let mut tests = core::mem::take(&mut self.tests).into_vec();
        tests.extend(compile::tests(&root)?);
        tests.sort_by_key(Test::cost);
        self.tests = tests.into_boxed_slice();
        Ok(())
    }

    /// Whether the payload has this structure.
    #[inline]
    pub(super) fn holds(&self, view: View<'_>) -> bool {
        self.tests.iter().all(|test| test.holds(view))
    }

    /// Takes from `heads` the first bytes that the checks rule out.
    pub(super) fn narrow(&self, heads: &mut Heads) {
        for test in &self.tests {
            test.narrow(heads);
        }
    }

    /// How long the payload must be.
    pub(super) fn lengths(&self) -> Lengths {
        self.tests.iter().map(Test::lengths).fold(Lengths::ANY, Lengths::and)
    }

    /// How unlikely a random payload is to pass, in bits; an estimate that orders signatures.
    pub(super) fn bits(&self) -> f64 {
        self.tests.iter().map(Test::bits).sum()
    }
}

/// What is wrong with a check, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("column {column}: {problem}")]
pub struct ExpressionError {
    /// Character of the check, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: ExpressionProblem,
}

/// What can be wrong with a check.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExpressionProblem {
    /// A character that the language does not have.
    #[error("`{0}` means nothing here; strings are in double quotes")]
    Character(char),
    /// A number that does not fit.
    #[error("`{0}` is not a number below 2^63; write 17, 0x11 or 0b10001")]
    Number(String),
    /// A string without its end, or with an escape that does not exist.
    #[error("this string has no end, or an escape other than \\r \\n \\t \\0 \\\\ \\\" \\xHH")]
    Text,
    /// A name that is not a function.
    #[error("`{name}` is not known; there are {known}")]
    Function {
        /// The name.
        name: String,
        /// The names there are.
        known: &'static str,
    },
    /// A function with too few or too many arguments.
    #[error("`{name}` takes {wanted} arguments, not {given}")]
    Arguments {
        /// The function.
        name: &'static str,
        /// How many it takes.
        wanted: usize,
        /// How many it was given.
        given: usize,
    },
    /// Something else was due.
    #[error("{wanted} must stand here, not {found}")]
    Expected {
        /// What was due.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// A number where a condition must be, a string where a number must be, and so on.
    #[error("this is {found}, and must be {wanted}")]
    Kind {
        /// What it must be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// `bytes(o, n)` compared with a string of another length.
    #[error("the string has {given} bytes, and `bytes` reads {wanted}: give both the same length, 1 to 64")]
    Length {
        /// What `bytes` reads.
        wanted: i64,
        /// What the string has.
        given: usize,
    },
    /// A range whose end is before its start, or an empty set.
    #[error("nothing is in this range or set")]
    EmptyRange,
    /// A check that is always true or always false.
    #[error("this reads nothing of the payload: it is always true or always false")]
    Constant,
    /// Too many brackets or signs inside one another.
    #[error("more than {most} levels of brackets and signs: cut it into several checks")]
    TooDeep {
        /// Levels that are allowed.
        most: usize,
    },
    /// Too many operations.
    #[error("more than {most} operations: cut it into several checks")]
    TooMany {
        /// Operations that are allowed.
        most: usize,
    },
    /// Too many characters.
    #[error("more than {most} characters: cut it into several checks")]
    TooLong {
        /// Characters that are allowed.
        most: usize,
    },
}
