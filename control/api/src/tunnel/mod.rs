//! What the daemon, which agrees on keys, and the data plane, which uses them, say to each other: binary messages of a
//! fixed layout over a Unix socket of their own, so that a key is in one buffer, which is wiped.
//!
//! The data plane listens beside its control socket ([`socket_beside`]); root or its own user may connect, one at a
//! time. It says [`Report::Hello`] first. The daemon gives [`Order`]s, the data plane [`Report`]s; both read with
//! [`Incoming`] and write with [`send`]. The order of things for one epoch of a peer:
//!
//! ```text
//! daemon                                   data plane
//! Install (each SA, both directions) ────►
//! Complete ──────────────────────────────► Installed (inbound SAs open packets; outbound ones wait)
//! Probe ─────────────────────────────────► a dummy packet on each outbound SA, again until Up
//!                                          Heard (each inbound SA of the epoch has opened a packet)
//! Up ────────────────────────────────────► outbound SAs of the epoch are used, those before it are wiped
//! Wipe (an epoch before it) ─────────────► Wiped (its inbound SPIs are free again)
//! ```
//!
//! SAs belong to the data plane: they live on where the daemon goes away, until their limits. A daemon that connects
//! learns from `Hello` which there are, and wipes them once new ones are up.

mod message;
mod order;
mod report;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use message::{Arrival, Incoming, KeyChannelError, MAX_MESSAGE, Message, send};
pub use order::{Install, Order, Remote, SaDirection, SaKeyMaterial, SaLimits, Suite};
pub use report::{InstalledEpoch, Objection, PeerCounters, Report};

use crate::config::Framing;

/// Version of this language; both sides must have the same.
pub const VERSION: u16 = 1;

/// Bytes of an SA's key material: a key of AES-256 and the salt of its nonces (RFC 4106, 8.1).
pub const KEY_MATERIAL: usize = 36;

/// Peers that a data plane has at most.
pub const MAX_PEERS: usize = 256;

/// Queues that a side of a tunnel sends from at most; one SA each.
pub const MAX_QUEUES: u16 = 256;

/// The key socket that belongs to a control socket: the same path with `.keys` behind it.
#[must_use]
pub fn socket_beside(control: &Path) -> PathBuf {
    let mut path = control.as_os_str().to_owned();
    path.push(".keys");
    path.into()
}

/// Name of a peer, as `live.tunnel.peers.name` has it: 1 to 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName {
    bytes: [u8; PeerName::MAX],
    len: u8,
}

impl PeerName {
    /// Bytes of the longest.
    pub const MAX: usize = 32;

    /// The name; `None` where it is empty, longer than [`Self::MAX`], or more than letters, digits, `_`, `-` and `.`.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        text.bytes().all(is_plain).then_some(Self { bytes, len })
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..usize::from(self.len))
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for PeerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Framing {
    const fn number(self) -> u8 {
        match self {
            Self::Ip => 1,
            Self::EtherIp => 2,
            Self::Gre => 3,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Ip),
            2 => Some(Self::EtherIp),
            3 => Some(Self::Gre),
            _ => None,
        }
    }
}
