//! Lines and strings.

use memchr::memchr;

use crate::protocols::framed::Framing;

/// Bytes of a line; what is longer is no line.
const LINE_MAX: usize = 16 * 1024;
/// Bytes of a string that are read.
const STRING_SHOWN: usize = 128;

/// A count with its line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted<'a> {
    Open,
    Invalid,
    /// It, and what follows.
    Is(i64, &'a [u8]),
}

/// Reads a count: digits, perhaps with a minus, and CR LF.
pub(super) fn counted(text: &[u8]) -> Counted<'_> {
    let shown = text.get(..24).unwrap_or(text);
    let digits = shown.strip_prefix(b"-").unwrap_or(shown);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    match digits.get(end..) {
        _ if end > 18 => Counted::Invalid,
        Some([b'\r', b'\n', ..]) if end > 0 => {
            let value =
                digits.iter().take(end).fold(0_i64, |value, digit| value * 10 + i64::from(digit - b'0'));
            let is_negative = digits.len() < shown.len();
            let line = usize::from(is_negative) + end + 2;
            Counted::Is(if is_negative { -value } else { value }, text.get(line..).unwrap_or_default())
        }
        Some([] | [b'\r']) if shown.len() == text.len() => Counted::Open,
        _ => Counted::Invalid,
    }
}

/// Where a line ends, its end included.
pub(super) fn line(bytes: &[u8]) -> Framing {
    let shown = bytes.get(..LINE_MAX).unwrap_or(bytes);
    match memchr(b'\n', shown) {
        Some(end) => Framing::whole(end + 1),
        None if shown.len() == LINE_MAX => Framing::Invalid("line_too_long"),
        None => Framing::Open,
    }
}

/// Where a string of `len` bytes ends, its line end included.
pub(super) fn string(len: u64) -> Framing {
    match usize::try_from(len) {
        Ok(len) => Framing::at_most(len.saturating_add(2), STRING_SHOWN),
        Err(_) => Framing::Invalid("invalid_length"),
    }
}

/// Longest string that servers take (`proto-max-bulk-len` and then some).
pub(super) const STRING_MAX: i64 = 4 << 30;
/// Most elements of an aggregate.
pub(super) const ELEMENTS_MAX: i64 = 1 << 31;
