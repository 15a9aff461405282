//! A client and a server that talk: handshake, data in segments, acknowledgments, close.

use std::io;
use std::net::SocketAddr;

use crate::Sink;
use crate::packet::{ACK, FIN, PSH, Path, RST, SYN, TcpHeader, Way, tcp, udp};

/// Who talks, over what, and when.
#[derive(Clone, Debug)]
pub struct Parties {
    /// The client.
    pub client: SocketAddr,
    /// The server.
    pub server: SocketAddr,
    /// What is around their packets.
    pub path: Path,
    /// Time of the next packet, nanoseconds since the UNIX epoch.
    pub time_ns: u64,
    /// Time between two packets.
    pub gap_ns: u64,
}

impl Parties {
    /// Two parties with nothing around their packets, a packet every 250 µs.
    #[must_use]
    pub fn new(client: SocketAddr, server: SocketAddr, time_ns: u64) -> Self {
        Self { client, server, path: Path::default(), time_ns, gap_ns: 250_000 }
    }

    fn ends(&self, way: Way) -> (SocketAddr, SocketAddr) {
        match way {
            Way::ToServer => (self.client, self.server),
            Way::ToClient => (self.server, self.client),
        }
    }

    /// Sends one UDP datagram.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn datagram(&mut self, way: Way, payload: &[u8], out: &mut dyn Sink) -> io::Result<()> {
        let (from, to) = self.ends(way);
        self.send(way, &udp(from, to, payload), out)
    }

    /// Sends one IP packet.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn send(&mut self, way: Way, packet: &[u8], out: &mut dyn Sink) -> io::Result<()> {
        let (from, to) = self.ends(way);
        out.packet(self.time_ns, &self.path.frame(from.ip(), to.ip(), packet, way))?;
        self.time_ns += self.gap_ns;
        Ok(())
    }
}

/// A TCP connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Who talks.
    pub parties: Parties,
    /// Next sequence number of the client.
    client_seq: u32,
    /// Next sequence number of the server.
    server_seq: u32,
    /// Longest payload of a segment.
    mss: u16,
}

impl Connection {
    /// Opens a connection with a three-way handshake. The first sequence numbers follow from `seed`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn open(parties: Parties, seed: u32, out: &mut dyn Sink) -> io::Result<Self> {
        let mss = if parties.client.is_ipv4() { 1460 } else { 1440 };
        let client_seq = seed.wrapping_mul(0x9e37_79b1);
        let server_seq = client_seq ^ 0x5bd1_e995;
        let mut connection = Self { parties, client_seq, server_seq, mss };
        let [high, low] = mss.to_be_bytes();
        // MSS, SACK permitted, no-operation, window scale 7.
        let options = [2, 4, high, low, 4, 2, 1, 3, 3, 7];
        connection.segment(Way::ToServer, SYN, &options, &[], out)?;
        connection.segment(Way::ToClient, SYN | ACK, &options, &[], out)?;
        connection.segment(Way::ToServer, ACK, &[], &[], out)?;
        Ok(connection)
    }

    /// Sends bytes, in as many segments as they need; the other side acknowledges the last.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn send(&mut self, way: Way, bytes: &[u8], out: &mut dyn Sink) -> io::Result<()> {
        self.push(way, bytes, out)?;
        let back = if way == Way::ToServer { Way::ToClient } else { Way::ToServer };
        self.segment(back, ACK, &[], &[], out)
    }

    /// Sends bytes, in as many segments as they need, and nobody acknowledges them.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn push(&mut self, way: Way, bytes: &[u8], out: &mut dyn Sink) -> io::Result<()> {
        let mut segments = bytes.chunks(usize::from(self.mss)).peekable();
        while let Some(payload) = segments.next() {
            let flags = if segments.peek().is_none() { ACK | PSH } else { ACK };
            self.segment(way, flags, &[], payload, out)?;
        }
        Ok(())
    }

    /// Closes the connection, the client first.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn close(mut self, out: &mut dyn Sink) -> io::Result<()> {
        self.segment(Way::ToServer, FIN | ACK, &[], &[], out)?;
        self.segment(Way::ToClient, FIN | ACK, &[], &[], out)?;
        self.segment(Way::ToServer, ACK, &[], &[], out)
    }

    /// Breaks the connection off: the server sends RST.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn reset(mut self, out: &mut dyn Sink) -> io::Result<()> {
        self.segment(Way::ToClient, RST | ACK, &[], &[], out)
    }

    fn segment(
        &mut self,
        way: Way,
        flags: u8,
        options: &[u8],
        payload: &[u8],
        out: &mut dyn Sink,
    ) -> io::Result<()> {
        let (from, to) = self.parties.ends(way);
        let (seq, peer) = match way {
            Way::ToServer => (self.client_seq, self.server_seq),
            Way::ToClient => (self.server_seq, self.client_seq),
        };
        let ack = if flags & ACK != 0 { peer } else { 0 };
        let packet = tcp(from, to, &TcpHeader { seq, ack, flags, window: 64_240, options }, payload);
        // SYN and FIN take a number each.
        let bytes = u32::try_from(payload.len()).unwrap_or(0);
        let taken = bytes.wrapping_add(u32::from(flags & (SYN | FIN) != 0));
        let own = if way == Way::ToServer { &mut self.client_seq } else { &mut self.server_seq };
        *own = own.wrapping_add(taken);
        self.parties.send(way, &packet, out)
    }
}
