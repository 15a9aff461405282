use std::num::NonZeroU32;
use std::time::Duration;

use super::clock::SECOND_NS;

/// How fast a capture is played.
#[derive(Clone, Copy, Debug, Default)]
pub enum Pacing {
    /// As fast as it is asked for.
    #[default]
    Unpaced,
    /// Like it was captured, by its timestamps.
    Timestamps {
        /// How many times as fast.
        speed: Speed,
        /// Longest pause kept; what is longer is cut to it, so that a damaged timestamp does not stop the play.
        longest_pause: Duration,
        /// Monotonic clock in nanoseconds, read once per burst; [`monotonic_ns`] outside tests.
        clock: fn() -> u64,
    },
}

/// How many times as fast as captured, in steps of a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    thousandths: NonZeroU32,
}

impl Speed {
    /// As fast as captured.
    pub const ORIGINAL: Self = Self { thousandths: NonZeroU32::MIN.saturating_add(THOUSAND - 1) };

    /// `factor` times as fast, from 0.001 to 4,000,000; `None` outside of that.
    #[must_use]
    pub fn times(factor: f64) -> Option<Self> {
        let thousandths = (factor * f64::from(THOUSAND)).round();
        if !(1.0..=f64::from(u32::MAX)).contains(&thousandths) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, and within u32: seen above"
        )]
        let thousandths = NonZeroU32::new(thousandths as u32)?;
        Some(Self { thousandths })
    }

    /// How long `captured_ns` of capture take to play.
    fn played_ns(self, captured_ns: u64) -> u64 {
        let played = u128::from(captured_ns) * u128::from(THOUSAND) / u128::from(self.thousandths.get());
        u64::try_from(played).unwrap_or(u64::MAX)
    }
}

const THOUSAND: u32 = 1_000;

impl Default for Speed {
    fn default() -> Self {
        Self::ORIGINAL
    }
}

/// Nanoseconds since the first call, by a clock that never goes back.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the clock itself; the packet path reads it once per burst, if at all"
)]
pub fn monotonic_ns() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let passed = START.elapsed();
    passed.as_secs().saturating_mul(SECOND_NS).saturating_add(u64::from(passed.subsec_nanos()))
}

/// When the packets of a capture are due.
#[derive(Debug)]
pub(crate) struct Schedule {
    pacing: Pacing,
    /// Timestamp of the last packet asked about, and when it was due.
    last: Option<(u64, u64)>,
}

impl Schedule {
    pub(crate) fn new(pacing: Pacing) -> Self {
        Self { pacing, last: None }
    }

    /// The time now, where packets have to wait for theirs.
    #[inline]
    pub(crate) fn now(&self) -> Option<u64> {
        match self.pacing {
            Pacing::Unpaced => None,
            Pacing::Timestamps { clock, .. } => Some(clock()),
        }
    }

    /// When the next packet, captured at `timestamp_ns`, is due; to be asked once for each packet.
    pub(crate) fn due(&mut self, timestamp_ns: u64, now: u64) -> u64 {
        let Pacing::Timestamps { speed, longest_pause, .. } = self.pacing else { return now };
        let Some((last_timestamp, last_due)) = self.last else {
            self.last = Some((timestamp_ns, now));
            return now;
        };
        let longest = u64::try_from(longest_pause.as_nanos()).unwrap_or(u64::MAX);
        let pause = speed.played_ns(timestamp_ns.saturating_sub(last_timestamp)).min(longest);
        let due = last_due.saturating_add(pause);
        // A packet that was captured a little before the one ahead of it goes with that one and does not delay the
        // next; one from long before means that time was set back, and counts from there.
        let is_set_back = speed.played_ns(last_timestamp.saturating_sub(timestamp_ns)) > longest;
        let timestamp = if is_set_back { timestamp_ns } else { last_timestamp.max(timestamp_ns) };
        self.last = Some((timestamp, due));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(factor: f64, longest_pause: Duration) -> Schedule {
        let speed = Speed::times(factor).unwrap();
        Schedule::new(Pacing::Timestamps { speed, longest_pause, clock: || 0 })
    }

    #[test]
    fn packets_are_due_at_their_distances_divided_by_the_speed() {
        let mut schedule = schedule(2.0, Duration::MAX);
        let due: Vec<u64> = [1_000, 1_000, 1_600, 1_200, 1_800].map(|t| schedule.due(t, 50)).to_vec();
        assert_eq!(due, [50, 50, 350, 350, 450]);
    }

    #[test]
    fn a_jump_in_time_waits_no_longer_than_allowed() {
        let mut schedule = schedule(1.0, Duration::from_nanos(100));
        let due: Vec<u64> = [0, u64::MAX, 50, 80, 70, 90].map(|t| schedule.due(t, 0)).to_vec();
        assert_eq!(due, [0, 100, 100, 130, 130, 140]);
    }

    #[test]
    fn a_speed_is_within_reason() {
        assert_eq!(Speed::times(1.0), Some(Speed::ORIGINAL));
        assert!(Speed::times(0.001).is_some());
        for factor in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-9, 1e12] {
            assert_eq!(Speed::times(factor), None);
        }
    }
}
