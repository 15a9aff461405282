//! Flows that turn into something else, and flows that their number names.

use std::net::SocketAddr;

use sample::packet::{self, ACK, SYN};

use crate::bench::{Bench, v4};

/// A connection in which each side says these, in turn; what the flow was in the end.
fn converse(turns: &[(bool, &[u8])]) -> (String, Vec<&'static str>) {
    let mut bench = Bench::new();
    let (client, server) = (v4(1, 40_000), v4(2, 4_000));
    let mut next = [101_u32, 501];
    bench.tcp(client, server, (100, 0), SYN, b"");
    bench.tcp(server, client, (500, 101), SYN | ACK, b"");
    for (is_client, bytes) in turns {
        let (from, to, own, other): (SocketAddr, SocketAddr, usize, usize) =
            if *is_client { (client, server, 0, 1) } else { (server, client, 1, 0) };
        bench.tcp(from, to, (next[own], next[other]), ACK, bytes);
        next[own] += bytes.len() as u32;
    }
    bench.shut_down();
    let events = bench.events.iter().map(|(kind, _)| *kind).collect();
    (bench.ended[0].protocol.clone(), events)
}

#[test]
fn what_is_said_through_a_proxy_is_read_like_anything_else() {
    let socks = converse(&[
        (true, b"\x05\x01\x00"),
        (false, b"\x05\x00"),
        (true, b"\x05\x01\x00\x03\x0bexample.org\x00\x50"),
        (false, b"\x05\x00\x00\x01\xc0\x00\x02\x01\x10\x00"),
        (true, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        (false, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    assert_eq!(socks, ("http".to_owned(), vec!["socks", "http"]));
}

#[test]
fn the_header_of_a_proxy_does_not_hide_what_follows_it_in_the_same_segment() {
    let proxied = converse(&[
        (true, b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 80\r\nGET / HTTP/1.1\r\nHost: example.org\r\n\r\n"),
        (false, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ]);
    assert_eq!(proxied, ("http".to_owned(), vec!["haproxy", "http"]));
}

#[test]
fn a_protocol_that_its_number_names_is_read_too() {
    let mut bench = Bench::new();
    let (router, all) = (v4(1, 0).ip(), "224.0.0.18".parse().unwrap());
    let advertisement = [0x31, 1, 100, 1, 0, 100, 0, 0, 192, 0, 2, 1];
    for _ in 0..2 {
        let datagram = packet::ip(router, all, 112, &advertisement);
        bench.packet(router, all, &datagram);
    }
    bench.shut_down();
    assert_eq!(bench.ended[0].protocol, "vrrp");
    let kinds: Vec<_> = bench.events.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["vrrp"; 2], "what it says, and how often it said it");
}
