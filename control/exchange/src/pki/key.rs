use std::fmt;
use std::str::FromStr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::{AlgorithmIdentifier, SubjectPublicKeyInfoDer, alg_id};

use super::PkiError;
use super::pkcs8::{self, Found};
use crate::primitive::{Backend, DsaKey, DsaSet, SlhKey, SlhSet, fresh_seed};
use crate::profile::UnknownName;
use crate::secret::Secret;
use crate::tls::TlsKey;

/// The kind of a key that a certificate is for or signed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// ML-DSA: peers and authorities.
    MlDsa(DsaSet),
    /// SLH-DSA: authorities only, it is too slow for handshakes.
    Slh(SlhSet),
    /// Ed25519: the second signature of `mldsa+classical`.
    Ed25519,
    /// ECDSA with P-384 and SHA-384: the second signature of `mldsa+classical`.
    EcdsaP384,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::MlDsa(DsaSet::MlDsa44),
        Self::MlDsa(DsaSet::MlDsa65),
        Self::MlDsa(DsaSet::MlDsa87),
        Self::Slh(SlhSet::Sha2S128),
        Self::Slh(SlhSet::Sha2S192),
        Self::Slh(SlhSet::Sha2S256),
        Self::Ed25519,
        Self::EcdsaP384,
    ];

    /// The name that is typed and printed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlDsa(set) => match set {
                DsaSet::MlDsa44 => "ml-dsa-44",
                DsaSet::MlDsa65 => "ml-dsa-65",
                DsaSet::MlDsa87 => "ml-dsa-87",
            },
            Self::Slh(set) => match set {
                SlhSet::Sha2S128 => "slh-dsa-sha2-128s",
                SlhSet::Sha2S192 => "slh-dsa-sha2-192s",
                SlhSet::Sha2S256 => "slh-dsa-sha2-256s",
            },
            Self::Ed25519 => "ed25519",
            Self::EcdsaP384 => "ecdsa-p384",
        }
    }

    /// Whether a quantum computer breaks it.
    pub const fn is_classical(self) -> bool {
        matches!(self, Self::Ed25519 | Self::EcdsaP384)
    }
}

impl FromStr for KeyKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or(UnknownName::new(
            "ml-dsa-44, -65 or -87, slh-dsa-sha2-128s, -192s or -256s, ed25519 or ecdsa-p384",
        ))
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A private key.
pub struct Key {
    document: Secret,
    inner: Inner,
}

enum Inner {
    MlDsa { set: DsaSet, seed: Secret, key: Box<dyn DsaKey> },
    Slh(SlhKey),
    Ed25519(Ed25519KeyPair),
    EcdsaP384(EcdsaKeyPair),
}

impl Key {
    /// A fresh key.
    ///
    /// # Errors
    ///
    /// [`PkiError::Primitive`] or [`PkiError::Classical`] where the random source fails.
    pub fn generate(kind: KeyKind, backend: Backend) -> Result<Self, PkiError> {
        let document = match kind {
            KeyKind::MlDsa(set) => pkcs8::write_seed(set, &fresh_seed()?),
            KeyKind::Slh(set) => pkcs8::write_slh(set, SlhKey::generate(set)?.secret()),
            KeyKind::Ed25519 => {
                let made =
                    Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| PkiError::Classical)?;
                Secret::copied(made.as_ref())
            }
            KeyKind::EcdsaP384 => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new())
                        .map_err(|_| PkiError::Classical)?;
                Secret::copied(made.as_ref())
            }
        };
        Self::from_pkcs8(document, backend)
    }

    /// The key in a PKCS#8 document.
    ///
    /// # Errors
    ///
    /// [`PkiError::Key`] where it is none that we use, [`PkiError::KeyWithoutSeed`].
    pub fn from_pkcs8(document: Secret, backend: Backend) -> Result<Self, PkiError> {
        let inner = match pkcs8::read(&document)? {
            Found::MlDsa(set, seed) => {
                let key = backend.signatures().key(set, &seed)?;
                Inner::MlDsa { set, seed, key }
            }
            Found::Slh(set, secret) => Inner::Slh(SlhKey::from_bytes(set, secret)?),
            Found::Other => {
                let bytes = document.expose();
                let ecdsa =
                    || EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, bytes).map(Inner::EcdsaP384);
                Ed25519KeyPair::from_pkcs8(bytes)
                    .map(Inner::Ed25519)
                    .or_else(|_| ecdsa())
                    .map_err(|_| PkiError::Key)?
            }
        };
        Ok(Self { document, inner })
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        match &self.inner {
            Inner::MlDsa { set, .. } => KeyKind::MlDsa(*set),
            Inner::Slh(key) => KeyKind::Slh(key.set()),
            Inner::Ed25519(_) => KeyKind::Ed25519,
            Inner::EcdsaP384(_) => KeyKind::EcdsaP384,
        }
    }

    /// The key as a PKCS#8 document.
    pub fn pkcs8(&self) -> &Secret {
        &self.document
    }

    /// The public key as a certificate holds it.
    pub fn spki(&self) -> SubjectPublicKeyInfoDer<'static> {
        let (algorithm, public) = match &self.inner {
            Inner::MlDsa { key, .. } => (self.algorithm(), key.public()),
            Inner::Slh(key) => (self.algorithm(), key.public()),
            Inner::Ed25519(key) => (alg_id::ED25519, key.public_key().as_ref()),
            Inner::EcdsaP384(key) => (alg_id::ECDSA_P384, key.public_key().as_ref()),
        };
        rustls::sign::public_key_to_spki(&algorithm, public)
    }

    /// The algorithm of its signatures, as the contents of an AlgorithmIdentifier.
    pub fn algorithm(&self) -> AlgorithmIdentifier {
        match self.kind() {
            KeyKind::MlDsa(DsaSet::MlDsa44) => alg_id::ML_DSA_44,
            KeyKind::MlDsa(DsaSet::MlDsa65) => alg_id::ML_DSA_65,
            KeyKind::MlDsa(DsaSet::MlDsa87) => alg_id::ML_DSA_87,
            KeyKind::Slh(set) => set.alg_id(),
            KeyKind::Ed25519 => alg_id::ED25519,
            KeyKind::EcdsaP384 => alg_id::ECDSA_SHA384,
        }
    }

    /// Signs `message`.
    ///
    /// # Errors
    ///
    /// [`PkiError::Primitive`] or [`PkiError::Classical`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PkiError> {
        Ok(match &self.inner {
            Inner::MlDsa { key, .. } => key.sign(message)?,
            Inner::Slh(key) => key.sign(message)?,
            Inner::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            Inner::EcdsaP384(key) => {
                key.sign(&SystemRandom::new(), message).map_err(|_| PkiError::Classical)?.as_ref().to_vec()
            }
        })
    }

    /// The key for handshakes.
    ///
    /// # Errors
    ///
    /// [`PkiError::Key`] where it is not of ML-DSA.
    pub fn tls(&self, backend: Backend) -> Result<TlsKey, PkiError> {
        match &self.inner {
            Inner::MlDsa { set, seed, .. } => Ok(TlsKey::new(backend, *set, seed)?),
            _ => Err(PkiError::Key),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("kind", &self.kind()).finish_non_exhaustive()
    }
}
