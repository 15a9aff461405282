//! DCE/RPC over datagrams, version 4 (C706 12.5): calls with their responses, by activity and sequence number.

use super::names;
use super::pdu::Syntax;
use super::session::write_syntax;
use crate::protocols::Found;
use crate::protocols::framed::{Report, Request, Transactions};

/// Bytes of a header.
const HEADER: usize = 80;
/// Kinds of packets (12.6.4.1): of those there are, up to the last.
const KIND_MAX: u8 = 10;

/// A header (12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    kind: u8,
    flags: u8,
    interface: Syntax,
    activity: [u8; 16],
    sequence: u32,
    operation: u16,
    /// Bytes behind the header.
    len: u16,
    fragment: u16,
    protection: u8,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let &[version, kind, flags, _, order, floating, zero, ..] = header;
        if version != 4 || kind > KIND_MAX || order & 0xef != 0 || floating > 3 || zero != 0 {
            return None;
        }
        let is_little = order & 0x10 != 0;
        let short = |at: usize| {
            let digits = header.get(at..)?.first_chunk().copied()?;
            Some(if is_little { u16::from_le_bytes(digits) } else { u16::from_be_bytes(digits) })
        };
        let word = |at: usize| {
            let digits = header.get(at..)?.first_chunk().copied()?;
            Some(if is_little { u32::from_le_bytes(digits) } else { u32::from_be_bytes(digits) })
        };
        let uuid = |at: usize| {
            let mut uuid: [u8; 16] = *header.get(at..)?.first_chunk()?;
            if is_little {
                // The first three fields are numbers.
                for field in [0..4, 4..6, 6..8] {
                    uuid.get_mut(field)?.reverse();
                }
            }
            Some(uuid)
        };
        let [high, low] = word(60)?.to_be_bytes().as_chunks::<2>().0.first_chunk().copied()?;
        Some(Self {
            kind,
            flags,
            interface: Syntax {
                uuid: uuid(24)?,
                major: u16::from_be_bytes(low),
                minor: u16::from_be_bytes(high),
            },
            activity: uuid(40)?,
            sequence: word(64)?,
            operation: short(68)?,
            len: short(74)?,
            fragment: short(76)?,
            protection: *header.get(78)?,
        })
    }
}

/// Whether a datagram of `wire_len` bytes is one packet, of a kind that there is.
pub(super) fn look(bytes: &[u8], wire_len: u32) -> Found {
    match Header::read(bytes) {
        Some(header)
            if u32::from(header.len) + 80 == wire_len && matches!(header.protection, 0 | 1 | 9 | 10 | 16) =>
        {
            Found::Likely(98)
        }
        _ => Found::No,
    }
}

/// What waits for a response.
#[derive(Clone, Copy, Debug)]
struct Asked {
    header: Header,
    fragments: u32,
    bytes: u64,
}

/// Calls of one flow.
#[derive(Debug, Default)]
pub(super) struct Calls {
    asked: Transactions<Asked>,
}

impl Calls {
    /// Reads a packet.
    ///
    /// # Errors
    /// The name of an anomaly.
    pub(super) fn packet(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let header = Header::read(bytes).ok_or("invalid_header")?;
        let is_same = |asked: &Asked| {
            asked.header.activity == header.activity && asked.header.sequence == header.sequence
        };
        match header.kind {
            0 => {
                if let Some(asked) = self.asked.waiting(is_same) {
                    // Another fragment, or the same again.
                    if header.fragment > 0 {
                        asked.fragments = asked.fragments.saturating_add(1);
                        asked.bytes = asked.bytes.saturating_add(u64::from(header.len));
                    }
                    return Ok(());
                }
                let asked = Asked { header, fragments: 1, bytes: u64::from(header.len) };
                if let Some(oldest) = self.asked.open(asked, &[]) {
                    write(&oldest, None, report);
                }
            }
            // Response, fault, reject; of a response in fragments the last.
            2 | 3 | 6 if header.flags & 4 == 0 || header.flags & 2 != 0 => {
                if let Some(request) = self.asked.close(is_same) {
                    write(&request, Some(&header), report);
                }
            }
            // What is asked, acknowledged and cancelled.
            _ => {}
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.asked.clear();
    }

    pub(super) fn finish(&mut self, report: &mut Report<'_, '_>) {
        while let Some(request) = self.asked.pop() {
            write(&request, None, report);
        }
    }
}

fn write(request: &Request<Asked>, answer: Option<&Header>, report: &mut Report<'_, '_>) {
    let asked = &request.key;
    let header = &asked.header;
    let mut event = report.event("dcerpc");
    event.label("request", "REQUEST").object("req").number("opnum", header.operation);
    event.number("frag_cnt", asked.fragments).number("stub_data_size", asked.bytes).close();
    write_syntax(&header.interface, &mut event);
    if let Some(operation) = names::operation(&header.interface.uuid, header.operation) {
        event.label("operation", operation);
    }
    if let Some(answer) = answer {
        event.label(
            "response",
            match answer.kind {
                2 => "RESPONSE",
                3 => "FAULT",
                _ => "REJECT",
            },
        );
        event.object("res").number("frag_cnt", u32::from(answer.fragment) + 1);
        event.number("stub_data_size", answer.len).close();
    }
    event.text("activityuuid", names::printed(&header.activity).as_bytes()).number("seqnum", header.sequence);
    event.label("rpc_version", "4.0");
}
