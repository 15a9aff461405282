//! AES-256-GCM (NIST SP 800-38D) of the system's libIPSec_MB, by its direct API: one call a packet, no job queue.
//!
//! On anything but x86-64 the crate is empty.

#![cfg(target_arch = "x86_64")]

mod gcm;
mod port_bound;

pub use gcm::{Aad, Gcm256, Opening, TAG};
pub use port_bound::{PortBound, port_bound};
