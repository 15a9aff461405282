/// Capacity above which a buffer is given back to the allocator.
const KEPT_CAPACITY: usize = 16 * 1024;
/// Free buffers kept.
const KEPT_BUFFERS: usize = 4096;

/// Byte buffers lent to streams, and how many bytes they hold together.
#[derive(Debug)]
pub(crate) struct Buffers {
    free: Vec<Vec<u8>>,
    held: usize,
    limit: usize,
}

impl Buffers {
    pub(crate) fn new(limit: usize) -> Self {
        Self { free: Vec::with_capacity(KEPT_BUFFERS), held: 0, limit }
    }

    /// Changes the limit; what is held above it stays until it is read.
    pub(crate) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Appends `bytes` to `buffer` (taking a kept one where it has none), unless the limit on all of them is reached.
    pub(crate) fn append(&mut self, buffer: &mut Vec<u8>, bytes: &[u8]) -> Result<(), LimitReached> {
        if self.held + bytes.len() > self.limit {
            return Err(LimitReached);
        }
        if buffer.capacity() == 0 {
            *buffer = self.free.pop().unwrap_or_default();
        }
        self.held += bytes.len();
        buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes the first `count` bytes out of `buffer`; an emptied one is kept for the next stream.
    pub(crate) fn consume(&mut self, buffer: &mut Vec<u8>, count: usize) {
        if count >= buffer.len() {
            self.release(core::mem::take(buffer));
            return;
        }
        self.held = self.held.saturating_sub(count);
        buffer.drain(..count);
    }

    /// Takes a buffer back with all it holds.
    pub(crate) fn release(&mut self, mut buffer: Vec<u8>) {
        self.held = self.held.saturating_sub(buffer.len());
        buffer.clear();
        if buffer.capacity() > 0 && buffer.capacity() <= KEPT_CAPACITY && self.free.len() < KEPT_BUFFERS {
            self.free.push(buffer);
        }
    }

    /// Bytes held by all buffers that are lent.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> usize {
        self.held
    }
}

/// The limit on bytes held by all streams together is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitReached;
