//! `wirewarden config`: check, diff, apply, confirm, roll back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use api::control::{Applied, Apply, Command, Diff, Reply, Revision, RevisionKind};
use clap::{Args, Subcommand, ValueHint};

use super::table::{Side, Table};
use super::{Reach, Talk, Told, exit, odd, print};
use crate::exit::Exit;
use crate::figures;
use crate::tell;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden config check new.toml
  wirewarden config diff new.toml
  wirewarden config apply new.toml --confirm 10m -m 'longer timeouts'
  wirewarden config confirm
  wirewarden config show --full
  wirewarden config history
  wirewarden config rollback 7

What is applied with --confirm is taken back unless it is confirmed in time, whatever happens to this machine's network.")]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    reach: Reach,

    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// What is wrong with a file, and whether it needs a restart
    #[command(after_help = "Example:\n  wirewarden config check new.toml")]
    Check {
        /// The configuration
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// The running configuration, or an earlier one
    #[command(after_help = "Examples:\n  wirewarden config show\n  wirewarden config show 7 --full")]
    Show {
        /// Its number in the history
        revision: Option<u64>,
        /// With every default
        #[arg(long)]
        full: bool,
    },
    /// What a file would change, or what changed since a revision
    #[command(after_help = "Examples:\n  wirewarden config diff new.toml\n  wirewarden config diff 7 9")]
    Diff {
        /// A file, or a number of the history
        what: String,
        /// Another number: to that one
        to: Option<u64>,
    },
    /// Take a file into use
    #[command(after_help = "Example:\n  wirewarden config apply new.toml --confirm 10m -m 'longer timeouts'")]
    Apply {
        /// The configuration
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// Take it back unless it is confirmed within this time (`30s`, `10m`, `1h`)
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        confirm: Option<u64>,
        /// Start the data plane anew where a setting needs it: its flows are lost
        #[arg(long)]
        restart: bool,
        /// Why, for the history
        #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
        comment: String,
    },
    /// Keep what was applied with --confirm
    #[command(after_help = "Example:\n  wirewarden config confirm")]
    Confirm,
    /// Take an earlier configuration into use; without a number, take back what is not confirmed
    #[command(after_help = "Examples:\n  wirewarden config rollback\n  wirewarden config rollback 7")]
    Rollback {
        /// Its number in the history
        revision: Option<u64>,
    },
    /// Who changed what when
    #[command(after_help = "Example:\n  wirewarden config history -n 5")]
    History {
        /// Entries at most
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
        limit: u32,
    },
}

pub(crate) fn config(args: &ConfigArgs, no_color: bool) -> Exit {
    exit(run(args, no_color))
}

fn run(args: &ConfigArgs, no_color: bool) -> Result<Exit, Told> {
    let mut talk = Talk::open(&args.reach, no_color)?;
    match &args.command {
        ConfigCommand::Check { file } => {
            let diff = check(&mut talk, file)?;
            talk.show(&diff, |_| checked(&diff))?;
        }
        ConfigCommand::Show { revision, full } => {
            let Reply::Config(shown) = talk.ask(Command::ConfigShow { revision: *revision })? else {
                return odd();
            };
            if talk.output == super::Output::Json {
                talk.show(&shown, |_| Table::new(&[]))?;
            } else {
                print(if *full { &shown.canonical } else { &shown.text })?;
            }
        }
        ConfigCommand::Diff { what, to } => {
            let diff = match what.parse() {
                Ok(from) => match talk.ask(Command::ConfigDiff { from, to: *to })? {
                    Reply::Diff(diff) => diff,
                    _ => return odd(),
                },
                Err(_) => check(&mut talk, &PathBuf::from(what))?,
            };
            talk.show(&diff, |_| changes(&diff))?;
        }
        ConfigCommand::Apply { file, confirm, restart, comment } => {
            let apply = Apply {
                text: read(file)?,
                source: file.display().to_string(),
                confirm_within_s: *confirm,
                restart: *restart,
                comment: comment.clone(),
            };
            say_applied(&mut talk, Command::ConfigApply(apply))?;
        }
        ConfigCommand::Confirm => say_applied(&mut talk, Command::ConfigConfirm)?,
        ConfigCommand::Rollback { revision } => {
            say_applied(&mut talk, Command::ConfigRollback { revision: *revision })?;
        }
        ConfigCommand::History { limit } => {
            let Reply::History { revisions } = talk.ask(Command::ConfigHistory { limit: *limit })? else {
                return odd();
            };
            talk.show(&revisions, |_| history(&revisions))?;
        }
    }
    Ok(Exit::Success)
}

fn read(file: &PathBuf) -> Result<String, Told> {
    fs::read_to_string(file).map_err(|error| {
        tell::error(&format!("{}: {error}", file.display()));
        Told(Exit::Usage)
    })
}

fn check(talk: &mut Talk, file: &PathBuf) -> Result<Diff, Told> {
    let command = Command::ConfigCheck { text: read(file)?, source: file.display().to_string() };
    match talk.ask(command)? {
        Reply::Diff(diff) => Ok(diff),
        _ => odd(),
    }
}

fn say_applied(talk: &mut Talk, command: Command) -> Result<(), Told> {
    let Reply::Applied(applied) = talk.ask(command)? else { return odd() };
    talk.show(&applied, |_| done(&applied))
}

fn done(applied: &Applied) -> Table {
    let mut table = Table::new(&[]);
    let anew = if applied.restarted { ", the data plane was started anew" } else { "" };
    table.note(format!("revision {} runs{anew} ({} ms)", applied.revision, applied.took_ms));
    if let Some(pending) = &applied.pending {
        table.note(format!(
            "it goes back to revision {} in {} unless `wirewarden config confirm` keeps it",
            pending.back_to,
            figures::duration(Duration::from_millis(pending.left_ms))
        ));
    }
    table
}

fn checked(diff: &Diff) -> Table {
    let mut table = changes(diff);
    table.note("no mistakes");
    table
}

fn changes(diff: &Diff) -> Table {
    let mut table = Table::new(&[
        ("key", Side::Left),
        ("before", Side::Left),
        ("after", Side::Left),
        ("restart", Side::Left),
    ]);
    for change in &diff.changes {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let restart = if change.restart { "needed" } else { "" };
        table.row(vec![change.key.clone(), value(&change.before), value(&change.after), restart.to_owned()]);
    }
    if diff.changes.is_empty() {
        table.note("nothing changes");
    }
    if !diff.restart_needed.is_empty() {
        table.note(format!("restart needed: {} changed", diff.restart_needed.join(", ")));
    }
    table
}

fn history(revisions: &[Revision]) -> Table {
    let mut table = Table::new(&[
        ("revision", Side::Right),
        ("when", Side::Left),
        ("who", Side::Left),
        ("how", Side::Left),
        ("state", Side::Left),
        ("comment", Side::Left),
    ]);
    for revision in revisions {
        let how = match &revision.kind {
            RevisionKind::Imported => "imported".to_owned(),
            RevisionKind::Applied => "applied".to_owned(),
            RevisionKind::RolledBack { to } => format!("rolled back to {to}"),
            RevisionKind::Expired { of, to } => format!("{of} not confirmed: back to {to}"),
        };
        let state = match (revision.running, revision.pending) {
            (true, true) => "runs, not confirmed",
            (true, false) => "runs",
            _ => "",
        };
        table.row(vec![
            revision.number.to_string(),
            when(revision.at_ms),
            revision.who.clone(),
            how,
            state.to_owned(),
            revision.comment.clone(),
        ]);
    }
    table
}

/// `2026-01-02 03:04:05`, UTC.
pub(super) fn when(ms: u64) -> String {
    let (days, seconds) = (ms / 1000 / 86_400, ms / 1000 % 86_400);
    // Days since 0000-03-01 in eras of 400 years (H. Hinnant, chrono-compatible low-level date algorithms).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// A time to confirm within, in seconds.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let time: api::config::Timeout = text.parse().map_err(|_| "a time as 30s, 10m or 1h".to_owned())?;
    match time.duration().as_secs() {
        0 => Err("at least 1s".to_owned()),
        seconds if seconds > Apply::LONGEST_CONFIRM_S => Err("at most 7d".to_owned()),
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(when(0), "1970-01-01 00:00:00");
        assert_eq!(when(951_827_696_000), "2000-02-29 12:34:56");
        assert_eq!(when(1_767_225_599_999), "2025-12-31 23:59:59");
        assert_eq!(when(4_102_444_800_000), "2100-01-01 00:00:00");
    }

    #[test]
    fn a_time_to_confirm_within_has_a_unit_and_an_end() {
        assert_eq!(seconds("10m"), Ok(600));
        for bad in ["10", "0s", "8d", "soon"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
