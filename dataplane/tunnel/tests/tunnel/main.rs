//! Tunnels from outside: published vectors, packets both ways, replays, rekeying, forgeries.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod esp;
mod forgery;
mod rekey;
mod replay;
mod support;
mod vectors;
mod wiped;
