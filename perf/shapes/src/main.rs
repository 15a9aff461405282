//! `bench-shapes`: the figures that documents tell.

#![forbid(unsafe_code)]

mod invented;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use engine::Plan;
use engine::detectors::signatures::{self, SignatureFile};
use shapes::{Bench, BenchError, Case, Figures, Machine, Report, ShapeError, ShapeName, Size, row};

/// Measures the engine on traffic of several shapes, one core, CPU time.
#[derive(Debug, Parser)]
struct Arguments {
    /// Shapes to measure; all of them unless some are named
    #[arg(long = "shape", value_enum)]
    shapes: Vec<ShapeName>,
    /// Times each case is run; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Least packets of a run (rounded up to whole rounds of the shape)
    #[arg(long, default_value_t = 1_000_000)]
    packets: u64,
    /// Flows the engine tracks at once
    #[arg(long, default_value_t = 1 << 20)]
    flow_capacity: usize,
    /// Signatures loaded at least: what the program does not carry is invented
    #[arg(long, default_value_t = 0)]
    signatures: u32,
    /// Where EVE lines go: a file in memory (/dev/shm) or nowhere
    #[arg(long, default_value = "/dev/null")]
    eve: PathBuf,
    /// Also writes the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Date to note in the JSON, instead of the clock's
    #[arg(long)]
    date: Option<String>,
    /// Runs this case alone, for a profiler, and prints its cycles per packet
    #[arg(long, value_enum)]
    profile: Option<Case>,
    /// Writes the packets of each shape as a capture file into this folder, and measures nothing
    #[arg(long)]
    captures: Option<PathBuf>,
}

fn main() -> ExitCode {
    mem_sys::restart_with_huge_heap();
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("bench-shapes: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let names: &[ShapeName] = if arguments.shapes.is_empty() { &ShapeName::ALL } else { &arguments.shapes };
    if let Some(folder) = &arguments.captures {
        return write_captures(names, folder);
    }
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        complain(format_args!(
            "RUST_BACKTRACE is set: unset it, or errors cost what they do not in production"
        ));
    }
    let machine = Machine::describe();
    let bench = Bench {
        plan: Arc::new(Plan::from_files(&signature_files(arguments.signatures))?),
        flow_capacity: arguments.flow_capacity,
        runs: arguments.runs,
        time: Duration::ZERO,
        packets: arguments.packets,
        eve: arguments.eve.clone(),
        tsc_hz: machine.tsc_hz,
    };
    if let Some(case) = arguments.profile {
        return profile(names, case, &bench);
    }
    let date = arguments.date.clone().unwrap_or_else(|| jiff::Timestamp::now().to_string());
    let mut report = Report::new(date, machine, &bench);
    say(&report.heading());
    for &name in names {
        let shape = match name.load(Size::Full) {
            Err(error) if error.is_absence() => {
                skip(name, &error);
                continue;
            }
            other => other?,
        };
        let figures: Figures = bench.measure(&shape)?;
        say(&row(&figures));
        report.shapes.push(figures);
    }
    say(&report.steps());
    if let Some(path) = &arguments.json {
        let wrong = |source| BenchError::Write { what: path.display().to_string(), source };
        let text = serde_json::to_string_pretty(&report).map_err(|error| wrong(error.into()))?;
        std::fs::write(path, text + "\n").map_err(wrong)?;
    }
    Ok(())
}

/// What the program carries, and as many invented signatures as make up `wanted`.
fn signature_files(wanted: u32) -> Vec<SignatureFile> {
    let mut files = signatures::builtin_files();
    let own = files.iter().map(|file| file.text.matches("[[signature]]").count()).sum::<usize>();
    let missing = wanted.saturating_sub(u32::try_from(own).unwrap_or(u32::MAX));
    files.extend(invented::signatures(missing));
    files
}

fn profile(names: &[ShapeName], case: Case, bench: &Bench) -> Result<(), BenchError> {
    for &name in names {
        let series = bench.profile(&name.load(Size::Full)?, case)?;
        say(&format!(
            "{}: {:.1} cycles/packet, best {:.1}\n",
            name.text(),
            series.cycles,
            series.best_cycles
        ));
    }
    Ok(())
}

fn write_captures(names: &[ShapeName], folder: &Path) -> Result<(), BenchError> {
    for &name in names {
        let shape = match name.load(Size::Full) {
            Err(error) if error.is_absence() => {
                skip(name, &error);
                continue;
            }
            other => other?,
        };
        let path = folder.join(format!("{}.pcap", shape.name));
        let wrong = |source| BenchError::Write { what: path.display().to_string(), source };
        let written = shape.write_capture(&path).map_err(wrong)?;
        say(&format!("{} {written} {}\n", shape.name, path.display()));
    }
    Ok(())
}

fn skip(name: ShapeName, error: &ShapeError) {
    complain(format_args!("SKIPPED: {}: {error}", name.text()));
}

fn say(text: &str) {
    // There is nobody to tell where standard output is closed.
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn complain(message: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{message}");
}
