//! Whether a datagram is QUIC: by a version that exists and lengths that fit it, never by its first byte alone.

use super::google::{Message, may_be_servers, public_version};
use super::header::{Kind, Long};
use super::version::{Dialect, Version};
use crate::protocols::{Found, Probe};

/// QUIC of the IETF and of Google. Packets with a short header have nothing that tells them from random bytes.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let bytes = probe.payload;
    let Some(first) = bytes.first() else { return Found::No };
    let missing = usize::try_from(probe.wire_len).unwrap_or(usize::MAX).saturating_sub(bytes.len());
    if first & 0x80 != 0 {
        return long(bytes, missing);
    }
    if public_version(bytes).is_some() {
        return Found::Yes;
    }
    let is_servers =
        may_be_servers(*first) && Message::find(bytes).is_some_and(|message| !message.is_from_client());
    if is_servers { Found::Likely(95) } else { Found::No }
}

fn long(bytes: &[u8], missing: usize) -> Found {
    let Some(packet) = Long::parse(bytes, missing) else { return Found::No };
    let datagram = bytes.len() + missing;
    match packet.kind {
        Kind::Negotiation => {
            let known = packet.versions().filter(|version| version.dialect().is_some()).count();
            // Servers may name versions that nobody else knows, and ids that no version uses.
            if known > 0 && 2 * known >= packet.versions().count() { Found::Likely(95) } else { Found::No }
        }
        // Content in the clear or, later in the connection, not; four letters and the layout say enough.
        Kind::Google => {
            Found::Likely(if packet.destination.len() + packet.source.len() >= 8 { 97 } else { 60 })
        }
        Kind::Initial | Kind::ZeroRtt | Kind::Handshake | Kind::Retry
            if packet.version.is_forcing_negotiation() =>
        {
            // The server must not answer a smaller one (RFC 9000 6.1 and 14.1), nor one with a short id (7.2).
            let is_clients = datagram >= LEAST_DATAGRAM && packet.destination.len() >= 8;
            if is_clients { Found::Likely(95) } else { Found::No }
        }
        Kind::Initial => certain(&packet),
        Kind::ZeroRtt | Kind::Handshake => certain(&packet),
        Kind::Retry if packet.source.is_empty() && packet.destination.is_empty() => Found::No,
        Kind::Retry => Found::Likely(97),
    }
}

/// A version is four bytes; version 1 has three zeros, which other protocols have too: there the rest has to speak.
fn certain(packet: &Long<'_>) -> Found {
    let is_odd = packet.version != Version(1) || packet.version.dialect() != Some(Dialect::Ietf);
    let has_ids = packet.destination.len() >= 4 || packet.source.len() >= 4;
    // What follows in the datagram is another packet of the connection, or padding of some implementations.
    let is_filled = packet.rest.is_empty()
        || packet.rest.first().is_some_and(|first| first & 0x40 != 0 || *first == 0)
        || Long::parse(packet.rest, packet.missing).is_some();
    match (is_odd, has_ids, is_filled) {
        (_, true, true) => Found::Yes,
        (true, _, true) => Found::Likely(90),
        _ => Found::Likely(75),
    }
}

/// Least bytes of a datagram with a client's Initial packet (RFC 9000 14.1).
const LEAST_DATAGRAM: usize = 1200;
