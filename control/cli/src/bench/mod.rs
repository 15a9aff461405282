//! `wirewarden bench`: what a packet costs on this machine, step by step, without a network card.
//!
//! The packets are made, lie in memory, and go through everything that a worker does with them.

mod crypto;
mod report;
mod testpmd;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use shapes::{Bench, BenchError, Figures, Machine, ShapeName, Size};

use crate::check::Format;
use crate::compiled;
use crate::exit::Exit;
use crate::tell;

use report::Report;
use testpmd::Peer;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: Option<What>,

    /// Traffic to measure with; all of them unless some are named
    #[arg(long = "shape", value_enum)]
    shapes: Vec<Traffic>,

    /// Seconds for each traffic, at least: every case runs once, and again until they are over
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    seconds: u64,

    /// Flows that the engine tracks at once
    #[arg(long, value_name = "N", default_value_t = 1 << 20, value_parser = flow_capacity)]
    flow_capacity: usize,

    /// Also let dpdk-testpmd forward between two null devices, where it is installed
    #[arg(long)]
    testpmd: bool,

    /// How to print the figures
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Something else than packets.
#[derive(Debug, Subcommand)]
enum What {
    /// Measure handshakes of tunnels and their cipher, beside classical handshakes
    Crypto(crypto::CryptoArgs),
}

/// Made traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Traffic {
    /// Many protocols, a new flow every ten packets
    Mixed,
    /// 100,000 flows of random bytes in frames of 64 bytes
    RandomUdp,
    /// One SYN each of 100,000 sources
    SynScan,
    /// Long TLS sessions in frames of 1,514 bytes
    BulkTls,
}

impl Traffic {
    const fn shape(self) -> ShapeName {
        match self {
            Self::Mixed => ShapeName::Sample,
            Self::RandomUdp => ShapeName::RandomUdp,
            Self::SynScan => ShapeName::SynScan,
            Self::BulkTls => ShapeName::BulkTls,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            other => other.shape().text(),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  wirewarden bench
  wirewarden bench --shape random-udp --shape bulk-tls --seconds 20
  wirewarden bench --shape mixed --seconds 0 -o json
  sudo wirewarden bench --testpmd
  wirewarden bench crypto

One thread does everything; the clock is its CPU time. Records are written as EVE lines to /dev/null by the same thread,
which in production is another's work.";

/// Measures, and prints the figures.
pub(crate) fn run(args: &BenchArgs) -> Exit {
    if let Some(What::Crypto(args)) = &args.what {
        return crypto::run(args);
    }
    match measure(args) {
        Ok(report) => print(&report, args.output),
        Err(error) => {
            tell::error(&error.to_string());
            Exit::Unreachable
        }
    }
}

fn measure(args: &BenchArgs) -> Result<Report, BenchError> {
    let all = Traffic::value_variants();
    let wanted: &[Traffic] = if args.shapes.is_empty() { all } else { &args.shapes };
    let machine = Machine::describe();
    let bench = setting(args.flow_capacity, Duration::from_secs(args.seconds), machine.tsc_hz)?;
    let mut figures: Vec<(&'static str, Figures)> = Vec::new();
    for traffic in wanted {
        figures.push((traffic.name(), bench.measure(&traffic.shape().load(Size::Small)?)?));
    }
    let peer = args.testpmd.then(|| Peer::measure(PEER_TIME));
    Ok(Report { machine, flow_capacity: args.flow_capacity, figures, peer })
}

/// How to measure for `time` with a table of `flow_capacity` flows.
pub(crate) fn setting(flow_capacity: usize, time: Duration, tsc_hz: f64) -> Result<Bench, BenchError> {
    let (plan, eve) = (Arc::new(compiled::plan(None)?), PathBuf::from("/dev/null"));
    // One round is enough: more of them are runs of their own, whose median counts.
    Ok(Bench { plan, flow_capacity, runs: 1, time, packets: 1, eve, tsc_hz })
}

fn print(report: &Report, format: Format) -> Exit {
    let text = match format {
        Format::Text => report.text(),
        Format::Json => report.json(),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell::error(&format!("cannot write the figures: {error}"));
            Exit::Findings
        }
        // A comparison that was asked for and could not be made is a part.
        _ if report.peer.as_ref().is_some_and(Result::is_err) => Exit::Findings,
        _ => Exit::Success,
    }
}

fn flow_capacity(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1024..=MOST_FLOWS) => Ok(number),
        _ => Err(format!("a number from 1024 to {MOST_FLOWS}")),
    }
}

/// 64 Mi: more do not fit into the memory of most machines.
const MOST_FLOWS: usize = 1 << 26;
/// CPU time of the program that is compared with.
const PEER_TIME: Duration = Duration::from_secs(2);
