//! Detectors: what says of a flow more than its own parser does.

pub mod guesses;
pub mod services;
pub mod signatures;
