use core::net::IpAddr;
use std::collections::HashMap;

use engine::record::{FlowIdentity, FlowSummary};

use super::Usage;

/// Who sent and received how much, in bounded memory: of too many hosts, the smaller half is forgotten.
#[derive(Debug)]
pub(super) struct Talkers {
    hosts: HashMap<IpAddr, Traffic>,
    limit: usize,
    forgot: bool,
}

/// What one host had a part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Both ways.
    pub(crate) usage: Usage,
    /// Bytes of `usage` that the host sent.
    pub(crate) sent: u64,
}

impl Talkers {
    pub(super) fn new() -> Self {
        Self { hosts: HashMap::new(), limit: MAX_HOSTS, forgot: false }
    }

    pub(super) fn add(&mut self, flow: &FlowIdentity, summary: &FlowSummary) {
        let [to_server, to_client] = summary.bytes;
        for (side, sent) in [(flow.client, to_server), (flow.client.opposite(), to_client)] {
            let Some(address) = flow.key.ip(side) else { continue };
            let host = self.hosts.entry(address).or_default();
            host.usage.add(summary);
            host.sent = host.sent.saturating_add(sent);
        }
        if self.hosts.len() > self.limit {
            self.forget_smaller_half();
        }
    }

    /// The hosts with most bytes, most first, and whether some that were seen are not in the list's reckoning.
    pub(super) fn top(&self, count: usize) -> (Vec<(IpAddr, Traffic)>, bool) {
        let mut hosts: Vec<_> = self.hosts.iter().map(|(address, traffic)| (*address, *traffic)).collect();
        hosts.sort_unstable_by_key(|(address, traffic)| (core::cmp::Reverse(traffic.usage.bytes), *address));
        hosts.truncate(count);
        (hosts, self.forgot)
    }

    fn forget_smaller_half(&mut self) {
        let mut sizes: Vec<u64> = self.hosts.values().map(|traffic| traffic.usage.bytes).collect();
        let middle = sizes.len() / 2;
        let (_, &mut median, _) = sizes.select_nth_unstable(middle);
        let mut at_median = self.limit / 4;
        self.hosts.retain(|_, traffic| {
            let kept = traffic.usage.bytes > median || (traffic.usage.bytes == median && at_median > 0);
            if traffic.usage.bytes == median {
                at_median = at_median.saturating_sub(1);
            }
            kept
        });
        self.forgot = true;
    }
}

/// About 30 MB.
const MAX_HOSTS: usize = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::tests::{flow, summary};

    #[test]
    fn both_ends_have_their_part_in_a_flow() {
        let mut talkers = Talkers::new();
        talkers.add(&flow(1, 1, 2), &summary(1, [100, 900]));
        talkers.add(&flow(2, 1, 3), &summary(1, [50, 50]));
        let (top, forgot) = talkers.top(2);
        let client = Traffic { usage: Usage { flows: 2, packets: 6, bytes: 1100 }, sent: 150 };
        let server = Traffic { usage: Usage { flows: 1, packets: 3, bytes: 1000 }, sent: 900 };
        assert_eq!(top, [("10.0.0.1".parse().unwrap(), client), ("10.0.0.2".parse().unwrap(), server)]);
        assert!(!forgot);
    }

    #[test]
    fn of_too_many_hosts_the_large_are_kept() {
        let mut talkers = Talkers { limit: 100, ..Talkers::new() };
        for host in 0..5000_u32 {
            let bytes = if host % 1000 == 7 { 1_000_000 } else { 1 };
            talkers.add(&flow(host.into(), 100_000, host), &summary(1, [bytes, 0]));
            assert!(talkers.hosts.len() <= 100);
        }
        let (top, forgot) = talkers.top(6);
        assert!(forgot);
        assert_eq!(top[0].1.usage.flows, 5000);
        assert!(top[1..].iter().all(|(_, traffic)| traffic.usage.bytes >= 1_000_000), "{top:?}");
    }
}
