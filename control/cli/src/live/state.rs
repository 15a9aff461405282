//! `wirewarden status`, `restart` and `stop`.

use std::time::Duration;

use api::control::{Command, DataplaneStatus, Health, Mode, Reply, Status, SupervisionState, WorkerState};
use clap::Args;

use super::table::{Side, Table};
use super::{Reach, Talk, Told, exit, odd, print};
use crate::exit::Exit;
use crate::figures;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden status
  wirewarden status -o json | jq .dataplane.workers

Exits with 1 where something is not as it should be.")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    reach: Reach,
}

/// A command that is only said.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wirewarden restart\n  wirewarden stop")]
pub(crate) struct PlainArgs {
    #[command(flatten)]
    reach: Reach,
}

pub(crate) fn status(args: &StatusArgs, no_color: bool) -> Exit {
    exit(show(args, no_color))
}

pub(crate) fn say(args: &PlainArgs, command: Command, no_color: bool) -> Exit {
    let said = || -> Result<Exit, Told> {
        let mut talk = Talk::open(&args.reach, no_color)?;
        talk.ask(command)?;
        print("done\n")?;
        Ok(Exit::Success)
    };
    exit(said())
}

fn show(args: &StatusArgs, no_color: bool) -> Result<Exit, Told> {
    let mut talk = Talk::open(&args.reach, no_color)?;
    let Reply::Status(status) = talk.ask(Command::Status)? else { return odd() };
    talk.show(&status, |_| table(&status))?;
    Ok(if is_well(&status) { Exit::Success } else { Exit::Findings })
}

fn is_well(status: &Status) -> bool {
    let daemon = status.daemon.as_ref();
    let parts = daemon.is_none_or(|daemon| daemon.components.iter().all(|part| part.health == Health::Good));
    let dataplane = status.dataplane.as_ref();
    parts
        && dataplane.is_some_and(|dataplane| {
            dataplane.mode == Mode::Normal
                && dataplane.workers.iter().all(|worker| worker.state == WorkerState::Running)
        })
}

fn table(status: &Status) -> Table {
    let mut table = Table::new(&[("part", Side::Left), ("state", Side::Left), ("what", Side::Left)]);
    let mut row = |part: &str, state: &str, what: String| {
        table.row(vec![part.to_owned(), state.to_owned(), what]);
    };
    if let Some(daemon) = &status.daemon {
        let what =
            format!("version {}, process {}, since {}", daemon.version, daemon.pid, time(daemon.uptime_ms));
        row("daemon", "running", what);
        row("", "confinement", daemon.confinement.clone());
        row("configuration", "", format!("revision {}", daemon.revision));
        if let Some(pending) = &daemon.pending {
            let what = format!(
                "revision {} goes back to {} in {}: `wirewarden config confirm` keeps it",
                pending.revision,
                pending.back_to,
                time(pending.left_ms)
            );
            row("", "not confirmed", what);
        }
        let seen = &daemon.supervision;
        let reason = seen.last_reason.as_ref().map_or_else(String::new, |reason| format!(", last: {reason}"));
        row("supervision", supervision(seen.state), format!("{} restarts{reason}", seen.restarts));
        for part in daemon.components.iter().filter(|part| part.health != Health::Good) {
            row(&part.name, part.health.name(), part.reason.clone().unwrap_or_default());
        }
    }
    match &status.dataplane {
        None => {
            row("data plane", "unreachable", "packets may still flow: see `wirewarden doctor`".to_owned())
        }
        Some(dataplane) => rows_of(dataplane, &mut row),
    }
    table
}

fn rows_of(dataplane: &DataplaneStatus, row: &mut dyn FnMut(&str, &str, String)) {
    let mode = if dataplane.mode == Mode::Safe { "safe mode" } else { "running" };
    let what = format!(
        "version {}, process {}, {}, since {}",
        dataplane.version,
        dataplane.pid,
        dataplane.backend,
        time(dataplane.uptime_ms)
    );
    row("data plane", mode, what);
    row("", "confinement", dataplane.confinement.clone());
    if let Some(failover) = &dataplane.failover {
        let first = failover
            .first_packet_ms
            .map_or_else(|| "no packet yet".to_owned(), |took| format!("first packet after {took} ms"));
        let what = format!("{}; {} flows lost, {first}", failover.why, figures::count(failover.flows_lost));
        row("", "on the kernel's interfaces", what);
    }
    let what = format!(
        "{} signatures ({}), {} protocols, {} services",
        dataplane.signatures, dataplane.signatures_version, dataplane.protocols, dataplane.services
    );
    row("knowledge", "", what);
    for worker in &dataplane.workers {
        let state = match worker.state {
            WorkerState::Running => "running",
            WorkerState::Stuck => "stuck",
            WorkerState::Ended => "ended",
        };
        let core = worker.core.map_or_else(|| "no core of its own".to_owned(), |core| format!("core {core}"));
        let what = format!("{core}, {} flows", figures::count(worker.flows));
        row(&format!("worker {}", worker.worker), state, what);
    }
    for error in &dataplane.errors {
        row("", "error", error.clone());
    }
}

fn time(ms: u64) -> String {
    figures::duration(Duration::from_millis(ms))
}

const fn supervision(state: SupervisionState) -> &'static str {
    match state {
        SupervisionState::Starting => "starting",
        SupervisionState::Running => "running",
        SupervisionState::BackingOff => "waiting",
        SupervisionState::Safe => "safe mode",
        SupervisionState::Stopped => "stopped",
    }
}
