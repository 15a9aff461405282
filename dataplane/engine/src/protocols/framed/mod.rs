//! Reads protocols whose messages say where they end, out of streams and datagrams.
//!
//! [`Framed`] finds the messages, finds its place again after lost bytes, and bounds what is written about malformed
//! ones; a [`Messages`] knows one protocol: where a message ends and what it says.

mod cursor;
mod pair;
mod text;
mod transactions;

pub(super) use cursor::Cursor;
pub(super) use pair::two_messages;
pub(super) use text::{Masked, from_ebcdic, push_decimal};
pub(super) use transactions::{Request, Transactions};

use core::fmt::Debug;

use super::{Carrier, Expected, Found, Input, Output, Parser, Progress, Then};
use crate::record::{Direction, EventWriter, FlowIdentity};

/// Where the message at the start of some bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// More bytes must be there before it can be told.
    Open,
    /// It has `len` bytes, at least 1, of which the first `shown` are wanted; what is beyond is passed over unseen.
    Message {
        /// Whole length.
        len: usize,
        /// At most `len`, and well below the bytes that the engine holds for a direction.
        shown: usize,
    },
    /// No message starts here: the name of the anomaly.
    Invalid(&'static str),
}

impl Framing {
    /// A message of `len` bytes that is wanted whole.
    pub(super) const fn whole(len: usize) -> Self {
        Self::Message { len, shown: len }
    }

    /// A message of `len` bytes of which no more than `most` are wanted.
    pub(super) const fn at_most(len: usize, most: usize) -> Self {
        Self::Message { len, shown: if len < most { len } else { most } }
    }
}

/// A message, or its wanted beginning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// Its first bytes, as many as [`Framing`] said are wanted; fewer where a datagram is cut.
    pub(super) bytes: &'a [u8],
    /// Which way it went.
    pub(super) from: Direction,
    /// TCP or UDP.
    pub(super) carrier: Carrier,
}

/// What follows a message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More messages.
    More,
    /// Nothing more of the flow that is worth reading.
    Done,
    /// Another protocol, in both directions.
    Upgrade,
}

/// One protocol: how its messages are told apart, and what they say.
pub(super) trait Messages: Debug + Default + Send + 'static {
    /// Name of the protocol in anomalies.
    const NAME: &'static str;

    /// Where the message at the start of `bytes` (not empty) ends. Asked again until the bytes that it wants are there;
    /// once they are, more never change the answer.
    fn framing(&mut self, bytes: &[u8], from: Direction) -> Framing;

    /// The same for a datagram, or what is left of it.
    fn datagram_framing(&mut self, bytes: &[u8], from: Direction) -> Framing {
        self.framing(bytes, from)
    }

    /// Reads a message and writes what it says.
    ///
    /// # Errors
    /// The name of an anomaly, where the message contradicts the protocol; nothing was written then.
    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str>;

    /// Whether a message starts here, asked while the place in the stream is lost, of at most [`WINDOW`] bytes.
    fn starts(&self, bytes: &[u8], from: Direction) -> Found;

    /// Bytes of one direction were lost: what was half read will not go on.
    fn lost(&mut self, from: Direction) {
        let _ = from;
    }

    /// The flow is one that another one, of id `parent`, announced.
    fn expected(&mut self, expected: &Expected, parent: u64) {
        let _ = (expected, parent);
    }

    /// Forgets everything about the flow, keeps allocations.
    fn clear(&mut self);

    /// The flow ended: writes what is half known.
    fn finish(&mut self, report: &mut Report<'_, '_>) {
        let _ = report;
    }
}

/// Where a [`Messages`] writes.
#[derive(Debug)]
pub(super) struct Report<'a, 'b> {
    out: &'a mut Output<'b>,
    name: &'static str,
    left: &'a mut u8,
}

impl Report<'_, '_> {
    /// Starts an event of EVE type `kind`.
    pub(super) fn event(&mut self, kind: &'static str) -> EventWriter<'_> {
        self.out.event(kind)
    }

    /// Writes that the data contradicts the protocol, unless that was said often enough of this flow.
    pub(super) fn anomaly(&mut self, name: &'static str) {
        if let Some(left) = self.left.checked_sub(1) {
            *self.left = left;
            let mut event = self.out.event("anomaly");
            event.label("app_proto", self.name).label("type", "applayer").label("event", name);
        }
    }

    /// Says that the flow is `protocol`, more precisely than so far.
    pub(super) const fn refine(&mut self, protocol: &'static str, confidence: u8) {
        self.out.refine(protocol, confidence);
    }

    /// Announces a flow that is to come.
    pub(super) fn expect(&mut self, expected: Expected) {
        self.out.expect(expected);
    }

    /// Whose packets these are.
    pub(super) const fn flow(&self) -> &FlowIdentity {
        self.out.flow()
    }

    /// Says which service the flow belongs to.
    pub(super) const fn service(&mut self, name: &'static str) {
        self.out.service(name);
    }
}

/// Bytes in which the start of a message is looked for at one place.
pub(super) const WINDOW: usize = 512;
/// Bytes of a flow in which a message is looked for after gaps and malformed data.
const LOST_MAX: u32 = 1024 * 1024;
/// `anomaly` events of one flow.
const ANOMALIES_MAX: u8 = 16;

/// How one direction is read.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Where the next message starts is not known.
    is_lost: bool,
    /// Bytes that were looked through for a message.
    passed: u32,
}

/// Reads one flow of a protocol.
#[derive(Debug)]
pub(super) struct Framed<M> {
    messages: M,
    lanes: [Lane; 2],
    anomalies_left: u8,
    /// A message was read without error.
    is_sure: bool,
}

/// Makes the parser of a protocol.
pub(super) fn parser<M: Messages>() -> Box<dyn Parser> {
    Box::new(Framed {
        messages: M::default(),
        lanes: [Lane::default(); 2],
        anomalies_left: ANOMALIES_MAX,
        is_sure: false,
    })
}

impl<M: Messages> Framed<M> {
    fn lane(&mut self, from: Direction) -> &mut Lane {
        let [to_server, to_client] = &mut self.lanes;
        if from == Direction::ToServer { to_server } else { to_client }
    }

    fn anomaly(&mut self, name: &'static str, out: &mut Output<'_>) {
        Report { out, name: M::NAME, left: &mut self.anomalies_left }.anomaly(name);
    }

    /// Reads a message; what follows, or None where it is not this protocol after all.
    fn message(&mut self, message: Message<'_>, out: &mut Output<'_>) -> Option<Next> {
        let mut report = Report { out, name: M::NAME, left: &mut self.anomalies_left };
        match self.messages.message(message, &mut report) {
            Ok(next) => {
                self.is_sure = true;
                Some(next)
            }
            Err(name) if self.is_sure => {
                report.anomaly(name);
                Some(Next::More)
            }
            Err(_) => None,
        }
    }

    fn stream(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        let mut at = 0;
        loop {
            if self.lane(input.from).is_lost {
                match self.search(input, at) {
                    Ok(found) => at = found,
                    Err(progress) => return progress,
                }
            }
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::read(at);
            }
            let (len, shown) = match self.messages.framing(rest, input.from) {
                Framing::Open => return Progress::read(at),
                Framing::Message { len, shown } => (len.max(1), shown),
                Framing::Invalid(_) if !self.is_sure => return Progress::not_mine(),
                Framing::Invalid(name) => {
                    self.anomaly(name, out);
                    self.lane(input.from).is_lost = true;
                    self.messages.lost(input.from);
                    at += 1;
                    continue;
                }
            };
            let Some(bytes) = rest.get(..shown) else { return Progress::read(at) };
            let next = self.message(Message { bytes, from: input.from, carrier: input.carrier }, out);
            let then = match next {
                None => return Progress::not_mine(),
                Some(Next::More) if len > rest.len() => Then::Skip((len - rest.len()) as u64),
                Some(Next::More) => {
                    at += len;
                    continue;
                }
                Some(Next::Done) => Then::Done,
                Some(Next::Upgrade) => Then::Upgrade,
            };
            return Progress { consumed: input.bytes.len().min(at.saturating_add(len)), then };
        }
    }

    /// Looks for the start of a message from `at` on.
    fn search(&mut self, input: &Input<'_>, mut at: usize) -> Result<usize, Progress> {
        while let Some(rest) = input.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let window = rest.get(..WINDOW).unwrap_or(rest);
            match self.messages.starts(window, input.from) {
                Found::Yes | Found::Likely(_) => {
                    self.lane(input.from).is_lost = false;
                    return Ok(at);
                }
                Found::Maybe if window.len() < WINDOW => return Err(Progress::read(at)),
                Found::Maybe | Found::No => at += 1,
            }
            let lane = self.lane(input.from);
            lane.passed = lane.passed.saturating_add(1);
            if lane.passed > LOST_MAX {
                return Err(Progress { consumed: input.bytes.len(), then: Then::DirectionDone });
            }
        }
        Err(Progress::read(at))
    }

    fn datagram(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        let mut rest = input.bytes;
        while !rest.is_empty() {
            let (len, shown) = match self.messages.datagram_framing(rest, input.from) {
                Framing::Message { len, shown } => (len.max(1), shown),
                Framing::Open => {
                    self.anomaly("truncated_data", out);
                    break;
                }
                Framing::Invalid(name) => {
                    self.anomaly(name, out);
                    break;
                }
            };
            if len > rest.len() {
                self.anomaly("truncated_data", out);
            }
            let bytes = rest.get(..shown).unwrap_or(rest);
            // The next datagram starts anew: one that makes no sense says nothing of the flow.
            self.is_sure = true;
            let next = self.message(Message { bytes, from: input.from, carrier: input.carrier }, out);
            if next == Some(Next::Done) {
                return Progress::done();
            }
            rest = rest.get(len..).unwrap_or_default();
        }
        Progress::all(input)
    }
}

impl<M: Messages> Parser for Framed<M> {
    fn reset(&mut self) {
        self.messages.clear();
        self.lanes = [Lane::default(); 2];
        self.anomalies_left = ANOMALIES_MAX;
        self.is_sure = false;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if input.carrier != Carrier::Tcp {
            return self.datagram(&input, out);
        }
        if input.after_gap {
            self.lane(input.from).is_lost = true;
            self.messages.lost(input.from);
        }
        self.stream(&input, out)
    }

    fn expected(&mut self, expected: &Expected, parent: u64) {
        self.messages.expected(expected, parent);
    }

    fn finish(&mut self, out: &mut Output<'_>) {
        self.messages.finish(&mut Report { out, name: M::NAME, left: &mut self.anomalies_left });
    }
}

/// Table of a reflected CRC-16, of the reversed polynomial.
pub(super) const fn crc16_table(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u16;
    while byte < 256 {
        let mut sum = byte;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ polynomial } else { sum >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "byte is below 256")]
        {
            table[byte as usize] = sum;
        }
        byte += 1;
    }
    table
}

/// Days from 1970-01-01 to a date of the Gregorian calendar from then on; None where there is no such date.
pub(super) fn unix_days(year: u32, month: u32, day: u32) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of a year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = u64::from(year) * 365 + u64::from(year / 4) - u64::from(year / 100)
        + u64::from(year / 400)
        + u64::from((153 * month + 2) / 5)
        + u64::from(day - 1);
    // Days from March of year 0 to 1970.
    days.checked_sub(719_468)
}

/// An event to write into.
#[cfg(test)]
pub(super) fn test_event(batch: &mut crate::RecordBatch) -> EventWriter<'_> {
    use crate::record::{FlowIdentity, TunnelIdentity};
    use wire::{FlowKey, KeyKind, Scope};
    let (key, client) = FlowKey::new(KeyKind::Ipv4, 6, ([0, 1], 1024), ([0, 2], 1), Scope::default());
    let tunnel = TunnelIdentity::default();
    let flow = FlowIdentity { id: 1, key, client, interface: 0, vlans: [0; 2], icmp: None, tunnel };
    batch.event(0, flow, "test")
}
