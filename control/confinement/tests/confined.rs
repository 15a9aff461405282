//! What a program can do no more: tried by one that gives it up, which is this test's own, started again.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use confinement::{Capabilities, Confinement, Files, Kept, Programs};

const ROLE: &str = "WIREWARDEN_CONFINED_FOLDER";

/// The part of the program that is confined.
#[test]
fn role() {
    let Some(folder) = std::env::var_os(ROLE) else { return };
    let folder = Path::new(&folder);
    let writable = vec![folder.join("own"), folder.join("not there")];
    let capabilities = Kept::only(Capabilities::CHOWN);
    let files = Files::Below(writable);
    let in_force = Confinement { files, programs: Programs::None, maps: false, capabilities }.enter();
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
    told("in a thread", thread_of(|| fs::write("/tmp/wirewarden-confined", "x")));
    let foreign = thread_of(|| fs::read(folder.join("foreign/file")).map(drop));
    told("read another's", foreign);
    let give_away = || chown(folder.join("there"), Some(65_534), None);
    told("give away", give_away());
    told("give away without", Kept::only(Capabilities::empty()).keep().and_then(|_| give_away()));
    told("listen", std::net::TcpListener::bind("127.0.0.1:0").map(drop));
}

fn thread_of<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(what).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[test]
fn files_elsewhere_and_other_programs_are_out_of_reach() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("own")).unwrap();
    fs::write(folder.path().join("there"), "x").unwrap();
    // What another user keeps for itself: root reads it by a capability only.
    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("file"), "x").unwrap();
    fs::set_permissions(&foreign, fs::Permissions::from_mode(0o700)).unwrap();
    let is_root = chown(&foreign, Some(65_534), None).is_ok();
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
    if !is_root {
        println!("SKIPPED in part: only root has capabilities to give up");
        return;
    }
    assert!(lines(&["in force: Landlock on, seccomp on, capabilities chown"]), "{said}");
    assert!(lines(&["give away: done"]), "{said}");
    for what in ["read another's", "give away without"] {
        assert!(lines(&[&format!("{what}: {denied}")]), "{what}: {said}");
    }
}
