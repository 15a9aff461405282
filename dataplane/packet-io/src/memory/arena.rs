//! Packets laid out once, and lent again and again.

#![expect(
    unsafe_code,
    reason = "a lent packet reaches into the arena without a reference count, which would cost more than the rest"
)]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::PacketBuf;
use crate::storage::{LINE, Storage};

/// The bytes of all packets in one piece, each starting on a cache line, and whether each is lent.
///
/// The rule that keeps this sound, and that only this file can break: **a packet is lent only while its state is not
/// [`LENT`], its state is [`LENT`] until its [`MemoryBuf`] is dropped, and the memory is freed only while no state is
/// [`LENT`]**. An arena that is dropped while packets are lent stays allocated for good.
pub(crate) struct Arena {
    shelf: Arc<Shelf>,
    places: Box<[Place]>,
    room: Room,
}

/// What lent packets point into: held by reference count, so that it stays where it is when the arena is moved.
struct Shelf {
    bytes: Storage,
    states: Box<[AtomicU8]>,
}

/// Where a packet lies in an arena, without its room.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    len: u32,
}

/// Free bytes around every packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Before it; a multiple of 64 keeps packets on the start of a cache line.
    pub before: u16,
    /// Behind it.
    pub behind: u16,
}

/// Not lent, and with the bytes it had when it was given back unchanged.
const FREE: u8 = 0;
/// Lent: its bytes belong to a [`MemoryBuf`].
const LENT: u8 = 1;
/// Not lent, and changed while it was.
const CHANGED: u8 = 2;

/// One packet of an arena, which can be lent again when this is dropped.
pub struct MemoryBuf {
    /// The packet, which has `before` and `behind` bytes of its own around it.
    bytes: NonNull<u8>,
    state: NonNull<AtomicU8>,
    len: u32,
    before: u16,
    behind: u16,
    was_changed: bool,
}

// SAFETY: the bytes are this buffer's alone until `drop` says otherwise through the atomic state.
unsafe impl Send for MemoryBuf {}

// SAFETY: a shared buffer only lends its bytes for reading.
unsafe impl Sync for MemoryBuf {}

impl Arena {
    /// Lays out copies of `packets`, each with this room around it.
    pub(crate) fn new<B: AsRef<[u8]>>(packets: &[B], room: Room) -> Self {
        let mut places = Vec::with_capacity(packets.len());
        let mut start = 0_usize;
        for packet in packets {
            // A longer one does not exist: no field of any packet format could say its length.
            let len = u32::try_from(packet.as_ref().len()).unwrap_or(u32::MAX);
            let (before, behind) = (usize::from(room.before), usize::from(room.behind));
            places.push(Place { start: start + before, len });
            start += (before + len as usize + behind).next_multiple_of(LINE).max(LINE);
        }
        let states = packets.iter().map(|_| AtomicU8::new(FREE)).collect();
        let shelf = Arc::new(Shelf { bytes: Storage::zeroed(start), states });
        let mut arena = Self { shelf, places: places.into_boxed_slice(), room };
        for (index, packet) in packets.iter().enumerate() {
            if let Some((mut buf, _)) = arena.lend(index) {
                buf.bytes_mut().iter_mut().zip(packet.as_ref()).for_each(|(to, from)| *to = *from);
                buf.was_changed = false;
            }
        }
        arena
    }

    /// Lends a packet, and says whether it was changed since [`MemoryBuf::settle`]; `None` while it is lent already.
    #[inline]
    pub(crate) fn lend(&mut self, index: usize) -> Option<(MemoryBuf, bool)> {
        let (place, state) = (self.places.get(index)?, self.shelf.states.get(index)?);
        // Nobody else lends at the same time (`&mut self`), so that a load and a store suffice; `Acquire` pairs with
        // the `Release` of the drop that gave the packet back, wherever that was.
        let before = state.load(Ordering::Acquire);
        if before == LENT {
            return None;
        }
        state.store(LENT, Ordering::Relaxed);
        let was_changed = before == CHANGED;
        let bytes = NonNull::new(self.shelf.bytes.base().wrapping_add(place.start))?;
        let Room { before, behind } = self.room;
        let state = NonNull::from(state);
        Some((MemoryBuf { bytes, state, len: place.len, before, behind, was_changed }, was_changed))
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.shelf.states.iter().any(|state| state.load(Ordering::Acquire) == LENT) {
            // A reference that is never given back keeps what the lent packets point into.
            let _kept = ManuallyDrop::new(Arc::clone(&self.shelf));
        }
    }
}

impl MemoryBuf {
    /// Takes the bytes as they are for unchanged.
    pub(crate) fn settle(&mut self) {
        self.was_changed = false;
    }
}

impl PacketBuf for MemoryBuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: the packet is lent to this buffer alone, so the arena keeps `len` initialised bytes there (rule of
        // `Arena`).
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.len as usize) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.was_changed = true;
        // SAFETY: as in `bytes`, and `&mut self` makes this the only way to them.
        unsafe { std::slice::from_raw_parts_mut(self.bytes.as_ptr(), self.len as usize) }
    }

    fn storage_mut(&mut self) -> (&mut [u8], Range<usize>) {
        self.was_changed = true;
        let (before, len) = (usize::from(self.before), self.len as usize);
        let start = self.bytes.as_ptr().wrapping_sub(before);
        let all = before + len + usize::from(self.behind);
        // SAFETY: a packet is lent with its room, which is the arena's and nobody else's; `place` keeps the sum.
        let storage = unsafe { std::slice::from_raw_parts_mut(start, all) };
        (storage, before..before + len)
    }

    fn place(&mut self, range: Range<usize>) -> bool {
        let all = usize::from(self.before) + self.len as usize + usize::from(self.behind);
        if range.start > range.end || range.end > all {
            return false;
        }
        let around = (u16::try_from(range.start), u16::try_from(all - range.end));
        let (Ok(before), Ok(behind), Ok(len)) = (around.0, around.1, u32::try_from(range.len())) else {
            return false;
        };
        let start = self.bytes.as_ptr().wrapping_sub(usize::from(self.before)).wrapping_add(range.start);
        let Some(bytes) = NonNull::new(start) else { return false };
        (self.bytes, self.before, self.behind, self.len) = (bytes, before, behind, len);
        self.was_changed = true;
        true
    }
}

impl Drop for MemoryBuf {
    #[inline]
    fn drop(&mut self) {
        let after = if self.was_changed { CHANGED } else { FREE };
        // SAFETY: the state is `LENT`, so the arena keeps it allocated (rule of `Arena`); nothing is touched after.
        let state = unsafe { self.state.as_ref() };
        state.store(after, Ordering::Release);
    }
}

impl fmt::Debug for MemoryBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBuf")
            .field("len", &self.len)
            .field("was_changed", &self.was_changed)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena").field("packets", &self.places.len()).finish_non_exhaustive()
    }
}
