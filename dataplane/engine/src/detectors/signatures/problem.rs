//! What can be wrong with signature files: every problem of every file at once, each with its file, line and mend.

use core::fmt;

use thiserror::Error;

use super::expression::ExpressionError;
use super::hex::HexError;
use super::pattern::PatternError;

/// Everything that is wrong with a set of signatures, in the order of files and lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureErrors(pub Vec<SignatureError>);

impl fmt::Display for SignatureErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl core::error::Error for SignatureErrors {}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {problem}")]
pub struct SignatureError {
    /// Path below the signature folder.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a signature file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// A file or folder that the system does not give.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    /// More bytes than a file may have.
    #[error("more than {most} bytes: cut it into several files")]
    FileTooLarge {
        /// Bytes that are allowed.
        most: u64,
    },
    /// More of something than a set may have.
    #[error("more than {most} {what} in the set")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        most: usize,
    },
    /// Not TOML.
    #[error("not TOML: {0}")]
    Syntax(String),
    /// A key that is not known here.
    #[error("unknown key `{key}`; known here are {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// The keys there are.
        known: String,
    },
    /// A key that must be there.
    #[error("`{key}` is missing: {mend}")]
    MissingKey {
        /// The key.
        key: &'static str,
        /// What to write.
        mend: &'static str,
    },
    /// A value of another type.
    #[error("`{key}` is a TOML {found}, and must be {wanted}")]
    WrongType {
        /// The key.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A number out of its range.
    #[error("`{key}` = {value} must be from {low} to {high}")]
    OutOfRange {
        /// The key.
        key: String,
        /// The number as written.
        value: String,
        /// The least.
        low: i64,
        /// The most.
        high: i64,
    },
    /// A name that is not one of a list.
    #[error("`{key}` = \"{value}\" is not known; there are {known}")]
    UnknownName {
        /// The key.
        key: String,
        /// The name.
        value: String,
        /// The names there are.
        known: String,
    },
    /// A name with other letters, or too long.
    #[error("`{key}` = \"{value}\" must be 1 to 32 characters of a-z, 0-9 and `_`, the first a letter")]
    BadName {
        /// The key.
        key: &'static str,
        /// The name.
        value: String,
    },
    /// An empty text or list.
    #[error("`{key}` is empty: leave it out or fill it in")]
    Empty {
        /// The key.
        key: String,
    },
    /// The id is not the name of its file.
    #[error("`id` = \"{id}\" must be the file's name, \"{stem}\"")]
    IdIsNotFileName {
        /// The id.
        id: String,
        /// The file's name without its ending.
        stem: String,
    },
    /// The family is not the name of the folder.
    #[error("`family` = \"{family}\" must be the folder's name, \"{folder}\"")]
    FamilyIsNotFolder {
        /// The family.
        family: String,
        /// The folder.
        folder: String,
    },
    /// Two files with one id.
    #[error("`id` = \"{id}\" is taken by {first}: choose another")]
    DuplicateId {
        /// The id.
        id: String,
        /// The other file.
        first: String,
    },
    /// A protocol that two files describe in different ways.
    #[error(
        "`{protocol}` has another title, family, exposure or source in {first}: describe it the same, or in one file only"
    )]
    Conflict {
        /// The protocol.
        protocol: String,
        /// The other file.
        first: String,
    },
    /// A carrier that the protocol does not have.
    #[error("the protocol does not ride on {carrier}: add it to `carriers` of the file")]
    ForeignCarrier {
        /// The carrier.
        carrier: &'static str,
    },
    /// A file that says nothing.
    #[error("there is no [[signature]]: add one, or switch the id off with `enabled = false`")]
    NoSignature,
    /// A signature that everything matches.
    #[error("there is nothing to match: give `pattern`, `hex` or `checks`")]
    NothingToMatch,
    /// A signature that too much matches.
    #[error(
        "about {bits} bits of evidence is not enough, random payloads would match: fix {least} bits (a byte has 8) or lower what else it admits"
    )]
    TooWeak {
        /// Bits there are, estimated.
        bits: u32,
        /// Bits there must be.
        least: u32,
    },
    /// A length range without a length.
    #[error("`min_len` = {min} is more than `max_len` = {max}")]
    NoLength {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A key without the one it belongs to.
    #[error("`{key}` needs {needed}")]
    Needs {
        /// The key.
        key: &'static str,
        /// What it needs.
        needed: &'static str,
    },
    /// Two keys of which only one can be.
    #[error("`{first}` and `{second}` exclude each other: keep one")]
    Both {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Hexadecimal bytes that are wrong.
    #[error("`{key}`: {error}")]
    Hex {
        /// The key.
        key: &'static str,
        /// What is wrong.
        error: HexError,
    },
    /// A pattern that is wrong, or that the lint refuses.
    #[error("`pattern`: {0}")]
    Pattern(PatternError),
    /// A check that is wrong.
    #[error("`{check}`: {error}")]
    Check {
        /// The check.
        check: String,
        /// What is wrong.
        error: ExpressionError,
    },
    /// A domain that is none, or that says nothing.
    #[error("\"{value}\" is no domain of a service: {why}")]
    Domain {
        /// As written.
        value: String,
        /// What is wrong with it, and what to write.
        why: &'static str,
    },
    /// A network that is none.
    #[error("\"{value}\" is no network: write an address with zeros behind its prefix, `192.0.2.0/24`")]
    Network {
        /// As written.
        value: String,
    },
    /// A signature file that is not there.
    #[error(
        "there is no signature file with `id` = \"{id}\": write the name of one, without folder and `.toml`"
    )]
    NoSuchSignature {
        /// The id.
        id: String,
    },
    /// Something that belongs to one only.
    #[error("the {what} \"{value}\" is {first}'s already: keep it in one place")]
    Taken {
        /// What it is.
        what: &'static str,
        /// Its name.
        value: String,
        /// Who has it.
        first: String,
    },
    /// A pattern that Hyperscan refuses.
    #[error("Hyperscan refuses the pattern: {0}")]
    Hyperscan(String),
}

/// Collects problems of one file.
#[derive(Debug)]
pub(in crate::detectors) struct Problems<'f> {
    file: &'f str,
    found: Vec<SignatureError>,
}

impl<'f> Problems<'f> {
    pub(in crate::detectors) const fn new(file: &'f str) -> Self {
        Self { file, found: Vec::new() }
    }

    pub(in crate::detectors) fn add(&mut self, line: u32, problem: Problem) {
        self.found.push(SignatureError { file: self.file.to_owned(), line, problem });
    }

    pub(in crate::detectors) fn count(&self) -> usize {
        self.found.len()
    }

    pub(in crate::detectors) fn into_errors(self) -> Vec<SignatureError> {
        self.found
    }
}
