//! Numbers as people read them.

use core::time::Duration;

/// `999,999`, and above that `1.23 M`.
pub(crate) fn count(value: u64) -> String {
    if value < 1_000_000 {
        return grouped(value);
    }
    scaled(
        value,
        &[(1_000_000, "M"), (1_000_000_000, "G"), (1_000_000_000_000, "T"), (1_000_000_000_000_000, "P")],
    )
}

/// `1.23 MB`, in powers of ten.
pub(crate) fn bytes(value: u64) -> String {
    if value < 1_000 {
        return format!("{value} B");
    }
    scaled(
        value,
        &[
            (1_000, "kB"),
            (1_000_000, "MB"),
            (1_000_000_000, "GB"),
            (1_000_000_000_000, "TB"),
            (1_000_000_000_000_000, "PB"),
        ],
    )
}

/// `1,234,567`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3 %`; a part of nothing is `-`.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    match tenths {
        0 if part > 0 => "<0.1 %".to_owned(),
        _ => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// `812 ms`, `5.20 s`, `3 m 12 s`, `2 h 5 m`, `3 d 4 h`.
pub(crate) fn duration(value: Duration) -> String {
    let seconds = value.as_secs();
    match seconds {
        0 if value.as_millis() == 0 => format!("{} us", value.as_micros()),
        0 => format!("{} ms", value.as_millis()),
        1..60 => format!("{seconds}.{:02} s", value.subsec_millis() / 10),
        60..3_600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// How many `value` in each second of `time`; none for no time.
pub(crate) fn per_second(value: u64, time: Duration) -> Option<u64> {
    let ns = time.as_nanos();
    let rate = (u128::from(value) * 1_000_000_000).checked_div(ns)?;
    u64::try_from(rate).ok()
}

fn scaled(value: u64, units: &[(u64, &str)]) -> String {
    let unit = units.iter().rev().find(|(size, _)| value >= *size);
    let Some((size, name)) = unit else { return value.to_string() };
    let hundredths = u128::from(value) * 100 / u128::from(*size);
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    match whole {
        0..10 => format!("{whole}.{rest:02} {name}"),
        10..100 => format!("{whole}.{} {name}", rest / 10),
        _ => format!("{whole} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_short_and_small_ones_exact() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (999_999, "999,999"),
            (1_234_567, "1.23 M"),
            (12_345_678, "12.3 M"),
            (123_456_789, "123 M"),
            (u64::MAX, "18446 P"),
        ] {
            assert_eq!(count(value), text);
        }
        for (value, text) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.00 kB"), (1_234_567, "1.23 MB"), (99_999, "99.9 kB")]
        {
            assert_eq!(bytes(value), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn shares_add_up_to_a_hundred_and_show_the_least() {
        for (part, whole, text) in [
            (1, 3, "33.3 %"),
            (3, 3, "100.0 %"),
            (0, 3, "0.0 %"),
            (1, 100_000, "<0.1 %"),
            (0, 0, "-"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ] {
            assert_eq!(share(part, whole), text);
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (ms, text) in [
            (0, "0 us"),
            (812, "812 ms"),
            (5_200, "5.20 s"),
            (192_000, "3 m 12 s"),
            (7_500_000, "2 h 5 m"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(ms)), text);
        }
        assert_eq!(per_second(10, Duration::from_millis(500)), Some(20));
        assert_eq!(per_second(10, Duration::ZERO), None);
        assert_eq!(per_second(u64::MAX, Duration::from_nanos(1)), None);
    }
}
