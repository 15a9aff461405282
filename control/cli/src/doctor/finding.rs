//! What a probe says.

use std::fmt;

use super::repair::Repair;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) probe: &'static str,
    /// How it is.
    pub(super) status: Status,
    /// What was seen.
    pub(super) seen: String,
    /// Why it matters.
    pub(super) why: &'static str,
    /// The command that mends it, or what to do where no command does.
    pub(super) mend: Option<String>,
    /// The changes that mend it without harm, where there are such.
    pub(super) repairs: Vec<Repair>,
}

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// Worth knowing, nothing to mend.
    Info,
    /// It works, but slower or less safely than it could.
    Warn,
    /// It stands in the way.
    Fail,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Finding {
    pub(super) fn ok(probe: &'static str, why: &'static str, seen: impl Into<String>) -> Self {
        Self { probe, status: Status::Ok, seen: seen.into(), why, mend: None, repairs: Vec::new() }
    }

    pub(super) fn info(probe: &'static str, why: &'static str, seen: impl Into<String>) -> Self {
        Self { probe, status: Status::Info, seen: seen.into(), why, mend: None, repairs: Vec::new() }
    }

    pub(super) fn warn(
        probe: &'static str,
        why: &'static str,
        seen: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            probe,
            status: Status::Warn,
            seen: seen.into(),
            why,
            mend: Some(mend.into()),
            repairs: Vec::new(),
        }
    }

    pub(super) fn fail(
        probe: &'static str,
        why: &'static str,
        seen: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            probe,
            status: Status::Fail,
            seen: seen.into(),
            why,
            mend: Some(mend.into()),
            repairs: Vec::new(),
        }
    }

    /// The same, mended by these changes.
    pub(super) fn mended_by(self, repairs: impl IntoIterator<Item = Repair>) -> Self {
        Self { repairs: repairs.into_iter().collect(), ..self }
    }
}
