//! Records out: from the batches that packet cores hand on to what other programs read.
//!
//! An [`Exporter`] runs on a thread of its own, never on a packet core. A full disk or a reader that went away is a
//! value and a count, not an end. [`Selection`] lets through what a filter chooses.

#![forbid(unsafe_code)]

pub mod eve;

mod file;
mod selection;
mod sink;

use core::fmt::Debug;
use std::io;
use std::path::PathBuf;

use engine::{Names, RecordBatch};

pub use file::{Compression, FileTally, Rotation, WhenFull};
pub use selection::Selection;
pub use sink::{OpenMode, Sink, Tally};

/// Turns records into another form and brings them somewhere.
pub trait Exporter: Debug + Send {
    /// Takes every record of a batch. `names` are those of the plan that made it.
    ///
    /// # Errors
    /// What went wrong since the last call. Records are not taken again: what could not be written is lost and
    /// counted. A lasting failure is reported once, when it starts; [`ExportError::ReaderGone`] each time.
    fn export(&mut self, batch: &RecordBatch, names: &Names) -> Result<(), ExportError>;

    /// Takes the program's counters: dotted names, as Suricata groups them (`capture.packets`).
    ///
    /// # Errors
    /// As [`Exporter::export`].
    fn stats(&mut self, timestamp_ns: u64, counters: &[(&str, u64)]) -> Result<(), ExportError>;

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// As [`Exporter::export`].
    fn flush(&mut self) -> Result<(), ExportError>;

    /// Writes out what is buffered and tells the time of day, seconds since the UNIX epoch: files may be rotated.
    ///
    /// # Errors
    /// As [`Exporter::export`]; also what became of a rotation.
    fn tend(&mut self, now_s: u64) -> Result<(), ExportError>;

    /// Opens files anew: somebody else moved them.
    ///
    /// # Errors
    /// As [`Exporter::export`]. Lines go on to the old file where the new one cannot be had.
    fn reopen(&mut self) -> Result<(), ExportError>;

    /// What was written and lost so far.
    fn tally(&self) -> Tally;

    /// What became of files so far.
    fn file_tally(&self) -> FileTally;

    /// Where it goes, as people call it.
    fn target(&self) -> &str;
}

/// Why records did not get where they should.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be opened for writing.
    #[error("cannot write {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A write failed; the lines in hand are lost, and so are those that follow until one succeeds.
    #[error("cannot write to {target}: {source}")]
    Write {
        /// File name, or "standard output".
        target: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be rotated or opened anew; lines go on to where they went.
    #[error("cannot begin another file for {target}: {source}")]
    Rotate {
        /// File name.
        target: String,
        /// What the system says.
        source: io::Error,
    },
    /// The reader of a pipe went away: nobody wants more, which is no failure.
    #[error("the reader went away")]
    ReaderGone,
}
