//! `wirewarden signatures test`: what a set of signatures is worth, and what it costs.

mod benign;
mod verdict;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, Subcommand, ValueHint};
use engine::Plan;
use engine::detectors::signatures::{self as set, Benign, Label, Report, SignatureSet, Trial};

use crate::exit::Exit;
use crate::look::Look;
use crate::tell;

use verdict::Verdict;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  wirewarden signatures test ./signatures")]
pub(crate) struct SignaturesArgs {
    #[command(subcommand)]
    command: SignaturesCommand,
}

#[derive(Debug, Subcommand)]
enum SignaturesCommand {
    /// Try signatures on their own samples, on everyone else's, on random bytes and on everyday traffic
    Test(TestArgs),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct TestArgs {
    /// A folder of `<family>/<id>.toml`, tried together with the signatures built in; those alone without it
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: Option<PathBuf>,

    /// Everyday traffic of your own, beside what the program makes up: a capture without the protocols under test
    #[arg(long, value_name = "CAPTURE", value_hint = ValueHint::FilePath)]
    benign: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Signatures in the list of what costs most
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden signatures test ./signatures
  wirewarden signatures test ./signatures --benign office.pcapng
  wirewarden signatures test --json | jq '.signatures | max_by(.ns_per_payload)'

Ends with 1 where something was found: a file that is wrong, a pattern that would slow all scans down, a sample that is
not told right or that two protocols claim, a signature without a sample, one that takes everyday traffic for its
protocol, or one that costs twenty times as much as the others.";

/// Runs the test.
pub(crate) fn run(args: &SignaturesArgs, no_color: bool) -> Exit {
    let SignaturesCommand::Test(args) = &args.command;
    match test(args, no_color) {
        Ok(exit) => exit,
        Err((text, exit)) => {
            tell::error(&text);
            exit
        }
    }
}

fn test(args: &TestArgs, no_color: bool) -> Result<Exit, (String, Exit)> {
    let (own, set) = compiled(args)?;
    let mut benign = benign::made_up();
    for capture in &args.benign {
        benign::of_capture(capture, &mut benign).map_err(|text| (text, Exit::Usage))?;
    }
    let is_own = |label: &Label| own.is_empty() || own.contains(&label.file);
    let report = measured(&set, &is_own, &benign)?;
    let verdict = Verdict::new(&set, &report, &is_own);
    let look = Look::of(&io::stdout(), no_color);
    let page = if args.json { verdict.json() } else { verdict.text(&look, args.top) };
    match io::stdout().lock().write_all(page.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((format!("cannot write the report: {error}"), Exit::Findings))
        }
        _ if verdict.is_clean() => Ok(Exit::Success),
        _ => Ok(Exit::Findings),
    }
}

/// The files of the folder, and the set with them. An error is everything that is wrong.
fn compiled(args: &TestArgs) -> Result<(Vec<String>, SignatureSet), (String, Exit)> {
    let findings = |errors: set::SignatureErrors| (errors.to_string(), Exit::Findings);
    let Some(folder) = &args.folder else {
        return Ok((Vec::new(), SignatureSet::builtin().map_err(findings)?));
    };
    if !folder.is_dir() {
        return Err((format!("{}: is no folder", folder.display()), Exit::Usage));
    }
    let files = set::files_of(folder).map_err(|errors| (errors.to_string(), Exit::Usage))?;
    let own: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    if own.is_empty() {
        return Err((format!("{}: holds no .toml files", folder.display()), Exit::Usage));
    }
    // What lies beside the signatures is checked with them.
    let all = set::builtin_files_and(folder).map_err(findings)?;
    Plan::from_files(&all).map_err(findings)?;
    Ok((own, SignatureSet::from_files(&all).map_err(findings)?))
}

fn measured(
    set: &SignatureSet,
    wanted: &dyn Fn(&Label) -> bool,
    benign: &[Benign],
) -> Result<Report, (String, Exit)> {
    let start = Instant::now();
    let mut clock = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    Report::of(set, &Trial { wanted, benign }, &mut clock)
        .map_err(|error| (error.to_string(), Exit::Unreachable))
}
