//! Capture files: every feature of the formats, damage of every kind, and playing them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, and what they share"
)]

mod crafted;
mod formats;
mod ground_truth;
mod hostile;
mod playing;
mod truncation;
