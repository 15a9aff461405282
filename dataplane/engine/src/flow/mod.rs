//! Flows: the table, their clocks, and how they begin and end.

pub(crate) mod slot;
pub(crate) mod table;
pub(crate) mod tcp;
pub(crate) mod wheel;

mod flows;
mod tunnels;

pub(crate) use flows::{Flows, Touch};
