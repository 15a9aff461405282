//! Compiles the programs of `ebpf/xdp` with the machine's clang; no network, and nothing but its headers.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    println(&"cargo::rerun-if-changed=../xdp");
    println(&"cargo::rerun-if-env-changed=CLANG");
    let (Some(out), Some(arch)) =
        (std::env::var_os("OUT_DIR").map(PathBuf::from), std::env::var("CARGO_CFG_TARGET_ARCH").ok())
    else {
        return fail("cargo sets OUT_DIR and CARGO_CFG_TARGET_ARCH");
    };
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".to_owned());
    for name in ["wirewarden", "parse_probe"] {
        let source = Path::new("../xdp").join(name).with_extension("c");
        let mut command = Command::new(&clang);
        command
            .args(["-target", "bpf", "-g", "-O2", "-mcpu=v3", "-Wall", "-Wextra", "-Werror"])
            .arg(format!("-I/usr/include/{arch}-linux-gnu"))
            // Without it, BTF would say where this copy of the sources lies.
            .arg("-fdebug-prefix-map=..=ebpf")
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(out.join(name).with_extension("o"));
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(_) => return fail(&format!("{} does not compile (libbpf-dev is needed)", source.display())),
            Err(error) => return fail(&format!("cannot start {clang}: {error}; install clang or set CLANG")),
        }
    }
    ExitCode::SUCCESS
}

fn println(line: &dyn std::fmt::Display) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn fail(why: &str) -> ExitCode {
    println(&format_args!("cargo::error={why}"));
    ExitCode::FAILURE
}
