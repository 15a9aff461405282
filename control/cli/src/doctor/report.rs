//! Findings as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::finding::{Finding, Status};
use super::repair::Attempt;

/// A line per change, and what became of it.
pub(super) fn attempts(attempts: &[Attempt]) -> String {
    let mut out = String::new();
    for attempt in attempts {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "fix   {:<13} {}: {}", attempt.probe, attempt.repair, attempt.outcome);
    }
    let _ = match attempts.len() {
        0 => writeln!(out, "fix   nothing that can be mended without harm\n"),
        _ => writeln!(out),
    };
    out
}

/// A line per finding, with why and how to mend below those that need it, and a line that counts them.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        // Writing to a String cannot fail.
        let _ = line(&mut out, finding);
    }
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let (fail, warn) = (count(Status::Fail), count(Status::Warn));
    let (ok, info) = (count(Status::Ok), count(Status::Info));
    let _ = writeln!(out, "\n{fail} failed, {warn} warned, {ok} ok, {info} for information");
    out
}

fn line(out: &mut String, finding: &Finding) -> std::fmt::Result {
    writeln!(out, "{:<4}  {:<13} {}", finding.status, finding.probe, finding.seen)?;
    if matches!(finding.status, Status::Warn | Status::Fail) {
        writeln!(out, "{:20}why:  {}", "", finding.why)?;
    }
    for (index, command) in finding.mend.iter().flat_map(|mend| mend.lines()).enumerate() {
        writeln!(out, "{:20}{} {command}", "", if index == 0 { "mend:" } else { "     " })?;
    }
    Ok(())
}

/// The findings as one JSON object, with the changes that were made before, where some were asked for.
pub(super) fn json(findings: &[Finding], attempts: Option<&[Attempt]>) -> String {
    let list: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "probe": finding.probe,
                "status": finding.status.name(),
                "seen": finding.seen,
                "why": finding.why,
                "mend": finding.mend,
                "fixes": finding.repairs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        })
        .collect();
    let healthy = findings.iter().all(|finding| matches!(finding.status, Status::Ok | Status::Info));
    let mut all = json!({ "healthy": healthy, "findings": list });
    if let (Some(attempts), Some(all)) = (attempts, all.as_object_mut()) {
        let fixed = attempts.iter().map(|attempt| {
            json!({
                "probe": attempt.probe,
                "command": attempt.repair.to_string(),
                "outcome": attempt.outcome.name(),
                "told": attempt.outcome.to_string(),
            })
        });
        all.insert("fixes".to_owned(), fixed.collect());
    }
    format!("{all:#}\n")
}
