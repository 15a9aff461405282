//! The valid word nearest to a mistyped one.

/// Longest word that is compared: the work grows with the square of it.
const MAX_WORD: usize = 64;

/// The candidate with the smallest edit distance to `word`, where that is small enough to be a slip.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= slip(word.len().max(candidate.len())))
        .map(|(_, candidate)| candidate)
}

/// How many edits a word of this length may be away.
const fn slip(len: usize) -> usize {
    if len < 4 { 1 } else { 1 + len / 4 }
}

/// Insertions, deletions, replacements and swaps of neighbours that make one word the other (optimal string
/// alignment), letter case and the kind of word separator ignored.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = letters(a);
    let b: Vec<char> = letters(b);
    if a.len() > MAX_WORD || b.len() > MAX_WORD {
        return usize::MAX;
    }
    // Rows of the usual table: the one above the previous, the previous, the current.
    let mut above: Vec<usize> = Vec::new();
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        let mut last_b = None;
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&previous, j) + usize::from(x != y);
            let mut best = replaced.min(at(&previous, j + 1) + 1).min(at(&row, j) + 1);
            if last_a == Some(y) && last_b == Some(x) && j > 0 {
                best = best.min(at(&above, j - 1) + 1);
            }
            row.push(best);
            last_b = Some(y);
        }
        last_a = Some(x);
        above = std::mem::replace(&mut previous, row);
    }
    previous.last().copied().unwrap_or(0)
}

fn letters(word: &str) -> Vec<char> {
    word.chars().take(MAX_WORD + 1).map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_costs_one_edit() {
        assert_eq!(distance("backend", "backend"), 0);
        assert_eq!(distance("bakend", "backend"), 1);
        assert_eq!(distance("backedn", "backend"), 1);
        assert_eq!(distance("backand", "backend"), 1);
        assert_eq!(distance("BACK-END", "back_end"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn a_different_word_has_no_nearest() {
        assert_eq!(nearest("colour", ["backend", "cores", "memory"]), None);
        assert_eq!(nearest("memroy", ["backend", "cores", "memory"]), Some("memory"));
    }

    #[test]
    fn a_very_long_word_is_not_compared() {
        assert_eq!(nearest(&"a".repeat(100_000), ["a"]), None);
    }
}
