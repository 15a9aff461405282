//! Writes a made capture: `make-sample KIND FILE [COUNT]`.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use sample::pcap::PcapWriter;
use sample::{Sink, invented, load, mixed, seeds};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (kind, path, count) = match arguments.as_slice() {
        [kind, path] => (*kind, *path, None),
        [kind, path, count] => match count.parse() {
            Ok(count) => (*kind, *path, Some(count)),
            Err(_) => return usage(),
        },
        _ => return usage(),
    };
    match write(kind, path, count) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => usage(),
        Err(error) => complain(format_args!("make-sample: {path}: {error}")),
    }
}

/// Writes a capture; false where there is no such kind.
fn write(kind: &str, path: &str, count: Option<u32>) -> io::Result<bool> {
    if kind == "seeds" {
        return write_seeds(Path::new(path)).map(|()| true);
    }
    if kind == "signatures" {
        return write_signatures(Path::new(path), count.unwrap_or(2000)).map(|()| true);
    }
    if !["mixed", "bulk-tls", "random-udp", "syn-scan", "lab"].contains(&kind) {
        return Ok(false);
    }
    let mut pcap = PcapWriter::new(BufWriter::with_capacity(1 << 20, File::create(path)?))?;
    let out: &mut dyn Sink = &mut pcap;
    match kind {
        "bulk-tls" => load::bulk_tls(count.unwrap_or(400), 500, out)?,
        "random-udp" => {
            load::random_udp(count.unwrap_or(100_000), count.unwrap_or(100_000).saturating_mul(10), out)?
        }
        "syn-scan" => load::syn_scan(count.unwrap_or(500_000), out)?,
        "lab" => load::lab(count.unwrap_or(10_000), out)?,
        _ => mixed::write(out)?,
    }
    pcap.finish()?;
    Ok(true)
}

/// Writes the seeds for fuzzing, a folder for each kind.
fn write_seeds(into: &Path) -> io::Result<()> {
    for seed in seeds::all()? {
        let folder = into.join(seed.folder);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(seed.name), seed.bytes)?;
    }
    Ok(())
}

/// Writes signatures of protocols that do not exist, in the folders of their families.
fn write_signatures(into: &Path, count: u32) -> io::Result<()> {
    for (path, text) in invented::signatures(count) {
        let path = into.join(path);
        fs::create_dir_all(path.parent().unwrap_or(into))?;
        fs::write(path, text)?;
    }
    Ok(())
}

fn usage() -> ExitCode {
    complain(format_args!(
        "usage: make-sample KIND FILE [COUNT]\n\
         KIND is\n  \
         mixed       some flows each of many protocols\n  \
         bulk-tls    COUNT TLS sessions (400) of 500 frames of 1,514 bytes\n  \
         random-udp  COUNT flows (100000) of 10 frames of 64 bytes each on average\n  \
         syn-scan    one SYN each of COUNT sources (500000)\n  \
         lab         COUNT frames (10000): the mixed ones, and datagrams of every size from 64 to 1,518 bytes\n  \
         seeds       inputs to start fuzzing from, into folders of the directory FILE\n  \
         signatures  COUNT signatures (2000) of invented protocols, into folders of the directory FILE"
    ))
}

fn complain(message: std::fmt::Arguments<'_>) -> ExitCode {
    // There is nobody to tell where standard error is closed.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(2)
}
