//! `wirewarden selftest`: known answers, computed here and now.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::{Args, Subcommand};
use exchange::selftest::{self, Report, Row};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  wirewarden selftest crypto --json")]
pub(crate) struct SelftestArgs {
    /// Print as JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: SelftestCommand,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum SelftestCommand {
    /// ML-KEM and ML-DSA against NIST's vectors, on each library and across both, and what they must refuse
    #[command(after_help = "Example:\n  wirewarden selftest crypto --json")]
    Crypto,
}

/// Runs a self-test: exit code 0 where all is well, 1 where a case failed.
pub(crate) fn run(args: &SelftestArgs) -> Exit {
    let SelftestCommand::Crypto = args.command;
    let report = match selftest::run() {
        Ok(report) => report,
        Err(error) => {
            tell::error(&error.to_string());
            return Exit::Findings;
        }
    };
    let printed = if args.json { as_json(&report) } else { as_text(&report) };
    let _ = io::stdout().lock().write_all(printed.as_bytes());
    match report.proven() {
        Ok(_) => Exit::Success,
        Err(error) => {
            tell::error(&error.to_string());
            Exit::Findings
        }
    }
}

fn as_text(report: &Report) -> String {
    let mut text = String::new();
    for Row { backend, what, passed, failed, unreached, fault } in &report.rows {
        let of = passed + failed;
        // Writing to a string does not fail.
        let _ = write!(text, "{backend:<14} {what:<44} {passed:>3}/{of:<3}");
        if *unreached > 0 {
            let _ = write!(text, " {unreached} out of the library's reach");
        }
        if let Some(fault) = fault {
            let _ = write!(text, " FAILED: {fault}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{} ms", report.took.as_millis());
    text
}

fn as_json(report: &Report) -> String {
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|row| {
            json!({
                "library": row.backend,
                "what": row.what,
                "passed": row.passed,
                "failed": row.failed,
                "unreached": row.unreached,
                "fault": row.fault,
            })
        })
        .collect();
    format!("{}\n", json!({ "passed": report.proven().is_ok(), "ms": report.took.as_millis(), "rows": rows }))
}
