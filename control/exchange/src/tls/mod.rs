//! TLS 1.3 with hybrid groups and ML-DSA, for rustls.

mod config;
mod group;
mod signing;
mod store;
mod trust;
mod verification;

pub use config::{ALPN, Identity, Side, TlsError, client, provider, server};
pub use group::Group;
pub use signing::TlsKey;
pub use store::Tickets;
pub(crate) use trust::Check;
pub use trust::{PeerTrust, SpkiHash, Trust, TrustError, refusal_of, signature_of, spki_hash, spki_of};
pub(crate) use verification::algorithms;
