/// The captured bytes of one layer, where they are in the frame, and how long the layer was on the wire.
///
/// Always: `wire_len >= bytes.len()`, and `offset + bytes.len()` is at most the length of the frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    bytes: &'a [u8],
    offset: usize,
    wire_len: usize,
}

impl<'a> View<'a> {
    /// A whole frame.
    pub(crate) fn frame(bytes: &'a [u8], wire_len: usize) -> Self {
        Self { bytes, offset: 0, wire_len: wire_len.max(bytes.len()) }
    }

    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) const fn wire_len(&self) -> usize {
        self.wire_len
    }

    /// Whether the capture ends before the layer does.
    pub(crate) const fn is_cut(&self) -> bool {
        self.bytes.len() < self.wire_len
    }

    /// The first `N` bytes, if they were captured.
    pub(crate) const fn first<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.first_chunk()
    }

    /// The first `N` bytes, if they were captured, and what follows them.
    pub(crate) fn split<const N: usize>(self) -> Option<(&'a [u8; N], Self)> {
        let (head, rest) = self.bytes.split_first_chunk()?;
        Some((head, Self { bytes: rest, offset: self.offset + N, wire_len: self.wire_len - N }))
    }

    /// What follows `count` bytes, none if the layer is shorter than that on the wire.
    pub(crate) fn skip(self, count: usize) -> Option<Self> {
        let wire_len = self.wire_len.checked_sub(count)?;
        let (_, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        Some(Self { bytes: rest, offset: self.offset + (self.bytes.len() - rest.len()), wire_len })
    }

    /// The first `wire_len` bytes, or all where there are fewer.
    pub(crate) fn limit(self, wire_len: usize) -> Self {
        let (bytes, _) = self.bytes.split_at(wire_len.min(self.bytes.len()));
        Self { bytes, offset: self.offset, wire_len: wire_len.min(self.wire_len) }
    }

    /// The same bytes as the start of something longer: a sender cut it before it put it into a tunnel.
    pub(crate) const fn as_start_of_longer(self) -> Self {
        Self { bytes: self.bytes, offset: self.offset, wire_len: MAX_IP_PACKET + self.wire_len }
    }
}

/// Longest IP packet without jumbo payload, bytes.
pub(super) const MAX_IP_PACKET: usize = 65_535;
