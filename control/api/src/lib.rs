//! What Wirewarden's programs say to each other, versioned.
//!
//! Every program knows this crate and it knows none of them. [`Config`] is read from TOML by
//! [`Config::from_toml`], its only constructor, which reports every problem of a file at once. [`control`] is what
//! the command line, the daemon and the data plane say to each other over their sockets.

#![forbid(unsafe_code)]

pub mod config;
pub mod control;
pub mod drops;
pub mod tunnel;

pub use config::{BootConfig, Config, ConfigErrors, LiveConfig};
