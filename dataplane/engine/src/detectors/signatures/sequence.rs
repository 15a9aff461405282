//! Patterns that can be read in one way only are matched here: most banners and requests need no Hyperscan.
//!
//! An anchored pattern is written out as a few alternatives, each a sequence of fixed bytes and runs of classes. Where
//! what follows a run cannot continue it, taking as much as there is is the only way to read it, so that one pass
//! without going back decides: as many steps as there are bytes.

use regex_syntax::hir::{Hir, HirKind};

use super::opening::ByteSet;
use super::pattern::{SCAN_BYTES, byte_set};

/// Alternatives that one pattern may have.
const MAX_ALTERNATIVES: usize = 64;
/// Bytes of runs that alternatives with the same start may read again.
const MAX_READ_AGAIN: usize = 4 * SCAN_BYTES;
/// Parts of all alternatives together.
const MAX_PARTS: usize = 2048;
/// Counts that a bounded repetition of more than a class may have, each an alternative.
const MAX_COUNTS: u32 = 4;

/// A part of an alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// These bytes.
    Literal(Vec<u8>),
    /// From `min` to `max` bytes of the set.
    Run { set: ByteSet, min: usize, max: usize },
}

impl Part {
    const fn varies(&self) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Run { min, max, .. } => *min != *max,
        }
    }
}

type Alternative = Vec<Part>;

/// A pattern as alternatives of parts.
#[derive(Clone, Debug)]
pub(super) struct Sequences(Box<[Box<[Part]>]>);

impl Sequences {
    /// The pattern written out; none where it can be read in several ways, or is too long then.
    pub(super) fn of(hir: &Hir) -> Option<Self> {
        let mut alternatives = expanded(hir, vec![Vec::new()])?;
        for alternative in &mut alternatives {
            // That it matches is all that is asked: the least of what comes last is enough.
            if let Some(Part::Run { min, max, .. }) = alternative.last_mut() {
                *max = *min;
            }
            if !is_plain(alternative) {
                return None;
            }
        }
        Some(Self(alternatives.into_iter().map(Vec::into_boxed_slice).collect()))
    }

    /// Whether one of the alternatives stands at the start of `bytes`.
    pub(super) fn match_start(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|parts| stand_at_start(parts, bytes))
    }
}

fn stand_at_start(parts: &[Part], mut bytes: &[u8]) -> bool {
    for part in parts {
        let length = match part {
            Part::Literal(literal) if bytes.starts_with(literal) => literal.len(),
            Part::Literal(_) => return false,
            Part::Run { set, min, max } if *set == ByteSet::ALL && min == max => *min,
            Part::Run { set, min, max } => {
                let length = bytes.iter().take(*max).take_while(|byte| set.contains(**byte)).count();
                if length < *min {
                    return false;
                }
                length
            }
        };
        let Some(rest) = bytes.get(length..) else { return false };
        bytes = rest;
    }
    true
}

/// Puts `hir` behind each of the alternatives.
fn expanded(hir: &Hir, mut before: Vec<Alternative>) -> Option<Vec<Alternative>> {
    match hir.kind() {
        HirKind::Empty => Some(before),
        HirKind::Look(_) => None,
        HirKind::Literal(literal) => {
            before.iter_mut().for_each(|alternative| push_literal(alternative, &literal.0));
            Some(before)
        }
        HirKind::Class(class) => Some(with_run(before, byte_set(class), 1, 1)),
        HirKind::Capture(capture) => expanded(&capture.sub, before),
        HirKind::Concat(parts) => parts.iter().try_fold(before, |so_far, part| expanded(part, so_far)),
        HirKind::Alternation(branches) => {
            let mut all = Vec::new();
            for branch in branches {
                all.extend(expanded(branch, before.clone())?);
                within_limits(&all)?;
            }
            Some(all)
        }
        HirKind::Repetition(repetition) => {
            let min = usize::try_from(repetition.min).ok()?;
            if let HirKind::Class(class) = repetition.sub.kind() {
                let max = repetition.max.map_or(Some(usize::MAX), |max| usize::try_from(max).ok())?;
                return Some(with_run(before, byte_set(class), min, max));
            }
            let max = repetition.max.filter(|max| max - repetition.min < MAX_COUNTS)?;
            let mut all = Vec::new();
            let mut so_far = before;
            for count in 0..=max {
                if count >= repetition.min {
                    all.extend(so_far.iter().cloned());
                    within_limits(&all)?;
                }
                if count < max {
                    so_far = expanded(&repetition.sub, so_far)?;
                    within_limits(&so_far)?;
                }
            }
            Some(all)
        }
    }
}

fn within_limits(alternatives: &[Alternative]) -> Option<()> {
    let parts: usize = alternatives.iter().map(Vec::len).sum();
    let is_small = alternatives.len() <= MAX_ALTERNATIVES && parts <= MAX_PARTS;
    (is_small && read_again(alternatives) <= MAX_READ_AGAIN).then_some(())
}

/// Bytes that alternatives with the same start read again, at most: those of their runs of varying length.
fn read_again(alternatives: &[Alternative]) -> usize {
    let last_run = |parts: &Alternative| parts.iter().rposition(Part::varies);
    let starts: Vec<&[Part]> =
        alternatives.iter().filter_map(|parts| parts.get(..=last_run(parts)?)).collect();
    let cost = |start: &[Part]| -> usize {
        let runs = start
            .iter()
            .map(|part| if let Part::Run { max, .. } = part { (*max).min(SCAN_BYTES) } else { 0 });
        runs.sum::<usize>() * starts.iter().filter(|other| **other == start).count().saturating_sub(1)
    };
    starts.iter().map(|start| cost(start)).max().unwrap_or(0)
}

fn with_run(mut before: Vec<Alternative>, set: ByteSet, min: usize, max: usize) -> Vec<Alternative> {
    for alternative in &mut before {
        match alternative.last_mut() {
            // `[a][a]{0,9}` is one run.
            Some(Part::Run { set: last, min: least, max: most }) if *last == set => {
                *least = least.saturating_add(min);
                *most = most.saturating_add(max);
            }
            _ => alternative.push(Part::Run { set, min, max }),
        }
    }
    before
}

fn push_literal(alternative: &mut Alternative, bytes: &[u8]) {
    match alternative.last_mut() {
        Some(Part::Literal(literal)) => literal.extend_from_slice(bytes),
        _ => alternative.push(Part::Literal(bytes.to_vec())),
    }
}

/// Whether no run of varying length can be continued by what follows it.
fn is_plain(parts: &[Part]) -> bool {
    parts.iter().enumerate().all(|(index, part)| match part {
        Part::Run { set, .. } if part.varies() => {
            !set.intersects(first_of(parts.get(index + 1..).unwrap_or_default()))
        }
        _ => true,
    })
}

/// The bytes that may come first.
fn first_of(parts: &[Part]) -> ByteSet {
    let mut first = ByteSet::NONE;
    for part in parts {
        match part {
            Part::Literal(literal) => {
                literal.first().iter().for_each(|byte| first.insert(**byte));
                return first;
            }
            Part::Run { set, min, .. } => {
                first.unite(*set);
                if *min > 0 {
                    return first;
                }
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::ParserBuilder;

    fn sequences(text: &str) -> Option<Sequences> {
        let hir =
            ParserBuilder::new().utf8(false).unicode(false).dot_matches_new_line(true).build().parse(text);
        Sequences::of(&hir.unwrap())
    }

    #[test]
    fn a_request_line_is_matched() {
        let request = sequences(r"(?:GET|PUT) [!-~]+ (?:HTTP/[0-9]|X)\r\n").unwrap();
        assert!(request.match_start(b"GET /index HTTP/1\r\n"));
        assert!(request.match_start(b"PUT / X\r\nmore"));
        assert!(!request.match_start(b"GET  HTTP/1\r\n"), "an empty run");
        assert!(!request.match_start(b"GET /index HTTP/1"), "cut short");
        assert!(!request.match_start(b"GET /a b HTTP/1\r\n"));
    }

    #[test]
    fn counts_and_options_are_written_out() {
        let counted = sequences(r"(?:ab){1,3}c?[0-9]{2,3};").unwrap();
        for good in ["ab12;", "abab123;", "abababc12;"] {
            assert!(counted.match_start(good.as_bytes()), "{good}");
        }
        for bad in ["12;", "abababab12;", "ab1;", "ab1234;", "abcc12;"] {
            assert!(!counted.match_start(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_left_to_hyperscan() {
        assert!(sequences(r"[a-z]*ftp").is_none());
        assert!(sequences(r"[a-z]*[0-9]*x").is_none(), "the x can continue the first run");
        assert!(sequences(r"(?:ab)*c").is_none());
        assert!(sequences(r"[a-z]*[0-9]*;").is_some());
        assert!(sequences(r"x[a-z]*").is_some(), "the end of a pattern needs only its least");
    }
}
