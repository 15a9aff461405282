//! What happened to tunnels: told to the log, and the last of it kept for who asks.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::control::TunnelEvent;
use exchange::refusal::Refusal;

use crate::clock::Clock;

/// Events that are kept.
const KEPT: usize = 64;
/// The same refusal is told so often at most; a flood of them is counted, not told.
const QUIET: Duration = Duration::from_secs(10);

/// Events of tunnels, the latest last.
pub(super) struct Diary {
    clock: Arc<dyn Clock>,
    kept: VecDeque<TunnelEvent>,
    /// When each refusal was told last, and how many were not since.
    refused: BTreeMap<(Option<String>, &'static str), (Instant, u64)>,
}

/// How serious something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Plain,
    Trouble,
}

impl Diary {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: VecDeque::new(), refused: BTreeMap::new() }
    }

    /// Tells and keeps an event.
    pub(super) fn note(&mut self, weight: Weight, what: &'static str, peer: Option<&str>, detail: String) {
        let told = peer.unwrap_or_default();
        match weight {
            Weight::Plain => tracing::info!(event_type = "tunnel", action = what, peer = told, "{detail}"),
            Weight::Trouble => tracing::warn!(event_type = "tunnel", action = what, peer = told, "{detail}"),
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(TunnelEvent {
            at_ms: self.clock.wall_ms(),
            what: what.to_owned(),
            peer: peer.map(str::to_owned),
            detail: (!detail.is_empty()).then_some(detail),
        });
    }

    /// Somebody was refused, or refused us.
    pub(super) fn refused(
        &mut self,
        refusal: Refusal,
        peer: Option<&str>,
        from: Option<IpAddr>,
        now: Instant,
    ) {
        let key = (peer.map(str::to_owned), refusal.name());
        let kept_back = match self.refused.get_mut(&key) {
            Some((told, more)) if now.saturating_duration_since(*told) < QUIET => {
                *more += 1;
                return;
            }
            Some((told, more)) => {
                *told = now;
                std::mem::take(more)
            }
            None => {
                self.refused.insert(key, (now, 0));
                0
            }
        };
        let from = from.map_or_else(String::new, |from| format!(" from {from}"));
        let more = if kept_back > 0 { format!(", and {kept_back} times before") } else { String::new() };
        self.note(Weight::Trouble, "refused", peer, format!("{}{from}{more}", refusal.name()));
    }

    /// What is kept.
    pub(super) fn events(&self) -> Vec<TunnelEvent> {
        self.kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::by_hand::HandClock;

    #[test]
    fn a_flood_of_refusals_is_told_once_and_counted() {
        let mut diary = Diary::new(Arc::new(HandClock::new()));
        let start = Instant::now();
        for at in 0..1000 {
            diary.refused(
                Refusal::Malformed,
                None,
                Some([10, 0, 0, 9].into()),
                start + Duration::from_millis(at),
            );
        }
        diary.refused(Refusal::Revoked, Some("east"), None, start);
        diary.refused(Refusal::Malformed, None, None, start + QUIET);
        let details: Vec<_> = diary.events().into_iter().filter_map(|event| event.detail).collect();
        assert_eq!(details, ["malformed from 10.0.0.9", "revoked", "malformed, and 999 times before"]);
    }

    #[test]
    fn only_the_last_events_are_kept() {
        let mut diary = Diary::new(Arc::new(HandClock::new()));
        for number in 0..100 {
            diary.note(Weight::Plain, "up", None, number.to_string());
        }
        let events = diary.events();
        assert_eq!((events.len(), events[0].detail.as_deref()), (KEPT, Some("36")));
    }
}
