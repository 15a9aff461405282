//! PFCP: how the control plane of a mobile core tells the user plane what to do (3GPP TS 29.244).

mod element;
mod names;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use element::Summary;

/// Packet Forwarding Control Protocol.
pub static PFCP: Protocol = Protocol {
    name: "pfcp",
    title: "PFCP",
    family: Family::Telecom,
    carriers: &[Carrier::Udp],
    ports: &[8805],
    exposure: Exposure::Cleartext,
    opening: Opening::range(8, 0x20, 0x27),
    probe: Some(probe),
    parser: Some(framed::parser::<Pfcp>),
    events: &["pfcp", "anomaly"],
    source: "3GPP TS 29.244",
};

fn probe(probe: &Probe<'_>) -> Found {
    let Some(header) = Header::read(probe.payload) else { return Found::No };
    let is_whole = header.len == probe.payload.len() || header.has_more && header.len < probe.payload.len();
    let elements = probe.payload.get(header.head..header.len).unwrap_or_default();
    if !is_whole || names::message(header.kind).is_none() || !Summary::default().read(elements) {
        return Found::No;
    }
    match (elements.is_empty(), probe.has_port(8805)) {
        (_, true) => Found::Yes,
        (false, false) => Found::Likely(95),
        (true, false) => Found::No,
    }
}

/// The header of a message (7.2.2).
#[derive(Clone, Copy, Debug)]
struct Header {
    kind: u8,
    session: Option<u64>,
    sequence: u32,
    /// Another message follows in the same datagram.
    has_more: bool,
    head: usize,
    len: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [flags, kind, l1, l0, rest @ ..] = bytes else { return None };
        let len = usize::from(u16::from_be_bytes([*l1, *l0])) + 4;
        // Sessions have messages of their own (7.3); the others have no session.
        let has_session = flags & 1 != 0;
        if flags >> 5 != 1 || flags & 0x18 != 0 || has_session != (*kind >= 50) {
            return None;
        }
        let (session, behind) = if has_session {
            let (session, behind) = rest.split_first_chunk::<8>()?;
            (Some(u64::from_be_bytes(*session)), behind)
        } else {
            (None, rest)
        };
        let [s2, s1, s0, _, ..] = behind else { return None };
        let sequence = u32::from_be_bytes([0, *s2, *s1, *s0]);
        let head = if has_session { 16 } else { 8 };
        (len >= head).then_some(Self { kind: *kind, session, sequence, has_more: flags & 4 != 0, head, len })
    }
}

/// PFCP on one flow.
#[derive(Debug, Default)]
struct Pfcp;

impl Messages for Pfcp {
    const NAME: &'static str = "pfcp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match Header::read(bytes) {
            Some(header) if header.has_more => Framing::whole(header.len),
            Some(header) if header.len <= bytes.len() => Framing::whole(bytes.len()),
            Some(_) => Framing::Open,
            None => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("invalid_header")?;
        let elements = message.bytes.get(header.head..header.len).ok_or("malformed_message")?;
        let mut summary = Summary::default();
        let is_sound = summary.read(elements);
        let mut event = report.event("pfcp");
        event.number("type", header.kind);
        if let Some(name) = names::message(header.kind) {
            event.label("message", name);
        }
        event.number("sequence", header.sequence);
        if let Some(session) = header.session {
            event.number("seid", session);
        }
        summary.write(&mut event);
        drop(event);
        if !is_sound {
            report.anomaly("malformed_element");
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {}
}
