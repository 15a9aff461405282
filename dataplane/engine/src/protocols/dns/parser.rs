//! Reads DNS messages out of datagrams and streams.

use arrayvec::ArrayVec;

use super::Dialect;
use super::event::Message;
use super::message::{Header, WalkError};
use crate::protocols::{Carrier, Input, Output, Parser, Progress, Then};

/// Queries that wait for a response; of more, the oldest lose their pairing.
const WAITING_MAX: usize = 32;
/// `anomaly` events of one flow.
const ANOMALIES_MAX: u8 = 16;

/// A query that waits.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: u16,
    tx_id: u64,
}

/// DNS, multicast DNS or LLMNR on one flow.
#[derive(Debug, Default)]
pub(super) struct DnsParser {
    dialect: Dialect,
    /// Lengths of the messages that come next in a stream, where they are known.
    lengths: [Option<u16>; 2],
    waiting: ArrayVec<Waiting, WAITING_MAX>,
    next_tx: u64,
    scratch: Vec<u8>,
    /// A message was read without error.
    is_sure: bool,
    anomalies: u8,
}

impl DnsParser {
    /// A parser for one dialect.
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    fn message(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<(), WalkError> {
        let header = Header::read(bytes).ok_or(WalkError::Malformed)?;
        let tx_id = self.transaction(&header);
        let message = Message { bytes, header, dialect: self.dialect, tx_id };
        if message.is_dnscrypt() {
            out.refine("dnscrypt", 95);
        }
        message.write(&mut self.scratch, out)?;
        self.is_sure = true;
        Ok(())
    }

    /// Number of the transaction: a response gets that of its query.
    fn transaction(&mut self, header: &Header) -> u64 {
        if header.flags.qr()
            && let Some(at) = self.waiting.iter().position(|waiting| waiting.id == header.id)
        {
            return self.waiting.remove(at).tx_id;
        }
        let tx_id = self.next_tx;
        self.next_tx += 1;
        // Queries by multicast may have many responses, and no id (RFC 6762, 18.1).
        if !header.flags.qr() && self.dialect != Dialect::Mdns {
            if self.waiting.is_full() {
                self.waiting.remove(0);
            }
            self.waiting.push(Waiting { id: header.id, tx_id });
        }
        tx_id
    }

    fn stream(&mut self, input: &Input<'_>, out: &mut Output<'_>) -> Progress {
        let side = input.from as usize;
        let mut rest = input.bytes;
        let mut length = self.lengths.get(side).copied().flatten();
        let then = loop {
            let Some(expected) = length else {
                let Some((prefix, after)) = rest.split_first_chunk::<2>() else { break Then::More };
                length = Some(u16::from_be_bytes(*prefix));
                rest = after;
                continue;
            };
            let Some((message, after)) = rest.split_at_checked(usize::from(expected)) else {
                break Then::More;
            };
            (length, rest) = (None, after);
            if let Err(error) = self.message(message, out) {
                if !self.is_sure {
                    break Then::NotMine;
                }
                self.anomaly(error, out);
            }
        };
        if let Some(kept) = self.lengths.get_mut(side) {
            *kept = length;
        }
        let consumed = if then == Then::NotMine { 0 } else { input.bytes.len() - rest.len() };
        Progress { consumed, then }
    }

    fn anomaly(&mut self, error: WalkError, out: &mut Output<'_>) {
        if self.anomalies >= ANOMALIES_MAX {
            return;
        }
        self.anomalies += 1;
        let name = match error {
            WalkError::Truncated => "truncated_data",
            WalkError::Malformed => "malformed_data",
        };
        let mut event = out.event("anomaly");
        event.label("app_proto", self.dialect.name()).label("type", "applayer").label("event", name);
    }
}

impl Parser for DnsParser {
    fn reset(&mut self) {
        self.lengths = [None; 2];
        self.waiting.clear();
        self.next_tx = 0;
        self.scratch.clear();
        self.scratch.shrink_to(4096);
        self.is_sure = false;
        self.anomalies = 0;
    }

    fn read(&mut self, input: Input<'_>, out: &mut Output<'_>) -> Progress {
        if input.carrier == Carrier::Tcp {
            if input.after_gap {
                // Where the next message starts is not known, and nothing in it would say so.
                return Progress { consumed: input.bytes.len(), then: Then::DirectionDone };
            }
            return self.stream(&input, out);
        }
        if let Err(error) = self.message(input.bytes, out) {
            self.anomaly(error, out);
        }
        Progress::all(&input)
    }
}
