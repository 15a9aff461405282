use super::spread::Spread;

/// The key that makes the Toeplitz hash symmetric: repeating every 16 bits, it gives the same hash with source and
/// destination exchanged (Woo and Park, "Scalable TCP session monitoring with symmetric receive-side scaling", 2012).
const SYMMETRIC: [u8; 2] = [0x6d, 0x5a];

/// The symmetric key, in the length that a device asks for.
pub(super) fn symmetric_key(length: u8) -> Vec<u8> {
    SYMMETRIC.into_iter().cycle().take(usize::from(length)).collect()
}

/// The fields that a device can hash of those that `spread` wants; 0 where it cannot hash them symmetrically.
pub(super) fn fields(spread: Spread, can: u64, key_length: u8) -> u64 {
    let wanted = match spread {
        Spread::Flows => dpdk_sys::RSS_FLOWS,
        Spread::Hosts => dpdk_sys::RSS_ADDRESSES,
    };
    if key_length == 0 { 0 } else { wanted & can }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Toeplitz hash: for each set bit of the input, the 32 key bits that start there.
    fn toeplitz(key: &[u8], input: &[u8]) -> u32 {
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (7 - at % 8) & 1;
        (0..input.len() * 8)
            .filter(|at| bit(input, *at) == 1)
            .fold(0, |hash, at| hash ^ (0..32).fold(0, |word, k| word << 1 | u32::from(bit(key, at + k))))
    }

    #[test]
    fn the_key_hashes_both_directions_alike() {
        let key = symmetric_key(40);
        let there = [10, 0, 0, 1, 192, 168, 7, 9, 0x1f, 0x90, 0, 53];
        let back = [192, 168, 7, 9, 10, 0, 0, 1, 0, 53, 0x1f, 0x90];
        assert_eq!(toeplitz(&key, &there), toeplitz(&key, &back));
        let other = [192, 168, 7, 9, 10, 0, 0, 2, 0, 53, 0x1f, 0x90];
        assert_ne!(toeplitz(&key, &there), toeplitz(&key, &other));
    }

    #[test]
    fn a_key_is_as_long_as_the_device_wants() {
        assert_eq!(symmetric_key(52).len(), 52);
        assert_eq!(symmetric_key(5), [0x6d, 0x5a, 0x6d, 0x5a, 0x6d]);
    }

    #[test]
    fn a_device_without_a_key_has_no_symmetric_hash() {
        assert_eq!(fields(Spread::Flows, u64::MAX, 0), 0);
        assert_eq!(fields(Spread::Hosts, u64::MAX, 40), dpdk_sys::RSS_ADDRESSES);
        assert_eq!(fields(Spread::Flows, 0, 40), 0);
    }
}
