use core::marker::PhantomData;

use super::eal::Eal;
use super::error::{DpdkError, Errno};

/// A logical core, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u16);

/// A thread that is pinned and known to DPDK: it has a buffer cache of its own in every pool.
///
/// Dropping it takes the registration back; the thread stays pinned.
#[derive(Debug)]
pub struct ThreadGuard {
    registered: Registration,
    eal: Eal,
    // A registration belongs to the thread that made it.
    not_send: PhantomData<*const ()>,
}

#[derive(Debug, PartialEq, Eq)]
enum Registration {
    Ours,
    /// The thread that started DPDK is known from there.
    OfTheEal,
}

impl Eal {
    /// Pins the calling thread to `core` and registers it with DPDK.
    ///
    /// A thread that polls without this shares the pools without a cache, which is slow, and starts on the core of the
    /// thread that started DPDK. The thread that started DPDK is only pinned.
    ///
    /// # Errors
    /// [`DpdkError::Affinity`] where the core is not there or not allowed, [`DpdkError::Thread`] where DPDK has no
    /// number left (128 threads).
    pub fn register_thread(&self, core: CoreId) -> Result<ThreadGuard, DpdkError> {
        pin(core)?;
        // SAFETY: reads a thread-local variable.
        let known = unsafe { dpdk_sys::dpdk_shim_lcore_id() } != dpdk_sys::LCORE_UNKNOWN;
        if known {
            return Ok(ThreadGuard {
                registered: Registration::OfTheEal,
                eal: self.clone(),
                not_send: PhantomData,
            });
        }
        // SAFETY: `self` proves that DPDK is started, and this thread has no registration yet.
        if unsafe { dpdk_sys::rte_thread_register() } < 0 {
            return Err(DpdkError::Thread { errno: Errno::last() });
        }
        Ok(ThreadGuard { registered: Registration::Ours, eal: self.clone(), not_send: PhantomData })
    }
}

impl ThreadGuard {
    /// The DPDK environment that knows this thread.
    #[must_use]
    pub fn eal(&self) -> &Eal {
        &self.eal
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        if self.registered == Registration::Ours {
            // SAFETY: the guard cannot leave the thread that it registered, and `self.eal` keeps DPDK started.
            unsafe { dpdk_sys::rte_thread_unregister() };
        }
    }
}

/// Lets the calling thread run on one core only.
fn pin(core: CoreId) -> Result<(), DpdkError> {
    let mut mask = [0_u64; MASK_WORDS];
    let word = mask.get_mut(usize::from(core.0) / 64).ok_or_else(|| DpdkError::Affinity {
        core,
        source: std::io::Error::from_raw_os_error(libc::EINVAL),
    })?;
    *word |= 1 << (core.0 % 64);
    // SAFETY: the mask is as long as said, and the kernel reads it as an array of words of bits.
    let result = unsafe { libc::sched_setaffinity(0, size_of_val(&mask), mask.as_ptr().cast()) };
    if result < 0 {
        return Err(DpdkError::Affinity { core, source: std::io::Error::last_os_error() });
    }
    Ok(())
}

/// Words of the affinity mask: 1,024 cores, as many as `cpu_set_t` has.
const MASK_WORDS: usize = 16;
