//! `wirewarden top` on real terminals, in tmux, against a running appliance.
//!
//! The daemon and the data plane are those beside the test's own program: `cargo build -p daemon -p runner` makes them.
//! `WIREWARDEN_TOP_CAPTURES` names a folder that the pictures are left in.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod appliance;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use appliance::Appliance;

/// A terminal of this size in which `top` runs; none where tmux is not installed.
struct Terminal<'a> {
    appliance: &'a Appliance,
    name: String,
}

impl<'a> Terminal<'a> {
    fn open(appliance: &'a Appliance, (width, height): (u16, u16), options: &str) -> Option<Self> {
        let name = format!("top-{width}x{height}-{}", std::process::id());
        let terminal = Self { appliance, name };
        let size = [width.to_string(), height.to_string()];
        // A shell around it shows what the terminal is like afterwards, and how it ended.
        let shell = format!(
            "{} top --socket {} {options}; echo \"ended with $?\"; stty -a | grep -o -- '-\\?icanon'; sleep 600",
            env!("CARGO_BIN_EXE_wirewarden"),
            appliance.socket().display()
        );
        let started = terminal.tmux(&[
            "-u",
            "new-session",
            "-d",
            "-s",
            &terminal.name,
            "-x",
            &size[0],
            "-y",
            &size[1],
            &shell,
        ]);
        match started {
            Ok(output) if output.status.success() => Some(terminal),
            other => {
                eprintln!("SKIPPED: no tmux (scripts/setup.sh full): {other:?}");
                None
            }
        }
    }

    fn tmux(&self, arguments: &[&str]) -> std::io::Result<Output> {
        // A server of its own, that no configuration changes.
        let socket = self.appliance.folder().join(format!("{}.tmux", self.name));
        let mut tmux = Command::new("tmux");
        let settings = socket.with_extension("conf");
        // Without its own line, the size is all ours.
        fs::write(&settings, "set -g status off\n")?;
        tmux.arg("-S").arg(socket).arg("-f").arg(settings).args(arguments);
        tmux.env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("TMUX").env_remove("NO_COLOR");
        tmux.output()
    }

    fn press(&self, keys: &[&str]) {
        let arguments = [&["send-keys", "-t", &self.name][..], keys].concat();
        assert!(self.tmux(&arguments).unwrap().status.success());
    }

    fn shown(&self, more: &[&str]) -> String {
        let arguments = [&["capture-pane", "-p", "-t", &self.name][..], more].concat();
        String::from_utf8_lossy(&self.tmux(&arguments).unwrap().stdout).into_owned()
    }

    /// The picture, as soon as it has all of these.
    fn until(&self, parts: &[&str]) -> String {
        let began = Instant::now();
        loop {
            let shown = self.shown(&[]);
            if parts.iter().all(|part| shown.contains(part)) {
                return shown;
            }
            let missing: Vec<_> = parts.iter().filter(|part| !shown.contains(**part)).collect();
            assert!(began.elapsed() < Duration::from_secs(30), "no {missing:?} in:\n{shown}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn until_without(&self, part: &str) {
        let began = Instant::now();
        while self.shown(&[]).contains(part) {
            assert!(began.elapsed() < Duration::from_secs(30), "{part} is still there");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn keep(&self, name: &str) {
        if let Some(folder) = std::env::var_os("WIREWARDEN_TOP_CAPTURES") {
            fs::write(Path::new(&folder).join(format!("{name}.txt")), self.shown(&[])).unwrap();
            fs::write(Path::new(&folder).join(format!("{name}.ansi")), self.shown(&["-e"])).unwrap();
        }
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}

#[test]
fn top_shows_a_running_appliance_on_terminals_of_two_sizes() {
    let Some(appliance) = Appliance::start("top") else { return };
    let Some(small) = Terminal::open(&appliance, (80, 24), "") else { return };
    let parts =
        ["running", "packets/s", "PROTOCOLS", "DROPS BY CAUSE", "WORST", "WORKERS", "0 any", "q quit"];
    let shown = small.until(&parts);
    assert!(shown.lines().count() <= 24 && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    // The rates are there from the second look on.
    small.until(&["M packets/s"]);
    std::thread::sleep(Duration::from_secs(3));
    small.keep("80x24");
    small.press(&["h"]);
    small.until(&["hold the picture still"]);
    small.keep("80x24-help");
    small.press(&["Escape"]);
    // Escape and a letter that arrive together are one key (Alt and the letter).
    small.until_without("hold the picture still");
    small.press(&["p"]);
    small.until(&["PAUSED"]);
    small.press(&["p", "s"]);
    small.until(&["s bytes"]);
    small.press(&["f", "tcp and prot 5", "Enter"]);
    small.until(&["filter tcp and prot 5:"]);
    small.keep("80x24-filter");
    small.press(&["q"]);
    let after = small.until(&["ended with 0", "icanon"]);
    assert!(
        !after.contains("-icanon") && !after.contains("PROTOCOLS"),
        "the terminal is as before:\n{after}"
    );

    let Some(large) = Terminal::open(&appliance, (200, 50), "-f udp") else { return };
    large.until(&["LARGEST FLOWS", "PORTS", "load", "PROTOCOLS", "flows: udp", "M packets/s"]);
    std::thread::sleep(Duration::from_secs(3));
    large.keep("200x50");
    large.press(&["C-c"]);
    large.until(&["ended with 0"]);
}

#[test]
fn top_says_when_the_data_plane_has_gone_comes_back_with_it_and_gives_the_terminal_back() {
    let Some(appliance) = Appliance::start("top-gone") else { return };
    let Some(terminal) = Terminal::open(&appliance, (80, 24), "--no-color") else { return };
    terminal.until(&["running", "M packets/s"]);
    assert!(!is_coloured(&terminal.shown(&["-e"])), "no colours");
    appliance.says(&["stop"]);
    terminal.until(&["no answer", "trying again"]);
    terminal.keep("80x24-gone");
    appliance.says(&["restart"]);
    terminal.until(&["running"]);
    // A signal gives the terminal back, too.
    let pid = Command::new("pgrep")
        .args(["-f", "-n", &format!("top --socket {}", appliance.socket().display())])
        .output();
    let pid = String::from_utf8(pid.unwrap().stdout).unwrap();
    assert!(Command::new("kill").arg("-TERM").arg(pid.trim()).status().unwrap().success());
    let after = terminal.until(&["ended with 0", "icanon"]);
    assert!(!after.contains("-icanon"), "{after}");
}

/// Whether a sequence asks for a colour other than the terminal's own (ECMA-48, 8.3.117: 39 and 49 are its own).
fn is_coloured(shown: &str) -> bool {
    let sequences = shown.split("\u{1b}[").skip(1).filter_map(|rest| rest.split_once('m'));
    let mut parameters =
        sequences.flat_map(|(all, _)| all.split(';')).filter_map(|one| one.parse::<u8>().ok());
    parameters.any(|one| matches!(one, 30..=38 | 40..=48 | 90..=107))
}

#[test]
fn without_a_terminal_top_names_what_prints_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_wirewarden")).arg("top").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("wirewarden status") && told.contains("wirewarden stats"), "{told}");
}
