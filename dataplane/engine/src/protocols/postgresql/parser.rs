//! Reads the messages of a session.

use super::session::{Encryption, Session, write_error};
use super::startup::{self, Request};
use super::statement::Statements;
use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::{Quota, write_text};
use crate::protocols::sql::STATEMENT_MAX;
use crate::record::Direction;

/// Bytes of a message that are read.
const SHOWN_MAX: usize = 4096;
/// Longest message that is believed (Protocol: limits of the server's buffers).
const MESSAGE_MAX: u32 = 0x3fff_ffff;
/// Statements of one flow that are written one by one.
const STATEMENTS_MAX: u16 = 256;

/// Encryption that a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Ssl,
    Gss,
}

/// PostgreSQL on one flow.
#[derive(Debug)]
pub(super) struct Postgresql {
    /// The client's messages have types.
    is_typed: bool,
    wish: Option<Wish>,
    session: Session,
    statements: Statements,
    /// Rows since the last answer.
    rows: u64,
    quota: Quota,
}

impl Default for Postgresql {
    fn default() -> Self {
        Self {
            is_typed: false,
            wish: None,
            session: Session::default(),
            statements: Statements::default(),
            rows: 0,
            quota: Quota::new(STATEMENTS_MAX),
        }
    }
}

/// Where a message with a type ends.
fn typed(bytes: &[u8], from: Direction) -> Framing {
    let Some(kind) = bytes.first() else { return Framing::Open };
    let is_known = match from {
        Direction::ToServer => b"BCDEFHPQSXcdfp".contains(kind),
        Direction::ToClient => b"123ACDEGHINRSTVWZcdnstKv".contains(kind),
    };
    if !is_known {
        return Framing::Invalid("unknown_message");
    }
    let Some([_, length @ ..]) = bytes.first_chunk::<5>() else { return Framing::Open };
    let length = u32::from_be_bytes(*length);
    let is_sound = match (kind, from) {
        (b'Z', Direction::ToClient) => length == 5,
        (b'1' | b'2' | b'3' | b'I' | b'n' | b's', Direction::ToClient)
        | (b'S' | b'H' | b'X', Direction::ToServer)
        | (b'c', _) => length == 4,
        (b'D' | b'd' | b'T', _) => (4..=MESSAGE_MAX).contains(&length),
        _ => (4..=0x00ff_ffff).contains(&length),
    };
    let Some(len) = usize::try_from(length).ok().filter(|_| is_sound) else {
        return Framing::Invalid("invalid_length");
    };
    // Rows and copied data are counted and not read.
    let most =
        if matches!(kind, b'd') || *kind == b'D' && from == Direction::ToClient { 5 } else { SHOWN_MAX };
    Framing::at_most(1 + len, most)
}

impl Postgresql {
    fn startup(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match Request::read(bytes).ok_or("invalid_startup")? {
            Request::Ssl => self.wish = Some(Wish::Ssl),
            Request::Gss => self.wish = Some(Wish::Gss),
            Request::Cancel { process } => {
                report.event("postgresql").label("type", "cancel").number("process", process);
            }
            Request::Startup { minor, parameters } => {
                self.is_typed = true;
                self.session.start(minor, parameters);
            }
        }
        Ok(Next::More)
    }

    /// The one byte that answers a wish for encryption.
    fn encryption(&mut self, wish: Wish, answer: u8, report: &mut Report<'_, '_>) -> Next {
        self.wish = None;
        if answer == b'N' {
            self.session.encryption = Encryption::Refused;
            return Next::More;
        }
        let mut event = report.event("postgresql");
        event.label("type", "encryption");
        match wish {
            Wish::Ssl => {
                event.label("encryption", "tls");
                Next::Upgrade
            }
            Wish::Gss => {
                event.label("encryption", "gssapi");
                Next::Done
            }
        }
    }

    fn request(&mut self, kind: u8, body: &[u8]) {
        let mut cursor = Cursor::new(body);
        match kind {
            b'Q' => self.statements.query(until_zero(body)),
            b'P' => {
                if let Some(name) = cursor.c_string() {
                    self.statements.prepare(name, until_zero(cursor.rest()));
                }
            }
            b'B' => {
                let _portal = cursor.c_string();
                self.statements.bind(cursor.c_string().unwrap_or_default());
            }
            b'E' => self.statements.execute(),
            b'S' => self.statements.sync(),
            b'p' => self.session.response(body),
            _ => {}
        }
    }

    fn response(&mut self, kind: u8, body: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        match kind {
            b'R' if !self.session.challenge(body) => return Err("unknown_authentication"),
            b'S' => self.session.parameter(body),
            b'D' => self.rows = self.rows.saturating_add(1),
            b'C' | b's' => self.answer(until_zero(body), None, report),
            b'E' => {
                self.session.tell("failure", Some(body), report);
                self.answer(&[], Some(body), report);
            }
            b'Z' => {
                self.session.tell("success", None, report);
                self.statements.ready();
                self.rows = 0;
            }
            _ => {}
        }
        Ok(())
    }

    fn answer(&mut self, tag: &[u8], error: Option<&[u8]>, report: &mut Report<'_, '_>) {
        let rows = core::mem::take(&mut self.rows);
        let is_told = self.quota.take() || error.is_some();
        self.statements.answered(|statement| {
            if !is_told || statement.is_empty() && tag.is_empty() {
                return;
            }
            let mut event = report.event("postgresql");
            event.label("type", "query");
            write_text("statement", statement, STATEMENT_MAX, &mut event);
            write_text("command", tag, 64, &mut event);
            if let Some(error) = error {
                write_error(error, &mut event);
            } else {
                event.number("rows", rows);
            }
        });
    }
}

/// Text up to its zero, or as far as it was read.
fn until_zero(body: &[u8]) -> &[u8] {
    let end = memchr::memchr(0, body).unwrap_or(body.len());
    body.get(..end).unwrap_or(body)
}

impl Messages for Postgresql {
    const NAME: &'static str = "postgresql";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        match from {
            Direction::ToServer if !self.is_typed => startup::framing(bytes),
            Direction::ToClient
                if self.wish.is_some() && matches!(bytes.first(), Some(b'S' | b'N' | b'G')) =>
            {
                Framing::whole(1)
            }
            _ => typed(bytes, from),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (kind, body) = message.bytes.split_first().ok_or("truncated_data")?;
        match (message.from, self.wish) {
            (Direction::ToServer, _) if !self.is_typed => return self.startup(message.bytes, report),
            (Direction::ToClient, Some(wish)) if body.is_empty() => {
                return Ok(self.encryption(wish, *kind, report));
            }
            _ => {}
        }
        let body = body.get(4..).ok_or("truncated_data")?;
        match message.from {
            Direction::ToServer => self.request(*kind, body),
            Direction::ToClient => self.response(*kind, body, report)?,
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        two_messages(bytes, |bytes| typed(bytes, from))
    }

    fn lost(&mut self, _: Direction) {
        self.is_typed = true;
        self.wish = None;
        self.statements.clear();
    }

    fn clear(&mut self) {
        self.is_typed = false;
        self.wish = None;
        self.session.clear();
        self.statements.clear();
        self.rows = 0;
        self.quota = Quota::new(STATEMENTS_MAX);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.session.tell("unknown", None, report);
    }
}
