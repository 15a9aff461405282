//! memcached: the text protocol, its meta commands, the binary protocol, and both over datagrams.
//!
//! `text` reads lines and the data behind them, `binary` packets, `datagram` the prefix of UDP, `parser` counts and
//! tells.

mod binary;
mod datagram;
mod parser;
mod text;

use super::carried;
use super::framed;
use super::{Carrier, Exposure, Family, Found, Opening, Parser, Probe, Protocol};
use crate::record::Direction;

/// memcached.
pub static MEMCACHED: Protocol = Protocol {
    name: "memcached",
    title: "Memcached",
    family: Family::Database,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[11211],
    exposure: Exposure::Cleartext,
    // Datagrams begin with a number: signatures tell those that begin with another byte.
    opening: Opening::one_of(8, b"acdgimprst\x80"),
    probe: Some(probe),
    parser: Some(parser),
    events: &["memcached", "anomaly"],
    source: "memcached: doc/protocol.txt, doc/protocol-binary.txt",
};

fn parser() -> Box<dyn Parser> {
    carried::parser(framed::parser::<parser::Memcached>(), Box::<datagram::Datagrams>::default())
}

/// A storage command with its four numbers, or a binary request; over datagrams, the prefix and a command or answer.
/// Shorter commands are told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        return datagram::probe(probe.payload);
    }
    match probe.payload.first() {
        Some(0x80) if probe.from == Direction::ToServer => binary::probe(probe.payload),
        Some(b'a' | b'c' | b'g' | b'i' | b'd' | b'p' | b'r' | b's' | b't' | b'm')
            if probe.from == Direction::ToServer =>
        {
            text::probe(probe.payload)
        }
        _ => Found::No,
    }
}
