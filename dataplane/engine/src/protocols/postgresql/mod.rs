//! PostgreSQL's frontend/backend protocol, version 3: who logs on to which database and how, what is asked, and where
//! encryption begins.
//!
//! `startup` reads what comes before messages have types, `session` the logging on, `parser` the messages, `statement`
//! which statement an answer belongs to.

mod parser;
mod session;
mod startup;
mod statement;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// PostgreSQL.
pub static POSTGRESQL: Protocol = Protocol {
    name: "postgresql",
    title: "PostgreSQL",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[5432],
    exposure: Exposure::Negotiated,
    opening: Opening::one_of(1, b"\0"),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::Postgresql>),
    events: &["postgresql", "anomaly"],
    source: "PostgreSQL documentation: Frontend/Backend Protocol, Message Formats",
};

/// A client opens with its startup, or asks for encryption or for a cancellation. What a server says first is told by
/// signatures.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient && !probe.midstream {
        return Found::No;
    }
    match startup::framing(probe.payload) {
        Framing::Invalid(_) => Found::No,
        Framing::Open => Found::Maybe,
        Framing::Message { len, .. } => match probe.payload.get(..len) {
            None => Found::Maybe,
            Some(request) => match startup::Request::read(request) {
                Some(_) => Found::Yes,
                None => Found::No,
            },
        },
    }
}
