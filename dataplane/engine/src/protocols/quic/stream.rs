//! The bytes of one side's CRYPTO frames, put in order (RFC 9000 19.6).

use core::ops::Range;

use arrayvec::ArrayVec;

/// Bytes of a side's handshake that are kept. The largest ClientHello seen has about 2 KB; what servers send in
/// Initial packets is shorter.
pub(super) const MAX_BYTES: usize = 16 * 1024;
/// Pieces with gaps between them that are kept: Chromium cuts a ClientHello into a dozen.
const MAX_PIECES: usize = 64;

/// One side's handshake bytes.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    bytes: Vec<u8>,
    /// Which of them came, ascending, with gaps between.
    pieces: ArrayVec<Range<usize>, MAX_PIECES>,
    /// Where the next message starts.
    read: usize,
}

/// A handshake message of TLS.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
}

impl CryptoStream {
    /// Takes the content of a frame. Where a place was filled before, the first bytes stay.
    pub(super) fn insert(&mut self, offset: u64, content: &[u8]) {
        let Ok(start) = usize::try_from(offset) else { return };
        let end = start.saturating_add(content.len()).min(MAX_BYTES);
        if start >= end || self.pieces.is_full() {
            return;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let mut at = start;
        for piece in &self.pieces {
            if piece.start > at {
                copy(&mut self.bytes, content, start, at..piece.start.min(end));
            }
            at = at.max(piece.end);
            if at >= end {
                break;
            }
        }
        copy(&mut self.bytes, content, start, at..end);
        self.note(start..end);
    }

    /// Adds a piece and joins it with those it touches.
    fn note(&mut self, mut piece: Range<usize>) {
        let first = self.pieces.partition_point(|other| other.end < piece.start);
        let after = self.pieces.partition_point(|other| other.start <= piece.end);
        for other in self.pieces.drain(first..after.max(first)) {
            piece = piece.start.min(other.start)..piece.end.max(other.end);
        }
        let _ = self.pieces.try_insert(first, piece);
    }

    /// The bytes from the start up to the first gap.
    fn contiguous(&self) -> &[u8] {
        let end = self.pieces.first().filter(|piece| piece.start == 0).map_or(0, |piece| piece.end);
        self.bytes.get(..end).unwrap_or_default()
    }

    /// The next whole message of TLS (RFC 8446 4), which then counts as read.
    pub(super) fn next_message(&mut self) -> Option<Message<'_>> {
        let unread = self.contiguous().get(self.read..)?;
        let ([_, a, b, c], rest) = unread.split_first_chunk::<4>()?;
        let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        if rest.len() < len {
            return None;
        }
        let start = self.read + 4;
        self.read = start + len;
        let kind = *self.bytes.get(start - 4)?;
        Some(Message { kind, body: self.bytes.get(start..start + len)? })
    }

    /// What there is of a message that did not come to its end.
    pub(super) fn cut_message(&self) -> Option<Message<'_>> {
        let ([kind, ..], body) = self.contiguous().get(self.read..)?.split_first_chunk::<4>()?;
        Some(Message { kind: *kind, body })
    }

    /// Everything up to the first gap, for handshakes that are not TLS.
    pub(super) fn start(&self) -> &[u8] {
        self.contiguous()
    }

    pub(super) fn reset(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY);
        self.pieces.clear();
        self.read = 0;
    }
}

/// Copies those bytes of a frame's content, which starts at `start`, that belong to `places`.
fn copy(bytes: &mut [u8], content: &[u8], start: usize, places: Range<usize>) {
    if places.start >= places.end {
        return;
    }
    let from = content.get(places.start - start..places.end - start);
    if let (Some(to), Some(from)) = (bytes.get_mut(places), from) {
        to.copy_from_slice(from);
    }
}

const KEPT_CAPACITY: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(len: u16) -> Vec<u8> {
        let [high, low] = len.to_be_bytes();
        let mut message = vec![1, 0, high, low];
        message.extend((0..len).map(|at| (at % 251) as u8));
        message
    }

    proptest! {
        #[test]
        fn frames_in_any_order_and_number_give_the_message(
            len in 0_u16..3000,
            cuts in prop::collection::vec(0_usize..3004, 0..12),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let message = message(len);
            let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut < message.len()).collect();
            cuts.extend([0, message.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| pair[0]..pair[1]).collect();
            let mut stream = CryptoStream::default();
            for index in &order {
                let piece = index.get(&pieces).clone();
                // Overlapping what follows, as retransmissions do.
                let end = (piece.end + 7).min(message.len());
                stream.insert(piece.start as u64, &message[piece.start..end]);
            }
            for piece in pieces.iter().rev() {
                stream.insert(piece.start as u64, &message[piece.clone()]);
            }
            let read = stream.next_message().unwrap();
            prop_assert_eq!((read.kind, read.body), (1, &message[4..]));
            prop_assert!(stream.next_message().is_none());
        }

        #[test]
        fn no_frames_make_it_hold_more_than_its_bound(
            frames in prop::collection::vec((any::<u64>(), 0_usize..2000), 0..100),
            near in prop::collection::vec((0_u64..20_000, 0_usize..2000), 0..100),
        ) {
            let mut stream = CryptoStream::default();
            for (offset, len) in frames.into_iter().chain(near) {
                stream.insert(offset, &vec![1; len]);
                stream.next_message();
                prop_assert!(stream.bytes.len() <= MAX_BYTES);
            }
            stream.reset();
            prop_assert!(stream.bytes.capacity() <= MAX_BYTES && stream.start().is_empty());
        }
    }

    #[test]
    fn a_message_without_its_end_is_not_whole() {
        let message = message(100);
        let mut stream = CryptoStream::default();
        stream.insert(0, &message[..60]);
        assert!(stream.next_message().is_none());
        assert_eq!(stream.cut_message().unwrap().body.len(), 56);
    }
}
