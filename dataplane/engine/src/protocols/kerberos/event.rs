//! The `krb5` event in the names of Suricata's EVE output, with what was asked for, and `crypto`.

use arrayvec::ArrayVec;

use super::message::{Asked, Error, Numbers, Reply, kind};
use super::names;
use crate::protocols::framed::Report;
use crate::record::{Datum, EventWriter};

/// Writes a reply with its request.
pub(super) fn write_reply(asked: Option<&Asked>, reply: &Reply, report: &mut Report<'_, '_>) {
    let mut event = report.event("krb5");
    event.label("msg_type", names::message(reply.tag));
    write_names(&reply.client, &reply.realm, &reply.service, &mut event);
    if reply.service_realm != reply.realm && !reply.service_realm.is_empty() {
        event.text("service_realm", &reply.service_realm);
    }
    write_etype("encryption", "weak_encryption", reply.etype, &mut event);
    write_etype("ticket_encryption", "ticket_weak_encryption", reply.ticket_etype, &mut event);
    if let Some(asked) = asked {
        write_request(asked, &mut event);
    }
    let mut weaknesses = weaknesses([reply.etype, reply.ticket_etype]);
    // What is encrypted with a key made of a password was given to somebody who did not show to know it.
    let is_free = |asked: &Asked| !asked.padata.iter().any(|kind| names::proves_key(*kind));
    if reply.tag == kind::AS_REP && asked.is_some_and(is_free) {
        weaknesses.push("no_preauthentication");
    }
    let is_public_key = reply.padata.iter().any(|kind| matches!(kind, 15 | 17));
    write_crypto(if is_public_key { "classical" } else { "symmetric" }, &weaknesses, &mut event);
}

/// Writes an error with the request that failed.
pub(super) fn write_error(asked: Option<&Asked>, error: &Error, report: &mut Report<'_, '_>) {
    let mut event = report.event("krb5");
    event.label("msg_type", "KRB_ERROR");
    if let Some(asked) = asked {
        event.label("failed_request", names::message(asked.tag));
    }
    match names::error(error.code) {
        Some(name) => event.label("error_code", name),
        None => event.text("error_code", error.code.to_string().as_bytes()),
    };
    let or = |first: &[u8], second: Option<&Vec<u8>>| {
        if first.is_empty() { second.cloned().unwrap_or_default() } else { first.to_vec() }
    };
    let client = or(&error.client, asked.map(|asked| &asked.client));
    let realm = or(&error.realm, asked.map(|asked| &asked.realm));
    let service = or(&error.service, asked.map(|asked| &asked.service));
    write_names(&client, &realm, &service, &mut event);
    if !error.text.is_empty() {
        event.text("error_text", &error.text);
    }
    write_etypes("offered_etypes", &error.etypes, &mut event);
    if let Some(asked) = asked {
        write_request(asked, &mut event);
    }
}

/// Writes a request to which nothing came.
pub(super) fn write_unanswered(asked: &Asked, report: &mut Report<'_, '_>) {
    let mut event = report.event("krb5");
    event.label("msg_type", names::message(asked.tag));
    write_names(&asked.client, &asked.realm, &asked.service, &mut event);
    write_request(asked, &mut event);
}

/// Writes a request to a service itself.
pub(super) fn write_application(reply: &Reply, report: &mut Report<'_, '_>) {
    let mut event = report.event("krb5");
    event.label("msg_type", names::message(reply.tag));
    write_names(&[], &reply.service_realm, &reply.service, &mut event);
    write_etype("encryption", "weak_encryption", reply.etype, &mut event);
    write_etype("ticket_encryption", "ticket_weak_encryption", reply.ticket_etype, &mut event);
    write_crypto("symmetric", &weaknesses([reply.etype, reply.ticket_etype]), &mut event);
}

fn write_names(client: &[u8], realm: &[u8], service: &[u8], event: &mut EventWriter<'_>) {
    for (name, value) in [("cname", client), ("realm", realm), ("sname", service)] {
        if !value.is_empty() {
            event.text(name, value);
        }
    }
}

fn write_etype(name: &'static str, weak_name: &'static str, etype: Option<i64>, event: &mut EventWriter<'_>) {
    let Some(etype) = etype else { return };
    match names::etype(etype) {
        Some(known) => event.label(name, known),
        None => event.text(name, etype.to_string().as_bytes()),
    };
    event.flag(weak_name, names::weakness(etype).is_some());
}

fn write_etypes(name: &'static str, etypes: &Numbers, event: &mut EventWriter<'_>) {
    if etypes.is_empty() {
        return;
    }
    event.list(name);
    for etype in etypes {
        match names::etype(*etype) {
            Some(known) => event.label("", known),
            None => event.text("", etype.to_string().as_bytes()),
        };
    }
    event.close();
}

fn write_request(asked: &Asked, event: &mut EventWriter<'_>) {
    event.object("request");
    write_etypes("etypes", &asked.etypes, event);
    let offers_weak = asked.etypes.iter().any(|etype| names::weakness(*etype).is_some());
    event.flag("offers_weak_encryption", offers_weak);
    if !asked.padata.is_empty() {
        event.list("padata");
        for number in &asked.padata {
            match names::padata(*number) {
                Some(name) => event.label("", name),
                None => event.datum("", Datum::Signed(*number)),
            };
        }
        event.close();
    }
    if asked.options != 0 {
        event.list("options");
        for (bit, name) in names::OPTIONS {
            if asked.options << bit >> 31 == 1 {
                event.label("", name);
            }
        }
        event.close();
    }
    event.close();
}

/// What falls of these encryption types, each once.
fn weaknesses(etypes: [Option<i64>; 2]) -> ArrayVec<&'static str, 3> {
    let mut weaknesses = ArrayVec::new();
    for weakness in etypes.into_iter().flatten().filter_map(names::weakness) {
        if !weaknesses.contains(&weakness) {
            weaknesses.push(weakness);
        }
    }
    weaknesses
}

fn write_crypto(class: &'static str, weaknesses: &[&'static str], event: &mut EventWriter<'_>) {
    let posture = if weaknesses.is_empty() { class } else { "weak" };
    event.object("crypto").label("class", class).label("posture", posture);
    if !weaknesses.is_empty() {
        event.list("weaknesses");
        for weakness in weaknesses {
            event.label("", weakness);
        }
        event.close();
    }
    event.close();
}
