//! Reads the packets of a session.

use super::handshake::{FirstPacket, Greeting, Login, capability, integer};
use super::names;
use crate::protocols::Found;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::{Kept, Quota, write_text};
use crate::protocols::sql::{self, Dialect, STATEMENT_MAX};
use crate::record::{Direction, EventWriter};

/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 4096;
/// Commands of one flow that are written one by one.
const COMMANDS_MAX: u16 = 256;
/// Prepared statements that are remembered.
const PREPARED_MAX: usize = 32;

/// How far a session came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Greeting,
    Login,
    /// The two sides prove who they are.
    Proof,
    Commands,
}

/// A command that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    command: u8,
    statement: u32,
}

/// MySQL on one flow.
#[derive(Debug)]
pub(super) struct MySql {
    phase: Phase,
    version: Kept<64>,
    thread: u32,
    user: Kept<128>,
    database: Kept<128>,
    program: Kept<128>,
    client: Kept<128>,
    credentials: Credentials,
    capabilities: u32,
    offers_tls: bool,
    /// The login was not told yet.
    is_untold: bool,
    asked: Option<Asked>,
    /// The answer to it was lost, or its beginning.
    is_answer_lost: bool,
    /// Text of what was asked, without its data.
    text: Vec<u8>,
    prepared: Vec<(u32, Vec<u8>)>,
    quota: Quota,
}

impl Default for MySql {
    fn default() -> Self {
        Self {
            phase: Phase::Greeting,
            version: Kept::default(),
            thread: 0,
            user: Kept::default(),
            database: Kept::default(),
            program: Kept::default(),
            client: Kept::default(),
            credentials: Credentials::default(),
            capabilities: 0,
            offers_tls: false,
            is_untold: false,
            asked: None,
            is_answer_lost: false,
            text: Vec::new(),
            prepared: Vec::new(),
            quota: Quota::new(COMMANDS_MAX),
        }
    }
}

/// Where a packet ends, of which `most` bytes of the body are wanted.
pub(super) fn packet(bytes: &[u8], most: usize) -> Framing {
    let Some([low, middle, high, _]) = bytes.first_chunk::<4>() else { return Framing::Open };
    let len = u32::from_le_bytes([*low, *middle, *high, 0]);
    match usize::try_from(len) {
        Ok(len) => Framing::at_most(len + 4, most.saturating_add(4)),
        Err(_) => Framing::Invalid("invalid_length"),
    }
}

impl MySql {
    fn greeting(&mut self, body: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if body.first() == Some(&0xff) {
            let mut event = report.event("mysql");
            event.label("type", "refusal");
            write_error(body, &mut event);
            return Ok(Next::More);
        }
        let greeting = Greeting::read(body).ok_or("invalid_greeting")?;
        self.version.set(greeting.version);
        self.thread = greeting.thread;
        self.capabilities = greeting.capabilities;
        self.offers_tls = greeting.capabilities & capability::SSL != 0;
        self.credentials.mechanism(greeting.plugin);
        (self.phase, self.is_untold) = (Phase::Login, true);
        Ok(Next::More)
    }

    fn login(&mut self, body: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match FirstPacket::read(body).ok_or("invalid_login")? {
            FirstPacket::Ssl => {
                self.is_untold = false;
                let mut event = report.event("mysql");
                event.label("type", "encryption").label("encryption", "tls");
                self.version.write("server_version", &mut event);
                Ok(Next::Upgrade)
            }
            FirstPacket::Login(login) => {
                self.take_login(&login);
                Ok(Next::More)
            }
        }
    }

    fn take_login(&mut self, login: &Login<'_>) {
        self.phase = Phase::Proof;
        // Without a greeting what the client names is all that is known.
        let server = if self.version.is_empty() { u32::MAX } else { self.capabilities };
        self.capabilities = login.capabilities & server;
        self.user.set(login.user);
        self.database.set(login.database);
        for (name, value) in login.attributes() {
            match name {
                b"program_name" => self.program.set(value),
                b"_client_name" => self.client.set(value),
                _ => {}
            }
        }
        self.is_untold = true;
        self.credentials.user(login.user);
        if !login.plugin.is_empty() {
            self.credentials.mechanism(login.plugin);
        }
        if login.has_response && is_clear(self.credentials.current_mechanism()) {
            self.credentials.password_in_clear();
        }
    }

    /// What the server says while the two sides prove who they are.
    fn proof(&mut self, body: &[u8], report: &mut Report<'_, '_>) -> Next {
        match body.split_first() {
            Some((0, _)) => {
                self.phase = Phase::Commands;
                self.tell("success", None, report);
                if self.capabilities & (capability::COMPRESS | capability::ZSTD) != 0 {
                    // What follows is packed.
                    return Next::Done;
                }
            }
            Some((0xff, _)) => self.tell("failure", Some(body), report),
            // Another plugin is asked for.
            Some((0xfe, rest)) => {
                let mechanism = if rest.is_empty() { b"mysql_old_password" } else { until_zero(rest) };
                self.credentials.mechanism(mechanism);
            }
            _ => {}
        }
        Next::More
    }

    fn tell(&mut self, result: &'static str, error: Option<&[u8]>, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_untold) {
            return;
        }
        let mut event = report.event("mysql");
        event.label("type", "login");
        self.version.write("server_version", &mut event);
        self.user.write("user", &mut event);
        self.database.write("database", &mut event);
        self.program.write("program", &mut event);
        self.client.write("client", &mut event);
        event.number("thread_id", self.thread);
        event.label("encryption", if self.offers_tls { "unused" } else { "not_offered" });
        event.flag("compressed", self.capabilities & (capability::COMPRESS | capability::ZSTD) != 0);
        self.credentials.write(&mut event);
        event.label("result", result);
        if let Some(error) = error {
            write_error(error, &mut event);
        }
        event.cleartext();
    }

    fn command(&mut self, body: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let (command, rest) = body.split_first().ok_or("empty_command")?;
        if names::command(*command).is_none() {
            return Err("unknown_command");
        }
        // One that waited in vain is told as it is.
        self.answered(None, report);
        self.is_answer_lost = false;
        self.text.clear();
        let mut statement = 0;
        match *command {
            names::QUERY => sql::digest(self.query(rest), Dialect::MySql, &mut self.text),
            names::PREPARE => sql::digest(rest, Dialect::MySql, &mut self.text),
            names::INIT_DB => self.text.extend_from_slice(rest.get(..128).unwrap_or(rest)),
            names::CHANGE_USER => self.text.extend_from_slice(until_zero(rest.get(..128).unwrap_or(rest))),
            names::EXECUTE | names::CLOSE => {
                statement = Cursor::new(rest).u32_le().unwrap_or_default();
                self.recall(statement, *command == names::CLOSE);
            }
            _ => {}
        }
        self.text.truncate(STATEMENT_MAX);
        if names::is_answered(*command) {
            self.asked = Some(Asked { command: *command, statement });
        }
        Ok(())
    }

    /// The text of a query, behind the attributes that may stand before it.
    fn query<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        const QUERY_ATTRIBUTES: u32 = 1 << 27;
        // Without parameters: none of them, in one set.
        match body {
            [0, 1, rest @ ..] if self.capabilities & QUERY_ATTRIBUTES != 0 => rest,
            _ => body,
        }
    }

    fn recall(&mut self, statement: u32, is_last: bool) {
        let Some(at) = self.prepared.iter().position(|(id, _)| *id == statement) else { return };
        if let Some((_, text)) = self.prepared.get(at) {
            self.text.extend_from_slice(text);
        }
        if is_last {
            self.prepared.swap_remove(at);
        }
    }

    /// The first packet of an answer, or none.
    fn answered(&mut self, body: Option<&[u8]>, report: &mut Report<'_, '_>) {
        let Some(asked) = self.asked.take() else { return };
        let first = body.and_then(<[u8]>::first).copied();
        if let (names::PREPARE, Some(0), Some(body)) = (asked.command, first, body) {
            let id = Cursor::new(body.get(1..).unwrap_or_default()).u32_le().unwrap_or_default();
            if self.prepared.len() >= PREPARED_MAX {
                self.prepared.swap_remove(0);
            }
            self.prepared.push((id, self.text.clone()));
        }
        let is_change = asked.command == names::CHANGE_USER;
        if !(self.quota.take() || first == Some(0xff) || is_change) {
            return;
        }
        let mut event = report.event("mysql");
        event.label("type", "command").label("command", names::command(asked.command).unwrap_or("unknown"));
        let name = match asked.command {
            names::INIT_DB => "database",
            names::CHANGE_USER => "user",
            _ => "statement",
        };
        write_text(name, &self.text, STATEMENT_MAX, &mut event);
        if asked.statement != 0 {
            event.number("statement_id", asked.statement);
        }
        match (first, body) {
            (None, _) | (_, None) => event.label("result", "none"),
            (Some(0xff), Some(body)) => {
                event.label("result", "error");
                write_error(body, &mut event);
                &mut event
            }
            (Some(0), Some(body)) => {
                let rows = integer(&mut Cursor::new(body.get(1..).unwrap_or_default()));
                event.label("result", "ok");
                if matches!(asked.command, names::QUERY | names::EXECUTE) {
                    event.number("affected_rows", rows.unwrap_or_default());
                }
                &mut event
            }
            (Some(0xfb), Some(_)) => event.label("result", "local_infile"),
            (Some(0xfe), Some(_)) => event.label("result", "eof"),
            (Some(_), Some(body)) => {
                let columns = integer(&mut Cursor::new(body)).unwrap_or_default();
                event.label("result", "rows").number("columns", columns)
            }
        };
    }
}

/// Plugins that send the password as it is.
fn is_clear(plugin: &[u8]) -> bool {
    matches!(plugin, b"mysql_clear_password" | b"dialog")
}

fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}

/// Code, state and text of an error packet's body.
fn write_error(body: &[u8], event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(body.get(1..).unwrap_or_default());
    event.object("error").number("code", cursor.u16_le().unwrap_or_default());
    let mut text = cursor.rest();
    if let Some(([b'#', state @ ..], rest)) = text.split_first_chunk::<6>() {
        event.text("state", state);
        text = rest;
    }
    write_text("message", text, 256, event);
    event.close();
}

impl Messages for MySql {
    const NAME: &'static str = "mysql";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        // Of an answer only the first packet is read.
        let is_wanted = from == Direction::ToServer || self.phase != Phase::Commands || self.asked.is_some();
        packet(bytes, if is_wanted { SHOWN_MAX } else { 0 })
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (head, body) = message.bytes.split_first_chunk::<4>().ok_or("truncated_data")?;
        let sequence = head[3];
        match (message.from, self.phase) {
            (Direction::ToClient, Phase::Greeting) if sequence == 0 => return self.greeting(body, report),
            (Direction::ToServer, Phase::Greeting | Phase::Login) if sequence == 1 => {
                return self.login(body, report);
            }
            (Direction::ToClient, Phase::Proof) => return Ok(self.proof(body, report)),
            (Direction::ToServer, Phase::Proof) => {
                if !body.is_empty() && is_clear(self.credentials.current_mechanism()) {
                    self.credentials.password_in_clear();
                }
            }
            // What has another number belongs to a file that is loaded, or to a proof.
            (Direction::ToServer, Phase::Commands) if sequence == 0 => {
                self.command(body, report)?;
                if matches!(body.first(), Some(&names::BINLOG_DUMP | &names::BINLOG_DUMP_GTID)) {
                    self.answered(None, report);
                    return Ok(Next::Done);
                }
            }
            (Direction::ToClient, Phase::Commands) if !self.is_answer_lost => {
                self.answered(Some(body), report);
            }
            (Direction::ToClient, Phase::Commands) => {}
            (Direction::ToServer, Phase::Commands) => {}
            _ => return Err("unexpected_sequence"),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match (from, bytes.first_chunk::<9>()) {
            // A query says so.
            (Direction::ToServer, Some([_, _, 0, 0, names::QUERY | names::PREPARE, text @ ..]))
                if text.iter().all(u8::is_ascii_alphabetic) =>
            {
                Found::Likely(80)
            }
            (Direction::ToServer, None) => Found::Maybe,
            _ => two_messages(bytes, |bytes| command_or_answer(bytes, from)),
        }
    }

    fn lost(&mut self, _: Direction) {
        self.phase = Phase::Commands;
        self.is_answer_lost = true;
    }

    fn clear(&mut self) {
        let (mut text, mut prepared) = (core::mem::take(&mut self.text), core::mem::take(&mut self.prepared));
        text.clear();
        prepared.clear();
        *self = Self { text, prepared, ..Self::default() };
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if self.phase == Phase::Proof || self.phase == Phase::Login {
            self.tell("unknown", None, report);
        }
        self.answered(None, report);
    }
}

/// A packet that may stand in the middle of a session.
fn command_or_answer(bytes: &[u8], from: Direction) -> Framing {
    let framing = packet(bytes, 0);
    let Some([_, _, high, sequence, first]) = bytes.first_chunk::<5>() else { return framing };
    let is_sound = match from {
        Direction::ToServer => *sequence == 0 && names::command(*first).is_some() && *high == 0,
        Direction::ToClient => *sequence != 0 && *high < 0x10,
    };
    if is_sound && !matches!(framing, Framing::Message { len: 4, .. }) {
        framing
    } else {
        Framing::Invalid("lost")
    }
}
