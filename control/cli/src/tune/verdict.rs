//! Whether one thing is better than another beyond the noise of the machine.

/// Packets per second of pairs of runs, one after the other: without a change, and with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pairs(pub(super) Vec<(f64, f64)>);

/// What pairs of runs say about a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judged {
    /// Median of the ratios, less one: 0.1 is a tenth more.
    pub(super) gain: f64,
    /// The gain that is sure: the lower end of what the pairs say, less what the machine does by itself.
    pub(super) sure: f64,
    pub(super) pairs: usize,
}

impl Judged {
    /// Whether it is to be proposed.
    pub(super) fn is_better(&self) -> bool {
        self.pairs >= LEAST_PAIRS && self.sure > WORTH
    }
}

impl Pairs {
    /// Judges a change; `noise` is what pairs without any change differed by.
    pub(super) fn judge(&self, noise: f64) -> Judged {
        let mut ratios = self.ratios();
        let gain = median(&mut ratios) - 1.0;
        // Most of the pairs, each against its own neighbour in time, say at least this.
        let spread = deviation(&ratios, gain + 1.0);
        let doubt = 2.0 * spread / (ratios.len().max(1) as f64).sqrt();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min) - 1.0;
        let sure = (gain - doubt - noise).min(if ratios.len() < 6 { least } else { f64::INFINITY });
        Judged { gain, sure: if ratios.is_empty() { f64::NEG_INFINITY } else { sure }, pairs: ratios.len() }
    }

    /// What the machine does by itself, where nothing was changed: how far the median may be off.
    pub(super) fn noise(&self) -> f64 {
        let mut ratios = self.ratios();
        let middle = median(&mut ratios);
        let spread = deviation(&ratios, middle);
        (middle - 1.0).abs() + spread / (ratios.len().max(1) as f64).sqrt()
    }

    fn ratios(&self) -> Vec<f64> {
        self.0.iter().filter(|(before, _)| *before > 0.0).map(|(before, after)| after / before).collect()
    }

    /// Median packets per second with the change.
    pub(super) fn rate(&self) -> f64 {
        let mut rates: Vec<f64> = self.0.iter().map(|(_, after)| *after).collect();
        median(&mut rates)
    }
}

/// The middle one; the mean of the two in the middle. Not a number where there is none.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |at: usize| values.get(at).copied().unwrap_or(f64::NAN);
    match values.len() {
        0 => f64::NAN,
        len if len.is_multiple_of(2) => f64::midpoint(at(len / 2 - 1), at(len / 2)),
        len => at(len / 2),
    }
}

/// Median of the distances from `middle`, as a standard deviation.
fn deviation(values: &[f64], middle: f64) -> f64 {
    let mut distances: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    1.4826 * median(&mut distances)
}

/// Pairs without which nothing is said.
const LEAST_PAIRS: usize = 3;
/// A gain below this is not worth a change.
const WORTH: f64 = 0.02;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(before: &[f64], after: &[f64]) -> Pairs {
        Pairs(before.iter().copied().zip(after.iter().copied()).collect())
    }

    #[test]
    fn what_is_better_in_every_pair_is_better_however_the_machine_drifts() {
        // The machine gets half as fast on the way; the change is always worth a fifth.
        let before = [10.0, 9.0, 7.0, 6.0, 5.0];
        let after = before.map(|rate| rate * 1.2);
        let judged = pairs(&before, &after).judge(0.03);
        assert!(judged.is_better() && (judged.gain - 0.2).abs() < 1e-9, "{judged:?}");
    }

    #[test]
    fn one_lucky_run_is_no_gain() {
        let judged = pairs(&[10.0; 5], &[10.0, 9.9, 30.0, 10.1, 9.8]).judge(0.0);
        assert!(!judged.is_better(), "{judged:?}");
        assert!(!pairs(&[10.0; 2], &[20.0; 2]).judge(0.0).is_better(), "two pairs say nothing");
        assert!(
            !pairs(&[10.0; 4], &[11.0; 4]).judge(0.15).is_better(),
            "less than the machine does by itself"
        );
        assert!(!Pairs::default().judge(0.0).is_better());
        assert!(!pairs(&[10.0; 9], &[10.1; 9]).judge(0.0).is_better(), "not worth it");
    }

    proptest! {
        #[test]
        fn what_is_worse_or_the_same_in_most_pairs_is_never_proposed(
            rates in prop::collection::vec((0.1_f64..100.0, 0.2_f64..1.0), 1..20),
        ) {
            let pairs = Pairs(rates.iter().map(|(before, worse)| (*before, before * worse)).collect());
            prop_assert!(!pairs.judge(0.0).is_better());
        }
    }
}
