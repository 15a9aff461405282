//! The client/server protocol of MySQL and MariaDB: who logs on to which schema and how, what is asked, and where
//! encryption or compression begins.
//!
//! `handshake` reads the greeting and the login, `parser` the packets, `names` has commands.

mod handshake;
mod names;
mod parser;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};

/// MySQL.
pub static MYSQL: Protocol = Protocol {
    name: "mysql",
    title: "MySQL",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[3306],
    exposure: Exposure::Negotiated,
    // The length of a greeting.
    opening: Opening::range(5, 0x24, 0xff)
        .in_streams([0, 0xfe, 0xff, 0xff, 0xff, 0, 0, 0], [0, 0, 0, 0, 10, 0, 0, 0]),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::MySql>),
    events: &["mysql", "anomaly"],
    source: "MySQL internals: Client/Server Protocol; MariaDB knowledge base: clientserver-protocol",
};

/// The server opens with its greeting. What else may come first is told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    let Some([_, high, 0, 0, 10, rest @ ..]) = probe.payload.get(..5).map(|_| probe.payload) else {
        return Found::No;
    };
    if *high > 1 || !is_version(rest.get(..64).unwrap_or(rest)) {
        return Found::No;
    }
    let Framing::Message { len, .. } = parser::packet(probe.payload, 0) else { return Found::No };
    match probe.payload.get(4..len) {
        None => Found::Maybe,
        Some(body) if handshake::Greeting::read(body).is_some() => Found::Yes,
        Some(_) => Found::No,
    }
}

/// A number with a point in it, or its beginning.
fn is_version(text: &[u8]) -> bool {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let is_number = (1..=2).contains(&end) || text.is_empty();
    is_number && matches!(text.get(end), None | Some(b'.'))
}
