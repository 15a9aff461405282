//! What a tunnel costs a packet on one core (and on several at once): headers, cipher, replay window and counters, with
//! packets from a pool of 2,048 buffers, beside boringtun (WireGuard in user space) in the same run. `perf/README.md` says
//! what it means.

#![forbid(unsafe_code)]

mod contender;
mod figures;
mod latency;
mod pool;
mod scaling;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::contender::ContenderError;
use crate::figures::{Figures, Row, Scaling};
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
    /// Also seals and opens on so many cores at once, and tells how many times one core they do
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=64))]
    cores: Option<u16>,
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
        let mut figures = Figures::new(size, hz, &names, &samples);
        for row in &figures.rows {
            say(&row.text(size));
        }
        #[cfg(target_arch = "x86_64")]
        figures.latency.extend(latency::of::<tunnel::IpsecMb>("ipsec-mb", size, hz)?);
        figures.latency.extend(latency::of::<tunnel::AwsLc>("aws-lc-rs", size, hz)?);
        for one in &figures.latency {
            say(&format!("{size:>5}  {} alone: {:.0} ns, P99 {:.0} ns", one.name, one.p50_ns, one.p99_ns));
        }
        for name in names.into_iter().filter(|name| is_ours(name)) {
            let Some(cores) = arguments.cores else { break };
            if let Some(ratio) = scaling::times_one((name, size), usize::from(cores), TURNS)? {
                say(&format!("{size:>5}  {name} on {cores} cores: {ratio:.2} times one"));
                figures.scaling.push(Scaling { name: name.to_owned(), cores, ratio });
            }
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

/// Whether a contender is a tunnel of this project.
fn is_ours(name: &str) -> bool {
    (name.starts_with("seal ") || name.starts_with("open ")) && !name.ends_with("boringtun")
}

/// Turns of one core and of several, of which the median counts.
const TURNS: u16 = 15;

fn say(text: &str) {
    // There is nobody to tell where standard output is closed.
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
