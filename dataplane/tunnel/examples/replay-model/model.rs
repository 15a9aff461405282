//! A replay window as its definition reads: a set of numbers, and 128-bit arithmetic.

use std::collections::BTreeSet;
use std::fmt;

use tunnel::{Freshness, ReplayWindow, Sequence, Stale, WINDOW};

/// What the numbers taken so far allow.
struct Model {
    /// All that were taken and may still matter.
    seen: BTreeSet<u64>,
    top: u64,
}

impl Model {
    /// The one number with this low half that lies from `top − WINDOW + 1` on, below that plus 2^32.
    fn infer(&self, low: u32) -> Option<u64> {
        let bottom = i128::from(self.top) - i128::from(WINDOW) + 1;
        let wrap = 1_i128 << 32;
        let mut number = i128::from(low);
        // The least multiple of 2^32 that lifts it to the bottom or above.
        let short = bottom - number;
        number += wrap * (short.div_euclid(wrap) + i128::from(short.rem_euclid(wrap) != 0));
        u64::try_from(number).ok()
    }

    fn check(&self, number: u64) -> Result<(), Stale> {
        if number == 0 || u128::from(number) + u128::from(WINDOW) <= u128::from(self.top) {
            Err(Stale::Old)
        } else if self.seen.contains(&number) {
            Err(Stale::Seen)
        } else {
            Ok(())
        }
    }

    fn accept(&mut self, number: u64) -> Freshness {
        self.seen.insert(number);
        if number <= self.top {
            return Freshness::Late;
        }
        self.top = number;
        let bottom = number.saturating_sub(WINDOW);
        while self.seen.first().is_some_and(|oldest| *oldest < bottom) {
            self.seen.pop_first();
        }
        Freshness::Newest
    }
}

/// What was tried.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    accepted: u64,
    seen: u64,
    old: u64,
    wraps: u64,
    windows: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operations, accepted, seen, old, wraps, windows } = self;
        write!(
            f,
            "{operations} operations over {windows} windows: {accepted} accepted, {seen} seen before, {old} too old, \
             {wraps} wraps of the low half"
        )
    }
}

/// Runs `operations` random ones on windows of both kinds of numbers; the first difference is the error.
pub(crate) fn run(seed: u64, operations: u64) -> Result<Tally, String> {
    let mut random = Random(seed);
    let mut tally = Tally::default();
    while tally.operations < operations {
        tally.windows += 1;
        let sequence = if random.below(8) == 0 { Sequence::Short } else { Sequence::Extended };
        let mut window = ReplayWindow::new();
        let mut model = Model { seen: BTreeSet::new(), top: 0 };
        let start = start(&mut random, sequence);
        if start > 0 {
            let same = window.accept(start) == Ok(model.accept(start));
            if !same {
                return Err(format!("the first number {start} is not taken"));
            }
        }
        let rounds = 1 + random.below(200_000);
        for _ in 0..rounds.min(operations - tally.operations) {
            step(&mut random, sequence, &mut window, &mut model, &mut tally)?;
        }
    }
    Ok(tally)
}

/// One packet: its low half is looked up, and its number taken if its tag is right, which it is three times of four.
fn step(
    random: &mut Random,
    sequence: Sequence,
    window: &mut ReplayWindow,
    model: &mut Model,
    tally: &mut Tally,
) -> Result<(), String> {
    tally.operations += 1;
    let low = low_half(pick(random, model.top));
    let top = model.top;
    let number = if sequence == Sequence::Short { Some(u64::from(low)) } else { model.infer(low) };
    let expected = number.ok_or(Stale::Old).and_then(|number| model.check(number).map(|()| number));
    let found = window.check(sequence, low);
    if found != expected {
        return Err(format!("low half {low:#x} after {top:#x}: {found:?} instead of {expected:?}"));
    }
    match expected {
        Err(Stale::Seen) => tally.seen += 1,
        Err(Stale::Old) => tally.old += 1,
        Ok(number) if random.below(4) > 0 => {
            tally.accepted += 1;
            tally.wraps += u64::from(number >> 32 > top >> 32);
            let (found, expected) = (window.accept(number), Ok(model.accept(number)));
            if found != expected || window.newest() != model.top {
                return Err(format!("{number:#x} after {top:#x}: {found:?} instead of {expected:?}"));
            }
            // Twice is once too often.
            if window.accept(number) != Err(Stale::Seen) {
                return Err(format!("{number:#x} is taken twice"));
            }
        }
        Ok(_) => {}
    }
    Ok(())
}

/// Where a window starts: at nothing, beside a wrap of the low half, near the end, anywhere.
fn start(random: &mut Random, sequence: Sequence) -> u64 {
    let number = match random.below(5) {
        0 => 0,
        1 => (random.below(4) << 32).saturating_sub(random.below(3 * WINDOW)),
        2 => (random.below(1 << 32) << 32).wrapping_add(random.below(2 * WINDOW)),
        3 => u64::MAX - random.below(4 * WINDOW),
        _ => random.next(),
    };
    if sequence == Sequence::Short { u64::from(low_half(number)) } else { number }
}

/// A number to try: mostly the next ones, also replays, edges of words and of the window, jumps, wraps, and nonsense.
fn pick(random: &mut Random, top: u64) -> u64 {
    match random.below(16) {
        0..=6 => top.wrapping_add(1 + random.below(4)),
        7 | 8 => top.wrapping_sub(random.below(WINDOW + 200)),
        9 => top.wrapping_sub(WINDOW).wrapping_add(random.below(5)).wrapping_sub(2),
        10 => (top & !63).wrapping_add(random.below(5)).wrapping_sub(2).wrapping_add(random.below(260) * 64),
        11 => (top & !63).wrapping_sub(random.below(260) * 64).wrapping_add(random.below(5)).wrapping_sub(2),
        12 => top.wrapping_add(random.below(3 * WINDOW)),
        13 => (top | 0xffff_ffff).wrapping_add(random.below(5)).wrapping_sub(2),
        14 if random.below(64) == 0 => top.wrapping_add(random.below(1 << 32)),
        14 => top,
        _ => random.next(),
    }
}

/// What is sent of a number.
fn low_half(number: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = number.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
