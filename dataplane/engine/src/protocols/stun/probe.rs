//! Whether a payload is a STUN message.

use super::message::Message;
use crate::protocols::rtp::framing::Framing;
use crate::protocols::{Found, Probe};

/// STUN: by its magic cookie, or without one by a message of RFC 3489 whose attributes fill it.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    if probe.is_stream() {
        return stream(probe);
    }
    if probe.payload.first().is_none_or(|first| *first >= 0x40) {
        return Found::No;
    }
    let missing = usize::try_from(probe.wire_len).unwrap_or(usize::MAX).saturating_sub(probe.payload.len());
    if let Some(message) = Message::parse(probe.payload, missing) {
        let is_whole = message.len == probe.payload.len() + missing;
        return match (is_whole, message.is_sound) {
            (true, true) => Found::Yes,
            (true, false) => Found::Likely(90),
            // Bytes behind the message, against the specification.
            (false, true) => Found::Likely(80),
            (false, false) => Found::No,
        };
    }
    let Some(message) = Message::parse_classic(probe.payload) else { return Found::No };
    let has_attributes = message.attributes().next().is_some();
    match (has_attributes, PORTS.iter().any(|port| probe.has_port(*port))) {
        (true, true) => Found::Likely(95),
        (true, false) => Found::Likely(75),
        (false, true) => Found::Likely(70),
        (false, false) => Found::No,
    }
}

/// In a stream messages come one after the other (RFC 8489 6.2.2), or behind lengths (RFC 4571, [MS-TURN] 2.2.1).
fn stream(probe: &Probe<'_>) -> Found {
    for framing in [Framing::Bare, Framing::Prefixed, Framing::Microsoft] {
        let Some(frame) = framing.frame_start(probe.payload) else { continue };
        // The first message may not be whole yet: header and cookie are enough where the length is bounded.
        let is_stun = Message::parse(frame.bytes, MOST_BYTES.min(frame.missing.unwrap_or(MOST_BYTES)));
        let Some(message) = is_stun else { continue };
        let fits = framing == Framing::Bare || frame.len == Some(message.len);
        if fits && message.len <= MOST_BYTES && message.is_sound {
            return Found::Likely(99);
        }
    }
    if probe.payload.len() < LEAST_BYTES { Found::Maybe } else { Found::No }
}

/// Ports of STUN servers, where a message without cookie or attributes is believed.
const PORTS: [u16; 5] = [3478, 3479, 3480, 5349, 19302];
/// Bytes that tell: a header behind the longest prefix.
const LEAST_BYTES: usize = 24;
/// Longest message in a stream that is believed.
const MOST_BYTES: usize = 4096;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
mod tests {
    use proptest::prelude::*;

    use super::super::message::tests::message;
    use super::*;
    use crate::protocols::Carrier;
    use crate::record::Direction;

    fn found(payload: &[u8], carrier: Carrier, port: u16) -> Found {
        probe(&Probe {
            payload,
            wire_len: payload.len() as u32,
            from: Direction::ToServer,
            carrier,
            source_port: 50_000,
            destination_port: port,
            destination: None,
            earlier: &[],
            midstream: false,
        })
    }

    #[test]
    fn a_message_with_a_cookie_is_known_on_any_port() {
        let bytes = message(0x0001, &[(0x8022, b"test")]);
        assert_eq!(found(&bytes, Carrier::Udp, 9), Found::Yes);
        assert_eq!(found(&bytes[..bytes.len() - 4], Carrier::Udp, 9), Found::No);
        let mut bad = bytes.clone();
        bad[4] = 0;
        assert_eq!(found(&bad, Carrier::Udp, 9), Found::Likely(75), "a message of RFC 3489");
    }

    #[test]
    fn without_cookie_and_attributes_the_port_has_to_speak() {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend([9; 16]);
        assert_eq!(found(&bytes, Carrier::Udp, 3478), Found::Likely(70));
        assert_eq!(found(&bytes, Carrier::Udp, 9), Found::No);
        bytes[1] = 5;
        assert_eq!(found(&bytes, Carrier::Udp, 3478), Found::No, "no method of RFC 3489");
    }

    #[test]
    fn streams_are_bare_or_behind_lengths() {
        let bytes = message(0x0003, &[(0x0019, &[17, 0, 0, 0])]);
        let prefix = (bytes.len() as u16).to_be_bytes();
        let prefixed = [&prefix[..], &bytes].concat();
        let microsoft = [&[2, 0][..], &prefix, &bytes].concat();
        for stream in [&bytes, &prefixed, &microsoft] {
            assert_eq!(found(stream, Carrier::Tcp, 443), Found::Likely(99));
            assert_eq!(found(&stream[..10], Carrier::Tcp, 443), Found::Maybe);
        }
        assert_eq!(found(&[0x16; 100], Carrier::Tcp, 443), Found::No);
    }

    proptest! {
        #[test]
        fn random_payloads_are_not_taken_for_stun(bytes in prop::collection::vec(any::<u8>(), 24..200), tcp in any::<bool>()) {
            let carrier = if tcp { Carrier::Tcp } else { Carrier::Udp };
            prop_assert_eq!(found(&bytes, carrier, 3478), Found::No);
        }
    }
}
