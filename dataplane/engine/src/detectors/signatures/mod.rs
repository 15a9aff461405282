//! Signatures: protocols recognised by data instead of code.
//!
//! A TOML file in `signatures/<family>/` describes a protocol and what its payloads look like: a regular expression,
//! fixed bytes with wildcards, structure checks, lengths, direction, an earlier payload of the other side, with
//! samples that must match and must not. [`SignatureSet`] holds the compiled files and is shared by all workers;
//! each of them scans with its own [`Scanner`]. `docs/signatures.md` is the guide for those who write them.

mod cache;
mod database;
mod definition;
mod expression;
pub(in crate::detectors) mod files;
mod hex;
mod lane;
mod opening;
mod pattern;
pub(in crate::detectors) mod problem;
pub(in crate::detectors) mod reader;
mod report;
mod scanner;
mod searcher;
mod sequence;
mod signature;
#[cfg(test)]
mod tests;

use core::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

pub use cache::DatabaseCache;
pub use definition::{Label, Sample};
pub use expression::{ExpressionError, ExpressionProblem};
pub use files::SignatureFile;
pub use hex::HexError;
pub use pattern::{PatternError, SCAN_BYTES};
pub use problem::{Problem, SignatureError, SignatureErrors};
pub use report::{Benign, Overlap, Price, Report, ReportError, SampleFailure, SignatureReport, Trial};
pub use scanner::{Scanner, ScannerError};

use crate::protocols::{Carrier, Exposure, Family, Protocol};
use database::Database;
use definition::Content;
use files::{Definitions, Reading};
use lane::{LANES, Lane};
use problem::Problems;
use searcher::{Refused, Searcher, Shelf};
use signature::Signature;

/// Signatures that a set may have.
const MAX_SIGNATURES: usize = 8192;

/// Signatures, compiled; immutable, to be shared by all workers.
#[derive(Debug)]
pub struct SignatureSet {
    /// By rank: the surest first, then the most specific.
    signatures: Vec<Signature>,
    /// At the same indexes.
    labels: Vec<Label>,
    protocols: Vec<SignatureProtocol>,
    samples: Vec<Sample>,
    lanes: Vec<Lane>,
    /// Patterns over earlier payloads.
    earlier: Option<Searcher>,
    fingerprint: u64,
    /// What was read, for the set that takes this one's place.
    definitions: Definitions,
}

/// What was compiled beside a set that is in use, for the one that follows it.
#[derive(Clone, Debug, Default)]
pub struct Merged(Vec<Arc<Database>>);

/// A protocol that signatures recognise.
#[derive(Clone, Debug)]
pub struct SignatureProtocol {
    /// Name in `app_proto`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it is for.
    pub family: Family,
    /// What it rides on.
    pub carriers: Vec<Carrier>,
    /// Registered or usual ports: a hint, never evidence.
    pub ports: Vec<u16>,
    /// What a copy of the wire gives away.
    pub exposure: Exposure,
    /// The specification.
    pub source: String,
    /// The protocol of this name that has code of its own, in [`crate::protocols::ALL`].
    pub coded: Option<&'static Protocol>,
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureMatch {
    /// Index in [`SignatureSet::protocols`].
    pub protocol: u16,
    /// Index of the signature, for [`SignatureSet::label`] and [`crate::Evidence`].
    pub signature: u16,
    /// Per cent, 1 to 100.
    pub confidence: u8,
    /// Offset of the deciding bytes; for a pattern of varying length that is searched for, where it starts at the latest.
    pub offset: u16,
}

impl SignatureSet {
    /// The signatures that the program carries. Errors: what Hyperscan refuses on this machine.
    pub fn builtin() -> Result<Self, SignatureErrors> {
        Self::from_files(&files::builtin())
    }

    /// The signatures of a folder (`<family>/<id>.toml`) alone. Errors: everything that is wrong, with file and line.
    pub fn load(folder: &Path) -> Result<Self, SignatureErrors> {
        Self::from_files(&files::of_folder(folder)?)
    }

    /// The signatures that the program carries and those of a folder; where both have an id, the folder's is taken, and
    /// a file with `enabled = false` switches an id off.
    pub fn builtin_and(folder: &Path) -> Result<Self, SignatureErrors> {
        Self::from_files(&builtin_files_and(folder)?)
    }

    /// Compiles files. Errors: everything that is wrong, with file and line.
    pub fn from_files(files: &[SignatureFile]) -> Result<Self, SignatureErrors> {
        Self::assembled(files, &Definitions::new(), Shelf::default())
    }

    /// The same with what is left of compiling before, by this program or the one before it.
    pub fn from_files_and(files: &[SignatureFile], cache: &DatabaseCache) -> Result<Self, SignatureErrors> {
        Self::assembled(files, &Definitions::new(), Shelf::of(cache.databases()))
    }

    /// The set of these files that takes this one's place: what is the same in both is neither read nor compiled again,
    /// and what was merged beside it is taken where it fits.
    pub fn following(&self, files: &[SignatureFile], merged: &Merged) -> Result<Self, SignatureErrors> {
        let shelf = Shelf::of(merged.0.iter().chain(self.databases()).cloned());
        Self::assembled(files, &self.definitions, shelf)
    }

    /// One database for each lane whose databases have become many, for the set that follows; none where nothing is
    /// worth it. It takes as long as compiling everything.
    #[must_use]
    pub fn merged(&self) -> Option<Merged> {
        let mut shelf = Shelf::default();
        for searcher in self.searchers().filter(|searcher| searcher.is_worth_merging()) {
            searcher.merge_onto(&mut shelf);
        }
        let merged = shelf.into_databases();
        (!merged.is_empty()).then_some(Merged(merged))
    }

    fn assembled(
        files: &[SignatureFile],
        known: &Definitions,
        shelf: Shelf,
    ) -> Result<Self, SignatureErrors> {
        let Reading { definitions, all, mut errors } = files::read(files, known);
        let mut set = Assembly::default();
        for definition in &definitions {
            let mut problems = Problems::new(&definition.path);
            if let Some(content) = &definition.content {
                set.add(content, &definition.path, &mut problems);
            }
            errors.extend(problems.into_errors());
        }
        if !errors.is_empty() {
            return Err(SignatureErrors(errors));
        }
        set.compile(files::fingerprint(files), all, shelf)
    }

    /// The databases, some of them more than once.
    fn databases(&self) -> impl Iterator<Item = &Arc<Database>> {
        self.searchers().flat_map(Searcher::databases)
    }

    fn searchers(&self) -> impl Iterator<Item = &Searcher> {
        self.lanes.iter().filter_map(|lane| lane.searcher.as_ref()).chain(&self.earlier)
    }

    /// The protocols that the signatures recognise, by name.
    #[must_use]
    pub fn protocols(&self) -> &[SignatureProtocol] {
        &self.protocols
    }

    /// How many signatures there are; their indexes count from 0.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.signatures.len()
    }

    /// Whether there is no signature.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.signatures.is_empty()
    }

    /// Whether there is a file of this id, also one that is switched off.
    #[must_use]
    pub(crate) fn has_file(&self, id: &str) -> bool {
        self.definitions.values().any(|definition| definition.id == id)
    }

    /// Where a signature stands.
    #[must_use]
    pub fn label(&self, signature: u16) -> Option<&Label> {
        self.labels.get(usize::from(signature))
    }

    /// The samples of all files.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// A number that changes with every byte of the files: the version of the set.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The version as records and status print it: 16 hexadecimal digits.
    #[must_use]
    pub fn version(&self) -> String {
        format!("{:016x}", self.fingerprint)
    }

    /// The same set with one signature switched on: what it alone finds, and costs. Errors: what Hyperscan refuses.
    fn only(&self, index: u16) -> Result<Self, SignatureErrors> {
        let (lanes, earlier) = compiled(&self.signatures, |other| other == index, Shelf::default())
            .map_err(|refused| SignatureErrors(errors_of(&refused, &self.labels)))?;
        Ok(Self {
            signatures: self.signatures.clone(),
            labels: self.labels.clone(),
            protocols: self.protocols.clone(),
            samples: Vec::new(),
            lanes,
            earlier,
            fingerprint: self.fingerprint ^ (u64::from(index) + 1),
            definitions: Definitions::new(),
        })
    }
}

/// The files that the program carries: signatures, services and guesses.
#[must_use]
pub fn builtin_files() -> Vec<SignatureFile> {
    files::builtin()
}

/// The version of the set that these files make, before they are compiled.
#[must_use]
pub fn fingerprint_of(files: &[SignatureFile]) -> u64 {
    files::fingerprint(files)
}

/// A number that is another for other files below a folder, in another order, or taking the place of others.
pub(crate) fn fingerprint_below(files: &[SignatureFile], folder: &'static str) -> u64 {
    files::fingerprint_below(files, folder)
}

/// The files of a folder.
///
/// # Errors
/// Files that cannot be read.
pub fn files_of(folder: &Path) -> Result<Vec<SignatureFile>, SignatureErrors> {
    files::of_folder(folder)
}

/// The files that the program carries and those of a folder, which go before them.
///
/// # Errors
/// Files that cannot be read.
pub fn builtin_files_and(folder: &Path) -> Result<Vec<SignatureFile>, SignatureErrors> {
    let mut files = files::builtin();
    files.extend(files::of_folder(folder)?.into_iter().map(SignatureFile::overriding));
    Ok(files)
}

/// A set while its files are put together.
#[derive(Debug, Default)]
struct Assembly {
    protocols: Vec<SignatureProtocol>,
    by_name: BTreeMap<String, usize>,
    /// The file that described each protocol first.
    described_in: Vec<String>,
    signatures: Vec<(Signature, Label)>,
    samples: Vec<Sample>,
}

impl Assembly {
    fn add(&mut self, content: &Content, path: &str, problems: &mut Problems<'_>) {
        let Some(protocol) = self.protocol(content, path, problems) else { return };
        for (signature, label) in &content.signatures {
            if self.signatures.len() == MAX_SIGNATURES {
                problems.add(label.line, Problem::TooMany { what: "signatures", most: MAX_SIGNATURES });
                return;
            }
            self.signatures.push((Signature { protocol, ..signature.clone() }, label.clone()));
        }
        self.samples.extend(content.samples.iter().map(|sample| Sample { protocol, ..sample.clone() }));
    }

    /// Index of the protocol of a file, which is added where it is new.
    fn protocol(&mut self, content: &Content, path: &str, problems: &mut Problems<'_>) -> Option<u16> {
        let text = &content.protocol;
        let coded = crate::protocols::ALL.iter().copied().find(|protocol| protocol.name == text.name);
        let known = self.by_name.get(&text.name).copied();
        if let Some((index, own)) = known.and_then(|index| Some((index, self.protocols.get_mut(index)?))) {
            let is_same = text.title.as_ref().is_none_or(|title| *title == own.title)
                && text.family.is_none_or(|family| family == own.family)
                && text.exposure.is_none_or(|exposure| exposure == own.exposure)
                && text.source.as_ref().is_none_or(|source| *source == own.source);
            if own.coded.is_none() && !is_same {
                let first = self.described_in.get(index).cloned().unwrap_or_default();
                problems.add(text.line, Problem::Conflict { protocol: text.name.clone(), first });
            }
            add_new(&mut own.carriers, &text.carriers);
            add_new(&mut own.ports, &text.ports);
            return u16::try_from(index).ok();
        }
        let added = match coded {
            Some(coded) => Some(of_code(coded)),
            None => of_text(text, problems),
        }?;
        self.by_name.insert(text.name.clone(), self.protocols.len());
        self.protocols.push(added);
        self.described_in.push(path.to_owned());
        u16::try_from(self.protocols.len() - 1).ok()
    }

    fn compile(
        mut self,
        fingerprint: u64,
        definitions: Definitions,
        shelf: Shelf,
    ) -> Result<SignatureSet, SignatureErrors> {
        self.sort_protocols();
        self.signatures.sort_by(|(_, a), (_, b)| (&a.file, a.line).cmp(&(&b.file, b.line)));
        // Bits are more than none, so that their order is that of their representation.
        self.signatures
            .sort_by_cached_key(|(own, _)| (Reverse(own.confidence), Reverse(own.bits().max(0.0).to_bits())));
        let (signatures, labels): (Vec<_>, Vec<_>) = self.signatures.into_iter().unzip();
        let (lanes, earlier) = compiled(&signatures, |_| true, shelf)
            .map_err(|refused| SignatureErrors(errors_of(&refused, &labels)))?;
        let Self { protocols, samples, .. } = self;
        Ok(SignatureSet { signatures, labels, protocols, samples, lanes, earlier, fingerprint, definitions })
    }

    /// Orders the protocols by name and keeps every index to them right.
    fn sort_protocols(&mut self) {
        let old: Vec<String> = self.protocols.iter().map(|protocol| protocol.name.clone()).collect();
        self.protocols.sort_by(|a, b| a.name.cmp(&b.name));
        let new_index = |index: &mut u16| {
            let name = old.get(usize::from(*index));
            let place = name.and_then(|name| self.protocols.binary_search_by(|p| p.name.cmp(name)).ok());
            *index = place.and_then(|place| u16::try_from(place).ok()).unwrap_or(*index);
        };
        self.signatures.iter_mut().for_each(|(signature, _)| new_index(&mut signature.protocol));
        self.samples.iter_mut().for_each(|sample| new_index(&mut sample.protocol));
    }
}

fn of_code(coded: &'static Protocol) -> SignatureProtocol {
    SignatureProtocol {
        name: coded.name.to_owned(),
        title: coded.title.to_owned(),
        family: coded.family,
        carriers: coded.carriers.to_vec(),
        ports: coded.ports.to_vec(),
        exposure: coded.exposure,
        source: coded.source.to_owned(),
        coded: Some(coded),
    }
}

/// A protocol that only files describe: nothing may be left out.
fn of_text(text: &definition::ProtocolText, problems: &mut Problems<'_>) -> Option<SignatureProtocol> {
    let parts = [
        ("title", text.title.is_none(), "write the protocol's name for people"),
        ("family", text.family.is_none(), "write the name of the folder"),
        (
            "exposure",
            text.exposure.is_none(),
            "write \"cleartext\", \"encrypted\", \"negotiated\" or \"unknown\"",
        ),
        ("source", text.source.is_none(), "write the specification: RFC, standard or vendor document"),
    ];
    for (key, _, mend) in parts.into_iter().filter(|(_, is_missing, _)| *is_missing) {
        problems.add(text.line, Problem::MissingKey { key, mend });
    }
    Some(SignatureProtocol {
        name: text.name.clone(),
        title: text.title.clone()?,
        family: text.family?,
        carriers: text.carriers.clone(),
        ports: text.ports.clone(),
        exposure: text.exposure?,
        source: text.source.clone()?,
        coded: None,
    })
}

fn add_new<T: Copy + PartialEq>(list: &mut Vec<T>, more: &[T]) {
    for item in more {
        if !list.contains(item) {
            list.push(*item);
        }
    }
}

/// The lanes, and what looks for patterns over earlier payloads, of the signatures that `is_on` says yes to.
fn compiled(
    signatures: &[Signature],
    is_on: impl Fn(u16) -> bool,
    mut shelf: Shelf,
) -> Result<(Vec<Lane>, Option<Searcher>), Vec<Refused>> {
    use crate::record::Direction::{ToClient, ToServer};
    let on: Vec<(u16, &Signature)> = (0_u16..).zip(signatures).filter(|(index, _)| is_on(*index)).collect();
    let mut lanes = Vec::with_capacity(LANES);
    let mut refused = Vec::new();
    for carrier in 0..LANES / 2 {
        for direction in [ToServer, ToClient] {
            let rides =
                |s: &Signature| s.carriers.get(carrier).copied().unwrap_or(false) && s.goes(direction);
            let members: Vec<_> = on.iter().copied().filter(|(_, signature)| rides(signature)).collect();
            match Lane::build(&members, &mut shelf) {
                Ok(lane) => lanes.push(lane),
                Err(more) => refused.extend(more),
            }
        }
    }
    let earlier: Vec<_> =
        on.iter().filter_map(|(index, s)| Some((*index, s.earlier.as_ref()?.searched()?))).collect();
    match shelf.searcher(&earlier) {
        Ok(earlier) if refused.is_empty() => Ok((lanes, earlier)),
        Ok(_) => Err(refused),
        Err(more) => {
            refused.extend(more);
            Err(refused)
        }
    }
}

/// Each refused pattern once, with its file and line.
fn errors_of(refused: &[Refused], labels: &[Label]) -> Vec<SignatureError> {
    let mut errors: Vec<SignatureError> = Vec::new();
    for one in refused {
        let Some(label) = labels.get(usize::from(one.signature)) else { continue };
        let problem = Problem::Hyperscan(one.reason.clone());
        let error = SignatureError { file: label.file.clone(), line: label.line, problem };
        if !errors.contains(&error) {
            errors.push(error);
        }
    }
    errors
}
