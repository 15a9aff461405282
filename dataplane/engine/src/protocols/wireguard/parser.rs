//! Reads a tunnel's handshake.

use super::message::Message;
use crate::protocols::{Found, Input, Output, Parser, Probe, Progress};
use crate::record::{Direction, EventWriter};

/// WireGuard: by type, zeros and length; data with a small counter, surer where it goes on from earlier data.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let len = |wire_len: u32| usize::try_from(wire_len).unwrap_or(usize::MAX);
    let Some(message) = Message::parse(probe.payload, len(probe.wire_len)) else { return Found::No };
    let mut earlier = probe.earlier.iter().filter_map(|earlier| {
        Some((earlier.from == probe.from, Message::parse(earlier.bytes, len(earlier.len))?))
    });
    match message {
        Message::Initiation { .. } => Found::Likely(98),
        Message::Response { receiver, .. } => {
            let answers = earlier
                .any(|(_, other)| matches!(other, Message::Initiation { sender, .. } if sender == receiver));
            if answers { Found::Yes } else { Found::Likely(98) }
        }
        Message::Cookie { .. } => Found::Likely(96),
        Message::Data { receiver, counter, .. } => {
            let goes_on = earlier.any(|(same, other)| {
                same && matches!(other, Message::Data { receiver: before, counter: count, .. }
                    if before == receiver && counter.abs_diff(count) <= NEAR)
            });
            match (goes_on, counter >> 32) {
                (true, _) => Found::Likely(97),
                // Nobody sends four thousand million packets between two handshakes.
                (false, 0) => Found::Likely(92),
                (false, _) => Found::No,
            }
        }
    }
}

/// One tunnel.
#[derive(Debug, Default)]
pub(super) struct WireGuardParser {
    /// Who began, with its index.
    initiator: Option<(Direction, u32)>,
    responder: Option<u32>,
    initiations: u16,
    has_cookie_reply: bool,
    has_cookie: bool,
    /// Data messages by direction, and those without content.
    data: [u16; 2],
    keepalives: u16,
    is_written: bool,
}

impl WireGuardParser {
    fn message(&mut self, message: Message, from: Direction) {
        match message {
            Message::Initiation { sender, has_cookie } => {
                self.initiations = self.initiations.saturating_add(1);
                self.initiator = Some((from, sender));
                self.has_cookie |= has_cookie;
            }
            Message::Response { sender, receiver, has_cookie } => {
                self.initiator.get_or_insert((from.reversed(), receiver));
                self.responder = Some(sender);
                self.has_cookie |= has_cookie;
            }
            Message::Cookie { .. } => self.has_cookie_reply = true,
            Message::Data { is_empty, .. } => {
                if let Some(count) = self.data.get_mut(from as usize) {
                    *count = count.saturating_add(1);
                }
                self.keepalives = self.keepalives.saturating_add(u16::from(is_empty));
            }
        }
    }

    fn is_settled(&self) -> bool {
        let data = u32::from(self.data[0]) + u32::from(self.data[1]);
        let is_agreed = self.responder.is_some() && data > 0;
        is_agreed || data >= ENOUGH_DATA || self.initiations >= MOST_INITIATIONS
    }

    fn write(&mut self, event: &mut EventWriter<'_>) {
        let has_data = self.data != [0; 2];
        let state = match (self.initiator, self.responder) {
            (_, Some(_)) => "complete",
            (Some(_), None) => "initiated",
            (None, None) => "not_seen",
        };
        event.label("handshake", state);
        if let Some((_, index)) = self.initiator {
            event.number("initiator_index", index);
        }
        if let Some(index) = self.responder {
            event.number("responder_index", index);
        }
        if self.initiations > 0 {
            event.number("initiations", self.initiations);
        }
        for (field, is_so) in
            [("cookie_reply", self.has_cookie_reply), ("mac2", self.has_cookie), ("data", has_data)]
        {
            if is_so {
                event.flag(field, true);
            }
        }
        // Noise_IKpsk2 over Curve25519, always; whether a pre-shared key is mixed in does not show.
        let class = if self.responder.is_some() || has_data { "classical" } else { "incomplete" };
        event
            .object("crypto")
            .label("class", class)
            .label("posture", class)
            .label("kex", "Noise_IKpsk2")
            .flag("forward_secrecy", true)
            .label("selected_group", "x25519")
            .label("selected_suite", "ChaCha20-Poly1305")
            .close();
    }
}

impl Parser for WireGuardParser {
    fn reset(&mut self) {
        *self = Self::default();
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if let Some(message) = Message::parse(input.bytes, input.bytes.len()) {
            self.message(message, input.from);
        }
        if self.is_settled() {
            self.finish(out);
            return Progress::done();
        }
        Progress::all(&input)
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        let is_any = self.initiator.is_some() || self.has_cookie_reply || self.data != [0; 2];
        if is_any && !self.is_written {
            self.is_written = true;
            self.write(&mut out.event("wireguard"));
        }
    }
}

/// How far two counters of one tunnel may be apart.
const NEAR: u64 = 1 << 16;
/// Data messages that are enough where no handshake was seen.
const ENOUGH_DATA: u32 = 8;
/// Initiations to which nobody answers.
const MOST_INITIATIONS: u16 = 16;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use super::*;
    use crate::protocols::{Carrier, Earlier};

    fn message(kind: u8, first: u32, second: u32, len: usize) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0];
        bytes.extend(first.to_le_bytes());
        bytes.extend(second.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.resize(len, 0x5a);
        bytes
    }

    fn found(payload: &[u8], earlier: &[(Direction, &[u8])]) -> Found {
        let earlier: Vec<_> = earlier
            .iter()
            .map(|(from, bytes)| Earlier {
                from: *from,
                bytes: &bytes[..bytes.len().min(64)],
                len: bytes.len() as u32,
            })
            .collect();
        probe(&Probe {
            payload,
            wire_len: payload.len() as u32,
            from: Direction::ToServer,
            carrier: Carrier::Udp,
            source_port: 1,
            destination_port: 2,
            destination: None,
            earlier: &earlier,
            midstream: false,
        })
    }

    #[test]
    fn a_response_to_an_initiation_is_certain() {
        let initiation = message(1, 77, 0, 148);
        let response = message(2, 88, 77, 92);
        assert_eq!(found(&initiation, &[]), Found::Likely(98));
        assert_eq!(found(&response, &[(Direction::ToClient, &initiation)]), Found::Yes);
        assert_eq!(found(&message(2, 88, 78, 92), &[(Direction::ToClient, &initiation)]), Found::Likely(98));
    }

    #[test]
    fn data_with_a_huge_counter_needs_a_forerunner() {
        let mut data = message(4, 5, 9, 64);
        assert_eq!(found(&data, &[]), Found::Likely(92));
        data[14] = 1;
        assert_eq!(found(&data, &[]), Found::No);
        let before = data.clone();
        data[8] = 12;
        assert_eq!(found(&data, &[(Direction::ToServer, &before)]), Found::Likely(97));
        assert_eq!(found(&data, &[(Direction::ToClient, &before)]), Found::No);
    }
}
