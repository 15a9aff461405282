//! Reads streams: lines with data behind them, or packets.

use std::collections::VecDeque;

use super::binary::{self, Packet};
use super::text::{self, Answer, Request};
use crate::protocols::Found;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::{Kept, Quota, write_text};
use crate::record::Direction;

/// Commands of one flow that are written one by one.
const COMMANDS_MAX: u16 = 64;
/// Commands that may wait for their answers.
const WAITING_MAX: usize = 64;

#[derive(Clone, Debug)]
struct Waiting {
    command: &'static str,
    key: Kept<96>,
    /// Of the binary protocol.
    opaque: Option<u32>,
    length: Option<u64>,
    is_notable: bool,
    credentials: Credentials,
}

/// memcached on one flow.
#[derive(Debug)]
pub(super) struct Memcached {
    is_binary: Option<bool>,
    /// Bytes of data that come next, each way, their line end included.
    data: [Option<u64>; 2],
    values: u32,
    waiting: VecDeque<Waiting>,
    quota: Quota,
    commands: u64,
}

impl Default for Memcached {
    fn default() -> Self {
        Self {
            is_binary: None,
            data: [None; 2],
            values: 0,
            waiting: VecDeque::new(),
            quota: Quota::new(COMMANDS_MAX),
            commands: 0,
        }
    }
}

impl Memcached {
    const fn data(&mut self, from: Direction) -> &mut Option<u64> {
        let [to_server, to_client] = &mut self.data;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn wait(&mut self, waiting: Waiting, is_answered: bool, report: &mut Report<'_, '_>) {
        self.commands = self.commands.saturating_add(1);
        if !is_answered {
            self.tell(&waiting, None, report);
            return;
        }
        if self.waiting.len() >= WAITING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.tell(&oldest, None, report);
        }
        self.waiting.push_back(waiting);
    }

    fn line(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let request = Request::read(line).ok_or("invalid_command")?;
        self.data[0] = request.data.map(|data| data + 2);
        let waiting = Waiting {
            command: request.command,
            key: Kept::of(request.key),
            opaque: None,
            length: request.data,
            is_notable: request.is_administration(),
            credentials: Credentials::default(),
        };
        self.wait(waiting, !request.wants_no_answer && request.command != "quit", report);
        Ok(())
    }

    fn answer(&mut self, line: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        match Answer::read(line).ok_or("invalid_answer")? {
            Answer::Value(data) => {
                self.values = self.values.saturating_add(1);
                self.data[1] = Some(data + 2);
            }
            Answer::OnlyValue(data) => {
                self.values = 1;
                self.data[1] = Some(data + 2);
                self.answered(b"VA", report);
            }
            Answer::Part => {}
            Answer::Last(word) => self.answered(word, report),
            Answer::Error(line) => {
                if let Some(waiting) = self.waiting.front_mut() {
                    waiting.is_notable = true;
                }
                self.answered(line, report);
            }
        }
        Ok(())
    }

    fn answered(&mut self, result: &[u8], report: &mut Report<'_, '_>) {
        if let Some(waiting) = self.waiting.pop_front() {
            self.tell(&waiting, Some(result), report);
        }
        self.values = 0;
    }

    fn packet(
        &mut self,
        bytes: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let packet = Packet::read(bytes).ok_or("truncated_data")?;
        let command = binary::operation(packet.opcode).ok_or("unknown_operation")?;
        if from == Direction::ToClient {
            // A statistic is an answer of many packets, the last of them empty.
            let is_part = packet.opcode == 0x10 && !packet.key.is_empty();
            let at = self
                .waiting
                .iter()
                .position(|waiting| waiting.opaque == Some(packet.opaque) && waiting.command == command);
            if let Some(waiting) = at.filter(|_| !is_part).and_then(|at| self.waiting.remove(at)) {
                self.tell(&waiting, Some(binary::status(packet.status).as_bytes()), report);
            }
            return Ok(());
        }
        let mut credentials = Credentials::default();
        let is_login = matches!(packet.opcode, binary::SASL_START | binary::SASL_STEP);
        if is_login {
            credentials.mechanism(packet.key).sasl_response(packet.value);
        }
        let waiting = Waiting {
            command,
            key: if is_login { Kept::default() } else { Kept::of(packet.key) },
            opaque: Some(packet.opaque),
            length: None,
            is_notable: is_login || matches!(packet.opcode, 0x08 | 0x18 | 0x10 | binary::SASL_LIST),
            credentials,
        };
        self.wait(waiting, !binary::is_quiet(packet.opcode), report);
        Ok(())
    }

    fn tell(&mut self, waiting: &Waiting, result: Option<&[u8]>, report: &mut Report<'_, '_>) {
        if !(self.quota.take() || waiting.is_notable) {
            return;
        }
        let mut event = report.event("memcached");
        let is_login = !waiting.credentials.is_empty();
        event.label("type", if is_login { "login" } else { "command" });
        event.label("protocol", if waiting.opaque.is_some() { "binary" } else { "text" });
        event.label("command", waiting.command);
        waiting.key.write("key", &mut event);
        if let Some(length) = waiting.length {
            event.number("length", length);
        }
        if is_login {
            waiting.credentials.write(&mut event);
            event.cleartext();
        }
        match result {
            Some(result) => write_text("result", result, 96, &mut event),
            None => {
                event.label("result", "none");
            }
        }
        if self.values > 0 {
            event.number("values", self.values);
        }
    }
}

impl Messages for Memcached {
    const NAME: &'static str = "memcached";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        let magic = if from == Direction::ToServer { binary::REQUEST } else { binary::RESPONSE };
        let is_binary = self.is_binary.unwrap_or_else(|| bytes.first() == Some(&magic));
        if is_binary {
            return binary::framing(bytes, magic);
        }
        if let Some(data) = *self.data(from) {
            return Framing::at_most(usize::try_from(data).unwrap_or(usize::MAX), 0);
        }
        let shown = bytes.get(..text::LINE_MAX).unwrap_or(bytes);
        match memchr::memchr(b'\n', shown) {
            Some(end) => Framing::whole(end + 1),
            None if shown.len() < text::LINE_MAX => Framing::Open,
            None => Framing::Invalid("line_too_long"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let is_binary = matches!(message.bytes.first(), Some(&(binary::REQUEST | binary::RESPONSE)));
        let is_data = self.data(message.from).take().is_some();
        if is_data {
            return Ok(Next::More);
        }
        if *self.is_binary.get_or_insert(is_binary) {
            self.packet(message.bytes, message.from, report)?;
        } else if message.from == Direction::ToServer {
            self.line(message.bytes, report)?;
        } else {
            self.answer(message.bytes, report)?;
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match (from, self.is_binary) {
            (Direction::ToServer, Some(true)) => {
                two_messages(bytes, |bytes| binary::framing(bytes, binary::REQUEST))
            }
            (Direction::ToClient, Some(true)) => {
                two_messages(bytes, |bytes| binary::framing(bytes, binary::RESPONSE))
            }
            _ => match memchr::memchr(b'\n', bytes) {
                None => Found::Maybe,
                Some(end) => {
                    let line = bytes.get(..end).unwrap_or_default();
                    let is_sound = match from {
                        Direction::ToServer => Request::read(line).is_some(),
                        Direction::ToClient => Answer::read(line).is_some(),
                    };
                    if is_sound { Found::Likely(80) } else { Found::No }
                }
            },
        }
    }

    fn lost(&mut self, from: Direction) {
        *self.data(from) = None;
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
            report.event("memcached").label("type", "session").number("commands", self.commands);
        }
    }
}
