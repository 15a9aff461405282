//! Siemens S7 communication and its successor over ISO transport on TCP (RFC 1006).
//!
//! `message` reads the messages of S7comm, `plus` those of S7comm-plus, `names` has the names. Both go by the same
//! parser: a connection turns out to be one or the other only after it was set up.

mod message;
mod names;
mod plus;

use self::message::Message;
use super::clear::Clear;
use super::framed::{self, Framing, Messages, Next, Report, Transactions};
use super::iso_transport::{Parameters, Unit, framing};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// The members of the events of both S7 protocols.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "address", "area", "argument", "bit", "block", "block_number", "block_type", "connect_confirm",
    "connect_request", "connection_type", "count", "data", "db", "destination_tsap", "direction", "error",
    "error_class", "error_code", "file", "file_system", "function", "function_code", "group", "group_code",
    "id", "integrity_protected", "item_count", "items", "max_called", "max_calling", "meaning", "name",
    "number", "operation", "password_present", "pdu_length", "pdu_reference", "rack", "reason", "result",
    "results", "rosctr", "runs", "sequence", "service", "session_id", "size", "slot", "source_tsap",
    "syntax", "szl_id", "szl_index", "tpdu_size", "type", "version",
];

/// S7comm.
pub static S7COMM: Protocol = Protocol {
    name: "s7comm",
    title: "S7comm",
    family: Family::Operational,
    carriers: &[Carrier::Tcp],
    ports: &[102],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[3]),
    probe: Some(probe_classic),
    parser: Some(framed::parser::<S7>),
    events: &["s7comm", "s7comm_plus", "anomaly"],
    source: "RFC 1006; ISO 8073; Siemens S7, vendor protocol",
};

/// S7comm-plus.
pub static S7COMM_PLUS: Protocol = Protocol {
    name: "s7comm_plus",
    title: "S7comm-plus",
    family: Family::Operational,
    carriers: &[Carrier::Tcp],
    ports: &[102],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, &[3]),
    probe: Some(probe_plus),
    parser: Some(framed::parser::<S7>),
    events: &["s7comm_plus", "s7comm", "anomaly"],
    source: "RFC 1006; ISO 8073; Siemens S7, vendor protocol",
};

/// Which protocol the first data of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Open,
    Classic,
    Plus,
    Neither,
}

fn probe_classic(probe: &Probe<'_>) -> Found {
    match look(probe.payload) {
        Look::Open => Found::Maybe,
        Look::Classic => Found::Yes,
        Look::Plus | Look::Neither => Found::No,
    }
}

fn probe_plus(probe: &Probe<'_>) -> Found {
    match look(probe.payload) {
        Look::Open => Found::Maybe,
        Look::Plus => Found::Yes,
        Look::Classic | Look::Neither => Found::No,
    }
}

/// Looks at the units of the transport up to the first data.
fn look(mut bytes: &[u8]) -> Look {
    for _ in 0..4 {
        let (len, shown) = match framing(bytes) {
            Framing::Open => return Look::Open,
            Framing::Invalid(_) => return Look::Neither,
            Framing::Message { len, shown } => (len, shown),
        };
        let Some(packet) = bytes.get(..shown) else { return look_at_start(bytes) };
        match Unit::read(packet) {
            Some(Unit::Request(_) | Unit::Confirm(_)) => bytes = bytes.get(len..).unwrap_or_default(),
            Some(Unit::Data(data, is_end)) => return look_at_data(data, is_end),
            _ => return Look::Neither,
        }
    }
    Look::Neither
}

/// A packet that is not whole yet.
fn look_at_start(bytes: &[u8]) -> Look {
    match bytes.get(4..8) {
        Some([2, 0xf0, 0 | 0x80, message::PROTOCOL | plus::PROTOCOL]) | None => Look::Open,
        Some([_, 0xd0 | 0xe0, ..]) => Look::Open,
        Some(_) => Look::Neither,
    }
}

fn look_at_data(data: &[u8], is_end: bool) -> Look {
    match data {
        [message::PROTOCOL, ..] if Message::read(data).is_some() => Look::Classic,
        // The rest comes in another unit.
        [message::PROTOCOL, 1..=3 | 7, 0, 0, _, _, _, _, ..] if !is_end => Look::Classic,
        [plus::PROTOCOL, ..] if plus::is_start(data, is_end) => Look::Plus,
        _ => Look::Neither,
    }
}

/// Largest message that is put together: far above what controllers agree on.
const MESSAGE_MAX: usize = 32 * 1024;

/// S7 on one connection.
#[derive(Debug, Default)]
struct S7 {
    /// Messages of each direction of which an end is missing.
    parts: [Vec<u8>; 2],
    transactions: Transactions<u16>,
    is_plus: bool,
    clear: Clear,
}

impl S7 {
    fn data(&mut self, data: &[u8], report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        match data.first() {
            Some(&message::PROTOCOL) => self.classic(data, report).map(|()| Next::More),
            Some(&plus::PROTOCOL) => {
                if !self.is_plus {
                    self.is_plus = true;
                    report.refine("s7comm_plus", 99);
                }
                plus::write(data, &mut self.clear, report)
            }
            _ => Err("unknown_protocol"),
        }
    }

    fn classic(&mut self, data: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let message = Message::read(data).ok_or("malformed_message")?;
        if message.is_push() {
            write(self.transactions.number(), None, Some(&message), report);
        } else if message.is_response() {
            let request = self.transactions.close(|reference| *reference == message.reference);
            let Some(request) = request else {
                write(self.transactions.number(), None, Some(&message), report);
                report.anomaly("unsolicited_response");
                return Ok(());
            };
            let asked = Message::read(&request.bytes);
            write(request.number, asked.as_ref(), Some(&message), report);
            if asked
                .is_some_and(|asked| asked.function() != message.function() && message.function().is_some())
            {
                report.anomaly("function_mismatch");
            }
            self.transactions.recycle(request);
        } else if let Some(oldest) = self.transactions.open(message.reference, data) {
            report.anomaly("flooded");
            write(oldest.number, Message::read(&oldest.bytes).as_ref(), None, report);
            self.transactions.recycle(oldest);
        }
        Ok(())
    }
}

impl Messages for S7 {
    const NAME: &'static str = "s7comm";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(
        &mut self,
        packet: framed::Message<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<Next, &'static str> {
        let Some(part) = self.parts.get_mut(packet.from as usize) else { return Ok(Next::More) };
        match Unit::read(packet.bytes).ok_or("malformed_transport_unit")? {
            Unit::Request(parameters) => {
                write_connection("connect_request", &parameters, &mut report.event("s7comm"));
            }
            Unit::Confirm(parameters) => {
                write_connection("connect_confirm", &parameters, &mut report.event("s7comm"));
            }
            Unit::Disconnect(reason) => {
                report.event("s7comm").label("type", "disconnect").number("reason", reason);
            }
            Unit::Other => report.anomaly("transport_error"),
            Unit::Data(data, true) if part.is_empty() => return self.data(data, report),
            Unit::Data(data, is_end) => {
                if part.len() + data.len() > MESSAGE_MAX {
                    part.clear();
                    return Err("message_too_long");
                }
                part.extend_from_slice(data);
                if is_end {
                    let mut whole = core::mem::take(part);
                    let read = self.data(&whole, report);
                    whole.clear();
                    if let Some(part) = self.parts.get_mut(packet.from as usize) {
                        *part = whole;
                    }
                    return read;
                }
            }
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        match look(bytes) {
            Look::Open => Found::Maybe,
            Look::Classic | Look::Plus => Found::Yes,
            Look::Neither => Found::No,
        }
    }

    fn lost(&mut self, from: Direction) {
        if let Some(part) = self.parts.get_mut(from as usize) {
            part.clear();
        }
    }

    fn clear(&mut self) {
        self.parts.iter_mut().for_each(Vec::clear);
        self.transactions.clear();
        (self.is_plus, self.clear) = (false, Clear::default());
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            write(request.number, Message::read(&request.bytes).as_ref(), None, report);
            self.transactions.recycle(request);
        }
    }
}

/// Writes a transaction, of which one half may be missing.
fn write(
    number: u64,
    request: Option<&Message<'_>>,
    response: Option<&Message<'_>>,
    report: &mut Report<'_, '_>,
) {
    let Some(reference) = request.or(response).map(|message| message.reference) else { return };
    let mut event = report.event("s7comm");
    event.number("id", number).number("pdu_reference", reference);
    for (name, message) in [("request", request), ("response", response)] {
        if let Some(message) = message {
            event.object(name);
            message.write(&mut event);
            event.close();
        }
    }
}

/// Writes who is connected: the selectors of S7 say the kind of connection, rack and slot.
fn write_connection(kind: &'static str, parameters: &Parameters<'_>, event: &mut EventWriter<'_>) {
    event
        .label("type", kind)
        .hex("source_tsap", parameters.source)
        .hex("destination_tsap", parameters.destination);
    if let [kind, place] = parameters.destination {
        event.number("rack", place >> 5).number("slot", place & 0x1f);
        event.label(
            "connection_type",
            match kind {
                1 => "programmer",
                2 => "operator_panel",
                3..=0x10 => "basic",
                _ => "other",
            },
        );
    }
    if let Some(size @ 7..=16) = parameters.size {
        event.number("tpdu_size", 1_u32 << size);
    }
}
