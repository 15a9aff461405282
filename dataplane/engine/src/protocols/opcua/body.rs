//! What service messages that can be read say (IEC 62541-4, clause 5): whom they are about, who logs in.

use super::names::{Half, security_mode, service, status};
use super::value::{NodeId, count, skip_extension, skip_localised, string};
use crate::protocols::framed::{Cursor, Masked};
use crate::record::EventWriter;

/// Nodes of one message that are written.
const NODES_MAX: usize = 16;

/// A message whose type is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub(super) service: &'static str,
    pub(super) half: Half,
    id: u32,
    cursor: Cursor<'a>,
}

impl<'a> Body<'a> {
    /// Reads the type; None where there is none (the message is encrypted, or of another kind).
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let id = NodeId::read(&mut cursor)?.standard()?;
        let (service, half) = service(id)?;
        Some(Self { service, half, id, cursor })
    }

    /// Status of a response (5.x, response header): after a time and the request's handle.
    pub(super) fn status(&self) -> Option<u32> {
        let mut cursor = self.cursor;
        cursor.take(12)?;
        if self.half == Half::Response { cursor.u32_le() } else { None }
    }

    /// Mode of a channel that a request opens.
    pub(super) fn security_mode(&self) -> Option<u32> {
        let mut cursor = self.cursor;
        skip_request_header(&mut cursor)?;
        // Version and kind of the request.
        cursor.take(8)?;
        if self.id == 446 { cursor.u32_le() } else { None }
    }

    /// Writes what is of interest as members of an object.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        let mut cursor = self.cursor;
        if let Some(code) = self.status() {
            event.number("status_code", code).label("status", status(code));
        }
        if self.half == Half::Request && skip_request_header(&mut cursor).is_some() {
            let _ = match self.id {
                446 => write_open(cursor, event),
                461 => write_create_session(cursor, event),
                467 => write_activate_session(cursor, event),
                527 => write_browse(cursor, event),
                631 => write_read(cursor, event),
                673 => write_write(cursor, event),
                712 => write_call(cursor, event),
                _ => None,
            };
        }
    }
}

/// Token, time, handle, diagnostics, audit entry, timeout, additional header.
fn skip_request_header(cursor: &mut Cursor<'_>) -> Option<()> {
    NodeId::read(cursor)?;
    cursor.take(16)?;
    string(cursor)?;
    cursor.take(4)?;
    skip_extension(cursor)
}

fn write_open(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    cursor.take(4)?;
    let kind = if cursor.u32_le()? == 0 { "issue" } else { "renew" };
    event.label("request_type", kind).label("security_mode", security_mode(cursor.u32_le()?));
    string(&mut cursor)?;
    event.number("lifetime_ms", cursor.u32_le()?);
    Some(())
}

fn write_create_session(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    // The client describes itself.
    event.text("application_uri", string(&mut cursor)?);
    string(&mut cursor)?;
    skip_localised(&mut cursor)?;
    cursor.take(4)?;
    string(&mut cursor)?;
    string(&mut cursor)?;
    for _ in 0..count(&mut cursor)? {
        string(&mut cursor)?;
    }
    string(&mut cursor)?;
    event.text("endpoint_url", string(&mut cursor)?);
    event.text("session_name", string(&mut cursor)?);
    Some(())
}

fn write_activate_session(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    // The client's signature, certificates of its software, locales.
    string(&mut cursor)?;
    string(&mut cursor)?;
    for _ in 0..count(&mut cursor)? {
        string(&mut cursor)?;
        string(&mut cursor)?;
    }
    for _ in 0..count(&mut cursor)? {
        string(&mut cursor)?;
    }
    let kind = NodeId::read(&mut cursor)?.standard()?;
    let name = match kind {
        319 | 321 => "anonymous",
        322 | 324 => "username",
        325 | 327 => "certificate",
        938 | 940 => "issued_token",
        _ => "other",
    };
    event.object("credentials").label("kind", name);
    let _ = write_username(kind, cursor, event);
    event.close();
    Some(())
}

/// The user, masked, and whether the password stands there in clear. The password is not kept.
fn write_username(kind: u32, mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    if kind != 324 || cursor.u8()? != 1 {
        return None;
    }
    let mut token = Cursor::new(string(&mut cursor)?);
    string(&mut token)?;
    let user = string(&mut token)?;
    Masked::of(user).write("user", event);
    let password = string(&mut token)?;
    let algorithm = string(&mut token)?;
    event.flag("password_in_clear", !password.is_empty() && algorithm.is_empty());
    Some(())
}

fn write_browse(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    // The view: node, time, version; the most references wanted.
    NodeId::read(&mut cursor)?;
    cursor.take(12 + 4)?;
    write_list(cursor, event, |cursor, event| {
        NodeId::read(cursor)?.write("", event);
        cursor.take(4)?;
        NodeId::read(cursor)?;
        cursor.take(9).map(drop)
    })
}

fn write_read(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    // Greatest age, which times to return.
    cursor.take(8 + 4)?;
    write_list(cursor, event, |cursor, event| {
        NodeId::read(cursor)?.write("", event);
        // Attribute, range, encoding.
        cursor.take(4)?;
        string(cursor)?;
        cursor.take(2)?;
        string(cursor).map(drop)
    })
}

fn write_write(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    // Values differ in length with their type: the first node is what can be told without them all.
    let nodes = count(&mut cursor)?;
    event.number("count", nodes as u64);
    if nodes > 0 {
        let node = NodeId::read(&mut cursor)?;
        event.list("nodes");
        node.write("", event);
        event.close().number("attribute", cursor.u32_le()?);
    }
    Some(())
}

fn write_call(mut cursor: Cursor<'_>, event: &mut EventWriter<'_>) -> Option<()> {
    let methods = count(&mut cursor)?;
    event.number("count", methods as u64);
    if methods > 0 {
        NodeId::read(&mut cursor)?.write("object", event);
        NodeId::read(&mut cursor)?.write("method", event);
    }
    Some(())
}

/// A number and as many nodes, each with what follows it.
fn write_list(
    mut cursor: Cursor<'_>,
    event: &mut EventWriter<'_>,
    mut one: impl FnMut(&mut Cursor<'_>, &mut EventWriter<'_>) -> Option<()>,
) -> Option<()> {
    let nodes = count(&mut cursor)?;
    event.number("count", nodes as u64).list("nodes");
    for _ in 0..nodes.min(NODES_MAX) {
        if one(&mut cursor, event).is_none() {
            break;
        }
    }
    event.close();
    Some(())
}
