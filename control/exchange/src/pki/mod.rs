//! A small authority: keys, certificates by RFC 5280 and RFC 9881, revocation lists, and their files.

mod authority;
mod certificate;
mod files;
mod key;
mod pkcs8;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

#[cfg(feature = "measure")]
pub(crate) use authority::InMemory;
pub use authority::{Authority, Init, Issued, Pair, Renewal, Validity, is_due, load_identity};
pub use certificate::{CertificateFacts, ListFacts, facts_of, facts_of_list};
pub use files::{read_certificates, read_key, read_lists};
pub use key::{Key, KeyKind};

use crate::primitive::PrimitiveError;
use crate::tls::TlsError;

/// Why a key, certificate or list could not be made, read or written.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is there already, and what it holds is not thrown away.
    #[error("{}: is already there", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read a private key.
    #[error("{}: a private key that others may read (mode {mode:o}): chmod 600, and better make a new one", path.display())]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file holds something else.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A private key is not written as we read it.
    #[error("not a private key of ML-DSA (seed), SLH-DSA, Ed25519 or ECDSA P-384 in PKCS#8")]
    Key,
    /// An expanded private key of ML-DSA without its seed.
    #[error("an ML-DSA private key without its seed (RFC 9881 allows it, we need the seed)")]
    KeyWithoutSeed,
    /// A name that a certificate cannot have.
    #[error(
        "`{name}` is not a name: letters, digits, dots and hyphens for a peer, also spaces for an authority"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A certificate cannot be encoded or is none.
    #[error("certificate: {0}")]
    Der(#[from] x509_cert::der::Error),
    /// The current time is before 1970 or beyond 9999.
    #[error("the clock is wrong")]
    Clock,
    /// The certificate still has more than a third of its life.
    #[error("{name}: not due before {due} s of Unix time; use force")]
    NotDue {
        /// Whose certificate.
        name: String,
        /// When it is due, in seconds since 1970.
        due: u64,
    },
    /// A primitive failed.
    #[error(transparent)]
    Primitive(#[from] PrimitiveError),
    /// Key and certificate do not fit.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// AWS-LC could not make or use a classical key.
    #[error("a classical key could not be made or used")]
    Classical,
}
