//! New Office Environment in Universal Alcatel over UDP: what Alcatel-Lucent's IP phones and call servers speak.
//!
//! An opcode; in data and what acknowledges it sequence numbers; then messages of the older UA protocol, each behind its
//! length in little endian.

use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};

/// NOE and UA in datagrams.
pub static NOE: Protocol = Protocol {
    name: "noe",
    title: "Alcatel-Lucent NOE (UA/UDP)",
    family: Family::Telecom,
    carriers: &[Carrier::Udp],
    ports: &[32000, 32512],
    exposure: Exposure::Cleartext,
    // Half of its messages are a byte or three.
    opening: Opening::range(1, CONNECT, DATA).on_ports(),
    probe: Some(probe),
    parser: None,
    events: &[],
    source: "Wireshark display filter reference, UAUDP (vendor protocol)",
};

const CONNECT: u8 = 0;
const CONNECT_ACK: u8 = 1;
const RELEASE: u8 = 2;
const RELEASE_ACK: u8 = 3;
const KEEPALIVE: u8 = 4;
const KEEPALIVE_ACK: u8 = 5;
const NACK: u8 = 6;
const DATA: u8 = 7;
/// The last parameter of a Connect: SuperFast Connect.
const LAST_PARAMETER: u8 = 9;

fn probe(probe: &Probe<'_>) -> Found {
    if !NOE.ports.iter().any(|port| probe.has_port(*port)) {
        return Found::No;
    }
    let Some((opcode, rest)) = probe.payload.split_first() else { return Found::No };
    match (*opcode, rest) {
        (CONNECT, rest) if !rest.is_empty() && are_parameters(rest) => Found::Likely(95),
        (DATA, [_, _, _, _, messages @ ..]) if !messages.is_empty() && are_messages(messages) => {
            Found::Likely(95)
        }
        (DATA, [_, _, _, _]) | (KEEPALIVE | KEEPALIVE_ACK | RELEASE_ACK, []) | (NACK, [_, _]) => {
            Found::Likely(75)
        }
        (CONNECT_ACK | RELEASE, [] | [_]) => Found::Likely(70),
        _ => Found::No,
    }
}

/// Whether these are type, length, value up to the end.
fn are_parameters(mut bytes: &[u8]) -> bool {
    while let [kind, length @ 1..=4, rest @ ..] = bytes {
        let Some(after) = rest.get(usize::from(*length)..).filter(|_| *kind <= LAST_PARAMETER) else {
            return false;
        };
        bytes = after;
    }
    bytes.is_empty()
}

/// Whether these are messages with their lengths up to the end.
fn are_messages(mut bytes: &[u8]) -> bool {
    while let [low, high, rest @ ..] = bytes {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let Some(after) = rest.get(length..).filter(|_| length > 0) else { return false };
        bytes = after;
    }
    bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Direction;

    fn say(payload: &[u8], port: u16) -> Found {
        probe(&Probe {
            payload,
            wire_len: u32::try_from(payload.len()).unwrap(),
            from: Direction::ToServer,
            carrier: Carrier::Udp,
            source_port: port,
            destination_port: 32640,
            destination: None,
            earlier: &[],
            midstream: false,
        })
    }

    const CONNECT_MESSAGE: &[u8] = &[0, 0, 1, 1, 1, 1, 64, 2, 1, 0xe0, 3, 1, 1, 5, 1, 7];
    const TWO_MESSAGES: &[u8] = &[7, 0, 1, 0, 2, 2, 0, 0x21, 0, 1, 0, 0x22];

    #[test]
    fn messages_with_their_lengths_are_known_on_the_ports_of_phones() {
        for message in [CONNECT_MESSAGE, TWO_MESSAGES] {
            assert_eq!(say(message, 32512), Found::Likely(95));
            assert_eq!(say(message, 32000), Found::Likely(95));
            assert_eq!(say(message, 40_000), Found::No);
        }
    }

    #[test]
    fn bytes_alone_are_less_sure() {
        for message in [&[4][..], &[5], &[6, 0, 9], &[7, 0, 1, 0, 2], &[3], &[1], &[2, 1]] {
            assert!(matches!(say(message, 32512), Found::Likely(70..=75)), "{message:02x?}");
        }
    }

    #[test]
    fn lengths_that_do_not_add_up_are_something_else() {
        // Where a parameter or a message ends, what is before it is whole.
        for (message, ends) in [(CONNECT_MESSAGE, &[4, 7, 10, 13][..]), (TWO_MESSAGES, &[9])] {
            for cut in 1..message.len() {
                let is_whole = say(&message[..cut], 32512) == Found::Likely(95);
                assert_eq!(is_whole, ends.contains(&cut), "{cut}");
            }
        }
        assert_eq!(say(&[7, 0, 1, 0, 2, 0, 0], 32512), Found::No);
        assert_eq!(say(&[0, 10, 1, 1], 32512), Found::No);
        assert_eq!(say(&[0], 32512), Found::No);
        assert_eq!(say(&[4, 0], 32512), Found::No);
    }
}
