//! Time of packets that are played more than once.

/// First and last timestamp seen, and how many packets there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    first_ns: u64,
    last_ns: u64,
    packets: u64,
}

/// Least distance between the last packet of one round and the first of the next.
const LEAST_GAP_NS: u64 = 1_000;

impl Span {
    /// Takes one packet into account.
    #[inline]
    pub(crate) fn add(&mut self, timestamp_ns: u64) {
        if self.packets == 0 {
            self.first_ns = timestamp_ns;
            self.last_ns = timestamp_ns;
        } else {
            self.first_ns = self.first_ns.min(timestamp_ns);
            self.last_ns = self.last_ns.max(timestamp_ns);
        }
        self.packets += 1;
    }

    /// How much later the next round starts, so that time goes on at the same rate: the span and one mean gap.
    pub(crate) fn period_ns(&self) -> u64 {
        let span = self.last_ns.saturating_sub(self.first_ns);
        let gap = span.checked_div(self.packets.saturating_sub(1)).unwrap_or(0);
        span.saturating_add(gap.max(LEAST_GAP_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_round_starts_one_mean_gap_after_the_last_packet() {
        let mut span = Span::default();
        for timestamp_ns in [10_000, 40_000, 20_000, 30_000] {
            span.add(timestamp_ns);
        }
        assert_eq!(span.period_ns(), 40_000);
    }

    #[test]
    fn packets_of_one_instant_still_move_on() {
        let mut span = Span::default();
        assert_eq!(span.period_ns(), LEAST_GAP_NS);
        span.add(u64::MAX);
        assert_eq!(span.period_ns(), LEAST_GAP_NS);
        span.add(0);
        assert_eq!(span.period_ns(), u64::MAX);
    }
}
