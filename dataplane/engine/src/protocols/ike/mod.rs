//! Internet Key Exchange: version 2 (RFC 7296) with additional key exchanges (RFC 9370) and ML-KEM, version 1
//! (RFC 2408, RFC 2409), with NAT traversal (RFC 3947, RFC 3948) and over TCP (RFC 9329).
//!
//! `message` walks headers and payloads, `proposal` the algorithms on offer, `registry` holds IANA's names,
//! `posture` judges what was agreed on, `probe` tells messages from other datagrams, and `parser` keeps the
//! first exchange of a flow and writes an `ike` event about it. What follows is encrypted.

mod event;
mod message;
mod parser;
mod posture;
mod probe;
mod proposal;
mod registry;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "messages made here are short")]
mod tests;
mod vendor;

use super::{Carrier, Exposure, Family, Opening, Protocol};

/// IKE over UDP and TCP, and ESP in UDP.
pub static PROTOCOL: Protocol = Protocol {
    name: "ike",
    title: "IKE",
    family: Family::Vpn,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[500, 4500],
    exposure: Exposure::Encrypted,
    opening: Opening::any(9).in_streams([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0], *b"IKETCP\0\0"),
    probe: Some(probe::probe),
    parser: Some(|| Box::<parser::IkeParser>::default()),
    events: &["ike"],
    source: "RFC 7296, RFC 9370, RFC 2409",
};
