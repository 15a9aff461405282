//! Header views, checksums and flow keys.
//!
//! [`Headers::parse`] walks one captured frame from its link layer through VLAN tags, MPLS, PPPoE and tunnels to
//! the innermost transport header and says where everything is. It never allocates, never panics and never reads
//! outside the slice it was lent; a header that lies about its length is a [`Malformed`] with its reason.
//!
//! Frames of Ethernet, IP and TCP or UDP without extras take a straight-line path (`parse/fast.rs`); everything
//! else, and every malformed frame, takes the general one, which reads as `link` → `ip` → `transport` → `tunnel`.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;
// The packet builder of the integration tests knows this crate by its name.
#[cfg(test)]
extern crate self as wire;

pub mod checksum;
mod headers;
mod key;
mod link;
mod malformed;
pub mod number;
mod parse;

pub use headers::{
    Checksums, Fragment, Headers, IcmpFields, LayerSet, MAX_VLANS, ParseOptions, TcpFields, TcpFlags, Tunnel,
    TunnelKind,
};
pub use key::{FlowKey, KeyKind, Scope, Side};
pub use link::LinkType;
pub use malformed::Malformed;
