//! Reads a session until its data begins.

use super::order::Ordered;
use super::packet::{Control, Opcode, Wrap};
use crate::protocols::tls::TlsStream;
use crate::protocols::{Carrier, Input, Output, Parser, Progress, Then};
use crate::record::{Direction, EventWriter};

/// One session.
#[derive(Debug, Default)]
pub(super) struct OpenVpnParser {
    /// What is around the control channel, once a packet showed it.
    wrap: Option<Wrap>,
    has_wrapped_key: bool,
    /// Session ids by direction.
    sessions: [Option<[u8; 8]>; 2],
    sides: [Ordered; 2],
    tls: TlsStream,
    /// Control and data packets by direction.
    control: [u16; 2],
    data: [u16; 2],
    is_data_v2: bool,
    packets: u16,
    is_written: bool,
}

impl OpenVpnParser {
    fn packet(&mut self, bytes: &[u8], from: Direction) {
        self.packets = self.packets.saturating_add(1);
        let side = from as usize;
        let Some(opcode) = bytes.first().copied().and_then(Opcode::of) else { return };
        let counts = if opcode.is_data() { &mut self.data } else { &mut self.control };
        if let Some(count) = counts.get_mut(side) {
            *count = count.saturating_add(1);
        }
        self.is_data_v2 |= opcode == Opcode::DataV2;
        if opcode.is_data() {
            return;
        }
        let Some((wrap, control)) = self.control(bytes) else { return };
        self.wrap = Some(wrap);
        self.has_wrapped_key |= matches!(opcode, Opcode::ClientResetWithKey | Opcode::ControlWithKey);
        if let Some(session) = self.sessions.get_mut(side) {
            session.get_or_insert(*control.session);
        }
        let Self { sides, tls, .. } = self;
        if let (Some(ordered), Some(number)) = (sides.get_mut(side), control.number) {
            ordered.take(number, control.content, |content| tls.read(content, from));
        }
    }

    /// Reads a control packet with the wrapping that fits it; the one that fitted before first.
    fn control<'a>(&self, bytes: &'a [u8]) -> Option<(Wrap, Control<'a>)> {
        let parse = |wrap: Wrap| {
            let control = Control::parse(bytes, wrap).filter(|control| control.is_plausible(wrap))?;
            Some((wrap, control))
        };
        match self.wrap {
            Some(wrap) => parse(wrap),
            None => Wrap::ALL.into_iter().find_map(parse),
        }
    }

    fn is_settled(&self) -> bool {
        let has_data = self.data.iter().any(|count| *count >= ENOUGH_DATA);
        self.packets >= MOST_PACKETS
            || has_data
            || self.tls.is_settled()
            || (self.tls_is_hidden() && self.packets >= ENOUGH_HIDDEN)
    }

    fn tls_is_hidden(&self) -> bool {
        self.wrap == Some(Wrap::Crypt)
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written || self.packets == 0 {
            return;
        }
        self.is_written = true;
        self.write_session(&mut out.event("openvpn"));
        if self.tls.has_hello() {
            self.tls.write(&mut out.event("tls"));
        }
    }

    fn write_session(&self, event: &mut EventWriter<'_>) {
        if let Some(wrap) = self.wrap {
            event.label("wrap", if self.has_wrapped_key { "tls-crypt-v2" } else { wrap.name() });
            if let Some(hash) = wrap.hash() {
                event.label("hmac", hash);
            }
        }
        for (field, session) in ["client_session", "server_session"].into_iter().zip(&self.sessions) {
            if let Some(session) = session {
                event.hex(field, session);
            }
        }
        event.flag("answered", self.control.iter().all(|count| *count > 0));
        if self.data != [0; 2] {
            event.label("data", if self.is_data_v2 { "v2" } else { "v1" });
        }
        // Where TLS shows, its own event has the key exchange.
        if !self.tls.has_hello() {
            event.object("crypto").label("class", "unknown").label("posture", "unknown").close();
        }
    }

    fn stream(&mut self, input: &Input<'_>) -> usize {
        let mut consumed = 0;
        loop {
            let rest = input.bytes.get(consumed..).unwrap_or_default();
            let Some((len, rest)) = rest.split_first_chunk::<2>() else { return consumed };
            let Some(packet) = rest.get(..usize::from(u16::from_be_bytes(*len))) else { return consumed };
            consumed += 2 + packet.len();
            self.packet(packet, input.from);
            if self.is_settled() {
                return consumed;
            }
        }
    }
}

impl Parser for OpenVpnParser {
    fn reset(&mut self) {
        self.wrap = None;
        self.has_wrapped_key = false;
        self.sessions = [None; 2];
        self.sides.iter_mut().for_each(Ordered::reset);
        self.tls.reset();
        self.control = [0; 2];
        self.data = [0; 2];
        self.is_data_v2 = false;
        self.packets = 0;
        self.is_written = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if self.is_written {
            return Progress::done();
        }
        let consumed = if input.carrier != Carrier::Tcp {
            self.packet(input.bytes, input.from);
            input.bytes.len()
        } else if input.after_gap {
            // Where the next packet starts is not known.
            return Progress { consumed: input.bytes.len(), then: Then::DirectionDone };
        } else {
            self.stream(&input)
        };
        if self.is_settled() {
            self.write(out);
            return Progress::done();
        }
        Progress::read(consumed)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.write(out);
    }
}

/// Data packets of one direction that show that the handshake is over.
const ENOUGH_DATA: u16 = 4;
/// Packets after which nothing more of the handshake is waited for.
const MOST_PACKETS: u16 = 128;
/// Packets that are enough where the control channel is encrypted.
const ENOUGH_HIDDEN: u16 = 8;
