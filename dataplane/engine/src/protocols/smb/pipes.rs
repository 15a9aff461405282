//! Remote procedure calls through named pipes ([MS-RPCE] 2.1.1.2), of versions 2 and 3: what is written to a file, read
//! from it, or both at once, where it is DCE/RPC by its header.

use arrayvec::ArrayVec;

use crate::protocols::dcerpc::Session;
use crate::protocols::framed::{Report, Transactions};
use crate::record::Direction;

/// Bytes of the header ([MS-SMB2] 2.2.1).
const HEADER: usize = 64;
/// Pipes of one flow that are followed.
const PIPES_MAX: usize = 8;
/// FSCTL_PIPE_TRANSCEIVE ([MS-FSCC] 2.3).
const TRANSCEIVE: u32 = 0x0011_c017;

/// Name of an open file ([MS-SMB2] 2.2.14.1).
type FileId = [u8; 16];

/// Which message it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) command: u16,
    pub(super) is_response: bool,
    pub(super) message: u64,
}

/// The pipes of one flow.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    open: ArrayVec<(FileId, Session), PIPES_MAX>,
    /// Reads, whose responses do not name the file.
    reads: Transactions<(u64, FileId)>,
}

/// A number of a message, little-endian.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = bytes.get(HEADER + at..)?.first_chunk::<N>()?;
    Some(digits.iter().rev().fold(0, |sum, digit| sum << 8 | usize::from(*digit)))
}

fn file(bytes: &[u8], at: usize) -> Option<FileId> {
    bytes.get(HEADER + at..)?.first_chunk().copied()
}

/// Bytes that an offset and a length speak of, as far as they are there.
fn data(bytes: &[u8], offset: Option<usize>, len: Option<usize>) -> Option<&[u8]> {
    let rest = bytes.get(offset?..)?;
    Some(rest.get(..len?).unwrap_or(rest))
}

impl Pipes {
    /// Takes a message that may go through a pipe ([MS-SMB2] 2.2.15, 2.2.19 to 2.2.21, 2.2.31 and 2.2.32).
    pub(super) fn message(&mut self, place: Place, bytes: &[u8], report: &mut Report<'_, '_>) {
        // What is not there is not followed.
        let _ = match (place.command, place.is_response) {
            (6, false) => self.close(bytes, report),
            (8, false) if !self.open.is_empty() => self.read(place, bytes),
            (8, true) if !self.open.is_empty() => self.read_response(place, bytes, report),
            (9, false) => self.write(bytes, report),
            (11, is_response) => self.transceive(bytes, is_response, report),
            _ => None,
        };
    }

    fn write(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let written = data(bytes, number::<2>(bytes, 2), number::<4>(bytes, 4))?;
        self.pdus(file(bytes, 16)?, written, Direction::ToServer, report);
        Some(())
    }

    fn read(&mut self, place: Place, bytes: &[u8]) -> Option<()> {
        let file = file(bytes, 16)?;
        if self.open.iter().any(|(open, _)| *open == file)
            && let Some(oldest) = self.reads.open((place.message, file), &[])
        {
            self.reads.recycle(oldest);
        }
        Some(())
    }

    fn read_response(&mut self, place: Place, bytes: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let asked = self.reads.close(|(message, _)| *message == place.message)?;
        let (_, file) = asked.key;
        self.reads.recycle(asked);
        let read = data(bytes, number::<1>(bytes, 2), number::<4>(bytes, 4))?;
        self.pdus(file, read, Direction::ToClient, report);
        Some(())
    }

    fn transceive(&mut self, bytes: &[u8], is_response: bool, report: &mut Report<'_, '_>) -> Option<()> {
        if number::<4>(bytes, 4)? != TRANSCEIVE as usize {
            return None;
        }
        let (place, from) = if is_response { (32, Direction::ToClient) } else { (24, Direction::ToServer) };
        let sent = data(bytes, number::<4>(bytes, place), number::<4>(bytes, place + 4))?;
        self.pdus(file(bytes, 8)?, sent, from, report);
        Some(())
    }

    fn close(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Option<()> {
        let file = file(bytes, 8)?;
        let at = self.open.iter().position(|(open, _)| *open == file)?;
        let (_, mut session) = self.open.swap_remove(at);
        session.finish(report);
        Some(())
    }

    /// Reads packets of DCE/RPC, if they are.
    fn pdus(&mut self, file: FileId, mut bytes: &[u8], from: Direction, report: &mut Report<'_, '_>) {
        while let Some(len) = Session::pdu_len(bytes) {
            let at = self.open.iter().position(|(open, _)| *open == file).unwrap_or_else(|| {
                if self.open.is_full() {
                    self.open.remove(0);
                }
                self.open.push((file, Session::default()));
                self.open.len() - 1
            });
            let Some((_, session)) = self.open.get_mut(at) else { return };
            let pdu = bytes.get(..len).unwrap_or(bytes);
            if session.pdu(pdu, from, report).is_err() {
                return;
            }
            bytes = bytes.get(len..).unwrap_or_default();
        }
    }

    /// The flow ended.
    pub(super) fn finish(&mut self, report: &mut Report<'_, '_>) {
        for (_, mut session) in self.open.drain(..) {
            session.finish(report);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.reads.clear();
    }
}
