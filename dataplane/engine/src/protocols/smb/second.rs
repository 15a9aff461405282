//! Messages of versions 2 and 3 ([MS-SMB2] 2.2).

use super::pipes::Place;
use super::{Key, security, status, utf16};
use crate::protocols::clear::Clear;
use crate::protocols::framed::{Cursor, Report, Transactions};
use crate::record::EventWriter;

/// Bytes of the header (2.2.1).
const HEADER: usize = 64;
/// A response will follow (STATUS_PENDING).
const PENDING: u32 = 0x103;
const CREATE: u16 = 5;

/// The header (2.2.1).
#[derive(Clone, Copy, Debug)]
struct Header {
    status: u32,
    command: u16,
    flags: u32,
    next: usize,
    message: u64,
    tree: u32,
    session: u64,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.get(4..HEADER)?);
        let size = cursor.u16_le()?;
        cursor.u16_le()?;
        let (status, command, _credits, flags) =
            (cursor.u32_le()?, cursor.u16_le()?, cursor.u16_le()?, cursor.u32_le()?);
        let next = usize::try_from(cursor.u32_le()?).ok()?;
        let (message, _process, tree, session) =
            (cursor.u64_le()?, cursor.u32_le()?, cursor.u32_le()?, cursor.u64_le()?);
        let is_sound = usize::from(size) == HEADER && command <= 0x13 && (next == 0 || next >= HEADER);
        is_sound.then_some(Self { status, command, flags, next, message, tree, session })
    }

    const fn is_response(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// Where a message that may go through a pipe stands in its conversation: those of files, and of controls.
pub(super) fn place(bytes: &[u8]) -> Option<Place> {
    let header = Header::read(bytes).filter(|header| matches!(header.command, 6 | 8 | 9 | 11))?;
    Some(Place { command: header.command, is_response: header.is_response(), message: header.message })
}

/// Reads a message: requests wait, responses are written with them. Gives where the next one of the compound is.
pub(super) fn read(
    bytes: &[u8],
    transactions: &mut Transactions<Key>,
    clear: &mut Clear,
    report: &mut Report<'_, '_>,
) -> Result<usize, &'static str> {
    if bytes.first_chunk() != Some(b"\xfeSMB") {
        return Err("malformed_data");
    }
    let header = Header::read(bytes).ok_or("malformed_data")?;
    let Some(name) = command(header.command) else { return Ok(header.next) };
    let key = Key::Second(header.message);
    if !header.is_response() {
        if let Some(oldest) = transactions.open(key, bytes) {
            transactions.recycle(oldest);
        }
        return Ok(header.next);
    }
    if header.status == PENDING {
        return Ok(header.next);
    }
    let request = transactions.close(|other| *other == key);
    let number = request.as_ref().map_or_else(|| transactions.number(), |request| request.number);
    let asked = request.as_ref().map_or(&[][..], |request| &request.bytes);
    let mut event = report.event("smb");
    event.number("id", number).label("command", name);
    event
        .label("status", status(header.status))
        .text("status_code", format!("0x{:x}", header.status).as_bytes());
    event.number("session_id", header.session).number("tree_id", header.tree);
    event.flag("signed", header.flags & 8 != 0);
    write_data(&header, asked, bytes, &mut event);
    // Up to the connection to a share everything goes in the clear, and then nothing if session or share say so.
    if header.command == CREATE {
        clear.tell(&mut event);
    }
    drop(event);
    if let Some(request) = request {
        transactions.recycle(request);
    }
    Ok(header.next)
}

fn write_data(header: &Header, request: &[u8], response: &[u8], event: &mut EventWriter<'_>) {
    let asked = Cursor::new(request.get(HEADER..).unwrap_or_default());
    let said = Cursor::new(response.get(HEADER..).unwrap_or_default());
    match header.command {
        0 => {
            let _ = write_dialects(asked, event);
            let _ = write_agreed(said, response, event);
        }
        1 => {
            security::write(request, event);
            if let Some(&[_, _, flags, _]) = said.rest().first_chunk() {
                event
                    .flag("guest", flags & 1 != 0)
                    .flag("anonymous", flags & 2 != 0)
                    .flag("encrypted", flags & 4 != 0);
            }
        }
        3 => {
            if let Some(path) = named(request, 4) {
                event.text("share", utf16(path).as_bytes());
            }
            if let (0, Some(&[_, _, kind, _, _, flags, ..])) = (header.status, said.rest().first_chunk::<8>())
            {
                let kind = match kind {
                    1 => "DISK",
                    2 => "PIPE",
                    3 => "PRINT",
                    _ => "UNKNOWN",
                };
                event.label("share_type", kind).flag("encrypted", flags & 0x80 != 0);
            }
        }
        CREATE => write_create(asked, request, event),
        _ => {}
    }
}

/// What is opened (2.2.13).
fn write_create(mut asked: Cursor<'_>, request: &[u8], event: &mut EventWriter<'_>) {
    if let Some(name) = named(request, 44) {
        event.text("filename", utf16(name).as_bytes());
    }
    asked.take(24);
    let (Some(access), Some(_), Some(_), Some(disposition)) =
        (asked.u32_le(), asked.u32_le(), asked.u32_le(), asked.u32_le())
    else {
        return;
    };
    event.number("access", access);
    event.label(
        "disposition",
        match disposition {
            0 => "FILE_SUPERSEDE",
            1 => "FILE_OPEN",
            2 => "FILE_CREATE",
            3 => "FILE_OPEN_IF",
            4 => "FILE_OVERWRITE",
            5 => "FILE_OVERWRITE_IF",
            _ => "UNKNOWN",
        },
    );
    if let Some(options) = asked.u32_le() {
        event.flag("delete_on_close", options & 0x1000 != 0);
    }
}

/// The text that an offset and a length at a place of the body speak of.
fn named(message: &[u8], place: usize) -> Option<&[u8]> {
    let &[a, b, c, d] = message.get(HEADER + place..)?.first_chunk::<4>()?;
    let (start, len) = (usize::from(u16::from_le_bytes([a, b])), usize::from(u16::from_le_bytes([c, d])));
    let text = message.get(start..)?;
    Some(text.get(..len).unwrap_or(text))
}

/// What a client offers (2.2.3).
fn write_dialects(mut asked: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    asked.u16_le()?;
    let count = asked.u16_le()?;
    asked.take(8)?;
    event.hex("client_guid", asked.take(16)?);
    asked.take(8)?;
    event.list("client_dialects");
    for _ in 0..count.min(32) {
        let Some(revision) = asked.u16_le() else { break };
        event.label("", dialect(revision));
    }
    event.close();
    Some(())
}

/// What the server chose (2.2.4).
fn write_agreed(mut said: Cursor<'_>, response: &[u8], event: &mut EventWriter<'_>) -> Option<()> {
    said.u16_le()?;
    let (mode, revision, contexts) = (said.u16_le()?, said.u16_le()?, said.u16_le()?);
    event.label("dialect", dialect(revision));
    event.flag("signing_enabled", mode & 1 != 0).flag("signing_required", mode & 2 != 0);
    event.hex("server_guid", said.take(16)?);
    let capabilities = said.u32_le()?;
    if revision != 0x0311 {
        event.flag("encryption_supported", capabilities & 0x40 != 0);
        return Some(());
    }
    said.take(32)?;
    let at = usize::try_from(said.u32_le()?).ok()?;
    let mut cursor = Cursor::new(response.get(at..)?);
    for _ in 0..contexts.min(16) {
        let (kind, len) = (cursor.u16_le()?, usize::from(cursor.u16_le()?));
        cursor.u32_le()?;
        let mut data = Cursor::new(cursor.take(len)?);
        // Each but the last fills up to eight bytes.
        cursor.take(len.next_multiple_of(8) - len);
        match kind {
            2 => {
                data.u16_le()?;
                event.label("cipher", cipher(data.u16_le()?));
            }
            8 => {
                data.u16_le()?;
                event.label("signing_algorithm", signing(data.u16_le()?));
            }
            _ => {}
        }
    }
    Some(())
}

const fn dialect(revision: u16) -> &'static str {
    match revision {
        0x0202 => "2.02",
        0x0210 => "2.10",
        0x02ff => "2.??",
        0x0300 => "3.00",
        0x0302 => "3.02",
        0x0310 => "3.10",
        0x0311 => "3.11",
        _ => "unknown",
    }
}

const fn cipher(id: u16) -> &'static str {
    match id {
        0 => "none",
        1 => "AES-128-CCM",
        2 => "AES-128-GCM",
        3 => "AES-256-CCM",
        4 => "AES-256-GCM",
        _ => "unknown",
    }
}

const fn signing(id: u16) -> &'static str {
    match id {
        0 => "HMAC-SHA256",
        1 => "AES-CMAC",
        2 => "AES-GMAC",
        _ => "unknown",
    }
}

/// Name of a command that is written.
const fn command(code: u16) -> Option<&'static str> {
    Some(match code {
        0 => "SMB2_COMMAND_NEGOTIATE_PROTOCOL",
        1 => "SMB2_COMMAND_SESSION_SETUP",
        2 => "SMB2_COMMAND_SESSION_LOGOFF",
        3 => "SMB2_COMMAND_TREE_CONNECT",
        5 => "SMB2_COMMAND_CREATE",
        _ => return None,
    })
}
