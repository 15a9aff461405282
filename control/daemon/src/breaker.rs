//! What keeps a part that fails from being asked again and again: a circuit breaker, and a back-off with jitter.

use std::time::Duration;

/// Failures in a row that open a circuit.
const FAILURES: u32 = 5;
/// How long it stays open before one may try.
const OPEN: Duration = Duration::from_secs(60);
/// Successes in a row that close it again.
const SUCCESSES: u32 = 3;

/// A circuit breaker: 5 failures open it, after 60 s it lets tries through, 3 successes close it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Breaker {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { since: Duration },
    HalfOpen { successes: u32 },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// Whether one may ask at `now` (any clock that does not run backwards).
    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        if let State::Open { since } = self.state {
            if now.saturating_sub(since) < OPEN {
                return false;
            }
            self.state = State::HalfOpen { successes: 0 };
        }
        true
    }

    pub(crate) fn succeeded(&mut self) {
        self.state = match self.state {
            State::HalfOpen { successes } if successes + 1 < SUCCESSES => {
                State::HalfOpen { successes: successes + 1 }
            }
            _ => State::Closed { failures: 0 },
        };
    }

    pub(crate) fn failed(&mut self, now: Duration) {
        self.state = match self.state {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Open { since } => State::Open { since },
            _ => State::Open { since: now },
        };
    }

    /// Somebody knows that it works again.
    pub(crate) fn reset(&mut self) {
        self.state = State::default();
    }
}

/// Waits that double, with a jitter of a quarter either way.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// How long to wait after one failure more; the first one is tried again at once. `random` is any number.
    pub(crate) fn next_wait(&mut self, random: u32) -> Duration {
        let failures = self.failures;
        self.failures = self.failures.saturating_add(1);
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let wait = self.first.saturating_mul(1_u32.checked_shl(doublings.min(20)).unwrap_or(u32::MAX));
        let wait = wait.min(self.longest);
        // 750 to 1,250 thousandths.
        wait.saturating_mul(750 + random % 501) / 1000
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn five_failures_open_it_and_three_successes_close_it() {
        let mut breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(at(0));
        }
        breaker.succeeded();
        for _ in 0..5 {
            assert!(breaker.admits(at(1)));
            breaker.failed(at(1));
        }
        assert!(!breaker.admits(at(60)));
        assert!(breaker.admits(at(61)));
        breaker.succeeded();
        breaker.succeeded();
        assert_ne!(breaker, Breaker::default(), "two are not enough");
        breaker.failed(at(62));
        assert!(!breaker.admits(at(63)), "one failure while it is tried opens it again");
        assert!(breaker.admits(at(122)));
        (0..3).for_each(|_| breaker.succeeded());
        assert_eq!(breaker, Breaker::default());
    }

    #[test]
    fn waits_double_up_to_the_longest_with_a_jitter() {
        let mut backoff = Backoff::new(at(1), at(8));
        assert_eq!(backoff.next_wait(0), Duration::ZERO);
        for (random, wanted) in (0..).map(|number| number * 77_777).zip([1, 2, 4, 8, 8, 8]) {
            let wait = backoff.next_wait(random);
            assert!(wait >= at(wanted) * 3 / 4 && wait <= at(wanted) * 5 / 4, "{wait:?}");
        }
        for _ in 0..100 {
            assert!(backoff.next_wait(u32::MAX) <= at(10));
        }
        backoff.reset();
        assert_eq!(backoff.next_wait(9), Duration::ZERO);
    }
}
