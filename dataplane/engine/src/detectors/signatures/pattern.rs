//! Regular expressions: parsed and linted here, then written out again in plain form for Hyperscan.
//!
//! The dialect is that of the `regex` crate over bytes (no Unicode classes, `.` is any byte). What Hyperscan gets is
//! printed from the parsed form, so that both agree on every construct, letter case included.

use core::fmt::Write;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, ClassBytes, Hir, HirKind, Look, Repetition};
use thiserror::Error;

use super::opening::{ByteSet, HEAD, Heads};
use super::sequence::Sequences;

/// Bytes of a payload that signatures look at, from its start: bounds the price of one scan.
pub const SCAN_BYTES: usize = 2048;

/// Groups within groups that a pattern may have.
const MAX_NESTING: u32 = 24;
/// Bytes of the text of a pattern.
const MAX_TEXT: usize = 2048;
/// Positions that a pattern may have once its repetitions are written out.
const MAX_POSITIONS: u64 = 2048;
/// Bytes that an unanchored pattern must contain in one run, each fixed up to letter case.
const LEAST_RUN: usize = 4;
/// Runs that are too common on the wire to search for: Hyperscan stops at each of them.
const COMMON: &[&[u8]] = &[
    b"http",
    b"host",
    b"www.",
    b".com",
    b"the ",
    b" the",
    b"user",
    b"\r\n\r\n",
    b"    ",
    b"\x00\x00\x00\x01",
    b"\x01\x00\x00\x00",
    b"\x16\x03\x01\x02",
    b"\x17\x03\x03\x00",
    b"ttp/",
    b"tp:/",
    b"ttps",
    b"tps:",
    b"ps:/",
    b"p://",
    b"s://",
    b"://w",
    b"html",
    b"text",
    b"json",
    b"type",
    b"name",
    b"date",
    b"\x02\x00\x00\x00",
    b"\x00\x00\x00\x02",
    b"\x00\x00\x01\x00",
    b"\x00\x01\x00\x00",
    b"\x16\x03\x03\x00",
];

/// A pattern that passed the lint.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As Hyperscan is given it.
    pub(super) expression: String,
    /// What is matched without Hyperscan, where that can be.
    sequences: Option<Sequences>,
    /// It starts at exactly `window.0`.
    pub(super) anchored: bool,
    /// Where a match may start and must end.
    pub(super) window: (usize, usize),
    /// Least bytes of a match.
    pub(super) min_len: usize,
    /// How unlikely a random payload is to match, in bits.
    pub(super) bits: f64,
    /// What the first bytes of the payload may be.
    pub(super) heads: Heads,
}

impl Pattern {
    /// Parses and lints `text`, to be matched within `window` (start, end).
    pub(super) fn parse(text: &str, window: (usize, usize)) -> Result<Self, PatternError> {
        if text.len() > MAX_TEXT {
            return Err(PatternError::TooLong { most: MAX_TEXT });
        }
        let whole = ParserBuilder::new()
            .utf8(false)
            .unicode(false)
            .dot_matches_new_line(true)
            .nest_limit(MAX_NESTING)
            .build()
            .parse(text)
            .map_err(|error| syntax_error(&error))?;
        let (anchored, hir) = without_anchor(&whole);
        if positions(&hir) > MAX_POSITIONS {
            return Err(PatternError::TooLarge { most: MAX_POSITIONS });
        }
        if has_look(&hir) {
            return Err(PatternError::Assertion);
        }
        let min_len = match hir.properties().minimum_len() {
            None => return Err(PatternError::Impossible),
            Some(0) => return Err(PatternError::MatchesEmpty),
            Some(least) => least,
        };
        if window.0.saturating_add(min_len) > window.1 {
            return Err(PatternError::Window { least: min_len, start: window.0, end: window.1 });
        }
        if !anchored {
            lint_search(&hir)?;
        }
        let span = f64::from(u32::try_from(window.1 - window.0).unwrap_or(u32::MAX));
        let bits = bits(&hir) - if anchored { 0.0 } else { span.log2() };
        let mut heads = Heads::ANY;
        let mut expression = String::new();
        if anchored {
            heads = first_bytes(&hir, window.0);
            expression.push_str(r"\A");
            if window.0 > 0 {
                write_text(&mut expression, format_args!("[\\x00-\\xff]{{{}}}", window.0));
            }
        }
        print(&hir, &mut expression);
        let sequences = if anchored { Sequences::of(&hir) } else { None };
        Ok(Self { expression, sequences, anchored, window, min_len, bits, heads })
    }

    /// Whether Hyperscan has to look for it.
    pub(super) const fn needs_search(&self) -> bool {
        self.sequences.is_none()
    }

    /// Whether `payload` matches, as far as that can be said without Hyperscan: else yes.
    pub(super) fn may_match(&self, payload: &[u8]) -> bool {
        let Some(sequences) = &self.sequences else { return true };
        let (start, end) = (self.window.0, self.window.1.min(payload.len()));
        payload.get(start..end).is_some_and(|window| sequences.match_start(window))
    }

    /// Whether a match that ends before `end` (and the first such, where that is all that is known) is in the window.
    pub(super) const fn admits(&self, end: usize) -> bool {
        end <= self.window.1 && (self.anchored || end >= self.window.0.saturating_add(self.min_len))
    }

    /// Where a match that ends before `end` starts, at the latest.
    pub(super) const fn start(&self, end: usize) -> usize {
        if self.anchored { self.window.0 } else { end.saturating_sub(self.min_len) }
    }
}

fn syntax_error(error: &regex_syntax::Error) -> PatternError {
    let (reason, column) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span().start.column),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span().start.column),
        _ => (error.to_string(), 1),
    };
    PatternError::Syntax { reason, column }
}

/// Takes a `^` from the front.
fn without_anchor(hir: &Hir) -> (bool, Hir) {
    match hir.kind() {
        HirKind::Look(Look::Start) => (true, Hir::empty()),
        HirKind::Capture(capture) => without_anchor(&capture.sub),
        HirKind::Concat(parts) => match parts.split_first() {
            Some((first, rest)) if matches!(first.kind(), HirKind::Look(Look::Start)) => {
                (true, Hir::concat(rest.to_vec()))
            }
            _ => (false, hir.clone()),
        },
        _ => (false, hir.clone()),
    }
}

fn has_look(hir: &Hir) -> bool {
    !hir.properties().look_set().is_empty()
}

/// What a pattern that is searched for, not anchored, must keep to.
fn lint_search(hir: &Hir) -> Result<(), PatternError> {
    let first = match hir.kind() {
        HirKind::Concat(parts) => parts.first().unwrap_or(hir),
        _ => hir,
    };
    if let HirKind::Repetition(repetition) = first.kind()
        && repetition.max.is_none()
    {
        return Err(PatternError::UnboundedStart);
    }
    let run = longest_run(hir);
    if run.len() < LEAST_RUN {
        return Err(PatternError::NoLiteral { longest: run.len(), least: LEAST_RUN });
    }
    // Hyperscan looks for a part of the run only: none of its words may be everywhere.
    let is_common = |word: &[u8]| {
        let is_one_byte = word.windows(2).all(|pair| pair.first() == pair.last());
        is_one_byte || COMMON.contains(&word)
    };
    let words = || run.windows(LEAST_RUN);
    let has_zeros = words().any(|word| word.iter().all(|byte| *byte == 0));
    if has_zeros || words().all(is_common) {
        return Err(PatternError::CommonLiteral { literal: run.escape_ascii().to_string() });
    }
    Ok(())
}

/// The longest run of bytes that every match contains, each fixed up to letter case (given in lower case).
fn longest_run(hir: &Hir) -> Vec<u8> {
    match hir.kind() {
        HirKind::Literal(literal) => literal.0.to_ascii_lowercase(),
        HirKind::Class(class) => single_letter(class).into_iter().collect(),
        HirKind::Capture(capture) => longest_run(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => longest_run(&repetition.sub),
        HirKind::Alternation(branches) => {
            branches.iter().map(longest_run).min_by_key(Vec::len).unwrap_or_default()
        }
        HirKind::Concat(parts) => {
            let (mut best, mut current) = (Vec::new(), Vec::new());
            for part in parts {
                match part.kind() {
                    HirKind::Literal(literal) => current.extend(literal.0.to_ascii_lowercase()),
                    HirKind::Class(class) if single_letter(class).is_some() => {
                        current.extend(single_letter(class))
                    }
                    _ => {
                        keep_longer(&mut best, core::mem::take(&mut current));
                        keep_longer(&mut best, longest_run(part));
                    }
                }
            }
            keep_longer(&mut best, current);
            best
        }
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => Vec::new(),
    }
}

fn keep_longer(best: &mut Vec<u8>, other: Vec<u8>) {
    if other.len() > best.len() {
        *best = other;
    }
}

/// The letter, where the class is one letter in both cases.
fn single_letter(class: &Class) -> Option<u8> {
    let set = byte_set(class);
    let mut values = (0..=u8::MAX).filter(|value| set.contains(*value));
    let (first, second) = (values.next()?, values.next());
    let is_one = values.next().is_none() && second.is_none_or(|other| other.eq_ignore_ascii_case(&first));
    is_one.then_some(first.to_ascii_lowercase())
}

/// Positions of the pattern with its bounded repetitions written out.
fn positions(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => u64::try_from(literal.0.len()).unwrap_or(u64::MAX),
        HirKind::Class(_) => 1,
        HirKind::Capture(capture) => positions(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min).max(1));
            positions(&repetition.sub).saturating_mul(times)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum, part| sum.saturating_add(positions(part)))
        }
    }
}

/// How unlikely a random payload is to match at a given place, in bits.
fn bits(hir: &Hir) -> f64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0.0,
        HirKind::Literal(literal) => 8.0 * f64::from(u32::try_from(literal.0.len()).unwrap_or(u32::MAX)),
        HirKind::Class(class) => 8.0 - f64::from(byte_set(class).count().max(1)).log2(),
        HirKind::Capture(capture) => bits(&capture.sub),
        HirKind::Repetition(repetition) => f64::from(repetition.min) * bits(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().map(bits).sum(),
        HirKind::Alternation(branches) => {
            let chance: f64 = branches.iter().map(|branch| (-bits(branch)).exp2()).sum();
            (-chance.log2()).max(0.0)
        }
    }
}

/// The bytes of a class.
pub(super) fn byte_set(class: &Class) -> ByteSet {
    match class {
        Class::Bytes(class) => bytes_of(class),
        // Without Unicode the parser makes none of these but of ASCII.
        Class::Unicode(class) => class.to_byte_class().map_or(ByteSet::ALL, |class| bytes_of(&class)),
    }
}

fn bytes_of(class: &ClassBytes) -> ByteSet {
    let mut set = ByteSet::NONE;
    for range in class.iter() {
        for value in range.start()..=range.end() {
            set.insert(value);
        }
    }
    set
}

/// The bytes that the first [`HEAD`] bytes of a payload may be if the pattern matches at `offset`.
fn first_bytes(hir: &Hir, offset: usize) -> Heads {
    let mut sets = [ByteSet::NONE; HEAD];
    for set in sets.iter_mut().take(offset) {
        *set = ByteSet::ALL;
    }
    let ends = walk(hir, 1 << offset.min(HEAD), &mut sets);
    for (index, set) in sets.iter_mut().enumerate() {
        // Whatever follows a match that ends early may be anything.
        if ends & ((2 << index) - 1) != 0 {
            *set = ByteSet::ALL;
        }
    }
    Heads::new(sets)
}

/// Adds the bytes that `hir` may have at each position if it starts at one of `starts` (a bit for each position, the
/// last for all beyond the head) and returns where it may end.
fn walk(hir: &Hir, starts: u32, sets: &mut [ByteSet; HEAD]) -> u32 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => starts,
        HirKind::Literal(literal) => literal.0.iter().fold(starts, |at, byte| {
            let mut set = ByteSet::NONE;
            set.insert(*byte);
            step(set, at, sets)
        }),
        HirKind::Class(class) => step(byte_set(class), starts, sets),
        HirKind::Capture(capture) => walk(&capture.sub, starts, sets),
        HirKind::Repetition(repetition) => walk_repetition(repetition, starts, sets),
        HirKind::Concat(parts) => parts.iter().fold(starts, |at, part| walk(part, at, sets)),
        HirKind::Alternation(branches) => {
            branches.iter().fold(0, |ends, branch| ends | walk(branch, starts, sets))
        }
    }
}

fn walk_repetition(repetition: &Repetition, starts: u32, sets: &mut [ByteSet; HEAD]) -> u32 {
    let mut ends = if repetition.min == 0 { starts } else { 0 };
    let mut at = starts;
    let most = repetition.max.unwrap_or(u32::MAX);
    // Each round goes on by a byte or stays: one more than there are positions reaches everything.
    let rounds = most.min(u32::try_from(HEAD).unwrap_or(4) + 1);
    for round in 1..=rounds {
        at = walk(&repetition.sub, at, sets);
        if round >= repetition.min || round == rounds {
            ends |= at;
        }
    }
    ends
}

fn step(set: ByteSet, starts: u32, sets: &mut [ByteSet; HEAD]) -> u32 {
    for (index, own) in sets.iter_mut().enumerate() {
        if starts >> index & 1 == 1 {
            own.unite(set);
        }
    }
    let beyond = 1_u32 << HEAD;
    (starts << 1 | starts & beyond) & (beyond << 1).wrapping_sub(1)
}

/// Writes the pattern with nothing but bytes, classes of bytes, groups and counts.
fn print(hir: &Hir, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => {
            for byte in &literal.0 {
                write_text(out, format_args!("\\x{byte:02x}"));
            }
        }
        HirKind::Class(class) => print_class(class, out),
        HirKind::Capture(capture) => print(&capture.sub, out),
        HirKind::Repetition(repetition) => {
            out.push_str("(?:");
            print(&repetition.sub, out);
            match (repetition.min, repetition.max) {
                (min, None) => write_text(out, format_args!("){{{min},}}")),
                (min, Some(max)) => write_text(out, format_args!("){{{min},{max}}}")),
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| print(part, out)),
        HirKind::Alternation(branches) => {
            let mut before = "(?:";
            for branch in branches {
                out.push_str(before);
                print(branch, out);
                before = "|";
            }
            out.push(')');
        }
    }
}

fn print_class(class: &Class, out: &mut String) {
    let set = byte_set(class);
    out.push('[');
    let mut value = 0_u16;
    while let Ok(first) = u8::try_from(value) {
        let end = (value..256).find(|v| !u8::try_from(*v).is_ok_and(|v| set.contains(v))).unwrap_or(256);
        if end > value {
            write_text(out, format_args!("\\x{first:02x}-\\x{:02x}", end - 1));
        }
        value = end.max(value) + 1;
    }
    out.push(']');
}

fn write_text(out: &mut String, text: core::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

/// What can be wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Not a regular expression of the dialect.
    #[error("character {column}: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
        /// Where, counted from 1.
        column: usize,
    },
    /// It matches without a byte.
    #[error("it matches an empty payload: make something in it obligatory")]
    MatchesEmpty,
    /// It matches nothing.
    #[error("it can never match: a class in it is empty")]
    Impossible,
    /// `$`, `\b` and the like, or a `^` that is not the first thing.
    #[error(
        "`$`, `\\b` and a `^` that is not the first thing are not supported: put `^` in front, and say how the payload ends by a check on `len`"
    )]
    Assertion,
    /// The window is shorter than the shortest match.
    #[error("the shortest match has {least} bytes and does not fit between {start} and {end}: widen `depth`")]
    Window {
        /// Bytes of the shortest match.
        least: usize,
        /// Start of the window.
        start: usize,
        /// End of the window.
        end: usize,
    },
    /// A search that starts with `.*` or the like.
    #[error(
        "it starts with an unbounded repetition, which a search does by itself: leave it out, or anchor the pattern with `^`"
    )]
    UnboundedStart,
    /// A search without anything to search for.
    #[error(
        "a pattern without `^` needs {least} fixed bytes in a row, the longest run here has {longest}: anchor it with `^`, or add a literal"
    )]
    NoLiteral {
        /// Bytes of the longest run.
        longest: usize,
        /// Bytes it should have.
        least: usize,
    },
    /// A search for what is everywhere.
    #[error(
        "the longest fixed run, \"{literal}\", is on every second wire and would slow all scans down: anchor the pattern with `^`, or add a rarer literal"
    )]
    CommonLiteral {
        /// The run, in lower case.
        literal: String,
    },
    /// Repetitions that multiply to too many states.
    #[error("more than {most} positions once its repetitions are written out: use smaller counts, or `*`")]
    TooLarge {
        /// Positions that are allowed.
        most: u64,
    },
    /// Too many characters.
    #[error("more than {most} characters")]
    TooLong {
        /// Characters that are allowed.
        most: usize,
    },
}
