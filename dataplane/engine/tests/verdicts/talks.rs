//! Short talks between two hosts, each a flow of its own, shown to an engine in one run.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use engine::protocols::Carrier;
use engine::record::Direction;
use sample::packet::{self, ACK, PSH, SYN, TcpHeader};
use wire::LinkType;

use crate::run::{Ends, Flows, Said, Shown, judge};

/// What two hosts say to each other on a carrier, and the server's port.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub carrier: Carrier,
    pub port: u16,
    pub turns: Vec<(Direction, Vec<u8>)>,
}

impl Talk {
    /// The client says one thing.
    pub(crate) fn of(carrier: Carrier, port: u16, from: Direction, payload: Vec<u8>) -> Self {
        Self { carrier, port, turns: vec![(from, payload)] }
    }

    fn frames(&self, number: usize, out: &mut Vec<Vec<u8>>) {
        let (client, server) = ends(number, self.port);
        if self.carrier == Carrier::Udp {
            for (from, payload) in &self.turns {
                let (source, target) = ordered(client, server, *from);
                out.push(ethernet(source, target, &packet::udp(source, target, payload)));
            }
            return;
        }
        let mut next = [1000_u32, 5000];
        let mut segment = |from: Direction, flags: u8, payload: &[u8]| {
            let (source, target) = ordered(client, server, from);
            let (own, other) = (from as usize, from.reversed() as usize);
            let ack = if flags & ACK == 0 { 0 } else { next[other] };
            let header = TcpHeader { seq: next[own], ack, flags, window: 65_000, options: &[] };
            out.push(ethernet(source, target, &packet::tcp(source, target, &header, payload)));
            next[own] += payload.len() as u32 + u32::from(flags & SYN != 0);
        };
        segment(Direction::ToServer, SYN, &[]);
        segment(Direction::ToClient, SYN | ACK, &[]);
        segment(Direction::ToServer, ACK, &[]);
        for (from, payload) in &self.turns {
            for piece in payload.chunks(1400) {
                segment(*from, ACK | PSH, piece);
            }
        }
    }
}

fn ordered(client: SocketAddr, server: SocketAddr, from: Direction) -> (SocketAddr, SocketAddr) {
    match from {
        Direction::ToServer => (client, server),
        Direction::ToClient => (server, client),
    }
}

fn ethernet(from: SocketAddr, to: SocketAddr, packet: &[u8]) -> Vec<u8> {
    packet::ethernet(from.ip(), to.ip(), &[], packet)
}

fn ends(number: usize, port: u16) -> (SocketAddr, SocketAddr) {
    let client = Ipv4Addr::from(0x0a00_0000 | number as u32);
    let server = Ipv4Addr::new(192, 0, 2, 1);
    (SocketAddr::new(IpAddr::V4(client), 49_500), SocketAddr::new(IpAddr::V4(server), port))
}

/// What the engine says of each talk, in their order; none where it has no record of one.
pub(crate) fn listen(talks: &[Talk]) -> Vec<Option<Said>> {
    let mut all = Vec::with_capacity(talks.len());
    // A few at a time: the flow table is small.
    for some in talks.chunks(4096) {
        let mut frames = Vec::new();
        for (number, talk) in some.iter().enumerate() {
            talk.frames(number, &mut frames);
        }
        let shown = frames.iter().map(|bytes| Shown {
            link: LinkType::Ethernet,
            bytes,
            wire_len: bytes.len() as u32,
        });
        let mut flows = judge(&shown, 1);
        all.extend(some.iter().enumerate().map(|(number, talk)| said_of(&mut flows, number, talk)));
    }
    all
}

fn said_of(flows: &mut Flows, number: usize, talk: &Talk) -> Option<Said> {
    let (client, server) = ends(number, talk.port);
    let mut ends = [(client.ip(), client.port()), (server.ip(), server.port())];
    ends.sort_unstable();
    let protocol = if talk.carrier == Carrier::Udp { 17 } else { 6 };
    flows.remove(&Ends { protocol, ends })?.pop()
}

/// Names that were given by content, with how often, the most frequent first.
pub(crate) fn names(said: &[Option<Said>]) -> Vec<(String, usize)> {
    let mut counts = std::collections::BTreeMap::new();
    for one in said.iter().flatten().filter(|one| one.by_content()) {
        let name = one.signature.clone().unwrap_or_else(|| one.protocol.clone());
        *counts.entry(name).or_insert(0) += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    counts
}
