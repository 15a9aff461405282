//! MQTT 3.1, 3.1.1 and 5.0: who connects and how, and which topics are published and subscribed to.
//!
//! `packet` knows the fixed header and the fields behind it, `parser` the session, `names` reason codes.

mod names;
mod packet;
mod parser;
#[cfg(test)]
mod tests;

use super::framed::{self, Framing};
use super::{Carrier, Exposure, Family, Found, Opening, Probe, Protocol};
use crate::record::Direction;

/// MQTT.
pub static MQTT: Protocol = Protocol {
    name: "mqtt",
    title: "MQTT",
    family: Family::Messaging,
    carriers: &[Carrier::Tcp],
    ports: &[1883, 8883],
    exposure: Exposure::Cleartext,
    opening: Opening::one_of(1, &[0x10]),
    probe: Some(probe),
    parser: Some(framed::parser::<parser::Mqtt>),
    events: &["mqtt", "anomaly"],
    source: "OASIS MQTT 3.1.1 and 5.0; MQTT V3.1 Protocol Specification",
};

/// A client opens with CONNECT. What else may come first is told by signatures.
fn probe(probe: &Probe<'_>) -> Found {
    if probe.from == Direction::ToClient && !probe.midstream {
        return Found::No;
    }
    match packet::framing(probe.payload, None) {
        Framing::Open => Found::Maybe,
        Framing::Invalid(_) => Found::No,
        Framing::Message { .. } => packet::opens(probe.payload),
    }
}
