//! Kerberos 5 (RFC 4120) between clients and key distribution centres, over UDP and TCP: requests with their replies,
//! who asks for which service, and which encryption types are asked for and used.
//!
//! `message` reads messages, `event` writes them, `names` names numbers.

mod event;
mod message;
mod names;
#[cfg(test)]
mod tests;

use super::ber::{INTEGER, Part, SEQUENCE};
use super::framed::{self, Framing, Next, Report, Transactions};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use message::{Asked, Message, kind};

/// Kerberos.
pub static KERBEROS: Protocol = Protocol {
    name: "kerberos",
    title: "Kerberos 5",
    family: Family::Infrastructure,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[88],
    exposure: Exposure::Encrypted,
    opening: Opening::one_of(10, &[0, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x75, 0x7e]),
    probe: Some(probe),
    parser: Some(framed::parser::<Kerberos>),
    events: &["krb5", "anomaly"],
    source: "RFC 4120, RFC 4556, RFC 6113, RFC 8429",
};

/// Bytes of a message that are read: tickets of users in many groups are long, what is behind them is not wanted.
const SHOWN_MAX: usize = 16 * 1024;
/// Longest message over TCP that is believed.
const LEN_MAX: u32 = 1 << 20;

fn probe(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        let is_filled =
            Part::read(probe.payload).is_ok_and(|part| u32::try_from(part.size()) == Ok(probe.wire_len));
        return match shape(probe.payload) {
            Ok(()) if is_filled => Found::Yes,
            _ => Found::No,
        };
    }
    stream_shape(probe.payload)
}

/// A length, and a message of just that length.
fn stream_shape(bytes: &[u8]) -> Found {
    let Some((len, message)) = bytes.split_first_chunk::<4>() else {
        return if bytes.first().is_none_or(|first| *first == 0) { Found::Maybe } else { Found::No };
    };
    let len = u32::from_be_bytes(*len);
    if !(10..=LEN_MAX).contains(&len) {
        return Found::No;
    }
    match Part::read(message) {
        Ok(part) if u32::try_from(part.size()) != Ok(len) => Found::No,
        _ => shape(message).map_or_else(|found| found, |()| Found::Yes),
    }
}

/// A tag of the application, a sequence, version 5, and the tag's number once more (RFC 4120, 5.4 to 5.9).
fn shape(bytes: &[u8]) -> Result<(), Found> {
    let outer = Part::read(bytes)?;
    let first_tag = match outer.tag {
        kind::AS_REQ | kind::TGS_REQ => 0xa1,
        kind::AS_REP | kind::TGS_REP | kind::AP_REQ | kind::AP_REP | kind::PRIV | kind::ERROR => 0xa0,
        _ => return Err(Found::No),
    };
    let sequence = Part::read(outer.content)?;
    if sequence.tag != SEQUENCE || sequence.size() != outer.len {
        return Err(Found::No);
    }
    let mut rest = sequence.content;
    for (tag, value) in [(first_tag, 5), (first_tag + 1, outer.tag & 0x1f)] {
        let field = Part::read(rest)?;
        let number = Part::read(field.content)?;
        if field.tag != tag || field.len != 3 || number.tag != INTEGER || number.len != 1 {
            return Err(Found::No);
        }
        match number.content {
            [] => return Err(Found::Maybe),
            [found] if *found == value => {}
            _ => return Err(Found::No),
        }
        rest = field.rest;
    }
    Ok(())
}

/// Kerberos on one flow.
#[derive(Debug, Default)]
struct Kerberos {
    requests: Transactions<Asked>,
}

impl framed::Messages for Kerberos {
    const NAME: &'static str = "krb5";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        let Some(len) = bytes.first_chunk().map(|len| u32::from_be_bytes(*len)) else { return Framing::Open };
        if !(10..=LEN_MAX).contains(&len) {
            return Framing::Invalid("invalid_length");
        }
        Framing::at_most(4 + len as usize, SHOWN_MAX)
    }

    fn datagram_framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        Framing::whole(bytes.len())
    }

    fn message(
        &mut self,
        message: framed::Message<'_>,
        report: &mut Report<'_, '_>,
    ) -> Result<Next, &'static str> {
        let start = if message.carrier == Carrier::Tcp { 4 } else { 0 };
        let bytes = message.bytes.get(start..).unwrap_or_default();
        match Message::read(bytes).ok_or("malformed_data")? {
            Message::Request(asked) => {
                // Sent again, because no answer came in time.
                if self.requests.waiting(|waiting| *waiting == asked).is_none()
                    && let Some(oldest) = self.requests.open(asked, &[])
                {
                    event::write_unanswered(&oldest.key, report);
                }
            }
            Message::Reply(reply) => {
                let asked = self.requests.close(|asked| asked.tag + 1 == reply.tag);
                event::write_reply(asked.as_ref().map(|request| &request.key), &reply, report);
            }
            Message::Error(error) => {
                let asked = self.requests.pop();
                event::write_error(asked.as_ref().map(|request| &request.key), &error, report);
            }
            Message::Application(application) => event::write_application(&application, report),
            Message::Protected => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        stream_shape(bytes)
    }

    fn lost(&mut self, _: Direction) {
        self.requests.clear();
    }

    fn clear(&mut self) {
        self.requests.clear();
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.requests.pop() {
            event::write_unanswered(&request.key, report);
        }
    }
}
