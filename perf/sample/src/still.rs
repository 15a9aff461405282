//! A machine that stands still: the time in which none of its programs ran is not theirs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a watch looks.
const LOOK: Duration = Duration::from_millis(10);
/// How late a look may be on a machine that is only busy.
const BUSY: Duration = Duration::from_millis(100);

/// Watches for how long the machine stands still, as a guest does whose host has other work.
#[derive(Debug)]
pub struct Still {
    began: Instant,
    seen: Arc<Mutex<Seen>>,
    over: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    last: Instant,
    stood: Duration,
}

impl Still {
    /// Watches from now on, until it is dropped.
    #[must_use]
    pub fn watch() -> Self {
        let began = Instant::now();
        let seen = Arc::new(Mutex::new(Seen { last: began, stood: Duration::ZERO }));
        let over = Arc::new(AtomicBool::new(false));
        let (own, ended) = (Arc::clone(&seen), Arc::clone(&over));
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
                let mut seen = own.lock().unwrap_or_else(PoisonError::into_inner);
                *seen = Seen { last: Instant::now(), stood: seen.so_far() };
            }
        });
        Self { began, seen, over }
    }

    /// How long ago the watch began, but for what the machine stood still.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed().saturating_sub(self.so_far())
    }

    /// For how long it has stood still since the watch began.
    #[must_use]
    pub fn so_far(&self) -> Duration {
        // What the thread has not seen yet counts, too: it may be the last to run again.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).so_far()
    }
}

impl Seen {
    fn so_far(&self) -> Duration {
        let late = self.last.elapsed().saturating_sub(LOOK);
        if late > BUSY { self.stood + late } else { self.stood }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
