use std::fmt;

use rustls_pki_types::AlgorithmIdentifier;
use slh_dsa::{ParameterSet, Sha2_128s, Sha2_192s, Sha2_256s, Signature, SigningKey, VerifyingKey};

use super::{Backend, PrimitiveError};
use crate::secret::Secret;

/// Parameter set of SLH-DSA (FIPS 205) for authorities: small signatures, slow to make. Hash-based, so it falls with no
/// lattice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlhSet {
    /// SLH-DSA-SHA2-128s, category 1.
    Sha2S128,
    /// SLH-DSA-SHA2-192s, category 3.
    Sha2S192,
    /// SLH-DSA-SHA2-256s, category 5.
    Sha2S256,
}

impl SlhSet {
    /// Every set, smallest first.
    pub const ALL: [Self; 3] = [Self::Sha2S128, Self::Sha2S192, Self::Sha2S256];

    /// The security parameter n in bytes: seeds and hashes are so long.
    const fn n(self) -> usize {
        match self {
            Self::Sha2S128 => 16,
            Self::Sha2S192 => 24,
            Self::Sha2S256 => 32,
        }
    }

    /// Length of a public key in bytes.
    pub const fn public_len(self) -> usize {
        2 * self.n()
    }

    /// Length of a private key in bytes.
    pub const fn secret_len(self) -> usize {
        4 * self.n()
    }

    /// Length of a signature in bytes.
    pub const fn signature_len(self) -> usize {
        match self {
            Self::Sha2S128 => 7856,
            Self::Sha2S192 => 16_224,
            Self::Sha2S256 => 29_792,
        }
    }

    /// The name in FIPS 205.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha2S128 => "SLH-DSA-SHA2-128s",
            Self::Sha2S192 => "SLH-DSA-SHA2-192s",
            Self::Sha2S256 => "SLH-DSA-SHA2-256s",
        }
    }

    /// The contents of its AlgorithmIdentifier in certificates (RFC 9909).
    pub const fn alg_id(self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(match self {
            Self::Sha2S128 => b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x14",
            Self::Sha2S192 => b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x16",
            Self::Sha2S256 => b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x03\x18",
        })
    }

    /// Whether `signature` is one of `message` by `public`, with an empty context.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Refused`] where it is not.
    pub fn verify(self, public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), PrimitiveError> {
        match self {
            Self::Sha2S128 => verify::<Sha2_128s>(public, message, signature),
            Self::Sha2S192 => verify::<Sha2_192s>(public, message, signature),
            Self::Sha2S256 => verify::<Sha2_256s>(public, message, signature),
        }
    }
}

/// A private key of SLH-DSA, as FIPS 205 writes it: SK.seed ‖ SK.prf ‖ PK.seed ‖ PK.root.
///
/// The library's own key is not wiped, so it only lives while it signs, which an authority rarely does.
pub struct SlhKey {
    set: SlhSet,
    secret: Secret,
}

impl SlhKey {
    /// A fresh key: some seconds for a large set.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Failed`] where the random source does.
    pub fn generate(set: SlhSet) -> Result<Self, PrimitiveError> {
        let seeds = Secret::filled(3 * set.n(), |bytes| {
            aws_lc_rs::rand::fill(bytes)
                .map_err(|_| PrimitiveError::Failed { backend: Backend::AwsLc, what: "random bytes" })
        })?;
        let secret = match set {
            SlhSet::Sha2S128 => expand::<Sha2_128s>(set, &seeds),
            SlhSet::Sha2S192 => expand::<Sha2_192s>(set, &seeds),
            SlhSet::Sha2S256 => expand::<Sha2_256s>(set, &seeds),
        }?;
        Ok(Self { set, secret })
    }

    /// The key of these bytes.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Length`].
    pub fn from_bytes(set: SlhSet, secret: Secret) -> Result<Self, PrimitiveError> {
        super::expect_len("private key", secret.len(), set.secret_len())?;
        Ok(Self { set, secret })
    }

    /// The parameter set.
    pub fn set(&self) -> SlhSet {
        self.set
    }

    /// The key's bytes.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The public key's bytes, the second half of the private one.
    pub fn public(&self) -> &[u8] {
        self.secret.expose().get(self.set.public_len()..).unwrap_or_default()
    }

    /// Signs with an empty context, deterministically (FIPS 205, section 9.2).
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Failed`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
        match self.set {
            SlhSet::Sha2S128 => sign::<Sha2_128s>(&self.secret, message),
            SlhSet::Sha2S192 => sign::<Sha2_192s>(&self.secret, message),
            SlhSet::Sha2S256 => sign::<Sha2_256s>(&self.secret, message),
        }
    }
}

impl fmt::Debug for SlhKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlhKey").field("set", &self.set).finish_non_exhaustive()
    }
}

fn expand<P: ParameterSet>(set: SlhSet, seeds: &Secret) -> Result<Secret, PrimitiveError> {
    let mut parts = seeds.expose().chunks_exact(set.n());
    let (Some(sk_seed), Some(sk_prf), Some(pk_seed)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(PrimitiveError::Length { what: "seed", length: seeds.len(), expected: 3 * set.n() });
    };
    Ok(SigningKey::<P>::slh_keygen_internal(sk_seed, sk_prf, pk_seed).to_vec().into())
}

fn sign<P: ParameterSet>(secret: &Secret, message: &[u8]) -> Result<Vec<u8>, PrimitiveError> {
    let failed = PrimitiveError::Failed { backend: Backend::AwsLc, what: "SLH-DSA signature" };
    let key = SigningKey::<P>::try_from(secret.expose()).map_err(|_| failed)?;
    Ok(key.try_sign_with_context(message, &[], None).map_err(|_| failed)?.to_vec())
}

fn verify<P: ParameterSet>(public: &[u8], message: &[u8], signature: &[u8]) -> Result<(), PrimitiveError> {
    let refused = PrimitiveError::Refused { what: "signature" };
    let key = VerifyingKey::<P>::try_from(public).map_err(|_| refused)?;
    let signature = Signature::<P>::try_from(signature).map_err(|_| refused)?;
    key.try_verify_with_context(message, &[], &signature).map_err(|_| refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_verified_and_a_changed_one_refused() {
        let key = SlhKey::generate(SlhSet::Sha2S128).unwrap();
        let mut signature = key.sign(b"certificate").unwrap();
        assert_eq!(
            (signature.len(), key.public().len()),
            (key.set().signature_len(), key.set().public_len())
        );
        assert_eq!(key.set().verify(key.public(), b"certificate", &signature), Ok(()));
        assert!(key.set().verify(key.public(), b"other", &signature).is_err());
        signature[4000] ^= 1;
        assert!(key.set().verify(key.public(), b"certificate", &signature).is_err());
        assert!(key.set().verify(key.public(), b"certificate", &signature[1..]).is_err());
        assert!(key.set().verify(&key.public()[1..], b"certificate", &signature).is_err());
        let again = SlhKey::from_bytes(key.set(), Secret::copied(key.secret().expose())).unwrap();
        assert_eq!(again.public(), key.public());
    }
}
