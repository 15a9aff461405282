//! `wirewardend` with a real data plane: applied, killed at every point, abused and watched.
//!
//! The data plane is `wirewarden-dataplane` beside the test's own programs: `cargo build -p runner` makes it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod configuration;
mod failover;
mod http;
mod rig;
mod supervision;
mod tunnels;
mod who;
