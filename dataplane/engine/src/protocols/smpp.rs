//! SMPP 3.3 to 5.0: who binds to a message centre and how, and what messages are sent, without their text and with the
//! numbers of people masked.

use super::credentials::Credentials;
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, two_messages};
use super::kept::{Kept, Quota, write_text};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// SMPP.
pub static SMPP: Protocol = Protocol {
    name: "smpp",
    title: "SMPP",
    family: Family::Telecom,
    carriers: &[Carrier::Tcp],
    ports: &[2775],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"\0"),
    probe: Some(probe),
    parser: Some(framed::parser::<Smpp>),
    events: &["smpp", "anomaly"],
    source: "SMPP 3.4 Issue 1.2; SMPP 5.0",
};

/// Bytes of a unit that are read.
const SHOWN_MAX: usize = 2048;
/// Longest unit: a message of 64 KiB in a parameter, and then some.
const UNIT_MAX: u32 = 70_000;
/// Bytes of a header.
const HEAD: usize = 16;
/// Messages of one flow that are written one by one.
const MESSAGES_MAX: u16 = 128;

const RESPONSE: u32 = 0x8000_0000;

/// A client opens with a bind: names end with zeros and have the lengths they may have, then version and range.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient {
        return Found::No;
    }
    match framing(probe.payload) {
        Framing::Invalid(_) => Found::No,
        Framing::Open => Found::Maybe,
        Framing::Message { len, .. } => {
            let Some(head) = Head::read(probe.payload) else { return Found::Maybe };
            if !is_bind(head.command) || head.status != 0 || len > 200 {
                return Found::No;
            }
            match probe.payload.get(HEAD..len) {
                None => Found::Maybe,
                Some(body) => match Bind::read(body) {
                    Some(bind) if bind.is_sound => Found::Yes,
                    _ => Found::No,
                },
            }
        }
    }
}

/// A header (SMPP 3.4, 3.2).
#[derive(Clone, Copy, Debug)]
struct Head {
    command: u32,
    status: u32,
    sequence: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let _len = cursor.u32()?;
        Some(Self { command: cursor.u32()?, status: cursor.u32()?, sequence: cursor.u32()? })
    }
}

/// Where a unit ends.
fn framing(bytes: &[u8]) -> Framing {
    let invalid = Framing::Invalid("invalid_header");
    if bytes.first().is_some_and(|high| *high != 0) || bytes.get(1).is_some_and(|high| *high > 1) {
        return invalid;
    }
    let Some(head) = Head::read(bytes) else { return Framing::Open };
    let len = Cursor::new(bytes).u32().unwrap_or_default();
    let is_request = head.command & RESPONSE == 0;
    let is_sound = command(head.command & !RESPONSE).is_some()
        && (16..=UNIT_MAX).contains(&len)
        && (!is_request || head.status == 0)
        && (1..=0x7fff_ffff).contains(&head.sequence);
    match usize::try_from(len) {
        Ok(len) if is_sound => Framing::at_most(len, SHOWN_MAX),
        _ => invalid,
    }
}

const fn is_bind(command: u32) -> bool {
    matches!(command, 1 | 2 | 9)
}

/// Name of a command (SMPP 3.4, 5.1.2.1; SMPP 5.0, 4.7.5).
const fn command(id: u32) -> Option<&'static str> {
    Some(match id {
        0x0000 => "generic_nack",
        0x0001 => "bind_receiver",
        0x0002 => "bind_transmitter",
        0x0003 => "query_sm",
        0x0004 => "submit_sm",
        0x0005 => "deliver_sm",
        0x0006 => "unbind",
        0x0007 => "replace_sm",
        0x0008 => "cancel_sm",
        0x0009 => "bind_transceiver",
        0x000b => "outbind",
        0x0015 => "enquire_link",
        0x0021 => "submit_multi",
        0x0102 => "alert_notification",
        0x0103 => "data_sm",
        0x0111 => "broadcast_sm",
        0x0112 => "query_broadcast_sm",
        0x0113 => "cancel_broadcast_sm",
        _ => return None,
    })
}

/// Name of a status (SMPP 3.4, 5.1.3).
const fn status(code: u32) -> &'static str {
    match code {
        0x00 => "ok",
        0x01 => "invalid_message_length",
        0x02 => "invalid_command_length",
        0x03 => "invalid_command_id",
        0x04 => "incorrect_bind_status",
        0x05 => "already_bound",
        0x08 => "system_error",
        0x0a => "invalid_source_address",
        0x0b => "invalid_destination_address",
        0x0c => "invalid_message_id",
        0x0d => "bind_failed",
        0x0e => "invalid_password",
        0x0f => "invalid_system_id",
        0x14 => "message_queue_full",
        0x45 => "submit_failed",
        0x58 => "throttled",
        _ => "other",
    }
}

/// Text up to its zero that must be within `most` bytes, the zero included.
fn text<'a>(cursor: &mut Cursor<'a>, most: usize) -> Option<&'a [u8]> {
    let text = cursor.c_string()?;
    (text.len() < most).then_some(text)
}

/// A bind (SMPP 3.4, 4.1).
#[derive(Clone, Copy, Debug)]
struct Bind<'a> {
    system: &'a [u8],
    has_password: bool,
    kind: &'a [u8],
    version: u8,
    is_sound: bool,
}

impl<'a> Bind<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let (system, password, kind) =
            (text(&mut cursor, 17)?, text(&mut cursor, 33)?, text(&mut cursor, 14)?);
        let (version, numbering, plan) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let range = text(&mut cursor, 42)?;
        let is_text = [system, password, kind, range]
            .iter()
            .all(|text| text.iter().all(|byte| (b' '..=b'~').contains(byte)));
        let is_sound = is_text && cursor.is_empty() && version <= 0x50 && numbering <= 0x0f && plan <= 0x12;
        Some(Self { system, has_password: !password.is_empty(), kind, version, is_sound })
    }
}

/// A message without its text (SMPP 3.4, 4.4).
#[derive(Clone, Copy, Debug)]
struct Submission<'a> {
    service: &'a [u8],
    source: (u8, &'a [u8]),
    destination: (u8, &'a [u8]),
    coding: u8,
    length: u8,
}

impl<'a> Submission<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let service = text(&mut cursor, 6)?;
        let mut address = || {
            let (numbering, _plan) = (cursor.u8()?, cursor.u8()?);
            Some((numbering, text(&mut cursor, 21)?))
        };
        let (source, destination) = (address()?, address()?);
        let (_class, _protocol, _priority) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let (_scheduled, _validity) = (text(&mut cursor, 17)?, text(&mut cursor, 17)?);
        let (_registered, _replace, coding) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        let _default = cursor.u8()?;
        Some(Self { service, source, destination, coding, length: cursor.u8()? })
    }
}

/// Of a number the country and the operator at most; names of senders stay.
fn write_address(name: &'static str, (numbering, address): (u8, &[u8]), event: &mut EventWriter<'_>) {
    let is_name = numbering == 5 || address.iter().any(u8::is_ascii_alphabetic);
    if is_name {
        return write_text(name, address, 21, event);
    }
    if !address.is_empty() {
        let mut masked = Kept::<8>::of(address.get(..4).unwrap_or_default());
        masked.push(b"***");
        masked.write(name, event);
    }
}

#[derive(Clone, Debug)]
struct Waiting {
    sequence: u32,
    version: u8,
    command: u32,
    kind: Kept<16>,
    credentials: Credentials,
}

/// SMPP on one flow.
#[derive(Debug)]
struct Smpp {
    bind: Option<Waiting>,
    quota: Quota,
    submitted: u64,
    delivered: u64,
}

impl Default for Smpp {
    fn default() -> Self {
        Self { bind: None, quota: Quota::new(MESSAGES_MAX), submitted: 0, delivered: 0 }
    }
}

impl Smpp {
    fn bind(&mut self, head: Head, body: &[u8]) -> Option<()> {
        let bind = Bind::read(body)?;
        let mut credentials = Credentials::default();
        credentials.user(bind.system).mechanism(b"password");
        if bind.has_password {
            credentials.password_in_clear();
        }
        self.bind = Some(Waiting {
            sequence: head.sequence,
            version: bind.version,
            command: head.command,
            kind: Kept::of(bind.kind),
            credentials,
        });
        Some(())
    }

    fn tell_bind(&mut self, code: Option<u32>, report: &mut Report<'_, '_>) {
        let Some(bind) = self.bind.take() else { return };
        let mut event = report.event("smpp");
        event.label("type", "bind").label("command", command(bind.command).unwrap_or("unknown"));
        event.label(
            "version",
            match bind.version {
                0x34 => "3.4",
                0x50 => "5.0",
                0..=0x33 => "3.3",
                _ => "unknown",
            },
        );
        bind.kind.write("system_type", &mut event);
        bind.credentials.write(&mut event);
        event.label("result", code.map_or("none", status));
        event.cleartext();
    }

    fn submission(&mut self, head: Head, body: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let read = Submission::read(body)?;
        let count = if head.command == 4 { &mut self.submitted } else { &mut self.delivered };
        *count = count.saturating_add(1);
        if self.quota.take() {
            let mut event = report.event("smpp");
            event.label("type", "message").label("command", command(head.command).unwrap_or("unknown"));
            event.number("sequence", head.sequence);
            write_text("service_type", read.service, 6, &mut event);
            write_address("source", read.source, &mut event);
            write_address("destination", read.destination, &mut event);
            event.number("data_coding", read.coding).number("message_length", read.length);
        }
        Some(())
    }
}

impl Messages for Smpp {
    const NAME: &'static str = "smpp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let head = Head::read(message.bytes).ok_or("truncated_data")?;
        let body = message.bytes.get(HEAD..).ok_or("truncated_data")?;
        match head.command {
            bind if is_bind(bind) => self.bind(head, body).ok_or("malformed_bind")?,
            4 | 5 => self.submission(head, body, report).ok_or("malformed_message")?,
            response if response & RESPONSE != 0 => {
                if self.bind.as_ref().is_some_and(|bind| bind.sequence == head.sequence) {
                    self.tell_bind(Some(head.status), report);
                } else if head.status != 0 && self.quota.take() {
                    let mut event = report.event("smpp");
                    event.label("type", "error");
                    event.label("command", command(response & !RESPONSE).unwrap_or("unknown"));
                    event.number("sequence", head.sequence).number("code", head.status);
                    event.label("status", status(head.status));
                }
            }
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        two_messages(bytes, framing)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.tell_bind(None, report);
        if self.submitted + self.delivered > u64::from(MESSAGES_MAX) {
            let mut event = report.event("smpp");
            event
                .label("type", "session")
                .number("submitted", self.submitted)
                .number("delivered", self.delivered);
        }
    }
}
