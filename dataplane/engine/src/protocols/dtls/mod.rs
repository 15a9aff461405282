//! DTLS 1.0, 1.2 and 1.3 (RFC 4347, RFC 6347, RFC 9147), and the version that OpenSSL had before the standard.
//!
//! `record` cuts datagrams into records, `messages` puts handshake messages together from fragments that come in
//! any order, and `session` hands them to what reads TLS. It writes a `tls` event whose version is that of DTLS.
//! Flows are read by `super::rtp::multiplex`, since DTLS shares its flow with STUN and RTP (RFC 7983).

mod messages;
mod probe;
mod record;
mod session;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests;

use super::rtp::multiplex::{Multiplex, Start};
use super::{Carrier, Exposure, Family, Opening, Protocol};

pub(in crate::protocols) use session::DtlsSession;

/// DTLS over UDP.
pub static PROTOCOL: Protocol = Protocol {
    name: "dtls",
    title: "DTLS",
    family: Family::Crypto,
    carriers: &[Carrier::Udp],
    ports: &[443, 853, 3391, 4433, 4740, 5246, 5349, 5684],
    exposure: Exposure::Negotiated,
    opening: Opening::range(13, 20, 26),
    probe: Some(probe::probe),
    parser: Some(|| Box::new(Multiplex::new(Start::Dtls))),
    events: &["tls"],
    source: "RFC 9147, RFC 6347",
};
