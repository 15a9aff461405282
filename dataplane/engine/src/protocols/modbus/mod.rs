//! Modbus over TCP and UDP, and the serial line's framing over TCP.
//!
//! `adu` finds units and whose they are, `pdu` checks what is in them, `function` has the names, `event` writes
//! a transaction. Requests and responses are paired by transaction and unit.

mod adu;
mod event;
mod function;
mod pdu;

use self::adu::{Header, Look, Transport, Unit, has_checksum, header, look, serial_len};
use self::function::Role;
use self::pdu::check;
use super::framed::{self, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// Modbus.
pub static MODBUS: Protocol = Protocol {
    name: "modbus",
    title: "Modbus/TCP",
    family: Family::Operational,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[PORT],
    exposure: Exposure::Cleartext,
    opening: Opening::any(4).in_datagrams([0, 0, 0xff, 0xff, 0, 0, 0, 0], [0; 8]),
    probe: Some(probe),
    parser: Some(framed::parser::<Modbus>),
    events: &["modbus", "anomaly"],
    source: "Modbus Application Protocol 1.1b3; Modbus Messaging on TCP/IP 1.0b; Modbus over Serial Line 1.02",
};

const PORT: u16 = 502;

fn probe(probe: &Probe<'_>) -> Found {
    let (own, other) = match probe.from {
        Direction::ToServer => (Role::Request, Role::Response),
        Direction::ToClient => (Role::Response, Role::Request),
    };
    let mut found = judge(look(probe.payload, own), probe);
    if found == Found::No && probe.midstream {
        // Who asks is a guess.
        found = judge(look(probe.payload, other), probe);
    }
    match found {
        Found::Maybe if !probe.is_stream() => Found::No,
        found => found,
    }
}

fn judge(look: Look, probe: &Probe<'_>) -> Found {
    match look {
        Look::No => Found::No,
        Look::Open => Found::Maybe,
        Look::Is(Transport::Tcp, _) if !is_followed_by_its_like(probe.payload) => Found::No,
        Look::Is(Transport::Serial, _) if !probe.is_stream() => Found::No,
        Look::Is(Transport::Serial, _) if serial_has_few_checks(probe.payload) && !probe.has_port(PORT) => {
            Found::Maybe
        }
        Look::Is(..) if probe.has_port(PORT) => Found::Yes,
        Look::Is(..) => Found::Likely(95),
    }
}

/// Whether what stands behind the first unit could be the next one.
fn is_followed_by_its_like(payload: &[u8]) -> bool {
    let Header::Unit(len) = header(payload) else { return false };
    payload.get(len..).is_none_or(|rest| matches!(header(rest), Header::Open | Header::Unit(_)))
}

/// A checksum alone (functions without data) is too little on any port.
fn serial_has_few_checks(payload: &[u8]) -> bool {
    payload.len() < 8
}

/// Names that the parser gives to services.
pub(in crate::protocols) static SERVICES: &[&str] = &[UMAS];

/// What Schneider Electric's engineering stations speak in a function of its own.
const UMAS: &str = "UMAS";
const UMAS_FUNCTION: u8 = 90;

/// What a response has in common with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    transaction: u16,
    unit: u8,
}

/// Modbus on one flow.
#[derive(Debug, Default)]
struct Modbus {
    transport: Option<Transport>,
    /// Who asks, once a right unit was seen.
    client: Option<Direction>,
    transactions: Transactions<Key>,
}

impl Modbus {
    fn role(&self, from: Direction) -> Role {
        if from == self.client.unwrap_or(Direction::ToServer) { Role::Request } else { Role::Response }
    }

    fn transport(&self) -> Transport {
        self.transport.unwrap_or(Transport::Tcp)
    }

    /// Finds out who asks and how units are framed.
    fn begin(&mut self, bytes: &[u8], from: Direction) -> Look {
        let mut seen = look(bytes, self.role(from));
        if seen == Look::No && self.client.is_none() {
            seen = match look(bytes, Role::Response) {
                Look::Is(transport, _) if from == Direction::ToServer => Look::Is(transport, Role::Response),
                other if from == Direction::ToServer => other,
                _ => look(bytes, Role::Request),
            };
        }
        if let Look::Is(transport, role) = seen {
            self.transport = Some(transport);
            self.client = Some(if role == Role::Request { from } else { from.reversed() });
        }
        seen
    }

    fn serial_framing(&self, bytes: &[u8], from: Direction) -> Framing {
        match serial_len(bytes, self.role(from)) {
            None if bytes.len() < 256 => Framing::Open,
            None => Framing::Invalid("invalid_length"),
            Some(len) => match bytes.get(..len) {
                None => Framing::Open,
                Some(unit) if has_checksum(unit) => Framing::whole(len),
                Some(_) => Framing::Invalid("invalid_crc"),
            },
        }
    }

    fn request(&mut self, unit: &Unit<'_>, report: &mut Report<'_, '_>) {
        let transport = self.transport();
        if transport == Transport::Serial && unit.unit == 0 {
            // For all: nobody answers.
            return event::write(self.transactions.number(), transport, Some(unit), None, report);
        }
        let key = Key { transaction: unit.transaction, unit: unit.unit };
        if let Some(oldest) = self.transactions.open(key, unit.pdu) {
            report.anomaly("flooded");
            self.write_unanswered(oldest, report);
        }
    }

    fn response(&mut self, unit: &Unit<'_>, report: &mut Report<'_, '_>) {
        let transport = self.transport();
        // Some servers answer for another unit than they were asked for.
        let request = self
            .transactions
            .close(|key| key.transaction == unit.transaction && key.unit == unit.unit)
            .or_else(|| {
                self.transactions
                    .close(|key| key.transaction == unit.transaction && transport == Transport::Tcp)
            });
        let Some(request) = request else {
            event::write(self.transactions.number(), transport, None, Some(unit), report);
            return report.anomaly("unsolicited_response");
        };
        let asked = unit_of(&request);
        event::write(request.number, transport, Some(&asked), Some(unit), report);
        if !answers(asked.pdu, unit.pdu) {
            report.anomaly("value_mismatch");
        }
        self.transactions.recycle(request);
    }

    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        event::write(request.number, self.transport(), Some(&unit_of(&request)), None, report);
        self.transactions.recycle(request);
    }
}

fn unit_of(request: &Request<Key>) -> Unit<'_> {
    Unit { transaction: request.key.transaction, unit: request.key.unit, pdu: &request.bytes }
}

/// Whether a response has the function, and what it must repeat, of its request.
fn answers(request: &[u8], response: &[u8]) -> bool {
    let (Some((asked, what)), Some((code, data))) = (request.split_first(), response.split_first()) else {
        return false;
    };
    if code & 0x7f != *asked {
        return false;
    }
    let quantity =
        || what.get(2..).and_then(<[u8]>::first_chunk).map(|bytes| usize::from(u16::from_be_bytes(*bytes)));
    match code {
        1 | 2 => quantity().is_some_and(|bits| data.len() == 1 + bits.div_ceil(8)),
        3 | 4 => quantity().is_some_and(|words| data.len() == 1 + words * 2),
        5 | 6 | 22 => data == what,
        15 | 16 => what.get(..4) == Some(data),
        _ => true,
    }
}

impl Messages for Modbus {
    const NAME: &'static str = "modbus";

    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        if self.transport.is_none() {
            match self.begin(bytes, from) {
                Look::Open => return Framing::Open,
                Look::No => return Framing::Invalid("invalid_protocol_id"),
                Look::Is(..) => {}
            }
        }
        match self.transport() {
            Transport::Serial => self.serial_framing(bytes, from),
            Transport::Tcp => match header(bytes) {
                Header::Open => Framing::Open,
                Header::Unit(len) => Framing::whole(len),
                Header::WrongProtocol => Framing::Invalid("invalid_protocol_id"),
                Header::WrongLength => Framing::Invalid("invalid_length"),
            },
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let unit = Unit::split(message.bytes, self.transport()).ok_or("truncated_data")?;
        let role = self.role(message.from);
        match role {
            Role::Request => self.request(&unit, report),
            Role::Response => self.response(&unit, report),
        }
        if unit.pdu.first().is_some_and(|code| code & 0x7f == UMAS_FUNCTION) {
            report.service(UMAS);
        }
        if let Err(fault) = check(unit.pdu, role) {
            report.anomaly(fault.anomaly());
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], from: Direction) -> Found {
        match look(bytes, self.role(from)) {
            Look::Open => Found::Maybe,
            Look::Is(..) => Found::Likely(95),
            Look::No => Found::No,
        }
    }

    fn clear(&mut self) {
        self.transactions.clear();
        (self.transport, self.client) = (None, None);
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
    }
}
