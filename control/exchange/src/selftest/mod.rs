//! The self-test of the primitives: known answers, each library against the other, and what must be refused.
//!
//! A channel cannot be made without [`Proven`], and [`Proven`] is only made by a self-test without a fault.

mod cases;
mod vectors;

use std::time::{Duration, Instant};

use crate::primitive::{Backend, PrimitiveError};

/// Proof that the self-test of this process passed. Whoever wants keys must show it.
#[derive(Clone, Copy, Debug)]
pub struct Proven(());

/// Runs the whole self-test on every library: about 50 ms.
///
/// # Errors
///
/// [`SelfTestError`] where a single case fails. There is no way round it.
pub fn prove() -> Result<Proven, SelfTestError> {
    run()?.proven()
}

/// Runs the whole self-test and tells of every case.
///
/// # Errors
///
/// [`SelfTestError::Vectors`] where the vectors within the program are damaged.
pub fn run() -> Result<Report, SelfTestError> {
    let started = Instant::now();
    let vectors = vectors::all()?;
    let mut rows = Vec::new();
    for backend in Backend::ALL {
        rows.extend(cases::known_answers(backend, &vectors));
        rows.push(cases::malformed(backend));
    }
    rows.extend(cases::crossed());
    Ok(Report { rows, took: started.elapsed() })
}

/// What a self-test found.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each kind of case and library.
    pub rows: Vec<Row>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// Whether every case that can be reached passed, and at least one of every kind that must be.
    ///
    /// # Errors
    ///
    /// [`SelfTestError::Failed`] names the first kind that did not.
    pub fn proven(&self) -> Result<Proven, SelfTestError> {
        match self.rows.iter().find(|row| !row.is_good()) {
            None if self.rows.len() == ROWS => Ok(Proven(())),
            None => Err(SelfTestError::Incomplete { rows: self.rows.len() }),
            Some(row) => Err(SelfTestError::Failed { row: row.clone() }),
        }
    }
}

/// The cases of one kind on one library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The library, or the two of them as `liboqs+aws-lc`.
    pub backend: &'static str,
    /// The kind of case.
    pub what: &'static str,
    /// Cases that went as they must.
    pub passed: usize,
    /// Cases that did not.
    pub failed: usize,
    /// Cases that the library's interface does not reach.
    pub unreached: usize,
    /// The first fault.
    pub fault: Option<String>,
}

impl Row {
    fn new(backend: &'static str, what: &'static str) -> Self {
        Self { backend, what, passed: 0, failed: 0, unreached: 0, fault: None }
    }

    fn count(&mut self, result: Result<bool, PrimitiveError>) {
        match result {
            Ok(true) => self.passed += 1,
            Ok(false) => self.fail("another result than the known one".to_owned()),
            Err(PrimitiveError::Unsupported { .. }) => self.unreached += 1,
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&mut self, fault: String) {
        self.failed += 1;
        self.fault.get_or_insert(fault);
    }

    /// No case failed and there were some.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.passed + self.unreached > 0
    }
}

/// Why no key may be made by this process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfTestError {
    /// The vectors within the program are damaged.
    #[error("the self-test's vectors are damaged")]
    Vectors,
    /// A case failed.
    #[error("self-test of {} on {}: {} of {} failed: {}", row.what, row.backend, row.failed,
        row.failed + row.passed, row.fault.as_deref().unwrap_or("without a reason"))]
    Failed {
        /// The kind of case.
        row: Row,
    },
    /// Not every kind of case was run.
    #[error("the self-test ran {rows} kinds of cases instead of {ROWS}")]
    Incomplete {
        /// How many were.
        rows: usize,
    },
}

/// Four kinds of known answers and the malformed ones for each library, and three that cross them.
const ROWS: usize = 2 * (4 + 1) + 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_that_a_library_reaches_passes() {
        let report = run().unwrap();
        let figures: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.backend, row.what, row.passed, row.failed, row.unreached))
            .collect();
        let faults: Vec<_> = report.rows.iter().filter_map(|row| row.fault.clone()).collect();
        assert!(report.proven().is_ok(), "{figures:?} {faults:?}");
        assert!(figures.contains(&("liboqs", cases::KEM_KEYS, 75, 0, 0)), "{figures:?}");
        assert!(figures.contains(&("liboqs", cases::DECAPSULATION, 30, 0, 0)), "{figures:?}");
        assert!(figures.contains(&("liboqs", cases::VERIFICATION, 45, 0, 0)), "{figures:?}");
        assert!(figures.contains(&("liboqs", cases::DSA_KEYS, 75, 0, 0)), "{figures:?}");
        assert!(figures.contains(&("aws-lc", cases::KEM_KEYS, 0, 0, 75)), "{figures:?}");
        assert!(figures.contains(&("aws-lc", cases::DECAPSULATION, 30, 0, 0)), "{figures:?}");
        assert!(figures.contains(&("aws-lc", cases::VERIFICATION, 3, 0, 42)), "{figures:?}");
        assert!(figures.contains(&("aws-lc", cases::DSA_KEYS, 75, 0, 0)), "{figures:?}");
    }

    #[test]
    fn one_fault_is_enough_to_fail() {
        let mut report = run().unwrap();
        let last = report.rows.last_mut().unwrap();
        last.count(Ok(false));
        assert!(matches!(report.proven(), Err(SelfTestError::Failed { .. })));
        report.rows.pop();
        assert!(matches!(report.proven(), Err(SelfTestError::Incomplete { .. })));
    }
}
