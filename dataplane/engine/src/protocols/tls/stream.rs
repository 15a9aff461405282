//! A session whose stream another protocol carries in its own packets.

use super::handshake::Handshake;
use super::records::{Lane, Step};
use super::recycled;
use crate::record::{Direction, EventWriter};

/// Reads records from bytes in order, however they are cut.
#[derive(Debug, Default)]
pub struct TlsStream {
    handshake: Handshake,
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    lane: Lane,
    /// The beginning of a record's header, or of a message in SSLv2's form.
    held: Vec<u8>,
    /// Bytes of a record that need not be looked at.
    skip: u64,
    is_done: bool,
}

impl TlsStream {
    /// Reads the next bytes of a direction.
    pub fn read(&mut self, bytes: &[u8], from: Direction) {
        let Some(side) = self.sides.get_mut(from as usize) else { return };
        let skipped = usize::try_from(side.skip).unwrap_or(usize::MAX).min(bytes.len());
        side.skip -= skipped as u64;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        if bytes.is_empty() || side.is_done {
            return;
        }
        let mut held = core::mem::take(&mut side.held);
        let unread = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let mut consumed = unread.len();
        match side.lane.read(unread, from, &mut self.handshake.session) {
            Step::Wait(read) if unread.len() - read.min(unread.len()) <= MOST_HELD => consumed = read,
            Step::Skip(count) => side.skip = count,
            Step::Wait(_) | Step::Lost | Step::Malformed | Step::Settled => side.is_done = true,
        }
        if held.is_empty() {
            held.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
        } else {
            held.drain(..consumed.min(held.len()));
        }
        side.held = held;
    }

    /// Whether a hello was seen.
    #[must_use]
    pub fn has_hello(&self) -> bool {
        self.handshake.has_hello()
    }

    /// Whether nothing more can be learned.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.handshake.is_settled() || self.sides.iter().all(|side| side.is_done)
    }

    /// Writes the members of the `tls` object.
    pub fn write(&mut self, event: &mut EventWriter<'_>) {
        self.handshake.write(event);
    }

    /// Forgets everything, keeps allocations.
    pub fn reset(&mut self) {
        self.handshake.reset();
        for side in &mut self.sides {
            side.lane.reset();
            side.held = recycled(&mut side.held);
            side.skip = 0;
            side.is_done = false;
        }
    }
}

/// Unread bytes that are held: no header is longer, and SSLv2's hello hardly.
const MOST_HELD: usize = 1024;
