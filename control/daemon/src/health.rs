//! How each part is, and how it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::control::{ComponentHealth, Health, HealthChange};

use crate::clock::Clock;
use crate::guard::Guarded;

/// Changes that are remembered of each part.
const REMEMBERED: usize = 32;

/// The parts and their health.
pub(crate) struct Components {
    clock: Arc<dyn Clock>,
    all: Guarded<BTreeMap<&'static str, ComponentHealth>>,
}

impl Components {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, all: Guarded::default() }
    }

    /// A part is as it should be.
    pub(crate) fn good(&self, name: &'static str) {
        self.set(name, Health::Good, None);
    }

    /// A part that was there is as it should be, and one that was not is not made.
    pub(crate) fn good_if_known(&self, name: &'static str) {
        if self.all.lock().contains_key(name) {
            self.good(name);
        }
    }

    pub(crate) fn failed(&self, name: &'static str, reason: impl Into<String>) {
        self.set(name, Health::Failed, Some(reason.into()));
    }

    pub(crate) fn degraded(&self, name: &'static str, reason: impl Into<String>) {
        self.set(name, Health::Degraded, Some(reason.into()));
    }

    fn set(&self, name: &'static str, health: Health, reason: Option<String>) {
        let at_ms = self.clock.wall_ms();
        let mut all = self.all.lock();
        let part = all.entry(name).or_insert_with(|| ComponentHealth {
            name: name.to_owned(),
            health,
            since_ms: at_ms,
            reason: reason.clone(),
            history: Vec::new(),
        });
        if part.health == health && part.reason == reason && !part.history.is_empty() {
            return;
        }
        if part.health != health {
            part.since_ms = at_ms;
        }
        part.health = health;
        part.reason.clone_from(&reason);
        if part.history.len() == REMEMBERED {
            part.history.remove(0);
        }
        part.history.push(HealthChange { at_ms, health, reason });
    }

    pub(crate) fn all(&self) -> Vec<ComponentHealth> {
        self.all.lock().values().cloned().collect()
    }

    /// Those that do not work.
    pub(crate) fn wrong(&self) -> Vec<ComponentHealth> {
        self.all().into_iter().filter(|part| part.health == Health::Failed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand::HandClock;

    #[test]
    fn a_part_remembers_its_changes_and_not_its_repetitions() {
        let clock = Arc::new(HandClock::new());
        let dynamic: Arc<dyn Clock> = Arc::<HandClock>::clone(&clock);
        let parts = Components::new(dynamic);
        for round in 0..100 {
            clock.pass(1);
            parts.good("a");
            parts.good("a");
            parts.failed("a", format!("{round}"));
        }
        let all = parts.all();
        assert_eq!((all.len(), all[0].history.len()), (1, REMEMBERED));
        assert_eq!(all[0].reason.as_deref(), Some("99"));
        assert_eq!(parts.wrong().len(), 1);
        parts.good("a");
        assert!(parts.wrong().is_empty());
        assert_eq!(parts.all()[0].since_ms, clock.wall_ms());
    }
}
