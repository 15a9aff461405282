//! H.323: call signalling (ITU-T H.225.0 in Q.931), registration and admission (H.225.0 RAS), control (H.245).
//!
//! Of numbers and names of people only the beginning is written.

mod control;
mod ras;
mod signalling;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing, Message, Messages, Next, Report};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// H.323.
pub static H323: Protocol = Protocol {
    name: "h323",
    title: "H.323",
    family: Family::Telecom,
    carriers: &[Carrier::Tcp, Carrier::Udp, Carrier::Sctp],
    ports: &[1718, 1719, 1720],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 15, 16, 17, 18, 19])
        .in_streams([0xff, 0xff, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0]),
    probe: Some(probe),
    parser: Some(framed::parser::<H323Flow>),
    events: &["h323", "anomaly"],
    source: "ITU-T H.225.0, H.245, Q.931; RFC 1006",
};

const TPKT_LEN: usize = 4;
/// Bytes of a packet that are read.
const SHOWN_MAX: usize = 4096;
/// Packets in which an opening is looked for.
const PACKETS_MAX: usize = 4;

fn probe(probe: &Probe<'_>) -> Found {
    match probe.carrier {
        Carrier::Tcp => look(probe.payload),
        Carrier::Sctp => signalling::look(probe.payload, false),
        _ if ras::is_sure(probe.payload) => Found::Yes,
        _ => Found::No,
    }
}

/// Packets of RFC 1006 with Q.931, or with the opening of H.245, in the first of them that says enough.
fn look(bytes: &[u8]) -> Found {
    let mut rest = bytes;
    for _ in 0..PACKETS_MAX {
        let [3, 0, _, _, inside @ ..] = rest else {
            return if b"\x03\0".starts_with(rest.get(..2).unwrap_or(rest)) {
                Found::Maybe
            } else {
                Found::No
            };
        };
        let Framing::Message { len, .. } = framing(rest) else { return Found::No };
        let unit = inside.get(..len - TPKT_LEN).unwrap_or(inside);
        let is_cut = inside.len() < len - TPKT_LEN;
        match (signalling::look(unit, is_cut), control::look(unit, is_cut)) {
            (Found::No, Found::Maybe) if !is_cut => rest = rest.get(len..).unwrap_or_default(),
            (Found::No, control) => return control,
            (signalling, _) => return signalling,
        }
    }
    Found::No
}

fn framing(bytes: &[u8]) -> Framing {
    match bytes {
        [3, 0, high, low, ..] => match usize::from(u16::from_be_bytes([*high, *low])) {
            len @ 5.. => Framing::at_most(len, SHOWN_MAX),
            _ => Framing::Invalid("invalid_length"),
        },
        [3] | [3, 0] | [3, 0, _] => Framing::Open,
        _ => Framing::Invalid("invalid_header"),
    }
}

/// H.323 on one flow.
#[derive(Debug, Default)]
struct H323Flow;

impl Messages for H323Flow {
    const NAME: &'static str = "h323";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        framing(bytes)
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let unit = match message.carrier {
            Carrier::Tcp => message.bytes.get(TPKT_LEN..).unwrap_or_default(),
            Carrier::Sctp => message.bytes,
            _ => {
                ras::write(message.bytes, &mut report.event("h323")).ok_or("malformed_message")?;
                return Ok(Next::More);
            }
        };
        if unit.first() == Some(&signalling::DISCRIMINATOR) {
            let signal = signalling::Signal::read(unit).ok_or("malformed_message")?;
            signal.write(&mut report.event("h323"));
        } else {
            let name = control::name(unit).ok_or("unknown_message")?;
            report.event("h323").label("layer", "h245").label("message", name);
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn clear(&mut self) {}
}
