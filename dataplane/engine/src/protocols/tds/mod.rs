//! Tabular Data Stream of SQL Server and Sybase (MS-TDS): what the two sides agree on, the TLS session within their
//! packets, who logs on to which database, and what is asked.
//!
//! `packet` tells packets and records apart, `prelogin` and `login` read what their names say, `token` the server's
//! answers, `request` batches and procedure calls, `parser` puts them together.

mod login;
mod packet;
mod parser;
mod prelogin;
mod request;
#[cfg(test)]
mod tests;
mod token;

use super::framed::{self, Framing};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// TDS.
pub static TDS: Protocol = Protocol {
    name: "tds",
    title: "SQL Server (TDS)",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[1433],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, &[packet::LOGIN7, packet::PRELOGIN, packet::RESPONSE]),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::Tds>),
    events: &["tds", "tls", "anomaly"],
    source: "MS-TDS",
};

/// A client opens with what it can do, or logs on at once; the server answers the former in kind. What comes in the
/// middle of a session is told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    let Framing::Message { len, .. } = packet::opening(probe.payload) else {
        return if packet::opening(probe.payload) == Framing::Open { Found::Maybe } else { Found::No };
    };
    let (Some(&kind), Some(body)) = (probe.payload.first(), probe.payload.get(packet::HEAD..len)) else {
        return Found::Maybe;
    };
    let is_sound = match (kind, probe.from) {
        (packet::PRELOGIN, _) | (packet::RESPONSE, Direction::ToClient) => {
            prelogin::Prelogin::read(body).is_some()
        }
        (packet::LOGIN7, Direction::ToServer) => login::Login::read(body).is_some(),
        _ => false,
    };
    if is_sound { Found::Yes } else { Found::No }
}

/// UTF-16, little-endian, as the UTF-8 of records.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().take(TEXT_MAX).map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Characters of a text that are read.
const TEXT_MAX: usize = 1024;
