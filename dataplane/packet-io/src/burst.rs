use arrayvec::ArrayVec;

use crate::{PacketBuf, PacketMeta};

/// How many packets a [`Burst`] holds at most: 32 to 128 perform alike, 256 leave the cache.
pub const BURST: usize = 64;

/// Up to [`BURST`] packets, or fewer where that was asked for, and what is known of each, in order of arrival.
#[derive(Debug)]
pub struct Burst<B> {
    pub(crate) bufs: ArrayVec<B, BURST>,
    pub(crate) metas: ArrayVec<PacketMeta, BURST>,
    limit: usize,
}

impl<B> Burst<B> {
    /// An empty burst.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(BURST)
    }

    /// An empty burst that a backend fills with `limit` packets at most, 1 to [`BURST`].
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { bufs: ArrayVec::new(), metas: ArrayVec::new(), limit: limit.clamp(1, BURST) }
    }

    /// Packets held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bufs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bufs.is_empty()
    }

    /// How many more a backend may put in.
    #[must_use]
    pub fn room(&self) -> usize {
        self.limit.saturating_sub(self.bufs.len())
    }

    /// Appends a packet, or gives it back when there are [`BURST`] of them.
    ///
    /// # Errors
    /// The packet itself.
    pub fn push(&mut self, buf: B, meta: PacketMeta) -> Result<(), B> {
        self.bufs.try_push(buf).map_err(arrayvec::CapacityError::element)?;
        self.metas.push(meta);
        Ok(())
    }

    /// The packets, in order.
    #[must_use]
    pub fn bufs(&self) -> &[B] {
        &self.bufs
    }

    /// The packets, in order, to be changed.
    pub fn bufs_mut(&mut self) -> &mut [B] {
        &mut self.bufs
    }

    /// What is known of each packet, in the same order.
    #[must_use]
    pub fn metas(&self) -> &[PacketMeta] {
        &self.metas
    }

    /// Takes the first `count` packets out.
    pub fn drain(&mut self, count: usize) -> impl Iterator<Item = (B, PacketMeta)> + '_ {
        let count = count.min(self.bufs.len());
        self.bufs.drain(..count).zip(self.metas.drain(..count))
    }

    /// Keeps the packets for which `keep` (given the position) is true, in order; returns the others to their pool.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        let mut kept = [false; BURST];
        for (at, kept) in kept.iter_mut().enumerate().take(self.len()) {
            *kept = keep(at);
        }
        let mut bufs = kept.iter();
        self.bufs.retain(|_| bufs.next().copied().unwrap_or(false));
        let mut metas = kept.iter();
        self.metas.retain(|_| metas.next().copied().unwrap_or(false));
    }
}

impl<B: PacketBuf> Burst<B> {
    /// Returns every packet to its pool.
    pub fn clear(&mut self) {
        B::release(self);
    }
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self::new()
    }
}
