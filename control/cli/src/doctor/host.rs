//! The machine as its files describe it: `/proc`, `/sys`, `/usr`, under a root that a test chooses.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Longest file that is read; the PCI id list has about 1.5 MB.
const MAX_FILE: u64 = 16 << 20;

/// A machine, by the folder that holds its `proc`, `sys` and `usr`.
#[derive(Debug)]
pub(super) struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine whose root folder is `root`; `/` is the one this runs on.
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder that holds its files.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether it is the machine this runs on.
    pub(super) fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// What a file holds, without white space around it; none where it cannot be read.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.root.join(path)).ok()?.take(MAX_FILE).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The number that a file holds.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: impl AsRef<Path>) -> bool {
        self.root.join(path).exists()
    }

    /// Names in a folder, sorted; none where it cannot be read.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The last part of what a symbolic link points to.
    pub(super) fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.root.join(path)).ok()?;
        target.file_name()?.to_str().map(str::to_owned)
    }

    /// The value of a parameter of the kernel's command line; empty where it stands without one.
    pub(super) fn kernel_parameter(&self, name: &str) -> Option<String> {
        let line = self.read("proc/cmdline")?;
        line.split_whitespace().find_map(|word| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key == name).then(|| value.to_owned())
        })
    }

    /// The cores that a list such as `0-3,8` names; empty where the file is absent or empty.
    pub(super) fn cores(&self, path: impl AsRef<Path>) -> BTreeSet<u16> {
        self.read(path).map(|list| core_list(&list)).unwrap_or_default()
    }

    /// The release of the kernel, as in `6.1.0-28-amd64`.
    pub(super) fn kernel(&self) -> Option<String> {
        self.read("proc/sys/kernel/osrelease")
    }

    /// Whether a module is loaded or part of the kernel. `name` is with underscores.
    pub(super) fn module_is_loaded(&self, name: &str) -> bool {
        self.has(format!("sys/module/{name}"))
            || self.read("proc/modules").is_some_and(|list| list.lines().any(|line| first_word(line) == name))
    }

    /// Whether `modprobe` would find a module. `name` is with hyphens or underscores, as its file is called.
    pub(super) fn module_exists(&self, name: &str) -> bool {
        let Some(kernel) = self.kernel() else { return false };
        ["modules.dep", "modules.builtin"].iter().any(|list| {
            let list = self.read(format!("lib/modules/{kernel}/{list}")).unwrap_or_default();
            list.lines().any(|line| line.split(':').next().is_some_and(|path| names_module(path, name)))
        })
    }
}

/// Whether a path ends in the module's name and `.ko`, packed or not.
fn names_module(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split_once(".ko").is_some_and(|(stem, _)| stem == name)
}

/// The first word of a line.
pub(super) fn first_word(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or("")
}

/// The cores that a list names, at most the kernel's 8,192.
pub(super) fn core_list(list: &str) -> BTreeSet<u16> {
    let mut cores = BTreeSet::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            cores.extend(first..=last.min(8191));
        }
    }
    cores
}

/// A set of cores as a list such as `0-3,8`.
pub(super) fn core_ranges(cores: &BTreeSet<u16>) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &core in cores {
        match ranges.last_mut() {
            Some((_, last)) if core.checked_sub(1) == Some(*last) => *last = core,
            _ => ranges.push((core, core)),
        }
    }
    let words: Vec<String> = ranges
        .iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    words.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_list_is_read_and_written_alike() {
        for list in ["0-3,8", "5", "1,3,5-7", ""] {
            assert_eq!(core_ranges(&core_list(list)), list);
        }
        assert_eq!(core_list("3-1,x,99999"), BTreeSet::new());
        assert_eq!(core_list("0-65535").len(), 8192);
    }

    #[test]
    fn a_module_is_known_by_its_file_packed_or_not() {
        assert!(names_module("kernel/drivers/vfio/pci/vfio-pci.ko.xz", "vfio-pci"));
        assert!(names_module("kernel/drivers/vfio/pci/vfio-pci.ko", "vfio-pci"));
        assert!(!names_module("kernel/drivers/vfio/pci/vfio-pci-core.ko", "vfio-pci"));
    }
}
