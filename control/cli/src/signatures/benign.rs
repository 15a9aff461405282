//! Everyday traffic that no signature may take for its own.

use std::net::Ipv4Addr;
use std::path::Path;

use engine::detectors::signatures::Benign;
use engine::protocols::Carrier;
use engine::record::Direction;
use packet_io::replay::{Replay, ReplayOptions};
use packet_io::{Burst, PacketBuf, PacketIo};
use sample::content::{dns, http, ssh, tls};
use sample::random::Random;
use wire::{Headers, LinkType, ParseOptions};

/// Rounds of what is made up; each is some 10 KB.
const ROUNDS: u16 = 64;
/// Bytes of a capture that are looked at.
const MOST_BYTES: usize = 64 << 20;

/// Web pages, requests, names, sessions, sound, tables and text: about a megabyte, the same in every run.
pub(super) fn made_up() -> Vec<Benign> {
    let mut random = Random::new(1);
    let mut all = Vec::new();
    let mut add = |protocol: &str, carrier, from, payload: Vec<u8>| {
        all.push(Benign { protocol: protocol.to_owned(), payload, carrier, from });
    };
    let (to_server, to_client) = (Direction::ToServer, Direction::ToClient);
    for round in 0..ROUNDS {
        let host = format!("host{round}.example.com");
        let page = format!(
            "<!doctype html><html><head><title>{host}</title></head><body>{}</body></html>",
            TEXT.repeat(8)
        );
        let object =
            format!("{{\"id\": {round}, \"type\": \"item\", \"name\": \"{host}\", \"text\": \"{TEXT}\"}}");
        add(
            "http",
            Carrier::Tcp,
            to_server,
            http::get(&host, &format!("/path/{round}?user=name&date=today")),
        );
        add("http", Carrier::Tcp, to_server, http::post(&host, "/login", "user=alice&password=secret"));
        add("http", Carrier::Tcp, to_client, http::response("200 OK", "text/html", &page));
        add("http", Carrier::Tcp, to_client, http::response("200 OK", "application/json", &object));
        add("dns", Carrier::Udp, to_server, dns::query(round, &host, 1));
        add(
            "dns",
            Carrier::Udp,
            to_client,
            dns::response(round, &host, 1, &[Ipv4Addr::new(192, 0, 2, 1).into()]),
        );
        add(
            "tls",
            Carrier::Tcp,
            to_server,
            tls::client_hello(&mut random, &host, &["h2"], tls::Group::X25519),
        );
        add("tls", Carrier::Tcp, to_client, tls::server_flight(&mut random, tls::Group::X25519));
        add("tls", Carrier::Tcp, to_server, tls::application_data(&mut random, 1200));
        add("ssh", Carrier::Tcp, to_client, ssh::banner("OpenSSH_9.2p1"));
        for carrier in [Carrier::Tcp, Carrier::Udp] {
            let salt = round.wrapping_mul(31);
            add("", carrier, to_server, TEXT.repeat(4).into_bytes());
            add("", carrier, to_client, object.clone().into_bytes());
            add("", carrier, to_client, wave(salt));
            add("", carrier, to_server, counters(salt));
            add("", carrier, to_server, vec![0; 64 + usize::from(round)]);
        }
    }
    all
}

/// A tone as 16-bit samples.
fn wave(salt: u16) -> Vec<u8> {
    let step = 97 + salt % 251;
    (0..480_u16).flat_map(|at| (at.wrapping_mul(step) % 8191).to_le_bytes()).collect()
}

/// A table of numbers as programs write them.
fn counters(salt: u16) -> Vec<u8> {
    (0..120_u32).flat_map(|at| (at * u32::from(salt % 17)).to_be_bytes()).collect()
}

const TEXT: &str = "The quick brown fox jumps over the lazy dog, and 12 boxing wizards jump quickly. ";

/// The payloads of a capture, whatever they are. An error is a sentence for the user.
pub(super) fn of_capture(capture: &Path, all: &mut Vec<Benign>) -> Result<(), String> {
    let opened = Replay::open(vec![capture.to_owned()], ReplayOptions::default());
    let mut replay = opened.map_err(|error| error.to_string())?;
    let (mut burst, mut bytes) = (Burst::new(), 0);
    while !replay.is_exhausted() && bytes < MOST_BYTES {
        burst.clear();
        replay.receive(&mut burst);
        for (buf, meta) in burst.bufs().iter().zip(burst.metas()) {
            let Some(link) = LinkType::from_linktype(meta.link.linktype()) else { continue };
            let mut headers = Headers::default();
            if headers.parse(buf.bytes(), meta.wire_len, link, &ParseOptions::default()).is_err() {
                continue;
            }
            let carrier = match headers.protocol {
                6 => Carrier::Tcp,
                17 => Carrier::Udp,
                132 => Carrier::Sctp,
                _ => continue,
            };
            let payload = buf.bytes().get(headers.payload_offset as usize..);
            let payload =
                payload.and_then(|rest| rest.get(..headers.payload_len as usize)).unwrap_or_default();
            if payload.is_empty() {
                continue;
            }
            bytes += payload.len();
            let (own, other) =
                (headers.key.port(headers.sender), headers.key.port(headers.sender.opposite()));
            let from = if own >= other { Direction::ToServer } else { Direction::ToClient };
            all.push(Benign { protocol: String::new(), payload: payload.to_vec(), carrier, from });
        }
    }
    let errors = replay.take_errors();
    if let (Some(error), 0) = (errors.first(), bytes) {
        return Err(error.to_string());
    }
    Ok(())
}
