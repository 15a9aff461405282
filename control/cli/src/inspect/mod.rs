//! `wirewarden inspect`: capture files through the engine to records and a summary.

mod observer;
mod relay;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::filter::Filter;
use engine::{Guesses, Names, Plan};
use export::eve::{EveExporter, EveOptions, Zone};
use export::{OpenMode, Selection, Sink};
use packet_io::replay::{Fault, ReplayError};
use runner::{InspectOptions, InspectReport};

use crate::args::InspectArgs;
use crate::compiled;
use crate::exit::Exit;
use crate::look::Look;
use crate::progress::Bar;
use crate::stop::Stop;
use crate::summary::{Report, RunFacts, Summary, write_json, write_text};
use crate::tell;

use observer::{Eve, EveHealth, Inspection};

/// Reads the files and says what is in them.
pub(crate) fn run(args: &InspectArgs, no_color: bool) -> Exit {
    let prepared = Prepared::new(args);
    let Prepared { plan, filter, mut inspection } = match prepared {
        Ok(prepared) => prepared,
        Err((text, exit)) => {
            tell::error(&text);
            return exit;
        }
    };
    let mut options = InspectOptions { workers: args.workers, ..InspectOptions::new(args.files.clone()) };
    if args.no_guesses {
        options.engine.guesses = Guesses::Off;
    }
    let started = Instant::now();
    let stop = inspection.stop.clone();
    let done = runner::inspect(options, &plan, stop.flag(), &mut inspection);
    inspection.bar.clear();
    let mut ended = match done {
        Ok(ended) => ended,
        Err(error) => {
            tell::error(&error.to_string());
            return Exit::Usage;
        }
    };
    inspection.finish(&ended);
    excuse_interruption(&mut ended, &inspection);
    for error in &ended.errors {
        tell::error(&error.to_string());
    }
    let exit = judge(&ended, inspection.eve_health());
    if !args.quiet && exit != Exit::Usage {
        let (facts, names) = facts(args, filter.as_ref(), &inspection, ended, started.elapsed());
        present(&Report::new(&inspection.summary, &names, facts, args.top), args, no_color);
    }
    exit
}

/// What has to be in order before the first packet is read.
struct Prepared {
    plan: Arc<Plan>,
    filter: Option<Filter>,
    inspection: Inspection,
}

impl Prepared {
    /// An error is a sentence for the user, and how the program then ends.
    fn new(args: &InspectArgs) -> Result<Self, (String, Exit)> {
        let plan = compiled::plan(None).map_err(|error| (error.to_string(), Exit::Unreachable))?;
        let parse = |text: &String| {
            Filter::parse(text, plan.names()).map_err(|error| {
                let pointed = indented(&error.pointed(text));
                (format!("the filter is not understood: {error}\n{pointed}"), Exit::Usage)
            })
        };
        let filter = args.filter.as_ref().map(parse).transpose()?;
        let eve = args.eve.as_deref().map(|path| open_eve(path, args)).transpose();
        let eve = eve.map_err(|text| (text, Exit::Usage))?;
        let stop = Stop::on_signals()
            .map_err(|error| (format!("signals cannot be caught: {error}"), Exit::Unreachable))?;
        if args.files.iter().any(|file| file == Path::new("-")) {
            relay::standard_input(&stop)
                .map_err(|error| (format!("standard input: {error}"), Exit::Unreachable))?;
        }
        let inspection = Inspection {
            selection: filter.clone().map(|filter| Selection::new(filter, Selection::USUAL_LIMIT)),
            eve,
            summary: Summary::new(),
            bar: Bar::new(!args.quiet),
            flows_seen: 0,
            stop,
        };
        Ok(Self { plan: Arc::new(plan), filter, inspection })
    }
}

/// What follows from a stop that was asked for is no error of a file.
fn excuse_interruption(ended: &mut InspectReport, inspection: &Inspection) {
    if inspection.eve_health() == EveHealth::ReaderGone {
        ended.interrupted = false;
    } else if inspection.stop.is_requested() {
        ended.interrupted = true;
        ended
            .errors
            .retain(|error| !matches!(error, ReplayError::Damaged { fault: Fault::Truncated { .. }, .. }));
    }
}

/// How it went: nothing could be read, a part could, or all.
fn judge(ended: &InspectReport, eve: EveHealth) -> Exit {
    let nothing_read = ended.counter("packets.received") == 0 && !ended.errors.is_empty();
    if nothing_read && ended.errors.iter().all(is_unusable) {
        return Exit::Usage;
    }
    let partial = eve == EveHealth::Failed || ended.interrupted || !ended.errors.is_empty();
    if partial { Exit::Findings } else { Exit::Success }
}

/// What the run says beside its records, and the names in these.
fn facts(
    args: &InspectArgs,
    filter: Option<&Filter>,
    inspection: &Inspection,
    ended: InspectReport,
    elapsed: Duration,
) -> (RunFacts, Names) {
    let facts = RunFacts {
        files: args.files.iter().map(|file| file.display().to_string()).collect(),
        filter: filter.map(ToString::to_string),
        flows_seen: inspection.flows_seen,
        unjudged_events: inspection.selection.as_ref().map_or(0, Selection::unjudged_events),
        errors: ended.errors.iter().map(ToString::to_string).collect(),
        interrupted: ended.interrupted,
        elapsed,
        eve: inspection.eve.as_ref().map(Eve::lines),
        counters: ended.counters,
    };
    (facts, ended.names)
}

/// Opens the destination of EVE records; an error is a sentence for the user.
fn open_eve(path: &Path, args: &InspectArgs) -> Result<Eve, String> {
    let sink = if path == Path::new("-") {
        Sink::stdout()
    } else {
        if let Some(file) = args.files.iter().find(|file| is_same_file(file, path)) {
            return Err(format!("--eve {}: would overwrite the capture {}", path.display(), file.display()));
        }
        Sink::file(path, OpenMode::Truncate)
    };
    let zone = if args.local_time { Zone::Local } else { Zone::Utc };
    let options = EveOptions { zone, community_id: Some(args.community_id_seed), ..EveOptions::default() };
    Ok(Eve::new(EveExporter::new(sink.map_err(|error| error.to_string())?, &options)))
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|about| (about.dev(), about.ino()));
    identity(a).is_ok_and(|a| identity(b).is_ok_and(|b| a == b))
}

/// Whether the file gave nothing because it is not a capture at all, or not there.
const fn is_unusable(error: &ReplayError) -> bool {
    matches!(
        error,
        ReplayError::Open { .. }
            | ReplayError::Folder { .. }
            | ReplayError::NotACapture { .. }
            | ReplayError::NoFiles
    )
}

/// Prints the summary: on standard output, unless the records went there.
fn present(report: &Report, args: &InspectArgs, no_color: bool) {
    let eve_on_stdout = args.eve.as_deref() == Some(Path::new("-"));
    let look =
        if eve_on_stdout { Look::of(&io::stderr(), no_color) } else { Look::of(&io::stdout(), no_color) };
    let mut page = Vec::new();
    let written = if args.json {
        write_json(report, &mut page)
    } else {
        write_text(report, &look, args.top, &mut page)
    };
    let shown = written.and_then(|()| {
        if eve_on_stdout {
            io::stderr().lock().write_all(&page)
        } else {
            io::stdout().lock().write_all(&page)
        }
    });
    // Whoever closed the pipe has seen enough.
    if let Err(error) = shown
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        tell::error(&format!("cannot write the summary: {error}"));
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
