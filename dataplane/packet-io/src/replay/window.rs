//! The bytes of a capture that are at hand.

use std::io::{self, Read};

use super::source::Source;
use crate::storage::{Pool, Region};

/// The next unread bytes of a source, in one piece, in a block of memory that packets are cut out of.
pub(crate) struct Window<R: Read> {
    source: Source<R>,
    pool: Pool,
    /// Unread bytes, then room for more.
    block: Region,
    /// Unread bytes.
    filled: usize,
    end: End,
}

/// How far a source has come.
#[derive(Debug)]
pub(crate) enum End {
    /// There may be more.
    NotYet,
    /// All was read.
    Reached,
    /// Reading failed, and this is why, unless it was told already.
    Failed(Option<io::Error>),
}

/// Least room for a read: below it, a new block is begun, so that reads do not become small.
const LEAST_ROOM: usize = 64 * 1024;

impl<R: Read> Window<R> {
    /// A window onto `source`, in blocks of `pool`.
    pub(crate) fn new(source: Source<R>, mut pool: Pool) -> Self {
        let block = pool.take();
        Self { source, pool, block, filled: 0, end: End::NotYet }
    }

    /// The unread bytes at hand.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.block.bytes().get(..self.filled).unwrap_or_default()
    }

    /// Whether no more bytes than those at hand will come.
    pub(crate) fn is_at_end(&self) -> bool {
        !matches!(self.end, End::NotYet)
    }

    /// Why reading failed; told once.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        match &mut self.end {
            End::Failed(error) => error.take(),
            End::NotYet | End::Reached => None,
        }
    }

    /// Reads once, so that in the end `wanted` bytes can be at hand in one piece (or as many as a block has).
    pub(crate) fn fill(&mut self, wanted: usize) {
        if self.is_at_end() {
            return;
        }
        let is_narrow = self.block.len() < wanted || self.block.len() - self.filled < LEAST_ROOM;
        // A block that is all unread or empty is as good as it gets.
        if is_narrow && self.block.len() < self.pool.block_len() {
            self.begin_block();
        }
        let Some(room) = self.block.bytes_mut().get_mut(self.filled..) else { return };
        match self.source.read(room) {
            Ok(0) => self.end = End::Reached,
            Ok(read) => self.filled += read,
            Err(error) => self.end = End::Failed(Some(error)),
        }
    }

    /// Passes over `count` bytes of those at hand.
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        let count = count.min(self.filled);
        self.block.advance(count);
        self.filled -= count;
    }

    /// Takes `len` bytes out, `head` bytes from the start, and passes over `total` in all.
    #[inline]
    pub(crate) fn cut(&mut self, head: usize, len: usize, total: usize) -> Region {
        self.advance(head);
        let len = len.min(self.filled);
        self.filled -= len;
        let region = self.block.split_front(len);
        self.advance(total.saturating_sub(head + len));
        region
    }

    /// The source.
    pub(crate) fn source(&self) -> &Source<R> {
        &self.source
    }

    /// Ends reading and gives the blocks back for the next file.
    pub(crate) fn into_pool(self) -> Pool {
        self.pool
    }

    /// Goes on in a block of its own, with the unread bytes at its start.
    fn begin_block(&mut self) {
        let mut block = self.pool.take();
        if let (Some(to), Some(from)) =
            (block.bytes_mut().get_mut(..self.filled), self.block.bytes().get(..self.filled))
        {
            to.copy_from_slice(from);
            self.block = block;
        }
    }
}
