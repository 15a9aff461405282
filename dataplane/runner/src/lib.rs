//! The wiring of the data plane: workers, the threads they run on, and the way of their records to the exporters.

#![forbid(unsafe_code)]

pub mod inspect;
pub mod run;

mod log;
mod tunnelling;
mod worker;

pub use inspect::{InspectError, InspectOptions, InspectReport, inspect};
pub use log::Log;
pub use mem_sys::restart_with_huge_heap;
pub use run::{LoadError, OPENING_INTERFACES, Privileges, RunError, RunOptions, RunReport, load, run};
pub use tunnelling::TunnelError;
