//! The same packets otherwise: cut, ordered, doubled, in pieces, or some of them missing.

use std::collections::BTreeSet;

use sample::random::Random;
use wire::{FlowKey, Headers, LayerSet, ParseOptions, Side, TcpFlags};

use crate::support::capture::Frame;

/// A frame and what its headers say; none where it has no flow.
pub(crate) struct Read {
    pub frame: Frame,
    pub headers: Option<Headers>,
}

/// A way to change the frames of a capture.
pub(crate) type Rewrite = fn(&[Read]) -> Vec<Frame>;

/// Reads the headers of frames.
pub(crate) fn read(frames: Vec<Frame>) -> Vec<Read> {
    let with_headers = |frame: Frame| {
        let mut headers = Headers::default();
        let parsed = headers.parse(&frame.bytes, frame.wire_len, frame.link, &ParseOptions::default());
        Read { headers: parsed.is_ok().then_some(headers), frame }
    };
    frames.into_iter().map(with_headers).collect()
}

impl Read {
    /// Headers of a whole IP packet outside tunnels, PPPoE and LLC, whose length is thus in one place only.
    pub(crate) fn plain(&self) -> Option<&Headers> {
        let headers = self.headers.as_ref()?;
        let layers = headers.layers;
        let is_odd = [LayerSet::PPPOE, LayerSet::LLC, LayerSet::SNAPPED].iter().any(|l| layers.contains(*l));
        let is_ip = headers.key.ip(Side::Lower).is_some();
        (is_ip && headers.tunnel.depth == 0 && headers.fragment.is_none() && !is_odd).then_some(headers)
    }

    /// Headers of a TCP segment, and its payload.
    pub(crate) fn segment(&self) -> Option<(&Headers, &[u8])> {
        let headers = self.plain().filter(|headers| headers.protocol == 6)?;
        let start = headers.payload_offset as usize;
        Some((headers, self.frame.bytes.get(start..start + headers.payload_len as usize)?))
    }

    fn copy(&self) -> Frame {
        copy(&self.frame, self.frame.bytes.clone())
    }

    /// The frame with another payload, its IP length set right.
    fn with_payload(&self, headers: &Headers, payload: &[u8]) -> Frame {
        let mut bytes = self.frame.bytes[..headers.payload_offset as usize].to_vec();
        bytes.extend_from_slice(payload);
        let network = headers.network_offset as usize;
        let len = bytes.len() - network;
        if bytes[network] >> 4 == 4 {
            bytes[network + 2..network + 4].copy_from_slice(&(len as u16).to_be_bytes());
        } else {
            bytes[network + 4..network + 6].copy_from_slice(&((len - 40) as u16).to_be_bytes());
        }
        copy(&self.frame, bytes)
    }
}

fn copy(of: &Frame, bytes: Vec<u8>) -> Frame {
    Frame { link: of.link, wire_len: of.wire_len.max(bytes.len() as u32), bytes }
}

fn segmented(frames: &[Read], lengths: &[usize]) -> Vec<Frame> {
    let mut all = Vec::with_capacity(frames.len());
    for read in frames {
        let Some((headers, payload)) = read.segment().filter(|(headers, payload)| {
            // Up to six bytes may be the padding of a frame, and no data.
            payload.len() > 6 && !headers.tcp.flags.intersects(TcpFlags(TcpFlags::SYN.0 | TcpFlags::RST.0))
        }) else {
            all.push(read.copy());
            continue;
        };
        let (mut at, mut lengths) = (0, lengths.iter().copied().cycle());
        while at < payload.len() {
            let end = payload.len().min(at + lengths.next().unwrap_or(1));
            let mut frame = read.with_payload(headers, &payload[at..end]);
            frame.wire_len = frame.bytes.len() as u32;
            let tcp = headers.transport_offset as usize;
            let seq = headers.tcp.seq.wrapping_add(at as u32);
            frame.bytes[tcp + 4..tcp + 8].copy_from_slice(&seq.to_be_bytes());
            if end < payload.len() {
                frame.bytes[tcp + 13] &= !(TcpFlags::FIN.0 | TcpFlags::PSH.0);
            }
            all.push(frame);
            at = end;
        }
    }
    all
}

/// Every segment in small and large pieces.
pub(crate) fn small_segments(frames: &[Read]) -> Vec<Frame> {
    segmented(frames, &[3, 40, 7, 200])
}

/// Every segment in two or more pieces, the first of them one byte.
pub(crate) fn first_byte_alone(frames: &[Read]) -> Vec<Frame> {
    segmented(frames, &[1, 700])
}

/// Segments of one direction that follow each other change places; none before the stream's start was seen.
pub(crate) fn reordered(frames: &[Read]) -> Vec<Frame> {
    let mut opened = BTreeSet::new();
    let mut all: Vec<Frame> = frames.iter().map(Read::copy).collect();
    let mut at = 0;
    while at + 1 < frames.len() {
        if let Some((headers, _)) = frames[at].segment()
            && headers.tcp.flags.contains(TcpFlags::SYN)
        {
            opened.insert(lane(headers));
        }
        if may_swap(&frames[at], &frames[at + 1], &opened) {
            all.swap(at, at + 1);
            at += 1;
        }
        at += 1;
    }
    all
}

fn lane(headers: &Headers) -> (u64, bool) {
    (headers.key.hash(1), headers.sender == Side::Lower)
}

fn may_swap(one: &Read, other: &Read, opened: &BTreeSet<(u64, bool)>) -> bool {
    let (Some((one, first)), Some((other, second))) = (one.segment(), other.segment()) else { return false };
    let ends = TcpFlags(TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0);
    let is_pure = |headers: &Headers| !headers.tcp.flags.intersects(ends);
    let same = one.key == other.key && one.sender == other.sender;
    same && is_pure(one)
        && is_pure(other)
        && !first.is_empty()
        && !second.is_empty()
        && opened.contains(&lane(one))
}

/// Every TCP segment comes twice.
pub(crate) fn doubled_segments(frames: &[Read]) -> Vec<Frame> {
    let times = |read: &Read| if read.segment().is_some() { 2 } else { 1 };
    frames.iter().flat_map(|read| (0..times(read)).map(|_| read.copy())).collect()
}

/// Every packet comes twice.
pub(crate) fn doubled(frames: &[Read]) -> Vec<Frame> {
    frames.iter().flat_map(|read| [read.copy(), read.copy()]).collect()
}

/// IPv4 packets in pieces, the last first for half of them.
pub(crate) fn fragmented(frames: &[Read]) -> Vec<Frame> {
    let mut dice = Random::new(3);
    let mut all = Vec::with_capacity(frames.len());
    for (number, read) in frames.iter().enumerate() {
        let cut = read.plain().and_then(|headers| pieces(read, headers, number as u16));
        let Some(mut pieces) = cut else {
            all.push(read.copy());
            continue;
        };
        if dice.below(2) == 0 {
            pieces.reverse();
        }
        all.extend(pieces);
    }
    all
}

fn pieces(read: &Read, headers: &Headers, id: u16) -> Option<Vec<Frame>> {
    let (network, transport) = (headers.network_offset as usize, headers.transport_offset as usize);
    let total = usize::from(u16::from_be_bytes([
        *read.frame.bytes.get(network + 2)?,
        *read.frame.bytes.get(network + 3)?,
    ]));
    if read.frame.bytes[network] >> 4 != 4 || network + total > read.frame.bytes.len() || total < 100 {
        return None;
    }
    let body = read.frame.bytes.get(transport..network + total)?;
    let mut frames = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let end = body.len().min(at + if at == 0 { 48 } else { 800 });
        let mut bytes = read.frame.bytes[..transport].to_vec();
        bytes.extend_from_slice(&body[at..end]);
        let len = (bytes.len() - network) as u16;
        let more = if end < body.len() { 0x2000 } else { 0 };
        bytes[network + 2..network + 4].copy_from_slice(&len.to_be_bytes());
        bytes[network + 4..network + 6].copy_from_slice(&id.to_be_bytes());
        bytes[network + 6..network + 8].copy_from_slice(&(more | (at / 8) as u16).to_be_bytes());
        frames.push(Frame { link: read.frame.link, wire_len: bytes.len() as u32, bytes });
        at = end;
    }
    Some(frames)
}

/// The openings of connections are missing.
pub(crate) fn without_openings(frames: &[Read]) -> Vec<Frame> {
    let is_opening =
        |read: &&Read| read.segment().is_some_and(|(headers, _)| headers.tcp.flags.contains(TcpFlags::SYN));
    frames.iter().filter(|read| !is_opening(read)).map(Read::copy).collect()
}

/// The openings and the first payload of every TCP flow are missing.
pub(crate) fn without_first_payload(frames: &[Read]) -> Vec<Frame> {
    let mut begun: BTreeSet<u64> = BTreeSet::new();
    let mut all = Vec::with_capacity(frames.len());
    for read in frames {
        let Some((headers, payload)) = read.segment() else {
            all.push(read.copy());
            continue;
        };
        let is_begun = !begun.insert(headers.key.hash(1)) || payload.is_empty();
        if payload.is_empty() {
            begun.remove(&headers.key.hash(1));
        }
        if is_begun && !headers.tcp.flags.contains(TcpFlags::SYN) {
            all.push(read.copy());
        }
    }
    all
}

fn only(frames: &[Read], wants_first: bool) -> Vec<Frame> {
    let mut first: std::collections::BTreeMap<u64, Side> = std::collections::BTreeMap::new();
    let mut keeps = |read: &&Read| {
        let Some(headers) = &read.headers else { return true };
        let key: &FlowKey = &headers.key;
        let sender = *first.entry(key.hash(1)).or_insert(headers.sender);
        (sender == headers.sender) == wants_first
    };
    frames.iter().filter(|read| keeps(read)).map(Read::copy).collect()
}

/// Only what the one says who spoke first.
pub(crate) fn only_first_speaker(frames: &[Read]) -> Vec<Frame> {
    only(frames, true)
}

/// Only what the other says.
pub(crate) fn only_second_speaker(frames: &[Read]) -> Vec<Frame> {
    only(frames, false)
}
