//! Reads messages, and joins requests with their answers.

use std::collections::VecDeque;

use super::command::{Answer, Command};
use super::header::{self, HEAD, Header};
use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::Quota;
use crate::record::Direction;

/// Commands of one flow that are written one by one.
const COMMANDS_MAX: u16 = 128;
/// Requests that may wait for their answers.
const WAITING_MAX: usize = 32;

#[derive(Debug)]
struct Waiting {
    request: u32,
    operation: u32,
    command: Command,
}

/// MongoDB on one flow.
#[derive(Debug)]
pub(super) struct MongoDb {
    waiting: VecDeque<Waiting>,
    quota: Quota,
    is_compression_told: bool,
    commands: u64,
    errors: u64,
}

impl Default for MongoDb {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            quota: Quota::new(COMMANDS_MAX),
            is_compression_told: false,
            commands: 0,
            errors: 0,
        }
    }
}

/// What a message carries.
#[derive(Debug, Default)]
struct Content<'a> {
    document: &'a [u8],
    /// Documents of sequences beside it.
    documents: u32,
    /// No answer is wanted.
    is_one_way: bool,
}

/// The sections of OP_MSG: one document, and sequences of documents.
fn sections(body: &[u8]) -> Option<Content<'_>> {
    let mut cursor = Cursor::new(body);
    let flags = cursor.u32_le()?;
    let mut content = Content { is_one_way: flags & 2 != 0, ..Content::default() };
    for _ in 0..64 {
        let Some(kind) = cursor.u8() else { break };
        let len = Cursor::new(cursor.rest()).u32_le().and_then(|len| usize::try_from(len).ok());
        let Some(len) = len.filter(|len| *len >= 4) else { break };
        let section = cursor.take(len.min(cursor.len())).unwrap_or_default();
        match kind {
            0 => content.document = section,
            1 => content.documents = content.documents.saturating_add(documents(section)),
            _ => break,
        }
    }
    Some(content)
}

/// Documents of a sequence, as far as it is shown.
fn documents(section: &[u8]) -> u32 {
    let mut cursor = Cursor::new(section);
    let (_, _) = (cursor.u32_le(), cursor.c_string());
    let mut count = 0;
    while let Some(len) = Cursor::new(cursor.rest()).u32_le().and_then(|len| usize::try_from(len).ok()) {
        if len < 5 {
            break;
        }
        count += 1;
        if cursor.take(len).is_none() {
            break;
        }
    }
    count
}

impl MongoDb {
    fn request(&mut self, header: Header, body: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let mut command = Command::default();
        let mut cursor = Cursor::new(body);
        let mut is_one_way = false;
        match header.operation {
            header::MESSAGE => {
                let content = sections(body)?;
                command.read(content.document);
                command.documents = content.documents;
                is_one_way = content.is_one_way;
            }
            header::QUERY => {
                let _flags = cursor.u32_le()?;
                let name = cursor.c_string()?;
                let (_skip, _count) = (cursor.u32_le()?, cursor.u32_le()?);
                if name.ends_with(b".$cmd") {
                    command.read(cursor.rest());
                } else {
                    command.name.set(b"query");
                }
                command.full_name(name);
            }
            header::COMMAND => {
                command.database.set(cursor.c_string()?);
                let _name = cursor.c_string()?;
                command.read(cursor.rest());
            }
            _ => {
                let name: &[u8] = match header.operation {
                    header::INSERT => b"insert",
                    header::UPDATE => b"update",
                    header::DELETE => b"delete",
                    header::GET_MORE => b"getMore",
                    _ => b"killCursors",
                };
                command.name.set(name);
                let _reserved = cursor.u32_le()?;
                if header.operation != header::KILL_CURSORS {
                    command.full_name(cursor.c_string()?);
                }
                is_one_way = header.operation != header::GET_MORE;
            }
        }
        self.commands = self.commands.saturating_add(1);
        let waiting = Waiting { request: header.request, operation: header.operation, command };
        if is_one_way {
            self.tell(&waiting, None, report);
        } else {
            if self.waiting.len() >= WAITING_MAX
                && let Some(oldest) = self.waiting.pop_front()
            {
                self.tell(&oldest, None, report);
            }
            self.waiting.push_back(waiting);
        }
        Some(())
    }

    fn answer(&mut self, header: Header, body: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let document = match header.operation {
            header::MESSAGE => sections(body)?.document,
            header::REPLY => body.get(20..)?,
            header::COMMAND_REPLY => body,
            _ => return Some(()),
        };
        let answer = Answer::read(document);
        self.errors = self.errors.saturating_add(u64::from(answer.is_good == Some(false)));
        let at = self.waiting.iter().position(|waiting| waiting.request == header.answers)?;
        let waiting = self.waiting.remove(at)?;
        self.tell(&waiting, Some(&answer), report);
        Some(())
    }

    fn tell(&mut self, waiting: &Waiting, answer: Option<&Answer>, report: &mut Report<'_, '_>) {
        let command = &waiting.command;
        let is_error = answer.is_some_and(|answer| answer.is_good == Some(false));
        if !(self.quota.take() || is_error || command.is_login() || command.is_administration()) {
            return;
        }
        let mut event = report.event("mongodb");
        event.label("type", if command.is_login() { "login" } else { "command" });
        event.label("operation", header::operation(waiting.operation).unwrap_or("unknown"));
        event.number("request_id", waiting.request);
        command.write(&mut event);
        if command.is_administration() {
            event.flag("administration", true);
        }
        match answer {
            Some(answer) => answer.write(&mut event),
            None => {
                event.label("result", "none");
            }
        }
    }

    /// Packed messages are not unpacked: what was packed and how is told once.
    fn compressed(&mut self, body: &[u8], report: &mut Report<'_, '_>) {
        let mut cursor = Cursor::new(body);
        let (Some(original), Some(_size), Some(code)) = (cursor.u32_le(), cursor.u32_le(), cursor.u8())
        else {
            return;
        };
        self.commands = self.commands.saturating_add(1);
        if !core::mem::replace(&mut self.is_compression_told, true) {
            let mut event = report.event("mongodb");
            event.label("type", "compression").label("compressor", header::compressor(code));
            event.label("operation", header::operation(original).unwrap_or("unknown"));
        }
    }
}

impl Messages for MongoDb {
    const NAME: &'static str = "mongodb";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        header::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("truncated_data")?;
        let body = message.bytes.get(HEAD..).ok_or("truncated_data")?;
        if header.operation == header::COMPRESSED {
            self.compressed(body, report);
            return Ok(Next::More);
        }
        match message.from {
            Direction::ToServer => self.request(header, body, report).ok_or("malformed_request")?,
            Direction::ToClient => {
                let _ = self.answer(header, body, report);
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match header::framing(bytes) {
            Framing::Message { .. } => header::looks_sound(bytes, from),
            _ => two_messages(bytes, header::framing),
        }
    }

    fn clear(&mut self) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.clear();
        *self = Self { waiting, ..Self::default() };
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(waiting) = self.waiting.pop_front() {
            self.tell(&waiting, None, report);
        }
        if self.commands > u64::from(COMMANDS_MAX) {
            let mut event = report.event("mongodb");
            event.label("type", "session").number("commands", self.commands).number("errors", self.errors);
        }
    }
}
