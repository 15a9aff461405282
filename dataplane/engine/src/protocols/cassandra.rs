//! Cassandra's native protocol (CQL), versions 1 to 5: what a driver says of itself, who logs on, and what is asked.

use super::credentials::Credentials;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, two_messages};
use super::kept::{Kept, Quota, write_text};
use super::sql::{self, Dialect, STATEMENT_MAX};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// CQL.
pub static CASSANDRA: Protocol = Protocol {
    name: "cassandra",
    title: "Cassandra (CQL)",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[9042],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[1, 2, 3, 4, 5]),
    probe: Some(probe),
    parser: Some(framed::parser::<Cassandra>),
    events: &["cassandra", "anomaly"],
    source: "Apache Cassandra: native_protocol_v3.spec to native_protocol_v5.spec",
};

/// Bytes of a message that are read.
const SHOWN_MAX: usize = 4096;
/// Longest body (section 2.5).
const BODY_MAX: u32 = 256 << 20;
/// Requests of one flow that are written one by one.
const REQUESTS_MAX: u16 = 128;
/// Requests that may wait for their answers.
const WAITING_MAX: usize = 64;

const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const OPTIONS: u8 = 0x05;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const PREPARE: u8 = 0x09;
const EXECUTE: u8 = 0x0a;
const EVENT: u8 = 0x0c;
const BATCH: u8 = 0x0d;
const AUTH_RESPONSE: u8 = 0x0f;
const AUTH_SUCCESS: u8 = 0x10;

const COMPRESSED: u8 = 1;

/// A client opens with STARTUP, or asks for the options before.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient {
        return Found::No;
    }
    let Some(head) = Head::read(probe.payload) else {
        return match envelope(probe.payload, Direction::ToServer) {
            Framing::Invalid(_) => Found::No,
            _ => Found::Maybe,
        };
    };
    if matches!(envelope(probe.payload, Direction::ToServer), Framing::Invalid(_)) || head.flags & !0x1c != 0
    {
        return Found::No;
    }
    let body = probe.payload.get(head.len..).unwrap_or_default();
    match head.opcode {
        // Nothing follows before the answer.
        OPTIONS if head.body == 0 && body.is_empty() => Found::Likely(92),
        STARTUP if (17..=1024).contains(&head.body) => {
            let mut cursor = Cursor::new(body);
            let (Some(count), Some(name)) = (cursor.u16(), text(&mut cursor)) else { return Found::Maybe };
            if (1..=16).contains(&count) && name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_')
            {
                Found::Yes
            } else {
                Found::No
            }
        }
        _ => Found::No,
    }
}

/// A header: before version 3 with a stream of one byte.
#[derive(Clone, Copy, Debug)]
struct Head {
    version: u8,
    flags: u8,
    stream: u16,
    opcode: u8,
    body: u32,
    /// Bytes before the body.
    len: usize,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (version, flags) = (cursor.u8()?, cursor.u8()?);
        let is_old = version & 0x7f < 3;
        let stream = if is_old { cursor.u8()?.into() } else { cursor.u16()? };
        Some(Self {
            version,
            flags,
            stream,
            opcode: cursor.u8()?,
            body: cursor.u32()?,
            len: if is_old { 8 } else { 9 },
        })
    }
}

/// Where an envelope ends.
fn envelope(bytes: &[u8], from: Direction) -> Framing {
    let Some(version) = bytes.first() else { return Framing::Open };
    let (is_answer, number) = (version & 0x80 != 0, version & 0x7f);
    if is_answer != (from == Direction::ToClient)
        || !(1..=5).contains(&number)
        || bytes.get(1).is_some_and(|flags| flags & 0xe0 != 0)
    {
        return Framing::Invalid("invalid_header");
    }
    let Some(head) = Head::read(bytes) else { return Framing::Open };
    let is_known = match head.opcode {
        STARTUP | OPTIONS | QUERY | PREPARE | EXECUTE | BATCH | 0x0b | AUTH_RESPONSE | 0x04 => !is_answer,
        ERROR | READY | AUTHENTICATE | 0x06 | RESULT | EVENT | 0x0e | AUTH_SUCCESS => is_answer,
        _ => false,
    };
    match usize::try_from(head.body) {
        Ok(body) if is_known && head.body <= BODY_MAX => {
            Framing::at_most(head.len + body, head.len + SHOWN_MAX)
        }
        _ => Framing::Invalid("invalid_header"),
    }
}

/// Text with its length in two bytes.
fn text<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = cursor.u16()?;
    cursor.take(len.into())
}

/// Text with its length in four bytes, as far as it is shown.
fn long_text<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = usize::try_from(cursor.u32()?).ok()?;
    cursor.take(len.min(cursor.len()))
}

const fn request(opcode: u8) -> &'static str {
    match opcode {
        STARTUP => "startup",
        OPTIONS => "options",
        QUERY => "query",
        PREPARE => "prepare",
        EXECUTE => "execute",
        BATCH => "batch",
        0x0b => "register",
        0x04 => "credentials",
        _ => "auth_response",
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
struct Waiting {
    stream: u16,
    opcode: u8,
    statement: Vec<u8>,
}

/// CQL on one flow.
#[derive(Debug)]
struct Cassandra {
    version: u8,
    /// Version 5 puts envelopes into frames with checksums, from the answer to STARTUP on.
    is_in_frames: bool,
    /// Bytes of an envelope that are in frames to come, each way.
    to_come: [usize; 2],
    driver: Kept<64>,
    driver_version: Kept<32>,
    compression: Kept<16>,
    credentials: Credentials,
    is_open: bool,
    waiting: Vec<Waiting>,
    quota: Quota,
}

impl Default for Cassandra {
    fn default() -> Self {
        Self {
            version: 0,
            is_in_frames: false,
            to_come: [0; 2],
            driver: Kept::default(),
            driver_version: Kept::default(),
            compression: Kept::default(),
            credentials: Credentials::default(),
            is_open: false,
            waiting: Vec::new(),
            quota: Quota::new(REQUESTS_MAX),
        }
    }
}

impl Cassandra {
    fn startup(&mut self, head: Head, body: &[u8]) -> Option<()> {
        let mut cursor = Cursor::new(body);
        for _ in 0..cursor.u16()?.min(32) {
            let (name, value) = (text(&mut cursor)?, text(&mut cursor)?);
            match name {
                b"DRIVER_NAME" => self.driver.set(value),
                b"DRIVER_VERSION" => self.driver_version.set(value),
                b"COMPRESSION" => self.compression.set(value),
                _ => {}
            }
        }
        self.version = head.version & 0x7f;
        self.is_open = true;
        Some(())
    }

    fn request(&mut self, head: Head, body: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let mut cursor = Cursor::new(body);
        let mut statement = Vec::new();
        match head.opcode {
            STARTUP => return self.startup(head, body),
            AUTH_RESPONSE => {
                let token = long_text(&mut cursor)?;
                if self.credentials.current_mechanism().ends_with(b"PasswordAuthenticator")
                    || self.credentials.current_mechanism().is_empty()
                {
                    self.credentials.plain(token);
                }
                return Some(());
            }
            // Names and values of version 1.
            0x04 => {
                self.credentials.password_in_clear();
                return Some(());
            }
            QUERY | PREPARE => sql::digest(long_text(&mut cursor)?, Dialect::Standard, &mut statement),
            EXECUTE | BATCH => {}
            _ => return Some(()),
        }
        statement.truncate(STATEMENT_MAX);
        if self.waiting.len() >= WAITING_MAX {
            let oldest = self.waiting.remove(0);
            self.tell(&oldest, None, report);
        }
        self.waiting.push(Waiting { stream: head.stream, opcode: head.opcode, statement });
        Some(())
    }

    fn answer(&mut self, head: Head, body: &[u8], report: &mut Report<'_, '_>) {
        match head.opcode {
            AUTHENTICATE => {
                self.credentials.mechanism(text(&mut Cursor::new(body)).unwrap_or_default());
                self.is_in_frames |= self.version == 5;
            }
            READY | AUTH_SUCCESS => {
                self.is_in_frames |= self.version == 5;
                self.tell_login("success", None, report);
            }
            ERROR if self.is_open => self.tell_login("failure", Some(body), report),
            _ => {}
        }
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.stream == head.stream) {
            let waiting = self.waiting.remove(at);
            self.tell(&waiting, Some((head, body)), report);
        }
    }

    fn tell_login(&mut self, result: &'static str, error: Option<&[u8]>, report: &mut Report<'_, '_>) {
        if !core::mem::take(&mut self.is_open) {
            return;
        }
        let mut event = report.event("cassandra");
        event.label("type", "login").number("version", self.version);
        self.driver.write("driver", &mut event);
        self.driver_version.write("driver_version", &mut event);
        self.compression.write("compression", &mut event);
        self.credentials.write(&mut event);
        event.label("result", result);
        if let Some(error) = error {
            write_error(error, &mut event);
        }
        event.cleartext();
    }

    fn tell(&mut self, waiting: &Waiting, answer: Option<(Head, &[u8])>, report: &mut Report<'_, '_>) {
        let is_error = answer.is_some_and(|(head, _)| head.opcode == ERROR);
        if !(self.quota.take() || is_error) {
            return;
        }
        let mut event = report.event("cassandra");
        event.label("type", request(waiting.opcode));
        write_text("statement", &waiting.statement, STATEMENT_MAX, &mut event);
        match answer {
            None => {
                event.label("result", "none");
            }
            Some((Head { opcode: ERROR, .. }, body)) => {
                event.label("result", "error");
                write_error(body, &mut event);
            }
            Some((head, body)) if head.opcode == RESULT && head.flags & !0x10 == 0 => {
                let kind = match Cursor::new(body).u32() {
                    Some(1) => "void",
                    Some(2) => "rows",
                    Some(3) => "keyspace",
                    Some(4) => "prepared",
                    Some(5) => "schema_change",
                    _ => "unknown",
                };
                event.label("result", kind);
            }
            Some(_) => {
                event.label("result", "ok");
            }
        }
    }

    fn envelope(
        &mut self,
        bytes: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let head = Head::read(bytes).ok_or("truncated_data")?;
        let body = bytes.get(head.len..).ok_or("truncated_data")?;
        if head.flags & COMPRESSED != 0 {
            return Ok(());
        }
        match from {
            Direction::ToServer => self.request(head, body, report).ok_or("malformed_request")?,
            Direction::ToClient => self.answer(head, body, report),
        }
        Ok(())
    }
}

fn write_error(body: &[u8], event: &mut crate::record::EventWriter<'_>) {
    let mut cursor = Cursor::new(body);
    event.object("error").number("code", cursor.u32().unwrap_or_default());
    write_text("message", text(&mut cursor).unwrap_or_default(), 256, event);
    event.close();
}

/// Where a frame of version 5 ends: 17 bits of length, a flag, six bits of zeros, a checksum (v5.spec, 2.1).
fn frame(bytes: &[u8]) -> Framing {
    const HEAD: usize = 6;
    const CHECKSUM: usize = 4;
    if bytes.len() < 3 {
        return Framing::Open;
    }
    match frame_head(bytes) {
        Some((len, _)) => Framing::at_most(HEAD + len + CHECKSUM, HEAD + SHOWN_MAX),
        None => Framing::Invalid("invalid_frame"),
    }
}

/// Length of a frame's payload, and whether it holds envelopes that are whole (v5.spec, 2.1).
fn frame_head(bytes: &[u8]) -> Option<(usize, bool)> {
    let [a, b, c] = bytes.first_chunk::<3>()?;
    let bits = u32::from_le_bytes([*a, *b, *c, 0]);
    (bits >> 18 == 0).then(|| (usize::try_from(bits & 0x1_ffff).unwrap_or_default(), bits >> 17 == 1))
}

/// What nodes of one cluster open their connections with, from version 4.0 on (Cassandra, internode messaging:
/// handshake protocol). Signatures tell it; its frames are not read.
const INTERNODE: [u8; 4] = [0xca, 0x55, 0x2d, 0xfa];

impl Messages for Cassandra {
    const NAME: &'static str = "cassandra";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if bytes.first_chunk() == Some(&INTERNODE) {
            return Framing::whole(INTERNODE.len());
        }
        if self.is_in_frames { frame(bytes) } else { envelope(bytes, from) }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if message.bytes == INTERNODE {
            return Ok(Next::Done);
        }
        if !self.is_in_frames {
            self.envelope(message.bytes, message.from, report)?;
            // Frames that are packed are not read.
            let is_packed = self.is_in_frames && !self.compression.is_empty();
            return Ok(if is_packed { Next::Done } else { Next::More });
        }
        let (payload, is_self_contained) = frame_head(message.bytes).ok_or("invalid_frame")?;
        let mut rest = message.bytes.get(6..).unwrap_or_default();
        let to_come = self.to_come.get_mut(message.from as usize).ok_or("invalid_frame")?;
        if !is_self_contained && *to_come > 0 {
            *to_come = to_come.saturating_sub(payload);
            return Ok(Next::More);
        }
        // An envelope that fills more than one frame is read as far as it is in the first.
        *to_come = match envelope(rest, message.from) {
            Framing::Message { len, .. } if !is_self_contained => len.saturating_sub(payload),
            _ => 0,
        };
        while let Framing::Message { len, .. } = envelope(rest, message.from) {
            self.envelope(rest.get(..len).unwrap_or(rest), message.from, report)?;
            rest = rest.get(len..).unwrap_or_default();
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        if self.is_in_frames { Found::No } else { two_messages(bytes, |bytes| envelope(bytes, from)) }
    }

    fn clear(&mut self) {
        let mut waiting = core::mem::take(&mut self.waiting);
        waiting.clear();
        *self = Self { waiting, ..Self::default() };
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell_login("unknown", None, report);
        for waiting in core::mem::take(&mut self.waiting) {
            self.tell(&waiting, None, report);
        }
    }
}
