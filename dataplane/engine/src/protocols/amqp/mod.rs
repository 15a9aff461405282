//! AMQP 0-9-1 (and its elder sisters) and AMQP 1.0: who connects to which virtual host and how, what is declared and
//! used, and where TLS begins.
//!
//! `classic` reads the methods of 0-9-1, `modern` the performatives of 1.0, `parser` protocol headers and frames.

mod classic;
mod modern;
mod parser;

use super::framed;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};

/// AMQP.
pub static AMQP: Protocol = Protocol {
    name: "amqp",
    title: "AMQP",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[5672, 5671],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, b"A"),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::Amqp>),
    events: &["amqp", "anomaly"],
    source: "AMQP 0-9-1 specification; ISO/IEC 19464 (AMQP 1.0)",
};

/// Each side opens with the header of a version that exists. Frames alone are told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    match parser::header(probe.payload) {
        None => Found::Maybe,
        Some(Some(_)) => Found::Yes,
        Some(None) => Found::No,
    }
}
