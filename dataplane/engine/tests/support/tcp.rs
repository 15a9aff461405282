//! TCP streams of a capture.

#![expect(clippy::disallowed_types, reason = "a test may be slow")]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;

use engine::record::Direction;
use wire::{FlowKey, Headers, ParseOptions, Side, TcpFlags};

use super::capture::frames;

/// Contiguous bytes of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub from: Direction,
    pub bytes: Vec<u8>,
    /// Bytes before these were not captured.
    pub after_gap: bool,
}

/// One connection.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub client: SocketAddr,
    pub server: SocketAddr,
    /// The opening was not seen.
    pub midstream: bool,
    pub chunks: Vec<Chunk>,
}

/// The connections of a capture that carry bytes, in order of their first packet.
pub(crate) fn streams(path: &Path) -> Vec<Stream> {
    let mut open: HashMap<FlowKey, Connection> = HashMap::new();
    let mut done = Vec::new();
    let options = ParseOptions { tunnel_depth: 4, ..ParseOptions::default() };
    for (at, frame) in frames(path).into_iter().enumerate() {
        let mut headers = Headers::default();
        let parsed = headers.parse(&frame.bytes, frame.wire_len, frame.link, &options);
        if parsed.is_err() || headers.protocol != 6 || headers.fragment.is_some() {
            continue;
        }
        let start = headers.payload_offset as usize;
        let Some(payload) = frame.bytes.get(start..start + headers.payload_len as usize) else { continue };
        let flags = headers.tcp.flags;
        let is_opening = flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::ACK);
        if is_opening
            && let Some(old) = open.get(&headers.key)
            && old.is_other(&headers)
        {
            done.extend(open.remove(&headers.key));
        }
        open.entry(headers.key).or_insert_with(|| Connection::new(&headers, at)).packet(&headers, payload);
    }
    done.extend(open.into_values());
    done.sort_by_key(|connection| connection.first);
    done.into_iter().map(Connection::finish).filter(|stream| !stream.chunks.is_empty()).collect()
}

struct Connection {
    first: usize,
    stream: Stream,
    client: Side,
    lanes: [Lane; 2],
}

#[derive(Default)]
struct Lane {
    next: Option<u32>,
    opened_at: Option<u32>,
    waiting: BTreeMap<u32, Vec<u8>>,
}

impl Connection {
    fn new(headers: &Headers, first: usize) -> Self {
        let flags = headers.tcp.flags;
        let is_answer = flags.contains(TcpFlags::SYN) && flags.contains(TcpFlags::ACK);
        // In midstream the side with the lower port is taken for the server.
        let is_server = is_answer
            || (!flags.contains(TcpFlags::SYN)
                && headers.key.port(headers.sender) < headers.key.port(headers.sender.opposite()));
        let client = if is_server { headers.sender.opposite() } else { headers.sender };
        let end =
            |side: Side| SocketAddr::new(headers.key.ip(side).expect("TCP over IP"), headers.key.port(side));
        let stream = Stream {
            client: end(client),
            server: end(client.opposite()),
            midstream: !flags.contains(TcpFlags::SYN),
            chunks: Vec::new(),
        };
        Self { first, stream, client, lanes: [Lane::default(), Lane::default()] }
    }

    fn direction(&self, headers: &Headers) -> Direction {
        if headers.sender == self.client { Direction::ToServer } else { Direction::ToClient }
    }

    /// Whether this opening is of another connection between the same ends.
    fn is_other(&self, opening: &Headers) -> bool {
        let lane = &self.lanes[self.direction(opening) as usize];
        lane.opened_at != Some(opening.tcp.seq) && (lane.next.is_some() || !self.stream.chunks.is_empty())
    }

    fn packet(&mut self, headers: &Headers, payload: &[u8]) {
        let from = self.direction(headers);
        let lane = &mut self.lanes[from as usize];
        let mut seq = headers.tcp.seq;
        if headers.tcp.flags.contains(TcpFlags::SYN) {
            lane.opened_at = Some(seq);
            seq = seq.wrapping_add(1);
            lane.next.get_or_insert(seq);
        }
        if payload.is_empty() || headers.tcp.flags.contains(TcpFlags::RST) {
            return;
        }
        let next = *lane.next.get_or_insert(seq);
        let ahead = seq.wrapping_sub(next) as i32;
        if ahead > 0 {
            lane.waiting.entry(seq).or_insert_with(|| payload.to_vec());
            if lane.waiting.len() > 64 {
                self.skip_gap(from);
            }
            return;
        }
        self.accept(from, seq, payload, false);
        self.drain(from);
    }

    fn accept(&mut self, from: Direction, seq: u32, payload: &[u8], after_gap: bool) {
        let lane = &mut self.lanes[from as usize];
        let next = lane.next.unwrap_or(seq);
        let known = next.wrapping_sub(seq) as usize;
        let Some(fresh) = payload.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        lane.next = Some(next.wrapping_add(fresh.len() as u32));
        self.stream.chunks.push(Chunk { from, bytes: fresh.to_vec(), after_gap });
    }

    fn drain(&mut self, from: Direction) {
        loop {
            let lane = &mut self.lanes[from as usize];
            let Some(next) = lane.next else { return };
            let ready = lane.waiting.keys().copied().find(|seq| seq.wrapping_sub(next) as i32 <= 0);
            let Some(payload) = ready.and_then(|seq| lane.waiting.remove(&seq)) else { return };
            self.accept(from, ready.unwrap_or_default(), &payload, false);
        }
    }

    fn skip_gap(&mut self, from: Direction) {
        let lane = &mut self.lanes[from as usize];
        let next = lane.next.unwrap_or_default();
        let nearest = lane.waiting.keys().copied().min_by_key(|seq| seq.wrapping_sub(next));
        let Some(payload) = nearest.and_then(|seq| lane.waiting.remove(&seq)) else { return };
        lane.next = nearest;
        self.accept(from, nearest.unwrap_or_default(), &payload, true);
        self.drain(from);
    }

    fn finish(mut self) -> Stream {
        for from in [Direction::ToServer, Direction::ToClient] {
            while !self.lanes[from as usize].waiting.is_empty() {
                self.skip_gap(from);
            }
        }
        self.stream
    }
}
