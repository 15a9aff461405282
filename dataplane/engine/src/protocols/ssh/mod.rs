//! The Secure Shell transport up to where it is encrypted (RFC 4253), and what its key exchange is worth.
//!
//! `banner` reads identification strings, `packet` the packets before encryption, `kexinit` the lists of
//! algorithms and what is agreed on, `algorithm` knows what algorithms are worth, `event` writes the `ssh` event,
//! `probe` tells SSH from others, and `parser` reads a connection.

mod algorithm;
mod banner;
mod event;
mod kexinit;
mod packet;
mod parser;
mod probe;
mod session;

use super::{Carrier, Exposure, Family, Opening, Parser, Protocol};

/// SSH, versions 1 and 2.
pub static SSH: Protocol = Protocol {
    name: "ssh",
    title: "SSH",
    family: Family::RemoteAccess,
    carriers: &[Carrier::Tcp],
    ports: &[22],
    exposure: Exposure::Negotiated,
    // A server may send lines of text before its identification (RFC 4253, 4.2).
    opening: Opening::any(4),
    probe: Some(probe::ssh),
    parser: Some(parser),
    events: &["ssh", "anomaly"],
    source: "RFC 4253",
};

fn parser() -> Box<dyn Parser> {
    Box::new(parser::SshParser::default())
}
