//! `wirewarden-dataplane`: the data plane on the ports of a configuration file.

#![forbid(unsafe_code)]

mod confined;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use api::config::LogLevel;
use api::control::{LastWords, Loss, Mode};
use clap::Parser;
use runner::{LoadError, Log, RunError, RunOptions, RunReport};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit codes, the same in every program of the project.
const SUCCESS: u8 = 0;
const FINDINGS: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

/// Runs the packet pipeline on the ports of a configuration, until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "wirewarden-dataplane", version, after_help = EXAMPLES)]
struct Args {
    /// Configuration file (TOML); see `wirewarden check`.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,

    /// Take the kernel's interfaces of the ports at once: for one that starts in the place of another that died with DPDK.
    #[cfg(feature = "xdp")]
    #[arg(long)]
    on_kernel: bool,

    /// Where this file exists, do as with --on-kernel; one that loses a port writes it.
    #[cfg(feature = "xdp")]
    #[arg(long, value_name = "FILE")]
    on_kernel_file: Option<PathBuf>,

    /// Listen for orders on this Unix socket; only this user and root are heard.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,

    /// Where this file exists, start in safe mode: packets are counted and passed on, and nothing reads them.
    #[arg(long, value_name = "FILE")]
    safe_mode_file: Option<PathBuf>,

    /// Keep compiled signatures in this folder, so that the next start need not compile them.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,

    /// Files may be written below this folder, too: for outputs that a live change adds.
    #[arg(long, value_name = "DIR")]
    writable: Vec<PathBuf>,

    /// Give nothing up: no Landlock, no seccomp, every capability kept. The reason is logged and shown in the status.
    #[arg(long, value_name = "REASON")]
    unconfined: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  wirewarden-dataplane -c tap.toml      listen on the ports of tap.toml
  wirewarden-dataplane -c tap.toml --control /run/wirewarden/dataplane.sock

SIGHUP opens the files of the outputs anew, for those who move them (logrotate). SIGTERM and SIGINT end it in order.

Exit codes: 0 ok, 1 partial (an output or a file failed), 2 configuration, 3 a device cannot be reached.";

fn main() -> ExitCode {
    runner::restart_with_huge_heap();
    let args = Args::parse();
    let config = match runner::load(&args.config) {
        Ok(config) => config,
        Err(LoadError::Config(errors)) => return fail(USAGE, &errors),
        Err(error) => return fail(UNREACHABLE, &error),
    };
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(UNREACHABLE, &error),
    };
    let log = Log::default();
    log.set_level(config.live.log.level);
    let tell = |what: &str| log.tell(LogLevel::Info, what);
    let is_safe = args.safe_mode_file.as_ref().is_some_and(|file| file.exists());
    if is_safe {
        log.tell(LogLevel::Warn, "safe mode: packets are counted and passed on, and nothing reads them");
    }
    let mode = if is_safe { Mode::Safe } else { Mode::Normal };
    let (confinement, privileges) = confined::enter(&args, &config);
    tell(&format!("confinement: {confinement}"));
    let on_kernel = on_kernel(&args, &config, &tell);
    let options = RunOptions {
        control: args.control.clone(),
        mode,
        cache: args.cache.clone(),
        on_kernel,
        confinement,
        privileges,
        reopen: signals.reopen,
        log: log.clone(),
    };
    let (code, told) = match runner::run(&config, &options, &signals.stop, &tell) {
        Ok(report) => (summarise(&report), Ok(())),
        Err(error) if error.is_configuration() => (USAGE, Err(error)),
        Err(error) => (UNREACHABLE, Err(error)),
    };
    if let Err(error) = &told {
        log.tell(LogLevel::Error, &error.to_string());
    }
    leave_word(&args, code, told.err());
    ExitCode::from(code)
}

/// What was lost, where this one is to start on the kernel's interfaces.
#[cfg(feature = "xdp")]
fn on_kernel(args: &Args, config: &api::Config, tell: &dyn Fn(&str)) -> Option<Loss> {
    let found = args.on_kernel_file.as_deref().and_then(Loss::at);
    if found.is_some() && !args.on_kernel && config.on_kernel().is_none() {
        tell("nothing takes the place of these ports any more: starting as the configuration says");
        return None;
    }
    let told = args.on_kernel.then(|| Loss { why: "told so".to_owned(), ..Loss::default() });
    found.or(told)
}

#[cfg(not(feature = "xdp"))]
const fn on_kernel(_: &Args, _: &api::Config, _: &dyn Fn(&str)) -> Option<Loss> {
    None
}

/// Tells whoever starts the next one why this one ended: nobody but its parent sees the exit code.
fn leave_word(args: &Args, code: u8, error: Option<RunError>) {
    #[cfg(all(feature = "dpdk", feature = "xdp"))]
    let lost = match &error {
        Some(RunError::PortLost(loss)) => Some(loss.clone()),
        _ => None,
    };
    #[cfg(not(all(feature = "dpdk", feature = "xdp")))]
    let lost: Option<Loss> = None;
    #[cfg(feature = "xdp")]
    if let (Some(loss), Some(file)) = (&lost, &args.on_kernel_file) {
        // Where it cannot be written, DPDK is tried again.
        let _ = loss.leave(file);
    }
    if let Some(socket) = &args.control {
        let why = error.map_or_else(|| "it ended in order".to_owned(), |error| error.to_string());
        // Where it cannot be written, this end counts as a crash.
        let _ = LastWords { pid: std::process::id(), code, why, lost }.leave(socket);
    }
}

/// What signals ask for.
struct Signals {
    stop: Arc<AtomicBool>,
    /// Files were moved: open them anew.
    reopen: Arc<AtomicBool>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let signals = Self { stop: Arc::default(), reopen: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            // A second signal while the first is being obeyed ends the process at once.
            flag::register_conditional_shutdown(signal, i32::from(FINDINGS), Arc::clone(&signals.stop))?;
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        Ok(signals)
    }
}

fn fail(code: u8, error: &dyn core::fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "wirewarden-dataplane: {error}");
    ExitCode::from(code)
}

/// Tells what became of every packet; the exit code.
fn summarise(report: &RunReport) -> u8 {
    let mut out = io::stderr().lock();
    let _ = write_summary(report, &mut out);
    if report.errors.is_empty() && report.is_conserved() { SUCCESS } else { FINDINGS }
}

fn write_summary(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    for (name, stats) in &report.ports {
        writeln!(
            out,
            "port {name}: rx {} packets, {} bytes, {} missed, {} errors, {} without buffer; tx {} packets, {} errors",
            stats.rx_packets,
            stats.rx_bytes,
            stats.rx_missed,
            stats.rx_errors,
            stats.rx_no_buffer,
            stats.tx_packets,
            stats.tx_errors
        )?;
    }
    for (name, count) in report.xdp.iter().filter(|(_, count)| *count > 0) {
        writeln!(out, "{name} {count}")?;
    }
    let drops: Vec<_> = report.drops().filter(|(_, count)| *count > 0).collect();
    let dropped: u64 = drops.iter().map(|(_, count)| count).sum();
    // Packets that were looked into and dropped after all are told as dropped.
    let processed =
        report.counter("packets.processed").saturating_sub(report.counter("packets.dropped_later"));
    let consumed = match report.counter("packets.consumed") {
        0 => String::new(),
        count => format!(" + consumed {count}"),
    };
    writeln!(
        out,
        "received {} = processed {processed}{consumed} + dropped {dropped}{}",
        report.polled,
        if report.is_conserved() { "" } else { "  (DOES NOT ADD UP: please report this)" }
    )?;
    for (reason, count) in drops {
        writeln!(out, "  dropped {count}: {reason}")?;
    }
    if report.forwarded + report.not_forwarded > 0 {
        writeln!(out, "forwarded {}, not taken by the port {}", report.forwarded, report.not_forwarded)?;
    }
    writeln!(
        out,
        "flows {}, classified {}, evicted {}; records lost {}",
        report.counter("flow.created"),
        report.counter("flow.classified"),
        report.counter("flow.ended.evicted"),
        report.records_lost
    )?;
    for error in &report.errors {
        writeln!(out, "error: {error}")?;
    }
    Ok(())
}
