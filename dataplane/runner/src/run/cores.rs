//! Which cores the threads run on that are no workers: a thread begins where the one that started it may run, and DPDK binds
//! the one that starts it to a single core.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this program was given.
#[derive(Clone, Copy)]
pub(super) struct Given(Option<CpuSet>);

impl Given {
    /// As it is now, before anything binds this thread.
    pub(super) fn now() -> Self {
        Self(sched_getaffinity(None).ok())
    }

    /// Lets this thread, and those that it starts, run on `main` alone, else on every core but those of `workers`, else,
    /// where there is no other, on all.
    pub(super) fn settle(&self, main: Option<u16>, workers: &[u16]) {
        let Some(given) = &self.0 else { return };
        let set = among(given, main, workers);
        // A core that is not there: it stays where it is, which costs time but nothing else.
        let _ = sched_setaffinity(None, &set);
    }
}

fn among(given: &CpuSet, main: Option<u16>, workers: &[u16]) -> CpuSet {
    let place = |core: u16| Some(usize::from(core)).filter(|core| *core < CpuSet::MAX_CPU);
    if let Some(core) = main.and_then(place).filter(|core| given.is_set(*core)) {
        let mut only = CpuSet::new();
        only.set(core);
        return only;
    }
    let mut rest = *given;
    workers.iter().copied().filter_map(place).for_each(|core| rest.unset(core));
    if rest.count() == 0 { *given } else { rest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cores: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        cores.iter().for_each(|core| set.set(*core));
        set
    }

    #[test]
    fn other_threads_leave_the_cores_of_workers_alone_where_they_can() {
        let given = set(&[0, 1, 2, 3]);
        assert!(among(&given, None, &[0, 2]) == set(&[1, 3]));
        assert!(among(&given, Some(1), &[0, 2]) == set(&[1]));
        assert!(among(&given, None, &[]) == given);
        assert!(among(&set(&[0]), None, &[0]) == set(&[0]), "there is no other");
        assert!(among(&given, Some(9), &[0]) == set(&[1, 2, 3]), "that core is not ours");
        assert!(among(&given, Some(u16::MAX), &[u16::MAX]) == given);
    }
}
