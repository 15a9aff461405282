//! FNV-1a over the bytes of a name from its end, letter case aside.
//!
//! Case is taken off all bytes alike, which makes a few that are no letters the same: whoever finds a hash compares.

/// Where a hash starts: names below any country are apart from whole ones.
pub(super) const fn start(abroad: bool) -> u64 {
    if abroad { 0x8422_2325_cbf2_9ce4 } else { 0xcbf2_9ce4_8422_2325 }
}

/// One byte more to the left.
pub(super) const fn step(state: u64, byte: u8) -> u64 {
    (state ^ (byte | 0x20) as u64).wrapping_mul(0x0100_0000_01b3)
}

/// The hash of bytes given from the end.
pub(super) fn of<'a>(bytes: impl Iterator<Item = &'a u8>, from: u64) -> u64 {
    bytes.fold(from, |state, byte| step(state, *byte))
}

/// Where a hash belongs in a table of `mask + 1` places, a power of two.
#[expect(clippy::cast_possible_truncation, reason = "only the lowest bits count")]
pub(super) const fn place(state: u64, mask: usize) -> usize {
    (state ^ state >> 29) as usize & mask
}

/// What else there is of a hash.
pub(super) const fn tag(state: u64) -> u32 {
    (state >> 32) as u32
}
