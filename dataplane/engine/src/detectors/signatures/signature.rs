//! One signature, compiled.

use super::expression::{Checks, Lengths, View};
use super::hex::MaskedBytes;
use super::lane::Beginning;
use super::opening::Heads;
use super::pattern::Pattern;
use crate::protocols::{Earlier, Probe};
use crate::record::Direction;

/// Evidence that a signature must ask for, in bits: a random payload passes less than once in 16,000.
pub(super) const LEAST_BITS: u32 = 14;

/// Evidence that structure alone must have to decide in midstream, in bits.
const MIDSTREAM_BITS: f64 = 32.0;

/// What bytes must be: part of a signature, or its condition on an earlier payload.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// Least and most bytes of the whole payload.
    pub(super) min_len: u32,
    pub(super) max_len: u32,
    /// Fixed bytes.
    pub(super) hex: Option<MaskedBytes>,
    /// Structure.
    pub(super) checks: Checks,
    /// A regular expression.
    pub(super) pattern: Option<Box<Pattern>>,
}

impl Condition {
    /// Whether all holds but what Hyperscan has to look for.
    pub(super) fn admits(&self, view: View<'_>) -> bool {
        (self.min_len..=self.max_len).contains(&view.len)
            && self.hex.as_ref().is_none_or(|hex| hex.stand_in(view.bytes))
            && self.checks.holds(view)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.may_match(view.bytes))
    }

    /// Least and most bytes of the whole payload, by the limits and by what the checks read and compare.
    pub(super) fn lengths(&self) -> (u32, u32) {
        let own = Lengths { least: self.min_len.into(), most: self.max_len.into() };
        let Lengths { least, most } = self.checks.lengths().and(own);
        (u32::try_from(least).unwrap_or(u32::MAX), u32::try_from(most.max(0)).unwrap_or(u32::MAX))
    }

    /// The pattern that Hyperscan has to look for.
    pub(super) fn searched(&self) -> Option<&Pattern> {
        self.pattern.as_deref().filter(|pattern| pattern.needs_search())
    }

    /// What the first bytes may be.
    pub(super) fn heads(&self) -> Heads {
        let mut heads = Heads::ANY;
        if let Some(hex) = &self.hex {
            hex.narrow(&mut heads);
        }
        if let Some(pattern) = &self.pattern {
            heads.narrow(&pattern.heads);
        }
        self.checks.narrow(&mut heads);
        heads
    }

    /// How unlikely a random payload is to pass, in bits: an estimate.
    pub(super) fn bits(&self) -> f64 {
        let pattern = self.pattern.as_ref().map_or(0.0, |pattern| pattern.bits);
        let hex = self.hex.as_ref().map_or(0.0, MaskedBytes::bits);
        pattern + hex + self.checks.bits()
    }

    /// Structure is all there is: no fixed bytes, no pattern.
    const fn is_bare(&self) -> bool {
        self.hex.is_none() && self.pattern.is_none()
    }
}

/// A signature. Its place in the set is its rank: the first that matches is the best.
#[derive(Clone, Debug)]
pub(super) struct Signature {
    /// Index in the set's protocols.
    pub(super) protocol: u16,
    /// 1 to 100.
    pub(super) confidence: u8,
    /// Payloads that may have been seen before this one.
    pub(super) most_earlier: u8,
    /// It also decides where the start of a stream, or the question to an answer, was not seen; see
    /// [`Signature::with_midstream`].
    pub(super) serves_midstream: bool,
    /// What the payload must be.
    pub(super) payload: Condition,
    /// How such a payload begins.
    pub(super) beginning: Beginning,
    /// What one earlier payload of the other direction must have been.
    pub(super) earlier: Option<Box<Condition>>,
    /// Ways it may go.
    pub(super) directions: [bool; 2],
    /// Whether it rides on TCP, UDP, SCTP.
    pub(super) carriers: [bool; 3],
}

impl Signature {
    /// Decides whether it serves in midstream: what asks for the first payloads does not, nor does bare structure unless
    /// it is strong, because at an unknown place of a stream a weak one is coincidence.
    pub(super) fn with_midstream(mut self) -> Self {
        let is_strong = !self.payload.is_bare() || self.bits() >= MIDSTREAM_BITS;
        self.serves_midstream = self.most_earlier == u8::MAX && is_strong;
        self
    }

    /// Whether all holds but what Hyperscan has to look for, and the earlier payload.
    pub(super) fn admits(&self, view: View<'_>, probe: &Probe<'_>) -> bool {
        if probe.midstream && probe.is_stream() && !self.serves_midstream {
            return false;
        }
        probe.earlier.len() <= usize::from(self.most_earlier) && self.payload.admits(view)
    }

    /// Earlier payloads of which all holds but what Hyperscan has to look for.
    pub(super) fn earlier_views<'a>(
        condition: &'a Condition,
        probe: &'a Probe<'_>,
    ) -> impl Iterator<Item = View<'a>> {
        let other = probe.from.reversed();
        let from_other = move |earlier: &&Earlier<'_>| earlier.from == other;
        probe
            .earlier
            .iter()
            .filter(from_other)
            .map(|earlier| View { bytes: earlier.bytes, len: earlier.len })
            .filter(|view| condition.admits(*view))
    }

    /// Where the deciding bytes are, where Hyperscan does not say.
    pub(super) fn offset(&self) -> usize {
        let pattern = self.payload.pattern.as_ref().map(|pattern| pattern.window.0);
        pattern.or_else(|| self.payload.hex.as_ref().map(MaskedBytes::offset)).unwrap_or(0)
    }

    /// Whether it is for payloads that go this way.
    pub(super) const fn goes(&self, direction: Direction) -> bool {
        let [to_server, to_client] = self.directions;
        match direction {
            Direction::ToServer => to_server,
            Direction::ToClient => to_client,
        }
    }

    /// How much evidence it asks for, in bits.
    pub(super) fn bits(&self) -> f64 {
        self.payload.bits() + self.earlier.as_ref().map_or(0.0, |earlier| earlier.bits())
    }
}
