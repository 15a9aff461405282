//! Which first bytes a payload must have to be worth a signature.

/// Bytes from the start of a payload that are known of a signature before anything of it is evaluated.
pub(super) const HEAD: usize = 16;

/// A set of byte values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    /// No value.
    pub(super) const NONE: Self = Self([0; 4]);
    /// Every value.
    pub(super) const ALL: Self = Self([u64::MAX; 4]);

    /// The values that `is_in` says yes to.
    pub(super) fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::NONE;
        for value in (0..=u8::MAX).filter(|value| is_in(*value)) {
            set.insert(value);
        }
        set
    }

    /// Adds a value.
    pub(super) fn insert(&mut self, value: u8) {
        if let Some(word) = self.0.get_mut(usize::from(value >> 6)) {
            *word |= 1 << (value & 63);
        }
    }

    /// Adds all values of `other`.
    pub(super) fn unite(&mut self, other: Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// Whether the value is in the set.
    pub(super) fn contains(self, value: u8) -> bool {
        self.0.get(usize::from(value >> 6)).is_some_and(|word| word >> (value & 63) & 1 == 1)
    }

    /// The values, ascending.
    pub(super) fn values(self) -> impl Iterator<Item = u8> {
        [0_u8, 64, 128, 192].into_iter().zip(self.0).flat_map(|(first, word)| {
            let mut left = word;
            core::iter::from_fn(move || {
                let bit = u8::try_from(left.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                left &= left - 1;
                Some(first + bit)
            })
        })
    }

    /// How many values are in the set.
    pub(super) fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether a value is in both.
    pub(super) fn intersects(self, other: Self) -> bool {
        self.intersection(other) != Self::NONE
    }

    fn intersection(self, other: Self) -> Self {
        let mut words = self.0;
        for (word, more) in words.iter_mut().zip(other.0) {
            *word &= more;
        }
        Self(words)
    }
}

/// The values that each of the first [`HEAD`] bytes may have; bytes that a shorter payload lacks may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads([ByteSet; HEAD]);

impl Default for Heads {
    fn default() -> Self {
        Self::ANY
    }
}

impl Heads {
    /// Anything.
    pub(super) const ANY: Self = Self([ByteSet::ALL; HEAD]);

    /// From sets for each byte.
    pub(super) const fn new(sets: [ByteSet; HEAD]) -> Self {
        Self(sets)
    }

    /// The byte at `offset` must be in `set`. Offsets beyond the head are ignored.
    pub(super) fn restrict(&mut self, offset: usize, set: ByteSet) {
        if let Some(own) = self.0.get_mut(offset) {
            *own = own.intersection(set);
        }
    }

    /// Both must hold.
    pub(super) fn narrow(&mut self, other: &Self) {
        for (own, set) in self.0.iter_mut().zip(other.0) {
            *own = own.intersection(set);
        }
    }

    /// What satisfies both.
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.narrow(other);
        self
    }

    /// What satisfies either, byte by byte.
    pub(super) fn or(mut self, other: &Self) -> Self {
        for (own, set) in self.0.iter_mut().zip(other.0) {
            own.unite(set);
        }
        self
    }

    /// The sets, first byte first.
    pub(super) fn sets(&self) -> impl Iterator<Item = ByteSet> {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_a_set_are_those_that_it_contains() {
        for set in [ByteSet::NONE, ByteSet::ALL, ByteSet::of(|value| value % 37 == 5 || value == 255)] {
            let contained: Vec<u8> = (0..=u8::MAX).filter(|value| set.contains(*value)).collect();
            assert_eq!(set.values().collect::<Vec<_>>(), contained);
        }
    }
}
