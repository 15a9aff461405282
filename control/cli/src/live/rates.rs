//! `wirewarden stats`, `drops` and `traffic`: counters, what they were a moment ago, and what they mean.

use std::thread;
use std::time::Duration;

use api::control::{Command, CounterSnapshot, ProtocolTable, Reply};
use api::drops;
use clap::Args;

use super::table::{Side, Table};
use super::{Reach, Talk, Told, exit, odd};
use crate::exit::Exit;
use crate::figures;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden stats
  wirewarden stats --over 10
  wirewarden stats -o json | jq '.workers[].queues'")]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    reach: Reach,

    /// Seconds that rates are measured over
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    over: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden drops
  wirewarden drops --all -o csv

Exits with 1 where packets were dropped.")]
pub(crate) struct DropsArgs {
    #[command(flatten)]
    reach: Reach,

    /// Every cause, those without a drop too
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wirewarden traffic\n  wirewarden traffic -o json | jq '.protocols[0]'")]
pub(crate) struct ProtocolTotalsArgs {
    #[command(flatten)]
    reach: Reach,
}

pub(crate) fn stats(args: &StatsArgs, no_color: bool) -> Exit {
    let run = || -> Result<Exit, Told> {
        let mut talk = Talk::open(&args.reach, no_color)?;
        let before = counters(&mut talk)?;
        thread::sleep(Duration::from_secs(args.over));
        let after = counters(&mut talk)?;
        talk.show(&after, |_| stats_table(&before, &after))?;
        Ok(Exit::Success)
    };
    exit(run())
}

fn counters(talk: &mut Talk) -> Result<CounterSnapshot, Told> {
    match talk.ask(Command::Counters)? {
        Reply::Counters(counters) => Ok(counters),
        _ => odd(),
    }
}

fn stats_table(before: &CounterSnapshot, after: &CounterSnapshot) -> Table {
    let mut table = Table::new(&[
        ("worker", Side::Left),
        ("core", Side::Right),
        ("received", Side::Right),
        ("per second", Side::Right),
        ("processed", Side::Right),
        ("dropped", Side::Right),
        ("forwarded", Side::Right),
        ("busy", Side::Right),
        ("records lost", Side::Right),
    ]);
    let passed = Duration::from_millis(after.uptime_ms.saturating_sub(before.uptime_ms));
    for worker in &after.workers {
        let was = before.workers.iter().find(|was| was.worker == worker.worker && before.pid == after.pid);
        let rate =
            was.and_then(|was| figures::per_second(worker.received.saturating_sub(was.received), passed));
        let busy = was.map(|was| {
            figures::share(
                worker.busy_rounds.saturating_sub(was.busy_rounds),
                worker.rounds.saturating_sub(was.rounds),
            )
        });
        table.row(vec![
            worker.worker.to_string(),
            worker.core.map_or_else(|| "-".to_owned(), |core| core.to_string()),
            figures::count(worker.received),
            rate.map_or_else(|| "-".to_owned(), figures::count),
            figures::count(worker.engine.get("packets.processed").copied().unwrap_or(0)),
            figures::count(worker.dropped()),
            figures::count(worker.forwarded),
            busy.unwrap_or_else(|| "-".to_owned()),
            figures::count(worker.records_lost),
        ]);
    }
    notes(&mut table, after);
    table
}

/// What is not a worker's.
fn notes(table: &mut Table, after: &CounterSnapshot) {
    for port in &after.ports {
        table.note(format!(
            "port {}: rx {} packets ({}), {} missed, {} in error, {} without buffer; tx {} packets, {} in error",
            port.port,
            figures::count(port.rx_packets),
            figures::bytes(port.rx_bytes),
            figures::count(port.rx_missed),
            figures::count(port.rx_errors),
            figures::count(port.rx_no_buffer),
            figures::count(port.tx_packets),
            figures::count(port.tx_errors)
        ));
    }
    for output in &after.outputs {
        table.note(format!(
            "output {}: {} lines ({}), {} lost",
            output.name,
            figures::count(output.lines),
            figures::bytes(output.bytes),
            figures::count(output.lost_lines)
        ));
        if output.rotations + output.shed_files + output.removed_files + output.file_errors > 0 {
            table.note(format!(
                "  files: {} ended, {} removed as configured, {} given up for room on the disk, {} failures",
                figures::count(output.rotations),
                figures::count(output.removed_files),
                figures::count(output.shed_files),
                figures::count(output.file_errors)
            ));
        }
    }
    let total = |name| figures::count(after.total(name));
    table.note(format!(
        "flows: {} open, {} begun, {} classified, {} evicted",
        total("flow.active"),
        total("flow.created"),
        total("flow.classified"),
        total("flow.ended.evicted")
    ));
}

pub(crate) fn drops(args: &DropsArgs, no_color: bool) -> Exit {
    let run = || -> Result<Exit, Told> {
        let mut talk = Talk::open(&args.reach, no_color)?;
        let counters = counters(&mut talk)?;
        let losses: Vec<(&str, u64)> =
            counters.losses().into_iter().filter(|(_, count)| args.all || *count > 0).collect();
        let whole: Vec<_> = losses
            .iter()
            .map(|(name, count)| {
                let cause = drops::cause(name);
                serde_json::json!({
                    "cause": name,
                    "packets": count,
                    "meaning": cause.map(|cause| cause.meaning),
                    "next": cause.map(|cause| cause.next),
                    "because": cause.map(|cause| cause.because),
                })
            })
            .collect();
        talk.show(&whole, |_| drops_table(&losses, counters.received()))?;
        let is_lossless = losses.iter().all(|(_, count)| *count == 0);
        Ok(if is_lossless { Exit::Success } else { Exit::Findings })
    };
    exit(run())
}

fn drops_table(losses: &[(&str, u64)], received: u64) -> Table {
    let mut table = Table::new(&[
        ("cause", Side::Left),
        ("packets", Side::Right),
        ("share", Side::Right),
        ("next command", Side::Left),
    ]);
    for (name, count) in losses {
        let next = drops::cause(name).map_or("", |cause| cause.next);
        table.row(vec![
            (*name).to_owned(),
            figures::grouped(*count),
            figures::share(*count, received.saturating_add(*count)),
            next.to_owned(),
        ]);
    }
    for (name, _) in losses.iter().filter(|(_, count)| *count > 0) {
        if let Some(cause) = drops::cause(name) {
            table.note(format!("\n{name}: {}.\n  {}.", cause.meaning, cause.because));
        }
    }
    if losses.is_empty() {
        table.note(format!("{} packets received, none dropped", figures::count(received)));
    }
    table
}

pub(crate) fn traffic(args: &ProtocolTotalsArgs, no_color: bool) -> Exit {
    let run = || -> Result<Exit, Told> {
        let mut talk = Talk::open(&args.reach, no_color)?;
        let Reply::Protocols(protocols) = talk.ask(Command::Protocols)? else { return odd() };
        talk.show(&protocols, |_| traffic_table(&protocols))?;
        Ok(Exit::Success)
    };
    exit(run())
}

fn traffic_table(all: &ProtocolTable) -> Table {
    let mut table = Table::new(&[
        ("protocol", Side::Left),
        ("exposure", Side::Left),
        ("open", Side::Right),
        ("ended", Side::Right),
        ("bytes", Side::Right),
        ("share", Side::Right),
    ]);
    let bytes = |row: &api::control::ProtocolRow| row.open_bytes.saturating_add(row.ended_bytes);
    let whole: u64 = all.protocols.iter().map(bytes).sum();
    for row in &all.protocols {
        table.row(vec![
            row.name.clone(),
            row.exposure.clone(),
            figures::count(row.open_flows),
            figures::count(row.ended_flows),
            figures::bytes(bytes(row)),
            figures::share(bytes(row), whole),
        ]);
    }
    let clear: u64 = all.protocols.iter().filter(|row| row.exposure == "cleartext").map(bytes).sum();
    table.note(format!("in the clear: {} of the bytes", figures::share(clear, whole)));
    let handshakes: u64 = all.crypto.iter().map(|row| row.handshakes).sum();
    for row in all.crypto.iter().filter(|row| row.handshakes > 0) {
        let count = figures::count(row.handshakes);
        table.note(format!(
            "handshakes, {}: {count} ({})",
            row.class,
            figures::share(row.handshakes, handshakes)
        ));
    }
    table
}
