//! The key schedule: from one TLS session to the keys of its ESP SAs. Written down with vectors in
//! `docs/key-schedule.md`.

use aws_lc_rs::digest::{Context, SHA384};

use crate::profile::Auth;
use crate::secret::SecretArray;
use crate::tls::{Group, SpkiHash};

/// Version of the channel and of this key schedule.
pub const VERSION: u16 = 1;

/// Length in bytes of what one SA gets: a key of AES-256 and a salt (RFC 4106, section 8.1).
pub const SA_KEY_LEN: usize = 36;

/// Label of the exporter for keys of SAs (RFC 8446, section 7.5).
pub const SA_LABEL: &[u8] = b"EXPORTER-Wirewarden-ESP-SA";
/// Label of the exporter for what the classical signature covers.
pub const BINDING_LABEL: &[u8] = b"EXPORTER-Wirewarden-Binding";
/// Label of the exporter for what both sides say when they are ready.
pub const READY_LABEL: &[u8] = b"EXPORTER-Wirewarden-Ready";

/// A source of keying material that only the two ends of a TLS session have (RFC 8446, section 7.5).
pub trait Exporter {
    /// Fills `out`.
    ///
    /// # Errors
    ///
    /// [`NotReady`] before the handshake is over.
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), NotReady>;
}

/// There is no keying material yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the handshake is not over")]
pub struct NotReady;

impl Exporter for rustls::Connection {
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), NotReady> {
        self.export_keying_material(out, label, Some(context)).map(drop).map_err(|_| NotReady)
    }
}

/// Cipher of the SAs, by the number of its IKEv2 transform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-256-GCM with a tag of 16 bytes (RFC 4106), transform 20.
    #[default]
    Aes256Gcm16,
}

impl Suite {
    /// The number of its IKEv2 transform.
    pub const fn number(self) -> u16 {
        20
    }
}

/// What an SA carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// IP packets (RFC 4303, tunnel mode).
    #[default]
    Tunnel,
    /// Ethernet frames in GRE or VXLAN.
    Layer2,
}

impl Mode {
    /// Its number in messages and key contexts.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tunnel => 1,
            Self::Layer2 => 2,
        }
    }
}

/// Which end of the TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It connected: the TLS client.
    Initiator,
    /// It accepted: the TLS server.
    Responder,
}

impl Role {
    /// The other end.
    pub const fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// Its number: 1 for the initiator, whose packets go in direction 1.
    pub const fn number(self) -> u8 {
        match self {
            Self::Initiator => 1,
            Self::Responder => 2,
        }
    }
}

/// SHA-384 of what both sides must mean by the tunnel: equal texts, equal policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PolicyHash(pub [u8; 48]);

impl PolicyHash {
    /// The hash of rules that both sides write alike. Their order does not matter, each rule's length is covered.
    pub fn of<'a>(rules: impl IntoIterator<Item = &'a str>) -> Self {
        let mut rules: Vec<&str> = rules.into_iter().collect();
        rules.sort_unstable();
        rules.dedup();
        let mut context = Context::new(&SHA384);
        for rule in rules {
            context.update(&u64::try_from(rule.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(rule.as_bytes());
        }
        let mut hash = [0; 48];
        hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(hash)
    }
}

/// What all SAs of one epoch have in common. The exporter alone does not cover the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochContext {
    /// Cipher.
    pub suite: Suite,
    /// What the SAs carry.
    pub mode: Mode,
    /// Group of the TLS key exchange.
    pub group: Group,
    /// How the peers proved who they are.
    pub auth: Auth,
    /// Key of the initiator.
    pub initiator: SpkiHash,
    /// Key of the responder.
    pub responder: SpkiHash,
    /// The initiator's and the responder's classical keys; zeros without.
    pub classical: [SpkiHash; 2],
    /// Policy, equal on both sides.
    pub policy: PolicyHash,
    /// Number of the set of keys between these two, which only grows.
    pub epoch: u64,
}

/// What one SA has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaContext {
    /// The sender's queue, which is one of its cores.
    pub queue: u16,
    /// Who sends.
    pub sender: Role,
    /// Security parameters index, chosen by the receiver.
    pub spi: u32,
}

/// Length of an encoded context in bytes.
pub const CONTEXT_LEN: usize = 2 + 2 + 1 + 2 + 1 + 5 * 48 + 8 + 2 + 1 + 4;

impl EpochContext {
    /// The bytes that are the exporter's context: all fields in order, big-endian, none of variable length.
    pub fn encode(&self, sa: &SaContext) -> [u8; CONTEXT_LEN] {
        let mut writer = Writer { bytes: [0; CONTEXT_LEN], at: 0 };
        writer.put(&VERSION.to_be_bytes());
        writer.put(&self.suite.number().to_be_bytes());
        writer.put(&[self.mode.number()]);
        writer.put(&self.group.number().to_be_bytes());
        writer.put(&[self.auth.number()]);
        let [classical_initiator, classical_responder] = &self.classical;
        for hash in [&self.initiator, &self.responder, classical_initiator, classical_responder] {
            writer.put(&hash.0);
        }
        writer.put(&self.policy.0);
        writer.put(&self.epoch.to_be_bytes());
        writer.put(&sa.queue.to_be_bytes());
        writer.put(&[sa.sender.number()]);
        writer.put(&sa.spi.to_be_bytes());
        writer.bytes
    }

    /// The key of one SA.
    ///
    /// # Errors
    ///
    /// [`NotReady`] before the handshake is over.
    pub fn derive(&self, sa: &SaContext, exporter: &dyn Exporter) -> Result<SaKey, NotReady> {
        let mut key = SecretArray::zeroed();
        exporter.export(SA_LABEL, &self.encode(sa), key.expose_mut())?;
        Ok(SaKey(key))
    }
}

struct Writer {
    bytes: [u8; CONTEXT_LEN],
    at: usize,
}

impl Writer {
    fn put(&mut self, field: &[u8]) {
        let end = self.at + field.len();
        if let Some(room) = self.bytes.get_mut(self.at..end) {
            room.copy_from_slice(field);
        }
        self.at = end;
    }
}

/// Key and salt of one SA.
#[derive(Debug, PartialEq, Eq)]
pub struct SaKey(SecretArray<SA_KEY_LEN>);

impl SaKey {
    /// All 36 bytes: the key, then the salt.
    pub fn expose(&self) -> &[u8; SA_KEY_LEN] {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::digest;
    use aws_lc_rs::hmac;

    use super::*;

    /// RFC 8446, section 7.5, from the exporter master secret on, written out with HMAC alone.
    struct MasterSecret([u8; 48]);

    fn expand_label(secret: &[u8], label: &[u8], context: &[u8], out: &mut [u8]) {
        let mut info = u16::try_from(out.len()).unwrap().to_be_bytes().to_vec();
        info.push(u8::try_from(6 + label.len()).unwrap());
        info.extend(b"tls13 ");
        info.extend(label);
        info.push(u8::try_from(context.len()).unwrap());
        info.extend(context);
        let key = hmac::Key::new(hmac::HMAC_SHA384, secret);
        // One block of HKDF-Expand (RFC 5869) is enough for up to 48 bytes.
        info.push(1);
        let block = hmac::sign(&key, &info);
        out.copy_from_slice(&block.as_ref()[..out.len()]);
    }

    impl Exporter for MasterSecret {
        fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), NotReady> {
            let mut secret = [0; 48];
            expand_label(&self.0, label, digest(&SHA384, b"").as_ref(), &mut secret);
            expand_label(&secret, b"exporter", digest(&SHA384, context).as_ref(), out);
            Ok(())
        }
    }

    fn epoch() -> EpochContext {
        let [one, two, three, four] = [1, 2, 3, 4].map(|byte| SpkiHash([byte; 48]));
        EpochContext {
            suite: Suite::Aes256Gcm16,
            mode: Mode::Tunnel,
            group: Group::Secp384r1MlKem1024,
            auth: Auth::MlDsaAndClassical,
            initiator: one,
            responder: two,
            classical: [three, four],
            policy: PolicyHash([5; 48]),
            epoch: 7,
        }
    }

    const SA: SaContext = SaContext { queue: 3, sender: Role::Initiator, spi: 0x1234_5678 };

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn master() -> MasterSecret {
        MasterSecret(std::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    #[test]
    fn the_vectors_in_the_documentation_are_right() {
        let document = include_str!("../../../docs/key-schedule.md").replace(['\n', ' '], "");
        let mut other = epoch();
        (other.group, other.auth, other.mode) = (Group::X25519MlKem768, Auth::MlDsa, Mode::Layer2);
        (other.classical, other.epoch) = ([SpkiHash([0; 48]); 2], u64::MAX);
        let back = SaContext { queue: 0, sender: Role::Responder, spi: 256 };
        let mut shown = Vec::new();
        for (epoch, sa) in
            [(epoch(), SA), (epoch(), SaContext { sender: Role::Responder, ..SA }), (other, back)]
        {
            let key = epoch.derive(&sa, &master()).unwrap();
            shown.push(hex(&epoch.encode(&sa)));
            shown.push(hex(key.expose()));
        }
        let missing: Vec<_> = shown.iter().filter(|text| !document.contains(*text)).collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn every_field_changes_the_key() {
        let key = |epoch: EpochContext, sa: SaContext| epoch.derive(&sa, &master()).unwrap();
        let base = epoch();
        let flipped = |mut hash: SpkiHash| {
            hash.0[47] ^= 1;
            hash
        };
        let epochs = [
            EpochContext { mode: Mode::Layer2, ..base },
            EpochContext { group: Group::X25519MlKem768, ..base },
            EpochContext { auth: Auth::MlDsa, ..base },
            EpochContext { initiator: flipped(base.initiator), ..base },
            EpochContext { responder: flipped(base.responder), ..base },
            EpochContext { classical: [flipped(base.classical[0]), base.classical[1]], ..base },
            EpochContext { classical: [base.classical[0], flipped(base.classical[1])], ..base },
            EpochContext { policy: PolicyHash([6; 48]), ..base },
            EpochContext { epoch: 8, ..base },
        ];
        let sas = [
            SaContext { queue: 4, ..SA },
            SaContext { sender: Role::Responder, ..SA },
            SaContext { spi: SA.spi + 1, ..SA },
        ];
        let mut keys = vec![key(base, SA)];
        keys.extend(epochs.map(|epoch| key(epoch, SA)));
        keys.extend(sas.map(|sa| key(base, sa)));
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[at + 1..].iter().all(|other| other != one), "{at}");
        }
    }

    #[test]
    fn policies_are_equal_whatever_their_order_and_not_by_joining() {
        assert_eq!(PolicyHash::of(["a", "b"]), PolicyHash::of(["b", "a", "a"]));
        assert_ne!(PolicyHash::of(["ab"]), PolicyHash::of(["a", "b"]));
    }
}
