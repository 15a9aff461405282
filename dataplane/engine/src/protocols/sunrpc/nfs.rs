//! What calls of NFS are about (RFC 1094 2.2, RFC 1813 3.3, RFC 7530 16), and which of them are worth an event.

use super::Asked;
use super::names::{self, NFS_PROGRAM};
use super::rpc::{Reply, Status, opaque};
use crate::protocols::framed::{Cursor, Report, Request};
use crate::record::EventWriter;

/// Bytes of a name that are written.
const NAME_MAX: u32 = 1024;
/// Bytes of a file handle (RFC 7530, 3.2).
const HANDLE_MAX: u32 = 128;
/// Operations of one compound that are written.
const OPERATIONS_MAX: u32 = 32;

/// Calls that went well and say nothing new, by number of procedure; of each, the first is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    counts: [u32; 32],
    read: u64,
    written: u64,
    version: u32,
}

impl Tally {
    /// Whether a call gets an event of its own. Reading, writing and asking for attributes are counted after the first.
    pub(super) fn is_worth_telling(&mut self, request: &Request<Asked>, reply: &Reply<'_>) -> bool {
        let asked = &request.key;
        if asked.program != NFS_PROGRAM {
            return true;
        }
        self.version = asked.version;
        if let Some((is_read, count)) = transferred(asked, &request.bytes) {
            let total = if is_read { &mut self.read } else { &mut self.written };
            *total = total.saturating_add(u64::from(count));
        }
        let Some(count) = self.counts.get_mut(asked.procedure as usize) else { return true };
        *count = count.saturating_add(1);
        let is_first = *count == 1;
        let went_well = reply.status == Status::Accepted(0)
            && (asked.procedure == 0 || Cursor::new(reply.results).u32().is_none_or(|status| status == 0));
        let is_quiet = match asked.version {
            2 => matches!(asked.procedure, 0 | 1 | 5 | 6 | 8 | 16 | 17),
            3 => matches!(asked.procedure, 0 | 1 | 4..=7 | 16..=21),
            _ => asked.procedure == 0 || !names_something(&request.bytes),
        };
        is_first || !went_well || !is_quiet || asked.credentials.is_wrapped()
    }

    /// Writes the counts, where there is more than the events have told.
    pub(super) fn write(&self, report: &mut Report<'_, '_>) {
        if self.counts.iter().all(|count| *count <= 1) {
            return;
        }
        let mut event = report.event("nfs");
        event.label("type", "summary").number("version", self.version).object("procedures");
        for (procedure, count) in (0..).zip(self.counts).filter(|(_, count)| *count > 0) {
            if let Some(name) = names::procedure(NFS_PROGRAM, self.version, procedure) {
                event.number(name, count);
            }
        }
        event.close().number("read_bytes", self.read).number("written_bytes", self.written);
    }
}

/// Bytes that a call asks to read (true) or write.
fn transferred(asked: &Asked, arguments: &[u8]) -> Option<(bool, u32)> {
    let mut cursor = Cursor::new(arguments);
    match (asked.version, asked.procedure) {
        (3, procedure @ 6..=7) => {
            opaque(&mut cursor, HANDLE_MAX)?;
            cursor.take(8)?;
            Some((procedure == 6, cursor.u32()?))
        }
        (2, 6) => {
            cursor.take(36)?;
            Some((true, cursor.u32()?))
        }
        (2, 8) => {
            cursor.take(44)?;
            Some((false, cursor.u32()?))
        }
        _ => None,
    }
}

/// Writes what a call is about and what became of it.
pub(super) fn write(asked: &Asked, arguments: &[u8], results: Option<&[u8]>, event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(arguments);
    // What is missing at the end of the bytes is left out.
    let _ = match asked.version {
        2 => write_second(asked.procedure, &mut cursor, event),
        3 => write_third(asked.procedure, &mut cursor, event),
        4 if asked.procedure == 1 => write_compound(&mut cursor, event),
        _ => None,
    };
    if let Some(status) =
        results.and_then(|results| Cursor::new(results).u32()).filter(|_| asked.procedure != 0)
    {
        match names::nfs_status(status) {
            Some(name) => event.label("status", name),
            None => event.number("status", status),
        };
    }
}

fn write_second(procedure: u32, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    if matches!(procedure, 0 | 3 | 7) {
        return None;
    }
    event.hex("handle", cursor.take(32)?);
    match procedure {
        4 | 9 | 10 | 14 | 15 => {
            event.text("filename", opaque(cursor, NAME_MAX)?);
        }
        6 => {
            event.object("read").number("offset", cursor.u32()?).number("count", cursor.u32()?).close();
        }
        8 => {
            let _begin = cursor.u32()?;
            event.object("write").number("offset", cursor.u32()?).number("count", cursor.u32()?).close();
        }
        11 => {
            let from = opaque(cursor, NAME_MAX)?;
            event.object("rename").text("from", from);
            cursor.take(32)?;
            event.text("to", opaque(cursor, NAME_MAX)?).close();
        }
        12 => {
            cursor.take(32)?;
            event.text("filename", opaque(cursor, NAME_MAX)?);
        }
        13 => {
            event.text("filename", opaque(cursor, NAME_MAX)?);
            event.text("target", opaque(cursor, NAME_MAX)?);
        }
        _ => {}
    }
    Some(())
}

fn write_third(procedure: u32, cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    if procedure == 0 {
        return None;
    }
    event.hex("handle", opaque(cursor, HANDLE_MAX)?);
    match procedure {
        3 | 8..=13 => {
            event.text("filename", opaque(cursor, NAME_MAX)?);
        }
        4 => {
            event.number("access", cursor.u32()?);
        }
        6 | 7 => {
            let [a, b, c, d, e, f, g, h] = *cursor.array::<8>()?;
            let offset = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            event.object(if procedure == 6 { "read" } else { "write" });
            event.number("offset", offset).number("count", cursor.u32()?).close();
        }
        14 => {
            let from = opaque(cursor, NAME_MAX)?;
            event.object("rename").text("from", from);
            opaque(cursor, HANDLE_MAX)?;
            event.text("to", opaque(cursor, NAME_MAX)?).close();
        }
        15 => {
            opaque(cursor, HANDLE_MAX)?;
            event.text("filename", opaque(cursor, NAME_MAX)?);
        }
        _ => {}
    }
    Some(())
}

/// An operation of a compound (RFC 7530 16, RFC 8881 18), and the name in it. None after those of unknown length.
fn operation<'a>(cursor: &mut Cursor<'a>) -> Option<(u32, Option<&'a [u8]>, bool)> {
    let number = cursor.u32()?;
    let mut name = None;
    let is_known = match number {
        // GETFH, LOOKUPP, PUTPUBFH, PUTROOTFH, READLINK, RESTOREFH, SAVEFH
        10 | 16 | 23 | 24 | 27 | 31 | 32 => true,
        // ACCESS
        3 => cursor.take(4).is_some(),
        // CLOSE
        4 => cursor.take(20).is_some(),
        // COMMIT
        5 => cursor.take(12).is_some(),
        // GETATTR
        9 => cursor
            .u32()
            .filter(|words| *words <= 8)
            .is_some_and(|words| cursor.take(words as usize * 4).is_some()),
        // LOOKUP, REMOVE, SECINFO
        15 | 28 | 33 => {
            name = opaque(cursor, NAME_MAX);
            name.is_some()
        }
        // PUTFH
        22 => opaque(cursor, HANDLE_MAX).is_some(),
        // READ
        25 => cursor.take(28).is_some(),
        // RENAME
        29 => {
            name = opaque(cursor, NAME_MAX);
            name.is_some() && opaque(cursor, NAME_MAX).is_some()
        }
        // RENEW
        30 => cursor.take(8).is_some(),
        // SEQUENCE
        53 => cursor.take(32).is_some(),
        _ => false,
    };
    Some((number, name, is_known))
}

/// Tag, minor version and number of operations, then those (RFC 7530, 16.2).
fn write_compound(cursor: &mut Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    opaque(cursor, NAME_MAX)?;
    event.number("minor_version", cursor.u32()?);
    let count = cursor.u32()?;
    event.number("operations_count", count);
    let mut first_name = None;
    event.list("operations");
    for _ in 0..count.min(OPERATIONS_MAX) {
        let Some((number, name, is_known)) = operation(cursor) else { break };
        match names::operation(number) {
            Some(label) => event.label("", label),
            None => event.number("", number),
        };
        first_name = first_name.or(name);
        if !is_known {
            break;
        }
    }
    event.close();
    event.text("filename", first_name?);
    Some(())
}

/// Whether a compound does more than read, write, and ask for attributes.
fn names_something(arguments: &[u8]) -> bool {
    let mut cursor = Cursor::new(arguments);
    if opaque(&mut cursor, NAME_MAX).is_none() || cursor.u32().is_none() {
        return true;
    }
    let count = cursor.u32().unwrap_or_default();
    for _ in 0..count.min(OPERATIONS_MAX) {
        match operation(&mut cursor) {
            // Writing has data of its own length behind it: nothing more is looked for.
            Some((38, ..)) => return false,
            Some((_, None, true)) => {}
            Some(_) => return true,
            None => return false,
        }
    }
    false
}
