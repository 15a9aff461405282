//! What is wrong with a set, and what it costs, for people and programs.

use std::fmt::Write;

use engine::detectors::signatures::{Label, Report, Sample, SignatureReport, SignatureSet};
use serde_json::{Value, json};

use crate::look::{Ink, Look};

/// Times the usual price at which a signature is a finding: what a bad literal costs Hyperscan.
const TOO_DEAR: f64 = 20.0;
/// Random payloads in a million that all signatures together may name.
const MOST_RANDOM: u64 = 1000;

/// The report with what follows from it.
pub(super) struct Verdict<'r> {
    report: &'r Report,
    tried: Vec<Tried<'r>>,
    /// Sentences.
    findings: Vec<String>,
}

/// A signature that was tried alone.
struct Tried<'r> {
    label: &'r Label,
    protocol: &'r str,
    report: &'r SignatureReport,
}

impl<'r> Verdict<'r> {
    /// Judges `report` of `set`, as far as it is about signatures and samples that `is_own` says yes to.
    pub(super) fn new(set: &'r SignatureSet, report: &'r Report, is_own: &dyn Fn(&Label) -> bool) -> Self {
        let labels = (0..=u16::MAX).map_while(|index| set.label(index)).collect::<Vec<_>>();
        let name =
            |protocol: u16| set.protocols().get(usize::from(protocol)).map_or("?", |own| own.name.as_str());
        let own_files: Vec<&str> =
            labels.iter().filter(|label| is_own(label)).map(|label| label.file.as_str()).collect();
        let is_own_sample = |sample: &Sample| own_files.contains(&sample.file.as_str());
        let tried: Vec<Tried<'_>> = labels
            .iter()
            .zip(&report.signatures)
            .filter(|(_, signature)| signature.is_tried)
            .map(|(label, signature)| Tried { label, protocol: name_of(set, &label.file), report: signature })
            .collect();
        let mut findings = Vec::new();
        for failure in &report.failures {
            let Some(sample) = set.samples().get(failure.sample) else { continue };
            let taken = failure.found.and_then(|found| set.label(found.signature));
            if !is_own_sample(sample) && !taken.is_some_and(is_own) {
                continue;
            }
            let place = format!("{}:{}", sample.file, sample.line);
            findings.push(match failure.found {
                Some(found) => {
                    let by = taken.map_or_else(String::new, ToString::to_string);
                    format!("{place}: the sample is taken for {} by {by}", name(found.protocol))
                }
                None => format!("{place}: no signature matches the sample"),
            });
        }
        for overlap in &report.overlaps {
            let (Some(sample), Some(label)) =
                (set.samples().get(overlap.sample), set.label(overlap.signature))
            else {
                continue;
            };
            let owner = name(sample.protocol);
            findings.push(format!(
                "{}:{}: {label} also matches the sample of {owner} in {}:{}",
                label.file, label.line, sample.file, sample.line
            ));
        }
        let mut verdict = Self { report, tried, findings };
        verdict.judge_each();
        let random = u64::from(report.random_labels) * 1_000_000 / u64::from(report.random_payloads.max(1));
        if random > MOST_RANDOM {
            verdict
                .findings
                .push(format!("{random} of a million random payloads get a name, at most {MOST_RANDOM} may"));
        }
        verdict
    }

    fn judge_each(&mut self) {
        let usual = self.usual_price();
        for Tried { label, report, .. } in &self.tried {
            let place = format!("{}:{}: {label}", label.file, label.line);
            if report.samples == 0 {
                self.findings.push(format!("{place} matches no sample of its protocol: add one"));
            }
            if report.benign > 0 {
                let rate = self.per_megabyte(report.benign);
                self.findings.push(format!(
                    "{place} takes everyday traffic for its protocol, {rate:.1} times a megabyte"
                ));
            }
            let price = report.price.ns_per_payload;
            if price > usual * TOO_DEAR {
                let times = price / usual;
                self.findings
                    .push(format!("{place} costs {price:.0} ns a payload, {times:.0} times the usual"));
            }
        }
    }

    /// The median price of those that were tried, nanoseconds a payload.
    fn usual_price(&self) -> f64 {
        let mut prices: Vec<f64> = self.tried.iter().map(|tried| tried.report.price.ns_per_payload).collect();
        prices.sort_by(f64::total_cmp);
        let median = prices.get(prices.len() / 2).copied().unwrap_or_default();
        // Of one or two signatures the median is their own price: then the whole set is the measure.
        if prices.len() < 8 { self.report.price.ns_per_payload } else { median }
    }

    fn per_megabyte(&self, count: u32) -> f64 {
        let bytes = u32::try_from(self.report.benign_bytes.max(1)).map_or(f64::from(u32::MAX), f64::from);
        f64::from(count) / bytes * 1e6
    }

    /// Whether nothing was found.
    pub(super) const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    pub(super) fn text(&self, look: &Look, top: usize) -> String {
        let (report, mut page) = (self.report, String::new());
        for finding in &self.findings {
            let _ = writeln!(page, "{}", look.paint(Ink::Bad, &look.safe(finding)));
        }
        if !self.findings.is_empty() {
            page.push('\n');
        }
        let _ = writeln!(
            page,
            "{} signatures tried on {} samples, {} random payloads and {:.1} MB of everyday traffic",
            self.tried.len(),
            report.samples,
            report.random_payloads,
            self.megabytes()
        );
        let price = &report.price;
        let _ = writeln!(
            page,
            "all together: {:.0} ns a payload, {:.2} GB/s; {} random payloads named",
            price.ns_per_payload,
            price.bytes_per_second / 1e9,
            report.random_labels
        );
        let mut dear: Vec<&Tried<'_>> = self.tried.iter().collect();
        dear.sort_by(|a, b| b.report.price.ns_per_payload.total_cmp(&a.report.price.ns_per_payload));
        if top > 0 && !dear.is_empty() {
            let head = format!(
                "\n{:<40} {:>8} {:>10} {:>9} {:>12}",
                "what costs most", "ns", "GB/s alone", "samples", "per benign MB"
            );
            let _ = writeln!(page, "{}", look.paint(Ink::Heading, &head));
        }
        for tried in dear.into_iter().take(top) {
            let (label, price) = (tried.label.to_string(), &tried.report.price);
            let _ = writeln!(
                page,
                "{label:<40} {:>8.1} {:>10.2} {:>9} {:>12.2}",
                price.ns_per_payload,
                price.bytes_per_second / 1e9,
                tried.report.samples,
                self.per_megabyte(tried.report.benign)
            );
        }
        let sum = match self.findings.len() {
            0 => look.paint(Ink::Good, "nothing found"),
            1 => look.paint(Ink::Bad, "1 finding"),
            count => look.paint(Ink::Bad, &format!("{count} findings")),
        };
        let _ = writeln!(page, "\n{sum}");
        page
    }

    fn megabytes(&self) -> f64 {
        u32::try_from(self.report.benign_bytes).map_or(f64::from(u32::MAX), f64::from) / 1e6
    }

    pub(super) fn json(&self) -> String {
        let one = |tried: &Tried<'_>| {
            json!({
                "signature": tried.label.to_string(),
                "protocol": tried.protocol,
                "file": tried.label.file,
                "line": tried.label.line,
                "samples": tried.report.samples,
                "random_matches": tried.report.random,
                "matches_per_benign_mb": self.per_megabyte(tried.report.benign),
                "ns_per_payload": tried.report.price.ns_per_payload,
                "bytes_per_second": tried.report.price.bytes_per_second,
            })
        };
        let report = self.report;
        let all: Value = json!({
            "findings": self.findings,
            "samples": report.samples,
            "random_payloads": report.random_payloads,
            "random_matches": report.random_labels,
            "benign_bytes": report.benign_bytes,
            "ns_per_payload": report.price.ns_per_payload,
            "bytes_per_second": report.price.bytes_per_second,
            "signatures": self.tried.iter().map(one).collect::<Vec<_>>(),
        });
        format!("{all:#}\n")
    }
}

/// The protocol of a file's samples.
fn name_of<'s>(set: &'s SignatureSet, file: &str) -> &'s str {
    let sample = set.samples().iter().find(|sample| sample.file == file);
    sample
        .and_then(|sample| set.protocols().get(usize::from(sample.protocol)))
        .map_or("?", |own| own.name.as_str())
}
