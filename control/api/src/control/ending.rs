//! What a data plane leaves behind for whoever starts the next one, who is not always its parent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Bytes of a note that is read.
const MOST: u64 = 64 * 1024;

/// What a data plane wrote when it ended by itself: one that was killed wrote nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWords {
    /// The process.
    pub pid: u32,
    /// Its exit code.
    pub code: u8,
    /// Why it ended.
    pub why: String,
    /// The port that DPDK lost, where that is why.
    #[serde(default)]
    pub lost: Option<Loss>,
}

/// What was lost, and when: for a data plane that goes on with the kernel's interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What happened.
    pub why: String,
    /// Flows that were open then.
    pub flows_lost: u64,
    /// When: `CLOCK_BOOTTIME`, milliseconds.
    pub at_boot_ms: u64,
}

impl LastWords {
    /// Where the data plane of a socket leaves them: beside it.
    #[must_use]
    pub fn path(socket: &Path) -> PathBuf {
        socket.with_extension("end")
    }

    /// Leaves them.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn leave(&self, socket: &Path) -> io::Result<()> {
        write(&Self::path(socket), self)
    }

    /// Those of a process; none where it left none, as when it was killed.
    #[must_use]
    pub fn of(socket: &Path, pid: u32) -> Option<Self> {
        read(&Self::path(socket)).filter(|words: &Self| words.pid == pid)
    }
}

impl Loss {
    /// Leaves it: a data plane that finds it starts on the kernel's interfaces.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn leave(&self, path: &Path) -> io::Result<()> {
        write(path, self)
    }

    /// What was left at `path`; none where nothing was. A file that cannot be read is a loss of which nothing is known.
    #[must_use]
    pub fn at(path: &Path) -> Option<Self> {
        if !path.exists() {
            return None;
        }
        let unknown = || Self { why: format!("{} is there", path.display()), ..Self::default() };
        Some(read(path).unwrap_or_else(unknown))
    }
}

fn write(path: &Path, note: &impl Serialize) -> io::Result<()> {
    let new = path.with_extension("note");
    fs::write(&new, serde_json::to_vec(note)?)?;
    fs::rename(&new, path)
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    if fs::metadata(path).ok()?.len() > MOST {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_those_of_one_process() {
        let folder = std::env::temp_dir().join(format!("wirewarden-ending-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("dataplane.sock");
        assert_eq!(LastWords::of(&socket, 7), None);
        let loss = Loss { why: "the link is down".into(), flows_lost: 3, at_boot_ms: 9 };
        let words = LastWords { pid: 7, code: 3, why: "port wan".into(), lost: Some(loss.clone()) };
        words.leave(&socket).unwrap();
        assert_eq!(LastWords::of(&socket, 7), Some(words));
        assert_eq!(LastWords::of(&socket, 8), None, "another process");
        fs::write(LastWords::path(&socket), "{\"pid\":7").unwrap();
        assert_eq!(LastWords::of(&socket, 7), None, "half written");
        let path = folder.join("on-kernel");
        assert_eq!(Loss::at(&path), None);
        loss.leave(&path).unwrap();
        assert_eq!(Loss::at(&path), Some(loss));
        fs::write(&path, "").unwrap();
        assert!(Loss::at(&path).unwrap().why.contains("is there"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
