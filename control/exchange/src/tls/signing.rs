use std::fmt;
use std::sync::Arc;

use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::{SubjectPublicKeyInfoDer, alg_id};

use crate::primitive::{Backend, DsaKey, DsaSet, PrimitiveError};
use crate::secret::Secret;

/// A private key of ML-DSA that signs handshakes.
#[derive(Clone)]
pub struct TlsKey {
    key: Arc<dyn DsaKey>,
    spki: SubjectPublicKeyInfoDer<'static>,
}

impl TlsKey {
    /// The key of a seed, computed by `backend`.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError`] where the seed is no seed.
    pub fn new(backend: Backend, set: DsaSet, seed: &Secret) -> Result<Self, PrimitiveError> {
        let key: Arc<dyn DsaKey> = backend.signatures().key(set, seed)?.into();
        let spki = rustls::sign::public_key_to_spki(&alg_id_of(set), key.public());
        Ok(Self { key, spki })
    }

    /// The public key as a certificate holds it (RFC 9881, section 4).
    pub fn spki(&self) -> &SubjectPublicKeyInfoDer<'static> {
        &self.spki
    }

    /// Its parameter set.
    pub fn set(&self) -> DsaSet {
        self.key.set()
    }
}

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&scheme_of(self.key.set())).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.spki.clone())
    }

    // Only asked for in TLS 1.2, which numbers signatures without their hash.
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Unknown(0)
    }
}

impl Signer for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key.sign(message).map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        scheme_of(self.key.set())
    }
}

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsKey").field("set", &self.key.set()).finish_non_exhaustive()
    }
}

pub(super) const fn scheme_of(set: DsaSet) -> SignatureScheme {
    match set {
        DsaSet::MlDsa44 => SignatureScheme::ML_DSA_44,
        DsaSet::MlDsa65 => SignatureScheme::ML_DSA_65,
        DsaSet::MlDsa87 => SignatureScheme::ML_DSA_87,
    }
}

pub(super) const fn alg_id_of(set: DsaSet) -> rustls_pki_types::AlgorithmIdentifier {
    match set {
        DsaSet::MlDsa44 => alg_id::ML_DSA_44,
        DsaSet::MlDsa65 => alg_id::ML_DSA_65,
        DsaSet::MlDsa87 => alg_id::ML_DSA_87,
    }
}
