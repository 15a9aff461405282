/// How an SA numbers its packets (RFC 4303, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// 64 bits, of which the low half is sent: what two Wirewardens use.
    Extended,
    /// 32 bits, for peers that know no other; sending ends at 2^32 − 1.
    Short,
}

impl Sequence {
    /// The last number that may be sent.
    pub(crate) const fn last(self) -> u64 {
        match self {
            Self::Extended => u64::MAX,
            Self::Short => u32::MAX as u64,
        }
    }
}

/// The numbers that one sender gives its packets: 1, 2, 3 … up to a limit.
///
/// There is one counter to a key, since only a new outbound SA makes one and takes its key by value. It cannot be
/// copied, set, or read back from anywhere, so no number comes twice under one key, and a nonce is made of it.
pub(crate) struct SequenceCounter {
    last: u64,
    limit: u64,
}

impl SequenceCounter {
    /// A counter whose first number is 1 and whose last one is `limit`.
    pub(crate) const fn up_to(limit: u64) -> Self {
        Self { last: 0, limit }
    }

    /// The next number; `None` for good once the limit was given out.
    #[inline]
    pub(crate) const fn next(&mut self) -> Option<u64> {
        if self.last >= self.limit {
            return None;
        }
        self.last += 1;
        Some(self.last)
    }

    /// Numbers given out.
    #[inline]
    pub(crate) const fn used(&self) -> u64 {
        self.last
    }
}

/// The 64-bit number that a packet with the low half `low` has, where `top` is the highest authentic one and `window`
/// older ones are still taken: the one number of that low half from `top − window + 1` on (RFC 4303, A2.2).
///
/// `None` where that number would be negative or above 2^64 − 1.
#[inline]
#[must_use]
pub const fn infer(top: u64, window: u64, low: u32) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let (top_low, top_high) = (top as u32, top >> 32);
    let span = window.saturating_sub(1);
    // Within the first `window` numbers of a high half, the older ones have the high half before it.
    let bottom = top.wrapping_sub(span);
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    let bottom_low = bottom as u32;
    let high = if (top_low as u64) >= span {
        if low >= bottom_low { Some(top_high) } else { next_high(top_high) }
    } else if low >= bottom_low {
        top_high.checked_sub(1)
    } else {
        Some(top_high)
    };
    match high {
        Some(high) => Some(high << 32 | low as u64),
        None => None,
    }
}

const fn next_high(high: u64) -> Option<u64> {
    if high < u32::MAX as u64 { Some(high + 1) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_ends_at_its_limit_and_stays_there() {
        let mut counter = SequenceCounter::up_to(2);
        assert_eq!(
            [counter.next(), counter.next(), counter.next(), counter.next()],
            [Some(1), Some(2), None, None]
        );
        assert_eq!(counter.used(), 2);
    }

    #[test]
    fn numbers_of_32_bits_end_before_they_repeat() {
        let limit = Sequence::Short.last();
        let mut counter = SequenceCounter { last: u64::from(u32::MAX) - 1, limit };
        assert_eq!([counter.next(), counter.next()], [Some(0xffff_ffff), None]);
        let mut counter = SequenceCounter { last: u64::MAX - 1, limit: Sequence::Extended.last() };
        assert_eq!([counter.next(), counter.next()], [Some(u64::MAX), None]);
    }

    #[test]
    fn the_high_half_follows_the_window_over_a_wrap() {
        const WINDOW: u64 = 64;
        let wrap = 1_u64 << 32;
        assert_eq!(infer(wrap - 10, WINDOW, 5), Some(wrap + 5));
        assert_eq!(infer(wrap + 5, WINDOW, u32::MAX), Some(wrap - 1));
        assert_eq!(infer(wrap + 5, WINDOW, 6), Some(wrap + 6));
        assert_eq!(infer(wrap + 63, WINDOW, 0), Some(wrap));
        assert_eq!(infer(wrap + 64, WINDOW, 0), Some(2 * wrap));
    }

    #[test]
    fn nothing_lies_before_the_first_number_or_behind_the_last() {
        assert_eq!(infer(5, 64, u32::MAX), None);
        assert_eq!(infer(u64::MAX - 100, 64, 3), None);
        assert_eq!(infer(u64::MAX, 64, u32::MAX), Some(u64::MAX));
    }
}
