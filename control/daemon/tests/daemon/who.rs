use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command as Process;
use std::time::Duration;

use api::control::Command;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sample::still::Still;

use crate::rig::Rig;

/// What the daemon answers a user of this number; none where one cannot become that.
fn ask_as(rig: &Rig, uid: u32, request: &str) -> Option<String> {
    ask_at(&rig.path("run/control.sock"), uid, request)
}

/// The same of the daemon whose socket this is.
pub(crate) fn ask_at(socket: &Path, uid: u32, request: &str) -> Option<String> {
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('{}')\ns.sendall(b'{request}\\n')\nprint(s.makefile().readline())",
        socket.display()
    );
    let uid = uid.to_string();
    let arguments = ["--reuid", &uid, "--regid", &uid, "--clear-groups", "python3", "-c", &script];
    // A python below the home of root is of no use to others.
    let output = Process::new("setpriv").args(arguments).env("PATH", "/usr/bin:/bin").output().ok()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if told.is_empty() {
        eprintln!("SKIPPED: cannot become another user: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(told)
}

#[test]
fn everybody_has_the_role_that_the_kernel_s_word_gives() {
    let Some(rig) = Rig::start(&["--viewer", "4001", "--operator", "4002"]) else { return };
    for folder in [rig.folder.path().to_owned(), rig.path("run")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let status = "{\"version\":1,\"id\":1,\"command\":{\"do\":\"status\"}}";
    let confirm = "{\"version\":1,\"id\":1,\"command\":{\"do\":\"config_confirm\"}}";
    let stop = "{\"version\":1,\"id\":1,\"command\":{\"do\":\"stop\"}}";
    let Some(stranger) = ask_as(&rig, 65_534, status) else { return };
    assert!(stranger.contains("\"code\":\"role\""), "{stranger}");
    assert!(ask_as(&rig, 4001, status).unwrap().contains("\"kind\":\"status\""));
    let viewer = ask_as(&rig, 4001, confirm).unwrap();
    assert!(viewer.contains("\"code\":\"role\"") && viewer.contains("operator"), "{viewer}");
    let operator = ask_as(&rig, 4002, confirm).unwrap();
    assert!(operator.contains("\"code\":\"conflict\""), "{operator}");
    assert!(ask_as(&rig, 4002, stop).unwrap().contains("administrator"));
    assert!(rig.ask(Command::Status).is_ok());
}

#[test]
fn half_a_request_and_an_endless_one_do_no_harm() {
    let Some(rig) = Rig::start(&[]) else { return };
    let connect = || UnixStream::connect(rig.path("run/control.sock")).unwrap();
    let mut half = connect();
    half.write_all(b"{\"version\":1,\"id\":1,\"comma").unwrap();
    drop(half);
    let mut wrong = connect();
    wrong.write_all(b"{\"version\":1,\"id\":8,\"command\":\n").unwrap();
    let mut line = String::new();
    BufReader::new(&wrong).read_line(&mut line).unwrap();
    assert!(line.contains("\"code\":\"request\""), "{line}");
    let mut endless = connect();
    let chunk = vec![b'x'; 1 << 20];
    let mut written: usize = 0;
    while written < 1 << 30 && endless.write_all(&chunk).is_ok() {
        written += chunk.len();
    }
    assert!(written < 1 << 24, "ended at the limit, not after {written} bytes");
    assert!(rig.ask(Command::Status).is_ok());
}

#[test]
fn ten_thousand_who_say_nothing_keep_nobody_out() {
    let Some(rig) = Rig::start(&[]) else { return };
    let own = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: own.maximum, ..own }).unwrap();
    let mut idle = Vec::new();
    for number in 0..10_000 {
        match UnixStream::connect(rig.path("run/control.sock")) {
            Ok(stream) => idle.push(stream),
            Err(error) => {
                eprintln!("SKIPPED in part: {number} idle clients, and then {error}");
                break;
            }
        }
    }
    // Who asks now is behind all of those that are not accepted yet.
    assert!(rig.ask(Command::Status).is_ok());
    let asked = Still::watch();
    assert!(rig.ask(Command::Status).is_ok());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(idle);
    assert!(rig.ask(Command::Status).is_ok());
}
