//! `wirewarden inspect`: capture files through the engine to records and a summary.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::filter::Filter;
use engine::record::Body;
use engine::{Names, Plan, RecordBatch};
use export::eve::{EveExporter, EveOptions, Zone};
use export::{ExportError, Exporter, OpenMode, Selection, Sink};
use packet_io::replay::{Progress, ReplayError};
use runner::inspect::Observer;
use runner::{InspectOptions, InspectReport};

use crate::args::InspectArgs;
use crate::exit::Exit;
use crate::look::Look;
use crate::progress::Bar;
use crate::stop::Stop;
use crate::summary::{Report, RunFacts, Summary, write_json, write_text};
use crate::tell;

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
    let options = InspectOptions { workers: args.workers, ..InspectOptions::new(args.files.clone()) };
    let started = Instant::now();
    let stop = inspection.stop.clone();
    let done = runner::inspect(options, &plan, stop.flag(), &mut inspection);
    inspection.bar.clear();
    let ended = match done {
        Ok(ended) => ended,
        Err(error) => {
            tell::error(&error.to_string());
            return Exit::Usage;
        }
    };
    inspection.finish(&ended);
    for error in &ended.errors {
        tell::error(&error.to_string());
    }
    let exit = judge(&ended, inspection.partial);
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
        let plan = Plan::builtin().map_err(|error| (error.to_string(), Exit::Unreachable))?;
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
        let inspection = Inspection {
            selection: filter.clone().map(|filter| Selection::new(filter, Selection::USUAL_LIMIT)),
            eve,
            summary: Summary::new(),
            bar: Bar::new(!args.quiet),
            flows_seen: 0,
            partial: false,
            stop,
        };
        Ok(Self { plan: Arc::new(plan), filter, inspection })
    }
}

/// How it went: nothing could be read, a part could, or all.
fn judge(ended: &InspectReport, partial: bool) -> Exit {
    let nothing_read = ended.counter("packets.received") == 0 && !ended.errors.is_empty();
    if nothing_read && ended.errors.iter().all(is_unusable) {
        return Exit::Usage;
    }
    let partial = partial || ended.interrupted || !ended.errors.is_empty();
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
        eve: inspection.eve.as_ref().map(|eve| (eve.tally().lines, eve.tally().lost_lines)),
        counters: ended.counters,
    };
    (facts, ended.names)
}

/// Takes records while they come.
#[derive(Debug)]
struct Inspection {
    selection: Option<Selection>,
    eve: Option<EveExporter>,
    summary: Summary,
    bar: Bar,
    /// Before the filter.
    flows_seen: u64,
    /// Records could not be written.
    partial: bool,
    stop: Stop,
}

impl Inspection {
    /// The end: what the filter still holds, the counters, and what is buffered.
    fn finish(&mut self, ended: &InspectReport) {
        if let Some(selection) = &mut self.selection {
            take(selection.finish(), &ended.names, &mut self.summary, self.eve.as_mut())
                .unwrap_or_else(|error| failed(&error, &mut self.partial, &self.stop));
        }
        let Some(eve) = &mut self.eve else { return };
        let counters: Vec<(&str, u64)> =
            ended.counters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let written = eve.stats(self.summary.last_ns(), &counters).and(eve.flush());
        written.unwrap_or_else(|error| failed(&error, &mut self.partial, &self.stop));
        self.partial |= eve.tally().errors > 0;
    }
}

impl Observer for Inspection {
    fn records(&mut self, batch: &RecordBatch, names: &Names) {
        let flows = batch.records().iter().filter(|record| matches!(record.body, Body::Flow(_))).count();
        self.flows_seen += flows as u64;
        let chosen = match &mut self.selection {
            Some(selection) => selection.choose(batch),
            None => batch,
        };
        take(chosen, names, &mut self.summary, self.eve.as_mut())
            .unwrap_or_else(|error| failed(&error, &mut self.partial, &self.stop));
    }

    fn progress(&mut self, progress: Progress) {
        self.bar.show(progress);
    }
}

fn take(
    batch: &RecordBatch,
    names: &Names,
    summary: &mut Summary,
    eve: Option<&mut EveExporter>,
) -> Result<(), ExportError> {
    summary.add(batch);
    eve.map_or(Ok(()), |eve| eve.export(batch, names))
}

/// A reader that went away has what it wanted; anything else is told once, when it starts.
fn failed(error: &ExportError, partial: &mut bool, stop: &Stop) {
    if matches!(error, ExportError::ReaderGone) {
        stop.request();
        return;
    }
    *partial = true;
    tell::error(&error.to_string());
}

/// Opens the destination of EVE records; an error is a sentence for the user.
fn open_eve(path: &Path, args: &InspectArgs) -> Result<EveExporter, String> {
    let sink = if path == Path::new("-") {
        Sink::stdout()
    } else {
        if let Some(file) = args.files.iter().find(|file| is_same_file(file, path)) {
            return Err(format!("--eve {}: would overwrite the capture {}", path.display(), file.display()));
        }
        Sink::file(path, OpenMode::Truncate)
    };
    let zone = if args.local_time { Zone::Local } else { Zone::Utc };
    let options = EveOptions { zone, community_id: Some(args.community_id_seed) };
    Ok(EveExporter::new(sink.map_err(|error| error.to_string())?, &options))
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
