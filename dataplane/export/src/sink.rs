use core::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::ExportError;
use crate::file::{FileTally, RotatingFile, Rotation, is_full};

/// Where lines go: a buffer in front of a file, standard output, or another writer.
///
/// Lines are written whole: a line that could be written only in part, because the disk was full, is taken off again,
/// or ended before the next one starts where that cannot be. Files are rotated between two drains.
#[derive(Debug)]
pub struct Sink {
    output: Output,
    target: String,
    buffer: Vec<u8>,
    /// Lines in the buffer.
    held: u64,
    health: Health,
    torn: bool,
    tally: Tally,
}

/// What a [`Sink`] did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines written.
    pub lines: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Lines that could not be written.
    pub lost_lines: u64,
    /// Writes that failed.
    pub errors: u64,
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It is emptied first.
    Truncate,
    /// Lines are added behind its end.
    Append,
}

/// What lines can be written to.
#[derive(Debug)]
enum Output {
    File(Box<RotatingFile>),
    Other(Box<dyn OtherOutput>),
}

/// Anything that takes bytes.
trait OtherOutput: Write + Debug + Send {}

impl<T: Write + Debug + Send> OtherOutput for T {}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Other(other) => other.write(bytes),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    Failing(ErrorKind),
    ReaderGone,
}

impl Sink {
    /// Lines into a file that others than owner and group cannot read: records tell who talked to whom.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn file(path: &Path, mode: OpenMode) -> Result<Self, ExportError> {
        let mut options = OpenOptions::new();
        match mode {
            OpenMode::Truncate => options.write(true).truncate(true),
            OpenMode::Append => options.append(true),
        };
        let open = options.create(true).mode(0o640).open(path);
        let file = open.map_err(|source| ExportError::Open { path: path.to_owned(), source })?;
        Ok(Self::writer(file, path.display().to_string()))
    }

    /// Lines behind the end of a file that is rotated. Others than owner and group cannot read it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn rotating(path: &Path, rotation: &Rotation) -> Result<Self, ExportError> {
        let file = RotatingFile::open(path, rotation)
            .map_err(|source| ExportError::Open { path: path.to_owned(), source })?;
        Ok(Self::new(Output::File(Box::new(file)), path.display().to_string()))
    }

    /// Lines to standard output.
    ///
    /// # Errors
    /// There is no standard output.
    pub fn stdout() -> Result<Self, ExportError> {
        // Not `io::Stdout`: its line buffer would be a second copy.
        let owned = io::stdout().as_fd().try_clone_to_owned();
        let owned = owned.map_err(|source| ExportError::Open { path: "standard output".into(), source })?;
        Ok(Self::writer(File::from(owned), "standard output".to_owned()))
    }

    /// Lines to anything that takes bytes; `target` names it in errors.
    pub fn writer(output: impl Write + Debug + Send + 'static, target: String) -> Self {
        Self::new(Output::Other(Box::new(output)), target)
    }

    fn new(output: Output, target: String) -> Self {
        Self {
            output,
            target,
            buffer: Vec::with_capacity(DRAIN_AT + LINE_ROOM),
            held: 0,
            health: Health::Good,
            torn: false,
            tally: Tally::default(),
        }
    }

    /// The buffer to append whole lines to, each ended by a line feed; then call [`Sink::line_ended`].
    pub(crate) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes the buffer out if it is full.
    #[inline]
    pub(crate) fn line_ended(&mut self) -> Result<(), ExportError> {
        self.held += 1;
        if self.buffer.len() < DRAIN_AT {
            return Ok(());
        }
        self.drain()
    }

    /// Writes the buffer out.
    pub(crate) fn drain(&mut self) -> Result<(), ExportError> {
        let result = self.write_out();
        self.buffer.clear();
        self.held = 0;
        // One huge event must not keep its memory for ever.
        self.buffer.shrink_to(DRAIN_AT + LINE_ROOM);
        result
    }

    /// Writes the buffer out and tells the time of day: files may be rotated.
    pub(crate) fn tend(&mut self, now_s: u64) -> Result<(), ExportError> {
        let drained = self.drain();
        let Output::File(file) = &mut self.output else { return drained };
        let tended = file.tend(now_s);
        drained.and(self.told(tended))
    }

    /// Writes the buffer out and opens the file anew: somebody moved it.
    pub(crate) fn reopen(&mut self) -> Result<(), ExportError> {
        let drained = self.drain();
        let Output::File(file) = &mut self.output else { return drained };
        let opened = file.reopen();
        drained.and(self.told(opened))
    }

    fn told(&self, done: io::Result<()>) -> Result<(), ExportError> {
        done.map_err(|source| ExportError::Rotate { target: self.target.clone(), source })
    }

    /// Where it goes.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// What was done so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// What became of files so far.
    #[must_use]
    pub fn file_tally(&self) -> FileTally {
        match &self.output {
            Output::File(file) => file.tally(),
            Output::Other(_) => FileTally::default(),
        }
    }

    fn write_out(&mut self) -> Result<(), ExportError> {
        if self.health == Health::ReaderGone {
            self.tally.lost_lines += self.held;
            return Err(ExportError::ReaderGone);
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.torn {
            // Ends the line that was cut off, so that the next is whole.
            match self.output.write(b"\n") {
                Ok(0) => return self.failed(ErrorKind::WriteZero.into(), 0),
                Ok(_) => self.torn = false,
                Err(error) => return self.failed(error, 0),
            }
        }
        let (mut written, mut tries) = (0, 0);
        while let Some(rest) = self.buffer.get(written..).filter(|rest| !rest.is_empty()) {
            match self.output.write(rest) {
                Ok(0) => return self.failed(ErrorKind::WriteZero.into(), written),
                Ok(len) => written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_full(&error) && tries < MOST_SHED && self.make_room() => tries += 1,
                Err(error) => return self.failed(error, written),
            }
        }
        self.tally.lines += self.held;
        self.tally.bytes += written as u64;
        self.health = Health::Good;
        if let Output::File(file) = &mut self.output {
            let rotated = file.rotate_if_due();
            return self.told(rotated);
        }
        Ok(())
    }

    fn make_room(&mut self) -> bool {
        match &mut self.output {
            Output::File(file) => file.make_room(),
            Output::Other(_) => false,
        }
    }

    /// Accounts for the part that was written and the part that is lost; says so once for each new failure.
    fn failed(&mut self, source: io::Error, written: usize) -> Result<(), ExportError> {
        let (done, lost) = self.buffer.split_at_checked(written).unwrap_or((&self.buffer, &[]));
        // A line that was cut off ends among what is lost.
        let lost_lines = lines(lost);
        self.tally.lines += self.held.saturating_sub(lost_lines);
        self.tally.bytes += done.len() as u64;
        self.tally.lost_lines += lost_lines;
        let part = done.rsplit(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len) as u64;
        if part > 0 {
            let is_cut = match &mut self.output {
                Output::File(file) => file.cut(part),
                Output::Other(_) => false,
            };
            self.tally.bytes -= if is_cut { part } else { 0 };
            self.torn |= !is_cut;
        }
        if source.kind() == ErrorKind::BrokenPipe {
            self.health = Health::ReaderGone;
            return Err(ExportError::ReaderGone);
        }
        self.tally.errors += 1;
        let before = core::mem::replace(&mut self.health, Health::Failing(source.kind()));
        if before == self.health {
            return Ok(());
        }
        Err(ExportError::Write { target: self.target.clone(), source })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // Whoever wants to know of a failure flushes before.
        let _ = self.drain();
    }
}

fn lines(bytes: &[u8]) -> u64 {
    // Counted in bytes, short runs at a time, so that the compiler compares many at once.
    let ends = |run: &[u8]| run.iter().map(|byte| u8::from(*byte == b'\n')).sum::<u8>();
    bytes.chunks(192).map(|run| u64::from(ends(run))).sum()
}

/// Bytes at which the buffer is written out: large enough to make system calls rare, small enough to stay in cache.
const DRAIN_AT: usize = 128 * 1024;
/// Files that make room for one buffer at most: more than that, and the disk is not ours.
const MOST_SHED: u32 = 64;
/// Room for the line that fills the buffer, if it is a usual one.
const LINE_ROOM: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes `room` bytes, then fails; what it took goes to the other end.
    #[derive(Debug)]
    struct Disk {
        room: Receiver<usize>,
        left: usize,
        fails_with: ErrorKind,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.left += self.room.try_iter().sum::<usize>();
            if self.left == 0 {
                return Err(self.fails_with.into());
            }
            let len = bytes.len().min(self.left);
            self.left -= len;
            self.taken.send(bytes[..len].to_vec()).unwrap();
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn disk(fails_with: ErrorKind) -> (Sink, Sender<usize>, Receiver<Vec<u8>>) {
        let ((give, room), (taken, take)) = (channel(), channel());
        (Sink::writer(Disk { room, left: 0, fails_with, taken }, "a disk".to_owned()), give, take)
    }

    fn put(sink: &mut Sink, line: &str) -> Result<(), ExportError> {
        for line in line.split_inclusive('\n') {
            sink.buffer().extend_from_slice(line.as_bytes());
            sink.line_ended()?;
        }
        sink.drain()
    }

    #[test]
    fn a_full_disk_is_reported_once_and_lines_after_it_are_whole() {
        let (mut sink, give, take) = disk(ErrorKind::StorageFull);
        give.send(9).unwrap();
        let error = put(&mut sink, "first\nsecond\nthird\n").unwrap_err();
        assert!(error.to_string().starts_with("cannot write to a disk:"), "{error}");
        assert!(put(&mut sink, "fourth\n").is_ok(), "the same failure is not told again");
        assert_eq!(sink.tally(), Tally { lines: 1, bytes: 9, lost_lines: 3, errors: 2 });
        give.send(1000).unwrap();
        assert!(put(&mut sink, "fifth\n").is_ok());
        assert_eq!(sink.tally().lines, 2);
        assert_eq!(sink.tally().lost_lines, 3);
        let text: Vec<u8> = take.try_iter().flatten().collect();
        assert_eq!(String::from_utf8(text).unwrap(), "first\nsec\nfifth\n");
    }

    #[test]
    fn a_failure_after_a_recovery_is_told_again() {
        let (mut sink, give, _take) = disk(ErrorKind::StorageFull);
        assert!(put(&mut sink, "a\n").is_err());
        give.send(2).unwrap();
        assert!(put(&mut sink, "b\n").is_ok());
        assert!(put(&mut sink, "c\n").is_err());
    }

    #[test]
    fn a_reader_that_went_away_is_not_written_to_again() {
        let (mut sink, give, take) = disk(ErrorKind::BrokenPipe);
        assert!(matches!(put(&mut sink, "a\n"), Err(ExportError::ReaderGone)));
        give.send(1000).unwrap();
        assert!(matches!(put(&mut sink, "b\n"), Err(ExportError::ReaderGone)));
        assert_eq!(sink.tally(), Tally { lost_lines: 2, ..Tally::default() });
        assert_eq!(take.try_iter().count(), 0);
    }

    #[test]
    fn what_is_buffered_is_written_when_the_sink_is_dropped() {
        let (mut sink, give, take) = disk(ErrorKind::StorageFull);
        give.send(1000).unwrap();
        sink.buffer().extend_from_slice(b"last\n");
        sink.line_ended().unwrap();
        drop(sink);
        assert_eq!(take.try_iter().flatten().collect::<Vec<u8>>(), b"last\n");
    }

    #[test]
    fn a_file_is_emptied_or_added_to() {
        let path = std::env::temp_dir().join(format!("wirewarden-sink-{}", std::process::id()));
        for (mode, wanted) in
            [(OpenMode::Truncate, "x\n"), (OpenMode::Append, "x\nx\n"), (OpenMode::Truncate, "x\n")]
        {
            put(&mut Sink::file(&path, mode).unwrap(), "x\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
        }
        std::fs::remove_file(&path).unwrap();
        let error = Sink::file(Path::new("/nonexistent/eve.json"), OpenMode::Append).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/eve.json"), "{error}");
    }
}
