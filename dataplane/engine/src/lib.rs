//! From frames to records: the flow table, defragmentation and reassembly, protocol parsers, detectors and policy.
//!
//! The engine does not know where it runs: it is lent a burst of [`Frame`]s and the time, and writes what it found
//! into a [`RecordBatch`]. It never waits, logs or makes a system call.

#![forbid(unsafe_code)]

pub mod detectors;
pub mod filter;
pub mod protocols;
pub mod record;
pub mod trace;

mod classification;
mod config;
mod counters;
mod crypto_class;
mod defrag;
mod engine;
mod flow;
mod frame;
mod inspect;
mod names;
mod plan;
mod policy;
mod shunting;
mod stream;

pub use classification::{Classification, Evidence, ProtocolId, ServiceBasis, ServiceId, Tier};
pub use config::{
    DefragLimits, EngineConfig, Eviction, Guesses, Inspection, Overlap, Share, StreamLimits, Timeouts,
};
pub use counters::{Counter, CounterName, Counters};
pub use crypto_class::CryptoClass;
pub use engine::{Engine, EngineError, MAX_BURST, Membership, OpenFlow, Replacement, StepCycles, Walk};
pub use frame::{Frame, Verdict};
pub use mem_sys::{OutOfMemory, PagePolicy};
pub use names::{Names, ProtocolName};
pub use plan::Plan;
pub use policy::{Policy, PolicyError, PolicyProblem, RuleNumber, Treatment};
pub use record::RecordBatch;
pub use shunting::{Shunt, ShuntAnswer, ShuntLimits, Shunted};
