use serde::{Deserialize, Serialize};

use super::{
    Applied, Command, ConfigText, CounterSnapshot, Diff, FlowPage, Mistake, ProtocolTable, Revision, Status,
    TokenCreated, TokenRow, VERSION,
};

/// One line from a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`] of the client.
    pub version: u32,
    /// Chosen by the client; its answer and events carry it.
    pub id: u64,
    /// What is asked for.
    pub command: Command,
}

impl Request {
    /// A request in this version.
    #[must_use]
    pub const fn new(id: u64, command: Command) -> Self {
        Self { version: VERSION, id, command }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Why it is no request, with its `id` as far as it could be read.
    pub fn from_line(line: &[u8]) -> Result<Self, BadRequest> {
        match serde_json::from_slice::<Self>(line) {
            Ok(request) if request.version == VERSION => Ok(request),
            Ok(request) => Err(BadRequest { id: request.id, reason: Reason::Version }),
            Err(error) => {
                let envelope: Option<Envelope> = serde_json::from_slice(line).ok();
                let id = envelope.as_ref().map_or(0, |envelope| envelope.id);
                let reason = match envelope {
                    Some(envelope) if envelope.version.is_some_and(|other| other != VERSION) => {
                        Reason::Version
                    }
                    _ => Reason::Request { message: error.to_string() },
                };
                Err(BadRequest { id, reason })
            }
        }
    }

    /// The line that says it, with its line feed.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        line_of(self)
    }
}

/// A line that is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// Its `id`, 0 where there is none.
    pub id: u64,
    /// Why not.
    pub reason: Reason,
}

/// What every version has in common.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    version: Option<u32>,
    #[serde(default)]
    id: u64,
}

/// One line to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// What was asked for.
    Answer {
        /// Of the request.
        id: u64,
        /// What it is.
        reply: Box<Reply>,
    },
    /// Why not.
    Failed {
        /// Of the request, 0 where the line was none.
        id: u64,
        /// What went wrong.
        failure: Failure,
    },
    /// A line of a subscription.
    Event {
        /// Of the request.
        id: u64,
        /// EVE JSON, one object.
        line: String,
        /// Lines of this subscription that were dropped so far because it was slow.
        dropped: u64,
    },
}

impl Message {
    /// The line that says it, with its line feed.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        line_of(self)
    }

    /// A failure.
    #[must_use]
    pub const fn failed(id: u64, reason: Reason) -> Self {
        Self::Failed { id, failure: Failure { reason } }
    }
}

/// Numbers, text and lists only: what serde_json writes without an error.
fn line_of(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

/// What a command is answered with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and boxed in its message")]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reply {
    /// It is done.
    Done,
    /// To [`Command::Status`].
    Status(Status),
    /// To [`Command::Counters`].
    Counters(CounterSnapshot),
    /// To [`Command::Flows`].
    Flows(FlowPage),
    /// To [`Command::Protocols`].
    Protocols(ProtocolTable),
    /// To [`Command::Observe`]: events follow.
    Observing {
        /// Lines that wait at most.
        queue: u32,
    },
    /// To [`Command::ConfigShow`].
    Config(ConfigText),
    /// To [`Command::ConfigHistory`].
    History {
        /// Newest first.
        revisions: Vec<Revision>,
    },
    /// To [`Command::ConfigCheck`] and [`Command::ConfigDiff`].
    Diff(Diff),
    /// To [`Command::ConfigApply`], [`Command::ConfigConfirm`], [`Command::ConfigRollback`] and
    /// [`Command::Configure`].
    Applied(Applied),
    /// To [`super::Tokens::Create`].
    TokenCreated(TokenCreated),
    /// To [`super::Tokens::List`].
    Tokens {
        /// In the order of their names.
        tokens: Vec<TokenRow>,
    },
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What went wrong.
    pub reason: Reason,
}

/// What went wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// Another version of this language.
    #[error(
        "this program speaks version {VERSION} of the control language, and the other another one: use programs of one release"
    )]
    Version,
    /// A line that is no request.
    #[error("not a request: {message}")]
    Request {
        /// What the JSON reader says.
        message: String,
    },
    /// A line that is too long.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// Longest that is read.
        limit: u64,
    },
    /// Somebody else speaks to the socket.
    #[error("your role, {has}, may not do this; it takes {needs}")]
    Role {
        /// What the caller is.
        has: String,
        /// What it takes.
        needs: super::Role,
    },
    /// A command for another program.
    #[error("`{command}` is not for this program: ask {ask}")]
    NotHere {
        /// The command.
        command: String,
        /// Who carries it out.
        ask: String,
    },
    /// A filter that cannot be read.
    #[error("{message}")]
    Filter {
        /// What is wrong, in one line.
        message: String,
        /// Column in characters, counted from 1.
        column: u32,
    },
    /// A configuration with mistakes, or one whose signatures have some; what ran before runs on.
    #[error("{}", in_lines(.mistakes))]
    Config {
        /// Every one.
        mistakes: Vec<Mistake>,
    },
    /// Settings that a reload cannot change.
    #[error("restart needed: {} changed", keys.join(", "))]
    RestartNeeded {
        /// Their keys.
        keys: Vec<String>,
    },
    /// Something else is being applied, or awaits its confirmation.
    #[error("{message}")]
    Conflict {
        /// What is in the way, and what to type.
        message: String,
    },
    /// No such revision, token or the like.
    #[error("no {what}")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// Something that is needed does not answer.
    #[error("{what} cannot be reached: {message}")]
    Unreachable {
        /// What.
        what: String,
        /// Why not.
        message: String,
    },
    /// Too many ask at once, or too often.
    #[error("busy: {message}")]
    Busy {
        /// Which limit.
        message: String,
    },
    /// A file could not be written; what ran before runs on.
    #[error("cannot write {path}: {message}")]
    Storage {
        /// The file.
        path: String,
        /// What the system says.
        message: String,
    },
    /// A value out of its range.
    #[error("{message}")]
    Invalid {
        /// Which, and what is allowed.
        message: String,
    },
}

fn in_lines(all: &[Mistake]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
