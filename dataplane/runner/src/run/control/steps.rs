//! How long each step of a reload took: told in the log, so that a slow one is no riddle.

use core::fmt;
use std::time::{Duration, Instant};

use super::now;

/// Steps with the time that each took.
pub(super) struct Steps {
    began: Instant,
    last: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    pub(super) fn start() -> Self {
        let began = now();
        Self { began, last: began, done: Vec::new() }
    }

    /// A step is over.
    pub(super) fn done(&mut self, step: &'static str) {
        let at = now();
        self.done.push((step, at.duration_since(self.last)));
        self.last = at;
    }

    /// Milliseconds from the start to the last step's end.
    pub(super) fn took_ms(&self) -> u64 {
        u64::try_from(self.last.duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.took_ms())?;
        for (number, (step, took)) in self.done.iter().enumerate() {
            let before = if number == 0 { " (" } else { ", " };
            write!(f, "{before}{step} {:.1}", took.as_secs_f64() * 1000.0)?;
        }
        if self.done.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_in_their_order() {
        let mut steps = Steps::start();
        steps.began -= Duration::from_millis(30);
        steps.last = steps.began;
        steps.done("read");
        steps.done("swapped");
        let told = steps.to_string();
        assert!(steps.took_ms() >= 30, "{told}");
        let rest = told.split_once(" ms (read ").unwrap().1;
        assert!(rest.contains(", swapped ") && rest.ends_with(')'), "{told}");
        assert_eq!(Steps::start().to_string(), "0 ms");
    }
}
