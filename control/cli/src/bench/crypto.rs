//! `wirewarden bench crypto`: what handshakes and sealing cost on this machine, each beside what it is measured against.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::Args;
use exchange::measure::{Cost, MeasureError, handshakes};
use exchange::primitive::Backend;
use exchange::selftest::{SelfTestError, prove};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tunnel::{Aad, Aead, Aes256Gcm, AwsLc, Nonce, TAG};

use crate::check::Format;
use crate::exit::Exit;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden bench crypto
  wirewarden bench crypto --rounds 401 --library aws-lc -o json

Handshakes are mutual and both ends run on this thread; the clock is its CPU time, and medians count. The ratio is to
X25519 with ECDSA P-256 in the same run. Sealing is AES-256-GCM alone, of packets that lie in the first-level cache; what a
whole ESP packet costs is measured by `bench-esp`.")]
pub(crate) struct CryptoArgs {
    /// Handshakes of each kind
    #[arg(long, value_name = "N", default_value_t = 101, value_parser = clap::value_parser!(u16).range(2..=10_000))]
    rounds: u16,

    /// Only this library: liboqs or aws-lc
    #[arg(long, value_name = "NAME")]
    library: Option<Backend>,

    /// How to print the figures
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Measures, and prints the figures.
pub(crate) fn run(args: &CryptoArgs) -> Exit {
    let report = match measure(args) {
        Ok(report) => report,
        Err(error) => {
            tell::error(&error.to_string());
            return Exit::Findings;
        }
    };
    let text = match args.output {
        Format::Text => report.text(),
        Format::Json => report.json(),
    };
    // A reader that went away has seen enough.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Exit::Success
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum NoFigures {
    #[error(transparent)]
    SelfTest(#[from] SelfTestError),
    #[error(transparent)]
    Handshake(#[from] MeasureError),
    #[error("this machine cannot run AES-256-GCM")]
    NoCipher,
}

/// Everything that was measured.
struct Report {
    costs: Vec<Cost>,
    sealing: Vec<Sealing>,
    engine: &'static str,
}

/// What sealing and opening packets of one size cost.
struct Sealing {
    bytes: usize,
    /// Nanoseconds: the engine that tunnels use here, then AWS-LC.
    seal: [f64; 2],
    open: [f64; 2],
}

fn measure(args: &CryptoArgs) -> Result<Report, NoFigures> {
    let proven = prove()?;
    let backends = args.library.map_or_else(|| Backend::ALL.to_vec(), |library| vec![library]);
    let costs = handshakes(proven, &backends, usize::from(args.rounds))?;
    let used = Aes256Gcm::expand(&KEY).ok_or(NoFigures::NoCipher)?;
    let other = AwsLc::expand(&KEY).ok_or(NoFigures::NoCipher)?;
    let sealing = SIZES.map(|bytes| {
        let (one, two) = alternately(|| cost_of(&used, bytes), || cost_of(&other, bytes));
        Sealing { bytes, seal: [one.0, two.0], open: [one.1, two.1] }
    });
    Ok(Report { costs, sealing: sealing.into(), engine: used.name() })
}

/// The least of several rounds of each, taking turns.
fn alternately(
    mut one: impl FnMut() -> (f64, f64),
    mut two: impl FnMut() -> (f64, f64),
) -> ((f64, f64), (f64, f64)) {
    let least = |kept: (f64, f64), new: (f64, f64)| (kept.0.min(new.0), kept.1.min(new.1));
    let none = (f64::INFINITY, f64::INFINITY);
    (0..ROUNDS).fold((none, none), |(kept_one, kept_two), _| (least(kept_one, one()), least(kept_two, two())))
}

/// Nanoseconds of sealing and of opening one packet.
fn cost_of(engine: &impl Aead, bytes: usize) -> (f64, f64) {
    let mut packet = vec![0x5A; bytes + TAG];
    let (mut sealing, mut opening) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..TURNS {
        let nonce = |packet: u64| Nonce::new(*b"salt", (turn * PACKETS + packet).to_be_bytes());
        let began = cpu();
        for number in 0..PACKETS {
            let sealed = engine.seal(nonce(number), Aad::extended(256, number), &mut packet);
            black_box(sealed).unwrap_or_default();
        }
        sealing += cpu().saturating_sub(began);
        // The last one is opened again and again: each time it is what it was, sealed anew outside the clock.
        for _ in 0..PACKETS / 16 {
            let _ = engine.seal(nonce(0), Aad::extended(256, 0), &mut packet);
            let began = cpu();
            let _ = black_box(engine.open(nonce(0), Aad::extended(256, 0), &mut packet));
            opening += cpu().saturating_sub(began);
        }
    }
    let each = |time: Duration, count: u64| time.as_secs_f64() * 1e9 / count.max(1) as f64;
    let clock = clock_cost();
    (each(sealing, TURNS * PACKETS), (each(opening, TURNS * (PACKETS / 16)) - clock).max(0.0))
}

/// Nanoseconds of reading the clock.
fn clock_cost() -> f64 {
    let began = cpu();
    for _ in 0..PACKETS {
        black_box(cpu());
    }
    cpu().saturating_sub(began).as_secs_f64() * 1e9 / PACKETS as f64
}

fn cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

impl Report {
    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "{:<38} {:<7} {:>9} {:>9} {:>7} {:>13}",
            "handshake, mutual", "library", "client us", "server us", "bytes", "ratio"
        )?;
        for cost in &self.costs {
            let name = format!("{}{}", cost.name, if cost.resumed { ", resumed" } else { "" });
            let (client, server) = self.ratios(cost);
            writeln!(
                out,
                "{name:<38} {:<7} {:>9.0} {:>9.0} {:>7} {client:>6.2} {server:>6.2}",
                cost.backend.map_or("aws-lc", Backend::name),
                cost.client.as_secs_f64() * 1e6,
                cost.server.as_secs_f64() * 1e6,
                cost.bytes
            )?;
        }
        writeln!(
            out,
            "\n{:<38} {:>9} {:>9} {:>9} {:>9} {:>7}",
            format!("AES-256-GCM by {}", self.engine),
            "seal ns",
            "Gbit/s",
            "open ns",
            "Gbit/s",
            "ratio"
        )?;
        for one in &self.sealing {
            let ([seal, other], [open, _]) = (one.seal, one.open);
            writeln!(
                out,
                "{:<38} {seal:>9.1} {:>9.2} {open:>9.1} {:>9.2} {:>7.2}",
                format!("{} bytes", one.bytes),
                gbit(one.bytes, seal),
                gbit(one.bytes, open),
                other / seal
            )?;
        }
        writeln!(
            out,
            "\nratio of handshakes: client and server against the first line; of sealing: AWS-LC's time against it"
        )?;
        if cfg!(debug_assertions) {
            writeln!(
                out,
                "This program was built without optimisation: the figures say nothing of a release."
            )?;
        }
        Ok(())
    }

    /// Of the client and of the server, against the classical handshake.
    fn ratios(&self, cost: &Cost) -> (f64, f64) {
        let Some(base) = self.costs.first() else { return (1.0, 1.0) };
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64().max(1e-9);
        (ratio(cost.client, base.client), ratio(cost.server, base.server))
    }

    fn json(&self) -> String {
        let handshakes: Vec<Value> = self
            .costs
            .iter()
            .map(|cost| {
                let (client, server) = self.ratios(cost);
                json!({
                    "handshake": cost.name,
                    "library": cost.backend.map(Backend::name),
                    "resumed": cost.resumed,
                    "client_us": cost.client.as_secs_f64() * 1e6,
                    "server_us": cost.server.as_secs_f64() * 1e6,
                    "bytes": cost.bytes,
                    "client_ratio": client,
                    "server_ratio": server,
                })
            })
            .collect();
        let sealing: Vec<Value> = self
            .sealing
            .iter()
            .map(|one| {
                let ([seal, other], [open, _]) = (one.seal, one.open);
                json!({
                    "bytes": one.bytes,
                    "seal_ns": seal,
                    "open_ns": open,
                    "seal_gbit_per_second": gbit(one.bytes, seal),
                    "open_gbit_per_second": gbit(one.bytes, open),
                    "aws_lc_ratio": other / seal,
                })
            })
            .collect();
        let all = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "optimised": !cfg!(debug_assertions),
            "handshakes": handshakes,
            "cipher": "AES-256-GCM",
            "engine": self.engine,
            "sealing": sealing,
        });
        format!("{all:#}\n")
    }
}

fn gbit(bytes: usize, ns: f64) -> f64 {
    bytes as f64 * 8.0 / ns
}

/// Of packets: the smallest frame, a small one, a full one, a jumbo.
const SIZES: [usize; 4] = [64, 256, 1400, 8192];
const ROUNDS: usize = 7;
const TURNS: u64 = 4;
const PACKETS: u64 = 1024;
/// Nothing is kept secret with it.
const KEY: [u8; 32] = [0x42; 32];
