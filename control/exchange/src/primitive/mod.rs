//! The primitives of FIPS 203 and FIPS 204 behind two small traits, each computed by two libraries.

mod aws_lc;
mod liboqs;
mod slh;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use slh::{SlhKey, SlhSet};

use crate::secret::Secret;

/// The library that computes. Chosen at run time; both are always there, one is the other's oracle in the self-test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backend {
    /// liboqs, by the crate `oqs`.
    #[default]
    Liboqs,
    /// AWS-LC, by the crate `aws-lc-rs`.
    AwsLc,
}

impl Backend {
    /// Every backend.
    pub const ALL: [Self; 2] = [Self::Liboqs, Self::AwsLc];

    /// ML-KEM by this library.
    pub fn kem(self) -> &'static dyn Kem {
        match self {
            Self::Liboqs => &liboqs::Liboqs,
            Self::AwsLc => &aws_lc::AwsLc,
        }
    }

    /// ML-DSA by this library.
    pub fn signatures(self) -> &'static dyn Signatures {
        match self {
            Self::Liboqs => &liboqs::Liboqs,
            Self::AwsLc => &aws_lc::AwsLc,
        }
    }

    /// The name that is written in configurations: `liboqs` or `aws-lc`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Liboqs => "liboqs",
            Self::AwsLc => "aws-lc",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, UnknownBackend> {
        Self::ALL.into_iter().find(|backend| backend.name() == text).ok_or(UnknownBackend)
    }
}

/// No library of this name computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown library: `liboqs` or `aws-lc`")]
pub struct UnknownBackend;

/// Parameter set of ML-KEM (FIPS 203, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KemSet {
    /// ML-KEM-512, category 1. Computed and tested, in no TLS group that we offer.
    MlKem512,
    /// ML-KEM-768, category 3.
    MlKem768,
    /// ML-KEM-1024, category 5.
    MlKem1024,
}

impl KemSet {
    /// Every set, smallest first.
    pub const ALL: [Self; 3] = [Self::MlKem512, Self::MlKem768, Self::MlKem1024];

    /// Length of an encapsulation key in bytes.
    pub const fn public_len(self) -> usize {
        match self {
            Self::MlKem512 => 800,
            Self::MlKem768 => 1184,
            Self::MlKem1024 => 1568,
        }
    }

    /// Length of a decapsulation key in bytes.
    pub const fn secret_len(self) -> usize {
        match self {
            Self::MlKem512 => 1632,
            Self::MlKem768 => 2400,
            Self::MlKem1024 => 3168,
        }
    }

    /// Length of a ciphertext in bytes.
    pub const fn ciphertext_len(self) -> usize {
        match self {
            Self::MlKem512 => 768,
            Self::MlKem768 => 1088,
            Self::MlKem1024 => 1568,
        }
    }

    /// The name in FIPS 203.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlKem512 => "ML-KEM-512",
            Self::MlKem768 => "ML-KEM-768",
            Self::MlKem1024 => "ML-KEM-1024",
        }
    }
}

/// Length of a shared secret of ML-KEM in bytes.
pub const SHARED_SECRET_LEN: usize = 32;

/// Parameter set of ML-DSA (FIPS 204, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DsaSet {
    /// ML-DSA-44, category 2.
    MlDsa44,
    /// ML-DSA-65, category 3.
    MlDsa65,
    /// ML-DSA-87, category 5.
    MlDsa87,
}

impl DsaSet {
    /// Every set, smallest first.
    pub const ALL: [Self; 3] = [Self::MlDsa44, Self::MlDsa65, Self::MlDsa87];

    /// Length of a public key in bytes.
    pub const fn public_len(self) -> usize {
        match self {
            Self::MlDsa44 => 1312,
            Self::MlDsa65 => 1952,
            Self::MlDsa87 => 2592,
        }
    }

    /// Length of an expanded private key in bytes.
    pub const fn secret_len(self) -> usize {
        match self {
            Self::MlDsa44 => 2560,
            Self::MlDsa65 => 4032,
            Self::MlDsa87 => 4896,
        }
    }

    /// Length of a signature in bytes.
    pub const fn signature_len(self) -> usize {
        match self {
            Self::MlDsa44 => 2420,
            Self::MlDsa65 => 3309,
            Self::MlDsa87 => 4627,
        }
    }

    /// The name in FIPS 204.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }
}

/// Length of the seed of an ML-DSA key pair in bytes.
pub const SEED_LEN: usize = 32;

/// Why a primitive gave no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrimitiveError {
    /// A key, ciphertext or signature is not as long as its parameter set says.
    #[error("{what} is {length} bytes long instead of {expected}")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// The length that it has.
        length: usize,
        /// The length that the parameter set gives it.
        expected: usize,
    },
    /// The library refuses the input: a key that is not reduced or whose hash is wrong, a bad signature.
    #[error("{what} was refused")]
    Refused {
        /// What was refused.
        what: &'static str,
    },
    /// The library's interface does not reach this.
    #[error("{backend} cannot do this: {what}")]
    Unsupported {
        /// The library.
        backend: Backend,
        /// What was asked.
        what: &'static str,
    },
    /// The library failed where it must not.
    #[error("{backend} failed: {what}")]
    Failed {
        /// The library.
        backend: Backend,
        /// What was asked.
        what: &'static str,
    },
}

/// A key pair of ML-KEM.
#[derive(Debug)]
pub struct KemKeys {
    /// Encapsulation key.
    pub public: Vec<u8>,
    /// Decapsulation key, expanded.
    pub secret: Secret,
}

/// What encapsulation gives.
#[derive(Debug)]
pub struct Encapsulated {
    /// For the holder of the decapsulation key.
    pub ciphertext: Vec<u8>,
    /// The shared secret, [`SHARED_SECRET_LEN`] bytes.
    pub shared: Secret,
}

/// ML-KEM (FIPS 203) with bytes of another's in and out: both checks of its section 7 are made on every call.
pub trait Kem: Send + Sync + fmt::Debug {
    /// A fresh key pair.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Failed`] where the random source does.
    fn keypair(&self, set: KemSet) -> Result<KemKeys, PrimitiveError>;

    /// The key pair of the 64 bytes d ‖ z, for tests against vectors.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Unsupported`] where the library has no such interface, [`PrimitiveError::Length`].
    fn keypair_of(&self, set: KemSet, seed: &Secret) -> Result<KemKeys, PrimitiveError>;

    /// A fresh shared secret for the holder of the key to `public`.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Length`], or [`PrimitiveError::Refused`] where `public` is not reduced.
    fn encapsulate(&self, set: KemSet, public: &[u8]) -> Result<Encapsulated, PrimitiveError>;

    /// The shared secret in `ciphertext`. A ciphertext that was changed gives another secret, not an error (FIPS 203,
    /// implicit rejection).
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Length`], or [`PrimitiveError::Refused`] where the hash within `secret` is wrong.
    fn decapsulate(&self, set: KemSet, secret: &Secret, ciphertext: &[u8]) -> Result<Secret, PrimitiveError>;
}

/// A private key of ML-DSA, ready to sign.
pub trait DsaKey: Send + Sync + fmt::Debug {
    /// The parameter set.
    fn set(&self) -> DsaSet;

    /// The public key's bytes.
    fn public(&self) -> &[u8];

    /// Signs `message` with an empty context, hedged (FIPS 204, section 3.4).
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Failed`].
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, PrimitiveError>;
}

/// ML-DSA (FIPS 204), pure, external interface.
pub trait Signatures: Send + Sync + fmt::Debug {
    /// The key pair of a seed of [`SEED_LEN`] bytes.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Length`] or [`PrimitiveError::Failed`].
    fn key(&self, set: DsaSet, seed: &Secret) -> Result<Box<dyn DsaKey>, PrimitiveError>;

    /// Whether `signature` is one of `message` and `context` by `public`.
    ///
    /// # Errors
    ///
    /// [`PrimitiveError::Refused`] or [`PrimitiveError::Length`] where it is not, [`PrimitiveError::Unsupported`] for a
    /// context where the library takes none.
    fn verify(&self, set: DsaSet, public: &[u8], signed: Signed<'_>) -> Result<(), PrimitiveError>;
}

/// A message with its signature.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// What is signed.
    pub message: &'a [u8],
    /// Up to 255 bytes of context; TLS and X.509 have none.
    pub context: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

/// A fresh seed of [`SEED_LEN`] bytes.
///
/// # Errors
///
/// [`PrimitiveError::Failed`] where the random source does.
pub fn fresh_seed() -> Result<Secret, PrimitiveError> {
    Secret::filled(SEED_LEN, |bytes| {
        aws_lc_rs::rand::fill(bytes)
            .map_err(|_| PrimitiveError::Failed { backend: Backend::AwsLc, what: "random bytes" })
    })
}

/// The private key expanded, and the public key, of a seed (FIPS 204, algorithm 6).
///
/// Always computed by AWS-LC: liboqs 0.13 cannot expand a seed.
///
/// # Errors
///
/// [`PrimitiveError::Length`] or [`PrimitiveError::Failed`].
pub fn expand_seed(set: DsaSet, seed: &Secret) -> Result<(Vec<u8>, Secret), PrimitiveError> {
    aws_lc::expand(set, seed)
}

fn expect_len(what: &'static str, length: usize, expected: usize) -> Result<(), PrimitiveError> {
    if length == expected { Ok(()) } else { Err(PrimitiveError::Length { what, length, expected }) }
}
