//! Findings as text and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::finding::{Finding, Status};

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

/// The findings as one JSON object.
pub(super) fn json(findings: &[Finding]) -> String {
    let list: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "probe": finding.probe,
                "status": finding.status.name(),
                "seen": finding.seen,
                "why": finding.why,
                "mend": finding.mend,
            })
        })
        .collect();
    let healthy = findings.iter().all(|finding| matches!(finding.status, Status::Ok | Status::Info));
    format!("{:#}\n", json!({ "healthy": healthy, "findings": list }))
}
