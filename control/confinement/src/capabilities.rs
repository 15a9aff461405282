//! What is left of root's powers, by capabilities (capabilities(7)).

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use rustix::thread::CapabilitySet as Capabilities;
use rustix::thread::{CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities};

/// Which capabilities a program keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Those that it uses itself.
    pub own: Capabilities,
    /// Those that programs get that it starts. It holds them, unused, because nothing else could hand them on.
    pub handed_on: Capabilities,
}

impl Kept {
    /// These, and none for other programs.
    #[must_use]
    pub const fn only(own: Capabilities) -> Self {
        Self { own, handed_on: Capabilities::empty() }
    }

    /// Gives up all others of this thread, and with them of those that it starts; gives those that it still uses. What it
    /// did not have, it does not get.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn keep(self) -> io::Result<Capabilities> {
        let before = capabilities(None)?;
        let held = self.own | self.handed_on;
        if before.effective.contains(Capabilities::SETPCAP) {
            for one in (Capabilities::all() - held).iter() {
                // The kernel may be older than the last of them.
                let _ = remove_capability_from_bounding_set(one);
            }
        }
        let after = CapabilitySets {
            effective: before.effective & self.own,
            permitted: before.permitted & held,
            inheritable: before.inheritable & self.handed_on,
        };
        set_capabilities(None, after)?;
        Ok(after.effective)
    }
}

/// What is needed to use files below these paths: nothing, where they and the folders above them are this user's own or
/// root's; else what root has over files of others, if this is root.
#[must_use]
pub fn for_files(paths: &[PathBuf]) -> Capabilities {
    let own = rustix::process::geteuid().as_raw();
    if own != 0 || paths.iter().all(|path| is_of(own, path)) {
        return Capabilities::empty();
    }
    Capabilities::DAC_OVERRIDE | Capabilities::DAC_READ_SEARCH | Capabilities::FOWNER
}

/// Whether a path and all above it are of this user or root; what is not there yet is as its folder is.
fn is_of(user: u32, path: &Path) -> bool {
    let Ok(path) = std::path::absolute(path) else { return false };
    let whole = path.canonicalize().unwrap_or(path);
    whole.ancestors().all(|part| part.metadata().map_or(true, |about| [0, user].contains(&about.uid())))
}

/// Their names, as in capabilities(7) without `CAP_`; `none`.
#[must_use]
pub fn names(set: Capabilities) -> String {
    let names: Vec<String> = set.iter_names().map(|(name, _)| name.to_ascii_lowercase()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_why_root_keeps_its_power_over_files() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        for path in [&own, &other] {
            std::fs::create_dir(path).unwrap();
        }
        assert!(for_files(&[own.clone(), own.join("not there")]).is_empty());
        if std::os::unix::fs::chown(&other, Some(65_534), None).is_err() {
            println!("SKIPPED in part: cannot give a folder away");
            return;
        }
        assert!(for_files(&[own, other.join("below")]).contains(Capabilities::DAC_OVERRIDE));
    }

    #[test]
    fn sets_are_told_by_the_names_of_the_manual() {
        assert_eq!(names(Capabilities::NET_ADMIN | Capabilities::BPF), "net_admin bpf");
        assert_eq!(names(Capabilities::empty()), "none");
    }
}
