//! Memory that packets are slices of: shared by the backends that make their buffers themselves.
//!
//! The rule that keeps this sound, and that only this file can break: **every byte of a [`Storage`] belongs to at
//! most one [`Region`]** (or, in the memory backend, to at most one lent slot).

#![expect(unsafe_code, reason = "packets that share one block of memory are disjoint slices of it")]

use std::cell::UnsafeCell;
use std::fmt;
use std::sync::Arc;

/// Bytes of a cache line, and the alignment of every [`Storage`].
pub(crate) const LINE: usize = 64;

/// A fixed block of zeroed memory, aligned to a cache line.
pub(crate) struct Storage {
    lines: Box<[UnsafeCell<Line>]>,
}

#[repr(C, align(64))]
struct Line([u8; LINE]);

// SAFETY: a shared `Storage` gives out nothing but a raw pointer; its users (`Region` here, the lent slots of the
// memory backend) never let two of them reach the same byte.
unsafe impl Sync for Storage {}

impl Storage {
    /// At least `len` bytes, in huge pages where it is long enough and the kernel has some.
    pub(crate) fn zeroed(len: usize) -> Self {
        let mut lines = Box::<[UnsafeCell<Line>]>::new_zeroed_slice(len.div_ceil(LINE));
        mem_sys::advise_huge(&mut lines);
        // SAFETY: all zeroes is a value of `Line`, and a cell has the layout of what is in it.
        Self { lines: unsafe { lines.assume_init() } }
    }

    /// Bytes held.
    pub(crate) fn len(&self) -> usize {
        self.lines.len().saturating_mul(LINE)
    }

    /// The first byte. Dereference it only within [`Self::len`] and only for bytes that nobody else owns.
    pub(crate) fn base(&self) -> *mut u8 {
        UnsafeCell::raw_get(self.lines.as_ptr()).cast()
    }
}

/// Sole owner of a range of bytes of a [`Storage`]; the storage lives on while a region of it does.
pub(crate) struct Region {
    start: *mut u8,
    len: usize,
    storage: Arc<Storage>,
}

// SAFETY: the bytes are reached through this one owner only, and `Arc<Storage>` may cross threads.
unsafe impl Send for Region {}

// SAFETY: a shared `Region` only lends its bytes for reading.
unsafe impl Sync for Region {}

impl Region {
    /// The bytes owned.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: `start..start + len` lies within `storage`, which is kept alive, is initialised, and is owned by
        // this region alone (rule of this file).
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The bytes owned, to be changed.
    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only way to them.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Bytes owned.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Gives the first `count` bytes up (all, when there are fewer).
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        let count = count.min(self.len);
        self.start = self.start.wrapping_add(count);
        self.len -= count;
    }

    /// Gives the first `count` bytes (all, when there are fewer) to a region of their own.
    #[inline]
    pub(crate) fn split_front(&mut self, count: usize) -> Self {
        let count = count.min(self.len);
        let front = Self { start: self.start, len: count, storage: Arc::clone(&self.storage) };
        self.advance(count);
        front
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Blocks of one size, used again once every region of a block is gone.
#[derive(Debug)]
pub(crate) struct Pool {
    block_len: usize,
    blocks: Vec<Arc<Storage>>,
}

/// Blocks a pool keeps; more exist only while somebody holds packets of them.
const KEPT: usize = 8;

impl Pool {
    /// A pool of blocks of at least `block_len` bytes, empty so far.
    pub(crate) fn new(block_len: usize) -> Self {
        Self { block_len: block_len.next_multiple_of(LINE), blocks: Vec::with_capacity(KEPT) }
    }

    /// Bytes of a block.
    pub(crate) fn block_len(&self) -> usize {
        self.block_len
    }

    /// A whole block that no region reaches into: a used one where possible, since it is warm in the cache.
    pub(crate) fn take(&mut self) -> Region {
        // Sole ownership by the pool means that no region of the block is left (each holds a reference).
        if let Some(free) = self.blocks.iter_mut().find_map(|block| {
            Arc::get_mut(block)?;
            Some(Arc::clone(block))
        }) {
            return whole(free);
        }
        let fresh = Arc::new(Storage::zeroed(self.block_len));
        if self.blocks.len() < KEPT {
            self.blocks.push(Arc::clone(&fresh));
        }
        whole(fresh)
    }

    /// Blocks kept of which a region is still in use.
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> usize {
        self.blocks.iter().filter(|block| Arc::strong_count(block) > 1).count()
    }

    /// Blocks kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.blocks.len()
    }
}

/// The region of all bytes; the caller has seen that no other region of `storage` exists.
fn whole(storage: Arc<Storage>) -> Region {
    Region { start: storage.base(), len: storage.len(), storage }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").field("len", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_block_are_disjoint_and_can_be_changed_apart() {
        let mut rest = Pool::new(128).take();
        let mut first = rest.split_front(10);
        let mut second = rest.split_front(20);
        first.bytes_mut().fill(1);
        second.bytes_mut().fill(2);
        rest.bytes_mut().fill(3);
        assert_eq!(first.bytes(), [1; 10]);
        assert_eq!(second.bytes(), [2; 20]);
        assert_eq!(rest.bytes(), [3; 98]);
    }

    #[test]
    fn a_block_is_used_again_only_when_its_last_region_is_gone() {
        let mut pool = Pool::new(64);
        let mut first = pool.take();
        let held = first.split_front(1);
        drop(first);
        let second = pool.take();
        assert_eq!((pool.kept(), pool.in_use()), (2, 2));
        drop(held);
        drop(pool.take());
        assert_eq!((pool.kept(), pool.in_use()), (2, 1));
        drop(second);
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn a_region_outlives_its_pool_and_may_cross_threads() {
        let mut region = Pool::new(64).take();
        region.bytes_mut().fill(7);
        let sum = std::thread::scope(|scope| {
            scope
                .spawn(move || region.bytes().iter().map(|&byte| u32::from(byte)).sum::<u32>())
                .join()
                .unwrap()
        });
        assert_eq!(sum, 7 * 64);
    }

    #[test]
    fn storage_starts_on_a_cache_line() {
        assert!(Storage::zeroed(65).base().addr().is_multiple_of(LINE));
        assert_eq!(Storage::zeroed(65).len(), 128);
        assert_eq!(Storage::zeroed(0).len(), 0);
    }
}
