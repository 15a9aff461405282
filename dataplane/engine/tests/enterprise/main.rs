//! Protocols of offices and operators as conversations: directories, logons, remote procedures, remote screens, files,
//! logs and calls: the same cut anywhere, bytes of no good will, and what the events say.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod build;
#[path = "../industry/captures.rs"]
mod captures;
#[path = "../industry/conformance.rs"]
mod conformance;
mod dissected;
mod events;
mod samples;
#[path = "../industry/talk.rs"]
mod talk;
#[path = "../industry/tshark.rs"]
mod tshark;

#[path = "../support"]
mod support {
    //! Captures and events as JSON, shared with other tests.

    pub(crate) mod capture;
    pub(crate) mod tcp;

    #[expect(dead_code, reason = "other tests ask for the events of one type")]
    pub(crate) mod json;
}

use engine::protocols::{Carrier, Protocol};
pub(crate) use samples::samples;
use talk::Turn;

/// A conversation that shows much of a protocol.
pub(crate) struct Sample {
    pub(crate) protocol: &'static Protocol,
    pub(crate) carrier: Carrier,
    pub(crate) turns: Vec<Turn>,
}
