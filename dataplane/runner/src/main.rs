//! `wirewarden-dataplane`: the data plane on the ports of a configuration file.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use api::config::LogLevel;
use api::control::Mode;
use clap::Parser;
use runner::{LoadError, Log, RunOptions, RunReport};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// Exit codes, the same in every program of the project.
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

    /// Listen for orders on this Unix socket; only this user and root are heard.
    #[arg(long, value_name = "SOCKET")]
    control: Option<PathBuf>,

    /// Where this file exists, start in safe mode: packets are counted and passed on, and nothing reads them.
    #[arg(long, value_name = "FILE")]
    safe_mode_file: Option<PathBuf>,
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
    #[cfg(feature = "xdp")]
    let config = match (args.on_kernel, runner::on_kernel(&config)) {
        (false, _) => config,
        (true, Some(config)) => config,
        (true, None) => {
            return fail(
                USAGE,
                &"nothing takes the place of these ports: `boot.failover` is off, or a port has no interface",
            );
        }
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
    let options = RunOptions { control: args.control, mode, reopen: signals.reopen, log: log.clone() };
    match runner::run(&config, &options, &signals.stop, &tell) {
        Ok(report) => summarise(&report),
        Err(error) if error.is_configuration() => fail(USAGE, &error),
        Err(error) => fail(UNREACHABLE, &error),
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

/// Tells what became of every packet.
fn summarise(report: &RunReport) -> ExitCode {
    let mut out = io::stderr().lock();
    let _ = write_summary(report, &mut out);
    if report.errors.is_empty() && report.is_conserved() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDINGS)
    }
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
