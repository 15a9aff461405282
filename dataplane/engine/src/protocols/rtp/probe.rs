//! Whether datagrams are RTP or RTCP. One packet says little: 26 bits of an RTP header can be anything. Two of one
//! source with numbers in order say enough.

use super::framing::Framing;
use super::packet::{Compound, Rtp};
use crate::protocols::{Found, Probe};

/// RTP: a packet that follows an earlier one of the same source and direction.
pub(super) fn rtp(probe: &Probe<'_>) -> Found {
    if probe.is_stream() {
        return stream(probe.payload);
    }
    let Some(packet) = Rtp::parse(probe.payload, wire_len(probe)) else { return Found::No };
    let mut earlier = probe.earlier.iter().filter(|earlier| earlier.from == probe.from);
    let follows = earlier.any(|earlier| {
        Rtp::parse(earlier.bytes, usize::try_from(earlier.len).unwrap_or(usize::MAX))
            .is_some_and(|before| packet.follows(&before))
    });
    if follows { Found::Likely(95) } else { Found::Maybe }
}

/// RTP behind lengths: two packets that follow one another in the stream.
fn stream(payload: &[u8]) -> Found {
    let mut rest = payload;
    let mut before: Option<Rtp> = None;
    for _ in 0..MOST_FRAMES {
        let Some(frame) = Framing::Prefixed.frame_start(rest) else { return Found::Maybe };
        let Some(len) = frame.len else { return Found::Maybe };
        if len < 12 {
            return Found::No;
        }
        if frame.bytes.len() < 12 {
            return Found::Maybe;
        }
        match Rtp::parse(frame.bytes, len) {
            Some(packet) if before.is_some_and(|before| packet.follows(&before)) => return Found::Likely(93),
            Some(packet) => before = Some(packet),
            None if Compound::parse(frame.bytes, len).is_some_and(|compound| compound.is_filled) => {}
            None => return Found::No,
        }
        match rest.get(2 + len..) {
            Some(after) => rest = after,
            None => return Found::Maybe,
        }
    }
    Found::No
}

/// RTCP: packets that fill the datagram, the first a report; or two datagrams of one source.
pub(super) fn rtcp(probe: &Probe<'_>) -> Found {
    let Some(compound) = Compound::parse(probe.payload, wire_len(probe)) else { return Found::No };
    let mut earlier = probe.earlier.iter().filter(|earlier| earlier.from == probe.from);
    let follows = earlier.any(|earlier| {
        Compound::parse(earlier.bytes, usize::try_from(earlier.len).unwrap_or(usize::MAX))
            .is_some_and(|before| before.first.source == compound.first.source)
    });
    match (compound.starts_with_report() && compound.is_filled, compound.count) {
        (true, 2..) => Found::Likely(95),
        (_, _) if follows => Found::Likely(90),
        (true, _) => Found::Likely(80),
        _ => Found::Maybe,
    }
}

fn wire_len(probe: &Probe<'_>) -> usize {
    usize::try_from(probe.wire_len).unwrap_or(usize::MAX)
}

/// Frames of a stream that are looked at.
const MOST_FRAMES: usize = 8;
