//! Maps under names in a BPF file system, for other programs to look at (`bpftool map dump pinned`); only where that is
//! asked for. The attachment is never pinned: it ends with its owner.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use aya::Ebpf;

use super::error::XdpError;

/// Files of an owner's maps, removed when this is dropped.
#[derive(Debug)]
pub(super) struct Pins {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Pins {
    /// Pins every map as `folder/INTERFACE/MAP`. What an owner that was killed left there is replaced.
    pub(super) fn of(ebpf: &Ebpf, folder: &Path, interface: &str) -> Result<Self, XdpError> {
        // Such a file system has no names with dots, which VLAN interfaces have.
        let mut pins = Self { folder: folder.join(interface.replace('.', "_")), files: Vec::new() };
        fs::create_dir_all(&pins.folder).map_err(|error| refused(&pins.folder, error))?;
        for (name, map) in ebpf.maps().filter(|(name, _)| !name.contains('.')) {
            let file = pins.folder.join(name);
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(&file, error)),
                _ => map.pin(&file).map_err(|error| refused(&file, error))?,
            }
            pins.files.push(file);
        }
        Ok(pins)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // Where that is not allowed any more, the next start replaces them.
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir(&self.folder);
    }
}

fn refused(file: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> XdpError {
    XdpError::Pin { file: file.to_owned(), source: source.into() }
}
