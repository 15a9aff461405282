use core::ops::Range;

/// Buffers of a pool: what a receive ring of one port goes through.
pub(crate) const BUFFERS: usize = 2048;

/// Bytes from one to the next, as a pool of DPDK's default mbufs has them: 64 of the pool, 128 of the mbuf, 128 of room
/// and 2,048 of data. (With a power of two, all packets would compete for the same few lines of the cache.)
pub(crate) const BUFFER: usize = 2368;

/// Where a packet starts.
pub(crate) const HEAD: usize = 64 + 128 + 128;

/// Bytes around a packet that its outer headers and trailer take, at most.
const AROUND: usize = 64;

/// Packets handled together.
pub(crate) const BATCH: usize = 32;

/// Packets in a pool of buffers, and where in its buffer each is.
#[derive(Debug)]
pub(crate) struct Pool {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Pool {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BUFFERS * BUFFER], places: vec![HEAD..HEAD; BUFFERS] }
    }

    /// Puts the same packet into every buffer, and zeros around it: whoever used the buffer before left something there.
    pub(crate) fn fill(&mut self, packet: &[u8]) {
        for (buffer, place) in self.bytes.chunks_exact_mut(BUFFER).zip(&mut self.places) {
            *place = HEAD..HEAD + packet.len();
            if let Some(bytes) = buffer.get_mut(HEAD - AROUND..HEAD + packet.len() + AROUND) {
                bytes.fill(0);
            }
            if let Some(bytes) = buffer.get_mut(place.clone()) {
                bytes.copy_from_slice(packet);
            }
        }
    }

    /// Batches of buffers with the places of their packets.
    pub(crate) fn batches(&mut self) -> impl Iterator<Item = (&mut [u8], &mut [Range<usize>])> {
        self.bytes.chunks_exact_mut(BUFFER * BATCH).zip(self.places.chunks_exact_mut(BATCH))
    }
}

/// An IPv4 packet of `size` bytes with a UDP header.
pub(crate) fn packet(size: usize) -> Vec<u8> {
    let [l0, l1] = u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x45, 0, l0, l1, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2];
    packet.extend([0x0f, 0xa0, 0x13, 0x88]);
    packet.resize(size, 0x42);
    packet
}
