/// Order of the bytes of a number in a capture file: that of the machine that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    #[inline]
    pub(crate) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(crate) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    #[inline]
    pub(crate) fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        }
    }

    /// The first `N` 32-bit numbers of `bytes`, where it holds as many.
    #[inline]
    pub(crate) fn words<const N: usize>(self, bytes: &[u8]) -> Option<[u32; N]> {
        let (words, _) = bytes.as_chunks::<4>();
        Some(words.first_chunk::<N>()?.map(|word| self.u32(word)))
    }

    /// The two 16-bit numbers that were read as one of 32 bits, in the order of the file.
    #[inline]
    pub(crate) fn halves(self, word: u32) -> (u16, u16) {
        let [a, b, c, d] = word.to_be_bytes();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        match self {
            Self::Little => (low, high),
            Self::Big => (high, low),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_come_in_the_order_of_the_file() {
        let bytes = [1, 2, 3, 4];
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let [word] = order.words::<1>(&bytes).unwrap();
            assert_eq!(order.halves(word), (order.u16([1, 2]), order.u16([3, 4])));
        }
    }

    #[test]
    fn words_that_are_not_all_there_are_none() {
        assert_eq!(ByteOrder::Big.words::<2>(&[0, 0, 0, 1, 0, 0, 0]), None);
    }
}
