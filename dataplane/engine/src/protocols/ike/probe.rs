//! Whether a payload is IKE, or ESP in UDP.

use super::message::Message;
use crate::protocols::{Found, Probe};

/// IKE by a header whose every field is in its range and whose length is the datagram's; ESP in UDP, on its port
/// only, by two packets whose numbers follow.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    let bytes = probe.payload;
    if probe.is_stream() {
        return stream(bytes);
    }
    let missing = usize::try_from(probe.wire_len).unwrap_or(usize::MAX).saturating_sub(bytes.len());
    let on_port = PORTS.iter().any(|port| probe.has_port(*port));
    if let Some(message) = Message::parse_marked(bytes, missing) {
        let is_opening = message.is_first() && message.payloads().count() >= 2;
        return match (is_opening, on_port) {
            (true, _) => Found::Yes,
            (false, true) => Found::Likely(97),
            (false, false) => Found::Likely(88),
        };
    }
    if on_port { esp(probe) } else { Found::No }
}

/// RFC 3948: an index that is not zero, a number, and content in whole words with a check value.
fn esp(probe: &Probe<'_>) -> Found {
    let Some((index, number)) = index_and_number(probe.payload) else { return Found::No };
    let mut earlier =
        probe.earlier.iter().filter(|earlier| earlier.from == probe.from && earlier.len >= LEAST_ESP);
    let goes_on = earlier.any(|earlier| {
        index_and_number(earlier.bytes).is_some_and(|(other, before)| {
            other == index && (1..=MOST_LOST).contains(&number.wrapping_sub(before))
        })
    });
    let is_long = probe.wire_len >= LEAST_ESP;
    match (goes_on && is_long, probe.has_port(NAT_TRAVERSAL)) {
        (true, true) => Found::Likely(90),
        (false, true) if is_long => Found::Maybe,
        _ => Found::No,
    }
}

fn index_and_number(bytes: &[u8]) -> Option<(u32, u32)> {
    let ([a, b, c, d, number @ ..], _) = bytes.split_first_chunk::<8>()?;
    // 1 to 255 are reserved (RFC 4303 2.1), 0 marks IKE.
    let index = u32::from_be_bytes([*a, *b, *c, *d]);
    (index > 255).then_some((index, u32::from_be_bytes(*number)))
}

/// RFC 9329 2: six letters, then messages behind lengths.
fn stream(bytes: &[u8]) -> Found {
    match bytes.first_chunk::<6>() {
        Some(start) if start == super::parser::STREAM_PREFIX => Found::Yes,
        None if super::parser::STREAM_PREFIX.starts_with(bytes) => Found::Maybe,
        _ => Found::No,
    }
}

const NAT_TRAVERSAL: u16 = 4500;
const PORTS: [u16; 3] = [500, NAT_TRAVERSAL, 848];
/// Index, number, one word of content and a check value of 12 bytes.
const LEAST_ESP: u32 = 8 + 4 + 12;
/// Packets that may be missing between two.
const MOST_LOST: u32 = 64;
