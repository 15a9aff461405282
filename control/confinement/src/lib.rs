//! What a program gives up when it starts, so that whoever takes it over gets little: by Landlock the files that it may
//! write and the programs that it may start, by seccomp system calls that it never makes, and capabilities that it does not
//! need.
//!
//! The system calls are those that make a program into another, change the machine, or reach into other programs. It is a
//! list of what is denied: drivers make calls that no test of ours sees, and systemd's unit has the list of what is
//! allowed (`@system-service`). A call that is denied fails with `EPERM`. Both bind this thread and all that it starts, for
//! ever; so this is done before there are others.
//!
//! ```no_run
//! use confinement::{Capabilities, Confinement, Files, Kept, Programs};
//!
//! let files = Files::Below(vec!["/var/lib/wirewarden".into()]);
//! let capabilities = Kept::only(Capabilities::NET_RAW);
//! let on = Confinement { files, programs: Programs::None, maps: true, capabilities };
//! println!("{}", on.enter());
//! ```

#![forbid(unsafe_code)]

mod calls;
mod capabilities;
mod files;

use core::fmt;
use std::path::PathBuf;

pub use capabilities::{Capabilities, Kept, for_files, names};

/// What a program keeps.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// Where it may write, make and remove.
    pub files: Files,
    /// Programs that it may start.
    pub programs: Programs,
    /// Whether it may use maps and programs of eBPF.
    pub maps: bool,
    /// Capabilities.
    pub capabilities: Kept,
}

/// Where a program may write.
#[derive(Clone, Debug)]
pub enum Files {
    /// In these files, and below these folders; those that are not there are left out.
    Below(Vec<PathBuf>),
    /// Wherever its user may, for this reason.
    Anywhere(String),
}

/// Which programs may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// None.
    None,
    /// Any.
    Any,
}

/// Whether a part is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is.
    On,
    /// In part: the kernel knows only some of it.
    InPart,
    /// It is not, and why.
    Off(String),
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Files.
    pub landlock: Part,
    /// System calls.
    pub seccomp: Part,
    /// The capabilities that are left, or why none were given up.
    pub capabilities: Result<Capabilities, String>,
}

impl Confinement {
    /// Gives up everything else, as far as the kernel can; tells what is in force.
    #[must_use]
    pub fn enter(&self) -> InForce {
        let landlock = match &self.files {
            Files::Anywhere(why) => Part::Off(why.clone()),
            Files::Below(writable) => {
                files::confine(writable, self.programs).unwrap_or_else(|error| Part::Off(error.to_string()))
            }
        };
        let seccomp = calls::confine(self.programs, self.maps);
        let seccomp = seccomp.map_or_else(|error| Part::Off(error.to_string()), |()| Part::On);
        let capabilities = self.capabilities.keep().map_err(|error| error.to_string());
        InForce { landlock, seccomp, capabilities }
    }
}

impl InForce {
    /// Nothing is, because somebody said so.
    #[must_use]
    pub fn nothing(why: &str) -> Self {
        let off = Part::Off(why.to_owned());
        Self { landlock: off.clone(), seccomp: off, capabilities: Err(why.to_owned()) }
    }

    /// Whether all of it is in force.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.landlock == Part::On && self.seccomp == Part::On && self.capabilities.is_ok()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::InPart => f.write_str("on in part: the kernel does not know all of it"),
            Self::Off(why) => write!(f, "off ({why})"),
        }
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { landlock, seccomp, capabilities } = self;
        write!(f, "Landlock {landlock}, seccomp {seccomp}, capabilities ")?;
        match capabilities {
            Ok(left) => f.write_str(&names(*left)),
            Err(why) => write!(f, "all ({why})"),
        }
    }
}

/// Whether this kernel can do it: files by Landlock, system calls by seccomp. Nothing is given up.
#[must_use]
pub fn is_available() -> (bool, bool) {
    (files::is_available(), calls::is_available())
}
