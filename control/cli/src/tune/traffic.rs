//! What the traffic of the running appliance says about the times that its flows are kept for.

use std::time::Duration;

use api::Config;
use api::config::{FlowTimeouts, Timeout};
use api::control::CounterSnapshot;

/// What became of flows between two looks at the same data plane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// Flows that ended, a second.
    pub(super) ended: f64,
    /// Those among them whose place another flow needed.
    pub(super) evicted: f64,
    /// Flows in the tables of all workers.
    pub(super) open: f64,
}

impl Seen {
    /// None where the second look was at another process, or at once.
    pub(super) fn between(before: &CounterSnapshot, after: &CounterSnapshot) -> Option<Self> {
        let passed = after.uptime_ms.checked_sub(before.uptime_ms).filter(|passed| *passed > 0)? as f64 / 1e3;
        let rate = |name: &str| after.total(name).saturating_sub(before.total(name)) as f64 / passed;
        let evicted = rate("flow.ended.evicted");
        let ended = evicted + rate("flow.ended.timeout") + rate("flow.ended.closed");
        let open = after.total("flow.active") as f64;
        (before.pid == after.pid).then_some(Self { ended, evicted, open })
    }

    /// How long a flow may stay, for the table to be four fifths full: by Little's law as many flows are in it as begin a
    /// second, times the seconds that one stays. None where nothing was evicted.
    pub(super) fn affordable(&self) -> Option<f64> {
        (self.evicted > 0.0).then(|| FULL * self.open / self.ended)
    }

    /// The configuration with shorter times for flows that nobody answered, which are those of scans and floods; none
    /// where nothing was evicted, or they are as short already.
    pub(super) fn made_in(&self, config: &Config) -> Option<Config> {
        let seconds = Duration::try_from_secs_f64(self.affordable()?).ok()?.as_secs();
        let affordable = Timeout::from_secs(u32::try_from(seconds).ok()?).max(SHORTEST);
        let now = config.live.flow.timeouts.clone();
        let mut changed = config.clone();
        changed.live.flow.timeouts = FlowTimeouts {
            tcp_new: now.tcp_new.min(affordable),
            udp_new: now.udp_new.min(affordable),
            icmp: now.icmp.min(affordable),
            other: now.other.min(affordable),
            ..now
        };
        // What nobody could write down is not proposed.
        let written = Config::from_toml(&changed.to_toml(), "proposal").ok()?;
        (written != *config).then_some(written)
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        let Self { ended, evicted, open } = self;
        match self.affordable() {
            None => format!("{ended:.0} flows a second ended, none was evicted: as they are"),
            Some(affordable) => format!(
                "{evicted:.0} of {ended:.0} flows a second were evicted from {open:.0} places: one may stay {affordable:.0} s, or boot.flow_memory has to grow"
            ),
        }
    }
}

/// A table fuller than this has no room for a busier second.
const FULL: f64 = 0.8;
/// A server's answer may take this long.
const SHORTEST: Timeout = Timeout::from_secs(5);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use api::control::WorkerCounters;

    use super::*;

    fn look(uptime_ms: u64, pid: u32, counts: &[(&str, u64)]) -> CounterSnapshot {
        let engine: BTreeMap<String, u64> =
            counts.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        let workers = vec![WorkerCounters { engine, ..WorkerCounters::default() }];
        CounterSnapshot { uptime_ms, pid, workers, ..CounterSnapshot::default() }
    }

    fn config() -> Config {
        let text = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:03:00.0\"\n";
        Config::from_toml(text, "a").unwrap()
    }

    #[test]
    fn a_table_that_overflows_gets_shorter_times_for_what_nobody_answered() {
        let before = look(1_000, 7, &[("flow.ended.evicted", 10), ("flow.ended.timeout", 50)]);
        let after = look(
            11_000,
            7,
            &[("flow.ended.evicted", 50_010), ("flow.ended.timeout", 50_050), ("flow.active", 100_000)],
        );
        let seen = Seen::between(&before, &after).unwrap();
        assert_eq!(seen, Seen { ended: 10_000.0, evicted: 5_000.0, open: 100_000.0 });
        let changed = seen.made_in(&config()).unwrap();
        let (old, new) = (config().live.flow.timeouts, &changed.live.flow.timeouts);
        assert_eq!([new.tcp_new, new.udp_new, new.icmp], [Timeout::from_secs(8); 3]);
        assert_eq!((new.tcp_established, new.udp_established), (old.tcp_established, old.udp_established));
        assert!(config().diff(&changed).changes.iter().all(|change| !change.restart), "flows go on");
        assert!(seen.text().contains("5000 of 10000") && seen.text().contains("8 s"), "{}", seen.text());
        assert_eq!(seen.made_in(&changed), None, "as short already");
    }

    #[test]
    fn where_nothing_was_evicted_or_another_process_counts_nothing_is_proposed() {
        let calm = Seen::between(&look(0, 7, &[]), &look(1_000, 7, &[("flow.ended.timeout", 5)])).unwrap();
        assert_eq!((calm.made_in(&config()), calm.ended), (None, 5.0));
        assert!(calm.text().contains("as they are"));
        assert_eq!(Seen::between(&look(0, 7, &[]), &look(1_000, 8, &[])), None);
        assert_eq!(Seen::between(&look(1_000, 7, &[]), &look(1_000, 7, &[])), None);
        let flood = Seen { ended: 1e6, evicted: 9e5, open: 1e5 };
        let least = flood.made_in(&config()).unwrap().live.flow.timeouts;
        assert_eq!(least.udp_new, Timeout::from_secs(5));
    }
}
