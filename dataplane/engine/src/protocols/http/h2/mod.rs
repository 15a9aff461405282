//! HTTP/2 in clear (RFC 9113), and gRPC on it: with prior knowledge, or after `Upgrade: h2c`.
//!
//! `frame` knows frames, `hpack` and `huffman` unpack header fields, `table` remembers them, `stream` holds what is
//! kept of one exchange, `event` writes it, `parser` puts them together: bodies are counted and never stored.

mod event;
mod frame;
mod hpack;
mod huffman;
mod parser;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use crate::protocols::framed;
use crate::protocols::{Carrier, Exposure, Family, Opening, Parser, Protocol};

/// gRPC, found by the media type of its requests.
pub static GRPC: Protocol = Protocol {
    name: "grpc",
    title: "gRPC",
    family: Family::Web,
    carriers: &[Carrier::Tcp],
    ports: &[],
    exposure: Exposure::Cleartext,
    opening: Opening::any(1),
    probe: None,
    parser: None,
    events: &["http"],
    source: "gRPC over HTTP2 (PROTOCOL-HTTP2.md)",
};

/// Makes the parser.
pub(super) fn parser() -> Box<dyn Parser> {
    framed::parser::<parser::Http2>()
}
