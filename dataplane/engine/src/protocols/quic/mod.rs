//! QUIC: versions 1 and 2 and the drafts before them (RFC 9000, RFC 9001, RFC 9369), and Google's own QUIC.
//!
//! Initial packets are under keys that anybody can derive (`keys`): they are opened, the CRYPTO frames in them put
//! in order (`stream`), and the TLS messages read that say who talks to whom and how. One `quic` event tells it;
//! what is protected for good is not looked at. `version` knows the versions, `header` their packets, `google`
//! the messages of Google's handshake, and `probe` tells QUIC from other datagrams.

mod event;
mod frames;
mod google;
mod header;
mod keys;
mod parser;
mod probe;
mod stream;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests;
mod version;

use super::{Carrier, Exposure, Family, Opening, Protocol};

/// QUIC over UDP.
pub static PROTOCOL: Protocol = Protocol {
    name: "quic",
    title: "QUIC",
    family: Family::Crypto,
    carriers: &[Carrier::Udp],
    ports: &[443, 784, 853, 4433, 8853],
    exposure: Exposure::Encrypted,
    opening: Opening::any(7),
    probe: Some(probe::probe),
    parser: Some(|| Box::<parser::QuicParser>::default()),
    events: &["quic"],
    source: "RFC 9000, RFC 9001, RFC 9369",
};
