//! SCTP: the chunks of a packet, and user messages put together from their fragments (RFC 9260, 3.2 and 6.9; RFC 8260, 2).

use super::buffers::Buffers;
use crate::counters::{Counter, Counters};

/// Fragments of one direction that wait for the rest of their message.
const FRAGMENTS_MAX: usize = 64;
/// Bytes of them, and most of a user message that is put together.
const FRAGMENT_BYTES_MAX: usize = 64 * 1024;
/// Transmission sequence numbers behind the newest of which it is known whether they came.
const WINDOW: u32 = 128;
/// How far back a sequence number may be and still be a retransmission; beyond, the association began anew.
const OLD_MAX: u32 = 1 << 16;

/// A chunk that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk<'a> {
    /// A user message or a fragment of one: DATA or I-DATA.
    Data(Fragment<'a>),
    /// INIT or INIT ACK: what its sender sends from here on is counted anew, from this sequence number.
    Opening(u32),
    /// Any other, or one that is too short for its type.
    Other,
}

/// Content of a DATA or I-DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    tsn: u32,
    message: Message,
    /// Place among the fragments of its message; they follow each other.
    position: u32,
    begins: bool,
    ends: bool,
    /// Payload protocol identifier; only the first fragment of an interleaved message has it.
    ppid: u32,
    bytes: &'a [u8],
    /// Bytes that the capture cut off.
    missing: u32,
}

/// What fragments of one user message have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// DATA: consecutive sequence numbers, so that one message at a time is in fragments.
    Consecutive,
    /// I-DATA: stream, whether unordered, message identifier.
    Interleaved(u16, bool, u32),
}

/// A user message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserMessage<'a> {
    /// Payload protocol identifier as the upper layer set it; 0 says nothing.
    pub(crate) ppid: u32,
    /// What it says.
    pub(crate) bytes: MessageBytes<'a>,
    /// Bytes that the capture cut off.
    pub(crate) missing: u32,
}

/// Where the bytes of a user message are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MessageBytes<'a> {
    /// In one chunk.
    Lent(&'a [u8]),
    /// Put together; to be given back to the [`Buffers`].
    Joined(Vec<u8>),
}

/// The chunks of a packet, behind its common header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    pub(crate) const fn new(packet: &'a [u8]) -> Self {
        Self { rest: packet }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, flags, l1, l0], content) = self.rest.split_first_chunk::<4>()?;
        // The length counts the head, but not the padding to four bytes.
        let len = usize::from(u16::from_be_bytes([l1, l0])).checked_sub(4)?;
        let value = content.get(..len).unwrap_or(content);
        self.rest = content.get(len.next_multiple_of(4)..).unwrap_or_default();
        let missing = u32::try_from(len - value.len()).unwrap_or_default();
        Some(match kind {
            0 => data(flags, value, missing).map_or(Chunk::Other, Chunk::Data),
            64 => interleaved(flags, value, missing).map_or(Chunk::Other, Chunk::Data),
            // Tag, window, counts of streams, then the first sequence number.
            1 | 2 => value
                .get(12..)
                .and_then(<[u8]>::first_chunk)
                .map_or(Chunk::Other, |tsn| Chunk::Opening(u32::from_be_bytes(*tsn))),
            _ => Chunk::Other,
        })
    }
}

/// DATA (RFC 9260, 3.3.1).
fn data(flags: u8, value: &[u8], missing: u32) -> Option<Fragment<'_>> {
    let (head, bytes) = value.split_first_chunk::<12>()?;
    let [t3, t2, t1, t0, _, _, _, _, p3, p2, p1, p0] = *head;
    let tsn = u32::from_be_bytes([t3, t2, t1, t0]);
    let (begins, ends) = (flags & 2 != 0, flags & 1 != 0);
    let ppid = u32::from_be_bytes([p3, p2, p1, p0]);
    Some(Fragment { tsn, message: Message::Consecutive, position: tsn, begins, ends, ppid, bytes, missing })
}

/// I-DATA (RFC 8260, 2.1).
fn interleaved(flags: u8, value: &[u8], missing: u32) -> Option<Fragment<'_>> {
    let (head, bytes) = value.split_first_chunk::<16>()?;
    let [t3, t2, t1, t0, s1, s0, _, _, m3, m2, m1, m0, p3, p2, p1, p0] = *head;
    let tsn = u32::from_be_bytes([t3, t2, t1, t0]);
    let stream = u16::from_be_bytes([s1, s0]);
    let message = Message::Interleaved(stream, flags & 4 != 0, u32::from_be_bytes([m3, m2, m1, m0]));
    let (begins, ends) = (flags & 2 != 0, flags & 1 != 0);
    let number = u32::from_be_bytes([p3, p2, p1, p0]);
    // The first fragment is number 0 and has the identifier in the place of its number.
    let (position, ppid) = if begins { (0, number) } else { (number, 0) };
    Some(Fragment { tsn, message, position, begins, ends, ppid, bytes, missing })
}

/// What is known of an SCTP association: one lane a direction.
#[derive(Debug, Default)]
pub(crate) struct Association {
    to_server: Lane,
    to_client: Lane,
}

impl Association {
    /// The lane of a direction.
    pub(crate) const fn lane(&mut self, from: crate::record::Direction) -> &mut Lane {
        match from {
            crate::record::Direction::ToServer => &mut self.to_server,
            crate::record::Direction::ToClient => &mut self.to_client,
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self, buffers: &mut Buffers) {
        self.to_server.open(None, buffers);
        self.to_client.open(None, buffers);
    }
}

/// One direction of an association.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    recent: Recent,
    /// In the order they came.
    fragments: Vec<Held>,
    held_bytes: usize,
}

#[derive(Debug)]
struct Held {
    message: Message,
    position: u32,
    begins: bool,
    ends: bool,
    ppid: u32,
    bytes: Vec<u8>,
}

impl Lane {
    /// Begins anew, where the first sequence number is known after that.
    pub(crate) fn open(&mut self, first: Option<u32>, buffers: &mut Buffers) {
        for held in self.fragments.drain(..) {
            buffers.release(held.bytes);
        }
        self.held_bytes = 0;
        self.recent = first.map_or_else(Recent::default, |first| Recent {
            newest: first.wrapping_sub(1),
            came: 1,
            is_started: true,
        });
    }

    /// Takes a fragment; gives the user message that is whole with it. What came before says nothing again.
    pub(crate) fn accept<'a>(
        &mut self,
        fragment: Fragment<'a>,
        buffers: &mut Buffers,
        counters: &Counters,
    ) -> Option<UserMessage<'a>> {
        if !self.recent.is_new(fragment.tsn) {
            return None;
        }
        let Fragment { ppid, bytes, missing, .. } = fragment;
        if fragment.begins && fragment.ends {
            return Some(UserMessage { ppid, bytes: MessageBytes::Lent(bytes), missing });
        }
        if missing > 0 || !self.hold(fragment, buffers, counters) {
            return None;
        }
        self.join(fragment.message, fragment.position, buffers)
    }

    /// Keeps a fragment; the oldest ones give way.
    fn hold(&mut self, fragment: Fragment<'_>, buffers: &mut Buffers, counters: &Counters) -> bool {
        if fragment.bytes.len() > FRAGMENT_BYTES_MAX {
            return false;
        }
        while self.fragments.len() >= FRAGMENTS_MAX
            || self.held_bytes + fragment.bytes.len() > FRAGMENT_BYTES_MAX
        {
            counters.add(Counter::StreamLimit, 1);
            let oldest = self.fragments.remove(0);
            self.held_bytes -= oldest.bytes.len();
            buffers.release(oldest.bytes);
        }
        let mut bytes = Vec::new();
        if buffers.append(&mut bytes, fragment.bytes).is_err() {
            counters.add(Counter::StreamLimit, 1);
            return false;
        }
        let Fragment { message, position, begins, ends, ppid, .. } = fragment;
        self.held_bytes += bytes.len();
        self.fragments.push(Held { message, position, begins, ends, ppid, bytes });
        true
    }

    fn at(&self, message: Message, position: u32) -> Option<&Held> {
        self.fragments.iter().find(|held| held.message == message && held.position == position)
    }

    /// The message around a fragment, if all of it is there.
    fn join(
        &mut self,
        message: Message,
        position: u32,
        buffers: &mut Buffers,
    ) -> Option<UserMessage<'static>> {
        let mut first = position;
        // Each step finds another fragment, of which there are few.
        for _ in 0..FRAGMENTS_MAX {
            if self.at(message, first)?.begins {
                break;
            }
            first = first.wrapping_sub(1);
        }
        let mut count = 0;
        loop {
            let held = self.at(message, first.wrapping_add(count))?;
            count += 1;
            if held.ends {
                break;
            }
            if held.begins && count > 1 || count as usize > FRAGMENTS_MAX {
                return None;
            }
        }
        let mut whole = UserMessage { ppid: 0, bytes: MessageBytes::Lent(&[]), missing: 0 };
        let mut joined = Vec::new();
        for number in 0..count {
            let position = first.wrapping_add(number);
            let place = self
                .fragments
                .iter()
                .position(|held| held.message == message && held.position == position)?;
            let held = self.fragments.remove(place);
            self.held_bytes -= held.bytes.len();
            if number == 0 {
                whole.ppid = held.ppid;
            }
            let appended = buffers.append(&mut joined, &held.bytes).is_ok();
            buffers.release(held.bytes);
            if !appended {
                buffers.release(joined);
                return None;
            }
        }
        whole.bytes = MessageBytes::Joined(joined);
        Some(whole)
    }
}

/// Which sequence numbers came.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    newest: u32,
    /// Bit n: the one n before the newest.
    came: u128,
    is_started: bool,
}

impl Recent {
    /// Whether this one did not come before; notes that it did.
    fn is_new(&mut self, tsn: u32) -> bool {
        let (ahead, behind) = (tsn.wrapping_sub(self.newest), self.newest.wrapping_sub(tsn));
        let is_later = ahead.cast_signed() > 0;
        if !self.is_started || !is_later && behind >= OLD_MAX {
            *self = Self { newest: tsn, came: 1, is_started: true };
            return true;
        }
        if is_later {
            self.came = self.came.checked_shl(ahead).unwrap_or_default() | 1;
            self.newest = tsn;
            return true;
        }
        let bit = 1_u128.checked_shl(behind).filter(|_| behind < WINDOW);
        match bit {
            Some(bit) if self.came & bit == 0 => {
                self.came |= bit;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
