//! Beside other programs on one interface, by libxdp's dispatcher; `xdp-loader` of xdp-tools is the judge.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use packet_io::xdp::{self, ModeChoice, XdpConfig, XdpError, XdpProgram};

use crate::BpfFileSystem;
use crate::network::veth;

/// Says to a process what it is here for.
const ROLE: &str = "WIREWARDEN_TEST_ROLE";
/// Where the names of maps and programs are.
const NAMES: &str = "LIBXDP_BPFFS";
/// Where object files are.
const OBJECTS: &str = "WIREWARDEN_TEST_OBJECTS";
const BURST: u64 = 50;

/// What the test of this name does.
pub(crate) fn check(name: &str) {
    match std::env::var(ROLE).as_deref() {
        Ok("owner") => own(),
        Ok(_) => judge(name),
        Err(_) if Command::new("xdp-loader").arg("--version").output().is_err() => {
            eprintln!("SKIPPED: {name}: needs xdp-loader (package xdp-tools)");
        }
        Err(_) => {
            let (bpf, objects) = (BpfFileSystem::mount(), tempfile::tempdir().unwrap());
            let mut again = again(name, "judge");
            again.env(NAMES, bpf.0.path()).env(OBJECTS, objects.path());
            assert!(again.status().unwrap().success());
        }
    }
}

/// This test once more, in another role.
fn again(name: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--include-ignored"]).env(ROLE, role);
    command
}

fn attached(mode: ModeChoice) -> Result<XdpProgram, XdpError> {
    let config = XdpConfig { mode, watchdog: None, ..XdpConfig::new("va") };
    let mut program = XdpProgram::load(&config)?;
    program.attach().map(|_| program)
}

/// Has the program in its place until it is killed.
fn own() {
    let _program = attached(ModeChoice::Auto).unwrap();
    eprintln!("attached");
    thread::sleep(Duration::from_secs(600));
}

/// An owner in a process of its own, once its program is attached.
fn owner(name: &str) -> Child {
    let mut owner = again(name, "owner").stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(owner.stderr.take().unwrap()).lines();
    assert!(said.map_while(Result::ok).any(|line| line.contains("attached")), "it says so or ends");
    owner
}

fn judge(name: &str) {
    veth("va", "vb", 1500);
    for (mode, wanted) in [("native", ModeChoice::Native), ("skb", ModeChoice::Generic)] {
        load("first", mode, "10");
        assert!(xdp::is_dispatched("va") && !xdp::is_dispatched("vb"));
        assert!(!xdp::attachments().unwrap()[0].is_ours());

        // Ours is the second: what the first lets go on, ours counts.
        let program = attached(wanted).unwrap();
        assert!(program.is_attached());
        assert_eq!((in_dispatcher(), dispatchers()), (2, 1));
        let seen = xdp::attachments().unwrap();
        assert!(seen[0].is_ours() && seen[0].dispatcher.is_some(), "{seen:?}");
        send();
        assert_eq!((seen_by("first"), total(&program)), (BURST, BURST));

        // Only one of ours at a time, and only in the mode that there is.
        let error = attached(ModeChoice::Auto).unwrap_err().to_string();
        assert!(error.contains("end its owner first"), "{error}");
        let other = if wanted == ModeChoice::Native { ModeChoice::Generic } else { ModeChoice::Native };
        let error = attached(other).unwrap_err().to_string();
        assert!(error.contains("another is asked for"), "{error}");

        // libxdp builds the next dispatcher from ours.
        load("last", mode, "200");
        assert!(program.is_attached());
        assert_eq!((in_dispatcher(), dispatchers()), (3, 1));
        send();
        assert_eq!((seen_by("first"), total(&program), seen_by("last")), (2 * BURST, 2 * BURST, BURST));

        // Others see what it counts, and it goes without them.
        let by_another = xdp::Attached::open("va").unwrap();
        assert_eq!(by_another.state().counters().unwrap().total(), 2 * BURST);
        drop(by_another);
        drop(program);
        assert!(!xdp::attachments().unwrap()[0].is_ours());
        assert_eq!((in_dispatcher(), dispatchers()), (2, 1));
        send();
        assert_eq!((seen_by("first"), seen_by("last")), (3 * BURST, 2 * BURST));

        judge_owners(name, mode);

        // The last to leave takes the dispatcher along.
        let program = attached(ModeChoice::Auto).unwrap();
        unload("first");
        unload("last");
        assert!(program.is_attached());
        assert_eq!(in_dispatcher(), 1);
        send();
        assert_eq!(total(&program), BURST);
        drop(program);
        assert_eq!((xdp::attachments().unwrap(), dispatchers()), (Vec::new(), 0));
    }
}

/// Two programs that count are there, the first has seen three bursts and the last two.
fn judge_owners(name: &str, mode: &str) {
    // A killed owner leaves an empty place behind, which the next one clears away.
    let mut killed = owner(name);
    assert!(xdp::attachments().unwrap()[0].is_ours());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let is_gone = || !xdp::attachments().unwrap()[0].is_ours();
    assert!((0..100).any(|_| is_gone() || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
    send();
    assert_eq!((seen_by("first"), seen_by("last")), (4 * BURST, 3 * BURST));
    let mut living = owner(name);
    assert_eq!((in_dispatcher(), dispatchers()), (3, 1));

    // libxdp makes the link of ours outlive its owner, whose place is free all the same.
    load("third", mode, "150");
    assert_eq!((in_dispatcher(), dispatchers()), (4, 1));
    living.kill().unwrap();
    living.wait().unwrap();
    let mut living = owner(name);
    assert_eq!((in_dispatcher(), dispatchers()), (4, 1));
    unload("third");
    assert_eq!((in_dispatcher(), dispatchers()), (3, 1));

    // Taken off by another process.
    xdp::detach("va").unwrap();
    assert_eq!((in_dispatcher(), dispatchers()), (2, 1));
    living.kill().unwrap();
    living.wait().unwrap();
    send();
    assert_eq!((seen_by("first"), seen_by("last")), (5 * BURST, 4 * BURST));
}

/// A program that counts, under this name.
fn counter(name: &str) -> PathBuf {
    let object = Path::new(&std::env::var(OBJECTS).unwrap()).join(format!("{name}.o"));
    if !object.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/xdp/count.c");
        let include = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
        let mut clang = Command::new("clang");
        clang.args(["-O2", "-g", "-target", "bpf", &include, &format!("-DNAME={name}"), "-c"]);
        run(clang.arg(source).arg("-o").arg(&object));
    }
    object
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn loader(arguments: &[&str]) -> String {
    run(Command::new("xdp-loader").args(arguments))
}

fn load(name: &str, mode: &str, priority: &str) {
    let object = counter(name);
    let maps = names().join(name);
    loader(&[
        "load",
        "-m",
        mode,
        "-P",
        priority,
        "-p",
        maps.to_str().unwrap(),
        "va",
        object.to_str().unwrap(),
    ]);
}

fn names() -> PathBuf {
    PathBuf::from(std::env::var(NAMES).unwrap())
}

/// What a counter has seen.
fn seen_by(name: &str) -> u64 {
    let map = names().join(name).join("seen");
    let text = run(Command::new("bpftool").args(["-j", "map", "dump", "pinned"]).arg(map));
    let at = text.find(r#""value":"#).unwrap();
    let digits: String = text[at..].chars().skip(8).take_while(char::is_ascii_digit).collect();
    if digits.is_empty() { bytes_of(&text[at..]) } else { digits.parse().unwrap() }
}

/// A number of eight bytes as bpftool prints those whose type it does not know: `["0x32","0x00", ...`.
fn bytes_of(text: &str) -> u64 {
    let bytes = text.split("\"0x").skip(1).take(8).map(|byte| u64::from_str_radix(&byte[..2], 16).unwrap());
    bytes.enumerate().map(|(at, byte)| byte << (8 * at)).sum()
}

/// Sends frames of an experimental EtherType to the interface.
fn send() {
    let program = format!(
        "import socket\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\ns.bind(('vb', 0))\n\
         for _ in range({BURST}): s.send(bytes(12) + b'\\x88\\xb5' + bytes(50))"
    );
    run(Command::new("python3").args(["-c", &program]));
}

/// Programs of the dispatcher, by what libxdp sees.
fn in_dispatcher() -> usize {
    loader(&["status", "va"]).lines().filter(|line| line.trim_start().starts_with("=>")).count()
}

/// Takes a program out, and its map away.
fn unload(name: &str) {
    let status = loader(&["status", "va"]);
    let line = status.lines().find(|line| line.contains(name)).unwrap();
    // Arrow, priority, name, number, tag.
    loader(&["unload", "va", "--id", line.split_whitespace().nth(3).unwrap()]);
    fs::remove_dir_all(names().join(name)).unwrap();
}

fn dispatchers() -> usize {
    let names = fs::read_dir(xdp::dispatchers()).into_iter().flatten().flatten();
    names.filter(|entry| entry.file_name().to_string_lossy().starts_with("dispatch-")).count()
}

fn total(program: &XdpProgram) -> u64 {
    program.state().counters().unwrap().total()
}
