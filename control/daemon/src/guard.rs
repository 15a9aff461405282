//! A lock that nobody holds for long.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What several tasks change, each in one step.
#[derive(Debug, Default)]
pub(crate) struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// A task that panicked leaves a whole value: each change is one step.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
