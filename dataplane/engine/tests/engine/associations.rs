//! SCTP flows: what user messages and their payload protocol identifiers say.

use std::net::SocketAddr;

use sample::packet;

use crate::bench::{Bench, v4};

/// A packet with these chunks; nobody looks at its checksum here.
fn send(bench: &mut Bench, from: SocketAddr, to: SocketAddr, chunks: &[Vec<u8>]) {
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let header = [&ports[..], &[0, 0, 0, 1], &[0; 4]].concat();
    let datagram = packet::ip(from.ip(), to.ip(), 132, &[header, chunks.concat()].concat());
    bench.packet(from.ip(), to.ip(), &datagram);
}

fn data(flags: u8, tsn: u32, ppid: u32, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len() + 16).unwrap();
    let head = [&[0, flags][..], &len.to_be_bytes(), &tsn.to_be_bytes(), &[0; 4], &ppid.to_be_bytes()];
    let mut chunk = [&head.concat()[..], bytes].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// An NG setup request without elements.
const NG_SETUP: &[u8] = &[0, 21, 0, 3, 0, 0, 0];

fn protocol_of(chunks: &[Vec<u8>]) -> String {
    let mut bench = Bench::new();
    for chunk in chunks {
        send(&mut bench, v4(1, 40_000), v4(2, 4_000), std::slice::from_ref(chunk));
    }
    let flows = bench.shut_down();
    assert_eq!(flows.len(), 1);
    flows[0].protocol.clone()
}

#[test]
fn the_payload_protocol_identifier_names_a_protocol_that_the_message_does_not_contradict() {
    assert_eq!(protocol_of(&[data(3, 1, 60, NG_SETUP)]), "ngap");
    assert_eq!(protocol_of(&[data(3, 1, 18, NG_SETUP)]), "s1ap");
    assert_eq!(protocol_of(&[data(3, 1, 60, b"not at all")]), "sctp");
}

#[test]
fn a_message_in_fragments_is_known_as_soon_as_it_is_whole() {
    let (first, second) = NG_SETUP.split_at(4);
    assert_eq!(protocol_of(&[data(1, 2, 60, second), data(2, 1, 60, first)]), "ngap");
    assert_eq!(protocol_of(&[data(2, 1, 60, first)]), "sctp");
}

#[test]
fn without_an_identifier_the_message_itself_is_looked_at() {
    let m3ua = [1, 0, 3, 1, 0, 0, 0, 8];
    assert_eq!(protocol_of(&[data(3, 1, 0, &m3ua)]), "m3ua");
}

#[test]
fn events_are_written_of_messages_after_the_first_and_not_of_retransmissions() {
    let mut bench = Bench::new();
    for tsn in [1, 2, 2, 3, 1] {
        send(&mut bench, v4(1, 40_000), v4(2, 38_412), &[data(3, tsn, 60, NG_SETUP)]);
    }
    // Another protocol on the same association is not shown to this parser.
    send(&mut bench, v4(1, 40_000), v4(2, 38_412), &[data(3, 4, 3, &[1, 0, 3, 1, 0, 0, 0, 8])]);
    bench.shut_down();
    let events = bench.events.iter().filter(|(kind, _)| *kind == "ngap").count();
    assert_eq!((events, bench.events.len()), (3, 3));
}

#[test]
fn acknowledgements_alone_do_not_end_what_is_known() {
    let mut bench = Bench::new();
    let (client, server) = (v4(1, 40_000), v4(2, 38_412));
    send(&mut bench, client, server, &[data(3, 1, 60, NG_SETUP)]);
    for _ in 0..300 {
        send(&mut bench, server, client, &[vec![3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 16, 0, 0, 0, 0, 0]]);
    }
    send(&mut bench, client, server, &[data(3, 2, 60, NG_SETUP)]);
    bench.shut_down();
    assert_eq!(bench.events.len(), 2);
}
