//! What the data plane tells of itself, on standard error: at a level that can be changed while it runs.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use api::config::LogLevel;

/// Lines for whoever keeps the log. Clones share their level. Never used by a worker.
#[derive(Clone, Debug)]
pub struct Log {
    level: Arc<AtomicU8>,
    write: fn(LogLevel, &str),
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Arc::new(AtomicU8::new(LogLevel::Info as u8)), write: to_standard_error }
    }
}

impl Log {
    /// Tells from now on what is at least of this level.
    pub fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether something of this level is told.
    #[must_use]
    pub fn tells(&self, level: LogLevel) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }

    /// Tells something, if its level is told.
    pub fn tell(&self, level: LogLevel, what: &str) {
        if self.tells(level) {
            (self.write)(level, what);
        }
    }
}

/// Nobody is told where nobody listens.
fn to_standard_error(level: LogLevel, what: &str) {
    let mut out = io::stderr().lock();
    let _ = match level {
        LogLevel::Info => writeln!(out, "wirewarden-dataplane: {what}"),
        level => writeln!(out, "wirewarden-dataplane: {}: {what}", api::config::Choice::name(level)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_tells_what_is_more_urgent_too_and_all_clones_follow() {
        let log = Log::default();
        let clone = log.clone();
        assert!(clone.tells(LogLevel::Error) && clone.tells(LogLevel::Info) && !clone.tells(LogLevel::Debug));
        log.set_level(LogLevel::Debug);
        assert!(clone.tells(LogLevel::Debug) && !clone.tells(LogLevel::Trace));
        log.set_level(LogLevel::Error);
        assert!(clone.tells(LogLevel::Error) && !clone.tells(LogLevel::Warn));
    }
}
