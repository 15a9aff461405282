use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::json::two;

/// The time zone that timestamps are written in.
#[derive(Clone, Debug, Default)]
pub enum Zone {
    /// UTC, `+0000`.
    #[default]
    Utc,
    /// The zone that the system is set to, daylight saving time included.
    Local,
}

/// Writes `2026-11-21T05:14:00.123456+0000`.
#[derive(Debug)]
pub(super) struct Clock {
    zone: Option<TimeZone>,
    /// Quarter of an hour for which `offset` holds: no zone changes its offset inside one.
    quarter: u64,
    /// Seconds east of UTC.
    offset: i32,
    /// The second since the UNIX epoch that `text` is of.
    second: u64,
    /// The day, counted from 1970-01-01, of that second where the text was written for.
    day: u64,
    /// That second with a fraction of zero: points in time that are written after one another mostly share it.
    text: [u8; LEN],
}

/// Characters of a point in time.
const LEN: usize = 31;
/// Characters before the digits of the fraction.
const FRACTION_AT: usize = 20;

impl Clock {
    pub(super) fn new(zone: &Zone) -> Self {
        let zone = match zone {
            Zone::Utc => None,
            Zone::Local => Some(TimeZone::system()),
        };
        Self::of(zone)
    }

    const fn of(zone: Option<TimeZone>) -> Self {
        Self {
            zone,
            quarter: u64::MAX,
            offset: 0,
            second: u64::MAX,
            day: 0,
            text: *b"1970-01-01T00:00:00.000000+0000",
        }
    }

    /// Appends a point in time, given in nanoseconds since the UNIX epoch (so 1970 to 2554), without quotes.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, ns: u64) {
        let seconds = ns / NS_PER_SECOND;
        if seconds != self.second {
            self.set_second(seconds);
        }
        let micros = below_u32(ns % NS_PER_SECOND) / 1_000;
        let (high, low) = (micros / 100, micros % 100);
        out.extend_from_slice(&self.text);
        // Written where the text went: changed before it is copied, it could only be read once that is done.
        if let Some([u1, u2, u3, u4, u5, u6, ..]) = out.last_chunk_mut::<{ LEN - FRACTION_AT }>() {
            ([*u1, *u2], [*u3, *u4], [*u5, *u6]) = (two(high / 100), two(high % 100), two(low));
        }
    }

    /// Writes all but the fraction.
    fn set_second(&mut self, second: u64) {
        self.second = second;
        let offset = self.offset_at(second);
        let local = second.saturating_add_signed(i64::from(offset));
        let (day, in_day) = (local / 86_400, below_u32(local % 86_400));
        let (hours, minutes, seconds) = (in_day / 3_600, in_day / 60 % 60, in_day % 60);
        let [text @ .., _, _, _, _, _, _, _, _, _, _, _, _] = &mut self.text;
        let [date_text @ .., _, h1, h2, _, mi1, mi2, _, s1, s2] = text;
        ([*h1, *h2], [*mi1, *mi2], [*s1, *s2]) = (two(hours), two(minutes), two(seconds));
        if day != self.day {
            self.day = day;
            *date_text = date(day);
        }
        if self.zone.is_some() {
            let east = offset.unsigned_abs() / 60;
            let [.., sign, z1, z2, z3, z4] = &mut self.text;
            *sign = if offset < 0 { b'-' } else { b'+' };
            ([*z1, *z2], [*z3, *z4]) = (two(east / 60), two(east % 60));
        }
    }

    fn offset_at(&mut self, seconds: u64) -> i32 {
        let Some(zone) = &self.zone else { return 0 };
        let quarter = seconds / 900;
        if quarter != self.quarter {
            let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
            self.offset = at.map_or(0, |at| zone.to_offset(at).seconds());
            self.quarter = quarter;
        }
        self.offset
    }
}

/// A day counted from 1970-01-01 as `2026-11-21`.
fn date(day: u64) -> [u8; 10] {
    let (year, month, day) = civil(day);
    let [year, month, day] = [year, month, day].map(below_u32);
    let ([y1, y2], [y3, y4]) = (two(year / 100), two(year % 100));
    let ([m1, m2], [d1, d2]) = (two(month), two(day));
    [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2]
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
///
/// Counted in years that start in March, so that the leap day is the last of its year; 146,097 days are 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    let since_year_0 = days + DAYS_FROM_MARCH_0000_TO_1970;
    let (era, day_of_era) = (since_year_0 / DAYS_PER_ERA, since_year_0 % DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// A number that is known to be small: 32 bits are divided faster than 64.
fn below_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

const NS_PER_SECOND: u64 = 1_000_000_000;
const DAYS_PER_ERA: u64 = 146_097;
const DAYS_FROM_MARCH_0000_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utc(ns: u64) -> String {
        let mut out = Vec::new();
        Clock::new(&Zone::Utc).write(&mut out, ns);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_near_and_far_are_right() {
        for (ns, text) in [
            (0, "1970-01-01T00:00:00.000000+0000"),
            (951_782_399_999_999_999, "2000-02-28T23:59:59.999999+0000"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000000+0000"),
            (1_795_238_040_123_456_789, "2026-11-21T05:14:00.123456+0000"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000000+0000"),
            (u64::MAX, "2554-07-21T23:34:33.709551+0000"),
        ] {
            assert_eq!(utc(ns), text);
        }
    }

    #[test]
    fn a_zone_shifts_the_clock_and_follows_daylight_saving() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut clock = Clock::of(Some(zone));
        let mut at = |seconds: u64| {
            let mut out = Vec::new();
            clock.write(&mut out, seconds * NS_PER_SECOND);
            String::from_utf8(out).unwrap()
        };
        // Summer time ended on 2026-10-25 at 01:00 UTC.
        assert_eq!(at(1_792_889_999), "2026-10-25T02:59:59.000000+0200");
        assert_eq!(at(1_792_890_000), "2026-10-25T02:00:00.000000+0100");
        assert_eq!(at(1_767_225_599), "2026-01-01T00:59:59.000000+0100");
        let west = TimeZone::posix("<-0330>3:30").unwrap();
        let mut clock = Clock::of(Some(west));
        let mut out = Vec::new();
        clock.write(&mut out, 1_767_225_599 * NS_PER_SECOND);
        assert_eq!(String::from_utf8(out).unwrap(), "2025-12-31T20:29:59.000000-0330");
    }

    proptest! {
        #[test]
        fn every_time_reads_as_another_implementation_says(ns: u64) {
            let other = Timestamp::from_nanosecond(i128::from(ns)).unwrap().to_zoned(TimeZone::UTC);
            prop_assert_eq!(utc(ns), other.strftime("%Y-%m-%dT%H:%M:%S.%6f%z").to_string());
        }
    }
}
