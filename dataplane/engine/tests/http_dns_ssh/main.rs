//! HTTP, DNS and SSH as conversations: what the specifications show, the same cut anywhere, and bytes of no good will.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests say what they expect"
)]

mod conversation;
mod dns;
mod http;
mod labels;
mod ssh;

#[path = "../support"]
mod support {
    //! Captures, shared with other tests.

    pub(crate) mod capture;
    pub(crate) mod tcp;
}
