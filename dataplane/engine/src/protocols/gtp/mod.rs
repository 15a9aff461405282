//! GTP: tunnels of mobile networks being set up, changed and taken down (3GPP TS 29.060, 29.274), and the messages that go
//! beside user data (TS 29.281).
//!
//! Of who the subscriber is, only the network is written, never the number.

mod names;
mod summary;
#[cfg(test)]
mod tests;
mod version1;
mod version2;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use summary::Summary;

/// Control of tunnels, versions 1 and 2.
pub static GTPC: Protocol = Protocol {
    name: "gtpc",
    title: "GTP control",
    family: Family::Telecom,
    carriers: &[Carrier::Udp],
    ports: &[2123],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(
        8,
        &[0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x40, 0x48, 0x4c, 0x50, 0x58, 0x5c],
    ),
    probe: Some(probe_control),
    parser: Some(framed::parser::<Gtp>),
    events: &["gtp", "anomaly"],
    source: "3GPP TS 29.060, TS 29.274",
};

/// User data, where it is not looked into, and the messages beside it.
pub static GTPU: Protocol = Protocol {
    name: "gtpu",
    title: "GTP user plane",
    family: Family::Telecom,
    carriers: &[Carrier::Udp],
    ports: &[2152],
    exposure: Exposure::Unknown,
    opening: Opening::range(8, 0x30, 0x37),
    probe: Some(probe_user),
    parser: Some(framed::parser::<Gtp>),
    events: &["gtp", "anomaly"],
    source: "3GPP TS 29.281",
};

/// User data in its tunnel.
const USER_DATA: u8 = 255;

fn probe_control(probe: &Probe<'_>) -> Found {
    let Some(header) = Header::read(probe.payload) else { return Found::No };
    let is_named = header.name().is_some() && !matches!(header.kind, 26 | 254 | 255);
    let is_whole = header.len == probe.payload.len() || header.is_piggybacked();
    // User data and what goes beside it have a port of their own.
    if !is_named || !is_whole || probe.has_port(2152) {
        return Found::No;
    }
    let elements = probe.payload.get(header.head..header.len).unwrap_or_default();
    let mut summary = Summary::default();
    let is_sound = match header.version {
        1 => version1::read(elements, &mut summary),
        _ => version2::read(elements, &mut summary),
    };
    match (is_sound, elements.is_empty(), probe.has_port(2123)) {
        (true, _, true) => Found::Yes,
        (true, false, false) => Found::Likely(93),
        _ => Found::No,
    }
}

fn probe_user(probe: &Probe<'_>) -> Found {
    let Some(header) = Header::read(probe.payload) else { return Found::No };
    if header.version != 1 || header.len != probe.payload.len() {
        return Found::No;
    }
    let content = probe.payload.get(header.head..header.len).unwrap_or_default();
    match header.kind {
        1 | 2 | 26 | 31 if version1::read(content, &mut Summary::default()) => {
            if probe.has_port(2152) {
                Found::Yes
            } else {
                Found::No
            }
        }
        254 if content.is_empty() && probe.has_port(2152) => Found::Yes,
        USER_DATA if is_packet(content) => Found::Likely(if probe.has_port(2152) { 97 } else { 90 }),
        _ => Found::No,
    }
}

/// Whether an IP packet fills these bytes.
fn is_packet(bytes: &[u8]) -> bool {
    match *bytes {
        [0x45..=0x4f, _, l1, l0, ..] => usize::from(u16::from_be_bytes([l1, l0])) == bytes.len(),
        [0x60..=0x6f, _, _, _, l1, l0, ..] => usize::from(u16::from_be_bytes([l1, l0])) + 40 == bytes.len(),
        _ => false,
    }
}

/// The header of a message of either version.
#[derive(Clone, Copy, Debug)]
struct Header {
    version: u8,
    flags: u8,
    kind: u8,
    teid: Option<u32>,
    sequence: Option<u32>,
    /// Bytes of the header, and of the whole message.
    head: usize,
    len: usize,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [flags, kind, l1, l0, a, b, c, d, rest @ ..] = bytes else { return None };
        let len = usize::from(u16::from_be_bytes([*l1, *l0]));
        let teid = u32::from_be_bytes([*a, *b, *c, *d]);
        let header = Self {
            version: flags >> 5,
            flags: *flags,
            kind: *kind,
            teid: None,
            sequence: None,
            head: 8,
            len,
        };
        match (flags >> 5, flags >> 3 & 3) {
            // Version 1, not GTP'; with any of three flags, sequence, number of the packet, and a next header follow.
            (1, 2) if flags & 7 == 0 => Some(Self { teid: Some(teid), len: len + 8, ..header }),
            (1, 2) => {
                let [s1, s0, _, next, ..] = rest else { return None };
                let head = 12 + extensions(rest.get(4..)?, *next)?;
                let sequence = (flags & 2 != 0).then(|| u16::from_be_bytes([*s1, *s0]).into());
                let header = Self { teid: Some(teid), sequence, head, len: len + 8, ..header };
                (header.head <= header.len).then_some(header)
            }
            // Version 2 with a tunnel, or without.
            (2, 1 | 3) if flags & 3 == 0 => {
                let [s2, s1, s0, _, ..] = rest else { return None };
                let sequence = Some(u32::from_be_bytes([0, *s2, *s1, *s0]));
                (len >= 8).then_some(Self { teid: Some(teid), sequence, head: 12, len: len + 4, ..header })
            }
            (2, 0 | 2) if flags & 7 == 0 => {
                (len >= 4).then_some(Self { sequence: Some(teid >> 8), len: len + 4, ..header })
            }
            _ => None,
        }
    }

    /// Whether another message follows in the same datagram (TS 29.274, 5.5.1).
    const fn is_piggybacked(&self) -> bool {
        self.version == 2 && self.flags & 0x10 != 0
    }

    fn name(&self) -> Option<&'static str> {
        if self.version == 1 { names::version1(self.kind) } else { names::version2(self.kind) }
    }
}

/// Bytes of extension headers: each begins with its length in words and ends with the type of the next (TS 29.281, 5.2).
fn extensions(bytes: &[u8], mut next: u8) -> Option<usize> {
    let mut len = 0;
    while next != 0 {
        let here = usize::from(*bytes.get(len)?) * 4;
        if here == 0 {
            return None;
        }
        len += here;
        next = *bytes.get(len - 1)?;
    }
    Some(len)
}

/// GTP on one flow.
#[derive(Debug, Default)]
struct Gtp {
    /// User data was told of.
    has_user_data: bool,
}

impl Messages for Gtp {
    const NAME: &'static str = "gtp";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        match Header::read(bytes) {
            Some(header) if header.is_piggybacked() => Framing::whole(header.len),
            Some(header) if header.len <= bytes.len() => Framing::whole(bytes.len()),
            Some(_) => Framing::Open,
            None => Framing::Invalid("invalid_header"),
        }
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let header = Header::read(message.bytes).ok_or("invalid_header")?;
        let elements = message.bytes.get(header.head..header.len).ok_or("malformed_message")?;
        // What a tunnel carries is not told packet by packet.
        if header.version == 1
            && header.kind == USER_DATA
            && core::mem::replace(&mut self.has_user_data, true)
        {
            return Ok(Next::More);
        }
        let mut summary = Summary::default();
        let is_sound = match (header.version, header.kind) {
            (1, USER_DATA) => true,
            (1, _) => version1::read(elements, &mut summary),
            _ => version2::read(elements, &mut summary),
        };
        let mut event = report.event("gtp");
        event.number("version", header.version).number("type", header.kind);
        if let Some(name) = header.name() {
            event.label("message", name);
        }
        if let Some(teid) = header.teid {
            event.number("teid", teid);
        }
        if let Some(sequence) = header.sequence {
            event.number("sequence", sequence);
        }
        summary.write(header.version, &mut event);
        drop(event);
        if !is_sound {
            report.anomaly("malformed_element");
        }
        Ok(Next::More)
    }

    fn starts(&self, _: &[u8], _: Direction) -> Found {
        Found::No
    }

    fn clear(&mut self) {
        self.has_user_data = false;
    }
}
