use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use arrayvec::ArrayVec;
use dpdk_sys::{rte_mbuf, rte_ring};

use super::eal::Eal;
use super::error::{DpdkError, Errno};
use super::mbuf::Mbuf;
use crate::BURST;

/// A ring from one thread to another: the end that puts packets in.
#[derive(Debug)]
pub(super) struct Producer(Arc<Ring>);

/// The end that takes packets out.
#[derive(Debug)]
pub(super) struct Consumer(Arc<Ring>);

/// Makes a ring of at least `capacity` packets (a power of two less one).
pub(super) fn channel(eal: &Eal, capacity: u32, numa: i32) -> Result<(Producer, Consumer), DpdkError> {
    let name = eal.unique_name("ring")?;
    let slots = capacity.saturating_add(1).checked_next_power_of_two().unwrap_or(u32::MAX);
    let flags = dpdk_sys::RING_SP_ENQ | dpdk_sys::RING_SC_DEQ;
    // SAFETY: the name is NUL-terminated and copied; the number is checked by the function.
    let raw = unsafe { dpdk_sys::rte_ring_create(name.as_ptr(), slots, numa, flags) };
    let Some(raw) = NonNull::new(raw) else {
        return Err(DpdkError::Ring { capacity, errno: Errno::last() });
    };
    let ring = Arc::new(Ring { raw, dropped: DropCounts::default(), _eal: eal.clone() });
    Ok((Producer(Arc::clone(&ring)), Consumer(ring)))
}

impl Producer {
    /// Puts packets in from the front; what does not fit stays.
    pub(super) fn push(&mut self, packets: &mut [Mbuf]) -> usize {
        let count = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        let from = packets.as_ptr().cast::<*mut rte_mbuf>();
        // SAFETY: this is the ring's only producer, and `Mbuf` is a pointer to a buffer; the caller forgets the packets
        // that went in.
        let pushed = unsafe { dpdk_sys::dpdk_shim_ring_sp_enqueue_burst(self.0.raw.as_ptr(), from, count) };
        pushed as usize
    }

    /// Puts packets in; what does not fit is dropped and counted.
    pub(super) fn push_or_drop<const N: usize>(&mut self, packets: &mut ArrayVec<Mbuf, N>) {
        let pushed = self.push(packets);
        for sent in packets.drain(..pushed) {
            let _in_the_ring = sent.into_raw();
        }
        if !packets.is_empty() {
            self.0.dropped.add(packets);
            packets.clear();
        }
    }

    /// What was dropped at this ring so far.
    pub(super) fn counts(&self) -> RingDrops {
        RingDrops(Arc::clone(&self.0))
    }
}

impl Consumer {
    /// What was dropped at this ring so far.
    pub(super) fn counts(&self) -> RingDrops {
        RingDrops(Arc::clone(&self.0))
    }

    /// Takes out as many packets as are there, at most `room`.
    pub(super) fn pop<'a>(
        &mut self,
        into: &'a mut [*mut rte_mbuf; BURST],
        room: usize,
    ) -> impl Iterator<Item = Mbuf> + use<'a> {
        let count = u32::try_from(room.min(BURST)).unwrap_or_default();
        // SAFETY: this is the ring's only consumer, and `into` has room for that many.
        let popped = unsafe {
            dpdk_sys::dpdk_shim_ring_sc_dequeue_burst(self.0.raw.as_ptr(), into.as_mut_ptr(), count)
        };
        received(into, popped as usize)
    }
}

/// The first `count` of what a driver or ring wrote.
pub(super) fn received(from: &[*mut rte_mbuf; BURST], count: usize) -> impl Iterator<Item = Mbuf> + use<'_> {
    from.iter().take(count).filter_map(|raw| NonNull::new(*raw)).map(|raw| {
        // SAFETY: the driver or ring handed out each of these pointers once, and this is the one place that takes it.
        unsafe { Mbuf::from_raw(raw) }
    })
}

#[derive(Debug)]
struct Ring {
    raw: NonNull<rte_ring>,
    dropped: DropCounts,
    _eal: Eal,
}

// SAFETY: a ring is made for use by two threads, one at each end; the ends are not `Clone`.
unsafe impl Send for Ring {}
// SAFETY: as above; the counts are atomic.
unsafe impl Sync for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut left = [core::ptr::null_mut(); BURST];
        loop {
            // SAFETY: both ends are gone, so this is the only consumer; `left` has room for `BURST`.
            let count = unsafe {
                dpdk_sys::dpdk_shim_ring_sc_dequeue_burst(self.raw.as_ptr(), left.as_mut_ptr(), BURST as u32)
            };
            if count == 0 {
                break;
            }
            received(&left, count as usize).for_each(drop);
        }
        // SAFETY: the ring is empty and nobody has it any more.
        unsafe { dpdk_sys::rte_ring_free(self.raw.as_ptr()) }
    }
}

/// Reads what was dropped at a ring.
#[derive(Clone, Debug)]
pub(super) struct RingDrops(Arc<Ring>);

impl RingDrops {
    /// Packets dropped.
    pub(super) fn packets(&self) -> u64 {
        self.0.dropped.packets.load(Ordering::Relaxed)
    }

    /// Bytes of them.
    pub(super) fn bytes(&self) -> u64 {
        self.0.dropped.bytes.load(Ordering::Relaxed)
    }
}

/// Written by the producer only.
#[derive(Debug, Default)]
struct DropCounts {
    packets: AtomicU64,
    bytes: AtomicU64,
}

impl DropCounts {
    fn add(&self, packets: &[Mbuf]) {
        let bytes: u64 = packets.iter().map(|packet| u64::from(packet.len())).sum();
        self.bytes.store(self.bytes.load(Ordering::Relaxed).wrapping_add(bytes), Ordering::Relaxed);
        let count = packets.len() as u64;
        self.packets.store(self.packets.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }
}
