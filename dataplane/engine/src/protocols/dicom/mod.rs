//! DICOM: associations between devices of medical imaging, and what they ask of each other.
//!
//! `pdu` reads the upper layer, `command` the commands of the message service, `names` has the names. Data sets hold
//! patients' names and images: they are counted and never read.

mod command;
mod names;
mod pdu;

use self::command::Command;
use self::pdu::{Associate, HEADER_LEN, framing, kind};
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// DICOM.
pub static DICOM: Protocol = Protocol {
    name: "dicom",
    title: "DICOM",
    family: Family::Health,
    carriers: &[Carrier::Tcp],
    ports: &[104, 11112],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[kind::ASSOCIATE, kind::ACCEPT, kind::DATA]),
    probe: Some(probe),
    parser: Some(framed::parser::<Dicom>),
    events: &["dicom", "anomaly"],
    source: "DICOM PS3.8 (upper layer), PS3.7 (message exchange)",
};

/// Version, reserved, titles, reserved.
const FIXED_LEN: usize = 68;
/// Name of the application context: the same in every association (PS3.7, A.2.1).
const APPLICATION_CONTEXT: &[u8] = b"\x10\x00\x00\x151.2.840.10008.3.1.1.1";
/// Longest command that is put together.
const COMMAND_MAX: usize = 8 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

/// An association with titles, and the application context that all have; or a command in one piece.
fn look(bytes: &[u8]) -> Found {
    let begins = |expected: &[u8], at: usize| {
        let here = bytes.get(at..).unwrap_or_default();
        here.iter().zip(expected).all(|(byte, wanted)| byte == wanted)
    };
    match framing(bytes) {
        Framing::Invalid(_) => return Found::No,
        Framing::Open if bytes.get(1).is_none_or(|byte| *byte == 0) => return Found::Maybe,
        Framing::Open => return Found::No,
        Framing::Message { .. } => {}
    }
    if bytes.get(1) != Some(&0) {
        return Found::No;
    }
    let body = bytes.get(HEADER_LEN..).unwrap_or_default();
    match bytes.first() {
        Some(&(kind::ASSOCIATE | kind::ACCEPT)) => {
            if !begins(&[0, 1, 0, 0], HEADER_LEN) || !begins(APPLICATION_CONTEXT, HEADER_LEN + FIXED_LEN) {
                return Found::No;
            }
            if body.len() < FIXED_LEN + APPLICATION_CONTEXT.len() {
                return Found::Maybe;
            }
            if Associate::read(body).is_some() { Found::Yes } else { Found::No }
        }
        // A command whole: its first element is the length of the rest.
        Some(&kind::DATA) => match body {
            [_, _, _, _, context, 3, 0, 0, 0, 0, 4, 0, 0, 0, _, _, 0, 0, 0, 0, ..] if context & 1 == 1 => {
                Found::Likely(97)
            }
            [_, _, _, _, context, 3, rest @ ..] if context & 1 == 1 && rest.len() < 14 => {
                if begins(&[0, 0, 0, 0, 4, 0, 0, 0], HEADER_LEN + 6) { Found::Maybe } else { Found::No }
            }
            _ => Found::No,
        },
        _ => Found::No,
    }
}

/// A request that waits for its last response.
#[derive(Clone, Copy, Debug)]
struct Key {
    id: u16,
    from: Direction,
    context: u8,
    /// Responses so far that said that more follow.
    pending: u32,
    /// Bytes of data sets that went with the request, and with its responses.
    data: [u64; 2],
}

/// DICOM on one connection.
#[derive(Debug, Default)]
struct Dicom {
    /// A request for an association waits for its answer.
    is_asked: bool,
    /// That request, kept for what its contexts mean.
    opening: Vec<u8>,
    /// Commands of each direction of which an end is missing.
    parts: [Vec<u8>; 2],
    /// The request that each direction's data set belongs to.
    current: [Option<(u16, Direction)>; 2],
    transactions: Transactions<Key>,
}

impl Messages for Dicom {
    const NAME: &'static str = "dicom";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (&[kind, ..], body) = message.bytes.split_first_chunk::<HEADER_LEN>().ok_or("truncated_data")?;
        match kind {
            kind::ASSOCIATE => {
                Associate::read(body).ok_or("malformed_association")?;
                self.finish_association(report);
                self.opening.clear();
                self.opening.extend_from_slice(body);
                self.is_asked = true;
            }
            kind::ACCEPT => {
                let accepted = Associate::read(body).ok_or("malformed_association")?;
                self.write_association(Some(&accepted), report);
            }
            kind::REJECT => {
                let [_, result, source, reason] = *body.first_chunk::<4>().ok_or("truncated_data")?;
                self.is_asked = false;
                let mut event = report.event("dicom");
                event.label("type", "rejected");
                if let Some(asked) = Associate::read(&self.opening) {
                    asked.write_titles(&mut event);
                }
                event.label("result", if result == 1 { "permanent" } else { "transient" });
                event.number("source", source).label("reason", rejection(source, reason));
            }
            kind::DATA => self.values(body, message.from, report)?,
            kind::RELEASE | kind::RELEASED => {
                let name = if kind == kind::RELEASE { "release_request" } else { "release_response" };
                report.event("dicom").label("type", name);
            }
            kind::ABORT => {
                let [_, _, source, reason] = *body.first_chunk::<4>().ok_or("truncated_data")?;
                let mut event = report.event("dicom");
                event.label("type", "abort").number("reason", reason);
                event.label("source", if source == 0 { "service_user" } else { "service_provider" });
            }
            _ => return Err("unknown_unit_type"),
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn lost(&mut self, from: Direction) {
        if let Some(part) = self.parts.get_mut(from as usize) {
            part.clear();
        }
    }

    fn clear(&mut self) {
        self.is_asked = false;
        self.opening.clear();
        self.parts.iter_mut().for_each(Vec::clear);
        self.current = [None; 2];
        self.transactions.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.finish_association(report);
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
    }
}

impl Dicom {
    /// Values of presentation data: commands are read, data sets counted.
    fn values(
        &mut self,
        body: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let mut cursor = Cursor::new(body);
        while !cursor.is_empty() {
            let length = cursor.u32().ok_or("truncated_data")?;
            let (context, control) = cursor.u8().zip(cursor.u8()).ok_or("truncated_data")?;
            let length = length.checked_sub(2).ok_or("invalid_length")?;
            let value = usize::try_from(length).ok().and_then(|length| cursor.take(length));
            if control & 1 == 0 {
                self.count_data(from, length.into());
            }
            // What is beyond the bytes of the unit that are read is data, too.
            let Some(value) = value else { return Ok(()) };
            if control & 1 == 1 {
                self.fragment(value, (context, control & 2 != 0), from, report)?;
            }
        }
        Ok(())
    }

    fn count_data(&mut self, from: Direction, length: u64) {
        let Some((id, asker)) = self.current.get(from as usize).copied().flatten() else { return };
        if let Some(key) = self.transactions.waiting(|key| (key.id, key.from) == (id, asker))
            && let Some(count) = key.data.get_mut(usize::from(from != asker))
        {
            *count = count.saturating_add(length);
        }
    }

    /// A piece of a command, and whether it is the last.
    fn fragment(
        &mut self,
        value: &[u8],
        (context, is_last): (u8, bool),
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let Some(part) = self.parts.get_mut(from as usize) else { return Ok(()) };
        if part.is_empty() && is_last {
            return self.command(value, context, from, report);
        }
        if part.len() + value.len() > COMMAND_MAX {
            part.clear();
            return Err("command_too_long");
        }
        part.extend_from_slice(value);
        if !is_last {
            return Ok(());
        }
        let mut whole = core::mem::take(part);
        let read = self.command(&whole, context, from, report);
        whole.clear();
        if let Some(part) = self.parts.get_mut(from as usize) {
            *part = whole;
        }
        read
    }

    fn command(
        &mut self,
        bytes: &[u8],
        context: u8,
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        let command = Command::read(bytes).ok_or("malformed_command")?;
        let asker = if command.is_response() { from.reversed() } else { from };
        if let Some(current) = self.current.get_mut(from as usize) {
            *current = command.has_data.then_some((command.id, asker));
        }
        if !command.is_response() {
            let key = Key { id: command.id, from, context, pending: 0, data: [0; 2] };
            if let Some(oldest) = self.transactions.open(key, bytes) {
                report.anomaly("flooded");
                self.write_unanswered(oldest, report);
            }
            return Ok(());
        }
        let belongs = |key: &Key| (key.id, key.from) == (command.id, asker);
        if command.is_pending()
            && let Some(key) = self.transactions.waiting(belongs)
        {
            key.pending = key.pending.saturating_add(1);
            return Ok(());
        }
        match self.transactions.close(belongs) {
            Some(request) => {
                let asked = Command::read(&request.bytes);
                self.write(request.number, &request.key, (asked.as_ref(), Some(&command)), report);
                if asked.is_some_and(|asked| asked.field | 0x8000 != command.field) {
                    report.anomaly("command_mismatch");
                }
                self.transactions.recycle(request);
            }
            None => {
                let key = Key { id: command.id, from: asker, context, pending: 0, data: [0; 2] };
                let number = self.transactions.number();
                self.write(number, &key, (None, Some(&command)), report);
                report.anomaly("unsolicited_response");
            }
        }
        Ok(())
    }

    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        let asked = Command::read(&request.bytes);
        self.write(request.number, &request.key, (asked.as_ref(), None), report);
        self.transactions.recycle(request);
    }

    /// Writes a service, of which one half may be missing.
    fn write(
        &self,
        number: u64,
        key: &Key,
        (request, response): (Option<&Command<'_>>, Option<&Command<'_>>),
        report: &mut Report<'_, '_>,
    ) {
        let Some(command) = request.or(response) else { return };
        let mut event = report.event("dicom");
        event.number("id", number).label("type", "message").number("message_id", command.id);
        event.label("command", names::command(command.field).unwrap_or("unknown"));
        let syntax = Associate::read(&self.opening).and_then(|asked| asked.abstract_syntax(key.context));
        let class = if command.sop_class.is_empty() { syntax } else { Some(command.sop_class) };
        if let Some(class) = class {
            pdu::write_uid("sop_class", class, &mut event);
            if let Some(name) = names::sop_class(class) {
                event.label("sop_class_name", name);
            }
        }
        let data = key.data.iter().sum::<u64>();
        // Data sets are of patients, but for those of administration; that cannot be told without reading them.
        event.flag("phi", data > 0);
        for ((name, half), data) in [("request", request), ("response", response)].into_iter().zip(key.data) {
            if let Some(half) = half {
                event.object(name);
                half.write(&mut event);
                event.number("data_bytes", data).close();
            }
        }
        if key.pending > 0 {
            event.number("pending", key.pending);
        }
    }

    fn finish_association(&mut self, report: &mut Report<'_, '_>) {
        if self.is_asked {
            self.write_association(None, report);
        }
    }

    fn write_association(&mut self, accepted: Option<&Associate<'_>>, report: &mut Report<'_, '_>) {
        let asked = if self.is_asked { Associate::read(&self.opening) } else { None };
        self.is_asked = false;
        let Some(titles) = asked.as_ref().or(accepted) else { return };
        let mut event = report.event("dicom");
        event.label("type", "association");
        titles.write_titles(&mut event);
        for (name, half) in [("request", asked.as_ref()), ("response", accepted)] {
            if let Some(half) = half {
                event.object(name);
                half.write(&mut event);
                event.close();
            }
        }
    }
}

/// Why an association was rejected (PS3.8, 9.3.4).
const fn rejection(source: u8, reason: u8) -> &'static str {
    match (source, reason) {
        (1, 2) => "application_context_not_supported",
        (1, 3) => "calling_ae_not_recognized",
        (1, 7) => "called_ae_not_recognized",
        (2, 2) => "protocol_version_not_supported",
        (3, 1) => "temporary_congestion",
        (3, 2) => "local_limit_exceeded",
        _ => "no_reason",
    }
}
