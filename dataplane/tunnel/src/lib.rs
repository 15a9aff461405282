//! ESP tunnels as standards have them: security associations of AES-256-GCM, replay windows, and packets that are
//! sealed and opened in place.
//!
//! ```text
//! inner packet ──► policy ──► OutboundSa::seal ──► outer IP [UDP] ESP [ IV, inner packet, trailer, tag ]
//! outer packet ──► SPI ─────► replay window ─► tag ─► window moves ─► padding, selectors, ECN ──► inner packet
//! ```
//!
//! | what | where it is written |
//! |---|---|
//! | ESP in tunnel mode, extended numbers, padding, dummies | RFC 4303 |
//! | AES-256-GCM with a 16-byte tag | RFC 4106 |
//! | replay window | RFC 6479 |
//! | UDP encapsulation and keep-alives | RFC 3948 |
//! | one SA to a core | RFC 9611 |
//! | ECN and DSCP | RFC 6040, RFC 2983 |
//! | Ethernet inside | RFC 3378, RFC 2784 |
//!
//! **Nonces.** A nonce is the SA's salt and the 64-bit number of the packet. A number is given out once: the counter
//! belongs to the one [`OutboundSa`] that used its [`SaKey`] up, cannot be copied or set, starts at 1, and stops at a
//! limit. Nothing of it is ever stored: a new start means new keys.
//!
//! Nothing here allocates for a packet, reads a clock, or knows where packets come from.

#![forbid(unsafe_code)]

mod aead;
mod clamp;
mod counter;
mod ecn;
mod fragment;
mod gateway;
mod inbound;
mod inner;
mod key;
mod open;
mod outbound;
mod outer;
mod packet;
mod replay;
mod sa;
#[cfg(test)]
mod sample;
mod seal;
mod selector;
mod sequence;
mod too_big;

#[cfg(all(feature = "ipsec-mb", target_arch = "x86_64"))]
pub use aead::IpsecMb;
pub use aead::{Aad, Aead, Aes256Gcm, AwsLc, Forged, NONCE, Nonce, TAG, TooShort};
pub use clamp::clamp_mss;
pub use counter::{Counter, Counters};
pub use ecn::{DscpMode, EcnMode};
pub use fragment::Fragments;
pub use gateway::{Gateway, Notice, Roaming, Tally, TooManyPeers};
pub use inbound::{InboundTable, TableError};
pub use inner::Version;
pub use key::{KEY_MATERIAL, SaKey};
pub use open::{InboundConfig, InboundSa, OpenRefusal, Opened};
pub use outbound::{OutboundTable, POLICIES_MAX, PolicyId, UnknownPolicy};
pub use outer::{Carrier, Endpoint, NAT_PORT, Path};
pub use packet::{HEADROOM, Packet, TAILROOM};
pub use replay::{Freshness, ReplayWindow, Stale, WINDOW};
pub use sa::{CoreId, Epoch, Framing, Limits, Moment, PeerId, SaError, Spi};
pub use seal::{OutboundConfig, OutboundSa, SealRefusal, TfcPadding};
pub use selector::{Prefix, SELECTORS_MAX, Selector, Selectors, TooManySelectors};
pub use sequence::{Sequence, infer};
pub use too_big::{AnswerRate, answer_too_big};
