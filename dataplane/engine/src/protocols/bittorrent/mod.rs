//! BitTorrent: peers and what they exchange, over TCP and in the first data of µTP, the distributed hash table,
//! trackers over UDP, and local discovery.
//!
//! `bencode` walks dictionaries, `handshake` reads who a peer is, `peer` the messages of a stream, `datagram` all that
//! comes in datagrams.

mod bencode;
mod datagram;
mod handshake;
mod peer;

use super::carried;
use super::framed;
use super::{Carrier, Exposure, Family, Found, Opening, Parser, Probe, Protocol};

/// BitTorrent.
pub static BITTORRENT: Protocol = Protocol {
    name: "bittorrent",
    title: "BitTorrent",
    family: Family::PeerToPeer,
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[6881, 6889, 6771],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0, 0x01, 0x13, b'B', b'd']),
    probe: Some(probe),
    parser: Some(parser),
    events: &["bittorrent", "anomaly"],
    source: "BEP 3, 5, 6, 10, 14, 15, 20, 29",
};

fn parser() -> Box<dyn Parser> {
    carried::parser(framed::parser::<peer::Peers>(), Box::<datagram::Datagrams>::default())
}

/// A handshake; in datagrams a message of the hash table, a tracker's connection, a search, or a handshake in µTP.
/// The opening of µTP alone is told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.is_stream() { handshake::probe(probe.payload) } else { datagram::probe(probe) }
}
