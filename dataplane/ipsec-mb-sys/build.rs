//! Compiles the shim against the system's `intel-ipsec-mb.h` and links the library, which Debian ships as an archive.

#[path = "build/unshare.rs"]
mod unshare;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    for path in ["build.rs", "build", "shim/shim.c"] {
        println!("cargo::rerun-if-changed={path}");
    }
    // Intel's library is for its own instruction set; elsewhere this crate is empty.
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() != Ok("x86_64") {
        return ExitCode::SUCCESS;
    }
    let built = cc::Build::new()
        .file("shim/shim.c")
        .opt_level(2)
        .warnings(true)
        .extra_warnings(true)
        .try_compile("ipsec_mb_shim");
    match built.map_err(|error| error.to_string()).and_then(|()| link()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            use std::io::Write;
            let _ = writeln!(
                std::io::stderr(),
                "\nerror: ipsec-mb-sys: {why}\ninstall libipsec-mb-dev 1.3 or later (apt-get install libipsec-mb-dev), or build \
                 without the feature `ipsec-mb`\n"
            );
            ExitCode::FAILURE
        }
    }
}

/// Links a copy of the library whose calls write nothing that cores share; the library as it is where it is no archive.
fn link() -> Result<(), String> {
    println!("cargo::rustc-link-lib=static=IPSec_MB");
    let (Some(folder), Some(out)) = (folder_of(ARCHIVE), env::var_os("OUT_DIR")) else { return Ok(()) };
    let (source, out) = (folder.join(ARCHIVE), PathBuf::from(out));
    println!("cargo::rerun-if-changed={}", source.display());
    println!("cargo::rustc-link-search=native={}", out.display());
    let mut archive = fs::read(&source).map_err(|error| cannot("read", &source, &error))?;
    let stores = unshare::unshare(&mut archive).map_err(|error| cannot("read", &source, &error))?;
    if stores == 0 {
        println!(
            "cargo::warning=libIPSec_MB has no stores of its error number where 1.3 has them: nothing was taken out"
        );
    }
    let copy = out.join(ARCHIVE);
    fs::write(&copy, archive).map_err(|error| cannot("write", &copy, &error))
}

fn cannot(what: &str, path: &Path, error: &dyn Display) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

const ARCHIVE: &str = "libIPSec_MB.a";

/// Where the C compiler would find an archive: rustc itself does not look there.
fn folder_of(archive: &str) -> Option<PathBuf> {
    let compiler = cc::Build::new().try_get_compiler().ok()?;
    let output = compiler.to_command().arg(format!("-print-file-name={archive}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // A name without a folder is the compiler's way to say no.
    path.is_absolute().then(|| path.parent().map(Path::to_path_buf))?
}
