//! `wirewarden bundle`: what somebody needs who is asked for help, in one file and without secrets.

mod parts;
mod secrets;

use std::env;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueHint};

use crate::exit::Exit;
use crate::figures;
use crate::live::Place;
use crate::look::{Ink, Look};
use crate::tell;

use parts::{Collection, Part};
use secrets::Secrets;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wirewarden bundle --dry-run
  sudo wirewarden bundle
  wirewarden bundle -o /tmp/for-support.tar.zst --log /var/log/wirewarden/dataplane.log

The file holds the configuration with every default (no comments), status, counters, the log, what `doctor` found, versions, and
what the kernel says of processor, memory and network cards. Passwords, keys and tokens are taken out of all of it; names of
interfaces and addresses of this machine are not. It holds no packets, no flows and no records. MANIFEST.txt in it lists it all.

Exits with 1 where a part could not be had; the others are there.")]
pub(crate) struct BundleArgs {
    #[command(flatten)]
    place: Place,

    /// The file; by default a name with host and time in the current folder. One that exists is not written over
    #[arg(long, short = 'o', value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Only list what would be in it
    #[arg(long)]
    dry_run: bool,

    /// Configuration to take where the daemon does not answer
    #[arg(long, short = 'c', value_name = "FILE", value_hint = ValueHint::FilePath, default_value = "/var/lib/wirewarden/running.toml")]
    config: PathBuf,

    /// A log file whose end goes in too; the journal of both units goes in by itself
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    log: Vec<PathBuf>,
}

pub(crate) fn run(args: &BundleArgs, no_color: bool) -> Exit {
    let secrets = Secrets::new(secrets::in_environment(env::vars()));
    let collection = parts::collect(&args.place.socket(), &args.config, &args.log, &secrets);
    let listed = if args.dry_run { Ok(None) } else { write(args, &collection).map(Some) };
    let file = match listed {
        Ok(file) => file,
        Err((path, error)) => {
            tell::error(&format!("cannot write {}: {error}", path.display()));
            return Exit::Unreachable;
        }
    };
    let text = list(&collection, file.as_deref(), &Look::of(&io::stdout(), no_color));
    if let Err(error) = io::stdout().lock().write_all(text.as_bytes())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        tell::error(&format!("cannot write: {error}"));
        return Exit::Findings;
    }
    if collection.missing.is_empty() { Exit::Success } else { Exit::Findings }
}

fn list(collection: &Collection, file: Option<&Path>, look: &Look) -> String {
    let mut text = String::new();
    for part in &collection.parts {
        let removed = match part.removed {
            0 => String::new(),
            count => format!("  {count} secrets taken out"),
        };
        text.push_str(&format!(
            "{:<34} {:>9}  {}{}\n",
            look.safe(&part.name),
            figures::bytes(part.bytes.len() as u64),
            part.what,
            look.paint(Ink::Warning, &removed)
        ));
    }
    for (name, why) in &collection.missing {
        text.push_str(&format!("{:<34} {:>9}  {}\n", look.safe(name), "missing", look.safe(why)));
    }
    match file {
        None => text.push_str("nothing was written\n"),
        Some(file) => text.push_str(&format!("written to {}\n", look.safe(&file.display().to_string()))),
    }
    text
}

/// Writes the archive; it is for its owner alone, and never in the place of another file.
fn write(args: &BundleArgs, collection: &Collection) -> Result<PathBuf, (PathBuf, io::Error)> {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let stem = stem(now_s);
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{stem}.tar.zst")));
    let written = (|| {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut archive = tar::Builder::new(zstd::Encoder::new(file, LEVEL)?);
        for part in &collection.parts {
            append(&mut archive, &stem, part, now_s)?;
        }
        archive.into_inner()?.finish()?.sync_all()
    })();
    match written {
        Ok(()) => Ok(path),
        Err(error) => {
            // Half an archive helps nobody; one that was there is not ours.
            if error.kind() != io::ErrorKind::AlreadyExists {
                let _ = std::fs::remove_file(&path);
            }
            Err((path, error))
        }
    }
}

fn append(archive: &mut tar::Builder<impl Write>, stem: &str, part: &Part, now_s: u64) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(part.bytes.len() as u64);
    header.set_mode(0o600);
    header.set_mtime(now_s);
    archive.append_data(&mut header, format!("{stem}/{}", part.name), part.bytes.as_slice())
}

/// `wirewarden-HOST-20261121T152233Z`.
fn stem(now_s: u64) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let host: String =
        host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(64).collect();
    let time = i64::try_from(now_s).ok().and_then(|now_s| jiff::Timestamp::from_second(now_s).ok());
    let time = time.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
    format!("wirewarden-{host}-{time}")
}

const LEVEL: i32 = 9;
