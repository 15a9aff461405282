//! Captures, played through a protocol's parser flow by flow.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::protocols::{Carrier, Probe, Protocol};
use engine::record::Direction::{self, ToClient, ToServer};
use wire::{Headers, ParseOptions};

use crate::support::capture::frames;
use crate::support::tcp::{Stream, streams};
use crate::talk::{Outcome, Talk, is_taken};

/// A capture of the labelled set; none, and a line that says so, where it is absent.
pub(crate) fn capture(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/ground-truth");
    let folder =
        std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let file = folder.join("pcap").join(name);
    if file.is_file() {
        return Some(file);
    }
    eprintln!("SKIPPED: no capture {} (set WIREWARDEN_GROUND_TRUTH)", file.display());
    None
}

/// What a protocol made of one connection or datagram flow, if its probe took it.
pub(crate) struct Flow {
    pub(crate) is_taken: bool,
    pub(crate) outcome: Outcome,
}

/// The TCP connections of a capture.
pub(crate) fn connections(protocol: &Protocol, capture: &Path) -> Vec<Flow> {
    streams(capture).iter().map(|stream| connection(protocol, stream)).collect()
}

fn connection(protocol: &Protocol, stream: &Stream) -> Flow {
    let mut talk = Talk::new(protocol, Carrier::Tcp);
    for chunk in &stream.chunks {
        if chunk.after_gap {
            talk.lose(chunk.from);
        }
        talk.send(chunk.from, &chunk.bytes);
    }
    Flow { is_taken: is_stream_taken(protocol, stream), outcome: talk.finish() }
}

fn is_stream_taken(protocol: &Protocol, stream: &Stream) -> bool {
    [ToServer, ToClient].into_iter().any(|from| {
        let mut start = Vec::new();
        stream.chunks.iter().filter(|chunk| chunk.from == from).take(6).any(|chunk| {
            start.extend_from_slice(&chunk.bytes);
            is_taken(ask(
                protocol,
                Carrier::Tcp,
                from,
                (stream.client, stream.server),
                stream.midstream,
                &start,
            ))
        })
    })
}

fn ask(
    protocol: &Protocol,
    carrier: Carrier,
    from: Direction,
    (client, server): (SocketAddr, SocketAddr),
    midstream: bool,
    payload: &[u8],
) -> engine::protocols::Found {
    let (source, destination) = if from == ToServer { (client, server) } else { (server, client) };
    protocol.probe.unwrap()(&Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap(),
        from,
        carrier,
        source_port: source.port(),
        destination_port: destination.port(),
        destination: Some(destination.ip()),
        earlier: &[],
        midstream,
    })
}

/// The UDP flows of a capture; who spoke first is the client.
pub(crate) fn datagram_flows(protocol: &Protocol, capture: &Path) -> Vec<Flow> {
    let options = ParseOptions { tunnel_depth: 4, ..ParseOptions::default() };
    let mut flows: BTreeMap<[SocketAddr; 2], (SocketAddr, SocketAddr, bool, Talk)> = BTreeMap::new();
    for frame in frames(capture) {
        let mut headers = Headers::default();
        let parsed = headers.parse(&frame.bytes, frame.wire_len, frame.link, &options);
        if parsed.is_err() || headers.protocol != 17 || headers.fragment.is_some() {
            continue;
        }
        let start = headers.payload_offset as usize;
        let Some(payload) = frame.bytes.get(start..start + headers.payload_len as usize) else { continue };
        let end = |side| Some(SocketAddr::new(headers.key.ip(side)?, headers.key.port(side)));
        let (Some(source), Some(destination)) = (end(headers.sender), end(headers.sender.opposite())) else {
            continue;
        };
        let mut ends = [source, destination];
        ends.sort();
        let flow = flows
            .entry(ends)
            .or_insert_with(|| (source, destination, false, Talk::new(protocol, Carrier::Udp)));
        let from = if source == flow.0 { ToServer } else { ToClient };
        flow.2 |= is_taken(ask(protocol, Carrier::Udp, from, (flow.0, flow.1), false, payload));
        flow.3.send(from, payload);
    }
    flows.into_values().map(|(_, _, is_taken, talk)| Flow { is_taken, outcome: talk.finish() }).collect()
}
