//! Structures that are only passed on by pointer.

/// A pool of buffers.
#[repr(C)]
pub struct rte_mempool {
    opaque: [u8; 0],
}

/// A ring of pointers.
#[repr(C)]
pub struct rte_ring {
    opaque: [u8; 0],
}

/// A device on a bus.
#[repr(C)]
pub struct rte_device {
    opaque: [u8; 0],
}
