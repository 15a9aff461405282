//! The wire protocol of MongoDB: which commands are given to which database, who logs on how, and how they are answered.
//!
//! `header` knows operations and their lengths, `bson` walks documents, `command` reads what a command says of itself,
//! `parser` puts requests and answers together.

mod bson;
mod command;
mod header;
mod parser;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};

/// MongoDB.
pub static MONGODB: Protocol = Protocol {
    name: "mongodb",
    title: "MongoDB",
    family: Family::Database,
    carriers: &[Carrier::Tcp],
    ports: &[27017],
    exposure: Exposure::Cleartext,
    opening: Opening::any(16).in_streams([0, 0, 0, 0xfc, 0, 0, 0, 0], [0; 8]),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::MongoDb>),
    events: &["mongodb", "anomaly"],
    source: "MongoDB manual: Wire Protocol; BSON 1.1",
};

/// A header with an operation that exists, and a document where one must be.
fn probe(probe: &Probe<'_>) -> Found {
    // The cheapest first: the operation is below 64 Ki, its high byte 0 or 7.
    if !matches!(probe.payload.get(13..16), Some([0 | 7, 0, 0])) {
        return Found::No;
    }
    match header::framing(probe.payload) {
        Framing::Open => Found::Maybe,
        Framing::Invalid(_) => Found::No,
        Framing::Message { .. } => header::looks_sound(probe.payload, probe.from),
    }
}
