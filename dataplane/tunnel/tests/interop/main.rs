//! ESP with others: strongSwan's own implementation in user space (libipsec) both ways, and tshark reading along.
//!
//! Debian: `apt-get install strongswan-charon libcharon-extra-plugins strongswan-swanctl tshark`. What is absent is
//! skipped, and said so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and wait for others"
)]

mod charon;
mod gateway;
mod reader;

use std::process::Command;

/// Whether a program can be run; said if not.
fn has(program: &str, argument: &str) -> bool {
    let is_there = Command::new(program).arg(argument).output().is_ok_and(|output| output.status.success());
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}

#[test]
fn strongswan_opens_what_we_seal_and_we_open_what_it_seals() {
    charon::check();
}

/// The half of the test above that runs within the namespace; by itself it does nothing.
#[test]
fn within_the_namespace() {
    charon::within();
}

#[test]
fn tshark_decrypts_what_we_seal_with_our_keys() {
    reader::check();
}
