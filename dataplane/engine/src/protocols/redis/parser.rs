//! Reads requests and answers.

use std::collections::VecDeque;

use super::command::{Command, Kind};
use super::reply::{self, Element, Expected};
use super::token::{self, Counted};
use crate::protocols::Found;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Framing, Message, Messages, Next, Report};
use crate::protocols::kept::{Kept, Quota, write_text};
use crate::record::Direction;

/// Commands of one flow that are written one by one.
const COMMANDS_MAX: u16 = 128;
/// Commands that may wait for their answers; of more, the oldest are told without.
const WAITING_MAX: usize = 64;

/// A command that waits for its answer.
#[derive(Debug)]
struct Waiting {
    command: Kept<64>,
    subject: Kept<64>,
    user: Kept<64>,
    arguments: u32,
    kind: Kind,
}

/// Redis on one flow.
#[derive(Debug)]
pub(super) struct Redis {
    /// Bytes of the string that comes next, each way.
    string: [Option<u64>; 2],
    command: Command,
    /// Arguments of the command that are to come.
    arguments_left: u64,
    waiting: VecDeque<Waiting>,
    expected: Expected,
    is_subscribed: bool,
    /// Which answer belongs to which command is not known, up to the next command.
    is_out_of_step: bool,
    quota: Quota,
    commands: u64,
    errors: u64,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            string: [None; 2],
            command: Command::default(),
            arguments_left: 0,
            waiting: VecDeque::new(),
            expected: Expected::default(),
            is_subscribed: false,
            is_out_of_step: false,
            quota: Quota::new(COMMANDS_MAX),
            commands: 0,
            errors: 0,
        }
    }
}

/// A line's count without the line's kind.
fn count_of(line: &[u8], most: i64) -> Option<Option<u64>> {
    match token::counted(line) {
        Counted::Is(-1, []) => Some(None),
        Counted::Is(count, []) if (0..=most).contains(&count) => u64::try_from(count).ok().map(Some),
        _ => None,
    }
}

impl Redis {
    const fn string(&mut self, from: Direction) -> &mut Option<u64> {
        let [to_server, to_client] = &mut self.string;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn request(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if let Some(len) = self.string[0].take() {
            let shown = usize::try_from(len).map_or(bytes, |len| bytes.get(..len).unwrap_or(bytes));
            self.command.push(shown);
            self.arguments_left = self.arguments_left.saturating_sub(1);
            return Ok(self.complete(report));
        }
        match bytes.split_first() {
            Some((b'*', rest)) if self.arguments_left == 0 => {
                let count = count_of(rest, token::ELEMENTS_MAX).ok_or("invalid_count")?;
                self.command.clear();
                self.arguments_left = count.unwrap_or_default();
                Ok(Next::More)
            }
            Some((b'$', rest)) if self.arguments_left > 0 => {
                let len = count_of(rest, token::STRING_MAX).flatten().ok_or("invalid_length")?;
                self.string[0] = Some(len);
                Ok(Next::More)
            }
            _ if self.arguments_left > 0 => Err("invalid_request"),
            _ => self.inline(bytes, report),
        }
    }

    /// A command in one line, for people with a terminal.
    fn inline(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(Next::More);
        }
        if !line.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err("invalid_request");
        }
        self.command.clear();
        line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).take(64).for_each(|word| {
            self.command.push(word);
        });
        Ok(self.complete(report))
    }

    /// A command's last argument came, perhaps.
    fn complete(&mut self, report: &mut Report<'_, '_>) -> Next {
        if self.arguments_left > 0 || self.command.count == 0 {
            return Next::More;
        }
        let kind = self.command.kind();
        let waiting = Waiting {
            command: Kept::of(self.command.name()),
            subject: self.command.subject(),
            user: Kept::of(if kind == Kind::Login { self.command.user() } else { &[] }),
            arguments: self.command.count - 1,
            kind,
        };
        self.command.clear();
        self.commands = self.commands.saturating_add(1);
        if kind == Kind::Replication {
            self.tell(&waiting, None, report);
            return Next::Done;
        }
        if core::mem::take(&mut self.is_out_of_step) {
            self.flush(report);
        }
        self.is_subscribed |= kind == Kind::Subscription;
        if self.waiting.len() >= WAITING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.tell(&oldest, None, report);
        }
        self.waiting.push_back(waiting);
        Next::More
    }

    fn answer(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        if self.string[1].take().is_some() {
            // The value of a string is not looked at.
            self.expected.take(Element::Scalar);
            return Ok(());
        }
        let (kind, line) = bytes.split_first().ok_or("truncated_data")?;
        let mut count = None;
        let element = match kind {
            b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => Element::Scalar,
            b'$' | b'!' | b'=' => match count_of(line, token::STRING_MAX).ok_or("invalid_length")? {
                Some(len) => {
                    count = Some(len);
                    self.string[1] = Some(len);
                    Element::Aggregate(1)
                }
                None => Element::Scalar,
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let elements = count_of(line, token::ELEMENTS_MAX).ok_or("invalid_count")?;
                count = elements;
                let elements = elements.unwrap_or_default();
                match kind {
                    // Before a whole answer it is a unit of its own.
                    b'|' if self.expected.is_first() => Element::Aggregate(2 * elements),
                    b'|' => Element::Attribute(2 * elements),
                    b'%' => Element::Aggregate(2 * elements),
                    _ => Element::Aggregate(elements),
                }
            }
            _ => return Err("invalid_reply"),
        };
        let is_first = self.expected.is_first();
        let is_null = count.is_none() && matches!(kind, b'$' | b'*');
        self.expected.take(element);
        if is_first && !matches!(kind, b'>' | b'|') && !self.is_subscribed && !self.is_out_of_step {
            self.answered(Answer { kind: *kind, is_null, count, line }, report);
        }
        Ok(())
    }

    fn answered(&mut self, answer: Answer<'_>, report: &mut Report<'_, '_>) {
        if answer.kind == b'-' || answer.kind == b'!' {
            self.errors = self.errors.saturating_add(1);
        }
        if let Some(waiting) = self.waiting.pop_front() {
            self.tell(&waiting, Some(answer), report);
        }
    }

    /// What waits is told without its answers.
    fn flush(&mut self, report: &mut Report<'_, '_>) {
        while let Some(waiting) = self.waiting.pop_front() {
            self.tell(&waiting, None, report);
        }
    }

    fn tell(&mut self, waiting: &Waiting, answer: Option<Answer<'_>>, report: &mut Report<'_, '_>) {
        let is_error = answer.is_some_and(|answer| matches!(answer.kind, b'-' | b'!'));
        if !(self.quota.take() || is_error || waiting.kind != Kind::Other) {
            return;
        }
        let mut event = report.event("redis");
        event.label("type", if waiting.kind == Kind::Login { "login" } else { "command" });
        waiting.command.write("command", &mut event);
        waiting.subject.write("subject", &mut event);
        event.number("arguments", waiting.arguments);
        if waiting.kind == Kind::Administration {
            event.flag("administration", true);
        }
        if waiting.kind == Kind::Login {
            let mut credentials = Credentials::default();
            credentials.user(waiting.user.as_bytes()).mechanism(b"password").password_in_clear();
            credentials.write(&mut event);
            event.cleartext();
        }
        let Some(answer) = answer else { return };
        event.label("reply", reply::name(answer.kind, answer.is_null));
        let text = answer.line.trim_ascii_end();
        match answer.kind {
            b'-' => write_text("error", text, 128, &mut event),
            b'+' => write_text("status", text, 64, &mut event),
            _ => {}
        }
        if let Some(count) = answer.count {
            event.number("reply_length", count);
        }
    }
}

/// The first line of an answer.
#[derive(Clone, Copy, Debug)]
struct Answer<'a> {
    kind: u8,
    is_null: bool,
    /// Bytes of a string, or elements of an aggregate.
    count: Option<u64>,
    line: &'a [u8],
}

impl Messages for Redis {
    const NAME: &'static str = "redis";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        match *self.string(from) {
            Some(len) => token::string(len),
            None => token::line(bytes),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match message.from {
            Direction::ToServer => self.request(message.bytes, report),
            Direction::ToClient => self.answer(message.bytes, report).map(|()| Next::More),
        }
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        let Some(([first, second], _)) = bytes.split_first_chunk::<2>() else { return Found::Maybe };
        match (from, first, second) {
            (Direction::ToServer, b'*', b'1'..=b'9') => Found::Likely(80),
            (Direction::ToClient, b'*' | b'$' | b':' | b'%', b'0'..=b'9' | b'-')
            | (Direction::ToClient, b'+' | b'-', b'A'..=b'Z') => Found::Likely(70),
            _ => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        *self.string(from) = None;
        if from == Direction::ToServer {
            self.arguments_left = 0;
            self.command.clear();
        } else {
            self.expected = Expected::default();
        }
        self.is_out_of_step = true;
    }

    fn clear(&mut self) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.clear();
        *self = Self { waiting, ..Self::default() };
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.flush(report);
        if self.commands > u64::from(COMMANDS_MAX) {
            let mut event = report.event("redis");
            event.label("type", "session").number("commands", self.commands).number("errors", self.errors);
        }
    }
}
