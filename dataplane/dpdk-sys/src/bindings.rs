//! What bindgen made of `shim/shim.h`.
#![expect(
    missing_docs,
    non_camel_case_types,
    unused_qualifications,
    clippy::all,
    clippy::multiple_unsafe_ops_per_block,
    clippy::undocumented_unsafe_blocks,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "generated"
)]

use crate::{rte_device, rte_mbuf, rte_mempool, rte_ring};

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
