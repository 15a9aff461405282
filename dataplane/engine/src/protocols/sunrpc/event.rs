//! The events `nfs`, with `rpc` in it as Suricata's EVE output has it beside it, and `sunrpc`.

use super::names::{self, MOUNT_PROGRAM, NFS_PROGRAM, PORTMAP_PROGRAM};
use super::rpc::{Reply, Status};
use super::{Asked, nfs, portmap};
use crate::protocols::clear::Clear;
use crate::protocols::framed::{Report, Request};
use crate::record::EventWriter;

/// Writes a call with its reply.
pub(super) fn write(
    request: &Request<Asked>,
    reply: Option<&Reply<'_>>,
    clear: &mut Clear,
    report: &mut Report<'_, '_>,
) {
    let asked = &request.key;
    let mut event = report.event(if asked.program == NFS_PROGRAM { "nfs" } else { "sunrpc" });
    // Procedure 0 does nothing, and makes a security context (RFC 2203, 5.2.2).
    if asked.procedure != 0 && asked.credentials.is_clear() {
        clear.tell(&mut event);
    }
    write_rpc(asked, reply, &mut event);
    match names::program(asked.program) {
        Some(name) => event.label("program", name),
        None => event.number("program", asked.program),
    };
    event.number("version", asked.version);
    match names::procedure(asked.program, asked.version, asked.procedure) {
        Some(name) => event.label("procedure", name),
        None => event.number("procedure", asked.procedure),
    };
    event.label("type", if reply.is_some() { "response" } else { "request" });
    event.number("id", request.number);
    if asked.credentials.is_wrapped() {
        return;
    }
    let results = reply.filter(|reply| reply.status == Status::Accepted(0)).map(|reply| reply.results);
    match asked.program {
        NFS_PROGRAM => nfs::write(asked, &request.bytes, results, &mut event),
        PORTMAP_PROGRAM => portmap::write(asked, &request.bytes, results, &mut event),
        MOUNT_PROGRAM => portmap::write_mount(asked, &request.bytes, results, &mut event),
        _ => {}
    }
}

fn write_rpc(asked: &Asked, reply: Option<&Reply<'_>>, event: &mut EventWriter<'_>) {
    event.object("rpc").number("xid", asked.xid);
    match reply.map(|reply| reply.status) {
        Some(Status::Accepted(0)) => {
            event.label("status", "ACCEPTED");
        }
        Some(Status::Accepted(code)) => {
            event.label("status", "ACCEPTED").label("accept_status", names::accept_status(code));
        }
        Some(Status::Denied(code, reason)) => {
            event.label("status", "DENIED");
            event.label("reject_status", if code == 0 { "RPC_MISMATCH" } else { "AUTH_ERROR" });
            if code == 1 {
                event.number("auth_status", reason);
            }
        }
        None => {}
    }
    let credentials = &asked.credentials;
    match credentials.name() {
        Some(name) => event.label("auth_type", name),
        None => event.number("auth_type", credentials.flavor),
    };
    if let Some((machine, user, group)) = &credentials.unix {
        event
            .object("creds")
            .text("machine_name", machine)
            .number("uid", *user)
            .number("gid", *group)
            .close();
    }
    if let Some(service) = credentials.service {
        event.label("gss_service", names::gss_service(service));
    }
    event.close();
}
