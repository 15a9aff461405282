use core::ops::Range;

/// A packet in a buffer that has room before and behind it: what an mbuf is, as a slice.
///
/// The packet starts at its IP header (in layer-2 mode at its Ethernet header): the caller takes the outer link
/// header off and puts the next one on.
#[derive(Debug)]
pub struct Packet<'a> {
    storage: &'a mut [u8],
    start: usize,
    end: usize,
}

/// Room before a packet that sealing never needs more of: IPv6 40, UDP 8, ESP 8, IV 8, GRE 4 bytes.
pub const HEADROOM: usize = 68;

/// Room behind a packet that sealing without TFC padding never needs more of: padding 3, its length, the next header
/// and the ICV.
pub const TAILROOM: usize = 21;

/// Where outer headers start before a packet, in most cases.
const OUTER: usize = 44;
const LINE: usize = 64;

impl<'a> Packet<'a> {
    /// The bytes `range` of a buffer; `None` where the buffer does not have them.
    #[must_use]
    pub fn new(storage: &'a mut [u8], range: Range<usize>) -> Option<Self> {
        let Range { start, end } = range;
        (start <= end && end <= storage.len()).then_some(Self { storage, start, end })
    }

    /// Where the packet is in its buffer.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.storage.get(self.start..self.end).unwrap_or_default()
    }

    /// Its bytes, to be changed.
    #[inline]
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.storage.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Bytes of it.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// Free bytes before it.
    #[inline]
    #[must_use]
    pub const fn headroom(&self) -> usize {
        self.start
    }

    /// Free bytes behind it.
    #[inline]
    #[must_use]
    pub const fn tailroom(&self) -> usize {
        self.storage.len() - self.end
    }

    /// Asks the processor for what sealing touches: where the outer headers go, the inner ones, and the end.
    #[inline]
    pub(crate) fn prefetch_to_seal(&self) {
        self.prefetch(self.start.saturating_sub(OUTER));
        self.prefetch(self.start);
        self.prefetch(self.end);
    }

    /// Asks the processor for what opening touches first: the headers, and the tag at the end.
    #[inline]
    pub(crate) fn prefetch_to_open(&self) {
        self.prefetch(self.start);
        self.prefetch(self.start + LINE);
        self.prefetch(self.end.saturating_sub(1));
    }

    #[inline]
    fn prefetch(&self, at: usize) {
        if let Some(line) = self.storage.get(at..) {
            mem_sys::prefetch_start(line);
        }
    }

    /// Takes `front` free bytes before it and `back` behind it in, as they are; whether there were as many.
    #[inline]
    #[must_use]
    pub fn grow(&mut self, front: usize, back: usize) -> bool {
        let fits = front <= self.headroom() && back <= self.tailroom();
        if fits {
            self.start -= front;
            self.end += back;
        }
        fits
    }

    /// Keeps the bytes `range` of it; whether it has them. Nothing changes where it has not.
    #[inline]
    #[must_use]
    pub const fn narrow(&mut self, range: Range<usize>) -> bool {
        let fits = range.start <= range.end && range.end <= self.len();
        if fits {
            self.end = self.start + range.end;
            self.start += range.start;
        }
        fits
    }

    /// Empties it and leaves `headroom` bytes (as many as there are) before its place.
    pub fn reset(&mut self, headroom: usize) {
        self.start = headroom.min(self.storage.len());
        self.end = self.start;
    }

    /// Appends bytes; whether there was room for all. Nothing changes where there was not.
    #[must_use]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        let end = self.end;
        let Some(place) = self.storage.get_mut(end..).and_then(|rest| rest.get_mut(..bytes.len())) else {
            return false;
        };
        place.copy_from_slice(bytes);
        self.end += bytes.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_the_buffer_lacks_is_no_packet() {
        assert!(Packet::new(&mut [0; 4], 2..5).is_none());
        #[expect(clippy::reversed_empty_ranges, reason = "what must be refused")]
        let reversed = 3..2;
        assert!(Packet::new(&mut [0; 4], reversed).is_none());
    }

    #[test]
    fn growing_and_narrowing_stay_within_the_buffer() {
        let mut storage = [0, 1, 2, 3, 4, 5, 6, 7];
        let mut packet = Packet::new(&mut storage, 2..5).unwrap();
        assert!(!packet.grow(3, 0) && !packet.grow(0, 4));
        assert_eq!(packet.bytes(), [2, 3, 4]);
        assert!(packet.grow(1, 2));
        assert_eq!(packet.bytes(), [1, 2, 3, 4, 5, 6]);
        assert!(!packet.narrow(0..7));
        assert!(packet.narrow(1..4));
        assert_eq!(packet.range(), 2..5);
    }

    #[test]
    fn appending_more_than_the_room_changes_nothing() {
        let mut storage = [0; 8];
        let mut packet = Packet::new(&mut storage, 0..8).unwrap();
        packet.reset(5);
        assert!(packet.append(&[1, 2]) && !packet.append(&[3, 4]));
        assert_eq!(packet.bytes(), [1, 2]);
    }
}
