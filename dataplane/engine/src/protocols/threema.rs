//! Threema's chat protocol, which shows nothing but how long its handshake is: keys, nonces and boxes of NaCl look like
//! random bytes. The client sends an ephemeral key and its nonces' prefix, the server a prefix and a box of the same.

use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// Threema, client to chat server.
pub static THREEMA: Protocol = Protocol {
    name: "threema",
    title: "Threema",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[5222],
    exposure: Exposure::Encrypted,
    opening: Opening::any(SERVER_HELLO).on_ports(),
    probe: Some(probe),
    parser: None,
    events: &[],
    source: "Threema, Cryptography Whitepaper",
};

/// A public key of 32 bytes and a prefix of 16.
const CLIENT_HELLO: usize = 48;
/// A prefix of 16 bytes and, in a box with 16 bytes of authentication, a key and a prefix.
const SERVER_HELLO: u16 = 80;
/// Fewest values among 48 bytes; of random ones there are fewer than this once in ten million times.
const FEWEST_VALUES: usize = 33;

/// Both lengths, in this order, and bytes as good as random.
fn probe(probe: &Probe<'_>) -> Found {
    let is_answer = probe.from == Direction::ToClient
        && probe.payload.len() == usize::from(SERVER_HELLO)
        && THREEMA.ports.contains(&probe.source_port);
    if !is_answer || probe.midstream {
        return Found::No;
    }
    let is_answered = probe.earlier.iter().any(|earlier| {
        earlier.from == Direction::ToServer
            && earlier.len as usize == CLIENT_HELLO
            && looks_random(earlier.bytes)
    });
    if is_answered && looks_random(probe.payload) { Found::Likely(75) } else { Found::No }
}

fn looks_random(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in bytes.iter().take(CLIENT_HELLO) {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|seen| **seen).count() >= FEWEST_VALUES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::Earlier;

    /// Bytes that look random (a linear congruential generator's high ones).
    fn noise<const N: usize>(mut seed: u32) -> [u8; N] {
        core::array::from_fn(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
    }

    fn say(client: &[u8], server: &[u8], port: u16) -> Found {
        let len = u32::try_from(client.len()).unwrap();
        let earlier = [Earlier { from: Direction::ToServer, bytes: client.get(..64).unwrap_or(client), len }];
        probe(&Probe {
            payload: server,
            wire_len: u32::try_from(server.len()).unwrap(),
            from: Direction::ToClient,
            carrier: Carrier::Tcp,
            source_port: port,
            destination_port: 40_000,
            destination: None,
            earlier: &earlier,
            midstream: false,
        })
    }

    #[test]
    fn a_handshake_of_the_right_lengths_is_known_on_its_port() {
        let (client, server) = (noise::<48>(1), noise::<80>(2));
        assert_eq!(say(&client, &server, 5222), Found::Likely(75));
        assert_eq!(say(&client, &server, 5223), Found::No);
    }

    #[test]
    fn other_lengths_and_other_bytes_are_not() {
        let (client, server) = (noise::<49>(1), noise::<81>(2));
        assert_eq!(say(&client, &server[..80], 5222), Found::No);
        assert_eq!(say(&client[..47], &server[..80], 5222), Found::No);
        assert_eq!(say(&client[..48], &server, 5222), Found::No);
        assert_eq!(say(&[7; 48], &server[..80], 5222), Found::No);
        assert_eq!(say(&client[..48], &[b'<'; 80], 5222), Found::No);
    }
}
