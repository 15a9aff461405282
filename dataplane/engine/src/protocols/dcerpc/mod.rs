//! DCE/RPC (The Open Group C706, [MS-RPCE]): interfaces that are bound, calls with their responses, and how they are
//! protected.
//!
//! `pdu` reads packets of connections, `session` pairs them and writes events, also of named pipes of SMB;
//! `connectionless` does the same for datagrams, `names` names interfaces.

mod connectionless;
mod names;
mod pdu;
mod session;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use connectionless::Calls;
use pdu::{HEADER, Header};
pub(in crate::protocols) use session::Session;

/// DCE/RPC over TCP and UDP.
pub static DCERPC: Protocol = Protocol {
    name: "dcerpc",
    title: "DCE/RPC",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[135, 34964],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, &[4, 5]),
    probe: Some(probe),
    parser: Some(framed::parser::<Dcerpc>),
    events: &["dcerpc", "anomaly"],
    source: "The Open Group C706 12.6, [MS-RPCE] 2.2.2",
};

/// Bytes of a fragment that are read: an authentication stands at its end, and binds are short.
const SHOWN_MAX: usize = 8 * 1024;

fn probe(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        return connectionless::look(probe.payload, probe.wire_len);
    }
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
    calls: Calls,
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

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        if message.carrier != Carrier::Tcp {
            self.calls.packet(message.bytes, report)?;
            return Ok(Next::More);
        }
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
        self.calls.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.session.finish(report);
        self.calls.finish(report);
    }
}
