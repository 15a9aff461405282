//! Files of the outputs while packets flow: rotated, moved by others, and the level of the log.

use std::fs;
use std::path::Path;
use std::process::Command as Process;
use std::time::{Duration, Instant};

use api::control::{Command, OutputCounters, Reply};

use crate::plane::Plane;

fn output(plane: &Plane) -> OutputCounters {
    match plane.client().ask(Command::Counters).unwrap() {
        Reply::Counters(counters) => counters.outputs.into_iter().next().unwrap(),
        other => panic!("{other:?}"),
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "not {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lines of every file of the folder whose name begins so, none of them cut.
fn lines(folder: &Path, name: &str) -> u64 {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let ours = files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name));
    ours.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{} ends in the middle of a line", path.display());
        assert!(text.lines().all(|line| line.starts_with('{') && line.ends_with('}')), "{}", path.display());
        text.lines().count() as u64
    })
    .sum()
}

/// A configuration whose flows end at once, so that there is something to write.
fn busy(plane: &Plane, more: &str) -> String {
    let eve = plane.folder().join("eve.json");
    plane
        .text(&format!("[[live.output.eve]]\npath = \"{}\"\n{more}", eve.display()))
        .replace("200ms", "100ms")
}

#[test]
fn files_are_rotated_while_packets_flow_and_no_line_is_lost() {
    let mut plane = Plane::start("");
    let text = busy(&plane, "rotate_every = \"1s\"\nkeep_files = 100\n");
    plane.client().ask(Command::Configure { text }).unwrap();
    until("rotated", || output(&plane).rotations >= 2);
    // Somebody else moves the file, and says so.
    fs::rename(plane.folder().join("eve.json"), plane.folder().join("eve.json.moved")).unwrap();
    assert!(Process::new("kill").args(["-HUP", &plane.pid().to_string()]).status().unwrap().success());
    until("opened anew", || output(&plane).reopened >= 1);
    until("written again", || plane.folder().join("eve.json").metadata().is_ok_and(|about| about.len() > 0));
    let counted = output(&plane);
    assert_eq!((counted.lost_lines, counted.errors, counted.file_errors), (0, 0, 0), "{counted:?}");
    let told = plane.end();
    // All that was counted is in the files; what came since is, too.
    assert!(lines(plane.folder(), "eve.json") >= counted.lines, "{counted:?}");
    assert!(told.contains("received"));
}

#[test]
fn the_level_of_the_log_is_changed_while_it_runs() {
    let plane = Plane::start("");
    let mut client = plane.client();
    let mut apply = |level: &str| {
        let text = plane.text(&format!("[live.log]\nlevel = \"{level}\"\n"));
        client.ask(Command::Configure { text }).unwrap();
    };
    apply("debug");
    plane.client().ask(Command::Protocols).unwrap();
    apply("error");
    plane.client().ask(Command::Protocols).unwrap();
    let told = plane.stop();
    assert_eq!(told.matches("debug: protocols in").count(), 1, "{told}");
    assert!(told.contains("settings in use, generation 2"), "{told}");
    assert!(!told.contains("generation 3"), "that is no error: {told}");
}
