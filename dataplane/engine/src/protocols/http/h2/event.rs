//! The `http` event of an exchange, in the names that HTTP/1's has.

use super::super::field::without_parameters;
use super::frame;
use super::stream::{Stream, Text};
use crate::record::EventWriter;

/// Writes one exchange.
pub(super) fn write(stream: &Stream, event: &mut EventWriter<'_>) {
    let host = stream.text(Text::Authority);
    let name = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if host.get(colon + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit)) => {
            host.get(..colon).unwrap_or(host)
        }
        _ => host,
    };
    text(event, "hostname", name);
    text(event, "url", stream.text(Text::Target));
    text(event, "http_user_agent", stream.text(Text::UserAgent));
    text(event, "xff", stream.text(Text::ForwardedFor));
    text(event, "http_refer", stream.text(Text::Referer));
    text(event, "http_method", stream.text(Text::Method));
    text(event, "request_content_type", without_parameters(stream.text(Text::RequestType)));
    if stream.has_request {
        event.number("request_length", stream.request_length);
    }
    text(event, "upgrade", stream.text(Text::Protocol));
    text(event, "http_content_type", without_parameters(stream.text(Text::ResponseType)));
    event.label("protocol", "HTTP/2");
    if stream.status != 0 {
        event.number("status", stream.status);
        text(event, "redirect", stream.text(Text::Location));
        event.number("length", stream.response_length);
        text(event, "server", stream.text(Text::Server));
    }
    event.object("http2").number("stream_id", stream.id);
    if stream.is_promised {
        event.flag("pushed", true);
    }
    if let Some(error) = stream.error {
        event.label("error", frame::error(error));
    }
    event.close();
    if stream.is_grpc {
        write_grpc(stream, event);
    }
    if let Some(credentials) = stream.credentials {
        event.object("credentials").label("kind", credentials.kind.name());
        text(event, "user", stream.text(Text::User));
        event.flag("has_password", credentials.has_password).close();
    }
}

/// Service and method are the two parts of the target (PROTOCOL-HTTP2.md, "Requests").
fn write_grpc(stream: &Stream, event: &mut EventWriter<'_>) {
    let target = stream.text(Text::Target);
    let path = target.strip_prefix(b"/").unwrap_or(target);
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(path.len());
    event.object("grpc");
    text(event, "service", path.get(..slash).unwrap_or(path));
    text(event, "method", path.get(slash + 1..).unwrap_or_default());
    if let Some(status) = stream.grpc_status {
        event.label("status", grpc_status(status));
    }
    let message = stream.text(Text::GrpcMessage);
    text(event, "message", message.get(..256).unwrap_or(message));
    event.close();
}

fn text(event: &mut EventWriter<'_>, name: &'static str, value: &[u8]) {
    if !value.is_empty() {
        event.text(name, value);
    }
}

/// Name of a status of gRPC.
const fn grpc_status(code: u32) -> &'static str {
    match code {
        0 => "OK",
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "unknown",
    }
}
