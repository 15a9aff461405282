//! Where signature files come from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::definition::{self, Definition};
use super::problem::{Problem, Problems, SignatureError, SignatureErrors};

/// Bytes that a file may have.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// Bytes that a file has at most as a rule.
const USUAL_BYTES: usize = 4096;
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
    for (name, path, is_folder) in listed(folder, "", &mut errors) {
        if is_folder {
            for (inner, path, _) in listed(&path, &name, &mut errors) {
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
    let mut text = Vec::with_capacity(USUAL_BYTES);
    // One more than it may have, and nothing is asked about it before.
    let file = fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(Problem::FileTooLarge { most: MAX_FILE_BYTES });
    }
    String::from_utf8(text).map_err(|_| Problem::Unreadable(io::ErrorKind::InvalidData))
}

/// Names and paths in a folder, and whether each is a folder, ordered by name.
fn listed(folder: &Path, name: &str, errors: &mut Vec<SignatureError>) -> Vec<(String, PathBuf, bool)> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.unwrap_or_else(|error| {
        let name = if name.is_empty() { folder.to_string_lossy() } else { Cow::Borrowed(name) };
        errors.push(at(&name, Problem::Unreadable(error.kind())));
        Vec::new()
    });
    let mut paths: Vec<_> = entries
        .iter()
        .map(|entry| {
            let path = entry.path();
            // The folder says what most of its entries are; only links have to be followed.
            let is_folder = match entry.file_type() {
                Ok(kind) if !kind.is_symlink() => kind.is_dir(),
                _ => path.is_dir(),
            };
            (entry.file_name().to_string_lossy().into_owned(), path, is_folder)
        })
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
    below(files, folder).fold(FIRST, |number, file| {
        let number = hashed(hashed(number, file.path.as_bytes()), &[u8::from(file.overrides)]);
        hashed(number, file.text.as_bytes())
    })
}

/// Over all paths and texts.
pub(super) fn fingerprint(files: &[SignatureFile]) -> u64 {
    files
        .iter()
        .fold(FIRST, |number, file| hashed(hashed(number, file.path.as_bytes()), file.text.as_bytes()))
}

/// What a fingerprint starts with.
const FIRST: u64 = 0xcbf2_9ce4_8422_2325;

/// A number of `before` and of some bytes and their count: eight bytes at a time, since megabytes are read at each
/// reload. Nobody's enemy: it tells apart, and proves nothing.
fn hashed(before: u64, bytes: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ hash >> 32
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(before, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
    mix(mix(hash, rest), bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_changes_with_every_byte_and_where_a_text_ends() {
        let file = |path: &str, text: &str| SignatureFile {
            path: path.to_owned(),
            text: Cow::Owned(text.to_owned()),
            overrides: false,
        };
        let text = "0123456789abcdefghij";
        let mut numbers = vec![
            fingerprint(&[]),
            fingerprint(&[file("a", text)]),
            fingerprint(&[file("a0", "123456789abcdefghij")]),
            fingerprint(&[file("a", text), file("", "")]),
            fingerprint(&[file("a", &format!("{text}\0"))]),
            fingerprint(&[file("a", text), file("b", text)]),
            fingerprint(&[file("b", text), file("a", text)]),
        ];
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] ^= 1;
            numbers.push(fingerprint(&[file("a", str::from_utf8(&other).unwrap())]));
        }
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        let below = |overrides| fingerprint_below(&[SignatureFile { overrides, ..file("x/a", text) }], "x/");
        assert_ne!(below(true), below(false));
        assert_eq!(fingerprint_below(&[file("y/a", text)], "x/"), FIRST);
    }
}
