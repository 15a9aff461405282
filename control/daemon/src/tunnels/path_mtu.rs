//! Discovery of the MTU on the way to a peer (RFC 8899): ESP packets of a chosen size go there, and the peer says within
//! the channel which of them came. Messages of routers, which anybody can forge, are not believed.
//!
//! What is configured is the most that is used. It is used until a packet of its size is lost while one of the base size
//! passes: where neither passes, nothing is learned of the path's MTU.

use std::time::{Duration, Instant};

use exchange::channel::Probe;

/// The search on the way to one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathMtu {
    /// Most that is configured.
    most: u16,
    /// In use.
    current: u16,
    /// The smallest size that did not pass; one more than the most where all have.
    too_large: u16,
    phase: Phase,
    /// Of the probe under way.
    probe: Probe,
    sent: u32,
    next: Instant,
    /// When more is tried than is known to pass.
    raise_at: Instant,
}

/// What the probe under way is for (RFC 8899, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Whether what is in use passes.
    Confirm,
    /// Whether anything passes.
    Base,
    /// How much passes.
    Search,
    /// Whether more passes by now.
    Raise,
}

/// Whether the peer knows of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Not yet: no packet is sent.
    First,
    /// It does: a packet is sent.
    Again,
}

impl PathMtu {
    pub(super) fn new(most: u16, now: Instant) -> Self {
        let probe = Probe { id: 1, size: most };
        let (phase, too_large) = (Phase::Confirm, most + 1);
        Self { most, current: most, too_large, phase, probe, sent: 0, next: now, raise_at: now + RAISE }
    }

    /// Bytes of the largest outer packet that is sent.
    pub(super) fn current(&self) -> u16 {
        self.current
    }

    /// Whether less passes than is configured.
    pub(super) fn is_narrower(&self) -> bool {
        self.current < self.most
    }

    /// New keys are in use: what passes is confirmed soon.
    pub(super) fn restart(&mut self, now: Instant) {
        if self.sent == 0 {
            self.next = self.next.min(now);
        }
    }

    /// The probe that is to be told of now, and from the second time on to be sent as well, until it is seen: what comes
    /// before it was told of could be an older one.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Probe, Told)> {
        if now < self.next {
            return None;
        }
        if self.sent == ATTEMPTS {
            self.lost(now);
            return None;
        }
        self.sent += 1;
        self.next = now + AGAIN;
        Some((self.probe, if self.sent == 1 { Told::First } else { Told::Again }))
    }

    /// The peer saw a probe; the MTU where it is another now.
    pub(super) fn seen(&mut self, probe: Probe, now: Instant) -> Option<u16> {
        if probe != self.probe || self.sent == 0 {
            return None;
        }
        let before = self.current;
        self.current = probe.size;
        if probe.size >= self.too_large {
            self.too_large = self.most + 1;
        }
        self.go_on(now);
        (self.current != before).then_some(self.current)
    }

    fn lost(&mut self, now: Instant) {
        match self.phase {
            Phase::Confirm if self.probe.size > self.base() => {
                self.too_large = self.probe.size;
                self.begin(Phase::Base, self.base(), now);
            }
            // Not even the least passes, or nobody answers: that says nothing of sizes.
            Phase::Confirm | Phase::Base => {
                self.too_large = self.most + 1;
                self.begin(Phase::Confirm, self.current, now + CONFIRM);
            }
            Phase::Search | Phase::Raise => {
                self.too_large = self.probe.size;
                self.go_on(now);
            }
        }
    }

    /// What follows once it is known what a size does.
    fn go_on(&mut self, now: Instant) {
        let gap = self.too_large.saturating_sub(self.current);
        if gap > ENOUGH {
            self.begin(Phase::Search, self.current + gap / 2, now);
        } else if self.is_narrower() && now >= self.raise_at {
            self.raise_at = now + RAISE;
            self.begin(Phase::Raise, self.most, now);
        } else {
            self.begin(Phase::Confirm, self.current, now + CONFIRM);
        }
    }

    /// The next probe, from a time on.
    fn begin(&mut self, phase: Phase, size: u16, from: Instant) {
        self.phase = phase;
        self.probe = Probe { id: self.probe.id.wrapping_add(1), size };
        (self.sent, self.next) = (0, from);
    }

    fn base(&self) -> u16 {
        BASE.min(self.most)
    }
}

/// What nearly every path has (RFC 8899, 5.1.2; RFC 8200, section 5).
const BASE: u16 = 1280;
/// Times that a probe is told of, and how long is waited for each.
const ATTEMPTS: u32 = 12;
const AGAIN: Duration = Duration::from_millis(150);
/// How often what is in use is confirmed, so that a path that has become narrower is not a black hole for long.
const CONFIRM: Duration = Duration::from_secs(30);
/// How often more is tried.
const RAISE: Duration = Duration::from_secs(300);
/// The search ends where it could gain no more than this, in bytes.
const ENOUGH: u16 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets time pass over a path that carries up to `passes` bytes; what is in use then.
    fn after(search: &mut PathMtu, now: &mut Instant, seconds: u64, passes: u16) -> u16 {
        let until = *now + Duration::from_secs(seconds);
        while *now < until {
            let due = search.due(*now).filter(|(probe, told)| *told == Told::Again && probe.size <= passes);
            if let Some((probe, _)) = due {
                search.seen(probe, *now);
            }
            *now += Duration::from_millis(50);
        }
        search.current()
    }

    #[test]
    fn what_is_configured_is_used_where_it_passes_and_where_nobody_answers() {
        for passes in [1500, 9000, 0, 600] {
            let mut now = Instant::now();
            let mut search = PathMtu::new(1500, now);
            assert_eq!(after(&mut search, &mut now, 100, passes), 1500, "{passes}");
            assert!(!search.is_narrower());
        }
    }

    #[test]
    fn a_narrower_path_is_found_to_eight_bytes_and_a_wider_one_again() {
        for passes in [1280, 1281, 1400, 1472, 1499] {
            let mut now = Instant::now();
            let mut search = PathMtu::new(1500, now);
            let found = after(&mut search, &mut now, 30, passes);
            assert!((passes.saturating_sub(8)..=passes).contains(&found), "{found} of {passes}");
            assert_eq!(after(&mut search, &mut now, 350, 1500), 1500, "after {passes}");
        }
    }

    #[test]
    fn a_path_that_becomes_narrower_is_no_black_hole_for_long() {
        let mut now = Instant::now();
        let mut search = PathMtu::new(9000, now);
        assert_eq!(after(&mut search, &mut now, 60, 9000), 9000);
        let found = after(&mut search, &mut now, 75, 4000);
        assert!((3992..=4000).contains(&found), "{found}");
        let found = after(&mut search, &mut now, 60, 1300);
        assert!((1280..=1300).contains(&found), "{found}");
    }

    #[test]
    fn a_path_that_becomes_a_little_wider_is_used_as_far_as_it_goes() {
        let mut now = Instant::now();
        let mut search = PathMtu::new(1500, now);
        after(&mut search, &mut now, 60, 1400);
        let found = after(&mut search, &mut now, 350, 1450);
        assert!((1442..=1450).contains(&found), "{found}");
    }

    #[test]
    fn answers_to_other_probes_change_nothing() {
        let now = Instant::now();
        let mut search = PathMtu::new(1500, now);
        assert_eq!(search.seen(Probe { id: 1, size: 1500 }, now), None, "before it was sent");
        let (probe, told) = search.due(now).unwrap();
        assert_eq!(told, Told::First);
        assert_eq!(search.seen(Probe { size: 9000, ..probe }, now), None);
        assert_eq!(search.seen(Probe { id: probe.id + 1, ..probe }, now), None);
        assert_eq!(search.current(), 1500);
        let small = PathMtu::new(1000, now);
        assert_eq!(small.base(), 1000);
    }
}
