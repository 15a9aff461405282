use core::fmt;
use core::iter::repeat_n;

/// Why a filter could not be parsed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// First character of what is wrong, counted from 1.
    pub column: usize,
    /// How many characters are wrong, at least 1.
    pub length: usize,
    /// What is wrong.
    pub kind: FilterErrorKind,
    /// The nearest text that would be valid there.
    pub suggestion: Option<String>,
}

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterErrorKind {
    /// Nothing but blanks.
    #[error("the filter is empty")]
    Empty,
    /// More than [`super::MAX_FILTER_BYTES`].
    #[error("the filter has {bytes} bytes, more than {}", super::MAX_FILTER_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Nested deeper than [`super::MAX_FILTER_DEPTH`].
    #[error("parentheses and negations are nested more than {} deep", super::MAX_FILTER_DEPTH)]
    TooDeep,
    /// A character that no word or sign of the language has.
    #[error("the character {0:?} has no meaning here")]
    UnknownCharacter(char),
    /// A quotation mark without its partner.
    #[error("the quotation mark is not closed")]
    OpenQuote,
    /// A parenthesis without its partner.
    #[error("the parenthesis is not closed")]
    OpenParenthesis,
    /// A word that is no keyword, field or protocol.
    #[error("{0:?} is no keyword, field or protocol")]
    UnknownWord(String),
    /// A word that is not one of the values that can stand here.
    #[error("{found:?} is no {what}")]
    UnknownValue {
        /// What can stand here.
        what: &'static str,
        /// What stands here.
        found: String,
    },
    /// Something else must stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What must stand here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// Not an IPv4, IPv6 or MAC address.
    #[error("{0:?} is no address")]
    BadAddress(String),
    /// Not an address with a prefix length.
    #[error("{0:?} is no network: address, slash, prefix length")]
    BadNetwork(String),
    /// The address has bits set behind its prefix.
    #[error("{text:?} has bits set behind its prefix")]
    HostBits {
        /// As it was written.
        text: String,
    },
    /// Not a number of this kind.
    #[error("{found:?} is no {what}")]
    BadNumber {
        /// The kind of number.
        what: &'static str,
        /// What stands here.
        found: String,
    },
    /// A number outside of what it can be.
    #[error("{what} goes from {least} to {most}, not {found}")]
    OutOfRange {
        /// The kind of number.
        what: &'static str,
        /// The least it can be.
        least: u64,
        /// The most it can be.
        most: u64,
        /// What stands here.
        found: String,
    },
    /// A range whose start is above its end.
    #[error("the range ends before it starts")]
    BackwardRange,
    /// `<` and its like for something without an order.
    #[error("{what} has no order: use `=`, `!=` or `in (…)`")]
    NoOrder {
        /// The field.
        what: &'static str,
    },
}

impl FilterError {
    /// The filter and, below it, a line of `^` under what is wrong, for people who read in a terminal.
    #[must_use]
    pub fn pointed(&self, text: &str) -> String {
        // A control character would move the mark, or more.
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let blanks = repeat_n(' ', self.column.saturating_sub(1));
        let marks = repeat_n('^', self.length.clamp(1, 200));
        format!("{line}\n{}{}", blanks.collect::<String>(), marks.collect::<String>())
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.kind)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for FilterError {}
