//! A file that is rotated by size and time, that survives a full disk, and that others may rotate.

mod keeper;
mod rotated;

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use keeper::Keeper;

/// When a file of lines is ended and another begun, and what becomes of those that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes from which on it is ended; never where there is none.
    pub size: Option<u64>,
    /// Seconds; it is ended at their multiples since the UNIX epoch, where anything is in it.
    pub every_s: Option<u64>,
    /// Files that ended which are kept; all where there is none.
    pub keep_files: Option<u32>,
    /// Bytes of them; any number where there is none.
    pub keep_bytes: Option<u64>,
    /// How those that ended are kept.
    pub compression: Compression,
    /// What a full disk takes.
    pub when_full: WhenFull,
}

/// How files that ended are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// As Zstandard frames (RFC 8878).
    Zstd,
}

/// What makes room on a full disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest of the files that ended are removed: the latest lines count.
    #[default]
    RemoveOldest,
    /// Nothing: new lines are lost until there is room.
    LoseNew,
}

/// What became of files, beside the lines in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileTally {
    /// Files ended.
    pub rotations: u64,
    /// Files opened anew because somebody else moved the old one.
    pub reopened: u64,
    /// Files that ended and were compressed.
    pub compressed_files: u64,
    /// Files that ended and were removed because they were more than are kept.
    pub removed_files: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Files that ended and were removed because the disk was full.
    pub shed_files: u64,
    /// Their bytes.
    pub shed_bytes: u64,
    /// Rotations, removals and compressions that failed; they are tried again.
    pub errors: u64,
}

/// Lines go to its end.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Whether it is a file that can be moved and cut, not a pipe or a device.
    is_regular: bool,
    bytes: u64,
    /// Multiple of `every_s` that it belongs to; none while nothing is in it.
    period: Option<u64>,
    /// The time of day that it was told last.
    now_s: u64,
    sequence: u64,
    /// Looking for room takes a look at the folder: once for each time of day.
    may_seek_room: bool,
    /// Nothing is rotated before, because it failed.
    not_before_s: u64,
    keeper: Option<Keeper>,
    tally: FileTally,
}

/// Seconds until a rotation that failed is tried again.
const AGAIN_S: u64 = 5;

impl RotatingFile {
    pub(crate) fn open(path: &Path, rotation: &Rotation) -> io::Result<Self> {
        let file = append_to(path)?;
        let about = file.metadata()?;
        let is_regular = about.is_file();
        let (rotated, _) =
            if is_regular { rotated::list(path).unwrap_or_default() } else { Default::default() };
        let rotates = is_regular && (rotation.size.is_some() || rotation.every_s.is_some());
        let keeper = if rotates { Some(Keeper::start(path, rotation)?) } else { None };
        let mut opened = Self {
            path: path.to_owned(),
            rotation: rotation.clone(),
            file,
            is_regular,
            bytes: 0,
            period: None,
            now_s: 0,
            sequence: rotated.last().map_or(1, |last| last.sequence.saturating_add(1)),
            may_seek_room: true,
            not_before_s: 0,
            keeper,
            tally: FileTally::default(),
        };
        // Until it is told the time: a new file is of now.
        let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        opened.now_s = changed.map_or(0, |changed| changed.as_secs());
        if about.len() > 0 {
            // What an earlier run wrote ends with the time it was written in.
            opened.bytes = about.len();
            opened.period = opened.period_of(opened.now_s);
        }
        Ok(opened)
    }

    fn period_of(&self, unix_s: u64) -> Option<u64> {
        unix_s.checked_div(self.rotation.every_s?)
    }

    /// Tells the time of day, between two writes of whole lines: the file may be ended, or found to be gone.
    pub(crate) fn tend(&mut self, now_s: u64) -> io::Result<()> {
        self.now_s = now_s;
        // A clock that was set back makes nobody wait longer.
        self.not_before_s = self.not_before_s.min(now_s.saturating_add(AGAIN_S));
        self.may_seek_room = true;
        if !self.is_regular {
            return Ok(());
        }
        let about = self.file.metadata()?;
        let there = fs::metadata(&self.path).map(|there| (there.dev(), there.ino())).ok();
        let is_there = there == Some((about.dev(), about.ino()));
        if !is_there {
            // Somebody moved or removed it: what goes there is for nobody, or no longer awaited.
            return self.reopen();
        }
        // Somebody may have copied and emptied it.
        self.bytes = about.len();
        if self.bytes == 0 {
            self.period = None;
        } else if self.period.is_none() {
            self.period = self.period_of(now_s);
        }
        self.rotate_if_due()
    }

    /// Ends the file if it is large or old enough.
    pub(crate) fn rotate_if_due(&mut self) -> io::Result<()> {
        let is_large = self.rotation.size.is_some_and(|most| self.bytes >= most);
        let is_old = self.period.is_some() && self.period != self.period_of(self.now_s);
        if !(is_large || is_old) || self.bytes == 0 || !self.is_regular || self.now_s < self.not_before_s {
            return Ok(());
        }
        self.rotate().inspect_err(|_| {
            self.tally.errors += 1;
            self.not_before_s = self.now_s.saturating_add(AGAIN_S);
        })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let to = rotated::name(&self.path, self.now_s, self.sequence);
        fs::rename(&self.path, &to)?;
        match append_to(&self.path) {
            Ok(file) => self.begin(file),
            Err(error) => {
                // Lines go on to where they went.
                let _ = fs::rename(&to, &self.path);
                return Err(error);
            }
        }
        self.sequence = self.sequence.saturating_add(1);
        self.tally.rotations += 1;
        if let Some(keeper) = &self.keeper {
            keeper.look();
        }
        Ok(())
    }

    fn begin(&mut self, file: File) {
        self.file = file;
        self.bytes = self.file.metadata().map_or(0, |about| about.len());
        self.period = if self.bytes == 0 { None } else { self.period_of(self.now_s) };
    }

    /// Opens the path anew: somebody moved what was there. The old file is kept where that fails.
    pub(crate) fn reopen(&mut self) -> io::Result<()> {
        if !self.is_regular {
            return Ok(());
        }
        match append_to(&self.path) {
            Ok(file) => {
                self.begin(file);
                self.tally.reopened += 1;
                Ok(())
            }
            Err(error) => {
                self.tally.errors += 1;
                Err(error)
            }
        }
    }

    /// Removes the oldest file that ended, on a full disk; false where nothing can be removed.
    pub(crate) fn make_room(&mut self) -> bool {
        if self.rotation.when_full == WhenFull::LoseNew || !self.is_regular || !self.may_seek_room {
            return false;
        }
        let (rotated, unfinished) = rotated::list(&self.path).unwrap_or_default();
        // Half a compressed file is worth nothing: the whole one is still there.
        let of_parts = unfinished.iter().filter(|path| fs::remove_file(path).is_ok()).count();
        for oldest in &rotated {
            if fs::remove_file(&oldest.path).is_ok() {
                self.tally.shed_files += 1;
                self.tally.shed_bytes += oldest.bytes;
                return true;
            }
        }
        self.may_seek_room = of_parts > 0;
        of_parts > 0
    }

    /// Takes so many bytes off the end: a line that could be written in part only. False where that cannot be.
    pub(crate) fn cut(&mut self, bytes: u64) -> bool {
        let cut = || {
            let whole = self.file.metadata()?.len().checked_sub(bytes);
            self.file.set_len(whole.ok_or(ErrorKind::InvalidInput)?)
        };
        let is_cut = self.is_regular && cut().is_ok();
        if is_cut {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        is_cut
    }

    pub(crate) fn tally(&self) -> FileTally {
        let Some(keeper) = &self.keeper else { return self.tally };
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        FileTally {
            compressed_files: count(&keeper.kept.compressed_files),
            removed_files: count(&keeper.kept.removed_files),
            removed_bytes: count(&keeper.kept.removed_bytes),
            errors: self.tally.errors + count(&keeper.kept.errors),
            ..self.tally
        }
    }
}

impl Write for RotatingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if self.bytes == 0 {
            self.period = self.period_of(self.now_s);
        }
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether there is no room, in whose words ever.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Records tell who talked to whom: others than owner and group read nothing.
fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}
