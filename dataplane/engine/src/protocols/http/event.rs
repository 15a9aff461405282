//! The `http` event: one for each request with its response, in the names of Suricata's EVE output.

use super::fhir;
use super::field::without_parameters;
use super::message::{Kept, Message, Method, Role, Upgrade};
use super::service::FHIR;
use super::start_line::Version;
use crate::protocols::Output;
use crate::record::EventWriter;

/// Writes one transaction. `scratch` is storage for text that is put together.
pub(super) fn write(
    request: Option<&Message>,
    response: Option<&Message>,
    scratch: &mut Vec<u8>,
    out: &mut Output<'_>,
) {
    let mut event = out.event("http");
    let is_fhir = [request, response].into_iter().flatten().any(|message| message.service == Some(FHIR));
    if let Some(request) = request {
        if is_fhir {
            fhir::Request::read(request.text(Kept::Method), request.text(Kept::Target)).write(&mut event);
        }
        write_request(request, is_fhir, scratch, &mut event);
    }
    if let Some(response) = response {
        write_response(response, request, &mut event);
        write_redirect(response.text(Kept::Location), is_fhir, scratch, &mut event);
    } else if let Some(request) = request {
        write_version(request.version, &mut event);
    }
    if let Some(request) = request {
        write_credentials(request, &mut event);
    }
    write_anomalies(request, response, &mut event);
}

fn write_request(request: &Message, is_fhir: bool, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
    let target = request.text(Kept::Target);
    let host = request.text(Kept::Host);
    text(event, "hostname", request.hostname());
    if let Some(port) = request.port {
        event.number("http_port", port);
    }
    if !target.is_empty() {
        // The whole of it, as far as a request says it: host and port as sent, and the target.
        scratch.clear();
        if request.method != Method::Connect && !request.is_to_proxy() && target != b"*" {
            scratch.extend_from_slice(host);
        }
        let start = scratch.len();
        append(target, is_fhir || fhir::is_target(target), scratch);
        text(event, "url", scratch.get(start..).unwrap_or_default());
        event.text("uri", scratch);
    }
    text(event, "http_user_agent", request.text(Kept::UserAgent));
    text(event, "xff", request.text(Kept::ForwardedFor));
    scratch.clear();
    let referer = request.text(Kept::Referer);
    append(referer, is_fhir || fhir::is_target(referer), scratch);
    text(event, "http_refer", scratch);
    text(event, "http_method", request.text(Kept::Method));
    text(event, "request_content_type", without_parameters(request.text(Kept::ContentType)));
    if let Some(length) = request.framing.length {
        event.number("request_length", length);
    }
    match request.upgrade {
        Upgrade::None => {}
        Upgrade::WebSocket => {
            event.label("upgrade", "websocket");
        }
        Upgrade::Http2 => {
            event.label("upgrade", "h2c");
        }
        Upgrade::Other => {
            event.label("upgrade", "other");
        }
    }
}

fn write_response(response: &Message, request: Option<&Message>, event: &mut EventWriter<'_>) {
    text(event, "http_content_type", without_parameters(response.text(Kept::ContentType)));
    let range = response.text(Kept::ContentRange);
    if !range.is_empty() {
        event.object("content_range").text("raw", range).close();
    }
    // The request's version, as Suricata has it, where there is a request.
    let version = request.map_or(response.version, |request| request.version);
    write_version(version, event);
    event.number("status", response.status);
    let to_head = request.is_some_and(|request| request.method == Method::Head);
    if to_head || matches!(response.status, 204 | 304) {
        event.number("length", 0_u8);
    } else if let Some(length) = response.framing.length
        && !response.framing.coded
    {
        event.number("length", length);
    }
    text(event, "server", response.text(Kept::Server));
}

fn write_redirect(location: &[u8], is_fhir: bool, scratch: &mut Vec<u8>, event: &mut EventWriter<'_>) {
    scratch.clear();
    append(location, is_fhir || fhir::is_target(location), scratch);
    text(event, "redirect", scratch);
}

/// Appends a target, masked where patients stand in it.
fn append(target: &[u8], is_fhir: bool, into: &mut Vec<u8>) {
    if is_fhir {
        fhir::mask(target, into);
    } else {
        into.extend_from_slice(target);
    }
}

/// Of a request line that was too long, the version was not read.
fn write_version(version: Version, event: &mut EventWriter<'_>) {
    if version != Version::default() {
        event.text("protocol", &version.text());
    }
}

fn write_credentials(request: &Message, event: &mut EventWriter<'_>) {
    let Some(credentials) = request.credentials else { return };
    event.object("credentials").label("kind", credentials.kind.name());
    text(event, "user", request.text(Kept::User));
    event.flag("has_password", credentials.has_password).close();
}

fn write_anomalies(request: Option<&Message>, response: Option<&Message>, event: &mut EventWriter<'_>) {
    let of = |message: Option<&Message>| message.map(|message| message.anomalies).unwrap_or_default();
    let (in_request, in_response) = (of(request), of(response));
    if in_request.is_empty() && in_response.is_empty() {
        return;
    }
    event.list("anomalies");
    for name in in_request.names(Role::Request).chain(in_response.names(Role::Response)) {
        event.label("", name);
    }
    event.close();
}

fn text(event: &mut EventWriter<'_>, name: &'static str, value: &[u8]) {
    if !value.is_empty() {
        event.text(name, value);
    }
}
