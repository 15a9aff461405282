//! What is known of a protocol's payloads before its probe is asked: asking is a call into code that is seldom at hand.

use super::Carrier;

/// What a payload must be to be worth a probe; keeps the probes per packet few.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Least bytes of payload.
    pub min_len: u16,
    /// Values the first byte may have.
    pub first: FirstByte,
    /// Whether one of the ports has to be the protocol's.
    pub is_on_ports: bool,
    /// What is fixed of a datagram, and of the start of a stream.
    fixed: [Fixed; 2],
}

impl Opening {
    /// Any payload of at least `min_len` bytes.
    #[must_use]
    pub const fn any(min_len: u16) -> Self {
        Self::new(min_len, FirstByte::Any)
    }

    /// Payloads that start with one of `bytes`.
    #[must_use]
    pub const fn one_of(min_len: u16, bytes: &'static [u8]) -> Self {
        Self::new(min_len, FirstByte::OneOf(bytes))
    }

    /// Payloads whose first byte is in `low..=high`.
    #[must_use]
    pub const fn range(min_len: u16, low: u8, high: u8) -> Self {
        Self::new(min_len, FirstByte::Range(low, high))
    }

    const fn new(min_len: u16, first: FirstByte) -> Self {
        Self { min_len, first, is_on_ports: false, fixed: [Fixed::NOTHING; 2] }
    }

    /// Only where one of the ports is the protocol's.
    #[must_use]
    pub const fn on_ports(self) -> Self {
        Self { is_on_ports: true, ..self }
    }

    /// In datagrams of UDP the bits of `mask` in the first eight bytes are those of `value`.
    #[must_use]
    pub const fn in_datagrams(self, mask: [u8; 8], value: [u8; 8]) -> Self {
        let [_, stream] = self.fixed;
        Self { fixed: [Fixed::new(mask, value), stream], ..self }
    }

    /// At the start of a stream of TCP the bits of `mask` in the first eight bytes are those of `value`.
    #[must_use]
    pub const fn in_streams(self, mask: [u8; 8], value: [u8; 8]) -> Self {
        let [datagram, _] = self.fixed;
        Self { fixed: [datagram, Fixed::new(mask, value)], ..self }
    }

    /// What is fixed of payloads of a carrier.
    #[must_use]
    pub const fn fixed(&self, carrier: Carrier) -> Fixed {
        let [datagram, stream] = self.fixed;
        match carrier {
            Carrier::Udp => datagram,
            Carrier::Tcp => stream,
            _ => Fixed::NOTHING,
        }
    }
}

/// Bits of the first eight bytes that always have the same value.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    mask: u64,
    value: u64,
}

impl Fixed {
    const NOTHING: Self = Self { mask: 0, value: 0 };

    const fn new(mask: [u8; 8], value: [u8; 8]) -> Self {
        let (mask, value) = (u64::from_le_bytes(mask), u64::from_le_bytes(value));
        assert!(value & !mask == 0, "a value is outside its mask");
        Self { mask, value }
    }

    /// Whether a payload may start like this; bytes that it has not got yet may be anything.
    #[inline]
    #[must_use]
    pub const fn admits(self, start: Start) -> bool {
        (start.bytes ^ self.value) & self.mask & start.known == 0
    }
}

/// The first eight bytes of a payload, the first the lowest, and which of them there are.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    bytes: u64,
    known: u64,
}

impl Start {
    /// Of a payload.
    #[inline]
    #[must_use]
    pub fn of(payload: &[u8]) -> Self {
        if let Some(bytes) = payload.first_chunk() {
            return Self { bytes: u64::from_le_bytes(*bytes), known: u64::MAX };
        }
        let bytes = payload.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Self { bytes, known: (1 << (8 * payload.len())) - 1 }
    }
}

/// Values a first byte may have.
#[derive(Clone, Copy, Debug)]
pub enum FirstByte {
    /// All 256.
    Any,
    /// These.
    OneOf(&'static [u8]),
    /// From the first to the second, both included.
    Range(u8, u8),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detectors::signatures::SignatureSet;
    use crate::protocols::{ALL, Found, Probe};
    use crate::record::Direction;

    /// What the program knows payloads of, whole and with a few bytes changed.
    fn payloads() -> impl Strategy<Value = Vec<u8>> {
        let samples: Vec<Vec<u8>> =
            SignatureSet::builtin().unwrap().samples().iter().map(|sample| sample.payload.clone()).collect();
        let changes = proptest::collection::vec((0_usize..24, any::<u8>()), 0..4);
        let changed = (proptest::sample::select(samples), changes).prop_map(|(mut payload, changes)| {
            for (at, value) in changes {
                if let Some(byte) = payload.get_mut(at) {
                    *byte = value;
                }
            }
            payload
        });
        prop_oneof![changed, proptest::collection::vec(any::<u8>(), 1..64)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn what_an_opening_rules_out_its_probe_does_not_take(
            payload in payloads(),
            is_stream in any::<bool>(),
            to_client in any::<bool>(),
            midstream in any::<bool>(),
        ) {
            let carrier = if is_stream { Carrier::Tcp } else { Carrier::Udp };
            let from = if to_client { Direction::ToClient } else { Direction::ToServer };
            for protocol in ALL.iter().filter(|protocol| protocol.carriers.contains(&carrier)) {
                let Some(ask) = protocol.probe else { continue };
                let is_in = protocol.opening.fixed(carrier).admits(Start::of(&payload));
                let ports: &[u16] = if is_in { &[] } else { protocol.ports };
                for port in ports.iter().copied().chain([40_001]) {
                    if is_in && !protocol.opening.is_on_ports {
                        continue;
                    }
                    let probe = Probe {
                        payload: &payload,
                        wire_len: u32::try_from(payload.len()).unwrap(),
                        from,
                        carrier,
                        source_port: 40_000,
                        destination_port: port,
                        destination: None,
                        earlier: &[],
                        midstream: midstream && is_stream,
                    };
                    let found = ask(&probe);
                    // Where a stream goes on it may wait for more bytes, which will not help.
                    let waits = is_stream && found == Found::Maybe && !is_in;
                    prop_assert!(found == Found::No || waits, "{} says {found:?} of {payload:02x?}", protocol.name);
                }
            }
        }
    }
}
