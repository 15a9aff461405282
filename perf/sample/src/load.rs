//! Loads for benchmarks: many packets of one kind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::content::tls::{self, Group};
use crate::conversation::{Connection, Parties};
use crate::packet::{Path, SYN, TcpHeader, Way, tcp, udp};
use crate::random::Random;
use crate::{START_NS, Sink};

/// Long TLS sessions, all open at once: after its handshake each of `sessions` sends `packets` frames of 1,514 bytes
/// from server to client, the sessions taking turns in bursts of 8. Every session is closed at the end.
///
/// # Errors
/// Those of `out`.
pub fn bulk_tls(sessions: u32, packets: u32, out: &mut dyn Sink) -> io::Result<()> {
    let mut random = Random::new(1);
    let mut clock = START_NS;
    let mut open = Vec::new();
    for session in 0..sessions {
        let mut connection = tls_session(session, clock, &mut random, out)?;
        connection.parties.gap_ns = GAP_NS;
        clock = connection.parties.time_ns;
        // Records of 16 KiB of ciphertext, one after the other, cut into full segments.
        let stream: Vec<u8> = (0..9).flat_map(|_| tls::application_data(&mut random, 16_384)).collect();
        open.push((connection, stream));
    }
    for turn in 0..packets.div_ceil(BURST) {
        let burst = usize::try_from(BURST.min(packets - turn * BURST)).unwrap_or(0);
        for (connection, stream) in &mut open {
            let start = usize::try_from(turn % TURNS).unwrap_or(0) * SEGMENT * BURST as usize;
            let bytes = stream.get(start..start + SEGMENT * burst).unwrap_or_default();
            connection.parties.time_ns = clock;
            connection.push(Way::ToClient, bytes, out)?;
            clock = connection.parties.time_ns;
        }
    }
    for (mut connection, _) in open {
        connection.parties.time_ns = clock;
        clock += 3 * GAP_NS;
        connection.close(out)?;
    }
    Ok(())
}

fn tls_session(
    session: u32,
    time_ns: u64,
    random: &mut Random,
    out: &mut dyn Sink,
) -> io::Result<Connection> {
    let [_, _, high, low] = session.to_be_bytes();
    let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, high, low)), 49_152 + u16::from(low));
    let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1 + low % 250)), 443);
    let parties = Parties { client, server, path: Path::default(), time_ns, gap_ns: GAP_NS };
    let mut connection = Connection::open(parties, session + 1, out)?;
    let group = if session.is_multiple_of(2) { Group::X25519MlKem768 } else { Group::X25519 };
    let name = format!("host{session}.example.com");
    let hello = tls::client_hello(random, &name, &["h2", "http/1.1"], group);
    connection.send(Way::ToServer, &hello, out)?;
    connection.send(Way::ToClient, &tls::server_flight(random, group), out)?;
    connection.send(Way::ToServer, &tls::client_finished(random), out)?;
    Ok(connection)
}

/// UDP datagrams of random bytes in frames of 64 bytes, `packets` of them over `flows` flows in random order.
///
/// # Errors
/// Those of `out`.
pub fn random_udp(flows: u32, packets: u32, out: &mut dyn Sink) -> io::Result<()> {
    let mut random = Random::new(2);
    for index in 0..packets {
        // Each flow once, so that there are as many as asked for, then any.
        let flow = if index < flows { index } else { random.below(flows) };
        let (client, server) = udp_ends(flow);
        let packet = udp(client, server, &random.bytes(UDP_PAYLOAD));
        let frame = Path::default().frame(client.ip(), server.ip(), &packet, Way::ToServer);
        out.packet(START_NS + u64::from(index) * 100, &frame)?;
    }
    Ok(())
}

/// Ends of a flow: different for each, spread over ports that belong to no service.
fn udp_ends(flow: u32) -> (SocketAddr, SocketAddr) {
    let [_, a, b, c] = flow.to_be_bytes();
    let client_port = 20_000 + u16::from(c) * 64 + u16::from(b & 63);
    let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a, b, c)), client_port);
    let server = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, b, c)), 40_000 + u16::from(b ^ c) * 16);
    (client, server)
}

/// A scan: one SYN each from `sources` addresses, to one network and changing ports, and no answers.
///
/// # Errors
/// Those of `out`.
pub fn syn_scan(sources: u32, out: &mut dyn Sink) -> io::Result<()> {
    let mut random = Random::new(3);
    for source in 0..sources {
        let [a, b, c, d] = source.wrapping_add(0x0a00_0000).to_be_bytes();
        let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port(1024 + random.below(64_000)));
        let target = Ipv4Addr::new(198, 51, 100, 1 + d % 250);
        let to = SocketAddr::new(IpAddr::V4(target), port(1 + random.below(10_000)));
        let seq = random.below(u32::MAX);
        let header = TcpHeader { seq, ack: 0, flags: SYN, window: 1024, options: &[2, 4, 5, 0xb4] };
        let frame = Path::default().frame(from.ip(), to.ip(), &tcp(from, to, &header, &[]), Way::ToServer);
        out.packet(START_NS + u64::from(source) * 100, &frame)?;
    }
    Ok(())
}

/// What the emulated lab sends: the mixed capture in the order of its times, without frames longer than Ethernet's, then UDP datagrams of random bytes both ways
/// over 32 flows of both families, in frames of every size from 64 to 1,518 bytes with the frame check sequence, which is
/// not in the capture; `frames` in all, if they are more than the mixed capture has.
///
/// # Errors
/// Those of `out`.
pub fn lab(frames: u32, out: &mut dyn Sink) -> io::Result<()> {
    let mut mixed: Vec<(u64, Vec<u8>)> = Vec::new();
    crate::mixed::write(&mut mixed)?;
    mixed.retain(|(_, frame)| frame.len() <= LARGEST as usize);
    mixed.sort_by_key(|(time_ns, _)| *time_ns);
    let mut clock = START_NS;
    for (time_ns, frame) in &mixed {
        clock = clock.max(*time_ns);
        out.packet(*time_ns, frame)?;
    }
    let mut random = Random::new(4);
    for index in u32::try_from(mixed.len()).unwrap_or(u32::MAX)..frames {
        // A step without a common divisor, so that every size comes up, and neighbours differ much.
        let size = SMALLEST + index.wrapping_mul(641) % (LARGEST - SMALLEST + 1);
        clock += 100_000;
        out.packet(clock, &datagram(index, size, &mut random))?;
    }
    Ok(())
}

/// A UDP datagram of one of 32 flows, in a frame of `size` bytes.
fn datagram(index: u32, size: u32, random: &mut Random) -> Vec<u8> {
    let flow = u8::try_from(index / 2 % 32).unwrap_or(0);
    let (client, server): ([u16; 2], [u16; 2]) = ([0xc612, u16::from(flow)], [0xc613, u16::from(flow)]);
    let address = |[high, low]: [u16; 2]| {
        if flow.is_multiple_of(2) {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, high, 0, 0, 0, 0, low))
        }
    };
    let client = SocketAddr::new(address(client), 30_000 + u16::from(flow));
    let server = SocketAddr::new(address(server), 47_000 + u16::from(flow) * 8);
    let headers = if client.is_ipv4() { 14 + 20 + 8 } else { 14 + 40 + 8 };
    let payload = random.bytes(usize::try_from(size).unwrap_or(0).saturating_sub(headers));
    let (from, to, way) = if index.is_multiple_of(2) {
        (client, server, Way::ToServer)
    } else {
        (server, client, Way::ToClient)
    };
    Path::default().frame(from.ip(), to.ip(), &udp(from, to, &payload), way)
}

fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Payload of a full segment: 1,514 bytes with Ethernet, IPv4 and TCP headers.
const SEGMENT: usize = 1460;
/// Payload of a UDP datagram in a frame of 64 bytes.
const UDP_PAYLOAD: usize = 64 - 14 - 20 - 8;
/// Shortest and longest frame of Ethernet (IEEE 802.3, 4.2.3.3 and 4.2.7) without the frame check sequence.
const SMALLEST: u32 = 60;
const LARGEST: u32 = 1514;
const BURST: u32 = 8;
/// Bursts after which a session's bytes start again: 9 records hold 12 of them.
const TURNS: u32 = 12;
const GAP_NS: u64 = 1_000;
