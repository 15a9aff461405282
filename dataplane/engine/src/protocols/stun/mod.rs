//! STUN and TURN: RFC 8489, RFC 8656 and RFC 5780, RFC 3489 before the magic cookie, and ICE's use of it (RFC 8445).
//!
//! `message` reads messages, `probe` tells them from other payloads, and `event` keeps what a flow of them
//! says. Flows are read by `super::rtp::multiplex`, since STUN shares its flow with what it opens the way for
//! (RFC 7983).

mod event;
mod message;
mod probe;

use super::rtp::multiplex::{Multiplex, Start};
use super::{Carrier, Exposure, Family, Opening, Protocol};

pub(in crate::protocols) use event::{SERVICES, Seen};
pub(in crate::protocols) use message::{Message, channel_data};

/// STUN and TURN over UDP and TCP.
pub static PROTOCOL: Protocol = Protocol {
    name: "stun",
    title: "STUN",
    family: Family::Network,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[3478, 3479, 5349, 19302],
    exposure: Exposure::Cleartext,
    // In a stream the first byte may be that of a length (RFC 4571, [MS-TURN] 2.2.1).
    opening: Opening::any(20).in_datagrams([0xc0, 0, 0, 0, 0, 0, 0, 0], [0; 8]),
    probe: Some(probe::probe),
    parser: Some(|| Box::new(Multiplex::new(Start::Stun))),
    events: &["stun", "tls", "rtp"],
    source: "RFC 8489, RFC 8656",
};
