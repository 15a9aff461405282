//! Messages of version 1 ([MS-CIFS] 2.2, [MS-SMB] 2.2).

use super::{Key, security, status, utf16};
use crate::protocols::clear::Clear;
use crate::protocols::framed::{Cursor, Report, Transactions};
use crate::record::EventWriter;

/// Bytes of the header.
const HEADER: usize = 32;

/// The header ([MS-CIFS] 2.2.3.1).
#[derive(Clone, Copy, Debug)]
struct Header {
    command: u8,
    status: u32,
    is_response: bool,
    is_unicode: bool,
    tree: u16,
    key: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes.get(4..HEADER)?);
        let (command, status, flags, more) = (cursor.u8()?, cursor.u32_le()?, cursor.u8()?, cursor.u16_le()?);
        cursor.take(12)?;
        let (tree, process, _user, multiplex) =
            (cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?);
        let key = u32::from(process) << 16 | u32::from(multiplex);
        Some(Self {
            command,
            status,
            is_response: flags & 0x80 != 0,
            is_unicode: more & 0x8000 != 0,
            tree,
            key,
        })
    }

    fn text(&self, bytes: &[u8]) -> Vec<u8> {
        if self.is_unicode {
            return utf16(bytes).into_bytes();
        }
        bytes.iter().take(512).take_while(|byte| **byte != 0).copied().collect()
    }
}

/// Words and bytes of a message.
fn body(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor::new(bytes.get(HEADER..)?);
    let words = usize::from(cursor.u8()?) * 2;
    let words = cursor.take(words)?;
    let count = usize::from(cursor.u16_le()?);
    let rest = cursor.rest();
    Some((words, rest.get(..count).unwrap_or(rest)))
}

/// Reads a message: requests wait, responses are written with them.
pub(super) fn read(
    bytes: &[u8],
    transactions: &mut Transactions<Key>,
    clear: &mut Clear,
    report: &mut Report<'_, '_>,
) -> Result<(), &'static str> {
    let header = Header::read(bytes).ok_or("malformed_data")?;
    let Some(name) = command(header.command) else { return Ok(()) };
    let key = Key::First(header.key);
    if !header.is_response {
        if let Some(oldest) = transactions.open(key, bytes) {
            transactions.recycle(oldest);
        }
        return Ok(());
    }
    let Some(request) = transactions.close(|other| *other == key) else { return Ok(()) };
    let mut event = report.event("smb");
    event.number("id", request.number).label("command", name);
    event
        .label("status", status(header.status))
        .text("status_code", format!("0x{:x}", header.status).as_bytes());
    event.number("tree_id", header.tree);
    write_data(&header, &request.bytes, bytes, &mut event);
    if !matches!(header.command, 0x72 | 0x73) {
        clear.tell(&mut event);
    }
    drop(event);
    transactions.recycle(request);
    Ok(())
}

fn write_data(header: &Header, request: &[u8], response: &[u8], event: &mut EventWriter<'_>) {
    let Some((words, data)) = body(request) else { return };
    match header.command {
        0x72 => write_dialects(data, body(response).map_or(&[][..], |(words, _)| words), event),
        0x73 => security::write(request, event),
        0x75 => {
            // AndX, flags, length of the password; behind it the path, in 16-bit units on an even place.
            let password =
                words.get(6..).and_then(<[u8]>::first_chunk).map_or(0, |len| u16::from_le_bytes(*len));
            let Some(path) = data.get(usize::from(password)..) else { return };
            let skipped =
                usize::from(header.is_unicode && (HEADER + 3 + words.len() + usize::from(password)) % 2 == 1);
            event.text("share", &header.text(path.get(skipped..).unwrap_or_default()));
        }
        0xa2 => {
            let len = words
                .get(5..)
                .and_then(<[u8]>::first_chunk)
                .map_or(0, |len| usize::from(u16::from_le_bytes(*len)));
            let skipped = usize::from(header.is_unicode && (HEADER + 3 + words.len()) % 2 == 1);
            if let Some(name) = data.get(skipped..) {
                event.text("filename", &header.text(name.get(..len).unwrap_or(name)));
            }
        }
        // Delete, rename: a format byte and the name.
        _ => {
            event.text("filename", &header.text(data.get(1..).unwrap_or_default()));
        }
    }
}

/// The dialects that a client speaks, the one the server takes, and signing ([MS-CIFS] 2.2.4.52).
fn write_dialects(data: &[u8], words: &[u8], event: &mut EventWriter<'_>) {
    let dialects = || data.split(|byte| *byte == 0).filter_map(|dialect| dialect.strip_prefix(&[2])).take(32);
    event.list("client_dialects");
    for dialect in dialects() {
        event.text("", dialect);
    }
    event.close();
    let mut cursor = Cursor::new(words);
    if let Some(dialect) = cursor.u16_le().and_then(|index| dialects().nth(index.into())) {
        event.text("dialect", dialect);
    }
    if let (Some(mode), true) = (cursor.u8(), words.len() == 34) {
        event.flag("signing_enabled", mode & 4 != 0).flag("signing_required", mode & 8 != 0);
    }
}

/// Name of a command that is written.
const fn command(code: u8) -> Option<&'static str> {
    Some(match code {
        0x06 => "SMB1_COMMAND_DELETE",
        0x07 => "SMB1_COMMAND_RENAME",
        0x72 => "SMB1_COMMAND_NEGOTIATE_PROTOCOL",
        0x73 => "SMB1_COMMAND_SESSION_SETUP_ANDX",
        0x75 => "SMB1_COMMAND_TREE_CONNECT_ANDX",
        0xa2 => "SMB1_COMMAND_NT_CREATE_ANDX",
        _ => return None,
    })
}
