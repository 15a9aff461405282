//! TLS 1.3 as it looks on the wire (RFC 8446), with the hybrid key exchange X25519MLKEM768.

use super::with_length;
use crate::random::Random;

/// A group of the key exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// X25519 (RFC 7748).
    X25519,
    /// X25519 and ML-KEM-768 (draft-ietf-tls-ecdhe-mlkem).
    X25519MlKem768,
}

impl Group {
    /// Number in the registry of supported groups.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::X25519 => 0x001d,
            Self::X25519MlKem768 => 0x11ec,
        }
    }

    /// A client's share: the ML-KEM part first.
    fn client_share(self, random: &mut Random) -> Vec<u8> {
        let mut share = match self {
            Self::X25519 => Vec::new(),
            Self::X25519MlKem768 => encapsulation_key(random),
        };
        share.extend_from_slice(&random.bytes(32));
        share
    }

    /// A server's share: ciphertext, then point.
    fn server_share(self, random: &mut Random) -> Vec<u8> {
        match self {
            Self::X25519 => random.bytes(32),
            Self::X25519MlKem768 => random.bytes(1088 + 32),
        }
    }
}

/// A ClientHello in its record, as a browser sends it; it offers `group` and X25519, each with a share.
#[must_use]
pub fn client_hello(random: &mut Random, server_name: &str, alpn: &[&str], group: Group) -> Vec<u8> {
    record(22, 0x0301, |out| {
        out.push(1);
        with_length::<3>(out, |out| {
            out.extend_from_slice(&[3, 3]);
            out.extend_from_slice(&random.bytes(32));
            with_length::<1>(out, |out| out.extend_from_slice(&random.bytes(32)));
            with_length::<2>(out, |out| words(out, &CIPHER_SUITES));
            out.extend_from_slice(&[1, 0]);
            with_length::<2>(out, |out| client_extensions(out, random, server_name, alpn, group));
        });
    })
}

fn client_extensions(out: &mut Vec<u8>, random: &mut Random, server_name: &str, alpn: &[&str], group: Group) {
    let mut groups = vec![group];
    if group != Group::X25519 {
        groups.push(Group::X25519);
    }
    extension(out, SERVER_NAME, |out| {
        with_length::<2>(out, |out| {
            out.push(0);
            with_length::<2>(out, |out| out.extend_from_slice(server_name.as_bytes()));
        });
    });
    extension(out, EXTENDED_MASTER_SECRET, |_| {});
    extension(out, RENEGOTIATION_INFO, |out| out.push(0));
    extension(out, SUPPORTED_GROUPS, |out| {
        with_length::<2>(out, |out| {
            for group in &groups {
                words(out, &[group.number()]);
            }
            words(out, &[0x0017, 0x0018]);
        });
    });
    extension(out, EC_POINT_FORMATS, |out| out.extend_from_slice(&[1, 0]));
    extension(out, SESSION_TICKET, |_| {});
    extension(out, ALPN, |out| protocols(out, alpn));
    extension(out, STATUS_REQUEST, |out| out.extend_from_slice(&[1, 0, 0, 0, 0]));
    extension(out, SIGNATURE_ALGORITHMS, |out| {
        with_length::<2>(out, |out| words(out, &SIGNATURES));
    });
    extension(out, KEY_SHARE, |out| {
        with_length::<2>(out, |out| {
            for group in &groups {
                words(out, &[group.number()]);
                let share = group.client_share(random);
                with_length::<2>(out, |out| out.extend_from_slice(&share));
            }
        });
    });
    extension(out, PSK_KEY_EXCHANGE_MODES, |out| out.extend_from_slice(&[1, 1]));
    extension(out, SUPPORTED_VERSIONS, |out| with_length::<1>(out, |out| words(out, &[0x0304, 0x0303])));
}

/// A ServerHello, a change of cipher for middleboxes, and the encrypted rest of the server's first flight.
#[must_use]
pub fn server_flight(random: &mut Random, group: Group) -> Vec<u8> {
    let mut flight = record(22, 0x0303, |out| {
        out.push(2);
        with_length::<3>(out, |out| {
            out.extend_from_slice(&[3, 3]);
            out.extend_from_slice(&random.bytes(32));
            with_length::<1>(out, |out| out.extend_from_slice(&random.bytes(32)));
            out.extend_from_slice(&[0x13, 0x01, 0]);
            with_length::<2>(out, |out| {
                extension(out, KEY_SHARE, |out| {
                    words(out, &[group.number()]);
                    let share = group.server_share(random);
                    with_length::<2>(out, |out| out.extend_from_slice(&share));
                });
                extension(out, SUPPORTED_VERSIONS, |out| words(out, &[0x0304]));
            });
        });
    });
    flight.extend_from_slice(&change_cipher_spec());
    // Encrypted extensions, certificate, its verification, finished.
    for len in [32, 2300, 264, 52] {
        flight.extend_from_slice(&application_data(random, len));
    }
    flight
}

/// A client's change of cipher and encrypted Finished.
#[must_use]
pub fn client_finished(random: &mut Random) -> Vec<u8> {
    let mut flight = change_cipher_spec();
    flight.extend_from_slice(&application_data(random, 53));
    flight
}

/// A record with `len` encrypted bytes.
#[must_use]
pub fn application_data(random: &mut Random, len: usize) -> Vec<u8> {
    record(23, 0x0303, |out| out.extend_from_slice(&random.bytes(len)))
}

fn change_cipher_spec() -> Vec<u8> {
    record(20, 0x0303, |out| out.push(1))
}

fn record(kind: u8, version: u16, body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend_from_slice(&version.to_be_bytes());
    with_length::<2>(&mut out, body);
    out
}

fn extension(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&kind.to_be_bytes());
    with_length::<2>(out, body);
}

fn protocols(out: &mut Vec<u8>, names: &[&str]) {
    with_length::<2>(out, |out| {
        for name in names {
            with_length::<1>(out, |out| out.extend_from_slice(name.as_bytes()));
        }
    });
}

fn words(out: &mut Vec<u8>, words: &[u16]) {
    out.extend(words.iter().flat_map(|word| word.to_be_bytes()));
}

/// An ML-KEM-768 encapsulation key that passes the modulus check: 768 coefficients below 3329 of 12 bits each, then
/// 32 bytes (FIPS 203, 7.2).
pub(super) fn encapsulation_key(random: &mut Random) -> Vec<u8> {
    let mut key = Vec::with_capacity(1184);
    for _ in 0..384 {
        let (a, b) = (random.below(3329), random.below(3329));
        let [low, middle, high, _] = (a | (b << 12)).to_le_bytes();
        key.extend_from_slice(&[low, middle, high]);
    }
    key.extend_from_slice(&random.bytes(32));
    key
}

const SERVER_NAME: u16 = 0;
const STATUS_REQUEST: u16 = 5;
const SUPPORTED_GROUPS: u16 = 10;
const EC_POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_KEY_EXCHANGE_MODES: u16 = 45;
const KEY_SHARE: u16 = 51;
const RENEGOTIATION_INFO: u16 = 0xff01;

/// AES-GCM and ChaCha20-Poly1305 of TLS 1.3 and, by ECDHE, of TLS 1.2.
const CIPHER_SUITES: [u16; 9] = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8];
/// ECDSA, RSA-PSS and RSA PKCS #1 with SHA-256 to SHA-512.
const SIGNATURES: [u16; 8] = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_client_hello_needs_two_segments_and_a_classical_one_fits() {
        let mut random = Random::new(1);
        let hybrid = client_hello(&mut random, "www.example.com", &["h2"], Group::X25519MlKem768);
        let classical = client_hello(&mut random, "www.example.com", &["h2"], Group::X25519);
        assert!(hybrid.len() > 1460, "{}", hybrid.len());
        assert!(classical.len() < 400, "{}", classical.len());
        // What the record says is what there is.
        for hello in [hybrid, classical] {
            assert_eq!(usize::from(u16::from_be_bytes([hello[3], hello[4]])) + 5, hello.len());
        }
    }

    #[test]
    fn an_encapsulation_key_passes_the_modulus_check() {
        let key = encapsulation_key(&mut Random::new(7));
        assert_eq!(key.len(), 1184);
        for triple in key[..1152].chunks_exact(3) {
            let pair = u32::from(triple[0]) | u32::from(triple[1]) << 8 | u32::from(triple[2]) << 16;
            assert!(pair & 0xfff < 3329 && pair >> 12 < 3329);
        }
    }
}
