//! What a flow of RTP and RTCP says, and the `rtp` event.

use arrayvec::ArrayVec;

use super::packet::{Compound, Rtp, encoding, rtcp_name};
use crate::record::{Direction, EventWriter};

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Media {
    /// The last packet of each direction.
    last: [Option<Rtp>; 2],
    /// Source of the last RTCP of each direction.
    reporter: [Option<u32>; 2],
    /// Payload types and sources, each once.
    payload_types: ArrayVec<u8, 8>,
    sources: ArrayVec<u32, 8>,
    /// Packets by direction, RTP and RTCP.
    packets: [u32; 2],
    reports: [u32; 2],
    /// Types of RTCP packets, each once.
    report_types: ArrayVec<u8, 8>,
    canonical_name: ArrayVec<u8, 255>,
    /// Two packets agreed on their source: it is no chance.
    pub(super) is_certain: bool,
}

impl Media {
    /// Takes a packet of RTP.
    pub(super) fn rtp(&mut self, packet: &Rtp, from: Direction) {
        let side = from as usize;
        if let (Some(last), Some(reporter)) = (self.last.get_mut(side), self.reporter.get(side)) {
            self.is_certain |=
                last.is_some_and(|last| packet.follows(&last)) || *reporter == Some(packet.source);
            *last = Some(*packet);
        }
        if let Some(count) = self.packets.get_mut(side) {
            *count = count.saturating_add(1);
        }
        note(&mut self.payload_types, packet.payload_type);
        note(&mut self.sources, packet.source);
    }

    /// Takes a datagram of RTCP.
    pub(super) fn rtcp(&mut self, compound: &Compound<'_>, from: Direction) {
        let side = from as usize;
        let source = compound.first.source;
        if let (Some(last), Some(reporter)) = (self.last.get(side), self.reporter.get_mut(side)) {
            self.is_certain |= last.is_some_and(|last| last.source == source) || *reporter == Some(source);
            *reporter = Some(source);
        }
        if let Some(count) = self.reports.get_mut(side) {
            *count = count.saturating_add(1);
        }
        // What follows the first header is protected, where the datagram is.
        let readable = if compound.is_filled { compound.count } else { 1 };
        for packet in compound.packets().take(readable.min(8)) {
            note(&mut self.report_types, packet.kind);
        }
        note(&mut self.sources, source);
        if self.canonical_name.is_empty() {
            self.canonical_name
                .extend(compound.canonical_name().unwrap_or_default().iter().copied().take(255));
        }
    }

    /// Whether any packet came.
    pub(super) fn is_any(&self) -> bool {
        self.packets != [0; 2] || self.reports != [0; 2]
    }

    /// Whether media came, of a source that is no chance.
    pub(super) fn has_rtp(&self) -> bool {
        self.is_certain && self.packets != [0; 2]
    }

    /// Packets of either direction and kind.
    pub(super) fn count(&self) -> u32 {
        self.packets.iter().chain(&self.reports).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Writes the members of the `rtp` object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.list("sources");
        for source in &self.sources {
            event.hex("", &source.to_be_bytes());
        }
        event.close();
        if !self.payload_types.is_empty() {
            event.list("payload_types");
            for number in &self.payload_types {
                event.number("", *number);
            }
            event.close();
        }
        let mut encodings = self.payload_types.iter().filter_map(|number| encoding(*number)).peekable();
        if encodings.peek().is_some() {
            event.list("encodings");
            for name in encodings {
                event.label("", name);
            }
            event.close();
        }
        if !self.report_types.is_empty() {
            event.list("rtcp_types");
            for name in self.report_types.iter().filter_map(|kind| rtcp_name(*kind)) {
                event.label("", name);
            }
            event.close();
        }
        if !self.canonical_name.is_empty() {
            event.text("cname", &self.canonical_name);
        }
    }
}

fn note<T: PartialEq, const N: usize>(list: &mut ArrayVec<T, N>, value: T) {
    if !list.contains(&value) {
        let _ = list.try_push(value);
    }
}
