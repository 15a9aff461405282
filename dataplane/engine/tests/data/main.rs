//! Databases, messaging and peer-to-peer as conversations: what the specifications show, the same cut anywhere, bytes
//! of no good will, and captures as another dissector reads them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

#[path = "../industry/captures.rs"]
mod captures;
#[path = "../industry/conformance.rs"]
mod conformance;
mod databases;
mod labels;
mod messaging;
mod peer_to_peer;
#[path = "../industry/talk.rs"]
mod talk;

#[path = "../support"]
mod support {
    //! Captures, shared with other tests.

    pub(crate) mod capture;
    #[expect(dead_code, reason = "other tests ask for the events of one type")]
    pub(crate) mod json;
    pub(crate) mod tcp;
}

use engine::protocols::{Carrier, Protocol};
use engine::record::Direction::{ToClient, ToServer};
use talk::Turn;

/// A conversation that shows much of a protocol.
pub(crate) struct Sample {
    pub(crate) protocol: &'static Protocol,
    pub(crate) carrier: Carrier,
    pub(crate) turns: Vec<Turn>,
}

/// Conversations of every protocol here, for the tests that hold for all of them.
fn samples() -> Vec<Sample> {
    [databases::samples(), messaging::samples(), peer_to_peer::samples()].into_iter().flatten().collect()
}

/// A conversation over TCP.
pub(crate) fn stream(protocol: &'static Protocol, turns: Vec<Turn>) -> Sample {
    Sample { protocol, carrier: Carrier::Tcp, turns }
}

/// What the client says.
pub(crate) fn client(bytes: impl Into<Vec<u8>>) -> Turn {
    (ToServer, bytes.into())
}

/// What the server says.
pub(crate) fn server(bytes: impl Into<Vec<u8>>) -> Turn {
    (ToClient, bytes.into())
}
