//! Sizes and times as a person writes them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Number of bytes, written with a unit: `"256MiB"`, `"1GB"`, `"1500B"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// A number of bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A number of KiB (1,024 bytes).
    #[must_use]
    pub const fn from_kib(kib: u32) -> Self {
        Self((kib as u64) << 10)
    }

    /// A number of MiB (1,024 KiB).
    #[must_use]
    pub const fn from_mib(mib: u32) -> Self {
        Self((mib as u64) << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// Text that is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotASize {
    /// No whole number at the start.
    #[error("no whole number at its start")]
    NoNumber,
    /// A number without a unit.
    #[error("no unit")]
    NoUnit,
    /// A unit that is not known.
    #[error("an unknown unit")]
    UnknownUnit,
    /// More than 64 bits hold.
    #[error("more than 2^64 bytes")]
    TooLarge,
}

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let (number, unit) = split_number(text);
        if number.is_empty() {
            return Err(NotASize::NoNumber);
        }
        if unit.is_empty() {
            return Err(NotASize::NoUnit);
        }
        let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or(NotASize::UnknownUnit)?;
        let number: u64 = number.parse().map_err(|_| NotASize::TooLarge)?;
        number.checked_mul(*factor).map(Self).ok_or(NotASize::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_largest_unit(f, self.0, SIZES)
    }
}

/// Length of time, written with a unit: `"500ms"`, `"30s"`, `"10m"`, `"1h"`, `"1d"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout {
    millis: u64,
}

impl Timeout {
    /// A number of milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// A number of seconds.
    #[must_use]
    pub const fn from_secs(secs: u32) -> Self {
        Self { millis: secs as u64 * 1000 }
    }

    /// The same as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

/// Text that is not a length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATimeout {
    /// No whole number at the start.
    #[error("no whole number at its start")]
    NoNumber,
    /// A number without a unit.
    #[error("no unit")]
    NoUnit,
    /// A unit that is not known.
    #[error("an unknown unit")]
    UnknownUnit,
    /// More milliseconds than 64 bits hold.
    #[error("more than 2^64 milliseconds")]
    TooLarge,
}

impl FromStr for Timeout {
    type Err = NotATimeout;

    fn from_str(text: &str) -> Result<Self, NotATimeout> {
        let (number, unit) = split_number(text);
        if number.is_empty() {
            return Err(NotATimeout::NoNumber);
        }
        if unit.is_empty() {
            return Err(NotATimeout::NoUnit);
        }
        let (_, factor) = TIMES.iter().find(|(name, _)| *name == unit).ok_or(NotATimeout::UnknownUnit)?;
        let number: u64 = number.parse().map_err(|_| NotATimeout::TooLarge)?;
        number.checked_mul(*factor).map(Self::from_millis).ok_or(NotATimeout::TooLarge)
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_largest_unit(f, self.millis, TIMES)
    }
}

fn split_number(text: &str) -> (&str, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or(("", text));
    (number, unit.trim_start())
}

fn write_in_largest_unit(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let largest = units
        .iter()
        .filter(|(_, factor)| value.is_multiple_of(*factor) && value >= *factor)
        .max_by_key(|(_, factor)| *factor);
    match largest.or(units.first()) {
        Some((name, factor)) => write!(f, "{}{name}", value / factor),
        None => Ok(()),
    }
}

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

const TIMES: &[(&str, u64)] = &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_size_counts_in_the_unit_it_names() {
        assert_eq!("256MiB".parse(), Ok(ByteSize::from_mib(256)));
        assert_eq!("1GB".parse(), Ok(ByteSize::from_bytes(1_000_000_000)));
        assert_eq!("64 KiB".parse(), Ok(ByteSize::from_kib(64)));
        assert_eq!("256".parse::<ByteSize>(), Err(NotASize::NoUnit));
        assert_eq!("MiB".parse::<ByteSize>(), Err(NotASize::NoNumber));
        assert_eq!("-1MiB".parse::<ByteSize>(), Err(NotASize::NoNumber));
        assert_eq!("1.5GiB".parse::<ByteSize>(), Err(NotASize::UnknownUnit));
        assert_eq!("256Mb".parse::<ByteSize>(), Err(NotASize::UnknownUnit));
        assert_eq!("99999999TiB".parse::<ByteSize>(), Err(NotASize::TooLarge));
    }

    #[test]
    fn a_timeout_counts_in_the_unit_it_names() {
        assert_eq!("30s".parse(), Ok(Timeout::from_secs(30)));
        assert_eq!("1h".parse(), Ok(Timeout::from_secs(3600)));
        assert_eq!("500ms".parse(), Ok(Timeout::from_millis(500)));
        assert_eq!("30".parse::<Timeout>(), Err(NotATimeout::NoUnit));
        assert_eq!("1h30m".parse::<Timeout>(), Err(NotATimeout::UnknownUnit));
        assert_eq!("99999999999999999999s".parse::<Timeout>(), Err(NotATimeout::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(value: u64) {
            let size = ByteSize::from_bytes(value);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
            let timeout = Timeout::from_millis(value);
            prop_assert_eq!(timeout.to_string().parse(), Ok(timeout));
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let _ = text.parse::<ByteSize>();
            let _ = text.parse::<Timeout>();
        }
    }
}
