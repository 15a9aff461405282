//! A reader of fixed-size numbers and runs of bytes, in either byte order.

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocols) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(in crate::protocols) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(in crate::protocols) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(in crate::protocols) const fn len(&self) -> usize {
        self.rest.len()
    }

    pub(in crate::protocols) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(in crate::protocols) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Big-endian.
    pub(in crate::protocols) fn u16(&mut self) -> Option<u16> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Big-endian.
    pub(in crate::protocols) fn u24(&mut self) -> Option<u32> {
        let [a, b, c] = *self.array()?;
        Some(u32::from_be_bytes([0, a, b, c]))
    }

    /// Big-endian.
    pub(in crate::protocols) fn u32(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Little-endian.
    pub(in crate::protocols) fn u16_le(&mut self) -> Option<u16> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// Little-endian.
    pub(in crate::protocols) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Little-endian.
    pub(in crate::protocols) fn u64_le(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// Little-endian.
    pub(in crate::protocols) fn u24_le(&mut self) -> Option<u32> {
        let [a, b, c] = *self.array()?;
        Some(u32::from_le_bytes([a, b, c, 0]))
    }

    /// Text up to a zero, which is taken too.
    pub(in crate::protocols) fn c_string(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest)?;
        let text = self.take(end)?;
        self.u8()?;
        Some(text)
    }

    pub(in crate::protocols) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(first)
    }

    pub(in crate::protocols) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_end_and_what_fails_takes_nothing() {
        let mut cursor = Cursor::new(&[1, 2, 3, 4, 5]);
        assert_eq!(cursor.u16(), Some(0x0102));
        assert_eq!(cursor.u32(), None);
        assert_eq!(cursor.u16_le(), Some(0x0403));
        assert_eq!(cursor.take(2), None);
        assert_eq!(cursor.rest(), [5]);
        assert_eq!((cursor.u8(), cursor.u8()), (Some(5), None));
    }
}
