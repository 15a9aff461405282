//! The plan that commands judge with. What Hyperscan makes of the signatures that the program carries takes longer than
//! most captures: it is kept in the user's cache (XDG Base Directory Specification, `$XDG_CACHE_HOME`).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use engine::Plan;
use engine::detectors::signatures::{self, DatabaseCache, SignatureErrors};

/// The plan of what the program carries and of a folder's files, which go before it.
///
/// # Errors
/// Everything that is wrong with the files, each with file and line; what Hyperscan refuses on this machine.
pub(crate) fn plan(folder: Option<&Path>) -> Result<Plan, SignatureErrors> {
    // Without a cache everything is as it is with one, only later.
    let cache = place(|name| env::var_os(name)).and_then(|place| open(&place));
    let files = match folder {
        Some(folder) => signatures::builtin_files_and(folder)?,
        None => signatures::builtin_files(),
    };
    let Some(cache) = cache else { return Plan::from_files(&files) };
    let plan = Plan::from_files_and(&files, &cache)?;
    // A folder that is being worked on would take the place of what every command needs.
    if folder.is_none() {
        let _ = cache.keep(plan.signatures());
    }
    Ok(plan)
}

fn open(place: &Path) -> Option<DatabaseCache> {
    // Who acts for somebody else (`sudo` that keeps HOME) leaves nothing in that one's home.
    let nearest = place.ancestors().find_map(|folder| fs::metadata(folder).ok())?;
    if nearest.uid() != rustix::process::geteuid().as_raw() {
        return None;
    }
    fs::create_dir_all(place.parent()?).ok()?;
    DatabaseCache::open(place).ok()
}

/// Where the cache is; none where the environment names no place. Relative paths do not count, as the specification
/// has it.
fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("wirewarden").join("databases"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(variables: &[(&str, &str)]) -> Option<PathBuf> {
        place(|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_place_is_that_of_the_base_directory_specification() {
        let home = ("HOME", "/home/a");
        assert_eq!(placed(&[home]), Some("/home/a/.cache/wirewarden/databases".into()));
        assert_eq!(placed(&[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/wirewarden/databases".into()));
        for relative in ["", "c", "./c"] {
            let both = [home, ("XDG_CACHE_HOME", relative)];
            assert_eq!(placed(&both), placed(&[home]), "{relative:?}");
        }
        assert_eq!(placed(&[]), None);
        assert_eq!(placed(&[("HOME", "")]), None);
    }
}
