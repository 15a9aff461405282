//! Diameter (RFC 6733) over TCP and SCTP: requests with their answers, between whom, about which session; TLS.
//!
//! `event` writes attributes, `names` names numbers.

mod event;
mod names;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// Diameter.
pub static DIAMETER: Protocol = Protocol {
    name: "diameter",
    title: "Diameter",
    family: Family::Telecom,
    carriers: &[Carrier::Tcp, Carrier::Sctp],
    ports: &[3868, 5868],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, &[1]),
    probe: Some(probe),
    parser: Some(framed::parser::<Diameter>),
    events: &["diameter", "anomaly"],
    source: "RFC 6733, 3GPP TS 29.230",
};

/// Bytes of a header.
const HEADER: usize = 20;
/// Bytes of a message that are read.
const SHOWN_MAX: usize = 8 * 1024;
/// Longest message that is believed.
const LEN_MAX: u32 = 1 << 20;

/// The header (RFC 6733, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    len: u32,
    flags: u8,
    command: u32,
    application: u32,
    hop: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let &[version, a, b, c, flags, d, e, f, g, h, i, j, k, l, m, n, ..] =
            bytes.first_chunk::<HEADER>()?;
        let header = Self {
            len: u32::from_be_bytes([0, a, b, c]),
            flags,
            command: u32::from_be_bytes([0, d, e, f]),
            application: u32::from_be_bytes([g, h, i, j]),
            hop: u32::from_be_bytes([k, l, m, n]),
        };
        (version == 1 && header.is_sound()).then_some(header)
    }

    /// Whether lengths and flags can be: reserved bits are zero, and only answers are errors.
    const fn is_sound(&self) -> bool {
        self.len.is_multiple_of(4)
            && self.len >= 20
            && self.len <= LEN_MAX
            && self.flags & 0x0f == 0
            && self.flags & 0xa0 != 0xa0
    }

    const fn is_request(&self) -> bool {
        self.flags & 0x80 != 0
    }
}

/// Attributes: code, vendor, and value; until one is malformed.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u32, u32, &[u8])> {
    core::iter::from_fn(move || {
        let (&[a, b, c, d, flags, e, f, g], rest) = bytes.split_first_chunk::<8>()?;
        let len = u32::from_be_bytes([0, e, f, g]) as usize;
        let (vendor, head) =
            if flags & 0x80 == 0 { (0, 8) } else { (u32::from_be_bytes(*rest.first_chunk()?), 12) };
        let value = bytes.get(head..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u32::from_be_bytes([a, b, c, d]), vendor, value))
    })
}

fn probe(probe: &Probe<'_>) -> Found {
    match probe.carrier {
        Carrier::Tcp => look(probe.payload),
        _ => match look(probe.payload) {
            Found::Maybe => Found::No,
            found => found,
        },
    }
}

/// A header of a command that is known or of an application that can be, and an attribute behind it.
fn look(bytes: &[u8]) -> Found {
    let at = |place: usize, allowed: &dyn Fn(u8) -> bool| bytes.get(place).is_none_or(|byte| allowed(*byte));
    let is_possible = at(0, &|version| version == 1)
        && at(1, &|high| high <= 0x10)
        && at(3, &|low| low & 3 == 0)
        && at(4, &|flags| flags & 0x0f == 0 && flags & 0xa0 != 0xa0);
    if !is_possible {
        return Found::No;
    }
    if bytes.len() < HEADER {
        return Found::Maybe;
    }
    let Some(header) = Header::read(bytes) else { return Found::No };
    let is_known = names::command(header.command).is_some();
    // RFC 6733 11.3: those of vendors begin at 0x01000000.
    let is_application =
        matches!(header.application, 0..=0x20 | 0x0100_0000..=0x0100_0fff) || header.application == u32::MAX;
    if !is_application || !(257..=0x00ff_ffff).contains(&header.command) || header.len < 28 {
        return Found::No;
    }
    let Some(&[.., flags, a, b, c]) = bytes.get(HEADER..).and_then(<[u8]>::first_chunk::<8>) else {
        return Found::Maybe;
    };
    let len = u32::from_be_bytes([0, a, b, c]);
    let code = bytes.get(HEADER..HEADER + 2);
    if flags & 0x1f != 0 || !(8..=header.len - 20).contains(&len) || code.is_some_and(|code| code != [0, 0]) {
        return Found::No;
    }
    if is_known { Found::Yes } else { Found::Likely(90) }
}

/// What a request and its answer have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    hop: u32,
    command: u32,
    application: u32,
}

/// Diameter on one flow.
#[derive(Debug, Default)]
struct Diameter {
    requests: Transactions<Key>,
}

impl Messages for Diameter {
    const NAME: &'static str = "diameter";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        if bytes.len() < HEADER {
            return Framing::Open;
        }
        match Header::read(bytes) {
            Some(header) => Framing::at_most(header.len as usize, SHOWN_MAX),
            None => Framing::Invalid("invalid_header"),
        }
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let bytes = message.bytes;
        let header = Header::read(bytes).ok_or("malformed_data")?;
        let content = bytes.get(HEADER..).unwrap_or_default();
        let key = Key { hop: header.hop, command: header.command, application: header.application };
        if header.is_request() {
            if let Some(oldest) = self.requests.open(key, content) {
                event::write(&oldest.key, Some(&oldest.bytes), None, report);
                self.requests.recycle(oldest);
            }
            return Ok(Next::More);
        }
        let request = self.requests.close(|other| other.hop == key.hop && other.command == key.command);
        event::write(&key, request.as_ref().map(|request| request.bytes.as_slice()), Some(content), report);
        let wants_tls =
            |bytes: &[u8]| attributes(bytes).any(|attribute| attribute == (299, 0, &[0, 0, 0, 1]));
        let is_tls = header.command == 257
            && wants_tls(content)
            && request.as_ref().is_some_and(|request| wants_tls(&request.bytes));
        if let Some(request) = request {
            self.requests.recycle(request);
        }
        if is_tls {
            return Ok(Next::Upgrade);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {
        self.requests.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.requests.pop() {
            event::write(&request.key, Some(&request.bytes), None, report);
            self.requests.recycle(request);
        }
    }
}
