//! DCE/RPC, connection-oriented (The Open Group C706 12.6, [MS-RPCE]): interfaces that are bound, calls with their
//! responses, and how they are protected.
//!
//! `pdu` reads packets, `session` pairs them and writes events, `names` names interfaces; `session` reads named pipes
//! of SMB as well as streams.

mod names;
mod pdu;
mod session;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use pdu::{HEADER, Header};
use session::Session;

/// DCE/RPC over TCP.
pub static DCERPC: Protocol = Protocol {
    name: "dcerpc",
    title: "DCE/RPC",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp],
    ports: &[135],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, &[5]),
    probe: Some(probe),
    parser: Some(framed::parser::<Dcerpc>),
    events: &["dcerpc", "anomaly"],
    source: "The Open Group C706 12.6, [MS-RPCE] 2.2.2",
};

/// Bytes of a fragment that are read: an authentication stands at its end, and binds are short.
const SHOWN_MAX: usize = 8 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload, probe.midstream)
}

/// A header. Where a connection begins, a bind does, or what answers it.
fn look(bytes: &[u8], is_midstream: bool) -> Found {
    let could_be = |at: usize, allowed: &dyn Fn(u8) -> bool| bytes.get(at).is_none_or(|byte| allowed(*byte));
    let is_possible = could_be(0, &|version| version == 5)
        && could_be(1, &|minor| minor <= 1)
        && could_be(2, &|kind| pdu::is_kind(kind) && (is_midstream || pdu::is_opening(kind)))
        && could_be(4, &|order| order & 0xef == 0)
        && could_be(5, &|floating| floating <= 3)
        && could_be(6, &|zero| zero == 0)
        && could_be(7, &|zero| zero == 0);
    if !is_possible {
        return Found::No;
    }
    if bytes.len() < HEADER {
        return Found::Maybe;
    }
    match Header::read(bytes) {
        Some(header) if header.is_sound() => Found::Yes,
        _ => Found::No,
    }
}

/// DCE/RPC on one flow.
#[derive(Debug, Default)]
struct Dcerpc {
    session: Session,
}

impl Messages for Dcerpc {
    const NAME: &'static str = "dcerpc";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if bytes.len() < HEADER {
            return Framing::Open;
        }
        match Header::read(bytes).filter(Header::is_sound) {
            Some(header) => Framing::at_most(usize::from(header.len), SHOWN_MAX),
            None => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        self.session.pdu(message.bytes, message.from, report)?;
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes, true)
    }

    fn lost(&mut self, from: Direction) {
        self.session.lost(from);
    }

    fn clear(&mut self) {
        self.session.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.session.finish(report);
    }
}
