//! Reads the first exchange of a flow.

use super::event::{self, Seen};
use super::message::Message;
use crate::protocols::{Carrier, Input, Output, Parser, Progress, Then};
use crate::record::Direction;

/// One flow.
#[derive(Debug, Default)]
pub(super) struct IkeParser {
    seen: Seen,
    datagrams: u16,
    esp: u16,
    has_prefix: bool,
    is_written: bool,
}

impl IkeParser {
    fn datagram(&mut self, bytes: &[u8], from: Direction) {
        self.datagrams = self.datagrams.saturating_add(1);
        if let Some(message) = Message::parse_marked(bytes, 0) {
            self.seen.message(&message, from);
        } else if bytes.len() > 1 {
            self.esp = self.esp.saturating_add(1);
        }
    }

    fn is_settled(&self) -> bool {
        self.seen.is_settled() || self.datagrams >= MOST_DATAGRAMS || self.esp >= ENOUGH_ESP
    }

    fn write(&mut self, out: &mut Output<'_>) {
        if self.is_written {
            return;
        }
        self.is_written = true;
        if self.seen.is_any() {
            event::write(&self.seen, self.esp > 0, &mut out.event("ike"));
        } else if self.esp > 0 {
            out.refine("ipsec", 88);
        }
    }

    /// Messages behind two bytes of length, which counts itself (RFC 9329 3).
    fn stream(&mut self, input: &Input<'_>) -> usize {
        let mut consumed = 0;
        if !self.has_prefix && input.bytes.starts_with(STREAM_PREFIX) {
            self.has_prefix = true;
            consumed = STREAM_PREFIX.len();
        }
        loop {
            let rest = input.bytes.get(consumed..).unwrap_or_default();
            let Some(len) = rest.first_chunk::<2>() else { return consumed };
            let len = usize::from(u16::from_be_bytes(*len)).max(2);
            let Some(message) = rest.get(2..len) else { return consumed };
            consumed += len;
            self.datagram(message, input.from);
            if self.is_settled() {
                return consumed;
            }
        }
    }
}

impl Parser for IkeParser {
    fn reset(&mut self) {
        self.seen.reset();
        self.datagrams = 0;
        self.esp = 0;
        self.has_prefix = false;
        self.is_written = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if self.is_written {
            return Progress::done();
        }
        let consumed = if input.carrier != Carrier::Tcp {
            self.datagram(input.bytes, input.from);
            input.bytes.len()
        } else if input.after_gap {
            // Where the next message starts is not known.
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

/// What a stream starts with (RFC 9329 2).
pub(super) const STREAM_PREFIX: &[u8; 6] = b"IKETCP";
/// Messages after which nothing more in the clear is waited for.
const MOST_DATAGRAMS: u16 = 32;
/// Packets of ESP that show that keys were agreed on before.
const ENOUGH_ESP: u16 = 8;
