use crate::sequence::{Sequence, infer};

/// Words of the bitmap.
const WORDS: usize = 256;

/// How far behind the newest packet another one may come, plus one: one word of the bitmap is always being reused, so
/// it does not count (RFC 6479, 2).
pub const WINDOW: u64 = (WORDS as u64 - 1) * 64;

/// Which numbers of a sender were seen: the newest, and each of the [`WINDOW`] up to it (RFC 6479).
///
/// [`check`](Self::check) asks before a packet is decrypted; only [`accept`](Self::accept), for an authentic one,
/// changes anything.
#[derive(Debug)]
pub struct ReplayWindow {
    top: u64,
    words: [u64; WORDS],
}

/// Why a number is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It was taken before.
    Seen,
    /// It is older than the window, or no number a sender could have given.
    Old,
}

/// How an accepted packet relates to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It is the newest so far.
    Newest,
    /// A newer one came before it.
    Late,
}

impl ReplayWindow {
    /// A window that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { top: 0, words: [0; WORDS] }
    }

    /// The newest number taken, 0 for none.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.top
    }

    /// The whole number of a packet that carries `low`, if it may be taken.
    ///
    /// # Errors
    /// Why it may not.
    #[inline]
    pub fn check(&self, sequence: Sequence, low: u32) -> Result<u64, Stale> {
        let number = match sequence {
            Sequence::Extended => infer(self.top, WINDOW, low).ok_or(Stale::Old)?,
            Sequence::Short => u64::from(low),
        };
        self.admits(number).map(|()| number)
    }

    /// Marks the number of an authentic packet as seen.
    ///
    /// # Errors
    /// Why it may not be taken: nothing has changed then.
    #[inline]
    pub fn accept(&mut self, number: u64) -> Result<Freshness, Stale> {
        self.admits(number)?;
        let freshness = if number > self.top { self.advance(number) } else { Freshness::Late };
        if let Some(word) = self.words.get_mut(word_of(number)) {
            *word |= 1 << (number & 63);
        }
        Ok(freshness)
    }

    #[inline]
    fn admits(&self, number: u64) -> Result<(), Stale> {
        // 0 is never sent (RFC 4303, 3.3.3).
        if number == 0 {
            return Err(Stale::Old);
        }
        if number > self.top {
            return Ok(());
        }
        if self.top - number >= WINDOW {
            return Err(Stale::Old);
        }
        let word = self.words.get(word_of(number)).copied().unwrap_or(u64::MAX);
        if word >> (number & 63) & 1 == 1 { Err(Stale::Seen) } else { Ok(()) }
    }

    #[inline]
    fn advance(&mut self, number: u64) -> Freshness {
        let (old, new) = (self.top >> 6, number >> 6);
        // A jump over the whole bitmap clears each word once.
        for word in 1..=(new - old).min(WORDS as u64) {
            if let Some(word) = self.words.get_mut(word_of((old + word) << 6)) {
                *word = 0;
            }
        }
        self.top = number;
        Freshness::Newest
    }
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new()
    }
}

#[inline]
fn word_of(number: u64) -> usize {
    const { assert!(WORDS.is_power_of_two()) }
    (number >> 6) as usize & (WORDS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_has_the_size_it_promises() {
        const { assert!(WINDOW >= 8192) };
        let mut window = ReplayWindow::new();
        assert_eq!(window.accept(WINDOW + 100), Ok(Freshness::Newest));
        assert_eq!(window.accept(101), Ok(Freshness::Late));
        assert_eq!(window.accept(101), Err(Stale::Seen));
        assert_eq!(window.accept(100), Err(Stale::Old));
    }

    #[test]
    fn a_check_changes_nothing() {
        let window = ReplayWindow::new();
        assert_eq!(window.check(Sequence::Extended, 7), Ok(7));
        assert_eq!(window.check(Sequence::Extended, 7), Ok(7));
        assert_eq!(window.newest(), 0);
    }

    #[test]
    fn number_zero_is_never_taken() {
        assert_eq!(ReplayWindow::new().check(Sequence::Extended, 0), Err(Stale::Old));
        assert_eq!(ReplayWindow::new().check(Sequence::Short, 0), Err(Stale::Old));
    }

    #[test]
    fn every_number_is_taken_once_over_a_wrap_of_the_low_half() {
        let mut window = ReplayWindow::new();
        let start = (1_u64 << 32) - 600;
        window.accept(start).unwrap();
        for number in start + 1..start + 1200 {
            #[expect(clippy::cast_possible_truncation, reason = "what is sent")]
            let low = number as u32;
            assert_eq!(window.check(Sequence::Extended, low), Ok(number));
            window.accept(number).unwrap();
            assert_eq!(window.check(Sequence::Extended, low), Err(Stale::Seen));
        }
        for number in start..start + 1200 {
            assert_eq!(window.accept(number), Err(Stale::Seen));
        }
    }
}
