//! What was tried, what came of it, and what is proposed.

use std::fmt::Write;

use api::Config;
use serde_json::{Value, json};

use super::candidates::{About, Candidate};
use super::traffic::Seen;
use super::trial::Bench;
use super::verdict::{Judged, Pairs};

/// A change and what came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) candidate: Candidate,
    pairs: Pairs,
    judged: Option<Judged>,
    /// Why it could not be tried.
    failed: Option<String>,
}

impl Outcome {
    pub(super) fn new(candidate: Candidate) -> Self {
        Self { candidate, pairs: Pairs::default(), judged: None, failed: None }
    }

    /// A pair of runs: as it is, and with the change. One that does not run is not tried again.
    pub(super) fn try_once(&mut self, bench: &Bench, config: &Config) {
        if self.failed.is_some() {
            return;
        }
        let Some(changed) = self.candidate.change.made_in(config) else { return };
        match (bench.measure(config), bench.measure(&changed)) {
            (Ok(before), Ok(after)) => self.pairs.0.push((before, after)),
            (_, Err(error)) | (Err(error), _) => self.failed = Some(error.to_string()),
        }
    }

    pub(super) fn judge(&mut self, noise: f64) {
        self.judged = Some(self.pairs.judge(noise));
    }

    fn is_better(&self) -> bool {
        self.failed.is_none() && self.judged.is_some_and(|judged| judged.is_better())
    }

    fn sure(&self) -> f64 {
        self.judged.map_or(f64::NEG_INFINITY, |judged| judged.sure)
    }

    fn verdict(&self) -> &str {
        match (&self.failed, self.judged) {
            (Some(why), _) => why,
            (None, Some(judged)) if judged.is_better() => "better",
            (None, Some(judged)) if judged.pairs < 3 => "not tried often enough",
            (None, Some(judged)) if judged.gain < 0.0 => "worse, or the same",
            _ => "not better beyond the noise",
        }
    }
}

/// Everything that was found.
#[derive(Debug)]
pub(super) struct Report {
    /// What two runs of the same configuration differed by.
    pub(super) noise: f64,
    /// Packets per second as it is.
    pub(super) base: f64,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) proposed: Option<Config>,
    /// What the proposal as a whole was worth.
    pub(super) together: Option<Judged>,
    /// What the traffic of the running appliance said of its flow table.
    pub(super) seen: Option<Seen>,
}

impl Report {
    /// Puts the best change about each thing together.
    pub(super) fn choose(&mut self, config: &Config) {
        let mut proposed = config.clone();
        for about in [About::Cores, About::Hugepages, About::Rings, About::Burst] {
            let of = self.outcomes.iter().filter(|one| one.candidate.about == about && one.is_better());
            let best = of.max_by(|one, other| one.sure().total_cmp(&other.sure()));
            if let Some(changed) = best.and_then(|best| best.candidate.change.made_in(&proposed)) {
                proposed = changed;
            }
        }
        self.proposed = (proposed != *config).then_some(proposed);
    }

    /// What is better one by one may not be together: then the best alone is left.
    pub(super) fn confirm(&mut self, together: Judged) {
        self.together = Some(together);
        if !together.is_better() {
            self.proposed = None;
        }
    }

    /// Adds what the running appliance's traffic asks for, which packets from memory cannot try.
    pub(super) fn add(&mut self, config: &Config, seen: Option<Seen>) {
        self.seen = seen;
        let asked_for = seen.and_then(|seen| seen.made_in(self.proposed.as_ref().unwrap_or(config)));
        if asked_for.is_some() {
            self.proposed = asked_for;
        }
    }

    fn of_timeouts(&self) -> String {
        self.seen.map_or_else(|| UNSEEN_TIMEOUTS.to_owned(), |seen| seen.text())
    }

    pub(super) fn text(&self, config: &Config) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(config, &mut out);
        out
    }

    fn write(&self, config: &Config, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "as it is: {:.2} Mpps of packets from memory; two runs of the same differ by {:.1} %\n",
            self.base / 1e6,
            self.noise * 100.0
        )?;
        writeln!(out, "{:<50} {:>6} {:>8} {:>8}  verdict", "change", "pairs", "gain", "sure")?;
        for one in &self.outcomes {
            let judged = one.judged.filter(|judged| judged.pairs > 0);
            let [gain, sure] =
                [judged.map(|judged| judged.gain), judged.map(|judged| judged.sure)].map(percent);
            let pairs = judged.map_or(0, |judged| judged.pairs);
            writeln!(out, "{:<50} {pairs:>6} {gain:>8} {sure:>8}  {}", one.candidate.title, one.verdict())?;
        }
        writeln!(out, "{TIMEOUTS:<50} {:>6} {:>8} {:>8}  {}", "-", "-", "-", self.of_timeouts())?;
        let Some(proposed) = &self.proposed else {
            let why =
                if self.together.is_some() { "; together, the changes gained nothing sure" } else { "" };
            return writeln!(out, "\nnothing is proposed{why}");
        };
        match self.together.filter(Judged::is_better) {
            Some(together) => writeln!(out, "\nproposed, together {}:", percent(Some(together.gain)))?,
            None => writeln!(out, "\nproposed:")?,
        }
        for change in config.diff(proposed).changes {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(default)".to_owned());
            let restart = if change.restart { "   (restart)" } else { "" };
            writeln!(out, "- {} = {}", change.key, value(&change.before))?;
            writeln!(out, "+ {} = {}{restart}", change.key, value(&change.after))?;
        }
        for one in self.outcomes.iter().filter(|one| one.is_better()) {
            writeln!(out, "{}: {}", one.candidate.title, one.candidate.because)?;
        }
        Ok(())
    }

    pub(super) fn json(&self, config: &Config) -> String {
        let finite = |value: f64| if value.is_finite() { json!(value) } else { Value::Null };
        let tried: Vec<Value> = self
            .outcomes
            .iter()
            .map(|one| {
                json!({
                    "change": one.candidate.title,
                    "because": one.candidate.because,
                    "pairs": one.pairs.0.len(),
                    "gain": one.judged.map(|judged| finite(judged.gain)),
                    "sure": one.judged.map(|judged| finite(judged.sure)),
                    "is_better": one.is_better(),
                    "verdict": one.verdict(),
                })
            })
            .collect();
        let all = json!({
            "packets_per_second": finite(self.base),
            "noise": finite(self.noise),
            "tried": tried,
            "not_tried": [{ "what": TIMEOUTS, "why": self.of_timeouts() }],
            "proposed": self.proposed.as_ref().map(|proposed| config.diff(proposed)),
            "gain": self.together.map(|together| finite(together.gain)),
            "configuration": self.proposed.as_ref().map(Config::to_toml),
        });
        format!("{all:#}\n")
    }
}

/// `+12.3 %`.
fn percent(value: Option<f64>) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{:+.1} %", value * 100.0),
        _ => "-".to_owned(),
    }
}

/// What packets from memory say nothing about.
const TIMEOUTS: &str = "timeouts of flows";
const UNSEEN_TIMEOUTS: &str = "only traffic says: without -c, that of the running appliance is looked at";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::candidates::Change;

    fn config() -> Config {
        let text = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:03:00.0\"\n";
        Config::from_toml(text, "a").unwrap()
    }

    fn outcome(about: About, change: Change, ratios: &[f64]) -> Outcome {
        let candidate = Candidate { title: format!("{change:?}"), because: "of a test", about, change };
        let pairs = Pairs(ratios.iter().map(|ratio| (1e6, 1e6 * ratio)).collect());
        let mut outcome = Outcome { candidate, pairs, judged: None, failed: None };
        outcome.judge(0.01);
        outcome
    }

    fn report(outcomes: Vec<Outcome>) -> Report {
        let mut report =
            Report { noise: 0.01, base: 1e6, outcomes, proposed: None, together: None, seen: None };
        report.choose(&config());
        report
    }

    #[test]
    fn the_best_about_each_thing_is_proposed_and_shown_key_by_key() {
        let cores = |cores: &[u16]| Change::Cores { workers: cores.to_vec(), main: Some(0) };
        let mut report = report(vec![
            outcome(About::Cores, cores(&[1]), &[1.1, 1.12, 1.11]),
            outcome(About::Cores, cores(&[1, 2]), &[1.9, 1.8, 1.85]),
            outcome(About::Rings, Change::Descriptors(512), &[1.2, 1.3, 0.8]),
        ]);
        let proposed = report.proposed.clone().unwrap();
        assert_eq!((proposed.boot.cores.as_slice(), proposed.boot.ports[0].queues), ([1, 2].as_slice(), 2));
        assert_eq!(proposed.boot.ports[0].rx_descriptors, 1024, "one pair says no");
        report.confirm(Pairs(vec![(1.0, 1.8); 3]).judge(0.01));
        let text = report.text(&config());
        assert!(
            text.contains("+ boot.cores = [1, 2]   (restart)") && text.contains("together +80.0 %"),
            "{text}"
        );
        assert!(text.contains("not better beyond the noise") && text.contains("timeouts of flows"), "{text}");
        let json: Value = serde_json::from_str(&report.json(&config())).unwrap();
        assert!(json["configuration"].as_str().unwrap().contains("cores = [1, 2]"), "{json}");
    }

    #[test]
    fn what_gains_nothing_together_is_not_proposed() {
        let change = Change::Cores { workers: vec![1], main: Some(0) };
        let mut report = report(vec![outcome(About::Cores, change, &[1.2; 3])]);
        assert!(report.proposed.is_some());
        report.confirm(Pairs(vec![(1.0, 1.0); 3]).judge(0.01));
        assert!(report.proposed.is_none());
        assert!(report.text(&config()).contains("together, the changes gained nothing sure"));
    }

    #[test]
    fn what_did_not_run_or_was_tried_twice_is_said_so() {
        let change = Change::Hugepages(false);
        let mut failed = outcome(About::Hugepages, change.clone(), &[9.0; 5]);
        failed.failed = Some("the data plane did not run: no memory".to_owned());
        let report = report(vec![failed, outcome(About::Hugepages, change, &[9.0; 2])]);
        assert!(report.proposed.is_none());
        let text = report.text(&config());
        assert!(text.contains("no memory") && text.contains("not tried often enough"), "{text}");
        assert!(text.contains("nothing is proposed"), "{text}");
    }
}
