//! Where signature files come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::definition::{self, Definition};
use super::problem::{Problem, Problems, SignatureError, SignatureErrors};

/// Bytes that a file may have.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Files that a folder may have.
const MAX_FILES: usize = 4096;

/// The files of the repository's `signatures/`, path and text, ordered by path.
const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/signature_files.rs"));

/// A signature file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureFile {
    /// Path below the signature folder, `<family>/<id>.toml`.
    pub path: String,
    /// What it says.
    pub text: Cow<'static, str>,
    /// It takes the place of an earlier file with the same id, which otherwise is an error.
    pub overrides: bool,
}

impl SignatureFile {
    /// The same file, taking the place of an earlier one.
    pub(crate) fn overriding(self) -> Self {
        Self { overrides: true, ..self }
    }
}

/// Folders beside those of the families: who owns which names, and what ports are used for.
const OTHER_FOLDERS: &[&str] = &["services/", "guesses/"];

/// The files of `folder`, which is one of [`OTHER_FOLDERS`].
pub(in crate::detectors) fn below<'f>(
    files: &'f [SignatureFile],
    folder: &'static str,
) -> impl Iterator<Item = &'f SignatureFile> {
    files.iter().filter(move |file| file.path.starts_with(folder))
}

/// The files that the program carries.
pub(crate) fn builtin() -> Vec<SignatureFile> {
    let file = |(path, text): &(&str, &'static str)| SignatureFile {
        path: (*path).to_owned(),
        text: Cow::Borrowed(*text),
        overrides: false,
    };
    BUILTIN.iter().map(file).collect()
}

/// The `.toml` files of a folder and of the folders in it, ordered by path.
pub(crate) fn of_folder(folder: &Path) -> Result<Vec<SignatureFile>, SignatureErrors> {
    let mut errors = Vec::new();
    let mut files = Vec::new();
    for (name, path) in listed(folder, "", &mut errors) {
        if path.is_dir() {
            for (inner, path) in listed(&path, &name, &mut errors) {
                read_file(format!("{name}/{inner}"), &path, &mut files, &mut errors);
            }
        } else {
            read_file(name, &path, &mut files, &mut errors);
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(SignatureErrors(errors)) }
}

fn read_file(name: String, path: &Path, files: &mut Vec<SignatureFile>, errors: &mut Vec<SignatureError>) {
    if path.extension().is_none_or(|ending| ending != "toml") {
        return;
    }
    if files.len() == MAX_FILES {
        errors.push(at(&name, Problem::TooMany { what: "files", most: MAX_FILES }));
        return;
    }
    match text_of(path) {
        Ok(text) => files.push(SignatureFile { path: name, text: Cow::Owned(text), overrides: false }),
        Err(problem) => errors.push(at(&name, problem)),
    }
}

fn text_of(path: &Path) -> Result<String, Problem> {
    let unreadable = |error: io::Error| Problem::Unreadable(error.kind());
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(Problem::FileTooLarge { most: MAX_FILE_BYTES });
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// Names and paths in a folder, ordered by name.
fn listed(folder: &Path, name: &str, errors: &mut Vec<SignatureError>) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.unwrap_or_else(|error| {
        let name = if name.is_empty() { folder.to_string_lossy() } else { Cow::Borrowed(name) };
        errors.push(at(&name, Problem::Unreadable(error.kind())));
        Vec::new()
    });
    let mut paths: Vec<_> = entries
        .iter()
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .collect();
    paths.sort();
    paths.truncate(MAX_FILES);
    paths
}

fn at(file: &str, problem: Problem) -> SignatureError {
    SignatureError { file: file.to_owned(), line: 1, problem }
}

/// Definitions by the path of their file, and whether that takes the place of another.
pub(super) type Definitions = BTreeMap<(String, bool), Arc<Definition>>;

/// What came of reading files.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Those that count, in the order of the files: of two with one id the overriding one.
    pub(super) definitions: Vec<Arc<Definition>>,
    /// All of them.
    pub(super) all: Definitions,
    pub(super) errors: Vec<SignatureError>,
}

/// Reads all files, but those that are among the `known` ones with the same text.
pub(super) fn read(files: &[SignatureFile], known: &Definitions) -> Reading {
    let mut reading = Reading::default();
    let mut by_id: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    let is_signature =
        |file: &&SignatureFile| !OTHER_FOLDERS.iter().any(|folder| file.path.starts_with(folder));
    for file in files.iter().filter(is_signature) {
        let mut problems = Problems::new(&file.path);
        let key = (file.path.clone(), file.overrides);
        let definition = match known.get(&key).filter(|known| known.text == file.text) {
            Some(known) => Some(Arc::clone(known)),
            None => definition::read(file, &mut problems).map(Arc::new),
        };
        if let Some(definition) = definition {
            reading.all.insert(key, Arc::clone(&definition));
            reading.add(definition, file.overrides, &mut by_id, &mut problems);
        }
        let mut found = problems.into_errors();
        found.sort_by_key(|error| error.line);
        reading.errors.extend(found);
    }
    reading
}

impl Reading {
    fn add(
        &mut self,
        definition: Arc<Definition>,
        is_overriding: bool,
        by_id: &mut BTreeMap<String, (usize, bool)>,
        problems: &mut Problems<'_>,
    ) {
        let taken = by_id.get_mut(&definition.id);
        match taken.and_then(|(place, overrides)| Some((self.definitions.get_mut(*place)?, overrides))) {
            None => {
                by_id.insert(definition.id.clone(), (self.definitions.len(), is_overriding));
                self.definitions.push(definition);
            }
            Some((other, overrides)) if is_overriding && !*overrides => {
                *other = definition;
                *overrides = true;
            }
            Some((other, _)) => {
                let problem = Problem::DuplicateId { id: definition.id.clone(), first: other.path.clone() };
                problems.add(definition.line, problem);
            }
        }
    }
}

/// A number that is another for other files, in another order, or taking the place of others.
pub(crate) fn fingerprint_below(files: &[SignatureFile], folder: &'static str) -> u64 {
    let parts = below(files, folder).flat_map(|file| {
        let separator: &[u8] = if file.overrides { &[1] } else { &[0] };
        [file.path.as_bytes(), separator, file.text.as_bytes(), &[0]]
    });
    hashed(parts.flatten())
}

/// FNV-1a over all paths and texts.
pub(super) fn fingerprint(files: &[SignatureFile]) -> u64 {
    let parts = files.iter().flat_map(|file| [file.path.as_bytes(), &[0], file.text.as_bytes(), &[0]]);
    hashed(parts.flatten())
}

fn hashed<'b>(bytes: impl Iterator<Item = &'b u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
