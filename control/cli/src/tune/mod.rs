//! `wirewarden tune`: tries on this machine what could be better, and proposes what was.

mod candidates;
mod report;
mod traffic;
mod trial;
mod verdict;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use api::Config;
use api::control::{Apply, Client, Command, CounterSnapshot, Reply};
use clap::{Args, ValueHint};

use crate::check::Format;
use crate::exit::Exit;
use crate::live::Place;
use crate::run::data_plane;
use crate::stop::Stop;
use crate::tell;

use candidates::{Candidate, Host};
use report::{Outcome, Report};
use traffic::Seen;
use trial::{Bench, TrialError};
use verdict::Pairs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden tune
  wirewarden tune -c /etc/wirewarden/wirewarden.toml --seconds 180
  wirewarden tune -c wirewarden.toml --write tuned.toml
  wirewarden tune --apply --confirm 10m

Runs the data plane on packets from memory, with the configuration as it is and with one change after the other, in turns. A
change is proposed only where it was better in pair after pair, by more than two runs of the same configuration differ. What only
a card can show (its queues, its descriptors under bursts) is not proposed: see docs/tuning.md. A data plane that runs meanwhile
takes part of the machine; tune before it starts, or on a quiet one.

Without -c, the running appliance's own traffic is looked at, too: where its flow table has to evict flows, shorter timeouts are
proposed for those that nobody answered, which are live settings.

Exits with 0 where nothing is better, with 1 where something is proposed and was not applied.")]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    place: Place,

    /// Configuration to start from; that of the running appliance without
    #[arg(long, short = 'c', value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Seconds that are measured for, about: every change has its turn, again and again
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,

    /// Write the proposed configuration to a file; one that exists is not written over
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    write: Option<PathBuf>,

    /// Take the proposed configuration into use: the data plane is started anew, its flows are lost
    #[arg(long)]
    apply: bool,

    /// With --apply: take it back unless it is confirmed within this time (`30s`, `10m`, `1h`)
    #[arg(long, value_name = "TIME", requires = "apply", value_parser = crate::live::seconds)]
    confirm: Option<u64>,

    /// How to print what was found
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// One look at a rate.
const WINDOW: Duration = Duration::from_millis(1000);
/// For short ones (tests, impatience): fewer packets, more noise.
const SHORT_WINDOW: Duration = Duration::from_millis(300);

pub(crate) fn run(args: &TuneArgs) -> Exit {
    tune(args).unwrap_or_else(|(exit, why)| {
        tell::error(&why);
        exit
    })
}

type Failed = (Exit, String);

fn tune(args: &TuneArgs) -> Result<Exit, Failed> {
    let unreachable = |error: &dyn std::fmt::Display| (Exit::Unreachable, error.to_string());
    let config = starting_point(args)?;
    let looked = running(args);
    if config.boot.ports.is_empty() {
        return Err((Exit::Usage, "the configuration has no port: there is nothing to tune".to_owned()));
    }
    let program =
        data_plane().ok_or_else(|| unreachable(&"there is no data plane beside this program or in PATH"))?;
    let stop = Stop::on_signals().map_err(|error| unreachable(&error))?;
    let window = if args.seconds < 20 { SHORT_WINDOW } else { WINDOW };
    let bench = Bench::new(program, window).map_err(|error| unreachable(&error))?;
    let found = candidates::all(&config, &Host::read(Path::new("/")));
    let mut report = measure(&bench, &config, &found, (Duration::from_secs(args.seconds), &stop))
        .map_err(|error| unreachable(&error))?;
    let seen = looked.and_then(|before| Seen::between(&before, &running(args)?));
    report.add(&config, seen);
    let text = match args.output {
        Format::Text => report.text(&config),
        Format::Json => report.json(&config),
    };
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err((Exit::Findings, format!("cannot write: {error}")));
    }
    let Some(proposed) = &report.proposed else { return Ok(Exit::Success) };
    if let Some(file) = &args.write {
        write(file, proposed).map_err(|error| (Exit::Unreachable, format!("{}: {error}", file.display())))?;
    }
    if args.apply {
        return apply(args, proposed);
    }
    Ok(Exit::Findings)
}

/// What the running appliance has counted; none where a file is tuned, or nothing runs.
fn running(args: &TuneArgs) -> Option<CounterSnapshot> {
    if args.config.is_some() {
        return None;
    }
    let mut client = Client::connect(&args.place.socket(), Some(Duration::from_secs(10))).ok()?;
    match client.ask(Command::Counters).ok()? {
        Reply::Counters(counters) => Some(counters),
        _ => None,
    }
}

/// The configuration that was named, else the running one.
fn starting_point(args: &TuneArgs) -> Result<Config, Failed> {
    let (text, source) = match &args.config {
        Some(file) => {
            let text = fs::read_to_string(file);
            (
                text.map_err(|error| (Exit::Usage, format!("{}: {error}", file.display())))?,
                file.display().to_string(),
            )
        }
        None => {
            let asked = Client::connect(&args.place.socket(), Some(Duration::from_secs(10)))
                .and_then(|mut client| client.ask(Command::ConfigShow { revision: None }));
            match asked {
                Ok(Reply::Config(shown)) => (shown.text, "running configuration".to_owned()),
                Ok(_) => return Err((Exit::Unreachable, "an answer to something else".to_owned())),
                Err(error) => {
                    return Err((Exit::Unreachable, format!("{error}; name a configuration with -c FILE")));
                }
            }
        }
    };
    Config::from_toml(&text, &source).map_err(|errors| (Exit::Usage, errors.to_string()))
}

/// Gives every candidate its turns until the time is over, then tries those together that were better.
fn measure(
    bench: &Bench,
    config: &Config,
    candidates: &[Candidate],
    (time, stop): (Duration, &Stop),
) -> Result<Report, TrialError> {
    let began = Instant::now();
    // A configuration that does not run at all is told at once, with its reason.
    bench.measure(config)?;
    let mut still = Pairs::default();
    let mut outcomes: Vec<Outcome> = candidates.iter().cloned().map(Outcome::new).collect();
    // A fifth of the time is for trying the best together.
    while began.elapsed() < time.mul_f64(0.8) && !stop.is_requested() {
        still.0.push((bench.measure(config)?, bench.measure(config)?));
        for outcome in &mut outcomes {
            if began.elapsed() >= time.mul_f64(0.8) || stop.is_requested() {
                break;
            }
            outcome.try_once(bench, config);
        }
    }
    let noise = still.noise();
    for outcome in &mut outcomes {
        outcome.judge(noise);
    }
    let mut report =
        Report { noise, base: still.rate(), outcomes, proposed: None, together: None, seen: None };
    report.choose(config);
    let Some(proposed) = report.proposed.clone() else { return Ok(report) };
    let mut together = Pairs::default();
    while together.0.len() < 3 || (began.elapsed() < time && !stop.is_requested()) {
        together.0.push((bench.measure(config)?, bench.measure(&proposed)?));
    }
    report.confirm(together.judge(noise));
    Ok(report)
}

/// Writes a new file.
fn write(file: &Path, config: &Config) -> io::Result<()> {
    let mut open = fs::OpenOptions::new().write(true).create_new(true).open(file)?;
    open.write_all(config.to_toml().as_bytes())
}

fn apply(args: &TuneArgs, config: &Config) -> Result<Exit, Failed> {
    let apply = Apply {
        text: config.to_toml(),
        source: "wirewarden tune".to_owned(),
        confirm_within_s: args.confirm,
        restart: true,
        comment: "wirewarden tune".to_owned(),
    };
    let asked = Client::connect(&args.place.socket(), Some(Duration::from_secs(120)))
        .and_then(|mut client| client.ask(Command::ConfigApply(apply)));
    match asked {
        Ok(Reply::Applied(applied)) => {
            let told = format!("revision {} runs\n", applied.revision);
            let _ = io::stdout().lock().write_all(told.as_bytes());
            Ok(Exit::Success)
        }
        Ok(_) => Err((Exit::Unreachable, "an answer to something else".to_owned())),
        Err(error) => Err((Exit::Unreachable, error.to_string())),
    }
}
