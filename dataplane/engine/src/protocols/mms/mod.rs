//! Manufacturing Message Specification: what IEC 61850 stations, and control centres by TASE.2 (ICCP), say to each other.
//!
//! MMS lies over association control, presentation and session (`upper`) and the transport that S7 uses too. `pdu` reads
//! its units, `names` has the names. Requests are written with their responses; values are not written, but what is
//! read, written and operated by name is.

mod names;
mod pdu;
mod upper;

use self::pdu::{Kind, Unit};
use self::upper::{Association, Carried};
use super::framed::{self, Framing, Messages, Next, Report, Request, Transactions};
use super::iso_transport::{self as transport, framing};
use super::tlv::Elements;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// MMS.
pub static MMS: Protocol = Protocol {
    name: "mms",
    title: "MMS (IEC 61850)",
    family: Family::Operational,
    carriers: &[Carrier::Tcp],
    ports: &[102],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[3]),
    probe: Some(probe),
    parser: Some(framed::parser::<Mms>),
    events: &["mms", "anomaly"],
    source: "ISO 9506-2; ISO 8327-1, ISO 8823-1, ISO 8650-1; RFC 1006; IEC 61850-8-1",
};

/// Largest unit that is put together; of a longer one the beginning is read.
const UNIT_MAX: usize = 32 * 1024;
/// Reports of one flow that are written; the rest is counted.
const REPORTS_MAX: u64 = 16;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

/// Looks at the transport units up to the first data.
fn look(mut bytes: &[u8]) -> Found {
    for _ in 0..4 {
        let (len, shown) = match framing(bytes) {
            Framing::Open => return Found::Maybe,
            Framing::Invalid(_) => return Found::No,
            Framing::Message { len, shown } => (len, shown),
        };
        let Some(packet) = bytes.get(..shown) else { return look_at_start(bytes) };
        match transport::Unit::read(packet) {
            Some(transport::Unit::Request(_) | transport::Unit::Confirm(_)) => {
                bytes = bytes.get(len..).unwrap_or_default();
            }
            Some(transport::Unit::Data(data @ [CONNECT | ACCEPT, ..], false)) => {
                return look_at_parts(data, bytes.get(len..).unwrap_or_default());
            }
            Some(transport::Unit::Data(data, is_end)) => return look_at_data(data, is_end),
            _ => return Found::No,
        }
    }
    Found::No
}

/// The session unit that opens an association, and the one that accepts it (ISO 8327-1, 8.3).
const CONNECT: u8 = 13;
const ACCEPT: u8 = 14;
/// Transport units that the opening of an association is put together from.
const PARTS_MAX: usize = 16;

/// The opening of an association in several transport units.
fn look_at_parts(first: &[u8], mut bytes: &[u8]) -> Found {
    let mut whole = first.to_vec();
    for _ in 1..PARTS_MAX {
        let Framing::Message { len, shown } = framing(bytes) else {
            return if framing(bytes) == Framing::Open { Found::Maybe } else { Found::No };
        };
        let Some(packet) = bytes.get(..shown) else { return Found::Maybe };
        let Some(transport::Unit::Data(data, is_end)) = transport::Unit::read(packet) else {
            return Found::No;
        };
        whole.extend_from_slice(data);
        if is_end {
            return look_at_data(&whole, true);
        }
        bytes = bytes.get(len..).unwrap_or_default();
    }
    Found::No
}

/// A packet that is not whole yet.
const fn look_at_start(bytes: &[u8]) -> Found {
    match bytes {
        [_, _, _, _, _, 0xd0 | 0xe0, ..] | [_, _, _, _] | [_, _, _, _, _] => Found::Maybe,
        [_, _, _, _, 2, 0xf0] | [_, _, _, _, 2, 0xf0, _] => Found::Maybe,
        [_, _, _, _, 2, 0xf0, _, 1 | 9 | 13 | 14 | 25, ..] => Found::Maybe,
        _ => Found::No,
    }
}

/// A session unit: an association for MMS, or a whole unit of MMS in presentation data.
fn look_at_data(data: &[u8], is_end: bool) -> Found {
    match Carried::read(data) {
        Some(Carried::Connect(association)) if association.offers_mms => Found::Yes,
        Some(Carried::Accept(association)) if Unit::read(association.mms).is_some() => Found::Yes,
        Some(Carried::Data(unit)) => {
            let mut elements = Elements::new(unit);
            let is_whole = elements.next().is_some_and(|(_, content)| {
                let mut inner = Elements::new(content);
                inner.by_ref().for_each(drop);
                !inner.is_cut()
            }) && !elements.is_cut();
            match Unit::read(unit) {
                Some(_) if is_whole || !is_end => Found::Yes,
                _ => Found::No,
            }
        }
        _ => Found::No,
    }
}

/// MMS on one connection.
#[derive(Debug, Default)]
struct Mms {
    /// Session units of each direction of which an end is missing.
    parts: [Vec<u8>; 2],
    /// Requests that wait, by number and who asked.
    transactions: Transactions<(u32, Direction)>,
    reports: u64,
}

impl Messages for Mms {
    const NAME: &'static str = "mms";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn message(
        &mut self,
        packet: framed::Message<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<Next, &'static str> {
        let unit = transport::Unit::read(packet.bytes).ok_or("malformed_transport_unit")?;
        let Some(part) = self.parts.get_mut(packet.from as usize) else { return Ok(Next::More) };
        match unit {
            transport::Unit::Request(parameters) | transport::Unit::Confirm(parameters) => {
                let is_request = matches!(unit, transport::Unit::Request(_));
                let mut event = report.event("mms");
                event.label("type", if is_request { "connect_request" } else { "connect_confirm" });
                event.hex("source_tsap", parameters.source);
                event.hex("destination_tsap", parameters.destination);
                if let Some(size @ 7..=16) = parameters.size {
                    event.number("tpdu_size", 1_u32 << size);
                }
            }
            transport::Unit::Disconnect(reason) => {
                report.event("mms").label("type", "transport_disconnect").number("reason", reason);
            }
            transport::Unit::Other => report.anomaly("transport_error"),
            transport::Unit::Data(data, true) if part.is_empty() => {
                self.session(data, packet.from, report)?;
            }
            transport::Unit::Data(data, is_end) => {
                let room = UNIT_MAX.saturating_sub(part.len());
                part.extend_from_slice(data.get(..room).unwrap_or(data));
                if is_end {
                    let mut whole = core::mem::take(part);
                    let read = self.session(&whole, packet.from, report);
                    whole.clear();
                    if let Some(part) = self.parts.get_mut(packet.from as usize) {
                        *part = whole;
                    }
                    read?;
                }
            }
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
        self.parts.iter_mut().for_each(Vec::clear);
        self.transactions.clear();
        self.reports = 0;
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
        if let Some(more @ 1..) = self.reports.checked_sub(REPORTS_MAX) {
            report.event("mms").label("type", "reports").number("count", more);
        }
    }
}

impl Mms {
    fn session(
        &mut self,
        unit: &[u8],
        from: Direction,
        report: &mut Report<'_, '_>,
    ) -> Result<(), &'static str> {
        match Carried::read(unit).ok_or("malformed_session_unit")? {
            Carried::Connect(association) => write_association("associate_request", &association, report),
            Carried::Accept(association) => write_association("associate_response", &association, report),
            Carried::End(kind) => {
                report.event("mms").label("type", kind);
            }
            Carried::Data(bytes) => {
                let unit = Unit::read(bytes).ok_or("malformed_unit")?;
                self.unit(&unit, bytes, from, report);
            }
        }
        Ok(())
    }

    fn unit(&mut self, unit: &Unit<'_>, bytes: &[u8], from: Direction, report: &mut Report<'_, '_>) {
        match unit.kind {
            Kind::Request => {
                if let Some(oldest) = self.transactions.open((unit.invoke, from), bytes) {
                    report.anomaly("flooded");
                    self.write_unanswered(oldest, report);
                }
            }
            Kind::Response | Kind::Error | Kind::Reject => self.answer(unit, from, report),
            _ => {
                if unit.is_report() {
                    self.reports = self.reports.saturating_add(1);
                    if self.reports > REPORTS_MAX {
                        return;
                    }
                }
                let mut event = report.event("mms");
                event.label("type", unit.kind.name());
                unit.write(&mut event);
            }
        }
    }

    fn answer(&mut self, unit: &Unit<'_>, from: Direction, report: &mut Report<'_, '_>) {
        let key = (unit.invoke, from.reversed());
        let request = self.transactions.close(|other| *other == key);
        let number = request.as_ref().map_or_else(|| self.transactions.number(), |request| request.number);
        let asked = request.as_ref().and_then(|request| Unit::read(&request.bytes));
        write(number, asked.as_ref(), Some(unit), report);
        let is_other =
            |asked: &Unit<'_>| unit.kind == Kind::Response && asked.service_name() != unit.service_name();
        if asked.as_ref().is_some_and(is_other) {
            report.anomaly("service_mismatch");
        }
        match request {
            Some(request) => self.transactions.recycle(request),
            None => report.anomaly("unsolicited_response"),
        }
    }

    fn write_unanswered(&mut self, request: Request<(u32, Direction)>, report: &mut Report<'_, '_>) {
        write(request.number, Unit::read(&request.bytes).as_ref(), None, report);
        self.transactions.recycle(request);
    }
}

/// Writes a confirmed service, of which one half may be missing.
fn write(number: u64, request: Option<&Unit<'_>>, answer: Option<&Unit<'_>>, report: &mut Report<'_, '_>) {
    let Some(unit) = request.or(answer) else { return };
    let mut event = report.event("mms");
    event.number("id", number).label("type", "confirmed").number("invoke_id", unit.invoke);
    if let Some(name) = unit.service_name() {
        event.label("service", name);
    }
    if let Some(unit) = request {
        event.object("request");
        unit.write(&mut event);
        event.close();
    }
    if let Some(unit) = answer {
        event.object(match unit.kind {
            Kind::Response => "response",
            Kind::Error => "error",
            _ => "reject",
        });
        unit.write(&mut event);
        event.close();
    }
}

fn write_association(kind: &'static str, association: &Association<'_>, report: &mut Report<'_, '_>) {
    let mut event = report.event("mms");
    event.label("type", kind);
    association.write(&mut event);
    if let Some(unit) = Unit::read(association.mms) {
        event.object("initiate");
        unit.write(&mut event);
        event.close();
    }
}
