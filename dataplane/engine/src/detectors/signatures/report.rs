//! What a set of signatures is worth: every sample against every signature, random payloads, and the price of each.

use core::hint::black_box;

use thiserror::Error;

use super::scanner::{Scanner, ScannerError};
use super::{Label, Sample, SignatureErrors, SignatureMatch, SignatureSet};
use crate::protocols::{Carrier, EARLIER_BYTES, Earlier, Probe};
use crate::record::Direction;

/// Random payloads that a report scans.
const RANDOM_PAYLOADS: u32 = 100_000;
/// Random payloads beside the samples whose scanning is timed.
const TIMED_PAYLOADS: usize = 256;
/// Times that they are scanned for one measurement; the quickest of [`MEASUREMENTS`] counts.
const ROUNDS: u32 = 8;
const MEASUREMENTS: u32 = 3;
const LONGEST_RANDOM: usize = 1400;

/// What the samples, random payloads and a clock say of a set.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Samples that were scanned.
    pub samples: usize,
    /// Samples that did not turn out as they should.
    pub failures: Vec<SampleFailure>,
    /// Signatures that match another protocol's samples, though a better one won.
    pub overlaps: Vec<Overlap>,
    /// Each signature, by index.
    pub signatures: Vec<SignatureReport>,
    /// Random payloads that were scanned.
    pub random_payloads: u32,
    /// How many of them were taken for something.
    pub random_labels: u32,
    /// Bytes of everyday traffic that were scanned.
    pub benign_bytes: u64,
    /// What the whole set costs.
    pub price: Price,
}

/// What a set is tried on beside its own samples, and how much of it is tried.
pub struct Trial<'t> {
    /// Which signatures are tried alone: each takes some ten milliseconds.
    pub wanted: &'t dyn Fn(&Label) -> bool,
    /// Everyday traffic.
    pub benign: &'t [Benign],
}

impl core::fmt::Debug for Trial<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Trial").field("benign", &self.benign.len()).finish_non_exhaustive()
    }
}

impl Trial<'_> {
    /// Every signature, and nothing beside the samples.
    const ALL: Trial<'static> = Trial { wanted: &|_| true, benign: &[] };
}

/// A payload of everyday traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benign {
    /// What it is, as in `app_proto`; empty where that is not known.
    pub protocol: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// TCP, UDP or SCTP.
    pub carrier: Carrier,
    /// Which way it goes.
    pub from: Direction,
}

/// What scanning costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Price {
    /// Nanoseconds a payload.
    pub ns_per_payload: f64,
    /// Bytes a second on one core.
    pub bytes_per_second: f64,
}

/// A sample that did not turn out as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleFailure {
    /// Index in [`SignatureSet::samples`].
    pub sample: usize,
    /// What matched, if anything.
    pub found: Option<SignatureMatch>,
}

/// A signature that matches another protocol's sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// Index of the signature.
    pub signature: u16,
    /// Index in [`SignatureSet::samples`].
    pub sample: usize,
}

/// One signature.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SignatureReport {
    /// Samples of its protocol that it matches: without any it is untested.
    pub samples: u32,
    /// Random payloads that it took for its protocol.
    pub random: u32,
    /// Payloads of everyday traffic that it matches though they are another protocol, or none that is known.
    pub benign: u32,
    /// It was tried alone.
    pub is_tried: bool,
    /// What it costs alone, on all samples and some random payloads.
    pub price: Price,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// No scanner.
    #[error(transparent)]
    Scanner(#[from] ScannerError),
    /// A signature that compiles with the others and not alone.
    #[error(transparent)]
    Signatures(#[from] SignatureErrors),
}

impl Report {
    /// Tests `set`. `clock` gives nanoseconds from any start.
    pub fn run(set: &SignatureSet, clock: &mut dyn FnMut() -> u64) -> Result<Self, ReportError> {
        Self::of(set, &Trial::ALL, clock)
    }

    /// Tests what `trial` wants of `set`. `clock` gives nanoseconds from any start.
    pub fn of(
        set: &SignatureSet,
        trial: &Trial<'_>,
        clock: &mut dyn FnMut() -> u64,
    ) -> Result<Self, ReportError> {
        let mut scanner = Scanner::new(set)?;
        let mut report = Self { samples: set.samples.len(), ..Self::default() };
        report.signatures.resize(set.len(), SignatureReport::default());
        for (index, sample) in set.samples.iter().enumerate() {
            let found = sample.scan(set, &mut scanner);
            let is_own = found.is_some_and(|found| found.protocol == sample.protocol);
            if is_own != sample.is_match {
                report.failures.push(SampleFailure { sample: index, found });
            }
        }
        report.random_payloads = RANDOM_PAYLOADS;
        let mut random = RandomPayloads::new();
        for _ in 0..RANDOM_PAYLOADS {
            let Some(found) = random.scan(set, &mut scanner) else { continue };
            report.random_labels += 1;
            if let Some(own) = report.signatures.get_mut(usize::from(found.signature)) {
                own.random += 1;
            }
        }
        report.price = price(set, &set.samples, &mut scanner, clock);
        report.add_benign(set, trial.benign, &mut scanner);
        for index in (0..=u16::MAX).take(set.len()) {
            if set.label(index).is_some_and(trial.wanted) {
                report.add_signature(set, index, clock)?;
            }
        }
        Ok(report)
    }

    /// Counts what each signature takes of everyday traffic.
    fn add_benign(&mut self, set: &SignatureSet, benign: &[Benign], scanner: &mut Scanner) {
        for one in benign {
            self.benign_bytes += one.payload.len() as u64;
            scanner.each_match(set, &probe(&one.payload, one.carrier, one.from), &mut |matched| {
                let name = set.protocols.get(usize::from(matched.protocol)).map(|own| own.name.as_str());
                if let Some(own) = self.signatures.get_mut(usize::from(matched.signature))
                    && name != Some(one.protocol.as_str())
                {
                    own.benign += 1;
                }
            });
        }
    }

    /// Whether every sample is right, every signature has one, no two protocols match one sample, and fewer than one
    /// random payload in a thousand is taken for something.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
            && self.overlaps.is_empty()
            && self.signatures.iter().all(|signature| signature.samples > 0 || !signature.is_tried)
            && self.random_labels.saturating_mul(1000) < self.random_payloads.max(1)
    }

    /// Tries one signature alone on all samples.
    fn add_signature(
        &mut self,
        set: &SignatureSet,
        index: u16,
        clock: &mut dyn FnMut() -> u64,
    ) -> Result<(), ReportError> {
        let alone = set.only(index)?;
        let mut scanner = Scanner::new(&alone)?;
        let Some(own) = self.signatures.get_mut(usize::from(index)) else { return Ok(()) };
        for (place, sample) in set.samples.iter().enumerate() {
            let Some(found) = sample.scan(&alone, &mut scanner) else { continue };
            if !sample.is_match {
                // What it is not is often another protocol, and fails above where it is taken for its own.
                continue;
            }
            if found.protocol == sample.protocol {
                own.samples += 1;
            } else {
                self.overlaps.push(Overlap { signature: index, sample: place });
            }
        }
        own.is_tried = true;
        own.price = price(&alone, &set.samples, &mut scanner, clock);
        Ok(())
    }
}

impl Sample {
    /// Scans the sample as the first payloads of a flow.
    pub(super) fn scan(&self, set: &SignatureSet, scanner: &mut Scanner) -> Option<SignatureMatch> {
        let before = self.after.as_deref().map(|bytes| Earlier {
            from: self.direction.reversed(),
            bytes: bytes.get(..EARLIER_BYTES).unwrap_or(bytes),
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        });
        let probe =
            Probe { earlier: before.as_slice(), ..probe(&self.payload, self.carrier, self.direction) };
        scanner.scan(set, &probe)
    }
}

fn probe(payload: &[u8], carrier: Carrier, from: Direction) -> Probe<'_> {
    Probe {
        payload,
        wire_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        from,
        carrier,
        source_port: 0,
        destination_port: 0,
        destination: None,
        earlier: &[],
        midstream: false,
    }
}

/// Random payloads: half of them of up to 128 bytes, half of up to 1,400, over TCP and UDP, both ways.
#[derive(Debug)]
pub(super) struct RandomPayloads {
    state: u64,
    bytes: Vec<u8>,
}

impl RandomPayloads {
    pub(super) fn new() -> Self {
        Self { state: 0, bytes: vec![0; LONGEST_RANDOM] }
    }

    /// Makes the next and scans it.
    pub(super) fn scan(&mut self, set: &SignatureSet, scanner: &mut Scanner) -> Option<SignatureMatch> {
        let (length, carrier, from) = self.next_payload();
        scanner.scan(set, &probe(self.bytes.get(..length)?, carrier, from))
    }

    fn next_payload(&mut self) -> (usize, Carrier, Direction) {
        let dice = self.next();
        let longest = if dice & 1 == 0 { 128 } else { LONGEST_RANDOM };
        let length = usize::try_from(dice >> 32).unwrap_or(0) % longest + 1;
        let carrier = if dice & 2 == 0 { Carrier::Tcp } else { Carrier::Udp };
        let from = if dice & 4 == 0 { Direction::ToServer } else { Direction::ToClient };
        let mut bytes = core::mem::take(&mut self.bytes);
        for chunk in bytes.chunks_mut(8).take(length.div_ceil(8)) {
            for (byte, random) in chunk.iter_mut().zip(self.next().to_le_bytes()) {
                *byte = random;
            }
        }
        self.bytes = bytes;
        (length, carrier, from)
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// Times `set` on the samples and some random payloads.
fn price(
    set: &SignatureSet,
    samples: &[Sample],
    scanner: &mut Scanner,
    clock: &mut dyn FnMut() -> u64,
) -> Price {
    let mut random = RandomPayloads::new();
    let mut payloads: Vec<(Vec<u8>, Carrier, Direction)> = Vec::new();
    for _ in 0..TIMED_PAYLOADS {
        let (length, carrier, from) = random.next_payload();
        payloads.push((random.bytes.iter().take(length).copied().collect(), carrier, from));
    }
    payloads.extend(samples.iter().map(|sample| (sample.payload.clone(), sample.carrier, sample.direction)));
    let mut least = u64::MAX;
    for _ in 0..MEASUREMENTS {
        let start = clock();
        for _ in 0..ROUNDS {
            for (payload, carrier, from) in &payloads {
                black_box(scanner.scan(set, &probe(black_box(payload), *carrier, *from)));
            }
        }
        least = least.min(clock().saturating_sub(start));
    }
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let ns = float(usize::try_from(least.max(1)).unwrap_or(usize::MAX)) / f64::from(ROUNDS);
    let bytes = float(payloads.iter().map(|(payload, ..)| payload.len()).sum());
    Price { ns_per_payload: ns / float(payloads.len()), bytes_per_second: bytes / ns * 1e9 }
}
