//! Scanning, as a worker does it: no allocation, no lock, and Hyperscan only where the first bytes call for it.

use thiserror::Error;

use super::database::{Scratch, Search};
use super::expression::View;
use super::lane::lane_of;
use super::pattern::SCAN_BYTES;
use super::searcher::Searcher;
use super::signature::Signature;
use super::{SignatureMatch, SignatureSet};
use crate::protocols::{Carrier, Probe};
use crate::record::Direction;

/// What one worker needs to scan with one set: Hyperscan's scratch space (about 50 KiB) and a bit a signature.
#[derive(Debug)]
pub struct Scanner {
    fingerprint: u64,
    /// For all databases of the set: one is scanned with at a time.
    scratch: Option<Scratch>,
    wanted: Wanted,
}

/// Why there is no scanner.
#[derive(Debug, Error)]
#[error("Hyperscan gives no scratch space: {0}")]
pub struct ScannerError(#[from] hyperscan::Error);

impl Scanner {
    /// A scanner for `set` alone. Errors: Hyperscan has no memory for its scratch space.
    pub fn new(set: &SignatureSet) -> Result<Self, ScannerError> {
        let scratch = Scratch::for_all(set.databases().map(AsRef::as_ref))?;
        let wanted = Wanted::new(set.signatures.len());
        Ok(Self { fingerprint: set.fingerprint, scratch, wanted })
    }

    /// Whether this scanner was made for `set`; with another set nothing matches.
    #[must_use]
    pub const fn is_for(&self, set: &SignatureSet) -> bool {
        self.fingerprint == set.fingerprint
    }

    /// The best signature that matches: the surest, then the most specific. `set` is the one the scanner was made for.
    ///
    /// Looks at the first [`SCAN_BYTES`] bytes. In midstream the direction is a guess: both are tried; so is it of
    /// datagrams that nobody answered and that come from the lower port.
    pub fn scan(&mut self, set: &SignatureSet, probe: &Probe<'_>) -> Option<SignatureMatch> {
        debug_assert!(self.is_for(set), "a scanner serves the set it was made for");
        if !self.is_for(set) {
            return None;
        }
        let mut best = Best { index: u16::MAX, offset: 0 };
        self.scan_lane(set, probe, lane_of(probe.carrier, probe.from)?, &mut best);
        if (probe.midstream && probe.is_stream()) || is_maybe_answer(probe) {
            self.scan_lane(set, probe, lane_of(probe.carrier, probe.from.reversed())?, &mut best);
        }
        let signature = set.signatures.get(usize::from(best.index))?;
        Some(SignatureMatch {
            protocol: signature.protocol,
            signature: best.index,
            confidence: signature.confidence,
            offset: u16::try_from(best.offset).unwrap_or(u16::MAX),
        })
    }

    /// Every signature that matches, best first: for those who want to know why. Slower than [`Scanner::scan`].
    pub fn each_match(
        &mut self,
        set: &SignatureSet,
        probe: &Probe<'_>,
        found: &mut dyn FnMut(SignatureMatch),
    ) {
        let Some(lane_index) = lane_of(probe.carrier, probe.from).filter(|_| self.is_for(set)) else {
            return;
        };
        let other = probe.midstream && probe.is_stream();
        let other = other.then(|| lane_of(probe.carrier, probe.from.reversed())).flatten();
        let view = view_of(probe);
        for (index, signature) in (0_u16..).zip(&set.signatures) {
            let matched = [Some(lane_index), other].into_iter().flatten().find_map(|lane_index| {
                let from = if lane_index % 2 == 0 { Direction::ToServer } else { Direction::ToClient };
                let rides = signature.carriers.get(lane_index / 2) == Some(&true) && signature.goes(from);
                let holds = rides
                    && signature.admits(view, probe)
                    && self.earlier_holds(set, index, signature, probe);
                if !holds {
                    return None;
                }
                if signature.payload.searched().is_none() {
                    return Some(signature.offset());
                }
                let searcher = set.lanes.get(lane_index)?.searcher.as_ref()?;
                let scratch = self.scratch.as_ref()?;
                let mut best = Best { index: u16::MAX, offset: 0 };
                self.wanted.insert(index);
                search(set, (searcher, scratch), &self.wanted, (probe.payload, index), &mut best);
                self.wanted.clear();
                (best.index == index).then_some(best.offset)
            });
            if let Some(offset) = matched {
                let (protocol, confidence) = (signature.protocol, signature.confidence);
                let offset = u16::try_from(offset).unwrap_or(u16::MAX);
                found(SignatureMatch { protocol, signature: index, confidence, offset });
            }
        }
    }

    fn scan_lane(&mut self, set: &SignatureSet, probe: &Probe<'_>, lane_index: usize, best: &mut Best) {
        let Some(lane) = set.lanes.get(lane_index) else { return };
        if probe.payload.is_empty() {
            return;
        }
        let view = view_of(probe);
        let is_guess = lane_of(probe.carrier, probe.from) != Some(lane_index);
        let mut first_wanted = u16::MAX;
        let candidates = lane.blocks().iter().flat_map(|block| block.candidates(probe.payload, view.len));
        for index in candidates {
            if index >= best.index {
                break;
            }
            let Some(signature) = set.signatures.get(usize::from(index)) else { continue };
            if (is_guess && !signature.serves_midstream)
                || !signature.admits(view, probe)
                || !self.earlier_holds(set, index, signature, probe)
            {
                continue;
            }
            if signature.payload.searched().is_some() {
                self.wanted.insert(index);
                first_wanted = first_wanted.min(index);
            } else {
                *best = Best { index, offset: signature.offset() };
                break;
            }
        }
        if first_wanted == u16::MAX {
            return;
        }
        if let Some((searcher, scratch)) = lane.searcher.as_ref().zip(self.scratch.as_ref())
            && first_wanted < best.index
        {
            search(set, (searcher, scratch), &self.wanted, (probe.payload, first_wanted), best);
        }
        self.wanted.clear();
    }

    /// Whether the signature's condition on an earlier payload, if it has one, holds for one of them.
    fn earlier_holds(
        &self,
        set: &SignatureSet,
        index: u16,
        signature: &Signature,
        probe: &Probe<'_>,
    ) -> bool {
        let Some(condition) = signature.earlier.as_deref() else { return true };
        let Some(pattern) = condition.searched() else {
            return Signature::earlier_views(condition, probe).next().is_some();
        };
        let Some((searcher, scratch)) = set.earlier.as_ref().zip(self.scratch.as_ref()) else {
            return false;
        };
        Signature::earlier_views(condition, probe).any(|view| {
            let mut is_found = false;
            searcher.scan(
                (view.bytes, scratch),
                |part| part.has(index),
                |found, end| {
                    is_found |= found == index && pattern.admits(end);
                    if is_found { Search::Stop } else { Search::GoOn }
                },
            );
            is_found
        })
    }
}

/// Whether a datagram may be an answer whose question was not captured: whoever was seen first is taken for the client.
fn is_maybe_answer(probe: &Probe<'_>) -> bool {
    probe.carrier == Carrier::Udp
        && probe.from == Direction::ToServer
        && probe.source_port < probe.destination_port
        && probe.earlier.iter().all(|earlier| earlier.from == probe.from)
}

/// The payload as checks see it: for datagrams the length is that on the wire.
fn view_of<'a>(probe: &Probe<'a>) -> View<'a> {
    let at_hand = u32::try_from(probe.payload.len()).unwrap_or(u32::MAX);
    let len = if probe.is_stream() { at_hand } else { probe.wire_len.max(at_hand) };
    View { bytes: probe.payload, len }
}

/// Lets Hyperscan look for the wanted patterns.
fn search(
    set: &SignatureSet,
    (searcher, scratch): (&Searcher, &Scratch),
    wanted: &Wanted,
    (payload, first_wanted): (&[u8], u16),
    best: &mut Best,
) {
    let bytes = payload.get(..SCAN_BYTES).unwrap_or(payload);
    searcher.scan(
        (bytes, scratch),
        |part| part.has_any(&wanted.0),
        |index, end| {
            if index >= best.index || !wanted.contains(index) {
                return Search::GoOn;
            }
            let signature = set.signatures.get(usize::from(index));
            if let Some(pattern) = signature.and_then(|signature| signature.payload.searched())
                && pattern.admits(end)
            {
                *best = Best { index, offset: pattern.start(end) };
            }
            if best.index == first_wanted { Search::Stop } else { Search::GoOn }
        },
    );
}

/// The best match so far; the index is the rank.
#[derive(Clone, Copy, Debug)]
struct Best {
    index: u16,
    offset: usize,
}

/// A bit for each signature whose pattern decides.
#[derive(Debug)]
struct Wanted(Box<[u64]>);

impl Wanted {
    fn new(signatures: usize) -> Self {
        Self(vec![0; signatures.div_ceil(64)].into_boxed_slice())
    }

    fn insert(&mut self, index: u16) {
        if let Some(word) = self.0.get_mut(usize::from(index >> 6)) {
            *word |= 1 << (index & 63);
        }
    }

    fn contains(&self, index: u16) -> bool {
        self.0.get(usize::from(index >> 6)).is_some_and(|word| word >> (index & 63) & 1 == 1)
    }

    fn clear(&mut self) {
        self.0.fill(0);
    }
}
