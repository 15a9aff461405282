//! The NATS client protocol: what the server is, who connects and how, and which subjects are used.

use super::credentials::Credentials;
use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::kept::{Kept, Quota, write_text};
use super::{
    Carrier, Exposure, Family, Found, Input, Opening, Output, Parser, Probe, Progress, Protocol, Then, lines,
};
use crate::record::Direction;

/// NATS.
pub static NATS: Protocol = Protocol {
    name: "nats",
    title: "NATS",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[4222],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, b"IC"),
    probe: Some(probe),
    parser: Some(|| Box::new(NatsOrTls { messages: framed::parser::<Nats>(), has_client_spoken: false })),
    events: &["nats", "anomaly"],
    source: "NATS documentation: client protocol",
};

/// Bytes of a control line that are read.
const LINE_MAX: usize = 16 * 1024;
/// Operations of one flow that are written one by one.
const OPERATIONS_MAX: u16 = 64;

/// The server opens with INFO, clients with CONNECT, both with an object behind.
fn probe(probe: &Probe<'_>) -> Found {
    let word: &[u8] = match probe.from {
        Direction::ToClient => b"INFO {",
        Direction::ToServer => b"CONNECT {",
    };
    let shown = probe.payload.get(..word.len()).unwrap_or(probe.payload);
    if !word.starts_with(shown) {
        return Found::No;
    }
    let rest = probe.payload.get(word.len()..).unwrap_or_default();
    let rest = rest.get(..64).unwrap_or(rest).trim_ascii_start();
    match rest.split_first() {
        None => Found::Maybe,
        // The first member: letters and an underscore between quotes.
        Some((b'"', name)) => {
            match name.iter().position(|byte| !(byte.is_ascii_lowercase() || *byte == b'_')) {
                None if name.len() < 32 => Found::Maybe,
                Some(end) if end > 1 && name.get(end) == Some(&b'"') => Found::Yes,
                _ => Found::No,
            }
        }
        Some((b'}', _)) => Found::Likely(80),
        Some(_) => Found::No,
    }
}

/// NATS, or TLS that a client begins without a word.
#[derive(Debug)]
struct NatsOrTls {
    messages: Box<dyn Parser>,
    has_client_spoken: bool,
}

impl Parser for NatsOrTls {
    fn reset(&mut self) {
        self.messages.reset();
        self.has_client_spoken = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if input.from == Direction::ToServer && !self.has_client_spoken && !input.bytes.is_empty() {
            self.has_client_spoken = true;
            if input.bytes.first() == Some(&0x16) {
                out.event("nats").label("type", "encryption").label("encryption", "tls");
                return Progress { consumed: 0, then: Then::Upgrade };
            }
        }
        self.messages.read(input, out)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.messages.finish(out);
    }
}

/// The value of a member of a flat object: text without its quotes, or the word. Escapes stay as they are.
fn member<'a>(object: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = object;
    while let Some(at) = memchr::memchr(b'"', rest) {
        let inside = rest.get(at + 1..)?;
        let end = closing_quote(inside)?;
        let (text, after) = (inside.get(..end)?, inside.get(end + 1..)?.trim_ascii_start());
        let Some(value) = after.strip_prefix(b":").map(<[u8]>::trim_ascii_start) else {
            rest = after;
            continue;
        };
        if text == name {
            return match value.strip_prefix(b"\"") {
                Some(text) => text.get(..closing_quote(text)?),
                None => value.split(|byte| matches!(byte, b',' | b'}' | b' ' | b']')).next(),
            };
        }
        rest = value.strip_prefix(b"\"").map_or(Some(value), |text| text.get(closing_quote(text)? + 1..))?;
    }
    None
}

fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })
}

/// NATS on one flow.
#[derive(Debug)]
struct Nats {
    /// Bytes of a payload that comes next, each way, its line end included.
    payload: [Option<u64>; 2],
    version: Kept<32>,
    server: Kept<64>,
    tls_required: bool,
    auth_required: bool,
    is_info_told: bool,
    quota: Quota,
    messages: [u64; 2],
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            payload: [None; 2],
            version: Kept::default(),
            server: Kept::default(),
            tls_required: false,
            auth_required: false,
            is_info_told: false,
            quota: Quota::new(OPERATIONS_MAX),
            messages: [0; 2],
        }
    }
}

impl Nats {
    const fn payload(&mut self, from: Direction) -> &mut Option<u64> {
        let [to_server, to_client] = &mut self.payload;
        match from {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    fn info(&mut self, object: &[u8], report: &mut Report<'_, '_>) -> Next {
        let is_true = |name: &[u8]| member(object, name) == Some(b"true");
        self.version.set(member(object, b"version").unwrap_or_default());
        self.server.set(member(object, b"server_name").or(member(object, b"server_id")).unwrap_or_default());
        self.tls_required = is_true(b"tls_required");
        self.auth_required = is_true(b"auth_required");
        // Servers tell of their cluster again and again.
        if core::mem::replace(&mut self.is_info_told, true) {
            return Next::More;
        }
        let mut event = report.event("nats");
        event.label("type", "info");
        self.server.write("server", &mut event);
        self.version.write("version", &mut event);
        event.flag("tls_required", self.tls_required).flag("auth_required", self.auth_required);
        drop(event);
        if self.tls_required {
            return Next::Upgrade;
        }
        Next::More
    }

    fn connect(&self, object: &[u8], report: &mut Report<'_, '_>) {
        let mut credentials = Credentials::default();
        if let Some(user) = member(object, b"user") {
            credentials.user(user).mechanism(b"password");
        }
        if member(object, b"pass").is_some_and(|password| !password.is_empty()) {
            credentials.password_in_clear();
        }
        if member(object, b"auth_token").is_some_and(|token| !token.is_empty()) {
            credentials.mechanism(b"token").password_in_clear();
        }
        if member(object, b"sig").is_some_and(|signature| !signature.is_empty()) {
            credentials.mechanism(b"nkey");
        }
        let mut event = report.event("nats");
        event.label("type", "connect");
        for (name, key) in [("name", &b"name"[..]), ("language", b"lang"), ("client_version", b"version")] {
            write_text(name, member(object, key).unwrap_or_default(), 96, &mut event);
        }
        credentials.write(&mut event);
        event.cleartext();
    }

    /// A line with a subject, and perhaps a payload behind it.
    fn operation(
        &mut self,
        verb: &'static str,
        rest: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Option<()> {
        let mut words = rest.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
        // Messages between servers name the account first.
        if verb == "rmsg" {
            words.next()?;
        }
        let subject = words.next()?;
        let mut length = None;
        if matches!(verb, "pub" | "hpub" | "msg" | "hmsg" | "rmsg" | "lmsg") {
            let last = words.next_back()?;
            let digits = last.len() <= 9 && last.iter().all(u8::is_ascii_digit);
            let size =
                digits.then(|| last.iter().fold(0, |size, digit| size * 10 + u64::from(digit - b'0')))?;
            *self.payload(from) = Some(size + 2);
            length = Some(size);
            let [to_server, to_client] = &mut self.messages;
            let count = if from == Direction::ToServer { to_server } else { to_client };
            *count = count.saturating_add(1);
        }
        if self.quota.take() {
            let mut event = report.event("nats");
            event.label("type", verb);
            write_text("subject", subject, 128, &mut event);
            if let Some(length) = length {
                event.number("payload_length", length);
            }
        }
        Some(())
    }

    fn line(
        &mut self,
        line: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<Next, &'static str> {
        let (verb, rest) = lines::words(line);
        if verb.is_empty() {
            return Ok(Next::More);
        }
        let verb = match (from, verb.to_ascii_uppercase().as_slice()) {
            (Direction::ToClient, b"INFO") => return Ok(self.info(rest, report)),
            (Direction::ToServer, b"CONNECT") => {
                self.connect(rest, report);
                return Ok(Next::More);
            }
            (Direction::ToClient, b"-ERR") => {
                let mut event = report.event("nats");
                event.label("type", "error");
                write_text("error", rest, 128, &mut event);
                return Ok(Next::More);
            }
            (Direction::ToServer, b"PUB") => "pub",
            (Direction::ToServer, b"HPUB") => "hpub",
            (Direction::ToServer, b"SUB") => "sub",
            (Direction::ToClient, b"MSG") => "msg",
            (Direction::ToClient, b"HMSG") => "hmsg",
            (Direction::ToClient, b"+OK") | (_, b"PING" | b"PONG") | (Direction::ToServer, b"UNSUB") => {
                return Ok(Next::More);
            }
            // Between servers (NATS, "NATS Server Network Protocol"): both sides say who they are.
            (Direction::ToServer, b"INFO") | (Direction::ToClient, b"CONNECT") => return Ok(Next::More),
            (_, b"RS+" | b"RS-" | b"LS+" | b"LS-" | b"A+" | b"A-") => return Ok(Next::More),
            (_, b"RMSG") => "rmsg",
            (_, b"LMSG") => "lmsg",
            (Direction::ToServer, b"HMSG") => "hmsg",
            _ => return Err("unknown_operation"),
        };
        self.operation(verb, rest, from, report).ok_or("malformed_operation")?;
        Ok(Next::More)
    }
}

impl Messages for Nats {
    const NAME: &'static str = "nats";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if let Some(len) = *self.payload(from) {
            return Framing::at_most(usize::try_from(len).unwrap_or(usize::MAX), 0);
        }
        let shown = bytes.get(..LINE_MAX).unwrap_or(bytes);
        match memchr::memchr(b'\n', shown) {
            Some(end) => Framing::whole(end + 1),
            None if shown.len() == LINE_MAX => Framing::Invalid("line_too_long"),
            None => Framing::Open,
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if self.payload(message.from).take().is_some() {
            return Ok(Next::More);
        }
        self.line(lines::content(message.bytes), message.from, report)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        let verbs: &[&[u8]] = match from {
            Direction::ToServer => {
                &[b"PUB ", b"HPUB ", b"SUB ", b"UNSUB ", b"PING\r", b"PONG\r", b"CONNECT {"]
            }
            Direction::ToClient => &[b"MSG ", b"HMSG ", b"INFO {", b"+OK\r", b"-ERR ", b"PING\r", b"PONG\r"],
        };
        if verbs.iter().any(|verb| bytes.starts_with(verb)) {
            Found::Likely(90)
        } else if verbs.iter().any(|verb| verb.starts_with(bytes)) {
            Found::Maybe
        } else {
            Found::No
        }
    }

    fn lost(&mut self, from: Direction) {
        *self.payload(from) = None;
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        let [published, delivered] = self.messages;
        if published + delivered > u64::from(OPERATIONS_MAX) {
            let mut event = report.event("nats");
            event.label("type", "session").number("published", published).number("delivered", delivered);
        }
    }
}
