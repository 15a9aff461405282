//! The engine as its users see it: frames in, verdicts, counters and records out.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests fail by panicking"
)]

mod associations;
mod bench;
mod conservation;
mod defragmentation;
mod expectations;
mod flows;
mod live;
mod naming;
mod shunting;
mod streams;
mod upgrades;
mod walkthrough;
