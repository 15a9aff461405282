//! The four rings of a socket: one side is the kernel's, one ours.
//!
//! A ring is written and read by one thread of this process, which `&mut self` sees to. What is in an entry of the
//! kernel's side is checked before it is used; what we put in an entry must be a frame that nobody else has.

use std::io;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::linux::{Mapping, Plain};

/// Where the kernel has put a ring, and how many entries it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) page_offset: libc::off_t,
    pub(super) offsets: libc::xdp_ring_offset,
    /// Entries, a power of two.
    pub(super) entries: u32,
}

/// A ring of entries `T`, mapped.
#[derive(Debug)]
struct Ring<T> {
    mapping: Mapping,
    producer: usize,
    consumer: usize,
    flags: usize,
    entries: usize,
    mask: u32,
    entry: PhantomData<T>,
}

impl<T: Plain> Ring<T> {
    fn map(fd: &impl AsRawFd, place: Place) -> io::Result<Self> {
        let at =
            |offset: u64| usize::try_from(offset).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
        let entries = at(place.offsets.desc)?;
        let len = entries + place.entries as usize * size_of::<T>();
        let mapping = Mapping::ring(fd, len, place.page_offset)?;
        let ring = Self {
            producer: at(place.offsets.producer)?,
            consumer: at(place.offsets.consumer)?,
            flags: at(place.offsets.flags)?,
            entries,
            mask: place.entries - 1,
            mapping,
            entry: PhantomData,
        };
        let inside = |offset: usize| offset.is_multiple_of(4) && offset + 4 <= len;
        if place.entries.is_power_of_two()
            && [ring.producer, ring.consumer, ring.flags].into_iter().all(inside)
            && entries.is_multiple_of(align_of::<T>())
        {
            return Ok(ring);
        }
        Err(io::Error::from_raw_os_error(libc::EINVAL))
    }

    #[inline]
    fn word(&self, offset: usize) -> &AtomicU32 {
        let word = self.mapping.start().wrapping_add(offset).cast::<u32>();
        // SAFETY: within the mapping and aligned, which `map` has seen to; the kernel changes it atomically.
        unsafe { AtomicU32::from_ptr(word) }
    }

    #[inline]
    fn entry(&self, index: u32) -> *mut T {
        let at = (index & self.mask) as usize * size_of::<T>();
        self.mapping.start().wrapping_add(self.entries + at).cast()
    }

    #[inline]
    fn wants_wakeup(&self) -> bool {
        self.word(self.flags).load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

/// A ring that we fill: the fill ring and the transmit ring.
#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Ring<T>,
    /// Next entry to be written.
    next: u32,
    /// What the kernel had consumed when it was last looked at.
    consumed: u32,
}

impl<T: Plain> Producer<T> {
    pub(super) fn map(fd: &impl AsRawFd, place: Place) -> io::Result<Self> {
        Ok(Self { ring: Ring::map(fd, place)?, next: 0, consumed: 0 })
    }

    /// Entries that can be written now.
    #[inline]
    pub(super) fn room(&mut self) -> u32 {
        self.consumed = self.ring.word(self.ring.consumer).load(Ordering::Acquire);
        (self.ring.mask + 1).saturating_sub(self.next.wrapping_sub(self.consumed))
    }

    /// Writes an entry, which the kernel sees after [`Self::publish`]; the caller has seen that there is room.
    #[inline]
    pub(super) fn write(&mut self, value: T) {
        let entry = self.ring.entry(self.next);
        // SAFETY: within the ring by the mask, and the kernel reads only what is published.
        unsafe { entry.write(value) };
        self.next = self.next.wrapping_add(1);
    }

    /// Shows the kernel all entries written.
    #[inline]
    pub(super) fn publish(&mut self) {
        self.ring.word(self.ring.producer).store(self.next, Ordering::Release);
    }

    /// Entries that the kernel has not consumed yet.
    #[inline]
    pub(super) fn waiting(&self) -> u32 {
        self.next.wrapping_sub(self.ring.word(self.ring.consumer).load(Ordering::Relaxed))
    }

    /// Whether the kernel sleeps until it is called.
    #[inline]
    pub(super) fn wants_wakeup(&self) -> bool {
        self.ring.wants_wakeup()
    }
}

/// A ring that the kernel fills: the receive ring and the completion ring.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Ring<T>,
    /// Next entry to be read.
    next: u32,
}

impl<T: Plain> Consumer<T> {
    pub(super) fn map(fd: &impl AsRawFd, place: Place) -> io::Result<Self> {
        Ok(Self { ring: Ring::map(fd, place)?, next: 0 })
    }

    /// Entries that can be read now.
    #[inline]
    pub(super) fn available(&self) -> u32 {
        let produced = self.ring.word(self.ring.producer).load(Ordering::Acquire);
        produced.wrapping_sub(self.next).min(self.ring.mask + 1)
    }

    /// Reads an entry ahead of the next one, which stays; the caller has seen that it is there.
    #[inline]
    pub(super) fn peek(&self, ahead: u32) -> T {
        let entry = self.ring.entry(self.next.wrapping_add(ahead));
        // SAFETY: within the ring by the mask, and every bit pattern is a value.
        unsafe { entry.read() }
    }

    /// Gives entries that were read back to the kernel.
    #[inline]
    pub(super) fn release(&mut self, count: u32) {
        self.next = self.next.wrapping_add(count);
        self.ring.word(self.ring.consumer).store(self.next, Ordering::Release);
    }
}
