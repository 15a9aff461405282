//! `wirewarden man`: a manual page for the program and for each of its commands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, ValueHint};
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit::Exit;
use crate::tell;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  sudo wirewarden man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder the pages are written into, made if need be
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
}

/// Writes the pages: `wirewarden.1`, `wirewarden-inspect.1` and so on.
pub(crate) fn run(args: &ManArgs) -> Exit {
    match write(&args.folder) {
        Ok(()) => Exit::Success,
        Err(error) => {
            tell::error(&format!("cannot write manual pages into {}: {error}", args.folder.display()));
            Exit::Unreachable
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut left = vec![(program.get_name().to_owned(), program.clone())];
    while let Some((name, command)) = left.pop() {
        for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
            left.push((format!("{name}-{}", below.get_name()), below.clone()));
        }
        let mut page = Vec::new();
        Man::new(command).title(name.to_uppercase()).render(&mut page)?;
        fs::write(folder.join(format!("{name}.1")), page)?;
    }
    Ok(())
}
