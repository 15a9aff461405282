//! Looks after rotated files on a thread of its own: compresses them, and removes those that are too many.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::rotated::{self, Rotated};
use super::{Compression, Rotation};

/// Bytes between two looks at whether it should end.
const CHUNK: usize = 256 * 1024;
/// Of zstd: the one that it is tuned for.
const LEVEL: i32 = 3;
/// How much it steps back for threads that others wait for.
const NICE: i32 = 10;

/// What became of rotated files.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) removed_files: AtomicU64,
    pub(crate) removed_bytes: AtomicU64,
    pub(crate) compressed_files: AtomicU64,
    pub(crate) errors: AtomicU64,
}

/// The thread.
#[derive(Debug)]
pub(crate) struct Keeper {
    look: Option<SyncSender<()>>,
    stop: Arc<AtomicBool>,
    pub(crate) kept: Arc<Kept>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts it; what an earlier run left is looked at first.
    pub(crate) fn start(path: &Path, rotation: &Rotation) -> io::Result<Self> {
        let (look, looks) = sync_channel(1);
        let (stop, kept) = (Arc::<AtomicBool>::default(), Arc::<Kept>::default());
        let work = Work {
            path: path.to_owned(),
            rotation: rotation.clone(),
            stop: Arc::clone(&stop),
            kept: Arc::clone(&kept),
        };
        let thread = thread::Builder::new().name("files".to_owned()).spawn(move || work.run(&looks))?;
        let keeper = Self { look: Some(look), stop, kept, thread: Some(thread) };
        keeper.look();
        Ok(keeper)
    }

    /// There is another rotated file. One look is enough for any number of them.
    pub(crate) fn look(&self) {
        if let Some(look) = &self.look {
            let _ = look.try_send(());
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.look = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    path: PathBuf,
    rotation: Rotation,
    stop: Arc<AtomicBool>,
    kept: Arc<Kept>,
}

impl Work {
    fn run(&self, looks: &Receiver<()>) {
        // Refused by a system without priorities: then it takes turns like others.
        let _ = rustix::process::nice(NICE);
        while looks.recv().is_ok() {
            if self.once().is_err() {
                self.kept.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn once(&self) -> io::Result<()> {
        let (mut rotated, unfinished) = rotated::list(&self.path)?;
        for left in unfinished {
            fs::remove_file(left)?;
        }
        self.thin_out(&mut rotated)?;
        if self.rotation.compression == Compression::None {
            return Ok(());
        }
        for plain in rotated.iter().filter(|one| !one.is_compressed) {
            match self.compress(plain) {
                Ok(true) => _ = self.kept.compressed_files.fetch_add(1, Ordering::Relaxed),
                Ok(false) => return Ok(()),
                // Shed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes the oldest while there are too many, or too much of them.
    fn thin_out(&self, rotated: &mut Vec<Rotated>) -> io::Result<()> {
        let most_files =
            self.rotation.keep_files.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let most_bytes = self.rotation.keep_bytes.unwrap_or(u64::MAX);
        let mut bytes: u64 = rotated.iter().map(|one| one.bytes).sum();
        let mut spare = 0;
        for one in rotated.iter() {
            if rotated.len() - spare <= most_files && bytes <= most_bytes {
                break;
            }
            fs::remove_file(&one.path)?;
            self.kept.removed_files.fetch_add(1, Ordering::Relaxed);
            self.kept.removed_bytes.fetch_add(one.bytes, Ordering::Relaxed);
            bytes -= one.bytes;
            spare += 1;
        }
        rotated.drain(..spare);
        Ok(())
    }

    /// Puts a compressed file in the place of a plain one; false where it should end before.
    fn compress(&self, plain: &Rotated) -> io::Result<bool> {
        let part = rotated::with_end(&plain.path, rotated::UNFINISHED);
        let packed = match self.pack(&plain.path, &part) {
            Ok(Some(packed)) => packed.metadata()?,
            other => {
                // On a full disk it is the part that gives way.
                let _ = fs::remove_file(&part);
                return other.map(|_| false);
            }
        };
        // While settings change there are two of us for a moment: each moves its own.
        if fs::metadata(&part)?.ino() != packed.ino() {
            return Err(io::ErrorKind::NotFound.into());
        }
        fs::rename(&part, rotated::with_end(&plain.path, rotated::COMPRESSED))?;
        fs::remove_file(&plain.path)?;
        Ok(true)
    }

    /// Gives the whole file, on the disk; none where it should end before.
    fn pack(&self, from: &Path, to: &Path) -> io::Result<Option<File>> {
        let mut input = File::open(from)?;
        let output = OpenOptions::new().write(true).create_new(true).mode(0o640).open(to)?;
        let mut packer = zstd::Encoder::new(output, LEVEL)?;
        packer.include_checksum(true)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let len = match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            packer.write_all(chunk.get(..len).unwrap_or_default())?;
        }
        // The plain one goes: what takes its place must be on the disk.
        let packed = packer.finish()?;
        packed.sync_all()?;
        Ok(Some(packed))
    }
}
