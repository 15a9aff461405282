//! Kafka's protocol: which client asks what of a broker, about which topics, and how it logs on.
//!
//! `names` has requests and errors, `request` reads headers and what is of interest behind them, `parser` joins
//! requests with their responses.

mod names;
mod parser;
mod request;

use super::framed;
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// Kafka.
pub static KAFKA: Protocol = Protocol {
    name: "kafka",
    title: "Kafka",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[9092],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, b"\0"),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::Kafka>),
    events: &["kafka", "anomaly"],
    source: "Apache Kafka: protocol guide",
};

/// A client opens with a request that exists in a version that exists, and names itself.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient {
        return Found::No;
    }
    request::opens(probe.payload)
}
