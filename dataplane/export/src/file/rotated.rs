//! Names of files that were rotated, and what there is of them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A file that lines are no longer added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rotated {
    /// Orders them, whatever the clock said.
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) is_compressed: bool,
}

/// What follows the name of a compressed file, and of one that is being made.
pub(crate) const COMPRESSED: &[u8] = b".zst";
pub(crate) const UNFINISHED: &[u8] = b".zst.part";

/// Where `path` is moved to: `eve.json` becomes `eve.json.20261121T152233Z-7`.
pub(crate) fn name(path: &Path, unix_s: u64, sequence: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned().into_vec();
    name.extend_from_slice(format!(".{}-{sequence}", stamp(unix_s)).as_bytes());
    PathBuf::from(std::ffi::OsString::from_vec(name))
}

/// `name` with another end.
pub(crate) fn with_end(path: &Path, end: &[u8]) -> PathBuf {
    let mut name = path.as_os_str().to_owned().into_vec();
    name.extend_from_slice(end);
    PathBuf::from(std::ffi::OsString::from_vec(name))
}

/// The rotated files of `path`, the oldest first, and unfinished ones of an earlier run. Other files are left alone.
pub(crate) fn list(path: &Path) -> io::Result<(Vec<Rotated>, Vec<PathBuf>)> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(own) = path.file_name() else { return Ok((Vec::new(), Vec::new())) };
    let (mut rotated, mut unfinished) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(base) = name.as_bytes().strip_suffix(UNFINISHED) {
            if sequence(own, OsStr::from_bytes(base)).is_some() {
                unfinished.push(entry.path());
            }
            continue;
        }
        let (base, is_compressed) = match name.as_bytes().strip_suffix(COMPRESSED) {
            Some(base) => (base, true),
            None => (name.as_bytes(), false),
        };
        let Some(sequence) = sequence(own, OsStr::from_bytes(base)) else { continue };
        // One that somebody else just took away is none.
        let Ok(about) = entry.metadata() else { continue };
        if about.is_file() {
            rotated.push(Rotated { sequence, path: entry.path(), bytes: about.len(), is_compressed });
        }
    }
    rotated.sort_by(|one, other| (one.sequence, &one.path).cmp(&(other.sequence, &other.path)));
    Ok((rotated, unfinished))
}

/// The number of a rotated file's name; none where it is not exactly of our making.
fn sequence(own: &OsStr, name: &OsStr) -> Option<u64> {
    let rest = name.as_bytes().strip_prefix(own.as_bytes())?.strip_prefix(b".")?;
    let (stamp, rest) = rest.split_first_chunk::<16>()?;
    let is_stamp = stamp.iter().enumerate().all(|(at, byte)| match at {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    let number = rest.strip_prefix(b"-").filter(|_| is_stamp)?;
    // No sign, no zeros before it: each number has one name.
    let text = core::str::from_utf8(number).ok()?;
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// `20261121T152233Z` (ISO 8601, basic format).
fn stamp(unix_s: u64) -> String {
    let most = i64::MAX.unsigned_abs();
    let seconds = i64::try_from(unix_s.min(most)).unwrap_or(0);
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_is_told_from_others() {
        let own = OsStr::new("eve.json");
        let of = |name: &str| sequence(own, OsStr::new(name));
        let made = name(Path::new("eve.json"), 1_795_274_553, 7);
        assert_eq!(made, Path::new("eve.json.20261121T152233Z-7"));
        assert_eq!(of(made.to_str().unwrap()), Some(7));
        for other in [
            "eve.json",
            "eve.json.1",
            "eve.json.20261121T152233Z",
            "eve.json.20261121T152233Z-",
            "eve.json.20261121T152233Z-07",
            "eve.json.20261121T152233Z-+7",
            "eve.json.20261121T152233Z-7x",
            "eve.json.2026112_T152233Z-7",
            "other.20261121T152233Z-7",
            "eve.json.20261121T152233Z-99999999999999999999",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_numbers_whatever_the_clock_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        for (time, number) in [(2_000_000_000, 9), (1_000_000_000, 10), (1_500_000_000, 11)] {
            fs::write(name(&path, time, number), "x").unwrap();
        }
        let packed = with_end(&name(&path, 5, 8), COMPRESSED);
        fs::write(&packed, "x").unwrap();
        fs::write(with_end(&name(&path, 5, 8), UNFINISHED), "x").unwrap();
        fs::write(folder.path().join("eve.json.bak"), "x").unwrap();
        fs::create_dir(name(&path, 1, 1)).unwrap();
        let (rotated, unfinished) = list(&path).unwrap();
        assert_eq!(rotated.iter().map(|one| one.sequence).collect::<Vec<_>>(), [8, 9, 10, 11]);
        assert!(rotated[0].is_compressed && rotated[0].path == packed && unfinished.len() == 1);
    }
}
