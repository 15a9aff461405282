//! `wirewarden run`: becomes the data plane.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::RunArgs;
use crate::exit::Exit;
use crate::tell;

/// Replaces this process by the data plane; returns only if that fails.
pub(crate) fn run(args: &RunArgs) -> Exit {
    if let Err(error) = File::open(&args.config) {
        tell::error(&format!("{}: {error}", args.config.display()));
        return Exit::Usage;
    }
    let beside = beside();
    let Some(program) = data_plane() else {
        let place = beside.map_or_else(String::new, |folder| format!("{} or ", folder.display()));
        tell::error(&format!(
            "the data plane, {DATA_PLANE}, is not in {place}any folder of PATH: install it, or build it with `cargo build --release -p runner`"
        ));
        return Exit::Unreachable;
    };
    let error = Command::new(&program).arg("-c").arg(&args.config).exec();
    tell::error(&format!("cannot start {}: {error}", program.display()));
    Exit::Unreachable
}

/// The data plane that this program starts.
pub(crate) fn data_plane() -> Option<PathBuf> {
    find(beside().as_deref(), env::var_os("PATH").as_deref())
}

/// The folder of this program.
fn beside() -> Option<PathBuf> {
    env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()))
}

/// The data plane beside this program, else the first in `path`.
fn find(beside: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    let in_path = path.map(|path| env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let folders = beside.map(Path::to_owned).into_iter().chain(in_path);
    // An empty part of PATH means the current folder, from which nothing privileged should start.
    let folders = folders.filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(DATA_PLANE)).find(|program| is_executable(program))
}

fn is_executable(program: &Path) -> bool {
    program.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

const DATA_PLANE: &str = "wirewarden-dataplane";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_one_beside_is_taken_before_those_in_path() {
        let root = env::temp_dir().join(format!("wirewarden-run-{}", std::process::id()));
        let (beside, first, second) = (root.join("beside"), root.join("first"), root.join("second"));
        for (folder, mode) in [(&beside, 0o755), (&first, 0o644), (&second, 0o755)] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(DATA_PLANE), "").unwrap();
            fs::set_permissions(folder.join(DATA_PLANE), fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = env::join_paths([Path::new("relative"), &first, &second]).unwrap();
        assert_eq!(find(Some(&beside), Some(&path)), Some(beside.join(DATA_PLANE)));
        assert_eq!(
            find(None, Some(&path)),
            Some(second.join(DATA_PLANE)),
            "what cannot be executed is passed over"
        );
        assert_eq!(find(None, None), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
