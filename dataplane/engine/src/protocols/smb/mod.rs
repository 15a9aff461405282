//! Server Message Block, versions 1 to 3 ([MS-CIFS], [MS-SMB], [MS-SMB2]), over TCP and NetBIOS sessions (RFC 1002, 4.3).
//!
//! `first` reads messages of version 1, `second` those of versions 2 and 3, `security` who logs on, `pipes` remote
//! procedure calls.

mod first;
mod pipes;
mod second;
mod security;

use super::clear::Clear;
use super::framed::{self, Framing, Message, Messages, Next, Report, Transactions};
use super::netbios::Name;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;
use pipes::Pipes;

/// The members of the events of SMB, with or without a NetBIOS session.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "access", "anonymous", "called_name", "called_service", "calling_name", "cipher", "client_dialects",
    "client_guid", "command", "compressed", "delete_on_close", "dialect", "disposition", "encrypted",
    "encryption_supported", "error_code", "filename", "guest", "id", "ntlmssp", "server_guid", "session_id",
    "share", "share_type", "signed", "signing_algorithm", "signing_enabled", "signing_required", "status",
    "status_code", "tree_id", "type",
];

/// SMB, of all versions.
pub static SMB: Protocol = Protocol {
    name: "smb",
    title: "SMB",
    family: Family::Storage,
    carriers: &[Carrier::Tcp],
    ports: &[445],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(4, &[0]),
    probe: Some(probe),
    parser: Some(framed::parser::<Smb>),
    events: &["smb", "nbss", "dcerpc", "anomaly"],
    source: "[MS-SMB2], [MS-SMB], [MS-CIFS]",
};

/// NetBIOS sessions; what they carry is SMB.
pub static NBSS: Protocol = Protocol {
    name: "nbss",
    title: "NetBIOS session service",
    family: Family::Infrastructure,
    carriers: &[Carrier::Tcp],
    ports: &[139],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(4, &[0x81, 0x82, 0x83, 0x84]),
    probe: Some(session),
    parser: Some(framed::parser::<Smb>),
    events: &["smb", "nbss", "dcerpc", "anomaly"],
    source: "RFC 1002, 4.3",
};

/// Bytes of a message that are read.
const SHOWN_MAX: usize = 4096;
/// Messages of one frame that are read ([MS-SMB2] 3.2.4.1.4).
const COMPOUND_MAX: usize = 16;

/// Four bytes of framing, then the name of the protocol.
fn probe(probe: &Probe<'_>) -> Found {
    look(probe.payload)
}

fn look(bytes: &[u8]) -> Found {
    let Some((&[kind, a, b, c], rest)) = bytes.split_first_chunk::<4>() else { return Found::Maybe };
    let len = u32::from_be_bytes([0, a, b, c]);
    if kind != 0 || len < 16 {
        return Found::No;
    }
    match rest.split_first() {
        None => Found::Maybe,
        Some((0xfc..=0xff, b"")) => Found::Maybe,
        Some((0xfc..=0xff, name)) if name.starts_with(b"SMB") => Found::Yes,
        Some((0xfc..=0xff, name)) if b"SMB".starts_with(name) => Found::Maybe,
        Some(_) => Found::No,
    }
}

/// A request between two names, or the answer to one.
fn session(probe: &Probe<'_>) -> Found {
    let bytes = probe.payload;
    let Some((&[kind, flags, a, b], rest)) = bytes.split_first_chunk::<4>() else { return Found::Maybe };
    let len = usize::from(u16::from_be_bytes([a, b]));
    let on_port = probe.has_port(139);
    match kind {
        0x81 if flags == 0 && (68..=512).contains(&len) => match names(rest) {
            Some(_) => Found::Yes,
            None if rest.len() < len && rest.first().is_none_or(|length| *length == 32) => Found::Maybe,
            None => Found::No,
        },
        0x82 if flags == 0 && len == 0 && rest.is_empty() && on_port => Found::Likely(90),
        0x83 if flags == 0 && len == 1 && matches!(rest, [0x80..=0x83 | 0x8f]) && on_port => {
            Found::Likely(92)
        }
        0x84 if flags == 0 && len == 6 && rest.len() == 6 && on_port => Found::Likely(85),
        _ => Found::No,
    }
}

/// Called and calling name of a session request.
fn names(bytes: &[u8]) -> Option<(Name, Name)> {
    let (called, len) = Name::read(bytes)?;
    let (calling, _) = Name::read(bytes.get(len..)?)?;
    Some((called, calling))
}

/// What a response has in common with its request: version, and number or process and multiplex ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    First(u32),
    Second(u64),
}

/// SMB on one flow.
#[derive(Debug, Default)]
struct Smb {
    transactions: Transactions<Key>,
    pipes: Pipes,
    /// What is said once of a flow: that it is SMB, encrypted, compressed.
    is_told: bool,
    is_encrypted: bool,
    is_compressed: bool,
    clear: Clear,
}

impl Smb {
    fn smb(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let (&version, rest) = bytes.split_first().ok_or("malformed_data")?;
        if !rest.starts_with(b"SMB") {
            return Err("malformed_data");
        }
        if !self.is_told {
            self.is_told = true;
            report.refine("smb", 99);
        }
        match version {
            0xff => first::read(bytes, &mut self.transactions, &mut self.clear, report),
            0xfe => self.second(bytes, report),
            0xfd => {
                if !self.is_encrypted {
                    self.is_encrypted = true;
                    report.event("smb").flag("encrypted", true);
                }
                Ok(())
            }
            0xfc => {
                if !self.is_compressed {
                    self.is_compressed = true;
                    report.event("smb").flag("compressed", true);
                }
                Ok(())
            }
            _ => Err("malformed_data"),
        }
    }

    fn second(&mut self, bytes: &[u8], report: &mut Report<'_, '_>) -> Result<(), &'static str> {
        let mut rest = bytes;
        for _ in 0..COMPOUND_MAX {
            let next = second::read(rest, &mut self.transactions, &mut self.clear, report)?;
            if let Some(place) = second::place(rest) {
                let message = if next == 0 { rest } else { rest.get(..next).unwrap_or(rest) };
                self.pipes.message(place, message, report);
            }
            if next == 0 {
                break;
            }
            match rest.get(next..) {
                Some(more) if !more.is_empty() => rest = more,
                _ => break,
            }
        }
        Ok(())
    }
}

impl Messages for Smb {
    const NAME: &'static str = "smb";

    fn framing(&mut self, bytes: &[u8], _: Direction) -> Framing {
        let Some(&[kind, a, b, c]) = bytes.first_chunk() else { return Framing::Open };
        let len = match kind {
            0 => usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            0x81..=0x85 if a <= 1 => usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            _ => return Framing::Invalid("invalid_session_message"),
        };
        Framing::at_most(4 + len, SHOWN_MAX)
    }

    fn message(&mut self, message: Message<'_>, report: &mut Report<'_, '_>) -> Result<Next, &'static str> {
        let (&[kind, ..], rest) = message.bytes.split_first_chunk::<4>().ok_or("malformed_data")?;
        match kind {
            0 if rest.is_empty() => {}
            0 => self.smb(rest, report)?,
            0x81 => {
                let (called, calling) = names(rest).ok_or("malformed_data")?;
                let mut event = report.event("nbss");
                event
                    .label("type", "request")
                    .text("called_name", called.text())
                    .label("called_service", called.service());
                event.text("calling_name", calling.text());
            }
            0x82 => {
                report.event("nbss").label("type", "positive_response");
            }
            0x83 => {
                let code = rest.first().copied().unwrap_or_default();
                report.event("nbss").label("type", "negative_response").number("error_code", code);
            }
            _ => {}
        }
        Ok(Next::More)
    }

    fn starts(&self, bytes: &[u8], _: Direction) -> Found {
        look(bytes)
    }

    fn finish(&mut self, report: &mut Report<'_, '_>) {
        self.pipes.finish(report);
    }

    fn clear(&mut self) {
        self.transactions.clear();
        self.pipes.clear();
        (self.is_told, self.is_encrypted, self.is_compressed) = (false, false, false);
        self.clear = Clear::default();
    }
}

/// Text of 16-bit units, little-endian, at most 512 of them.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().take(512).map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .take_while(|unit| *unit != '\0')
        .collect()
}

/// Name of a status ([MS-ERREF] 2.3), of those that logons and opening files meet.
const fn status(code: u32) -> &'static str {
    match code {
        0 => "STATUS_SUCCESS",
        0x103 => "STATUS_PENDING",
        0x8000_0005 => "STATUS_BUFFER_OVERFLOW",
        0xc000_000d => "STATUS_INVALID_PARAMETER",
        0xc000_0016 => "STATUS_MORE_PROCESSING_REQUIRED",
        0xc000_0022 => "STATUS_ACCESS_DENIED",
        0xc000_0034 => "STATUS_OBJECT_NAME_NOT_FOUND",
        0xc000_0035 => "STATUS_OBJECT_NAME_COLLISION",
        0xc000_003a => "STATUS_OBJECT_PATH_NOT_FOUND",
        0xc000_0043 => "STATUS_SHARING_VIOLATION",
        0xc000_0056 => "STATUS_DELETE_PENDING",
        0xc000_005e => "STATUS_NO_LOGON_SERVERS",
        0xc000_0064 => "STATUS_NO_SUCH_USER",
        0xc000_006d => "STATUS_LOGON_FAILURE",
        0xc000_006e => "STATUS_ACCOUNT_RESTRICTION",
        0xc000_0071 => "STATUS_PASSWORD_EXPIRED",
        0xc000_0072 => "STATUS_ACCOUNT_DISABLED",
        0xc000_00ba => "STATUS_FILE_IS_A_DIRECTORY",
        0xc000_00bb => "STATUS_NOT_SUPPORTED",
        0xc000_00cc => "STATUS_BAD_NETWORK_NAME",
        0xc000_0203 => "STATUS_USER_SESSION_DELETED",
        0xc000_0234 => "STATUS_ACCOUNT_LOCKED_OUT",
        _ => "OTHER",
    }
}

#[cfg(test)]
mod tests;
