//! HTTP/1 (RFC 9110, RFC 9112) and HTTP/2 in clear (RFC 9113), and what rides on them.
//!
//! `start_line` knows request and status lines, `field` header fields, `framing` where a body ends, `message`
//! holds what is kept of one message, `credentials` finds what should not be sent in clear and masks it,
//! `service` names what the header fields say is carried, `fhir` keeps patients out of what is written, and `parser`
//! puts them together: bodies are counted and never stored, one `http` event is written for each transaction.

mod credentials;
mod event;
mod fhir;
mod field;
mod framing;
mod h2;
mod lane;
mod message;
mod parser;
mod pending;
mod probe;
mod service;
mod start_line;

pub use h2::GRPC;
pub use service::SERVICES;

use super::{Carrier, Exposure, Family, Opening, Parser, Protocol};

/// The members of the events of both versions of HTTP.
#[rustfmt::skip]
pub(in crate::protocols) const MEMBERS: &[&str] = &[
    "anomalies", "app_proto", "content_range", "credentials", "error", "event", "fhir", "from", "grpc",
    "has_password", "http2", "http_port", "interaction", "kind", "length", "phi", "protocol", "pushed",
    "raw", "request_length", "resource", "status", "stream_id", "type", "upgrade", "uri",
];

/// HTTP/1.0 and HTTP/1.1.
pub static HTTP: Protocol = Protocol {
    name: "http",
    title: "HTTP/1",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[80, 8080, 8000, 8008, 8081, 8888, 3128, 591],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"\r\nABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    probe: Some(probe::http1),
    parser: Some(parser),
    events: &["http", "anomaly"],
    source: "RFC 9110, RFC 9112",
};

/// HTTP/2 in clear: with prior knowledge, or after `Upgrade: h2c`.
pub static HTTP2: Protocol = Protocol {
    name: "http2",
    title: "HTTP/2",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    // `P` of the connection preface, or the high byte of the length of a SETTINGS frame.
    opening: Opening::one_of(4, b"P\0"),
    probe: Some(probe::http2),
    parser: Some(h2::parser),
    events: &["http", "http2", "anomaly"],
    source: "RFC 9113, RFC 7541",
};

/// WebSocket, found by its opening handshake in HTTP, or in midstream by its frames.
pub static WEBSOCKET: Protocol = Protocol {
    name: "websocket",
    title: "WebSocket",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(2, &[0x81, 0x82, 0x88, 0x89, 0x8a]),
    probe: Some(probe::websocket),
    parser: None,
    events: &[],
    source: "RFC 6455",
};

/// JSON-RPC directly over TCP. Over HTTP it is a service.
pub static JSON_RPC: Protocol = Protocol {
    name: "json_rpc",
    title: "JSON-RPC",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(16, b"{["),
    probe: Some(probe::json_rpc),
    parser: None,
    events: &[],
    source: "JSON-RPC 2.0 Specification",
};

/// HTTP between a client and its proxy: targets in absolute form (RFC 9112, 3.2.2).
pub static HTTP_PROXY: Protocol = Protocol {
    name: "http_proxy",
    title: "HTTP proxy",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[3128, 8080],
    exposure: Exposure::Cleartext,
    opening: Opening::any(1),
    probe: None,
    parser: None,
    events: &[],
    source: "RFC 9112, 3.2.2",
};

/// A tunnel through an HTTP proxy (RFC 9110, 9.3.6); what is inside is classified anew.
pub static HTTP_CONNECT: Protocol = Protocol {
    name: "http_connect",
    title: "HTTP CONNECT tunnel",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Unknown,
    opening: Opening::any(1),
    probe: None,
    parser: None,
    events: &[],
    source: "RFC 9110, 9.3.6",
};

fn parser() -> Box<dyn Parser> {
    Box::new(parser::HttpParser::default())
}
