//! How often one may ask: a bucket of requests for each who asks.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Askers that are remembered; when there are more, those with a full bucket are forgotten.
const MOST: usize = 10_000;

/// The buckets.
#[derive(Debug)]
pub(super) struct Limits {
    per_second: u32,
    buckets: HashMap<String, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    /// Requests that are left, in thousandths.
    left: u64,
    at: Instant,
}

/// What is left to one who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    pub(super) limit: u32,
    pub(super) remaining: u64,
    /// Seconds until the bucket is full again.
    pub(super) reset: u64,
    pub(super) is_allowed: bool,
}

impl Limits {
    /// So many a second, and twice as many at once.
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: per_second.max(1), buckets: HashMap::new() }
    }

    pub(super) fn ask(&mut self, who: &str, now: Instant) -> Allowance {
        let full = u64::from(self.per_second) * 2000;
        let refill = |bucket: &Bucket| {
            let passed =
                u64::try_from(now.saturating_duration_since(bucket.at).as_millis()).unwrap_or(u64::MAX);
            bucket.left.saturating_add(passed.saturating_mul(u64::from(self.per_second))).min(full)
        };
        if self.buckets.len() >= MOST && !self.buckets.contains_key(who) {
            let kept: Vec<String> = self
                .buckets
                .iter()
                .filter(|(_, bucket)| refill(bucket) == full)
                .map(|(who, _)| who.clone())
                .collect();
            kept.iter().for_each(|who| _ = self.buckets.remove(who));
        }
        // More who ask at once than are remembered share one bucket.
        let key = if self.buckets.len() >= MOST && !self.buckets.contains_key(who) { "" } else { who };
        let left = self.buckets.get(key).map_or(full, refill);
        let is_allowed = left >= 1000;
        let left = if is_allowed { left - 1000 } else { left };
        self.buckets.insert(key.to_owned(), Bucket { left, at: now });
        let missing = Duration::from_millis((full - left) / u64::from(self.per_second));
        Allowance {
            limit: self.per_second,
            remaining: left / 1000,
            reset: missing.as_secs() + u64::from(missing.subsec_nanos() > 0),
            is_allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_and_is_ones_own() {
        let mut limits = Limits::new(10);
        let start = Instant::now();
        for left in (0..20).rev() {
            let allowance = limits.ask("a", start);
            assert!(allowance.is_allowed);
            assert_eq!(allowance.remaining, left);
        }
        let refused = limits.ask("a", start);
        assert_eq!((refused.is_allowed, refused.reset, refused.limit), (false, 2, 10));
        assert!(limits.ask("b", start).is_allowed);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..10).filter(|_| limits.ask("a", later).is_allowed).count(), 5);
    }

    #[test]
    fn many_who_ask_once_do_not_fill_the_memory() {
        let mut limits = Limits::new(1);
        let start = Instant::now();
        for who in 0..3 * MOST {
            limits.ask(&who.to_string(), start);
        }
        assert!(limits.buckets.len() <= MOST + 1);
        let later = start + Duration::from_secs(3);
        assert!(limits.ask("new", later).is_allowed);
        assert!(limits.buckets.len() < 10);
    }
}
