//! Whether a thread that gives no sign of life is stuck, or waits for a processor that others have.
//!
//! A thread is held to account for the time it had: while it could run, for what the kernel says it ran; while it slept,
//! was stopped or waited for a device, for all of it. One that others starve is slow, and starting it anew would cost
//! its flows and mend nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// What the kernel tells of a thread, opened by the thread itself.
#[derive(Debug, Default)]
pub(in super::super) struct Thread(OnceLock<File>);

/// What a thread did up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    /// It runs, or would if it had a processor.
    could_run: bool,
    /// Time that it ran, milliseconds.
    ran_ms: u64,
}

/// How long a thread has been without a sign of life, and how much of that is its own doing.
#[derive(Debug, Default)]
pub(super) struct Silence {
    last: Option<(u64, Option<Sample>)>,
    held_ms: u64,
}

/// The unit of times in `/proc`, the same on every processor that Linux has programs for: `USER_HZ` is 100.
const TICK_MS: u64 = 10;
/// What a thread is held to account for between two looks at most, milliseconds: a little more than between two questions
/// of the daemon's.
const BETWEEN_LOOKS_MS: u64 = 300;
/// Bytes of a thread's `stat` that are enough: its name has 15 at most, and its numbers 20 each.
const STAT: usize = 1024;

impl Thread {
    /// This thread is the one; later calls change nothing.
    pub(in super::super) fn is_this(&self) {
        if self.0.get().is_none()
            && let Ok(file) = File::open("/proc/thread-self/stat")
        {
            let _ = self.0.set(file);
        }
    }

    fn sample(&self) -> Option<Sample> {
        let mut text = [0; STAT];
        let length = self.0.get()?.read_at(&mut text, 0).ok()?;
        parsed(text.get(..length)?)
    }
}

/// The third, fourteenth and fifteenth field of `/proc/PID/stat` (proc(5)); names may hold anything, brackets too.
fn parsed(stat: &[u8]) -> Option<Sample> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let could_run = fields.next()? == "R";
    let mut ticks = fields.skip(10).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some(Sample { could_run, ran_ms: user.saturating_add(system).saturating_mul(TICK_MS) })
}

impl Silence {
    /// There was a sign of life; what comes counts from `at_ms` on.
    pub(super) fn ended(&mut self, at_ms: u64, thread: &Thread) {
        *self = Self { last: Some((at_ms, thread.sample())), held_ms: 0 };
    }

    /// There was a sign of life; what comes counts from when it is first missed.
    pub(super) fn ended_lightly(&mut self) {
        *self = Self::default();
    }

    /// There was none up to `at_ms`.
    pub(super) fn goes_on(&mut self, at_ms: u64, thread: &Thread) {
        self.goes_on_with(at_ms, thread.sample());
    }

    fn goes_on_with(&mut self, at_ms: u64, sample: Option<Sample>) {
        let before = self.last.replace((at_ms, sample));
        let Some((since_ms, before)) = before else { return };
        // A machine that stood still, or threads that nobody let look, are not its doing.
        let passed = at_ms.saturating_sub(since_ms).min(BETWEEN_LOOKS_MS);
        self.held_ms += match (before, sample) {
            (Some(before), Some(Sample { could_run: true, ran_ms })) => {
                ran_ms.saturating_sub(before.ran_ms).min(passed)
            }
            // Where the kernel tells nothing, the clock has to do.
            _ => passed,
        };
    }

    /// What the thread is held to account for, milliseconds.
    pub(super) const fn held_ms(&self) -> u64 {
        self.held_ms
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    use super::super::now;
    use super::*;

    #[test]
    fn a_stat_is_read_whatever_the_thread_calls_itself() {
        let stat = b"7 (a) R (b)) R 1 7 7 0 -1 4194560 100 0 0 0 250 17 0 0 20 0 5 0 1 2 3";
        assert_eq!(parsed(stat), Some(Sample { could_run: true, ran_ms: 2670 }));
        let asleep = b"7 (worker-0) S 1 7 7 0 -1 4194560 100 0 0 0 1 0 0 0 20 0 5 0";
        assert_eq!(parsed(asleep), Some(Sample { could_run: false, ran_ms: 10 }));
        for cut in 0..asleep.len() {
            let _ = parsed(asleep.get(..cut).unwrap());
        }
        assert_eq!(parsed(b""), None);
        assert_eq!(parsed(b"7 (x) R 1 2 3"), None);
    }

    #[test]
    fn a_thread_is_held_to_account_for_the_time_it_had() {
        let sample = |could_run, ran_ms| Some(Sample { could_run, ran_ms });
        let mut silence = Silence::default();
        silence.goes_on_with(100, sample(true, 40));
        assert_eq!(silence.held_ms(), 0, "it is only missed now");
        silence.goes_on_with(350, sample(true, 50));
        assert_eq!(silence.held_ms(), 10, "it waited for a processor");
        silence.goes_on_with(600, sample(true, 300));
        assert_eq!(silence.held_ms(), 260, "it ran and went nowhere");
        silence.goes_on_with(850, sample(false, 300));
        assert_eq!(silence.held_ms(), 510, "it sleeps");
        silence.goes_on_with(950, None);
        assert_eq!(silence.held_ms(), 610, "nobody knows");
        silence.goes_on_with(9950, sample(false, 300));
        assert_eq!(silence.held_ms(), 910, "nobody looked for nine seconds");
        silence.ended_lightly();
        assert_eq!(silence.held_ms(), 0);
    }

    /// A thread that runs until `stop`, on `core` alone.
    fn spinning(core: usize, stop: &Arc<AtomicBool>) -> (Arc<Thread>, thread::JoinHandle<()>) {
        let (watched, stop) = (Arc::new(Thread::default()), Arc::clone(stop));
        let own = Arc::clone(&watched);
        let spin = move || {
            let mut cores = CpuSet::new();
            cores.set(core);
            let _ = sched_setaffinity(None, &cores);
            own.is_this();
            while !stop.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
        };
        (watched, thread::Builder::new().spawn(spin).unwrap())
    }

    /// For how many of at least `watched` milliseconds a thread is held to account, and how many those were: no more between
    /// two looks than may count.
    fn held(thread: &Thread, watched: u64) -> (u64, u64) {
        while thread.0.get().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        let began = now();
        let mut silence = Silence::default();
        let elapsed = || u64::try_from(began.elapsed().as_millis()).unwrap();
        silence.ended(elapsed(), thread);
        let (mut seen, mut last) = (0, elapsed());
        while seen < watched {
            thread::sleep(Duration::from_millis(10));
            let at = elapsed();
            silence.goes_on(at, thread);
            seen += (at - last).min(BETWEEN_LOOKS_MS);
            last = at;
        }
        (silence.held_ms(), seen)
    }

    #[test]
    fn a_thread_that_others_starve_is_not_taken_for_stuck_and_one_that_sleeps_is() {
        let own = sched_getaffinity(None).unwrap();
        let core = (0..CpuSet::MAX_CPU).find(|core| own.is_set(*core)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..8).map(|_| spinning(core, &stop)).collect();
        // A share of an eighth, and room for a scheduler that is not fair at every moment.
        let (starved, watched) = held(&threads.first().unwrap().0, 600);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|(_, handle)| handle.join().unwrap());
        assert!(3 * starved < 2 * watched, "{starved} of {watched} ms");
        let asleep = Arc::new(Thread::default());
        let own = Arc::clone(&asleep);
        let (end, ended) = channel::<()>();
        let sleep = move || {
            own.is_this();
            let _ = ended.recv();
        };
        let sleeper = thread::Builder::new().spawn(sleep).unwrap();
        let (slept, watched) = held(&asleep, 400);
        drop(end);
        assert!(slept + 50 >= watched, "{slept} of {watched} ms");
        sleeper.join().unwrap();
    }
}
