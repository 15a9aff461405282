//! A flow that carries whatever RFC 7983 tells apart by first bytes: STUN, channels of TURN, ZRTP, DTLS, RTP, RTCP.

use super::event::Media;
use super::framing::Framing;
use super::packet::{Compound, Rtp};
use crate::protocols::dtls::DtlsSession;
use crate::protocols::stun::{self, Message, channel_data};
use crate::protocols::{Carrier, Input, Output, Parser, Progress, Then};
use crate::record::Direction;

/// What the flow was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocols) enum Start {
    /// A STUN message.
    Stun,
    /// A DTLS record.
    Dtls,
    /// RTP or RTCP.
    Media,
}

/// Reads one flow.
#[derive(Debug)]
pub(in crate::protocols) struct Multiplex {
    start: Start,
    framing: Option<Framing>,
    stun: stun::Seen,
    dtls: DtlsSession,
    media: Media,
    /// Datagrams, or packets of a stream, so far.
    packets: u16,
    has_zrtp: bool,
    is_refined: bool,
    is_written: bool,
}

impl Multiplex {
    /// A parser of flows that were taken for this.
    pub(in crate::protocols) fn new(start: Start) -> Self {
        Self {
            start,
            framing: None,
            stun: stun::Seen::default(),
            dtls: DtlsSession::default(),
            media: Media::default(),
            packets: 0,
            has_zrtp: false,
            is_refined: false,
            is_written: false,
        }
    }

    /// Reads a packet; `inside` a channel of TURN there is no other channel.
    fn packet(&mut self, bytes: &[u8], from: Direction, inside: bool) {
        match bytes {
            [0x00..=0x3f, ..] if self.is_stun(bytes) => {}
            [0x10..=0x13, ..] if bytes.get(4..8) == Some(b"ZRTP") => self.has_zrtp = true,
            [0x14..=0x3f, ..] => {
                self.dtls.datagram(bytes, from);
            }
            [0x40..=0x4f, ..] if !inside && self.stun.is_any() => {
                if let Some((content, _)) = channel_data(bytes) {
                    self.stun.channel_data();
                    self.packet(content, from, true);
                }
            }
            [0x80..=0xbf, 192..=223, ..] => {
                if let Some(compound) = Compound::parse(bytes, bytes.len()) {
                    self.media.rtcp(&compound, from);
                }
            }
            [0x80..=0xbf, ..] => {
                if let Some(packet) = Rtp::parse(bytes, bytes.len()) {
                    self.media.rtp(&packet, from);
                }
            }
            _ => {}
        }
    }

    fn is_stun(&mut self, bytes: &[u8]) -> bool {
        let is_classic = self.start == Start::Stun && (self.packets <= 1 || self.stun.is_any());
        let message = Message::parse(bytes, usize::from(u16::MAX))
            .or_else(|| Message::parse_classic(bytes).filter(|_| is_classic));
        if let Some(message) = &message {
            self.stun.message(message);
        }
        message.is_some()
    }

    /// Says more precisely what the flow is, once its content shows.
    fn refine(&mut self, out: &mut Output<'_>) {
        if let Some(service) = self.stun.service() {
            out.service(service);
        }
        if self.is_refined || self.start == Start::Dtls {
            return;
        }
        if self.dtls.has_hello() {
            out.refine("dtls", 97);
            self.is_refined = true;
        } else if self.start == Start::Media && self.has_zrtp && self.media.is_certain {
            out.refine("srtp", 95);
            self.is_refined = true;
        } else if self.start == Start::Stun && self.media.has_rtp() && self.packets <= EARLY {
            out.refine(if self.has_zrtp { "srtp" } else { "rtp" }, 90);
            self.is_refined = true;
        }
    }

    fn is_settled(&self) -> bool {
        self.packets >= MOST_PACKETS
            || (self.dtls.has_hello() && self.dtls.is_settled())
            || (self.start == Start::Dtls && self.dtls.is_settled())
            || (self.start == Start::Media && self.media.count() >= ENOUGH_MEDIA)
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written {
            return;
        }
        self.is_written = true;
        if self.stun.is_any() {
            self.stun.write(&mut out.event("stun"));
        }
        if self.dtls.has_hello() || self.start == Start::Dtls {
            self.dtls.write(out);
        }
        if self.media.is_any() && (self.media.is_certain || self.start == Start::Media) {
            self.media.write(&mut out.event("rtp"));
        }
    }

    fn datagram(&mut self, bytes: &[u8], from: Direction, out: &mut Output<'_>) -> Then {
        self.packets = self.packets.saturating_add(1);
        self.packet(bytes, from, false);
        self.refine(out);
        if self.is_settled() {
            self.write(out);
            return Then::Done;
        }
        Then::More
    }

    fn stream(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        if input.after_gap {
            // Where the next packet starts is not known.
            return Progress { consumed: input.bytes.len(), then: Then::DirectionDone };
        }
        let framing = match self.framing.or_else(|| framing_of(input.bytes)) {
            Some(framing) => framing,
            None if input.bytes.len() < LEAST_TELLING => return Progress::read(0),
            None => return Progress { consumed: input.bytes.len(), then: Then::DirectionDone },
        };
        self.framing = Some(framing);
        let mut consumed = 0;
        loop {
            let rest = input.bytes.get(consumed..).unwrap_or_default();
            let Some((packet, len)) = framing.packet(rest) else { return Progress::read(consumed) };
            consumed += len.max(1);
            let then = self.datagram(packet, input.from, out);
            if then != Then::More {
                return Progress { consumed, then };
            }
        }
    }
}

impl Parser for Multiplex {
    fn reset(&mut self) {
        self.framing = None;
        self.stun = stun::Seen::default();
        self.dtls.reset();
        self.media = Media::default();
        self.packets = 0;
        self.has_zrtp = false;
        self.is_refined = false;
        self.is_written = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if self.is_written {
            return Progress::done();
        }
        if input.carrier == Carrier::Tcp {
            return self.stream(&input, out);
        }
        let then = self.datagram(input.bytes, input.from, out);
        Progress { consumed: input.bytes.len(), then }
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

/// How a stream that starts like this is cut into packets.
fn framing_of(bytes: &[u8]) -> Option<Framing> {
    let is_stun = |framing: Framing| {
        framing
            .frame_start(bytes)
            .is_some_and(|frame| Message::parse(frame.bytes, usize::from(u16::MAX)).is_some())
    };
    let is_media = || {
        let frame = Framing::Prefixed.frame_start(bytes)?;
        let len = frame.len?;
        Rtp::parse(frame.bytes, len).map(drop).or_else(|| Compound::parse(frame.bytes, len).map(drop))
    };
    [Framing::Bare, Framing::Prefixed, Framing::Microsoft]
        .into_iter()
        .find(|framing| is_stun(*framing))
        .or_else(|| is_media().map(|()| Framing::Prefixed))
}

/// Packets from the start among which media give a flow of STUN its name; where checks and keep-alives come first
/// for longer the flow is known by them.
const EARLY: u16 = 7;
/// Packets after which nothing more is waited for.
const MOST_PACKETS: u16 = 64;
/// Packets of media that say all there is to say.
const ENOUGH_MEDIA: u32 = 16;
/// Bytes of a stream's start that tell how it is cut.
const LEAST_TELLING: usize = 24;
