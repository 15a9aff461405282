//! The memory of a worker's packets, in frames of one size, and which of them nobody uses.
//!
//! The rule that keeps this sound: **a frame has one owner at any time**: the stack of free frames, a ring of the
//! kernel, or one [`AfXdpBuf`](super::AfXdpBuf). [`Frames`] stays allocated while a buffer is out: [`Memory`], which
//! all queues hold, leaves it behind when it is dropped before the last buffer.

use std::io;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::linux::Mapping;

/// Number of a frame.
pub(super) type FrameId = u32;

/// Frames, and a stack of the free ones that any thread may put some on or take some off.
#[derive(Debug)]
pub(super) struct Frames {
    mapping: Mapping,
    shift: u32,
    count: u32,
    /// Below each free frame on the stack, the next one.
    below: Box<[AtomicU32]>,
    /// Top of the stack, and how often it was changed: a top that came back is another one (the ABA problem).
    top: AtomicU64,
    /// Buffers that are out.
    lent: AtomicUsize,
}

/// No frame: the bottom of the stack.
const NONE: FrameId = u32::MAX;

impl Frames {
    fn new(count: u32, shift: u32, wants_hugepages: bool) -> io::Result<Self> {
        let len = (count as usize) << shift;
        let mapping = Mapping::anonymous(len, wants_hugepages)?;
        let frames = Self {
            mapping,
            shift,
            count,
            below: (0..count).map(|_| AtomicU32::new(NONE)).collect(),
            top: AtomicU64::new(u64::from(NONE)),
            lent: AtomicUsize::new(0),
        };
        // Taken from the top: the first frame comes first.
        for frame in (0..count).rev() {
            frames.put(frame, frame);
        }
        Ok(frames)
    }

    /// Bytes of a frame.
    #[inline]
    pub(super) fn size(&self) -> u32 {
        1 << self.shift
    }

    /// Bytes of all frames.
    pub(super) fn len(&self) -> u64 {
        u64::from(self.count) << self.shift
    }

    /// Where the first frame starts.
    #[inline]
    pub(super) fn start(&self) -> *mut u8 {
        self.mapping.start()
    }

    /// Offset of a frame in all of them.
    #[inline]
    pub(super) fn address(&self, frame: FrameId) -> u64 {
        u64::from(frame) << self.shift
    }

    /// The frame that an offset is in, none outside of all frames.
    #[inline]
    pub(super) fn frame_at(&self, address: u64) -> Option<FrameId> {
        let frame = FrameId::try_from(address >> self.shift).ok()?;
        (frame < self.count).then_some(frame)
    }

    /// Whether `len` bytes from an offset on are in one frame.
    #[inline]
    pub(super) fn holds(&self, address: u64, len: u32) -> bool {
        let within = address & u64::from(self.size() - 1);
        within + u64::from(len) <= u64::from(self.size()) && self.frame_at(address).is_some()
    }

    /// Links a frame to the one below it in a chain that is to be put on the stack.
    #[inline]
    pub(super) fn link(&self, frame: FrameId, below: FrameId) {
        if let Some(slot) = self.below.get(frame as usize) {
            slot.store(below, Ordering::Relaxed);
        }
    }

    /// Puts a chain of frames, linked from `first` to `last`, on the stack. They are the caller's to give.
    #[inline]
    pub(super) fn put(&self, first: FrameId, last: FrameId) {
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            self.link(last, frame_of(top));
            let changed =
                self.top.compare_exchange_weak(top, on_top(first, top), Ordering::Release, Ordering::Relaxed);
            match changed {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    /// Takes up to `into.len()` frames off the stack; how many there were. They are the caller's then.
    #[inline]
    pub(super) fn take(&self, into: &mut [FrameId]) -> usize {
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let (mut next, mut taken) = (frame_of(top), 0);
            for slot in &mut *into {
                let Some(below) = self.below.get(next as usize) else { break };
                *slot = next;
                next = below.load(Ordering::Relaxed);
                taken += 1;
            }
            if taken == 0 {
                return 0;
            }
            match self.top.compare_exchange_weak(top, on_top(next, top), Ordering::Acquire, Ordering::Acquire)
            {
                Ok(_) => return taken,
                Err(now) => top = now,
            }
        }
    }

    /// Buffers are handed out.
    #[inline]
    pub(super) fn lend(&self, buffers: usize) {
        self.lent.fetch_add(buffers, Ordering::Relaxed);
    }

    /// Buffers are gone: the last that their owner does with `self`.
    #[inline]
    pub(super) fn give_back(&self, buffers: usize) {
        self.lent.fetch_sub(buffers, Ordering::Release);
    }
}

#[inline]
fn frame_of(top: u64) -> FrameId {
    let [a, b, c, d, _, _, _, _] = top.to_le_bytes();
    FrameId::from_le_bytes([a, b, c, d])
}

#[inline]
fn on_top(frame: FrameId, before: u64) -> u64 {
    ((before >> 32).wrapping_add(1) << 32) | u64::from(frame)
}

/// Frames, for the queues that use them.
#[derive(Debug)]
pub(super) struct Memory(Arc<Frames>);

impl Memory {
    /// So many frames of `1 << shift` bytes.
    pub(super) fn new(count: u32, shift: u32, wants_hugepages: bool) -> io::Result<Self> {
        Ok(Self(Arc::new(Frames::new(count, shift, wants_hugepages)?)))
    }

    #[inline]
    pub(super) fn frames(&self) -> &Frames {
        &self.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.0.lent.load(Ordering::Acquire) > 0 {
            // A reference that is never given back keeps what the buffers point into.
            let _kept = ManuallyDrop::new(Arc::clone(&self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_once_and_all_of_them() {
        let frames = Frames::new(100, 11, false).unwrap();
        let mut taken = [0; 64];
        assert_eq!(frames.take(&mut taken), 64);
        assert!(taken.iter().copied().eq(0..64));
        assert_eq!(frames.take(&mut taken), 36);
        assert!(taken[..36].iter().copied().eq(64..100));
        assert_eq!(frames.take(&mut taken), 0);
        frames.link(7, 9);
        frames.link(9, 8);
        frames.put(7, 8);
        assert_eq!(frames.take(&mut taken), 3);
        assert_eq!(taken[..3], [7, 9, 8]);
    }

    #[test]
    fn addresses_and_frames_belong_together() {
        let frames = Frames::new(4, 12, false).unwrap();
        assert_eq!(frames.len(), 4 * 4096);
        assert_eq!(frames.frame_at(frames.address(3) + 4095), Some(3));
        assert_eq!(frames.frame_at(frames.len()), None);
        assert!(frames.holds(4096 + 256, 3840));
        assert!(!frames.holds(4096 + 256, 3841));
        assert!(!frames.holds(4 * 4096, 0));
        assert!(!frames.holds(u64::MAX, 1));
    }

    #[test]
    fn threads_never_have_the_same_frame() {
        let frames = Frames::new(64, 11, false).unwrap();
        let used: Vec<AtomicU32> = (0..64).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut taken = [0; 5];
                    for _ in 0..20_000 {
                        let count = frames.take(&mut taken);
                        for &frame in &taken[..count] {
                            assert_eq!(used[frame as usize].fetch_add(1, Ordering::Relaxed), 0);
                        }
                        for &frame in &taken[..count] {
                            used[frame as usize].fetch_sub(1, Ordering::Relaxed);
                            frames.put(frame, frame);
                        }
                    }
                });
            }
        });
        let mut all = [0; 65];
        assert_eq!(frames.take(&mut all), 64);
    }
}
