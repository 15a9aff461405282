//! Time, as an argument: a clock that runs whatever somebody sets, and the time of day for people.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// What time it is.
pub(crate) trait Clock: Send + Sync {
    /// Since the machine was started, its sleep counted in: nobody can set it, and it goes on when the daemon is
    /// restarted (`CLOCK_BOOTTIME`).
    fn since_boot(&self) -> Duration;

    /// Which start of the machine that is.
    fn boot_id(&self) -> String;

    /// The time of day, milliseconds since the UNIX epoch: for people, never for deadlines.
    fn wall_ms(&self) -> u64;
}

/// The machine's own.
#[derive(Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn since_boot(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
    }

    fn boot_id(&self) -> String {
        fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Milliseconds of a length of time.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A clock that tests set.
#[cfg(test)]
pub(crate) mod by_hand {
    use std::sync::Mutex;

    use super::{Clock, Duration};

    /// Since boot, boot id, time of day.
    #[derive(Debug)]
    pub(crate) struct HandClock(pub(crate) Mutex<(Duration, String, u64)>);

    impl HandClock {
        pub(crate) fn new() -> Self {
            Self(Mutex::new((Duration::from_secs(1000), "one".to_owned(), 1_700_000_000_000)))
        }

        pub(crate) fn pass(&self, seconds: u64) {
            let mut now = self.0.lock().unwrap();
            now.0 += Duration::from_secs(seconds);
            now.2 += seconds * 1000;
        }

        /// Somebody sets the time of day.
        pub(crate) fn set_wall(&self, ms: u64) {
            self.0.lock().unwrap().2 = ms;
        }

        pub(crate) fn reboot(&self) {
            let mut now = self.0.lock().unwrap();
            *now = (Duration::from_secs(5), "two".to_owned(), now.2);
        }
    }

    impl Clock for HandClock {
        fn since_boot(&self) -> Duration {
            self.0.lock().unwrap().0
        }

        fn boot_id(&self) -> String {
            self.0.lock().unwrap().1.clone()
        }

        fn wall_ms(&self) -> u64 {
            self.0.lock().unwrap().2
        }
    }
}
