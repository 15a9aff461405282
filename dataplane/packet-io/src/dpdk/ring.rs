use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use dpdk_sys::{rte_mbuf, rte_ring};

use super::eal::Eal;
use super::error::{DpdkError, Errno};
use super::mbuf::{Mbuf, Packets, fill, forget_first};
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
    pub(super) fn push_or_drop(&mut self, packets: &mut Packets) {
        let pushed = self.push(packets);
        forget_first(packets, pushed);
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

    /// Takes out as many packets as are there, `room` at most.
    pub(super) fn pop(&mut self, into: &mut Packets, room: usize) {
        // SAFETY: this is the ring's only consumer.
        unsafe { self.0.pop(into, room) };
    }
}

#[derive(Debug)]
struct Ring {
    raw: NonNull<rte_ring>,
    dropped: DropCounts,
    _eal: Eal,
}

impl Ring {
    /// Takes packets out.
    ///
    /// # Safety
    /// Nobody else takes packets out meanwhile.
    unsafe fn pop(&self, into: &mut Packets, room: usize) -> usize {
        let write = |place, room: usize| {
            let room = u32::try_from(room).unwrap_or_default();
            // SAFETY: there is one consumer, by the caller's promise, and room for that many.
            unsafe { dpdk_sys::dpdk_shim_ring_sc_dequeue_burst(self.raw.as_ptr(), place, room) as usize }
        };
        // SAFETY: only packets were put in, each of which was forgotten by its owner then.
        unsafe { fill(into, room, write) }
    }
}

// SAFETY: a ring is made for use by two threads, one at each end; the ends are not `Clone`.
unsafe impl Send for Ring {}
// SAFETY: as above; the counts are atomic.
unsafe impl Sync for Ring {}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut left = Packets::new();
        // SAFETY: both ends are gone, so there is no other consumer.
        while unsafe { self.pop(&mut left, BURST) } > 0 {
            left.clear();
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
