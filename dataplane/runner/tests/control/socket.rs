//! What is said to the socket by mistake, or by the wrong people.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use api::control::{Command as Ask, MAX_REQUEST};

use crate::plane::Plane;

fn connect(plane: &Plane) -> UnixStream {
    let stream = UnixStream::connect(plane.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn answer(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn nonsense_is_answered_and_the_data_plane_runs_on() {
    let plane = Plane::start("");
    let mut stream = connect(&plane);
    stream.write_all(b"{\"version\":1,\"id\":4,\"command\":{\"do\":\"dance\"}}\n").unwrap();
    let line = answer(&stream);
    assert!(line.contains("\"id\":4") && line.contains("dance"), "{line}");
    // Half a request, and the client goes away.
    stream.write_all(b"{\"version\":1,\"id\":4,\"comm").unwrap();
    drop(stream);
    // A line that never ends.
    let mut stream = connect(&plane);
    let chunk = vec![b'x'; 1 << 20];
    let mut written = 0;
    while written <= 4 * MAX_REQUEST && stream.write_all(&chunk).is_ok() {
        written += chunk.len();
    }
    assert!(written < 4 * MAX_REQUEST, "the connection is ended at the limit");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    // Silent ones do not keep others out, up to a limit that is told.
    let silent: Vec<UnixStream> = (0..31).map(|_| connect(&plane)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let mut held = Vec::new();
    let late: Vec<String> = (0..2)
        .map(|_| connect(&plane))
        .map(|stream| {
            // The one too many may be told before it has asked.
            let _ = (&stream).write_all(b"{\"version\":1,\"id\":5,\"command\":{\"do\":\"status\"}}\n");
            // Held open: the second is the one too many.
            let line = answer(&stream);
            held.push(stream);
            line
        })
        .collect();
    assert!(late[0].contains("\"id\":5") && late[1].contains("busy"), "{late:?}");
    drop(silent);
    std::thread::sleep(Duration::from_millis(200));
    assert!(plane.client().ask(Ask::Status).is_ok());
}

#[test]
fn another_user_is_not_heard() {
    let plane = Plane::start("");
    // Even where the file lets everybody in.
    fs::set_permissions(plane.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    fs::set_permissions(plane.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('{}')\n\
         s.sendall(b'{{\"version\":1,\"id\":1,\"command\":{{\"do\":\"stop\"}}}}\\n')\nprint(s.recv(9999).decode())",
        plane.socket().display()
    );
    let nobody = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", &script])
        .output();
    let Ok(output) = nobody.map_err(|error| eprintln!("SKIPPED: no setpriv: {error}")) else { return };
    let told = String::from_utf8_lossy(&output.stdout);
    if told.is_empty() {
        eprintln!("SKIPPED: cannot become another user: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    assert!(told.contains("\"code\":\"role\""), "{told}");
    assert!(plane.client().ask(Ask::Status).is_ok(), "it was not told to stop");
}
