//! Compiles the shim against the system's `intel-ipsec-mb.h` and links the library, which Debian ships as an archive.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    for path in ["build.rs", "shim/shim.c"] {
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
    if let Err(error) = built {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "\nerror: ipsec-mb-sys: {error}\ninstall libipsec-mb-dev 1.3 or later (apt-get install libipsec-mb-dev), or build \
             without the feature `ipsec-mb`\n"
        );
        return ExitCode::FAILURE;
    }
    if let Some(folder) = folder_of("libIPSec_MB.a") {
        println!("cargo::rustc-link-search=native={}", folder.display());
    }
    println!("cargo::rustc-link-lib=static=IPSec_MB");
    ExitCode::SUCCESS
}

/// Where the C compiler would find an archive: rustc itself does not look there.
fn folder_of(archive: &str) -> Option<PathBuf> {
    let compiler = cc::Build::new().try_get_compiler().ok()?;
    let output = compiler.to_command().arg(format!("-print-file-name={archive}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // A name without a folder is the compiler's way to say no.
    path.is_absolute().then(|| path.parent().map(Path::to_path_buf))?
}
