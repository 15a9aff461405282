//! BACnet over IP.
//!
//! `link` reads the virtual link and network layers, application units are read here, `service` says what they are
//! about, `tag` decodes values, `names` has the names. Requests and responses are paired by invoke id.

mod link;
mod names;
mod service;
mod tag;

use self::link::{Address, Content, Link, Network, network_message};
use super::framed::{self, Cursor, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::{Direction, EventWriter};

/// BACnet/IP.
pub static BACNET: Protocol = Protocol {
    name: "bacnet",
    title: "BACnet/IP",
    family: Family::Operational,
    carriers: &[Carrier::Udp],
    ports: &[47_808],
    exposure: Exposure::Cleartext,
    opening: Opening::range(4, 0x81, 0x82),
    probe: Some(probe),
    parser: Some(framed::parser::<Bacnet>),
    events: &["bacnet", "anomaly"],
    source: "ANSI/ASHRAE 135-2020",
};

fn probe(probe: &Probe<'_>) -> Found {
    let Some(link) = Link::read(probe.payload) else { return Found::No };
    let Some(network) = link.network else {
        // A length and a function: little, beyond the port.
        return if probe.has_port(47_808) { Found::Yes } else { Found::Likely(80) };
    };
    match Network::read(network).map(|network| network.content) {
        Some(Content::Application(unit)) if Unit::read(unit).is_some() => Found::Yes,
        Some(Content::Network(kind, _)) if network_message(kind).is_some() => Found::Yes,
        _ => Found::No,
    }
}

/// An application unit (clause 20.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit<'a> {
    Confirmed {
        invoke: u8,
        service: u8,
        data: &'a [u8],
    },
    Unconfirmed {
        service: u8,
        data: &'a [u8],
    },
    SimpleAck {
        invoke: u8,
        service: u8,
    },
    ComplexAck {
        invoke: u8,
        service: u8,
    },
    /// A segment after the first of a request or an answer, or a receipt for one.
    Segment,
    Error {
        invoke: u8,
        service: u8,
        data: &'a [u8],
    },
    Reject {
        invoke: u8,
        reason: u8,
    },
    Abort {
        invoke: u8,
        reason: u8,
    },
}

impl<'a> Unit<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let first = cursor.u8()?;
        let is_segmented = first & 0x08 != 0;
        // Number of the segment and proposed window.
        let segment = |cursor: &mut Cursor<'a>| {
            if is_segmented { cursor.array::<2>().map(|[number, _]| *number) } else { Some(0) }
        };
        let unit = match first >> 4 {
            0 if first & 1 == 0 => {
                let (_, invoke) = (cursor.u8()?, cursor.u8()?);
                let (number, service) = (segment(&mut cursor)?, cursor.u8()?);
                names::confirmed(service)?;
                if number == 0 {
                    Self::Confirmed { invoke, service, data: cursor.rest() }
                } else {
                    Self::Segment
                }
            }
            1 if first == 0x10 => {
                let service = cursor.u8()?;
                names::unconfirmed(service)?;
                Self::Unconfirmed { service, data: cursor.rest() }
            }
            2 if first == 0x20 && bytes.len() == 3 => {
                let (invoke, service) = (cursor.u8()?, cursor.u8()?);
                names::confirmed(service)?;
                Self::SimpleAck { invoke, service }
            }
            3 if first & 3 == 0 => {
                let invoke = cursor.u8()?;
                let (number, service) = (segment(&mut cursor)?, cursor.u8()?);
                names::confirmed(service)?;
                if number == 0 { Self::ComplexAck { invoke, service } } else { Self::Segment }
            }
            4 if bytes.len() == 4 => Self::Segment,
            5 if first == 0x50 => {
                let (invoke, service) = (cursor.u8()?, cursor.u8()?);
                names::confirmed(service)?;
                Self::Error { invoke, service, data: cursor.rest() }
            }
            6 if first == 0x60 && bytes.len() == 3 => {
                Self::Reject { invoke: cursor.u8()?, reason: cursor.u8()? }
            }
            7 if first & 0x0e == 0 && bytes.len() == 3 => {
                Self::Abort { invoke: cursor.u8()?, reason: cursor.u8()? }
            }
            _ => return None,
        };
        Some(unit)
    }

    /// Invoke id of an answer.
    const fn answers(&self) -> Option<u8> {
        match self {
            Self::SimpleAck { invoke, .. }
            | Self::ComplexAck { invoke, .. }
            | Self::Error { invoke, .. }
            | Self::Reject { invoke, .. }
            | Self::Abort { invoke, .. } => Some(*invoke),
            Self::Confirmed { .. } | Self::Unconfirmed { .. } | Self::Segment => None,
        }
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        let confirmed = |service| names::confirmed(service).unwrap_or("unknown");
        match *self {
            Self::Confirmed { invoke, service, data } => {
                event.label("type", "confirmed_request").number("invoke_id", invoke);
                event.label("service", confirmed(service));
                service::write_confirmed(service, data, event);
            }
            Self::Unconfirmed { service, data } => {
                event.label("type", "unconfirmed_request");
                event.label("service", names::unconfirmed(service).unwrap_or("unknown"));
                service::write_unconfirmed(service, data, event);
            }
            Self::SimpleAck { invoke, service } => {
                event
                    .label("type", "simple_ack")
                    .number("invoke_id", invoke)
                    .label("service", confirmed(service));
            }
            Self::ComplexAck { invoke, service } => {
                event
                    .label("type", "complex_ack")
                    .number("invoke_id", invoke)
                    .label("service", confirmed(service));
            }
            Self::Error { invoke, service, data } => {
                event.label("type", "error").number("invoke_id", invoke).label("service", confirmed(service));
                service::write_error(data, event);
            }
            Self::Reject { invoke, reason } => {
                event.label("type", "reject").number("invoke_id", invoke);
                event.label("reason", names::reject_reason(reason));
            }
            Self::Abort { invoke, reason } => {
                event.label("type", "abort").number("invoke_id", invoke);
                event.label("reason", names::abort_reason(reason));
            }
            Self::Segment => {}
        }
    }
}

/// What a response has in common with its request: who asked, and the number of the asking.
type Key = (Direction, u8);

/// BACnet on one flow.
#[derive(Debug, Default)]
struct Bacnet {
    transactions: Transactions<Key>,
}

impl Messages for Bacnet {
    const NAME: &'static str = "bacnet";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let Some(link) = Link::read(message.bytes) else { return Err("malformed_link_unit") };
        let Some(network) = link.network else {
            let mut event = report.event("bacnet");
            event.label("function", link.function);
            if let Some(value) = link.value {
                event.number("value", value);
            }
            return Ok(Next::More);
        };
        let network = Network::read(network).ok_or("malformed_network_unit")?;
        let unit = match network.content {
            Content::Application(unit) => Unit::read(unit).ok_or("malformed_application_unit")?,
            Content::Network(kind, data) => {
                write_network_message(kind, data, &network, &mut report.event("bacnet"));
                return Ok(Next::More);
            }
        };
        match unit {
            Unit::Segment => {}
            Unit::Confirmed { invoke, .. } => {
                if let Some(oldest) = self.transactions.open((message.from, invoke), message.bytes) {
                    report.anomaly("flooded");
                    self.write_unanswered(oldest, report);
                }
            }
            Unit::Unconfirmed { .. } => write(self.transactions.number(), Some(message.bytes), None, report),
            _ => self.answer(&unit, message, report),
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.transactions.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.transactions.pop() {
            self.write_unanswered(request, report);
        }
    }
}

impl Bacnet {
    fn answer(&mut self, unit: &Unit<'_>, message: Message<'_>, report: &mut Report<'_, '_>) {
        let Some(invoke) = unit.answers() else { return };
        // An abort may come from who asked, too.
        let request =
            self.transactions.close(|key| *key == (message.from.reversed(), invoke)).or_else(|| {
                self.transactions
                    .close(|key| *key == (message.from, invoke) && matches!(unit, Unit::Abort { .. }))
            });
        match request {
            Some(request) => {
                write(request.number, Some(&request.bytes), Some(message.bytes), report);
                self.transactions.recycle(request);
            }
            None => write(self.transactions.number(), None, Some(message.bytes), report),
        }
    }

    fn write_unanswered(&mut self, request: Request<Key>, report: &mut Report<'_, '_>) {
        write(request.number, Some(&request.bytes), None, report);
        self.transactions.recycle(request);
    }
}

/// Writes a transaction of whole datagrams, of which one may be missing.
fn write(number: u64, request: Option<&[u8]>, response: Option<&[u8]>, report: &mut Report<'_, '_>) {
    let mut event = report.event("bacnet");
    event.number("id", number);
    for (name, bytes) in [("request", request), ("response", response)] {
        let link = bytes.and_then(Link::read);
        let Some((link, network)) = link.and_then(|link| Some((link, Network::read(link.network?)?))) else {
            continue;
        };
        event.object(name).label("function", link.function);
        write_addresses(&network, &mut event);
        if let Content::Application(unit) = network.content
            && let Some(unit) = Unit::read(unit)
        {
            unit.write(&mut event);
        }
        event.close();
    }
}

fn write_addresses(network: &Network<'_>, event: &mut EventWriter<'_>) {
    for (name, address) in [("destination", network.destination), ("source", network.source)] {
        if let Some(Address { network, station }) = address {
            event.object(name).number("network", network).hex("station", station).close();
        }
    }
}

fn write_network_message(kind: u8, data: &[u8], network: &Network<'_>, event: &mut EventWriter<'_>) {
    event.label("type", "network_message").label("service", network_message(kind).unwrap_or("unknown"));
    write_addresses(network, event);
    // Numbers of networks make up most of these.
    if matches!(kind, 0..=5) && kind != 3 {
        event.list("networks");
        for number in data.as_chunks().0.iter().take(32) {
            event.number("", u16::from_be_bytes(*number));
        }
        event.close();
    }
}
