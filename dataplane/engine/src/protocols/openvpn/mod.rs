//! OpenVPN over UDP and TCP: control packets in the clear, behind an HMAC (`tls-auth`), or encrypted under a key of
//! their own (`tls-crypt`, `tls-crypt-v2`).
//!
//! Where the control channel is not encrypted the TLS handshake in it is read, which the data keys come from.
//! Sources: draft-openvpn-openvpn-wire-protocol, and the comments of OpenVPN's `ssl_pkt.h` and `tls_crypt.h`.

mod order;
mod packet;
mod parser;
mod probe;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests;

use super::{Carrier, Exposure, Family, Opening, Protocol};

/// OpenVPN over UDP, and over TCP behind lengths.
pub static PROTOCOL: Protocol = Protocol {
    name: "openvpn",
    title: "OpenVPN",
    family: Family::Vpn,
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[1194],
    exposure: Exposure::Encrypted,
    // Opcodes 1 to 11 with a key id; in a stream a length comes first.
    opening: Opening::range(14, 0x00, 0x5f).in_streams([0xf8, 0, 0x07, 0, 0, 0, 0, 0], [0; 8]),
    probe: Some(probe::probe),
    parser: Some(|| Box::<parser::OpenVpnParser>::default()),
    events: &["openvpn", "tls"],
    source: "draft-openvpn-openvpn-wire-protocol",
};
