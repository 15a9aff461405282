//! Loads for benchmarks: many packets of one kind.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

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

fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Payload of a full segment: 1,514 bytes with Ethernet, IPv4 and TCP headers.
const SEGMENT: usize = 1460;
/// Payload of a UDP datagram in a frame of 64 bytes.
const UDP_PAYLOAD: usize = 64 - 14 - 20 - 8;
const BURST: u32 = 8;
/// Bursts after which a session's bytes start again: 9 records hold 12 of them.
const TURNS: u32 = 12;
const GAP_NS: u64 = 1_000;
