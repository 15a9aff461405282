//! `wirewarden inspect` as a user runs it: real processes, real files.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

mod capture;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use capture::Capture;
use serde_json::Value;

/// A folder of one test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wirewarden-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A capture of an HTTP conversation, a DNS question with its answer, and a packet that lies.
    fn office(&self) -> PathBuf {
        let mut capture = Capture::default();
        capture.http(40_000);
        capture.dns(50_000);
        capture.bad_ipv4();
        self.file("office.pcap", &capture.bytes())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn wirewarden() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
    for name in ["NO_COLOR", "COLUMNS", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command
}

fn inspect(arguments: &[&str], files: &[&Path]) -> Output {
    wirewarden().arg("inspect").args(arguments).args(files).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event_type"] == kind).collect()
}

#[test]
fn the_summary_on_a_pipe_is_plain_and_eighty_columns_wide() {
    let folder = Folder::new("plain");
    let output = inspect(&[], &[&folder.office()]);
    let text = stdout(&output);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{text}");
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    for part in ["http", "dns", "192.0.2.1", "Exposure", "cleartext", "ipv4_bad_header"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    assert!(text.contains(" received = ") && text.contains("+ 1 dropped"), "{text}");
}

#[test]
fn width_and_characters_follow_the_environment() {
    let folder = Folder::new("environment");
    let file = folder.office();
    let wide =
        wirewarden().env("COLUMNS", "100").env("LANG", "C.UTF-8").arg("inspect").arg(&file).output().unwrap();
    let text = stdout(&wide);
    assert!(text.contains('█'), "{text}");
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!((81..=100).contains(&longest), "{longest}:\n{text}");
}

#[test]
fn eve_on_standard_output_is_alone_there() {
    let folder = Folder::new("eve-stdout");
    let file = folder.office();
    let output = inspect(&["--eve", "-"], &[&file]);
    let records = lines(&stdout(&output));
    let flows = of_type(&records, "flow");
    let protocols: Vec<_> = flows.iter().map(|flow| flow["app_proto"].as_str().unwrap_or_default()).collect();
    assert!(protocols.contains(&"http") && protocols.contains(&"dns"), "{protocols:?}");
    let http = flows.iter().find(|flow| flow["app_proto"] == "http").unwrap();
    assert_eq!(
        (&http["src_ip"], &http["dest_port"], &http["proto"]),
        (&"192.0.2.1".into(), &80.into(), &"TCP".into())
    );
    assert_eq!(http["tcp"]["syn"], true);
    let stats = of_type(&records, "stats");
    assert_eq!(stats[0]["stats"]["drop"]["ipv4_bad_header"], 1);
    assert!(stderr(&output).contains("Protocols"), "{}", stderr(&output));
    let quiet = inspect(&["--eve", "-", "-q"], &[&file]);
    assert_eq!(stderr(&quiet), "");
    assert_eq!(quiet.stdout, output.stdout, "the same file gives the same records");
}

#[test]
fn eve_goes_to_a_file_and_never_over_a_capture() {
    let folder = Folder::new("eve-file");
    let (file, eve) = (folder.office(), folder.0.join("eve.json"));
    let output = inspect(&["--eve", eve.to_str().unwrap()], &[&file]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("EVE records written, 0 lost"), "{}", stdout(&output));
    assert!(!lines(&fs::read_to_string(&eve).unwrap()).is_empty());
    let before = fs::read(&file).unwrap();
    let output = inspect(&["--eve", file.to_str().unwrap()], &[&file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("would overwrite the capture"), "{}", stderr(&output));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_disk_without_room_is_told_once_and_ends_with_one() {
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: there is no /dev/full");
        return;
    }
    let folder = Folder::new("full");
    let output = inspect(&["--eve", "/dev/full"], &[&folder.office()]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).matches("No space left").count(), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("0 EVE records written"), "{}", stdout(&output));
}

#[test]
fn a_filter_chooses_flows_with_their_events() {
    let folder = Folder::new("filter");
    let file = folder.office();
    for (filter, app) in [("http", "http"), ("not tcp", "dns"), ("cleartext and bytes > 500", "http")] {
        let output = inspect(&["-q", "--eve", "-", "--filter", filter], &[&file]);
        let records = lines(&stdout(&output));
        let flows = of_type(&records, "flow");
        assert_eq!(flows.len(), 1, "{filter}: {records:?}");
        assert_eq!(flows[0]["app_proto"], app, "{filter}");
        let events = of_type(&records, app);
        assert!(!events.is_empty(), "{filter}");
        assert!(
            records.iter().all(|record| record.get("flow_id").is_none_or(|id| *id == flows[0]["flow_id"]))
        );
    }
    let text = stdout(&inspect(&["-f", "udp"], &[&file]));
    assert!(text.contains("1 of 2 flows"), "{text}");
}

#[test]
fn a_wrong_filter_is_shown_with_a_mark_and_the_nearest_word() {
    let folder = Folder::new("wrong-filter");
    let output = inspect(&["-f", "tcp and htpp"], &[&folder.office()]);
    let text = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(text.contains("column 9") && text.contains("did you mean `http`?"), "{text}");
    assert!(text.contains("  tcp and htpp\n          ^^^^"), "{text}");
}

#[test]
fn the_summary_comes_as_json_too() {
    let folder = Folder::new("json");
    let output = inspect(&["--json"], &[&folder.office()]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&value["flows"], &value["packets"]["dropped"]), (&2.into(), &1.into()));
    let packets = &value["packets"];
    let sum =
        ["processed", "held", "dropped"].map(|name| packets[name].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(packets["received"].as_u64(), Some(sum));
}

#[test]
fn several_workers_find_the_same_flows() {
    let folder = Folder::new("workers");
    let mut capture = Capture::default();
    for port in 0..50 {
        capture.http(40_000 + port);
        capture.dns(50_000 + port);
    }
    let file = folder.file("many.pcap", &capture.bytes());
    let ends = |workers: &str| {
        let records = lines(&stdout(&inspect(&["-q", "--eve", "-", "--workers", workers], &[&file])));
        let flows = of_type(&records, "flow");
        let mut ends: Vec<_> = flows
            .iter()
            .map(|flow| (flow["src_port"].as_u64(), flow["flow"]["bytes_toclient"].as_u64()))
            .collect();
        ends.sort_unstable();
        ends
    };
    assert_eq!(ends("1").len(), 100);
    assert_eq!(ends("1"), ends("3"));
}

#[test]
fn what_can_be_read_is_read_and_the_exit_code_says_how_much() {
    let folder = Folder::new("partial");
    let file = folder.office();
    let whole = fs::read(&file).unwrap();
    let cut = folder.file("cut.pcap", &whole[..whole.len() - 5]);
    let missing = folder.0.join("missing.pcap");
    let text = folder.file("notes.txt", b"these are not packets, whatever the name says");
    for (files, code, named) in [
        (vec![cut.as_path()], 1, "cut.pcap"),
        (vec![missing.as_path()], 2, "missing.pcap"),
        (vec![text.as_path()], 2, "notes.txt"),
        (vec![missing.as_path(), file.as_path()], 1, "missing.pcap"),
    ] {
        let output = inspect(&[], &files);
        assert_eq!(output.status.code(), Some(code), "{files:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{}", stderr(&output));
        assert_eq!(stdout(&output).contains("http"), code == 1, "{files:?}");
    }
}

#[test]
fn wrong_arguments_end_with_two() {
    for arguments in [
        &[][..],
        &["inspect"],
        &["inspect", "x", "--workers", "0"],
        &["inspekt"],
        &["inspect", "x", "--seed"],
    ] {
        let output = wirewarden().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_without_a_word() {
    let folder = Folder::new("pipe");
    let mut capture = Capture::default();
    for port in 0..2000 {
        capture.dns(20_000 + port);
    }
    let file = folder.file("many.pcap", &capture.bytes());
    let mut child = wirewarden()
        .args(["inspect", "-q", "--eve", "-"])
        .arg(&file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

/// Waits for the end, at most `limit`.
fn ends_within(child: &mut Child, limit: Duration) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    None
}

/// Whether a process has a handler for SIGINT: without one, the signal ends it (`proc_pid_status(5)`).
fn catches_interruptions(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    caught & (1 << (2 - 1)) != 0
}

/// Whether all threads of a process wait for something (`proc_pid_stat(5)`).
fn waits(pid: u32) -> bool {
    fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().all(|thread| {
        fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| {
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'))
        })
    })
}

#[test]
fn an_interruption_writes_the_open_flows_and_ends_soon() {
    let mut child = wirewarden()
        .args(["inspect", "-", "--eve", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut capture = Capture::default();
    capture.http(40_000);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&capture.bytes()).unwrap();
    // Time to start, and to read what is there; the pipe stays open, so that the program waits for more.
    for _ in 0..300 {
        if catches_interruptions(child.id()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (began, mut quiet) = (Instant::now(), 0);
    while quiet < 20 {
        quiet = if waits(child.id()) { quiet + 1 } else { 0 };
        assert!(began.elapsed() < Duration::from_secs(30), "it does not wait for more");
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let code = ends_within(&mut child, Duration::from_secs(2));
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(code, Some(1), "{}", stderr(&output));
    let records = lines(&stdout(&output));
    assert_eq!(of_type(&records, "flow").len(), 1, "{records:?}");
    assert!(stderr(&output).contains("interrupted"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("cut short"), "{}", stderr(&output));
}

#[test]
fn standard_input_is_read_from_a_pipe_and_from_a_file() {
    let folder = Folder::new("stdin");
    let file = folder.office();
    let from_file =
        wirewarden().args(["inspect", "-"]).stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert_eq!(from_file.status.code(), Some(0), "{}", stderr(&from_file));
    assert!(stdout(&from_file).contains("http"));
    let mut child = wirewarden()
        .args(["inspect", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&file).unwrap()).unwrap();
    let from_pipe = child.wait_with_output().unwrap();
    assert_eq!(from_pipe.status.code(), Some(0), "{}", stderr(&from_pipe));
    assert!(stdout(&from_pipe).contains("http"));
}

#[test]
fn colours_appear_on_a_terminal_only_and_can_be_refused() {
    let folder = Folder::new("terminal");
    let file = folder.office();
    // `script` gives the program a terminal.
    let on_terminal = |variables: &[(&str, &str)], option: &str| {
        let program = env!("CARGO_BIN_EXE_wirewarden");
        let line = format!("{program} inspect {option} {}", file.display());
        let mut command = Command::new("script");
        command
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null())
            .env("TERM", "xterm")
            .env_remove("NO_COLOR");
        command.envs(variables.iter().copied());
        command.output().map(|output| stdout(&output))
    };
    let Ok(text) = on_terminal(&[], "") else {
        eprintln!("SKIPPED: the program `script` is not installed");
        return;
    };
    assert!(text.contains("\u{1b}["), "{text}");
    assert!(!on_terminal(&[("NO_COLOR", "1")], "").unwrap().contains("\u{1b}["));
    assert!(!on_terminal(&[], "--no-color").unwrap().contains("\u{1b}["));
    assert!(!on_terminal(&[("TERM", "dumb")], "").unwrap().contains("\u{1b}["));
}

#[test]
fn every_labelled_capture_is_accounted_for() {
    let folder = std::env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ground-truth"),
        PathBuf::from,
    );
    let captures = folder.join("pcap");
    if !captures.is_dir() {
        eprintln!("SKIPPED: no captures at {}; set WIREWARDEN_GROUND_TRUTH", folder.display());
        return;
    }
    let mut files: Vec<_> = fs::read_dir(&captures).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let output = inspect(&["--json"], &files);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packets = &value["packets"];
    let sum =
        ["processed", "held", "dropped"].map(|name| packets[name].as_u64().unwrap()).iter().sum::<u64>();
    assert_eq!(packets["received"].as_u64(), Some(sum));
    assert!(sum > 10_000, "{sum}");
    let of_protocols: u64 =
        value["protocols"].as_array().unwrap().iter().map(|row| row["flows"].as_u64().unwrap()).sum();
    assert_eq!(value["flows"].as_u64(), Some(of_protocols));
    assert_eq!(value["flows"], value["flows_seen"]);
}

#[test]
fn compiled_signatures_are_kept_and_a_bad_cache_changes_nothing() {
    let folder = Folder::new("cache");
    let (office, cache) = (folder.office(), folder.0.join("cache"));
    let told = |cache: &Path| {
        let mut command = wirewarden();
        command.env("XDG_CACHE_HOME", cache).env_remove("HOME");
        let output = command.args(["inspect", "--quiet", "--eve", "-"]).arg(&office).output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 2)), "{}", stderr(&output));
        lines(&stdout(&output)).iter().map(|line| line["app_proto"].clone()).collect::<Vec<_>>()
    };
    let databases = cache.join("wirewarden/databases");
    let kept = || {
        let entries = fs::read_dir(&databases).unwrap().map(|entry| entry.unwrap());
        let mut files: Vec<_> = entries.map(|entry| (entry.path(), entry.metadata().unwrap())).collect();
        files.sort_by(|one, other| one.0.cmp(&other.0));
        files
    };

    let first = told(&cache);
    assert!(first.iter().any(|name| name == "http"), "{first:?}");
    let files = kept();
    assert!(!files.is_empty());
    assert_eq!(fs::metadata(&databases).unwrap().permissions().mode() & 0o777, 0o700);

    // What is there is taken, and not written again.
    assert_eq!(told(&cache), first);
    let written = |files: &[(PathBuf, fs::Metadata)]| -> Vec<_> {
        files.iter().map(|(path, about)| (path.clone(), about.ino(), about.modified().unwrap())).collect()
    };
    assert_eq!(written(&kept()), written(&files));

    // A damaged file gives way to a good one.
    let (damaged, length) = (&files[0].0, files[0].1.len());
    fs::write(damaged, b"wirewarden databases 1\nnothing").unwrap();
    assert_eq!(told(&cache), first);
    assert_eq!(fs::metadata(damaged).unwrap().len(), length);

    // A folder that others may write to is not believed, and one that cannot be had is no error.
    fs::set_permissions(&databases, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(damaged, b"x").unwrap();
    assert_eq!(told(&cache), first);
    assert_eq!(fs::read(damaged).unwrap(), b"x");
    assert_eq!(told(&office), first);

    // Nor is that of somebody else.
    fs::set_permissions(&databases, fs::Permissions::from_mode(0o700)).unwrap();
    if chown(&databases, Some(65_534), None).is_err() {
        eprintln!("SKIPPED: giving a folder to another user takes root");
        return;
    }
    assert_eq!(told(&cache), first);
    assert_eq!(fs::read(damaged).unwrap(), b"x");

    // And nothing is left in a home that is somebody else's.
    let home = folder.0.join("home");
    fs::create_dir(&home).unwrap();
    chown(&home, Some(65_534), None).unwrap();
    assert_eq!(told(&home), first);
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}
