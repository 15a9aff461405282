//! `wirewarden check`: every mistake of a configuration file, each with its line and what mends it.

mod filters;
mod report;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use api::Config;
use api::config::MAX_TEXT;

use crate::exit::Exit;
use crate::tell;

/// Arguments of `wirewarden check`.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Configuration file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// How to print what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Checks a configuration file and prints what was found: exit code 0 without mistakes, 2 with, 3 unread.
pub(crate) fn run(args: &CheckArgs) -> ExitCode {
    let name = args.file.display().to_string();
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(unread) => return unread.exit(&name),
    };
    let errors = match Config::from_toml(&text, &name) {
        Ok(config) => filters::refused(&config, &text, &name),
        Err(errors) => Some(errors),
    };
    let errors = errors.as_ref();
    let printed = match args.output {
        Format::Text => report::text(&name, &text, errors),
        Format::Json => report::json(&name, errors),
    };
    let exit = if errors.is_some() { Exit::Usage } else { Exit::Success };
    // A reader that went away (`| head`) has seen enough; the exit code still says how it was.
    let _ = io::stdout().lock().write_all(printed.as_bytes());
    exit.into()
}

/// Reads the configuration at `path`, or says on standard error why there is none and with which code to exit.
pub(crate) fn load(path: &Path) -> Result<Config, ExitCode> {
    let name = path.display().to_string();
    let text = read(path).map_err(|unread| unread.exit(&name))?;
    Config::from_toml(&text, &name).map_err(|errors| {
        let _ = io::stderr().lock().write_all(report::text(&name, &text, Some(&errors)).as_bytes());
        Exit::Usage.into()
    })
}

/// Why there is no text to check.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("line {line} is not UTF-8 text")]
    NotText { line: usize },
}

impl Unread {
    fn exit(&self, name: &str) -> ExitCode {
        tell::error(&format!("{name}: {self}"));
        let exit = match self {
            Self::Io(_) => Exit::Unreachable,
            Self::NotText { .. } => Exit::Usage,
        };
        exit.into()
    }
}

/// Reads at most one byte more than a configuration may have: the rest of a device or pipe is of no interest.
fn read(path: &Path) -> Result<String, Unread> {
    let limit = MAX_TEXT as u64 + 1;
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(good);
        Unread::NotText { line: 1 + before.filter(|byte| **byte == b'\n').count() }
    })
}
