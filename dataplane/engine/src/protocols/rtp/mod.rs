//! RTP and RTCP (RFC 3550, RFC 3551), protected (RFC 3711) or not, and the flows that they share with STUN and DTLS.
//!
//! `packet` reads the two headers, `probe` tells them from random bytes by two packets that agree, `framing`
//! finds packets in streams, and `multiplex` reads a flow of anything that RFC 7983 tells apart.

mod event;
pub(in crate::protocols) mod framing;
pub(in crate::protocols) mod multiplex;
mod packet;
mod probe;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests;

use super::{Carrier, Exposure, Family, Opening, Protocol};
use multiplex::{Multiplex, Start};

/// The members of the events of flows of media, which carry STUN too.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "channel_data", "cname", "encodings", "error_code", "methods", "payload_types", "port", "rtcp_types",
    "service", "sources", "type", "username",
];

/// RTP over UDP, and over TCP behind lengths.
pub static RTP: Protocol = Protocol {
    name: "rtp",
    title: "RTP",
    family: Family::Media,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[5004],
    exposure: Exposure::Unknown,
    // In a stream the first byte is that of a length (RFC 4571).
    opening: Opening::any(12)
        .in_datagrams([0xc0, 0, 0, 0, 0, 0, 0, 0], [0x80, 0, 0, 0, 0, 0, 0, 0])
        .in_streams([0, 0, 0xc0, 0, 0, 0, 0, 0], [0, 0, 0x80, 0, 0, 0, 0, 0]),
    probe: Some(probe::rtp),
    parser: Some(|| Box::new(Multiplex::new(Start::Media))),
    events: &["rtp", "stun", "tls"],
    source: "RFC 3550, RFC 3551",
};

/// RTP whose keys were agreed on in the same flow.
pub static SRTP: Protocol = Protocol {
    name: "srtp",
    title: "SRTP",
    ports: &[],
    exposure: Exposure::Encrypted,
    probe: None,
    source: "RFC 3711, RFC 5764",
    ..RTP
};

/// RTCP on its own.
pub static RTCP: Protocol = Protocol {
    name: "rtcp",
    title: "RTCP",
    carriers: &[Carrier::Udp],
    ports: &[5005],
    opening: Opening::range(8, 0x80, 0xbf),
    probe: Some(probe::rtcp),
    source: "RFC 3550 6, RFC 4585, RFC 5506",
    ..RTP
};
