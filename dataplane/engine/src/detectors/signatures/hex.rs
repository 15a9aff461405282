//! Bytes in hexadecimal, with wildcards: `68 ?? 4? 00`.

use thiserror::Error;

use super::opening::{ByteSet, Heads};

/// Bytes that one literal may have.
const MAX_BYTES: usize = 256;

/// Bytes of which some bits may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MaskedBytes {
    /// Where they stand.
    offset: usize,
    /// Value and mask of each byte.
    bytes: Box<[(u8, u8)]>,
}

impl MaskedBytes {
    /// Reads pairs of hexadecimal digits; `?` is any digit; blanks are free. The bytes stand at `offset`.
    pub(super) fn parse(text: &str, offset: usize) -> Result<Self, HexError> {
        let digits: Vec<char> = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let (pairs, odd) = digits.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(HexError::OddDigits);
        }
        if pairs.is_empty() || pairs.len() > MAX_BYTES {
            return Err(HexError::Length { most: MAX_BYTES });
        }
        let mut bytes = Vec::with_capacity(pairs.len());
        for [high, low] in pairs {
            let ((high, high_mask), (low, low_mask)) = (digit(*high)?, digit(*low)?);
            bytes.push((high << 4 | low, high_mask << 4 | low_mask));
        }
        Ok(Self { offset, bytes: bytes.into_boxed_slice() })
    }

    /// Whether they stand at their offset of `payload`.
    pub(super) fn stand_in(&self, payload: &[u8]) -> bool {
        let end = self.offset.saturating_add(self.bytes.len());
        payload.get(self.offset..end).is_some_and(|found| {
            found.iter().zip(&self.bytes).all(|(byte, (value, mask))| byte & mask == *value)
        })
    }

    /// Takes from `heads` the first bytes that these rule out.
    pub(super) fn narrow(&self, heads: &mut Heads) {
        for (offset, (value, mask)) in (self.offset..).zip(&self.bytes) {
            heads.restrict(offset, ByteSet::of(|byte| byte & mask == *value));
        }
    }

    /// Bits that are fixed.
    pub(super) fn bits(&self) -> f64 {
        f64::from(self.bytes.iter().map(|(_, mask)| mask.count_ones()).sum::<u32>())
    }

    /// Where they stand.
    pub(super) const fn offset(&self) -> usize {
        self.offset
    }
}

/// Plain bytes, for samples.
pub(super) fn plain_bytes(text: &str) -> Result<Vec<u8>, HexError> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(HexError::OddDigits);
    }
    pairs
        .iter()
        .map(|[high, low]| match (digit(*high)?, digit(*low)?) {
            ((high, 0xf), (low, 0xf)) => Ok(high << 4 | low),
            _ => Err(HexError::Wildcard),
        })
        .collect()
}

/// Value and mask of a digit.
fn digit(c: char) -> Result<(u8, u8), HexError> {
    if c == '?' {
        return Ok((0, 0));
    }
    match c.to_digit(16).and_then(|value| u8::try_from(value).ok()) {
        Some(value) => Ok((value, 0xf)),
        None => Err(HexError::Digit(c)),
    }
}

/// What can be wrong with hexadecimal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HexError {
    /// Neither a hexadecimal digit nor a wildcard.
    #[error("`{0}` is no hexadecimal digit; write pairs of 0-9 a-f, `?` for any digit")]
    Digit(char),
    /// Half a byte.
    #[error("the number of digits is odd: write two for each byte")]
    OddDigits,
    /// None, or too many.
    #[error("there must be 1 to {most} bytes")]
    Length {
        /// Bytes that are allowed.
        most: usize,
    },
    /// A wildcard where plain bytes must be.
    #[error("a sample has no wildcards: write the byte")]
    Wildcard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_any_digit() {
        let bytes = MaskedBytes::parse("68 ?? 4?", 1).unwrap();
        assert!(bytes.stand_in(&[0, 0x68, 0xff, 0x4a]));
        assert!(!bytes.stand_in(&[0, 0x68, 0xff, 0x5a]));
        assert!(!bytes.stand_in(&[0, 0x68, 0xff]), "cut short");
        assert!((bytes.bits() - 12.0).abs() < 1e-9);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(MaskedBytes::parse("6", 0), Err(HexError::OddDigits));
        assert_eq!(MaskedBytes::parse("", 0), Err(HexError::Length { most: MAX_BYTES }));
        assert_eq!(MaskedBytes::parse("6g", 0), Err(HexError::Digit('g')));
        assert_eq!(plain_bytes("0?"), Err(HexError::Wildcard));
        assert_eq!(plain_bytes("00 ff"), Ok(vec![0, 0xff]));
    }
}
