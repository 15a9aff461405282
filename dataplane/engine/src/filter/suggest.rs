/// The candidate nearest to `word`, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    // One slip in a short word, one in three letters of a longer one.
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let distance = distance(word.as_bytes(), candidate.to_ascii_lowercase().as_bytes(), limit)?;
            Some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits that turn `a` into `b` (insertion, deletion, substitution, swap of neighbours), none if more than `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    if a.len() > MAX_WORD || b.len() > MAX_WORD || a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (row, &in_a) in a.iter().enumerate() {
        let mut current = Vec::with_capacity(b.len() + 1);
        current.push(row + 1);
        let mut previous_b = None;
        for (column, &in_b) in b.iter().enumerate() {
            let cell = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX / 2);
            let substituted = cell(&last, column) + usize::from(in_a != in_b);
            let mut best = substituted.min(cell(&last, column + 1) + 1).min(cell(&current, column) + 1);
            if column > 0 && previous_a == Some(in_b) && previous_b == Some(in_a) {
                best = best.min(cell(&before_last, column - 1) + 1);
            }
            current.push(best);
            previous_b = Some(in_b);
        }
        previous_a = Some(in_a);
        before_last = core::mem::replace(&mut last, current);
    }
    last.last().copied().filter(|found| *found <= limit)
}

const MAX_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_of_each_kind_is_found() {
        let words = ["modbus", "dnp3", "established", "quantum-vulnerable"];
        for slip in ["modbas", "mdbus", "modbuss", "mobdus", "MODBUS"] {
            assert_eq!(nearest(slip, words), Some("modbus"), "{slip}");
        }
        assert_eq!(nearest("quantum-vulnerabel", words), Some("quantum-vulnerable"));
    }

    #[test]
    fn what_is_far_from_everything_suggests_nothing() {
        assert_eq!(nearest("zzzz", ["modbus", "tls"]), None);
        assert_eq!(nearest(&"a".repeat(5000), ["modbus"]), None);
        assert_eq!(nearest("", ["tls"]), None);
    }
}
