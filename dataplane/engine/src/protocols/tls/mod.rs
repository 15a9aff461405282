//! TLS 1.0 to 1.3, SSLv2 and SSLv3, and TLCP over streams: the handshake, up to where it is encrypted.
//!
//! One `tls` event says who the two sides are and what their cryptography is worth. What comes after the handshake
//! is skipped. Sources: RFC 8446, RFC 5246, RFC 4346, RFC 2246, RFC 6101 (SSLv3), RFC 5246 E.2 (SSLv2's hello),
//! GB/T 38636 (TLCP).

mod alpn;
mod chain;
mod digests;
mod event;
pub mod fingerprint;
pub mod groups;
mod handshake;
pub mod hello;
mod posture;
mod probe;
mod reader;
mod records;
mod session;
mod stream;
pub mod suites;

use super::{Carrier, Exposure, Family, Input, Opening, Output, Parser, Progress, Protocol, Then};
use crate::record::Direction;
use records::{Lane, Step};

pub use alpn::SERVICES;
pub use handshake::{Handshake, Protection};
pub use posture::{Class, Weakness};
pub use stream::TlsStream;

/// TLS over TCP.
pub static PROTOCOL: Protocol = Protocol {
    name: "tls",
    title: "TLS",
    family: Family::Crypto,
    carriers: &[Carrier::Tcp],
    ports: &[443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5671, 6514, 6697, 8443, 8883],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(6, &[0x14, 0x15, 0x16, 0x17, 0x80, 0x81, 0x82, 0x83]),
    probe: Some(probe::probe),
    parser: Some(|| Box::<TlsParser>::default()),
    events: &["tls"],
    source: "RFC 8446, RFC 5246",
};

/// Reads one session.
#[derive(Debug, Default)]
struct TlsParser {
    lanes: [Lane; 2],
    handshake: Handshake,
    is_written: bool,
}

impl TlsParser {
    fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written {
            return;
        }
        self.is_written = true;
        if let Some(service) = self.handshake.service() {
            out.service(service);
        }
        self.handshake.write(&mut out.event("tls"));
    }
}

impl Parser for TlsParser {
    fn reset(&mut self) {
        self.lanes.iter_mut().for_each(Lane::reset);
        self.handshake.reset();
        self.is_written = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if self.is_written {
            return Progress::done();
        }
        let Some(lane) = self.lanes.get_mut(input.from as usize) else { return Progress::done() };
        if input.after_gap {
            lane.gap();
            self.handshake.session.has_gaps = true;
        }
        let step = lane.read(input.bytes, input.from, &mut self.handshake.session);
        match step {
            Step::Wait(consumed) => Progress::read(consumed),
            Step::Skip(bytes) => Progress { consumed: input.bytes.len(), then: Then::Skip(bytes) },
            Step::Lost => Progress { consumed: input.bytes.len(), then: Then::DirectionDone },
            Step::Malformed if !self.handshake.session.has_hello() => Progress::not_mine(),
            Step::Settled | Step::Malformed => {
                self.write(out);
                Progress::done()
            }
        }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        for (lane, from) in self.lanes.iter().zip([Direction::ToServer, Direction::ToClient]) {
            if let Some(body) = lane.cut_client_hello() {
                self.handshake.session.cut_client_hello(body, from);
            }
        }
        // One record header may be chance.
        if self.handshake.session.has_hello() || self.handshake.session.records.iter().sum::<u32>() > 1 {
            self.write(out);
        }
    }
}

/// The vector, emptied, for the next session; what one long message needed is given back.
fn recycled<T>(vector: &mut Vec<T>) -> Vec<T> {
    let mut vector = core::mem::take(vector);
    vector.clear();
    vector.shrink_to(KEPT_CAPACITY);
    vector
}

/// Elements that a recycled vector keeps room for.
const KEPT_CAPACITY: usize = 4096;
