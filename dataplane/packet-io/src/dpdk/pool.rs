use core::ptr::NonNull;

use dpdk_sys::rte_mempool;

use super::eal::Eal;
use super::error::{DpdkError, Errno};
use super::mbuf::Mbuf;
use crate::PacketBuf;

/// The packet buffers of a port.
#[derive(Clone, Debug)]
pub struct MbufPool {
    raw: RawPool,
    _eal: Eal,
}

impl MbufPool {
    /// Makes a pool that lives as long as the environment.
    pub(super) fn create(eal: &Eal, size: PoolSize, numa: i32) -> Result<Self, DpdkError> {
        let PoolSize { mbufs, data_room } = size;
        let name = eal.unique_name("pool")?;
        let cache = CACHE.min(mbufs / 4);
        // SAFETY: the name is NUL-terminated and copied; the numbers are checked by the function.
        let raw =
            unsafe { dpdk_sys::rte_pktmbuf_pool_create(name.as_ptr(), mbufs, cache, 0, data_room, numa) };
        let Some(raw) = NonNull::new(raw) else {
            return Err(DpdkError::Pool { mbufs, data_room, errno: Errno::last() });
        };
        let raw = RawPool(raw);
        eal.keep_pool(raw);
        Ok(Self { raw, _eal: eal.clone() })
    }

    pub(super) fn as_ptr(&self) -> *mut rte_mempool {
        self.raw.0.as_ptr()
    }

    /// A packet of these bytes; `None` where the pool is empty or the bytes do not fit one buffer.
    #[must_use]
    pub fn packet(&self, bytes: &[u8]) -> Option<Mbuf> {
        // SAFETY: the pool lives as long as `self._eal`.
        let raw = unsafe { dpdk_sys::dpdk_shim_pktmbuf_alloc(self.as_ptr()) };
        // SAFETY: a fresh buffer has one reference, which is handed to us.
        let mut mbuf = unsafe { Mbuf::from_raw(NonNull::new(raw)?) };
        mbuf.append(u16::try_from(bytes.len()).ok()?)?;
        mbuf.bytes_mut().copy_from_slice(bytes);
        Some(mbuf)
    }

    /// Buffers that are out of the pool: in bursts, rings and the device's descriptors.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.raw.in_use()
    }
}

/// How many buffers, and of which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PoolSize {
    pub(super) mbufs: u32,
    pub(super) data_room: u16,
}

/// A pool that the environment owns.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawPool(NonNull<rte_mempool>);

// SAFETY: pools are made for use by many threads.
unsafe impl Send for RawPool {}
// SAFETY: as above.
unsafe impl Sync for RawPool {}

impl RawPool {
    pub(super) fn in_use(self) -> u32 {
        // SAFETY: a `RawPool` is only reached through the environment that keeps the pool.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.0.as_ptr()) }
    }

    /// Frees the pool; called once, by the environment that kept it.
    pub(super) fn free(self) {
        // SAFETY: the environment found no buffer in use and no handle left, and forgets the pool.
        unsafe { dpdk_sys::rte_mempool_free(self.0.as_ptr()) }
    }
}

/// Buffers that each registered thread keeps for itself.
pub(super) const CACHE: u32 = 256;
