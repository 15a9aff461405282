use crate::RecordBatch;
use crate::record::{Datum, Record};

/// What a copy of a session is worth to somebody who keeps it: today, and once there is a quantum computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CryptoClass {
    /// It can be read by anybody.
    Cleartext,
    /// It is encrypted with what is broken or too short (RC4, 3DES, export suites, TLS 1.0, 1,024-bit RSA …).
    Weak,
    /// Sound today; its key exchange falls to Shor's algorithm.
    QuantumVulnerable,
    /// Its key exchange withstands a quantum computer, alone or as half of a hybrid.
    PostQuantum,
}

impl CryptoClass {
    /// Every class, worst first.
    pub const ALL: [Self; 4] = [Self::Cleartext, Self::Weak, Self::QuantumVulnerable, Self::PostQuantum];

    /// Name in filters and summaries.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cleartext => "cleartext",
            Self::Weak => "weak",
            Self::QuantumVulnerable => "quantum-vulnerable",
            Self::PostQuantum => "post-quantum",
        }
    }

    /// The class of a name; `_` and `-` are the same.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        let same = |class: &Self| {
            let ours = class.name().as_bytes();
            ours.len() == name.len()
                && ours.iter().zip(name).all(|(a, b)| a == b || (*a == b'-' && *b == b'_'))
        };
        Self::ALL.into_iter().find(same)
    }

    /// The class that an event states in the object `crypto`: by its `posture`, or by its `class` where it has none.
    /// None where it states none, or one that says nothing (an incomplete handshake).
    #[must_use]
    pub fn of_event(batch: &RecordBatch, record: &Record) -> Option<Self> {
        let mut depth = 0_u32;
        let mut crypto_depth = None;
        let mut class = None;
        for item in batch.items(record) {
            match item.value {
                Datum::Object | Datum::List => {
                    depth += 1;
                    if crypto_depth.is_none() && item.name == "crypto" {
                        crypto_depth = Some(depth);
                    }
                }
                Datum::Close => {
                    if crypto_depth == Some(depth) {
                        crypto_depth = None;
                    }
                    depth = depth.saturating_sub(1);
                }
                value if crypto_depth == Some(depth) => match item.name {
                    "posture" => return Self::from_posture(batch.text(value)),
                    "class" => class = Self::from_posture(batch.text(value)),
                    _ => {}
                },
                _ => {}
            }
        }
        class
    }

    /// The class of the words that parsers use for what a key exchange rests on.
    fn from_posture(word: &[u8]) -> Option<Self> {
        match word {
            b"pq" | b"hybrid" => Some(Self::PostQuantum),
            b"classical" => Some(Self::QuantumVulnerable),
            _ => Self::from_name(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::{FlowKey, KeyKind, Scope};

    use super::*;
    use crate::record::{FlowIdentity, TunnelIdentity};

    fn identity() -> FlowIdentity {
        let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, ([0, 1], 1), ([0, 2], 443), Scope::default());
        FlowIdentity {
            id: 1,
            key,
            client,
            interface: 0,
            vlans: [0; 2],
            icmp: None,
            tunnel: TunnelIdentity::default(),
        }
    }

    #[test]
    fn the_class_is_read_from_the_crypto_object_and_from_nowhere_else() {
        let mut batch = RecordBatch::default();
        batch
            .event(0, identity(), "tls")
            .label("class", "weak")
            .object("crypto")
            .label("class", "hybrid")
            .close();
        batch
            .event(0, identity(), "tls")
            .object("crypto")
            .object("peer")
            .label("class", "weak")
            .close()
            .close();
        let found: Vec<_> =
            batch.records().iter().map(|record| CryptoClass::of_event(&batch, record)).collect();
        assert_eq!(found, [Some(CryptoClass::PostQuantum), None]);
    }

    #[test]
    fn a_posture_counts_more_than_the_class_of_the_key_exchange() {
        for (class, posture, expected) in [
            ("classical", "weak", Some(CryptoClass::Weak)),
            ("classical", "classical", Some(CryptoClass::QuantumVulnerable)),
            ("pq", "pq", Some(CryptoClass::PostQuantum)),
            ("incomplete", "incomplete", None),
        ] {
            let mut batch = RecordBatch::default();
            batch
                .event(0, identity(), "tls")
                .object("crypto")
                .label("class", class)
                .label("posture", posture);
            assert_eq!(CryptoClass::of_event(&batch, &batch.records()[0]), expected, "{posture}");
        }
    }

    #[test]
    fn names_go_both_ways_with_dash_and_underscore() {
        for class in CryptoClass::ALL {
            assert_eq!(CryptoClass::from_name(class.name().as_bytes()), Some(class));
            assert_eq!(CryptoClass::from_name(class.name().replace('-', "_").as_bytes()), Some(class));
        }
        assert_eq!(CryptoClass::from_name(b"strong"), None);
    }
}
