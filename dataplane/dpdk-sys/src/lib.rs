//! Bindings to the system's libdpdk (22.11 or later), and a C shim for its static inline functions.
//!
//! `build.rs` finds the library, and says what to install where it is missing. Names, meanings and safety rules of the
//! functions are those of the DPDK API documentation; `dpdk_shim_x` is the inline function `rte_x`. [`rte_mbuf`] is
//! declared here field by field, since the header's is made of nested unions; its offsets are compared with libclang's
//! at compile time and, with those of the other structures, with the C compiler's by [`layout_mismatch`].
#![expect(unsafe_code, reason = "the binding itself")]

mod bindings;
mod layout;
mod mbuf;
mod opaque;

pub use bindings::*;
pub use layout::{LayoutMismatch, layout_mismatch};
pub use mbuf::rte_mbuf;
pub use opaque::{rte_device, rte_mempool, rte_ring};
