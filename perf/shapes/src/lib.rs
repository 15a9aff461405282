//! What the engine costs a packet, on one core, with packets from memory: CPU time, not wall time, so that the figures
//! stand on a machine that does other things too. `perf/README.md` says what they mean.
//!
//! `bench-shapes` measures what documents tell; `wirewarden bench` and `wirewarden tune` measure a user's machine.

#![forbid(unsafe_code)]

mod ground_truth;
mod machine;
mod measure;
mod pass;
mod report;
mod shape;
mod stage;

use std::io;

use engine::EngineError;
use export::ExportError;

pub use machine::Machine;
pub use measure::{Bench, Case, Figures, NewFlows, Series, Steps};
pub use report::{Report, row};
pub use shape::{Packet, Rest, Shape, ShapeError, ShapeName, Size};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No packets of a shape.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The engine could not be made.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The signatures could not be compiled.
    #[error("the built-in signatures: {0}")]
    Signatures(#[from] engine::detectors::signatures::SignatureErrors),
    /// EVE lines could not be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Figures could not be written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// What was to be written.
        what: String,
        /// What the system says.
        source: io::Error,
    },
}
