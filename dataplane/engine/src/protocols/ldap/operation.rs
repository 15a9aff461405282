//! The `ldap` event: `request` and `responses` in the names of Suricata's EVE output.

use super::filter;
use super::names::{self, result};
use super::{Asked, Auth, NAME_MAX};
use crate::protocols::ber::{BOOLEAN, ENUMERATED, Elements, INTEGER, OCTET_STRING, SEQUENCE, SET, integer};
use crate::protocols::clear::Clear;
use crate::protocols::framed::{Report, Request};
use crate::record::{Datum, EventWriter};

/// Members of a list that are written.
const LIST_MAX: usize = 32;
/// Bytes of a filter that are written.
const FILTER_MAX: usize = 1024;

/// Tags of operations (RFC 4511, 4.2 to 4.14).
pub(super) mod tag {
    pub(in super::super) const BIND: u8 = 0x60;
    pub(in super::super) const BIND_RESPONSE: u8 = 0x61;
    pub(in super::super) const UNBIND: u8 = 0x42;
    pub(in super::super) const SEARCH: u8 = 0x63;
    pub(in super::super) const ENTRY: u8 = 0x64;
    pub(in super::super) const SEARCH_DONE: u8 = 0x65;
    pub(in super::super) const MODIFY: u8 = 0x66;
    pub(in super::super) const MODIFY_RESPONSE: u8 = 0x67;
    pub(in super::super) const ADD: u8 = 0x68;
    pub(in super::super) const ADD_RESPONSE: u8 = 0x69;
    pub(in super::super) const DELETE: u8 = 0x4a;
    pub(in super::super) const DELETE_RESPONSE: u8 = 0x6b;
    pub(in super::super) const RENAME: u8 = 0x6c;
    pub(in super::super) const RENAME_RESPONSE: u8 = 0x6d;
    pub(in super::super) const COMPARE: u8 = 0x6e;
    pub(in super::super) const COMPARE_RESPONSE: u8 = 0x6f;
    pub(in super::super) const ABANDON: u8 = 0x50;
    pub(in super::super) const REFERENCE: u8 = 0x73;
    pub(in super::super) const EXTENDED: u8 = 0x77;
    pub(in super::super) const EXTENDED_RESPONSE: u8 = 0x78;
    pub(in super::super) const INTERMEDIATE: u8 = 0x79;

    /// Whether a client says this.
    pub(in super::super) const fn is_request(tag: u8) -> bool {
        matches!(tag, BIND | UNBIND | SEARCH | MODIFY | ADD | DELETE | RENAME | COMPARE | ABANDON | EXTENDED)
    }

    /// Whether this ends an operation with a result.
    pub(in super::super) const fn is_result(tag: u8) -> bool {
        matches!(
            tag,
            BIND_RESPONSE
                | SEARCH_DONE
                | MODIFY_RESPONSE
                | ADD_RESPONSE
                | DELETE_RESPONSE
                | RENAME_RESPONSE
                | COMPARE_RESPONSE
                | EXTENDED_RESPONSE
        )
    }
}

/// What a response says (4.1.9).
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome<'a> {
    tag: u8,
    pub(super) code: Option<i64>,
    matched: &'a [u8],
    message: &'a [u8],
    /// Name of an extended response.
    name: Option<&'a [u8]>,
}

impl<'a> Outcome<'a> {
    pub(super) fn read(tag: u8, content: &'a [u8]) -> Self {
        let mut fields = Elements::new(content);
        let code = fields.with_tag(ENUMERATED).and_then(integer);
        let matched = fields.cut_with_tag(OCTET_STRING).unwrap_or_default();
        let message = fields.cut_with_tag(OCTET_STRING).unwrap_or_default();
        let name = fields.find(|(tag, _)| *tag == 0x8a).map(|(_, name)| name);
        Self { tag, code, matched, message, name }
    }

    fn write(&self, id: i64, event: &mut EventWriter<'_>) {
        let operation = names::operation(self.tag);
        event
            .object("")
            .label("operation", operation)
            .datum("message_id", Datum::Signed(id))
            .object(operation);
        if let Some(code) = self.code {
            match result(code) {
                Some(name) => event.label("result_code", name),
                None => event.text("result_code", code.to_string().as_bytes()),
            };
        }
        event.text("matched_dn", cut(self.matched)).text("message", cut(self.message));
        if let Some(name) = self.name {
            event.text("name", cut(name));
        }
        event.close().close();
    }
}

fn cut(text: &[u8]) -> &[u8] {
    text.get(..NAME_MAX).unwrap_or(text)
}

/// Whether a request should not go in the clear. What clients ask the root of the tree, and binds that bring no password,
/// come before a security layer or TLS.
fn is_private(request: &Request<Asked>) -> bool {
    match request.key.tag {
        tag::BIND => matches!(request.key.auth, Auth::Simple(true)),
        tag::SEARCH => !request.bytes.starts_with(&[OCTET_STRING, 0]),
        tag::EXTENDED | tag::UNBIND | tag::ABANDON => false,
        _ => true,
    }
}

/// Writes a request and what became of it.
pub(super) fn write(
    request: &Request<Asked>,
    outcome: Option<&Outcome<'_>>,
    clear: &mut Clear,
    report: &mut Report<'_, '_>,
) {
    let asked = &request.key;
    let operation = names::operation(asked.tag);
    let mut event = report.event("ldap");
    event.object("request").label("operation", operation).datum("message_id", Datum::Signed(asked.id));
    let fields = Elements::new(&request.bytes);
    match asked.tag {
        tag::UNBIND => {}
        tag::DELETE => {
            event.object(operation).text("dn", cut(&request.bytes)).close();
        }
        tag::ABANDON => {
            if let Some(id) = integer(&request.bytes) {
                event.object(operation).datum("message_id", Datum::Signed(id)).close();
            }
        }
        _ => {
            event.object(operation);
            write_fields(asked, fields, &mut event);
            event.close();
        }
    }
    event.close();
    if is_private(request) {
        clear.tell(&mut event);
    }
    if let Auth::Simple(true) = asked.auth {
        event.object("credentials").label("kind", "simple").flag("password_in_clear", true).close();
    }
    if asked.entries == 0 && asked.references == 0 && outcome.is_none() {
        return;
    }
    if asked.entries > 0 || asked.references > 0 {
        event.number("entries", asked.entries);
        if asked.references > 0 {
            event.number("references", asked.references);
        }
    }
    event.list("responses");
    for object in &asked.objects {
        let name = "search_result_entry";
        event.object("").label("operation", name).datum("message_id", Datum::Signed(asked.id));
        event.object(name).text("base_object", object).close().close();
    }
    if let Some(outcome) = outcome {
        outcome.write(asked.id, &mut event);
    }
    event.close();
}

/// Writes a response to nothing that was seen.
pub(super) fn write_unasked(id: i64, outcome: &Outcome<'_>, report: &mut Report<'_, '_>) {
    let mut event = report.event("ldap");
    event.list("responses");
    outcome.write(id, &mut event);
}

fn write_fields(asked: &Asked, mut fields: Elements<'_>, event: &mut EventWriter<'_>) {
    match asked.tag {
        tag::BIND => {
            if let Some(version) = fields.integer() {
                event.datum("version", Datum::Signed(version));
            }
            event.text("name", cut(fields.cut_with_tag(OCTET_STRING).unwrap_or_default()));
            match &asked.auth {
                Auth::Simple(false) => {
                    event.label("authentication", "anonymous");
                }
                Auth::Simple(true) => {
                    event.label("authentication", "simple");
                }
                Auth::Sasl(mechanism) => {
                    event.label("authentication", "sasl").object("sasl").text("mechanism", mechanism).close();
                }
                Auth::Sicily => {
                    event.label("authentication", "sicily");
                }
                Auth::Other => {}
            }
        }
        tag::SEARCH => write_search(fields, event),
        tag::MODIFY => {
            event.text("object", cut(fields.cut_with_tag(OCTET_STRING).unwrap_or_default()));
            write_changes(fields, event);
        }
        tag::ADD => {
            event.text("entry", cut(fields.cut_with_tag(OCTET_STRING).unwrap_or_default()));
            write_attributes(fields, event);
        }
        tag::RENAME => {
            for name in ["entry", "new_rdn"] {
                event.text(name, cut(fields.cut_with_tag(OCTET_STRING).unwrap_or_default()));
            }
            if let Some(&[delete]) = fields.with_tag(BOOLEAN) {
                event.flag("delete_old_rdn", delete != 0);
            }
            if let Some(superior) = fields.cut_with_tag(0x80) {
                event.text("new_superior", cut(superior));
            }
        }
        tag::COMPARE => {
            event.text("entry", cut(fields.cut_with_tag(OCTET_STRING).unwrap_or_default()));
            let description = fields.cut_with_tag(SEQUENCE).map(Elements::new);
            let description = description.and_then(|mut parts| parts.cut_with_tag(OCTET_STRING));
            event
                .object("attribute_value_assertion")
                .text("description", cut(description.unwrap_or_default()))
                .close();
        }
        tag::EXTENDED => {
            let oid = fields.cut_with_tag(0x80).unwrap_or_default();
            event.text("name", cut(oid));
            if let Some(name) = names::extended(oid) {
                event.label("extension", name);
            }
        }
        _ => {}
    }
}

/// A search request (4.5.1).
fn write_search(mut fields: Elements<'_>, event: &mut EventWriter<'_>) {
    event.text("base_object", cut(fields.cut_with_tag(OCTET_STRING).unwrap_or_default()));
    for name in ["scope", "deref_alias"] {
        if let Some(value) = fields.with_tag(ENUMERATED).and_then(integer) {
            event.datum(name, Datum::Signed(value));
        }
    }
    for name in ["size_limit", "time_limit"] {
        if let Some(value) = fields.with_tag(INTEGER).and_then(integer) {
            event.datum(name, Datum::Signed(value));
        }
    }
    if let Some(&[types_only]) = fields.with_tag(BOOLEAN) {
        event.flag("types_only", types_only != 0);
    }
    if let Some((kind, content)) = fields.next_cut() {
        let mut text = Vec::new();
        filter::write(kind, content, FILTER_MAX, &mut text);
        event.text("filter", &text);
    }
    let Some(attributes) = fields.cut_with_tag(SEQUENCE) else { return };
    event.list("attributes");
    let mut attributes = Elements::new(attributes);
    for _ in 0..LIST_MAX {
        let Some(attribute) = attributes.with_tag(OCTET_STRING) else { break };
        event.text("", cut(attribute));
    }
    event.close();
}

/// Changes of a modify request (4.6). Values may be passwords: only how many there are is told.
fn write_changes(mut fields: Elements<'_>, event: &mut EventWriter<'_>) {
    let Some(mut changes) = fields.cut_with_tag(SEQUENCE).map(Elements::new) else { return };
    event.list("changes");
    for _ in 0..LIST_MAX {
        let Some(mut change) = changes.cut_with_tag(SEQUENCE).map(Elements::new) else { break };
        let operation = match change.with_tag(ENUMERATED) {
            Some(&[0]) => "add",
            Some(&[1]) => "delete",
            Some(&[2]) => "replace",
            Some(&[3]) => "increment",
            _ => break,
        };
        event.object("").label("operation", operation);
        if let Some(attribute) = change.cut_with_tag(SEQUENCE) {
            event.object("modification");
            write_attribute(attribute, "attribute_type", event);
            event.close();
        }
        event.close();
    }
    event.close();
}

/// Attributes of an add request (4.7).
fn write_attributes(mut fields: Elements<'_>, event: &mut EventWriter<'_>) {
    let Some(mut attributes) = fields.cut_with_tag(SEQUENCE).map(Elements::new) else { return };
    event.list("attributes");
    for _ in 0..LIST_MAX {
        let Some(attribute) = attributes.cut_with_tag(SEQUENCE) else { break };
        event.object("");
        write_attribute(attribute, "name", event);
        event.close();
    }
    event.close();
}

fn write_attribute(attribute: &[u8], name: &'static str, event: &mut EventWriter<'_>) {
    let mut parts = Elements::new(attribute);
    event.text(name, cut(parts.cut_with_tag(OCTET_STRING).unwrap_or_default()));
    let values = parts.cut_with_tag(SET).map_or(0, |set| Elements::new(set).take(1024).count());
    event.number("values_count", values as u64);
}
