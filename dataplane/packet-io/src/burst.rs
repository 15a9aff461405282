use arrayvec::ArrayVec;

use crate::PacketMeta;

/// How many packets a [`Burst`] holds: 32 to 128 perform alike, 256 leave the cache.
pub const BURST: usize = 64;

/// Up to [`BURST`] packets and what is known of each, in order of arrival.
#[derive(Debug)]
pub struct Burst<B> {
    bufs: ArrayVec<B, BURST>,
    metas: ArrayVec<PacketMeta, BURST>,
}

impl<B> Burst<B> {
    /// An empty burst.
    #[must_use]
    pub fn new() -> Self {
        Self { bufs: ArrayVec::new(), metas: ArrayVec::new() }
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

    /// How many more fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.bufs.remaining_capacity()
    }

    /// Appends a packet, or gives it back when there is no room.
    ///
    /// # Errors
    /// The packet itself.
    pub fn push(&mut self, buf: B, meta: PacketMeta) -> Result<(), B> {
        self.bufs.try_push(buf).map_err(|full| full.element())?;
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

    /// Returns every packet to its pool.
    pub fn clear(&mut self) {
        self.bufs.clear();
        self.metas.clear();
    }
}

impl<B> Default for Burst<B> {
    fn default() -> Self {
        Self::new()
    }
}
