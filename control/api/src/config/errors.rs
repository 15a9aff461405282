//! Every mistake of one file, each with its place.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use crate::config::Problem;
use crate::config::reader::Problems;

/// Most mistakes that are reported of one file.
pub(super) const MAX_ERRORS: usize = 1000;

/// One mistake in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the file, as the caller gave it.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// Column, counted in characters from 1.
    pub column: u32,
    /// The bytes of the text it is about.
    pub span: Range<usize>,
    /// Path of the key, with the index of a list in brackets (`boot.ports[1].name`); empty where there is none.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

impl ConfigError {
    /// What to write instead.
    #[must_use]
    pub fn mend(&self) -> String {
        self.problem.mend()
    }

    /// The valid key or value that was probably meant.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        self.problem.nearest()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.problem, self.mend())
    }
}

/// Every mistake of one configuration file, in the order of its lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) const fn new(errors: Vec<ConfigError>) -> Self {
        Self { errors }
    }

    /// The mistakes.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.errors.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.errors.len()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Gives every problem its line and column and sorts them; drops those that only follow from broken syntax.
pub(super) fn collect(problems: &Problems<'_>, file: &str) -> Vec<ConfigError> {
    let mut errors: Vec<ConfigError> = problems
        .take()
        .into_iter()
        .map(|(span, key, problem)| {
            let (line, column) = problems.lines.position(problems.text, span.start);
            ConfigError { file: file.to_owned(), line, column, span, key, problem }
        })
        .collect();
    let broken: BTreeSet<u32> = errors.iter().filter(|e| is_syntax(e)).map(|e| e.line).collect();
    if !broken.is_empty() {
        // What the parser could not read may have been the missing key, and half a value is not a wrong one.
        errors.retain(|e| is_syntax(e) || !(is_missing(e) || broken.contains(&e.line)));
    }
    errors.sort_by_key(|error| (error.line, error.column));
    errors
}

fn is_syntax(error: &ConfigError) -> bool {
    matches!(error.problem, Problem::Syntax { .. })
}

fn is_missing(error: &ConfigError) -> bool {
    matches!(error.problem, Problem::Missing { .. })
}

/// Where each line of a text starts.
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of a byte, both counted from 1; the column counts characters.
    pub(super) fn position(&self, text: &str, at: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = text.get(start..at.min(text.len())).unwrap_or("");
        (saturated(line), saturated(before.chars().count() + 1))
    }
}

/// Texts are at most [`super::MAX_TEXT`] long; a longer one is reported at its first byte.
fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters_and_not_bytes() {
        let text = "a\nbü = 1\n";
        let lines = Lines::new(text);
        assert_eq!(lines.position(text, 0), (1, 1));
        assert_eq!(lines.position(text, 2), (2, 1));
        assert_eq!(lines.position(text, 6), (2, 4));
        assert_eq!(lines.position(text, text.len()), (3, 1));
        assert_eq!(lines.position(text, 1000), (3, 1));
    }
}
