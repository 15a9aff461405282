//! Short text that is kept from one message to the next.

use arrayvec::ArrayVec;

use crate::record::EventWriter;

/// The first `N` bytes of some text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept<const N: usize>(ArrayVec<u8, N>);

impl<const N: usize> Kept<N> {
    /// Keeps `text` as far as there is room.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut kept = Self::default();
        kept.set(text);
        kept
    }

    /// Keeps another text instead.
    pub(super) fn set(&mut self, text: &[u8]) {
        self.0.clear();
        self.push(text);
    }

    /// Appends as far as there is room.
    pub(super) fn push(&mut self, text: &[u8]) {
        let room = self.0.remaining_capacity().min(text.len());
        let _ = self.0.try_extend_from_slice(text.get(..room).unwrap_or_default());
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Writes it, where there is something.
    pub(super) fn write(&self, name: &'static str, event: &mut EventWriter<'_>) {
        if !self.0.is_empty() {
            event.text(name, &self.0);
        }
    }
}

/// Writes text as far as `most` bytes of it, where there is something.
pub(super) fn write_text(name: &'static str, text: &[u8], most: usize, event: &mut EventWriter<'_>) {
    if !text.is_empty() {
        event.text(name, text.get(..most).unwrap_or(text));
    }
}

/// How many exchanges of a flow are written one by one; after them only what is notable, and a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    left: u16,
}

impl Quota {
    pub(super) const fn new(most: u16) -> Self {
        Self { left: most }
    }

    /// Whether one more may be written.
    pub(super) const fn take(&mut self) -> bool {
        let has = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_there_is_room() {
        let mut kept = Kept::<4>::of(b"abcdef");
        assert_eq!(kept.as_bytes(), b"abcd");
        kept.set(b"x");
        kept.push(b"yz12");
        assert_eq!(kept.as_bytes(), b"xyz1");
        kept.clear();
        assert!(kept.is_empty());
    }

    #[test]
    fn a_quota_ends() {
        let mut quota = Quota::new(2);
        assert_eq!([quota.take(), quota.take(), quota.take()], [true, true, false]);
    }
}
