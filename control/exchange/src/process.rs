//! What keeps secrets of the whole process out of core dumps, out of other processes' sight and off the disk.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Proof that this process is not dumped and not paged out.
#[derive(Clone, Copy, Debug)]
pub struct Hardened(());

/// Forbids core dumps and tracing by others of the same user, and locks all memory, now and later.
///
/// All of it, and not only what [`Secret`](crate::secret::Secret) holds: TLS traffic keys, the stack frames of a C
/// library that computes a signature and the copies that it makes are secret as well. The limit `RLIMIT_MEMLOCK` must
/// allow it (`LimitMEMLOCK=infinity` for a service); pages are locked when they are first touched.
///
/// # Errors
///
/// [`HardenError`], after which no key should be made.
pub fn harden() -> Result<Hardened, HardenError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| HardenError::Dumpable(error.into()))?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).map_err(|error| HardenError::CoreLimit(error.into()))?;
    let what = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(what).map_err(|error| HardenError::Lock(error.into()))?;
    Ok(Hardened(()))
}

/// Why secrets of this process could reach a disk.
#[derive(Debug, thiserror::Error)]
pub enum HardenError {
    /// The process could still be dumped or traced.
    #[error("core dumps and tracing cannot be forbidden: {0}")]
    Dumpable(#[source] io::Error),
    /// A core file could still be written.
    #[error("the limit of core files cannot be set to 0: {0}")]
    CoreLimit(#[source] io::Error),
    /// Memory could be paged out.
    #[error("memory cannot be locked, raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity): {0}")]
    Lock(#[source] io::Error),
}
