//! Whether a payload is OpenVPN: packets whose lengths and numbers are those of a session that begins.

use super::packet::{Control, Opcode, Wrap};
use crate::protocols::{Earlier, Found, Probe};
use crate::record::Direction;

/// OpenVPN over UDP, or behind a length in a stream.
pub(super) fn probe(probe: &Probe<'_>) -> Found {
    if !probe.is_stream() {
        return match Opcode::of(probe.payload.first().copied().unwrap_or_default()) {
            // Peer id and number say too little on any other port.
            Some(Opcode::DataV2) if probe.has_port(1194) => data(probe.payload, probe.from, probe.earlier),
            Some(Opcode::DataV1 | Opcode::DataV2) | None => Found::No,
            Some(_) => judge(probe.payload, probe.from, probe.earlier),
        };
    }
    let Some((len, rest)) = probe.payload.split_first_chunk::<2>() else { return Found::Maybe };
    let len = usize::from(u16::from_be_bytes(*len));
    let first = rest.first().copied().unwrap_or_default();
    if !(14..=MOST_FIRST).contains(&len) || Opcode::of(first).is_none_or(Opcode::is_data) || first & 7 != 0 {
        return Found::No;
    }
    let Some(packet) = rest.get(..len) else { return Found::Maybe };
    // In a stream the earlier payload is what the other side sent.
    let mut other = probe.earlier.iter().filter_map(|earlier| {
        let (len, rest) = earlier.bytes.split_first_chunk::<2>()?;
        let len = u16::from_be_bytes(*len);
        let bytes = rest.get(..usize::from(len)).unwrap_or(rest);
        Some(Earlier { from: earlier.from, bytes, len: u32::from(len) })
    });
    judge(packet, probe.from, other.next().as_slice())
}

fn judge(packet: &[u8], from: Direction, earlier: &[Earlier<'_>]) -> Found {
    let Some(&first) = packet.first() else { return Found::No };
    let Some(opcode) = Opcode::of(first) else { return Found::No };
    // A session begins with key 0.
    if opcode.is_reset() && first & 7 != 0 {
        return Found::No;
    }
    let mut best = Found::No;
    for wrap in Wrap::ALL {
        let Some(control) = Control::parse(packet, wrap).filter(|control| control.is_plausible(wrap)) else {
            continue;
        };
        let is_expected = control.remote.is_some_and(|remote| {
            let mut others = earlier.iter().filter(|earlier| earlier.from != from);
            others.any(|earlier| earlier.bytes.get(1..9) == Some(remote))
        });
        let has_session = || {
            let mut same = earlier.iter().filter(|earlier| earlier.from == from);
            same.any(|earlier| earlier.bytes.get(1..9) == Some(control.session))
        };
        let says = match (opcode, wrap) {
            _ if is_expected => return Found::Yes,
            // A version 2 reset without wrapping has 47 bits that are always the same, with one more yet.
            (Opcode::ClientReset, Wrap::None | Wrap::Auth(_)) => Found::Likely(95),
            (Opcode::ServerReset, Wrap::None | Wrap::Auth(_)) if control.remote.is_some() => {
                Found::Likely(95)
            }
            (Opcode::ClientResetWithKey | Opcode::ControlWithKey, _) => Found::Likely(96),
            // Opcode, acknowledgement and number encrypted: nothing else.
            (Opcode::ClientReset, Wrap::Crypt) if control.content.len() == 5 => Found::Likely(88),
            (Opcode::ServerReset, Wrap::Crypt) if (5..=64).contains(&control.content.len()) => {
                Found::Likely(80)
            }
            (Opcode::Control, Wrap::None | Wrap::Auth(_)) if control.starts_with_tls() => Found::Likely(92),
            (Opcode::Acknowledge, Wrap::None | Wrap::Auth(_)) if has_session() => Found::Likely(92),
            (Opcode::Control | Opcode::Acknowledge, _) if has_session() => Found::Likely(85),
            _ => Found::Maybe,
        };
        if rank(says) > rank(best) {
            best = says;
        }
    }
    best
}

/// Data of a session in the middle: peer id and a number that goes on.
fn data(packet: &[u8], from: Direction, earlier: &[Earlier<'_>]) -> Found {
    let Some(([head @ .., a, b, c, d], _)) = packet.split_first_chunk::<8>() else { return Found::No };
    let number = u32::from_be_bytes([*a, *b, *c, *d]);
    // A number, a tag of 16 bytes, and something.
    if packet.len() < 4 + 4 + 16 + 1 {
        return Found::No;
    }
    let goes_on = earlier.iter().filter(|earlier| earlier.from == from).any(|earlier| {
        earlier.bytes.split_first_chunk::<8>().is_some_and(|([other @ .., a, b, c, d], _)| {
            let step = number.wrapping_sub(u32::from_be_bytes([*a, *b, *c, *d]));
            other == head && (1..=MOST_LOST).contains(&step)
        })
    });
    if goes_on { Found::Likely(80) } else { Found::Maybe }
}

const fn rank(found: Found) -> u8 {
    match found {
        Found::No => 0,
        Found::Maybe => 1,
        Found::Likely(confidence) => 1 + confidence,
        Found::Yes => 101,
    }
}

/// Longest packet that a stream starts with: a reset with a wrapped key.
const MOST_FIRST: usize = 1200;
/// Packets that may be missing between two.
const MOST_LOST: u32 = 64;
