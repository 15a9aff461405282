//! Post-quantum key exchange of tunnels: TLS 1.3 with ML-KEM and ML-DSA, certificates, and the keys of ESP SAs.
//!
//! Nothing about the protocol is invented here: the channel is TLS 1.3 (RFC 8446) with hybrid groups
//! (draft-ietf-tls-ecdhe-mlkem) and ML-DSA certificates (RFC 9881), the keys come from its exporter.

#![forbid(unsafe_code)]

pub mod channel;
pub mod classical;
pub mod credentials;
pub mod endpoint;
pub mod gate;
#[cfg(feature = "measure")]
pub mod measure;
pub mod pki;
pub mod primitive;
pub mod process;
pub mod profile;
pub mod reach;
pub mod refusal;
pub mod schedule;
pub mod secret;
pub mod selftest;
pub mod session;
pub mod tls;
