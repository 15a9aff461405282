//! Several cores at once, each with SAs and a pool of its own, as workers have them: how many times one they do.

use std::sync::Barrier;
use std::thread;

use crate::contender::{self, ContenderError};
use crate::figures::median;
use crate::pool::Pool;

/// Rounds of each core in one turn.
const ROUNDS: usize = 15;

/// What `cores` threads do together, in packets, as a multiple of what one does alone: the median of turns, alone and
/// together one after the other. None where there is nobody of this name.
pub(crate) fn times_one(
    (name, size): (&'static str, usize),
    cores: usize,
    turns: u16,
) -> Result<Option<f64>, ContenderError> {
    let mut ratios = Vec::new();
    for _ in 0..turns {
        let Some(alone) = at_once(name, size, 1)? else { return Ok(None) };
        let Some(together) = at_once(name, size, cores)? else { return Ok(None) };
        let per_cycle = |cycles: &[f64]| cycles.iter().map(|cycles| 1.0 / cycles).sum::<f64>();
        ratios.push(per_cycle(&together) / per_cycle(&alone));
    }
    Ok(Some(median(&ratios)))
}

/// Cycles a packet of each thread.
fn at_once(name: &str, size: usize, threads: usize) -> Result<Option<Vec<f64>>, ContenderError> {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let run = || -> Result<Option<f64>, ContenderError> {
            let made = contender::all(size).map(|all| all.into_iter().find(|one| one.name() == name));
            // Whatever went wrong, the others wait for this thread, too.
            start.wait();
            let Some(mut contender) = made? else { return Ok(None) };
            let (mut pool, mut cycles) = (Pool::new(), Vec::new());
            // The first one warms caches up.
            for round in 0..=ROUNDS {
                let of_round = contender.round(&mut pool)?;
                if round > 0 {
                    cycles.push(of_round);
                }
            }
            Ok(Some(median(&cycles)))
        };
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        started.into_iter().map(|thread| thread.join().map_err(|_| ContenderError::Panicked)?).collect()
    })
}
