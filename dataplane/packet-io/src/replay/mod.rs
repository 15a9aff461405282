//! Capture files as a source of packets: pcap and pcapng, plain or packed with gzip or zstd.
//!
//! [`Replay`] plays files as a [`PacketIo`]; [`CaptureReader`] reads one capture without it, and [`CaptureWriter`]
//! writes one. Files are untrusted: damage ends or interrupts one file with an error that says where, never the program,
//! and memory stays bounded. Packets are slices of the blocks that the file is read into, so they are not copied.

mod capture;
mod clock;
mod error;
mod format;
mod interfaces;
mod order;
mod pacing;
mod pcap;
mod pcapng;
mod source;
mod window;
mod writer;

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::repeat::Span;
use crate::storage::{Pool, Region};
use crate::{Burst, IoStats, PacketBuf, PacketIo, PacketMeta};
use capture::{Taken, WhenShort};
use interfaces::Interfaces;
use pacing::Schedule;

pub use capture::{CaptureOptions, CaptureReader, Packet};
pub use error::{Fault, FileStart, Layer, ReplayError};
pub use format::MAX_PACKET;
pub use pacing::{Pacing, Speed, monotonic_ns};
pub use writer::{CaptureWriter, WriteError};

/// Plays capture files, one after the other.
///
/// A file that cannot be read, or only in part, gives its packets up to there and an error ([`Self::take_errors`]);
/// the next file is played all the same. There is no output: packets to transmit are counted and released.
///
/// [`PacketIo::receive`] waits for nothing but the disk, except where a file is a pipe or standard input: a call that
/// has no packet yet then waits for one.
#[derive(Debug)]
pub struct Replay {
    files: Vec<Named>,
    options: ReplayOptions,
    /// The file that is opened next, an index into `files`.
    next: usize,
    state: State,
    schedule: Schedule,
    /// A packet whose time has not come, and when it will.
    waiting: Option<(ReplayBuf, PacketMeta, u64)>,
    rounds: Rounds,
    errors: Errors,
    /// Packed bytes of the files that are done with.
    bytes_done: u64,
    bytes_total: Option<u64>,
    stats: IoStats,
}

/// How capture files are played.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// How many times all files are played; `None` is for ever. Timestamps go on from round to round.
    pub loops: Option<u64>,
    /// How fast.
    pub pacing: Pacing,
    /// Longest packet accepted, in bytes; what is longer is taken for damage.
    pub max_packet: u32,
}

impl Default for ReplayOptions {
    /// Once, as fast as possible, packets up to [`MAX_PACKET`].
    fn default() -> Self {
        Self { loops: Some(1), pacing: Pacing::Unpaced, max_packet: MAX_PACKET }
    }
}

/// How far a replay has come, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the files as they are on disk, so packed ones where they are packed.
    pub bytes_read: u64,
    /// Bytes that will be read in all rounds; `None` with standard input, pipes, and loops for ever.
    pub bytes_total: Option<u64>,
}

/// One packet of a capture file: a slice of the block that the file was read into.
///
/// The block is used again when its last packet is dropped; who keeps one packet keeps the block, about 330 KiB.
#[derive(Debug)]
pub struct ReplayBuf(Region);

impl PacketBuf for ReplayBuf {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }
}

/// A file to play.
#[derive(Debug)]
struct Named {
    path: PathBuf,
    supply: Supply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Supply {
    /// Its bytes are there.
    Disk,
    /// Its bytes come when they come.
    Pipe,
    StandardInput,
}

#[derive(Debug)]
enum State {
    Between(Interfaces, Pool),
    Reading(Box<CaptureReader<File>>, Supply),
    Exhausted(Interfaces),
}

/// Where in the rounds over all files a replay is.
#[derive(Debug, Default)]
struct Rounds {
    done: u64,
    /// Packets of this round.
    packets: u64,
    /// Of the first round.
    span: Span,
    /// What is added to timestamps in this round.
    shift_ns: u64,
}

/// Errors not taken yet, a bounded number of each file.
#[derive(Debug, Default)]
struct Errors {
    kept: Vec<ReplayError>,
    /// Of the file that is being read: how many were kept, and how many were not.
    told: usize,
    untold: u64,
}

/// Errors of one file that are told one by one.
const TOLD_OF_A_FILE: usize = 32;

impl Replay {
    /// Prepares to play `paths` in order; `-` is standard input.
    ///
    /// Files that cannot be played are passed over and told by [`Self::take_errors`], those that are missing at once.
    ///
    /// # Errors
    /// When there is no path at all, or standard input would have to be read twice.
    pub fn open<P: Into<PathBuf>>(
        paths: impl IntoIterator<Item = P>,
        options: ReplayOptions,
    ) -> Result<Self, ReplayError> {
        let (mut files, mut errors, mut bytes) = (Vec::new(), Errors::default(), Some(0_u64));
        let mut any = false;
        for path in paths {
            any = true;
            match Named::find(path.into()) {
                Ok((file, len)) => {
                    files.push(file);
                    bytes = bytes.zip(len).map(|(sum, len)| sum.saturating_add(len));
                }
                Err(error) => errors.kept.push(error),
            }
        }
        if !any {
            return Err(ReplayError::NoFiles);
        }
        let from_input = files.iter().filter(|file| file.supply == Supply::StandardInput).count();
        if from_input > 1 || (from_input == 1 && options.loops.is_none_or(|loops| loops > 1)) {
            return Err(ReplayError::StandardInputTwice);
        }
        let stats = IoStats { rx_errors: errors.kept.len() as u64, ..IoStats::default() };
        let names = Interfaces::default();
        let is_empty = files.is_empty() || options.loops == Some(0);
        Ok(Self {
            files,
            options,
            next: 0,
            state: if is_empty {
                State::Exhausted(names)
            } else {
                State::Between(names, capture::pool(options.max_packet))
            },
            schedule: Schedule::new(options.pacing),
            waiting: None,
            rounds: Rounds::default(),
            errors,
            bytes_done: 0,
            bytes_total: bytes.zip(options.loops).map(|(bytes, loops)| bytes.saturating_mul(loops)),
            stats,
        })
    }

    /// The errors met since the last call, each once.
    #[must_use]
    pub fn take_errors(&mut self) -> Vec<ReplayError> {
        mem::take(&mut self.errors.kept)
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let reading = if let State::Reading(reader, _) = &self.state { reader.bytes_read() } else { 0 };
        Progress { bytes_read: self.bytes_done + reading, bytes_total: self.bytes_total }
    }

    /// Names of the interfaces met so far; [`PacketMeta::interface`] is an index into them.
    ///
    /// A name is what the capture says (`if_name`), else the stem of the file's name, with `#` and the number of the
    /// interface from the second on. Interfaces of one name in several files are one.
    #[must_use]
    pub fn interfaces(&self) -> &[String] {
        match &self.state {
            State::Between(names, _) | State::Exhausted(names) => names.names(),
            State::Reading(reader, _) => reader.interfaces(),
        }
    }

    /// The next packet whose time has come.
    #[inline]
    fn next_due(&mut self, now: Option<u64>, when_short: WhenShort) -> Option<(ReplayBuf, PacketMeta)> {
        let Some(now) = now else { return self.next_packet(when_short) };
        let (buf, meta, due) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => {
                let (buf, meta) = self.next_packet(when_short)?;
                (buf, meta, self.schedule.due(meta.timestamp_ns, now))
            }
        };
        if due <= now {
            return Some((buf, meta));
        }
        self.waiting = Some((buf, meta, due));
        None
    }

    #[inline]
    fn next_packet(&mut self, when_short: WhenShort) -> Option<(ReplayBuf, PacketMeta)> {
        loop {
            let State::Reading(reader, supply) = &mut self.state else {
                self.open_next()?;
                continue;
            };
            // A file on disk has its bytes at once: only others are left alone while packets can go on without them.
            let when_short = if *supply == Supply::Disk { WhenShort::Read } else { when_short };
            match reader.take(when_short) {
                Ok(Taken::Packet(region, mut meta)) => {
                    if self.rounds.done == 0 {
                        self.rounds.span.add(meta.timestamp_ns);
                    }
                    meta.timestamp_ns = meta.timestamp_ns.saturating_add(self.rounds.shift_ns);
                    return Some((ReplayBuf(region), meta));
                }
                Ok(Taken::Short) => return None,
                Ok(Taken::End) => self.close(),
                Err(error) => self.note(error),
            }
        }
    }

    /// Opens the next file; `None` when there is none.
    #[cold]
    fn open_next(&mut self) -> Option<()> {
        let State::Between(names, pool) =
            mem::replace(&mut self.state, State::Exhausted(Interfaces::default()))
        else {
            return None;
        };
        let opened = loop {
            if self.next >= self.files.len() && !self.begin_round() {
                break None;
            }
            let Some(file) = self.files.get(self.next) else { break None };
            match file.open() {
                Ok(input) => break Some((input, file)),
                Err(error) => {
                    self.stats.rx_errors += 1;
                    self.errors.kept.push(error);
                    self.files.remove(self.next);
                }
            }
        };
        let Some((input, file)) = opened else {
            self.state = State::Exhausted(names);
            return None;
        };
        let max_packet = self.options.max_packet;
        let options = CaptureOptions { file: file.name(), interface: stem(&file.path), max_packet };
        let reader = CaptureReader::resumed(input, options, names, pool);
        self.state = State::Reading(Box::new(reader), file.supply);
        self.next += 1;
        Some(())
    }

    /// Starts over with the first file, where that is asked for and makes sense.
    fn begin_round(&mut self) -> bool {
        let Rounds { done, packets, span, shift_ns } = &mut self.rounds;
        *done += 1;
        if *packets == 0 || self.options.loops.is_some_and(|loops| *done >= loops) {
            return false;
        }
        *packets = 0;
        *shift_ns = shift_ns.saturating_add(span.period_ns());
        self.next = 0;
        true
    }

    /// Ends the file that is being read.
    #[cold]
    fn close(&mut self) {
        let State::Reading(reader, _) =
            mem::replace(&mut self.state, State::Exhausted(Interfaces::default()))
        else {
            return;
        };
        self.rounds.packets += reader.packets();
        self.bytes_done += reader.bytes_read();
        let count = mem::take(&mut self.errors.untold);
        if let Some(file) = self.files.get(self.next.wrapping_sub(1)).filter(|_| count > 0) {
            self.errors.kept.push(ReplayError::MoreDamage { file: file.name(), count });
        }
        self.errors.told = 0;
        let (names, pool) = reader.into_parts();
        self.state = State::Between(names, pool);
    }

    /// Keeps an error of the file that is being read, unless an earlier round has told it.
    #[cold]
    fn note(&mut self, error: ReplayError) {
        self.stats.rx_errors += 1;
        if self.rounds.done > 0 {
            return;
        }
        if self.errors.told < TOLD_OF_A_FILE {
            self.errors.told += 1;
            self.errors.kept.push(error);
        } else {
            self.errors.untold += 1;
        }
    }
}

impl PacketIo for Replay {
    type Buf = ReplayBuf;

    fn receive(&mut self, burst: &mut Burst<ReplayBuf>) {
        let now = self.schedule.now();
        let mut when_short = WhenShort::Read;
        while burst.room() > 0 {
            let Some((buf, meta)) = self.next_due(now, when_short) else { break };
            self.stats.rx_packets += 1;
            self.stats.rx_bytes += u64::from(meta.wire_len);
            if burst.push(buf, meta).is_err() {
                break;
            }
            when_short = WhenShort::Return;
        }
    }

    fn transmit(&mut self, burst: &mut Burst<ReplayBuf>) {
        self.stats.tx_packets += burst.len() as u64;
        self.stats.tx_bytes += burst.bufs().iter().map(|buf| buf.bytes().len() as u64).sum::<u64>();
        burst.clear();
    }

    fn is_exhausted(&self) -> bool {
        matches!(self.state, State::Exhausted(_)) && self.waiting.is_none()
    }

    fn stats(&self) -> IoStats {
        self.stats
    }
}

impl Named {
    /// Finds a file, and its length where that is known.
    fn find(path: PathBuf) -> Result<(Self, Option<u64>), ReplayError> {
        if path.as_os_str() == "-" {
            return Ok((Self { path, supply: Supply::StandardInput }, None));
        }
        let shown = || path.display().to_string();
        let metadata = fs::metadata(&path).map_err(|source| ReplayError::Open { file: shown(), source })?;
        if metadata.is_dir() {
            return Err(ReplayError::Folder { file: shown() });
        }
        let supply = if metadata.is_file() { Supply::Disk } else { Supply::Pipe };
        let len = metadata.is_file().then_some(metadata.len());
        Ok((Self { path, supply }, len))
    }

    fn open(&self) -> Result<File, ReplayError> {
        let opened = match self.supply {
            Supply::StandardInput => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            Supply::Disk | Supply::Pipe => File::open(&self.path),
        };
        opened.map_err(|source| ReplayError::Open { file: self.name(), source })
    }

    /// What errors call it.
    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

/// What interfaces without a name are called in the file at `path`.
fn stem(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "stdin".to_owned();
    }
    let packed =
        path.extension().is_some_and(|end| PACKED.iter().any(|known| end.eq_ignore_ascii_case(known)));
    let unpacked = if packed { path.with_extension("") } else { path.to_owned() };
    unpacked.file_stem().map_or_else(|| "capture".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Endings of packed files.
const PACKED: [&str; 3] = ["gz", "zst", "zstd"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_without_a_name_is_called_after_its_file() {
        let stems =
            ["-", "a/b.pcap", "b.pcapng.gz", "c.PCAP.ZST", "d", "e.x.y"].map(|path| stem(Path::new(path)));
        assert_eq!(stems, ["stdin", "b", "b", "c", "d", "e.x"]);
    }

    #[test]
    fn no_file_or_standard_input_twice_is_refused() {
        let opened = |paths: &[&str], loops| {
            Replay::open(paths.iter().copied(), ReplayOptions { loops, ..ReplayOptions::default() })
        };
        assert!(matches!(opened(&[], Some(1)), Err(ReplayError::NoFiles)));
        assert!(matches!(opened(&["-", "-"], Some(1)), Err(ReplayError::StandardInputTwice)));
        assert!(matches!(opened(&["-"], None), Err(ReplayError::StandardInputTwice)));
        assert!(opened(&["-"], Some(1)).is_ok());
    }

    #[test]
    fn a_missing_file_and_a_folder_are_told_at_once() {
        let mut replay = Replay::open(["/nonexistent.pcap", "/"], ReplayOptions::default()).unwrap();
        assert!(replay.is_exhausted());
        assert_eq!(replay.stats().rx_errors, 2);
        let errors = replay.take_errors();
        assert!(matches!(&errors[..], [ReplayError::Open { .. }, ReplayError::Folder { .. }]), "{errors:?}");
        assert!(replay.take_errors().is_empty());
    }
}
