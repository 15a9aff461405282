//! STOMP 1.0 to 1.2: who connects and how, and which destinations are used.

use super::credentials::Credentials;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::kept::{Kept, Quota, write_text};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// STOMP.
pub static STOMP: Protocol = Protocol {
    name: "stomp",
    title: "STOMP",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[61613],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"CSE"),
    probe: Some(probe),
    parser: Some(framed::parser::<Stomp>),
    events: &["stomp", "anomaly"],
    source: "STOMP Protocol Specification, versions 1.0 to 1.2",
};

/// Bytes of a frame's head that are read.
const HEAD_MAX: usize = 16 * 1024;
/// Bytes of a body without a length, of which the end is looked for.
const BODY_MAX: usize = 40 * 1024;
/// Frames of one flow that are written one by one.
const FRAMES_MAX: u16 = 128;

/// A client opens with CONNECT or STOMP and headers, a server with what answers it.
fn probe(probe: &Probe<'_>) -> Found {
    let commands: &[&[u8]] = match probe.from {
        Direction::ToServer => &[b"CONNECT", b"STOMP"],
        Direction::ToClient => &[b"CONNECTED", b"ERROR"],
    };
    let shown = probe.payload.get(..160).unwrap_or(probe.payload);
    let Some(end) = memchr::memchr(b'\n', shown) else {
        let is_start = |command: &&[u8]| {
            let rest = shown.strip_prefix(*command);
            command.starts_with(shown) || rest.is_some_and(|rest| b"\r".starts_with(rest))
        };
        return if commands.iter().any(is_start) { Found::Maybe } else { Found::No };
    };
    let line = content(shown.get(..end).unwrap_or_default());
    if !commands.contains(&line) {
        return Found::No;
    }
    let rest = shown.get(end + 1..).unwrap_or_default();
    let header_end = memchr::memchr(b'\n', rest);
    let header = rest.get(..header_end.unwrap_or(rest.len())).unwrap_or_default();
    let known: [&[u8]; 15] = [
        b"accept-version:",
        b"host:",
        b"login:",
        b"passcode:",
        b"heart-beat:",
        b"client-id:",
        b"receipt:",
        b"version:",
        b"session:",
        b"server:",
        b"user-name:",
        b"message:",
        b"content-type:",
        b"content-length:",
        b"receipt-id:",
    ];
    if known.iter().any(|name| header.starts_with(name)) {
        Found::Yes
    } else if header_end.is_none() && known.iter().any(|name| name.starts_with(header)) {
        Found::Maybe
    } else {
        Found::No
    }
}

fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Frames of version 1.2, by who sends them.
const CLIENT: [&[u8]; 12] = [
    b"CONNECT",
    b"STOMP",
    b"SEND",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"ACK",
    b"NACK",
    b"BEGIN",
    b"COMMIT",
    b"ABORT",
    b"DISCONNECT",
    b"",
];
const SERVER: [&[u8]; 5] = [b"CONNECTED", b"MESSAGE", b"RECEIPT", b"ERROR", b""];

/// Some servers write commands in small letters.
fn is_command(line: &[u8], from: Direction) -> bool {
    match from {
        Direction::ToServer => CLIENT.iter().any(|command| command.eq_ignore_ascii_case(line)),
        Direction::ToClient => SERVER.iter().any(|command| command.eq_ignore_ascii_case(line)),
    }
}

/// The head of a frame: its command and its headers.
#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    command: &'a [u8],
    headers: &'a [u8],
    /// Bytes up to the body.
    len: usize,
}

impl<'a> Head<'a> {
    /// None where the empty line is not there yet.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let shown = bytes.get(..HEAD_MAX).unwrap_or(bytes);
        let end = memchr::memchr(b'\n', shown)?;
        let command = content(shown.get(..end)?);
        let mut at = end + 1;
        loop {
            let line_end = at + memchr::memchr(b'\n', shown.get(at..)?)?;
            if content(shown.get(at..line_end)?).is_empty() {
                return Some(Self { command, headers: shown.get(end + 1..at)?, len: line_end + 1 });
            }
            at = line_end + 1;
        }
    }

    /// The value of a header; of several the first counts.
    fn header(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.headers
            .split(|byte| *byte == b'\n')
            .find_map(|line| content(line).strip_prefix(name)?.strip_prefix(b":"))
    }

    fn content_length(&self) -> Option<usize> {
        let digits = self.header(b"content-length")?.trim_ascii();
        let is_number = !digits.is_empty() && digits.len() <= 9 && digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| digits.iter().fold(0, |value, digit| value * 10 + usize::from(digit - b'0')))
    }
}

/// STOMP on one flow.
#[derive(Debug)]
struct Stomp {
    credentials: Credentials,
    host: Kept<128>,
    is_open: bool,
    quota: Quota,
    frames: [u64; 2],
}

impl Default for Stomp {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            host: Kept::default(),
            is_open: false,
            quota: Quota::new(FRAMES_MAX),
            frames: [0; 2],
        }
    }
}

impl Stomp {
    fn connect(&mut self, head: &Head<'_>) {
        self.credentials = Credentials::default();
        if let Some(login) = head.header(b"login") {
            self.credentials.user(login).mechanism(b"password");
        }
        if head.header(b"passcode").is_some_and(|passcode| !passcode.is_empty()) {
            self.credentials.password_in_clear();
        }
        self.host.set(head.header(b"host").unwrap_or_default());
        self.is_open = true;
    }

    fn tell_login(&mut self, answer: Option<&Head<'_>>, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_open) {
            return;
        }
        let mut event = report.event("stomp");
        event.label("type", "login");
        self.host.write("host", &mut event);
        self.credentials.write(&mut event);
        match answer {
            Some(head) if head.command.eq_ignore_ascii_case(b"CONNECTED") => {
                event.label("result", "success");
                write_text("version", head.header(b"version").unwrap_or(b"1.0"), 8, &mut event);
                write_text("server", head.header(b"server").unwrap_or_default(), 64, &mut event);
            }
            Some(head) => {
                event.label("result", "failure");
                write_text("message", head.header(b"message").unwrap_or_default(), 128, &mut event);
            }
            None => {
                event.label("result", "unknown");
            }
        }
        event.cleartext();
    }

    fn frame(&mut self, head: &Head<'_>, body: usize, from: Direction, report: &mut Report<'_, '_>) {
        if let Some(count) = self.frames.get_mut(from as usize) {
            *count = count.saturating_add(1);
        }
        let command = head.command.to_ascii_uppercase();
        match command.as_slice() {
            b"CONNECT" | b"STOMP" => return self.connect(head),
            b"CONNECTED" => return self.tell_login(Some(head), report),
            b"ERROR" if self.is_open => return self.tell_login(Some(head), report),
            b"SEND" | b"SUBSCRIBE" | b"MESSAGE" | b"ERROR" => {}
            _ => return,
        }
        if !(self.quota.take() || command == b"ERROR") {
            return;
        }
        let mut event = report.event("stomp");
        event.label("type", "frame").text("command", &command);
        for (field, name) in
            [("destination", &b"destination"[..]), ("content_type", b"content-type"), ("message", b"message")]
        {
            write_text(field, head.header(name).unwrap_or_default(), 128, &mut event);
        }
        event.number("body_length", body as u64);
    }
}

impl Messages for Stomp {
    const NAME: &'static str = "stomp";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        // Line ends between frames are heart-beats.
        if matches!(bytes.first(), Some(b'\n' | b'\r')) {
            return Framing::whole(1);
        }
        let shown = bytes.get(..HEAD_MAX).unwrap_or(bytes);
        let line_end = memchr::memchr(b'\n', bytes.get(..32).unwrap_or(bytes));
        match line_end {
            Some(end) if !is_command(content(bytes.get(..end).unwrap_or_default()), from) => {
                return Framing::Invalid("unknown_command");
            }
            None if bytes.len() >= 32 => return Framing::Invalid("unknown_command"),
            _ => {}
        }
        let Some(head) = Head::read(bytes) else {
            return if shown.len() == HEAD_MAX { Framing::Invalid("head_too_long") } else { Framing::Open };
        };
        if let Some(length) = head.content_length() {
            return Framing::at_most(head.len + length + 1, head.len);
        }
        let body = bytes.get(head.len..).unwrap_or_default();
        match memchr::memchr(0, body.get(..BODY_MAX).unwrap_or(body)) {
            Some(end) => Framing::at_most(head.len + end + 1, head.len),
            None if body.len() >= BODY_MAX => Framing::Invalid("body_too_long"),
            None => Framing::Open,
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if matches!(message.bytes, [b'\n' | b'\r']) {
            return Ok(Next::More);
        }
        let head = Head::read(message.bytes).ok_or("truncated_data")?;
        let body = head.content_length().unwrap_or_default();
        self.frame(&head, body, message.from, report);
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match memchr::memchr(b'\n', bytes.get(..32).unwrap_or(bytes)) {
            Some(end) if end > 2 && is_command(content(bytes.get(..end).unwrap_or_default()), from) => {
                Found::Likely(90)
            }
            None if bytes.len() < 32 => Found::Maybe,
            _ => Found::No,
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell_login(None, report);
        let [sent, received] = self.frames;
        if sent + received > u64::from(FRAMES_MAX) {
            let mut event = report.event("stomp");
            event
                .label("type", "session")
                .number("frames_toserver", sent)
                .number("frames_toclient", received);
        }
    }
}
