//! Changes that `wirewarden doctor --fix` makes: only such as a restart undoes and that take no network away.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::process::{Command, ExitStatus, Stdio};

use super::finding::Finding;
use super::host::Host;

/// A change that mends something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// A value for a file of `/proc` or `/sys` that is there.
    Write {
        /// The file, without the leading slash.
        path: String,
        /// What is written.
        text: String,
    },
    /// A program, and its arguments.
    Run(&'static str, Vec<&'static str>),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { path, text } => write!(f, "echo {text} | sudo tee /{path}"),
            Self::Run(program, arguments) => write!(f, "sudo {program} {}", arguments.join(" ")),
        }
    }
}

/// Whether changes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// They are only told.
    Withheld,
    /// The user is asked before each.
    Asked,
    /// All of them were agreed to.
    Given,
}

/// A change and what became of it.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Probe whose finding it mends.
    pub(super) probe: &'static str,
    pub(super) repair: Repair,
    pub(super) outcome: Outcome,
}

/// What became of a change.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It would be made.
    Planned,
    /// It was made.
    Applied,
    /// The user did not want it.
    Declined,
    /// A program cannot change a machine that is only looked at.
    OtherMachine,
    /// It could not be made.
    Failed(RepairError),
}

/// Why a change could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepairError {
    /// The system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The program failed.
    #[error("{0}")]
    Status(ExitStatus),
}

impl Outcome {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Applied => "applied",
            Self::Declined => "declined",
            Self::OtherMachine => "other machine",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "failed: {error}"),
            other => f.write_str(other.name()),
        }
    }
}

/// Makes the changes that mend `findings`, as far as the user wants them. Questions go to `out`, answers come from
/// `answers`; at their end the answer is no.
pub(super) fn all(
    host: &Host,
    findings: &[Finding],
    consent: Consent,
    answers: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for finding in findings {
        for repair in &finding.repairs {
            let outcome = match consent {
                Consent::Withheld => Outcome::Planned,
                Consent::Asked if !is_wanted(finding, repair, answers, out) => Outcome::Declined,
                _ => apply(host, repair),
            };
            attempts.push(Attempt { probe: finding.probe, repair: repair.clone(), outcome });
        }
    }
    attempts
}

fn is_wanted(finding: &Finding, repair: &Repair, answers: &mut dyn BufRead, out: &mut dyn Write) -> bool {
    // Nobody can agree to a question that was not shown.
    let question = write!(out, "{}: {}\n  {repair} [y/N] ", finding.probe, finding.seen);
    if question.and_then(|()| out.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    let read = io::Read::take(answers, LONGEST_ANSWER).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn apply(host: &Host, repair: &Repair) -> Outcome {
    let made = match repair {
        Repair::Write { path, text } => host.write(path, text).map_err(RepairError::Io),
        Repair::Run(..) if !host.is_this_machine() => return Outcome::OtherMachine,
        Repair::Run(program, arguments) => run(program, arguments),
    };
    made.map_or_else(Outcome::Failed, |()| Outcome::Applied)
}

fn run(program: &str, arguments: &[&str]) -> Result<(), RepairError> {
    // What it prints would get between the lines of the report.
    let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(RepairError::Status(status)) }
}

impl Host {
    /// Writes into a file that is there.
    fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).truncate(true).open(self.root().join(path))?;
        file.write_all(text.as_bytes())
    }
}

/// Bytes of an answer that are read.
const LONGEST_ANSWER: u64 = 64;
