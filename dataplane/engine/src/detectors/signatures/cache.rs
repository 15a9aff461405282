//! Compiled databases in a folder, so that a program that starts need not compile what the one before it had.
//!
//! The folder holds the databases of the set that was in use last, each in a file named by its hash:
//!
//! ```text
//! "wirewarden databases 1\n"    what it is
//! SHA-256 of all that follows   32 bytes
//! library and processor         u32 length (little endian), text
//! expressions                   u32 count, then of each: u8 whether every match counts, u32 length, text
//! database                      the rest, as the library writes it out
//! ```
//!
//! A file that is damaged, of another library or for another processor is removed. It is no input of
//! strangers: the folder must belong to the user of the program, and nobody else may write to it.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::SignatureSet;
use super::database::{Database, Expression};

const MAGIC: &[u8] = b"wirewarden databases 1\n";
const ENDING: &str = "hsdb";
/// Files that are read.
const MOST_FILES: usize = 64;
/// Bytes of a file that is read.
const MOST_BYTES: u64 = 256 << 20;
/// Bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// A folder of compiled databases.
#[derive(Clone, Debug)]
pub struct DatabaseCache {
    folder: PathBuf,
    /// The library and the processor that databases must be for.
    made_for: String,
}

impl DatabaseCache {
    /// The cache in `folder`, which is made where it is not there. Errors: it cannot be had, it is somebody else's, or
    /// others may write to it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let about = fs::symlink_metadata(folder)?;
        let is_own = about.uid() == rustix::process::geteuid().as_raw();
        if !about.is_dir() || !is_own || about.mode() & OTHERS_WRITE != 0 {
            let message =
                format!("{}: not a folder of this user that nobody else may write to", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let made_for = Database::made_for().ok_or_else(|| io::Error::other("Hyperscan compiles nothing"))?;
        Ok(Self { folder: folder.to_owned(), made_for })
    }

    /// What is in it and fits; nothing where it cannot be read. What does not fit is removed.
    pub(super) fn databases(&self) -> Vec<Arc<Database>> {
        let mut databases = Vec::new();
        for path in self.files().into_iter().take(MOST_FILES) {
            match read(&path).and_then(|bytes| self.parsed(&bytes)) {
                Some(database) => databases.push(Arc::new(database)),
                None => _ = fs::remove_file(&path),
            }
        }
        databases
    }

    /// Makes the databases of `set` what is in it. Errors: the disk; what could be written is there.
    pub fn keep(&self, set: &SignatureSet) -> io::Result<()> {
        let mut names = BTreeSet::new();
        let mut kept: Vec<*const Database> = Vec::new();
        for database in set.databases() {
            if kept.contains(&Arc::as_ptr(database)) {
                continue;
            }
            kept.push(Arc::as_ptr(database));
            let head = self.head(database.expressions());
            let name = format!("{}.{ENDING}", hex(&Sha256::digest(&head)));
            let path = self.folder.join(&name);
            names.insert(name);
            if path.exists() {
                continue;
            }
            let Some(compiled) = database.to_bytes() else { continue };
            write(&path, &head, &compiled)?;
        }
        for path in self.files() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if name.is_some_and(|name| !names.contains(&name)) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// The files in it, in the order of their names.
    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == ENDING));
        files.sort();
        files
    }

    /// What stands before the database itself: by its hash a file is found again.
    fn head(&self, expressions: &[Expression]) -> Vec<u8> {
        let mut head = Vec::new();
        let text = |head: &mut Vec<u8>, text: &str| {
            head.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            head.extend_from_slice(text.as_bytes());
        };
        text(&mut head, &self.made_for);
        head.extend_from_slice(&u32::try_from(expressions.len()).unwrap_or(u32::MAX).to_le_bytes());
        for expression in expressions {
            head.push(u8::from(expression.every));
            text(&mut head, &expression.text);
        }
        head
    }

    fn parsed(&self, bytes: &[u8]) -> Option<Database> {
        let (sum, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
        if Sha256::digest(rest).as_slice() != sum {
            return None;
        }
        let mut rest = Rest(rest);
        if rest.text()? != self.made_for {
            return None;
        }
        let count = rest.number()?;
        let mut expressions = Vec::new();
        for _ in 0..count {
            let every = rest.byte()? != 0;
            expressions.push(Expression { text: rest.text()?.to_owned(), every });
        }
        if !expressions.is_sorted() {
            return None;
        }
        Database::from_bytes(expressions.into_boxed_slice(), rest.0)
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let about = fs::symlink_metadata(path).ok()?;
    (about.is_file() && about.len() <= MOST_BYTES).then(|| fs::read(path).ok()).flatten()
}

/// Writes a file that is there whole or not at all; a machine that stops may leave a part, whose hash is wrong. Programs
/// that start at once do not write into each other's.
fn write(path: &Path, head: &[u8], compiled: &[u8]) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", process::id()));
    let sum = Sha256::new().chain_update(head).chain_update(compiled).finalize();
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        for part in [MAGIC, sum.as_slice(), head, compiled] {
            file.write_all(part)?;
        }
        fs::rename(&new, path)
    };
    written().inspect_err(|_| _ = fs::remove_file(&new))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that are still to be read.
struct Rest<'b>(&'b [u8]);

impl<'b> Rest<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.number()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }
}
