//! Files that are there whole or not at all, whenever the machine stops.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use api::control::Reason;

/// Longest file of ours that is read, bytes.
const MOST: u64 = 8 * 1024 * 1024;

/// Writes a file: a reader, and a machine that stops, find the old one or the new one, never a part.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Reason> {
    write(path, bytes).map_err(|error| storage(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = folder.join(name);
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    };
    written().inspect_err(|_| {
        // What was written in part is in the way of nobody, but takes room that may be short.
        let _ = fs::remove_file(&new);
    })
}

/// Reads a file of ours; none where there is none.
pub(crate) fn read(path: &Path) -> Result<Option<String>, Reason> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(storage(path, &error)),
        Ok(about) if about.len() > MOST => {
            let message = format!("more than {MOST} bytes");
            return Err(Reason::Storage { path: path.display().to_string(), message });
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(|error| storage(path, &error))
}

pub(crate) fn storage(path: &Path, error: &io::Error) -> Reason {
    Reason::Storage { path: path.display().to_string(), message: error.to_string() }
}
