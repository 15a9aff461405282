//! The TLS parser against labelled captures, against sessions whose endpoints said what they agreed on, and against
//! bytes that are cut, mutated or random.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "../support/mod.rs"]
mod support;

mod build;
mod conformance;
mod handshakes;
mod labels;
mod quantum;
