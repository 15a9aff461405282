//! RADIUS (RFC 2865, RFC 2866, RFC 5176): who logs on where, how, and what came of it; requests with their responses.
//!
//! `event` writes attributes, `names` names numbers.

mod event;
mod names;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report, Request, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// RADIUS over UDP.
pub static RADIUS: Protocol = Protocol {
    name: "radius",
    title: "RADIUS",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp],
    ports: &[1812, 1813, 1645, 1646, 1700, 3799],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(HEADER, &[1, 2, 3, 4, 5, 11, 12, 40, 41, 42, 43, 44, 45]),
    probe: Some(probe),
    parser: Some(framed::parser::<Radius>),
    events: &["radius", "anomaly"],
    source: "RFC 2865, RFC 2866, RFC 3579, RFC 5176",
};

/// Bytes before the attributes: code, identifier, length, authenticator.
const HEADER: u16 = 20;
/// Longest packet (RFC 2865, 3).
const PACKET_MAX: usize = 4096;

/// A packet: its code, its identifier, its attributes.
#[derive(Clone, Copy, Debug)]
struct Packet<'a> {
    code: u8,
    id: u8,
    attributes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet; its attributes fill it, unless the capture cut it. What is behind it is padding (RFC 2865, 3).
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[code, id, a, b], rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([a, b]));
        if !(usize::from(HEADER)..=PACKET_MAX).contains(&len) || names::packet(code).is_none() {
            return None;
        }
        let packet = bytes.get(..len).unwrap_or(bytes);
        rest.get(16..)?;
        Some(Self { code, id, attributes: packet.get(usize::from(HEADER)..)? })
    }
}

/// The attributes of a packet: type and value, until one is malformed.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        let (&[kind, len], rest) = bytes.split_first_chunk::<2>()?;
        let (value, after) = rest.split_at_checked(usize::from(len).checked_sub(2)?)?;
        bytes = after;
        Some((kind, value))
    })
}

/// What attributes say of a payload.
struct Shape {
    /// Attributes, as far as they fill the packet.
    count: u32,
    fills: bool,
    /// Types that are registered, with the length that their values have.
    known: u32,
    /// A type that is registered, with a length that its values do not have.
    is_wrong: bool,
}

fn shape(packet: &Packet<'_>) -> Shape {
    let (mut count, mut known, mut at, mut is_wrong) = (0, 0, 0, false);
    for (kind, value) in attributes(packet.attributes) {
        count += 1;
        at += value.len() + 2;
        match names::is_length(kind, value.len()) {
            Some(true) => known += 1,
            Some(false) => is_wrong = true,
            None => {}
        }
    }
    Shape { count, fills: at == packet.attributes.len(), known, is_wrong }
}

fn probe(probe: &Probe<'_>) -> Found {
    let Some(packet) = Packet::read(probe.payload) else { return Found::No };
    let len = packet.attributes.len() + usize::from(HEADER);
    if u32::try_from(len) != Ok(probe.wire_len) {
        return Found::No;
    }
    let shape = shape(&packet);
    let is_needed =
        names::needs(packet.code, |kind| attributes(packet.attributes).any(|(other, _)| other == kind));
    let on_port = RADIUS.ports.iter().any(|port| probe.has_port(*port));
    let is_response = names::request_of(packet.code).is_some();
    let answers = || {
        is_response
            && probe.earlier.iter().any(|earlier| {
                earlier.from != probe.from
                    && earlier.bytes.get(1) == Some(&packet.id)
                    && earlier.bytes.first().copied() == names::request_of(packet.code)
            })
    };
    match (shape.fills, shape.count) {
        // Damaged on its way, or on purpose: where RADIUS is expected its beginning is enough, and an anomaly is told.
        _ if on_port && shape.known >= 2 && (shape.is_wrong || !shape.fills) => Found::Likely(80),
        _ if shape.is_wrong || !shape.fills => Found::No,
        (_, 0) if is_response && on_port => Found::Likely(85),
        (_, 0) if answers() => Found::Likely(85),
        (_, 0) => Found::No,
        _ if !(is_needed || on_port && shape.known >= 2) => Found::No,
        (_, 2..) if shape.known >= 2 => Found::Yes,
        _ if shape.known >= 1 && (on_port || answers()) => Found::Likely(95),
        _ => Found::No,
    }
}

/// What a response has in common with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    code: u8,
    id: u8,
}

/// RADIUS on one flow.
#[derive(Debug, Default)]
struct Radius {
    requests: Transactions<Key>,
}

impl Messages for Radius {
    const NAME: &'static str = "radius";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let packet = Packet::read(message.bytes).ok_or("malformed_data")?;
        let shape = shape(&packet);
        let Some(request) = names::request_of(packet.code) else {
            let key = Key { code: packet.code, id: packet.id };
            let kept = packet.attributes;
            // Sent again: the same request still waits.
            if self.requests.waiting(|other| *other == key).is_none()
                && let Some(oldest) = self.requests.open(key, kept)
            {
                event::write(Some(&oldest), None, report);
                self.requests.recycle(oldest);
            }
            if !shape.fills {
                report.anomaly("malformed_attributes");
            }
            return Ok(Next::More);
        };
        let asked = self
            .requests
            .close(|key| key.id == packet.id && key.code == request || packet.answers_status(*key));
        event::write(asked.as_ref(), Some(&packet), report);
        if let Some(asked) = asked {
            self.requests.recycle(asked);
        }
        if !shape.fills {
            report.anomaly("malformed_attributes");
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.requests.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.requests.pop() {
            event::write(Some(&request), None, report);
            self.requests.recycle(request);
        }
    }
}

impl Packet<'_> {
    /// Access-Accept and Accounting-Response answer a Status-Server too (RFC 5997, 3).
    fn answers_status(&self, key: Key) -> bool {
        key.code == names::STATUS_SERVER && key.id == self.id && matches!(self.code, 2 | 5)
    }
}

/// A request that waits.
type Waiting = Request<Key>;
