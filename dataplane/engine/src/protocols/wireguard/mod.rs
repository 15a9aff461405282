//! WireGuard: its four messages (Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", 5.4).
//!
//! The handshake shows two indexes and nothing of who the peers are; key exchange and cipher are always the same.

mod message;
mod parser;

use super::{Carrier, Exposure, Family, Opening, Protocol};

/// WireGuard over UDP.
pub static PROTOCOL: Protocol = Protocol {
    name: "wireguard",
    title: "WireGuard",
    family: Family::Vpn,
    carriers: &[Carrier::Udp],
    ports: &[51820],
    exposure: Exposure::Encrypted,
    opening: Opening::range(32, 1, 4),
    probe: Some(parser::probe),
    parser: Some(|| Box::<parser::WireGuardParser>::default()),
    events: &["wireguard"],
    source: "Donenfeld, WireGuard, 5.4",
};
