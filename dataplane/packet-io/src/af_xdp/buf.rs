use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;

use super::frames::{FrameId, Frames};
use crate::{BURST, Burst, PacketBuf};

/// A packet in a frame of its worker's memory, or in memory of its own: one that came in several frames and was put
/// together, or one that leaves no room in its frame.
pub struct AfXdpBuf {
    place: Place,
}

enum Place {
    /// In a frame that is this buffer's alone.
    Frame(Framed),
    /// In memory of its own. One word here, so that the other case stays small.
    Own(Box<Own>),
}

/// A packet with room around it.
struct Own {
    storage: Vec<u8>,
    at: Range<usize>,
}

/// Room before packets in memory of their own, bytes: for the headers of a tunnel, and a tag.
pub(super) const HEADROOM: usize = 128;
/// Room behind a packet that it must have at least, bytes: for ESP's padding and check value.
pub(super) const TAILROOM: usize = 64;

/// Bytes of a frame. Not dropped but taken apart: the frame goes back to the stack, or on to a ring.
#[derive(Clone, Copy)]
pub(super) struct Framed {
    pub(super) frames: NonNull<Frames>,
    /// Offset of the first byte in all frames.
    pub(super) address: u64,
    pub(super) len: u32,
}

// SAFETY: the frame is this buffer's alone, and `Frames` may be used by several threads.
unsafe impl Send for AfXdpBuf {}

// SAFETY: a shared buffer only lends its bytes for reading.
unsafe impl Sync for AfXdpBuf {}

impl AfXdpBuf {
    /// A buffer of bytes that `frames` holds in one frame, which is the caller's to give; [`Frames::lend`] was called.
    #[inline]
    pub(super) fn framed(frames: &Frames, address: u64, len: u32) -> Self {
        Self { place: Place::Frame(Framed { frames: NonNull::from(frames), address, len }) }
    }

    /// A packet in memory of its own: what stands in `storage` behind [`HEADROOM`].
    pub(super) fn own(mut storage: Vec<u8>) -> Self {
        let end = storage.len();
        storage.resize(end + TAILROOM, 0);
        Self { place: Place::Own(Box::new(Own { storage, at: HEADROOM.min(end)..end })) }
    }

    /// A copy of bytes, with room around them.
    pub(super) fn copied(bytes: &[u8]) -> Self {
        let mut storage = Vec::with_capacity(HEADROOM + bytes.len() + TAILROOM);
        storage.resize(HEADROOM, 0);
        storage.extend_from_slice(bytes);
        Self::own(storage)
    }

    /// The packet, copied where its frame has less room behind it than every packet has.
    #[inline]
    pub(super) fn with_room(self) -> Self {
        match &self.place {
            Place::Frame(framed) if framed.room_behind() < TAILROOM => Self::copied(self.bytes()),
            _ => self,
        }
    }

    /// The frame, where it is one of `frames`.
    #[inline]
    pub(super) fn frame_in(&self, frames: &Frames) -> Option<Framed> {
        match &self.place {
            Place::Frame(framed) if framed.frames == NonNull::from(frames) => Some(*framed),
            _ => None,
        }
    }

    /// Forgets the frame: it is somebody else's now, who also calls [`Frames::give_back`].
    #[inline]
    pub(super) fn forget_frame(self) {
        if matches!(self.place, Place::Frame(_)) {
            let _forgotten = ManuallyDrop::new(self);
        }
    }
}

impl Framed {
    /// The frames, which stay while a buffer is out.
    #[inline]
    fn frames(&self) -> &Frames {
        // SAFETY: a buffer is out, so `Memory` keeps them allocated (rule of `frames`).
        unsafe { self.frames.as_ref() }
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        // Within all frames, whose length is a `usize`.
        self.frames().start().wrapping_add(usize::try_from(self.address).unwrap_or(0))
    }

    /// Where in its frame it starts.
    #[inline]
    fn within(&self) -> usize {
        usize::try_from(self.address & u64::from(self.frames().size() - 1)).unwrap_or(0)
    }

    /// Bytes of its frame behind it.
    #[inline]
    fn room_behind(&self) -> usize {
        (self.frames().size() as usize).saturating_sub(self.within() + self.len as usize)
    }

    #[inline]
    fn frame(&self) -> FrameId {
        self.frames().frame_at(self.address).unwrap_or(0)
    }
}

impl PacketBuf for AfXdpBuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match &self.place {
            // SAFETY: the range was seen to be in one frame, which is this buffer's alone (rule of `frames`); memory
            // of a mapping is initialised.
            Place::Frame(framed) => unsafe {
                std::slice::from_raw_parts(framed.start(), framed.len as usize)
            },
            Place::Own(own) => own.storage.get(own.at.clone()).unwrap_or_default(),
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.place {
            // SAFETY: as in `bytes`, and `&mut self` makes this the only way to them.
            Place::Frame(framed) => unsafe {
                std::slice::from_raw_parts_mut(framed.start(), framed.len as usize)
            },
            Place::Own(own) => own.storage.get_mut(own.at.clone()).unwrap_or_default(),
        }
    }

    fn storage_mut(&mut self) -> (&mut [u8], Range<usize>) {
        match &mut self.place {
            Place::Frame(framed) => {
                let frames = framed.frames();
                let (within, size) = (framed.within(), frames.size() as usize);
                let start = framed.start().wrapping_sub(within);
                // SAFETY: the whole frame is this buffer's alone (rule of `frames`), and within the mapping.
                let storage = unsafe { std::slice::from_raw_parts_mut(start, size) };
                (storage, within..within + framed.len as usize)
            }
            Place::Own(own) => (&mut own.storage, own.at.clone()),
        }
    }

    fn place(&mut self, range: Range<usize>) -> bool {
        match &mut self.place {
            Place::Frame(framed) => {
                let size = framed.frames().size() as usize;
                let at = (u64::try_from(range.start), u32::try_from(range.len()));
                let (Ok(start), Ok(len)) = at else { return false };
                if range.start > range.end || range.end > size {
                    return false;
                }
                framed.address = framed.address - framed.within() as u64 + start;
                framed.len = len;
                true
            }
            Place::Own(own) => {
                let is_within = own.storage.get(range.clone()).is_some();
                if is_within {
                    own.at = range;
                }
                is_within
            }
        }
    }

    fn release(burst: &mut Burst<Self>) {
        let mut chain: Option<Chain> = None;
        for (buf, _) in burst.drain(BURST) {
            let Place::Frame(framed) = buf.place else { continue };
            match &mut chain {
                Some(chain) if chain.any.frames == framed.frames => chain.add(framed),
                other => {
                    if let Some(chain) = other.replace(Chain::of(framed)) {
                        chain.put();
                    }
                }
            }
            buf.forget_frame();
        }
        if let Some(chain) = chain {
            chain.put();
        }
    }
}

/// Frames of one memory on their way back, linked.
struct Chain {
    any: Framed,
    first: FrameId,
    last: FrameId,
    count: usize,
}

impl Chain {
    fn of(framed: Framed) -> Self {
        let frame = framed.frame();
        Self { any: framed, first: frame, last: frame, count: 1 }
    }

    #[inline]
    fn add(&mut self, framed: Framed) {
        let frame = framed.frame();
        framed.frames().link(frame, self.first);
        self.first = frame;
        self.count += 1;
    }

    fn put(self) {
        let frames = self.any.frames();
        frames.put(self.first, self.last);
        frames.give_back(self.count);
    }
}

impl Drop for AfXdpBuf {
    #[inline]
    fn drop(&mut self) {
        if let Place::Frame(framed) = self.place {
            Chain::of(framed).put();
        }
    }
}

impl fmt::Debug for AfXdpBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AfXdpBuf").field("len", &self.bytes().len()).finish_non_exhaustive()
    }
}
