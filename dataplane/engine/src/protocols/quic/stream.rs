//! The bytes of one side's CRYPTO frames, put in order (RFC 9000 19.6).

use crate::protocols::pieces::Pieces;

/// Bytes of a side's handshake that are kept. The largest ClientHello seen has about 2 KB; what servers send in
/// Initial packets is shorter.
const MAX_BYTES: usize = 16 * 1024;

/// One side's handshake bytes.
#[derive(Debug, Default)]
pub(super) struct CryptoStream {
    pieces: Pieces,
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
    /// Takes the content of a frame.
    pub(super) fn insert(&mut self, offset: u64, content: &[u8]) {
        if let Ok(start) = usize::try_from(offset) {
            self.pieces.insert(start, content, MAX_BYTES);
        }
    }

    /// The next whole message of TLS (RFC 8446 4), which then counts as read.
    pub(super) fn next_message(&mut self) -> Option<Message<'_>> {
        let unread = self.pieces.start().get(self.read..)?;
        let ([kind, a, b, c], rest) = unread.split_first_chunk::<4>()?;
        let len = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let body = rest.get(..len)?;
        self.read += 4 + len;
        Some(Message { kind: *kind, body })
    }

    /// What there is of a message that did not come to its end.
    pub(super) fn cut_message(&self) -> Option<Message<'_>> {
        let ([kind, ..], body) = self.pieces.start().get(self.read..)?.split_first_chunk::<4>()?;
        Some(Message { kind: *kind, body })
    }

    /// Everything up to the first gap, for handshakes that are not TLS.
    pub(super) fn start(&self) -> &[u8] {
        self.pieces.start()
    }

    pub(super) fn reset(&mut self) {
        self.pieces.clear();
        self.read = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u16) -> Vec<u8> {
        let [high, low] = len.to_be_bytes();
        let mut message = vec![1, 0, high, low];
        message.extend((0..len).map(|at| (at % 251) as u8));
        message
    }

    #[test]
    fn messages_are_read_one_after_the_other() {
        let bytes = [message(100), message(0), message(7)].concat();
        let mut stream = CryptoStream::default();
        stream.insert(50, &bytes[50..]);
        assert!(stream.next_message().is_none());
        stream.insert(0, &bytes[..60]);
        for len in [100, 0, 7] {
            assert_eq!(stream.next_message().map(|read| (read.kind, read.body.len())), Some((1, len)));
        }
        assert!(stream.next_message().is_none() && stream.cut_message().is_none());
    }

    #[test]
    fn a_message_without_its_end_is_not_whole() {
        let message = message(100);
        let mut stream = CryptoStream::default();
        stream.insert(0, &message[..60]);
        assert!(stream.next_message().is_none());
        assert_eq!(stream.cut_message().unwrap().body.len(), 56);
    }

    #[test]
    fn a_frame_beyond_the_bound_is_not_kept() {
        let mut stream = CryptoStream::default();
        stream.insert(u64::MAX, &[1; 9]);
        stream.insert(MAX_BYTES as u64, &[1; 9]);
        assert!(stream.start().is_empty());
    }
}
