//! What a program can do no more: tried by one that gives it up, which is this test's own, started again.

use std::fs;
use std::path::Path;
use std::process::Command;

use confinement::{Confinement, Files, Programs};

const ROLE: &str = "WIREWARDEN_CONFINED_FOLDER";

/// The part of the program that is confined.
#[test]
fn role() {
    let Some(folder) = std::env::var_os(ROLE) else { return };
    let folder = Path::new(&folder);
    let writable = vec![folder.join("own"), folder.join("not there")];
    let in_force =
        Confinement { files: Files::Below(writable), programs: Programs::None, maps: false }.enter();
    println!("\nin force: {in_force}");
    let told = |what: &str, tried: std::io::Result<()>| {
        println!("{what}: {}", tried.map_or_else(|error| error.kind().to_string(), |()| "done".to_owned()));
    };
    told("write own", fs::write(folder.join("own/file"), "x"));
    told("remove own", fs::remove_file(folder.join("own/file")));
    told("write other", fs::write(folder.join("other"), "x"));
    told("change other", fs::OpenOptions::new().append(true).open(folder.join("there")).map(drop));
    told("read other", fs::read(folder.join("there")).map(drop));
    told("start", Command::new("true").status().map(drop));
    told("kernel", fs::write("/proc/self/comm", "confined"));
    let thread = std::thread::spawn(|| fs::write("/tmp/wirewarden-confined", "x"));
    told("in a thread", thread.join().unwrap());
    told("listen", std::net::TcpListener::bind("127.0.0.1:0").map(drop));
}

#[test]
fn files_elsewhere_and_other_programs_are_out_of_reach() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    fs::write(folder.path().join("there"), "x").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "role", "--nocapture", "--test-threads=1"])
        .env(ROLE, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = |wanted: &[&str]| wanted.iter().all(|line| said.lines().any(|said| said == *line));
    if !said.contains("Landlock on, seccomp on") {
        println!("SKIPPED: this kernel has not both: {said}");
        return;
    }
    assert!(lines(&["write own: done", "remove own: done", "read other: done", "kernel: done"]), "{said}");
    assert!(lines(&["listen: done"]), "{said}");
    let denied = "permission denied";
    for what in ["write other", "change other", "start", "in a thread"] {
        assert!(lines(&[&format!("{what}: {denied}")]), "{what}: {said}");
    }
    assert!(!folder.path().join("other").exists());
}
