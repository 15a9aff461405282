//! Units of time in capture files.

/// How a count of ticks becomes nanoseconds since the UNIX epoch: `if_tsresol` and `if_tsoffset` of pcapng
/// (draft-ietf-opsawg-pcapng section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TickClock {
    scale: Scale,
    offset_ns: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Ticks are this many nanoseconds.
    Times(u64),
    /// This many ticks are a nanosecond.
    Per(u64),
    /// Ticks are this power of two of a second.
    Shift(u32),
}

/// Nanoseconds of a second.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Decimal digits of a nanosecond.
const NANO_DIGITS: u32 = 9;

impl Default for TickClock {
    /// Microseconds: what a pcapng interface without `if_tsresol` counts in.
    fn default() -> Self {
        Self { scale: Scale::Times(1_000), offset_ns: 0 }
    }
}

impl TickClock {
    /// Takes `if_tsresol`: the lower seven bits are the negative exponent, of 2 where the top bit is set, else of 10.
    pub(crate) fn set_resolution(&mut self, resolution: u8) {
        let exponent = u32::from(resolution & 0x7f);
        self.scale = if resolution & 0x80 != 0 {
            Scale::Shift(exponent)
        } else if exponent <= NANO_DIGITS {
            Scale::Times(10_u64.pow(NANO_DIGITS - exponent))
        } else {
            // Where the divisor does not fit in 64 bits, every count that does is less than a nanosecond.
            10_u64.checked_pow(exponent - NANO_DIGITS).map_or(Scale::Times(0), Scale::Per)
        };
    }

    /// Takes `if_tsoffset`: seconds to add to every timestamp.
    pub(crate) fn set_offset(&mut self, seconds: i64) {
        self.offset_ns = i128::from(seconds) * i128::from(SECOND_NS);
    }

    /// Nanoseconds since the epoch; times before it and after the year 2554 give the nearest that can be said.
    #[inline]
    pub(crate) fn nanoseconds(&self, ticks: u64) -> u64 {
        let whole = match self.scale {
            Scale::Times(factor) => ticks.saturating_mul(factor),
            Scale::Per(divisor) => ticks / divisor,
            Scale::Shift(bits) => {
                u64::try_from((u128::from(ticks) * u128::from(SECOND_NS)) >> bits).unwrap_or(u64::MAX)
            }
        };
        if self.offset_ns == 0 { whole } else { shifted(whole, self.offset_ns) }
    }
}

#[cold]
fn shifted(whole: u64, offset_ns: i128) -> u64 {
    let sum = i128::from(whole).saturating_add(offset_ns);
    u64::try_from(sum).unwrap_or(if sum < 0 { 0 } else { u64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock(resolution: u8, seconds: i64) -> TickClock {
        let mut clock = TickClock::default();
        clock.set_resolution(resolution);
        clock.set_offset(seconds);
        clock
    }

    #[test]
    fn powers_of_ten_are_exact() {
        assert_eq!(TickClock::default().nanoseconds(1_500_000), 1_500_000_000);
        assert_eq!(clock(0, 0).nanoseconds(7), 7 * SECOND_NS);
        assert_eq!(clock(3, 0).nanoseconds(7), 7_000_000);
        assert_eq!(clock(9, 0).nanoseconds(7), 7);
        assert_eq!(clock(12, 0).nanoseconds(7_999), 7);
        assert_eq!(clock(28, 0).nanoseconds(u64::MAX), 1);
        assert_eq!(clock(127, 0).nanoseconds(u64::MAX), 0);
    }

    #[test]
    fn powers_of_two_are_exact() {
        assert_eq!(clock(0x80, 0).nanoseconds(3), 3 * SECOND_NS);
        assert_eq!(clock(0x80 | 10, 0).nanoseconds(1_024 + 512), 1_500_000_000);
        assert_eq!(clock(0x80 | 32, 0).nanoseconds(1 << 31), SECOND_NS / 2);
        assert_eq!(clock(0xff, 0).nanoseconds(u64::MAX), 0);
    }

    #[test]
    fn offsets_shift_both_ways_and_saturate() {
        assert_eq!(clock(9, 2).nanoseconds(5), 2 * SECOND_NS + 5);
        assert_eq!(clock(9, -1).nanoseconds(SECOND_NS + 5), 5);
        assert_eq!(clock(9, -1).nanoseconds(5), 0);
        assert_eq!(clock(9, i64::MAX).nanoseconds(5), u64::MAX);
        assert_eq!(clock(9, i64::MIN).nanoseconds(u64::MAX), 0);
        assert_eq!(clock(0, 0).nanoseconds(u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn time_never_goes_back_within_an_interface(
            resolution in any::<u8>(), seconds in any::<i64>(), a in any::<u64>(), b in any::<u64>(),
        ) {
            let clock = clock(resolution, seconds);
            prop_assert!(clock.nanoseconds(a.min(b)) <= clock.nanoseconds(a.max(b)));
        }
    }
}
