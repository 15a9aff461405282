//! What a tunnel costs a packet on one core: headers, cipher, replay window and counters, with packets from a pool of
//! 2,048 buffers, beside boringtun (WireGuard in user space) in the same run. `perf/README.md` says what it means.

#![forbid(unsafe_code)]

mod contender;
mod figures;
mod pool;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::contender::ContenderError;
use crate::figures::{Figures, Row};
use crate::pool::Pool;

/// Measures sealing and opening, one core, alternating with boringtun.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds of each contender; medians of them and of their ratios count
    #[arg(long, default_value_t = 101, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Bytes of the inner packets
    #[arg(long = "size", default_values_t = [64, 256, 1400])]
    sizes: Vec<usize>,
    /// Also writes the figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// A contender did not do its work.
    #[error(transparent)]
    Contender(#[from] ContenderError),
    /// Figures could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Where to.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench-esp: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let hz = figures::tsc_hz();
    let mut all = Vec::new();
    let mut pool = Pool::new();
    say(Row::heading());
    for &size in &arguments.sizes {
        let mut contenders = contender::all(size)?;
        let mut samples: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
        // One round more than is counted: the first one warms caches up.
        for round in 0..=arguments.rounds {
            for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
                let cycles = contender.round(&mut pool)?;
                if round > 0 {
                    samples.push(cycles);
                }
            }
        }
        let names: Vec<_> = contenders.iter().map(|contender| contender.name()).collect();
        let figures = Figures::new(size, hz, &names, &samples);
        for row in &figures.rows {
            say(&row.text(size));
        }
        all.push(figures);
    }
    if let Some(path) = &arguments.json {
        let wrong = |source| BenchError::Write { path: path.clone(), source };
        let text = serde_json::to_string_pretty(&all).map_err(|error| wrong(error.into()))?;
        std::fs::write(path, text + "\n").map_err(wrong)?;
    }
    Ok(())
}

fn say(text: &str) {
    // There is nobody to tell where standard output is closed.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
