//! Financial Information eXchange: sessions and messages in tag value encoding, FIX 4.0 to 5.0 and FIXT 1.1.
//!
//! `message` finds messages and their fields, `names` has the names; what an analyst filters on is written here.
//! Accounts and passwords are not. `open_framing` tells of messages in other encodings (FAST, SBE) behind the simple open
//! framing header.

mod message;
mod names;
mod open_framing;

use self::message::{Fields, Head, WHOLE_MAX, framing, is_checksum_right, number};
use self::open_framing::{Header, Traffic};
use super::framed::{self, Framing, Masked, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// FIX.
pub static FIX: Protocol = Protocol {
    name: "fix",
    title: "FIX",
    family: Family::Finance,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"8\0"),
    probe: Some(probe),
    parser: Some(framed::parser::<Fix>),
    events: &["fix", "anomaly"],
    source: "FIX Trading Community: FIX session layer; FIX 4.2, 4.4, 5.0 SP2; SOFH 1.0; FAST 1.1",
};

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    if bytes.first() == Some(&0) {
        return open_framing::look(bytes);
    }
    match framing(bytes) {
        Framing::Open => Found::Maybe,
        Framing::Message { .. } => match Head::read(bytes) {
            Ok(Some(head)) if !head.is_standard => Found::Likely(90),
            _ => Found::Yes,
        },
        Framing::Invalid(_) => Found::No,
    }
}

/// FIX on one connection.
#[derive(Debug, Default)]
struct Fix {
    /// Sequence number that the next message of each direction must have, where it is known.
    expected: [Option<u64>; 2],
    /// Messages in other encodings.
    traffic: Traffic,
}

impl Messages for Fix {
    const NAME: &'static str = "fix";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if bytes.first() == Some(&0) { open_framing::framing(bytes) } else { framing(bytes) }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if message.bytes.first() == Some(&0) {
            let header = Header::read(message.bytes).ok_or("invalid_framing_header")?;
            if self.traffic.count(&header) {
                write_template(&header, &mut report.event("fix"));
            }
            return Ok(Next::More);
        }
        let head = Head::read(message.bytes)?.ok_or("invalid_body_length")?;
        let is_whole = message.bytes.len() == head.len();
        let body = message.bytes.get(head.body.start..).unwrap_or_default();
        let body = body.get(..head.body.len()).unwrap_or(body);
        if !head.is_standard {
            write_vendor(&head, body, report);
            return Ok(Next::More);
        }
        let mut fields = Fields::new(body);
        let kind = fields.next().filter(|(tag, _)| *tag == 35).ok_or("missing_message_type")?.1;
        let mut session = Session::default();
        let mut event = report.event("fix");
        event.text("version", head.version).text("msg_type", kind);
        event.label("msg_name", names::message_type(kind).unwrap_or("unknown"));
        let mut count = 1_u64;
        let mut seen = Seen::default();
        for (tag, value) in fields.by_ref() {
            count += 1;
            session.take(tag, value);
            write_field(tag, value, &mut seen, &mut event);
        }
        event.number("fields", count);
        session.write(&mut event);
        drop(event);
        if is_whole && !is_checksum_right(message.bytes) {
            report.anomaly("checksum_mismatch");
        }
        if is_whole && !fields.is_done() {
            report.anomaly("malformed_field");
        }
        self.sequence(kind, &session, message.from, report);
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(expected) = self.expected.get_mut(from as usize) {
            *expected = None;
        }
    }

    fn clear(&mut self) {
        self.expected = [None; 2];
        self.traffic.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        if !self.traffic.is_empty() {
            self.traffic.write(&mut report.event("fix"));
        }
    }
}

/// The first message of a template.
fn write_template(header: &Header<'_>, event: &mut EventWriter<'_>) {
    event.label("framing", "sofh").label("encoding", header.encoding.name());
    if let Some((template, versions)) = header.template() {
        event.number("template_id", template);
        if let Some((schema, version)) = versions {
            event.number("schema_id", schema).number("schema_version", version);
        }
    }
}

/// A message of a vendor's own encoding: all that is known of it is its type.
fn write_vendor(head: &Head<'_>, body: &[u8], report: &mut Report<'_, '_>) {
    let mut event = report.event("fix");
    event.text("version", head.version);
    match Fields::new(body).next() {
        Some((35, kind)) if kind.len() <= 4 => {
            event.text("msg_type", kind).label("msg_name", names::message_type(kind).unwrap_or("unknown"));
        }
        _ => {
            event.label("msg_type", "").label("msg_name", "unknown");
        }
    }
    event.flag("vendor_encoding", true);
}

const _: () = assert!(WHOLE_MAX < super::CARRY_BYTES, "a message is held until it is whole");

impl Fix {
    /// Messages of one direction are numbered without gaps, but for those sent again and resets.
    fn sequence(&mut self, kind: &[u8], session: &Session, from: Direction, report: &mut Report<'_, '_>) {
        let Some(expected) = self.expected.get_mut(from as usize) else { return };
        let Some(sequence) = session.sequence else { return };
        if session.is_duplicate {
            return;
        }
        if kind == b"4" {
            // A reset says which number comes next.
            *expected = session.new_sequence;
            return;
        }
        let is_reset = kind == b"A" && session.is_reset;
        if expected.is_some_and(|expected| expected != sequence) && !is_reset {
            report.anomaly("sequence_gap");
        }
        *expected = sequence.checked_add(1);
    }
}

/// What matters of a session.
#[derive(Debug, Default)]
struct Session {
    sequence: Option<u64>,
    new_sequence: Option<u64>,
    is_duplicate: bool,
    is_reset: bool,
    has_password: bool,
    user: Option<Masked>,
}

impl Session {
    fn take(&mut self, tag: u32, value: &[u8]) {
        match tag {
            34 => self.sequence = number(value),
            36 => self.new_sequence = number(value),
            43 => self.is_duplicate = value == b"Y",
            141 => self.is_reset = value == b"Y",
            553 => self.user = Some(Masked::of(value)),
            // Password, new password; raw data of a logon is a password with many brokers.
            554 | 925 => self.has_password |= !value.is_empty(),
            _ => {}
        }
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        if self.has_password || self.user.is_some() {
            event.object("credentials");
            if let Some(user) = self.user {
                user.write("user", event);
            }
            event.flag("password_in_clear", self.has_password).close();
        }
    }
}

/// Which fields were written; a group repeats its own.
#[derive(Debug, Default)]
struct Seen(u64);

/// Fields that are written, by their names in the specification.
static WRITTEN: [(u32, &str, Form); 40] = [
    (34, "MsgSeqNum", Form::Number),
    (49, "SenderCompID", Form::Text),
    (56, "TargetCompID", Form::Text),
    (50, "SenderSubID", Form::Text),
    (57, "TargetSubID", Form::Text),
    (52, "SendingTime", Form::Text),
    (43, "PossDupFlag", Form::Flag),
    (97, "PossResend", Form::Flag),
    (1128, "ApplVerID", Form::Text),
    (98, "EncryptMethod", Form::Number),
    (108, "HeartBtInt", Form::Number),
    (141, "ResetSeqNumFlag", Form::Flag),
    (36, "NewSeqNo", Form::Number),
    (7, "BeginSeqNo", Form::Number),
    (16, "EndSeqNo", Form::Number),
    (45, "RefSeqNum", Form::Number),
    (371, "RefTagID", Form::Number),
    (372, "RefMsgType", Form::Text),
    (373, "SessionRejectReason", Form::Number),
    (380, "BusinessRejectReason", Form::Number),
    (58, "Text", Form::Text),
    (11, "ClOrdID", Form::Text),
    (41, "OrigClOrdID", Form::Text),
    (37, "OrderID", Form::Text),
    (17, "ExecID", Form::Text),
    (55, "Symbol", Form::Text),
    (48, "SecurityID", Form::Text),
    (207, "SecurityExchange", Form::Text),
    (15, "Currency", Form::Text),
    (54, "Side", Form::Named(names::side)),
    (38, "OrderQty", Form::Text),
    (44, "Price", Form::Text),
    (40, "OrdType", Form::Named(names::order_type)),
    (59, "TimeInForce", Form::Text),
    (150, "ExecType", Form::Named(names::order_status)),
    (39, "OrdStatus", Form::Named(names::order_status)),
    (32, "LastShares", Form::Text),
    (31, "LastPx", Form::Text),
    (14, "CumQty", Form::Text),
    (6, "AvgPx", Form::Text),
];

/// How a field is written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Number,
    Flag,
    Named(fn(&[u8]) -> Option<&'static str>),
}

/// Bytes of a value that are written.
const VALUE_MAX: usize = 256;

fn write_field(tag: u32, value: &[u8], seen: &mut Seen, event: &mut EventWriter<'_>) {
    let Some((at, (_, name, form))) = WRITTEN.iter().enumerate().find(|(_, (written, _, _))| *written == tag)
    else {
        return;
    };
    if seen.0 >> at & 1 == 1 {
        return;
    }
    seen.0 |= 1 << at;
    let text = value.get(..VALUE_MAX).unwrap_or(value);
    match form {
        Form::Number => match number(value) {
            Some(number) => event.number(name, number),
            None => event.text(name, text),
        },
        Form::Flag => event.flag(name, value == b"Y"),
        Form::Named(known) => match known(value) {
            Some(label) => event.label(name, label),
            None => event.text(name, text),
        },
        Form::Text => event.text(name, text),
    };
}
