//! Whether a process that does not answer waits for a processor that others have: starting it anew would mend nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Threads that are looked at; a data plane has a few dozen.
const MOST_THREADS: usize = 1024;

/// Whether one of a process's threads could run, its workers aside, which always could: those that answer are stuck where
/// they sleep, and merely slow where they wait for their turn.
pub(crate) fn is_starved(pid: u32) -> bool {
    is_starved_in(&PathBuf::from(format!("/proc/{pid}/task")))
}

fn is_starved_in(tasks: &Path) -> bool {
    let threads = fs::read_dir(tasks).into_iter().flatten().filter_map(Result::ok).take(MOST_THREADS);
    threads
        .into_iter()
        .any(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| waits_its_turn(&stat)))
}

/// Reads a thread's name and state, the second and third field of its `stat` (proc(5)).
fn waits_its_turn(stat: &str) -> bool {
    let Some((before, after)) = stat.rsplit_once(')') else { return false };
    let name = before.split_once('(').map_or("", |(_, name)| name);
    !name.starts_with("worker-") && after.trim_start().starts_with('R')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_aside_a_thread_that_could_run_is_starved() {
        assert!(waits_its_turn("9 (control-client) R 1 9"));
        assert!(!waits_its_turn("9 (control-client) S 1 9"));
        assert!(!waits_its_turn("9 (worker-0) R 1 9"));
        assert!(!waits_its_turn("9 (control) T 1 9") && !waits_its_turn(""));
        assert!(waits_its_turn("9 (a) S b) R 1"), "a name may hold brackets");
    }

    #[test]
    fn a_process_that_runs_is_and_one_that_is_gone_is_not() {
        // This thread runs while it asks.
        assert!(is_starved(std::process::id()));
        assert!(!is_starved_in(Path::new("/proc/self/task/none")));
    }
}
