//! Where programs listen (RFC 1833), and what is mounted (RFC 1813 appendix I, RFC 1094 appendix A).

use super::rpc::opaque;
use super::{Asked, names};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// Bytes of a path or an address that are written.
const TEXT_MAX: u32 = 1024;

/// Writes a call of the port mapper, version 2, or of rpcbind, versions 3 and 4.
pub(super) fn write(asked: &Asked, arguments: &[u8], results: Option<&[u8]>, event: &mut EventWriter<'_>) {
    let mut cursor = Cursor::new(arguments);
    if !matches!(asked.procedure, 1..=3 | 5) {
        return;
    }
    let Some((program, version)) = cursor.u32().zip(cursor.u32()) else { return };
    event.object("query");
    match names::program(program) {
        Some(name) => event.label("program", name),
        None => event.number("program", program),
    };
    event.number("version", version);
    if asked.version == 2 {
        match (asked.procedure, cursor.u32()) {
            (5, Some(procedure)) => {
                event.number("procedure", procedure);
            }
            (_, Some(6)) => {
                event.label("protocol", "tcp");
            }
            (_, Some(17)) => {
                event.label("protocol", "udp");
            }
            _ => {}
        }
        event.close();
        let port = results.and_then(|results| Cursor::new(results).u32()).filter(|port| *port < 65536);
        if let (3 | 5, Some(port)) = (asked.procedure, port) {
            event.number("port", port);
        }
        return;
    }
    if asked.procedure != 5 {
        for name in ["netid", "address", "owner"] {
            let Some(text) = opaque(&mut cursor, TEXT_MAX) else { break };
            if !text.is_empty() {
                event.text(name, text);
            }
        }
    }
    event.close();
    if let (3, Some(address)) =
        (asked.procedure, results.and_then(|results| opaque(&mut Cursor::new(results), TEXT_MAX)))
    {
        event.text("address", address);
    }
}

/// Writes a call of the mount daemon.
pub(super) fn write_mount(
    asked: &Asked,
    arguments: &[u8],
    results: Option<&[u8]>,
    event: &mut EventWriter<'_>,
) {
    if matches!(asked.procedure, 1 | 3)
        && let Some(path) = opaque(&mut Cursor::new(arguments), TEXT_MAX)
    {
        event.text("path", path);
    }
    if asked.procedure == 1
        && let Some(status) = results.and_then(|results| Cursor::new(results).u32())
    {
        // The same numbers as NFS has.
        match names::nfs_status(status) {
            Some(name) => event.label("status", name),
            None => event.number("status", status),
        };
    }
}
