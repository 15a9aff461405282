//! Reads requests and responses, and joins them.

use std::collections::VecDeque;

use super::names;
use super::request::{self, Details, Request};
use crate::protocols::Found;
use crate::protocols::credentials::Credentials;
use crate::protocols::framed::{Cursor, Framing, Message, Messages, Next, Report, two_messages};
use crate::protocols::kept::{Kept, Quota};
use crate::record::Direction;

/// Requests of one flow that are written one by one.
const REQUESTS_MAX: u16 = 64;
/// Requests that may wait for their responses.
const WAITING_MAX: usize = 64;

#[derive(Debug)]
struct Waiting {
    key: u16,
    version: u16,
    correlation: u32,
    details: Details,
}

/// Kafka on one flow.
#[derive(Debug)]
pub(super) struct Kafka {
    client: Kept<128>,
    credentials: Credentials,
    /// Tokens come without headers, as after the oldest handshake.
    has_bare_tokens: bool,
    is_logged_on: bool,
    waiting: VecDeque<Waiting>,
    quota: Quota,
    requests: u64,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            client: Kept::default(),
            credentials: Credentials::default(),
            has_bare_tokens: false,
            is_logged_on: false,
            waiting: VecDeque::new(),
            quota: Quota::new(REQUESTS_MAX),
            requests: 0,
        }
    }
}

impl Kafka {
    fn request(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let read = Request::read(bytes);
        if self.has_bare_tokens {
            self.has_bare_tokens = false;
            if read.is_none() || bytes.first() != Some(&0) || bytes.get(1).is_none_or(|key| *key > 92) {
                self.credentials.sasl_response(bytes);
                self.tell_login(None, report);
                return Ok(());
            }
        }
        let read = read.ok_or("malformed_request")?;
        if !read.client.is_empty() {
            self.client.set(read.client);
        }
        match read.key {
            request::SASL_HANDSHAKE => {
                self.credentials.mechanism(request::mechanism(&read).unwrap_or_default());
                self.has_bare_tokens = read.version == 0;
            }
            request::SASL_AUTHENTICATE if !self.is_logged_on => {
                self.credentials.sasl_response(request::token(&read).unwrap_or_default());
            }
            _ => {}
        }
        self.requests = self.requests.saturating_add(1);
        if self.waiting.len() >= WAITING_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.tell(&oldest, None, report);
        }
        let (key, version, correlation) = (read.key, read.version, read.correlation);
        self.waiting.push_back(Waiting { key, version, correlation, details: Details::read(&read) });
        Ok(())
    }

    fn response(&mut self, bytes: &[u8], len: u64, report: &mut Report<'_, '_>) {
        let mut cursor = Cursor::new(bytes);
        let Some(correlation) = cursor.u32() else { return };
        let Some(at) = self.waiting.iter().position(|waiting| waiting.correlation == correlation) else {
            return;
        };
        let Some(waiting) = self.waiting.remove(at) else { return };
        let is_flexible = waiting.key == request::SASL_AUTHENTICATE && waiting.version >= 2;
        if is_flexible {
            let _tags = cursor.u8();
        }
        let says_error = matches!(
            waiting.key,
            request::API_VERSIONS | request::SASL_HANDSHAKE | request::SASL_AUTHENTICATE
        );
        let error = cursor.u16().filter(|_| says_error).map(u16::cast_signed);
        if waiting.key == request::SASL_AUTHENTICATE {
            // Mechanisms of several steps end with the last.
            self.tell_login(error, report);
        }
        self.tell(&waiting, Some((len, error)), report);
    }

    fn tell_login(&mut self, error: Option<i16>, report: &mut Report<'_, '_>) {
        if core::mem::replace(&mut self.is_logged_on, true) {
            return;
        }
        let mut event = report.event("kafka");
        event.label("type", "login");
        self.client.write("client_id", &mut event);
        self.credentials.write(&mut event);
        event.label(
            "result",
            match error {
                Some(0) => "success",
                Some(_) => "failure",
                None => "unknown",
            },
        );
        event.cleartext();
    }

    fn tell(&mut self, waiting: &Waiting, response: Option<(u64, Option<i16>)>, report: &mut Report<'_, '_>) {
        let is_administration = names::is_administration(waiting.key);
        if !(self.quota.take() || is_administration) {
            return;
        }
        let mut event = report.event("kafka");
        event.label("type", "request").label("api", names::request(waiting.key).unwrap_or("unknown"));
        event.number("api_key", waiting.key).number("version", waiting.version);
        event.number("correlation_id", waiting.correlation);
        self.client.write("client_id", &mut event);
        waiting.details.software.write("client_software", &mut event);
        waiting.details.software_version.write("client_software_version", &mut event);
        if waiting.details.topics.iter().any(|topic| !topic.is_empty()) {
            event.list("topics");
            for topic in waiting.details.topics.iter().filter(|topic| !topic.is_empty()) {
                topic.write("", &mut event);
            }
            event.close();
        }
        if is_administration {
            event.flag("administration", true);
        }
        if let Some((len, error)) = response {
            event.number("response_length", len);
            if let Some(error) = error {
                event.label("error", names::error(error));
            }
        }
    }
}

impl Messages for Kafka {
    const NAME: &'static str = "kafka";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        request::framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (size, body) = message.bytes.split_first_chunk::<4>().ok_or("truncated_data")?;
        match message.from {
            Direction::ToServer => self.request(body, report)?,
            Direction::ToClient => self.response(body, u32::from_be_bytes(*size).into(), report),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match from {
            Direction::ToServer => request::opens(bytes),
            Direction::ToClient => {
                two_messages(bytes, |bytes| match (Cursor::new(bytes).u32(), request::framing(bytes)) {
                    // No response is longer in a place that is looked for.
                    (Some(size), _) if !(4..=4096).contains(&size) => Framing::Invalid("lost"),
                    (_, framing) => framing,
                })
            }
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
        if self.requests > u64::from(REQUESTS_MAX) {
            let mut event = report.event("kafka");
            event.label("type", "session").number("requests", self.requests);
        }
    }
}
