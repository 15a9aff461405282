//! The running appliance: asked and changed over the daemon's socket.

mod config;
mod flows;
mod observe;
mod rates;
mod state;
mod table;
mod token;
mod tunnel;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use api::control::{Client, ClientError, Command, DAEMON_SOCKET, Failure, RUN_DIRECTORY, Reason, Reply};
use clap::{Args, ValueEnum, ValueHint};
use serde::Serialize;

use crate::exit::Exit;
use crate::look::Look;
use crate::tell;

pub(crate) use config::{ConfigArgs, config, seconds};
pub(crate) use flows::{FlowsArgs, flows};
pub(crate) use observe::{ObserveArgs, observe};
pub(crate) use rates::{DropsArgs, ProtocolTotalsArgs, StatsArgs, drops, stats, traffic};
pub(crate) use state::{PlainArgs, StatusArgs, say, status};
use table::Table;
pub(crate) use token::{TokenArgs, token};
pub(crate) use tunnel::{TunnelArgs, tunnel};

/// How long the daemon may take to answer: an apply may start the data plane anew.
const ANSWER: Duration = Duration::from_secs(120);

/// Where the appliance is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Socket of the daemon, or of a data plane without one
    #[arg(long, value_name = "SOCKET", value_hint = ValueHint::FilePath, env = "WIREWARDEN_SOCKET", global = true)]
    socket: Option<PathBuf>,
}

impl Place {
    /// The socket that was named, or the usual one.
    pub(crate) fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| PathBuf::from(RUN_DIRECTORY).join(DAEMON_SOCKET))
    }
}

/// Where the appliance is, and how it is shown.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    #[command(flatten)]
    place: Place,

    /// Print a table, JSON or CSV
    #[arg(long, short = 'o', value_name = "FORMAT", value_enum, default_value_t = Output::Table, global = true)]
    output: Output,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// The whole answer.
    Json,
    /// The table's rows.
    Csv,
}

/// A connection, and how what it says is shown.
struct Talk {
    client: Client,
    output: Output,
    look: Look,
}

/// Why a command did not do what it should; told already.
struct Told(Exit);

impl Talk {
    fn open(reach: &Reach, no_color: bool) -> Result<Self, Told> {
        let client = Client::connect(&reach.place.socket(), Some(ANSWER)).map_err(told)?;
        Ok(Self { client, output: reach.output, look: Look::of(&io::stdout(), no_color) })
    }

    fn ask(&mut self, command: Command) -> Result<Reply, Told> {
        self.client.ask(command).map_err(told)
    }

    /// Shows an answer: `table` for people and as CSV, `whole` as JSON.
    fn show(&self, whole: &impl Serialize, table: impl FnOnce(&Look) -> Table) -> Result<(), Told> {
        let text = match self.output {
            Output::Json => {
                let mut text = serde_json::to_string_pretty(whole).unwrap_or_default();
                text.push('\n');
                text
            }
            Output::Csv => table(&self.look).to_csv(),
            Output::Table => table(&self.look).to_text(&self.look),
        };
        print(&text)
    }
}

/// Prints; a reader that went away is no failure.
fn print(text: &str) -> Result<(), Told> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell::error(&format!("cannot write: {error}"));
            Err(Told(Exit::Findings))
        }
        _ => Ok(()),
    }
}

/// Tells why there is no answer.
#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped with")]
fn told(error: ClientError) -> Told {
    let exit = match &error {
        ClientError::Failed(Failure { reason }) => match reason {
            Reason::Conflict { .. } | Reason::NotFound { .. } => Exit::Findings,
            Reason::Role { .. }
            | Reason::Unreachable { .. }
            | Reason::Busy { .. }
            | Reason::Storage { .. } => Exit::Unreachable,
            _ => Exit::Usage,
        },
        _ => Exit::Unreachable,
    };
    tell::error(&error.to_string());
    match &error {
        ClientError::Connect { .. } => {
            tell::error(
                "is wirewardend running? `systemctl status wirewardend`, or name its socket with --socket",
            );
        }
        ClientError::Failed(Failure { reason: Reason::RestartNeeded { .. } }) => {
            tell::error("`wirewarden config apply --restart` starts the data plane anew: its flows are lost");
        }
        _ => {}
    }
    Told(exit)
}

/// An answer to something else, which no program of this release gives.
fn odd<T>() -> Result<T, Told> {
    tell::error("an answer to something else: use programs of one release");
    Err(Told(Exit::Unreachable))
}

/// The exit of a command.
fn exit(done: Result<Exit, Told>) -> Exit {
    done.unwrap_or_else(|told| told.0)
}
