//! What goes into a bundle, and where it comes from.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use api::Config;
use api::control::{Client, Command, Reply, Status};

use super::secrets::{Secrets, is_harmless_variable};

/// Bytes of one part: of a log its end.
const MOST: usize = 4 * 1024 * 1024;
/// How long the appliance or a program may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Interfaces that are looked at.
const MOST_INTERFACES: usize = 64;

/// One file of the bundle.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) what: &'static str,
    pub(super) bytes: Vec<u8>,
    /// Secrets that were taken out.
    pub(super) removed: usize,
}

/// Everything that could be had, and what could not.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub(super) parts: Vec<Part>,
    /// What is missing, and why.
    pub(super) missing: Vec<(String, String)>,
}

pub(super) fn collect(
    socket: &Path,
    config: &Path,
    logs: &[impl AsRef<Path>],
    secrets: &Secrets,
) -> Collection {
    let mut into = Collector { all: Collection::default(), secrets };
    let status = into.appliance(socket, config);
    into.programs();
    into.logs(logs);
    into.processes(status.as_ref());
    into.system();
    into.interfaces();
    into.environment();
    into.manifest();
    into.all
}

struct Collector<'a> {
    all: Collection,
    secrets: &'a Secrets,
}

impl Collector<'_> {
    fn add(&mut self, name: impl Into<String>, what: &'static str, text: &str) {
        let (text, removed) = self.secrets.take_out(text);
        self.all.parts.push(Part { name: name.into(), what, bytes: text.into_bytes(), removed });
    }

    fn had(&mut self, name: &str, what: &'static str, text: Result<String, String>) {
        match text {
            Ok(text) => self.add(name, what, &text),
            Err(why) => self.all.missing.push((name.to_owned(), why)),
        }
    }

    /// What the daemon, or the data plane alone, says.
    fn appliance(&mut self, socket: &Path, config: &Path) -> Option<Status> {
        let mut client = match Client::connect(socket, Some(PATIENCE)) {
            Ok(client) => client,
            Err(error) => {
                self.all.missing.push(("appliance/".to_owned(), error.to_string()));
                let text =
                    fs::read_to_string(config).map_err(|error| format!("{}: {error}", config.display()));
                let text = text.and_then(|text| canonical(&text, &config.display().to_string()));
                self.had("configuration.toml", "configuration, every default, no comments", text);
                return None;
            }
        };
        let mut ask = |command| client.ask(command).map_err(|error| error.to_string());
        let status = ask(Command::Status);
        let first = ask(Command::Counters);
        // Two looks show what is moving.
        thread::sleep(Duration::from_secs(1));
        let second = ask(Command::Counters);
        let (protocols, shown) = (ask(Command::Protocols), ask(Command::ConfigShow { revision: None }));
        let history = ask(Command::ConfigHistory { limit: 50 });
        self.had("appliance/status.json", "both programs and their parts", json(&status));
        self.had("appliance/counters-1.json", "every counter", json(&first));
        self.had("appliance/counters-2.json", "every counter, a second later", json(&second));
        self.had("appliance/protocols.json", "flows and bytes by protocol", json(&protocols));
        self.had("appliance/history.json", "who changed the configuration when", json(&history));
        let text = match shown {
            Ok(Reply::Config(shown)) => canonical(&shown.text, "configuration"),
            Ok(_) => Err("an answer to something else".to_owned()),
            // A data plane without a daemon.
            Err(_) => fs::read_to_string(config)
                .map_err(|error| format!("{}: {error}", config.display()))
                .and_then(|text| canonical(&text, "configuration")),
        };
        self.had("configuration.toml", "configuration, every default, no comments", text);
        match status {
            Ok(Reply::Status(status)) => Some(status),
            _ => None,
        }
    }

    fn programs(&mut self) {
        let own = env::current_exe().ok();
        let beside =
            |name: &str| own.as_ref().map(|own| own.with_file_name(name)).filter(|path| path.is_file());
        let mut versions = format!("wirewarden {}\n", env!("CARGO_PKG_VERSION"));
        for name in ["wirewardend", "wirewarden-dataplane"] {
            let program = beside(name).map_or_else(|| name.to_owned(), |path| path.display().to_string());
            versions
                .push_str(&output(&program, &["--version"]).unwrap_or_else(|why| format!("{name}: {why}\n")));
        }
        for package in ["libdpdk-dev", "dpdk", "librte-eal23", "libvectorscan5", "libipsec-mb1"] {
            if let Ok(line) = output("dpkg-query", &["-W", package]) {
                versions.push_str(&line);
            }
        }
        self.add("versions.txt", "versions of programs and libraries", &versions);
        let doctor = own.ok_or_else(|| "no program".to_owned());
        let doctor = doctor.and_then(|own| said(&own.display().to_string(), &["doctor", "-o", "json"]));
        self.had("doctor.json", "what `wirewarden doctor` found", doctor);
    }

    fn logs(&mut self, logs: &[impl AsRef<Path>]) {
        let units = ["-u", "wirewardend", "-u", "wirewarden-dataplane", "--since", "-3d", "-n", "20000"];
        let journal = [&units[..], &["--no-pager", "-o", "short-iso"]].concat();
        if let Ok(text) = output("journalctl", &journal) {
            self.add("logs/journal.txt", "journal of both units, three days", &text);
        }
        for (number, log) in (1..).zip(logs) {
            let log = log.as_ref();
            let name = log.file_name().map(|name| name.to_string_lossy().replace(['/', '\\'], "_"));
            let name = format!("logs/{number}-{}", name.unwrap_or_default());
            let text = end_of(log).map_err(|error| format!("{}: {error}", log.display()));
            self.had(&name, "the end of a log file", text);
        }
    }

    fn processes(&mut self, status: Option<&Status>) {
        let daemon = status.and_then(|status| status.daemon.as_ref()).map(|daemon| ("daemon", daemon.pid));
        let plane = status.and_then(|status| status.dataplane.as_ref()).map(|plane| ("dataplane", plane.pid));
        for (name, pid) in daemon.into_iter().chain(plane) {
            let mut text = String::new();
            // Not its environment.
            for file in ["status", "limits", "cgroup", "sched", "cmdline"] {
                let read = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
                text.push_str(&format!("== {file}\n{}\n", read.replace('\0', " ")));
            }
            self.add(format!("processes/{name}.txt"), "its process as the kernel sees it", &text);
        }
    }

    fn system(&mut self) {
        for (name, what, files) in SYSTEM {
            let mut text = String::new();
            for file in *files {
                match end_of(Path::new(file)) {
                    Ok(read) => text.push_str(&format!("== {file}\n{read}\n")),
                    Err(error) => text.push_str(&format!("== {file}: {error}\n")),
                }
            }
            self.add(*name, what, &text);
        }
        for (name, what, program, arguments) in PROGRAMS {
            if let Ok(text) = output(program, arguments) {
                self.add(*name, what, &text);
            }
        }
    }

    fn interfaces(&mut self) {
        let Ok(found) = fs::read_dir("/sys/class/net") else { return };
        let mut names: Vec<String> =
            found.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        for name in names.iter().take(MOST_INTERFACES) {
            let mut text = String::new();
            for option in ["-i", "-k", "-g", "-l", "-a", "-S"] {
                if let Ok(said) = output("ethtool", &[option, name]) {
                    text.push_str(&format!("== ethtool {option}\n{said}\n"));
                }
            }
            if !text.is_empty() {
                self.add(
                    format!("network/{name}.txt"),
                    "driver, offloads, rings and counters of a card",
                    &text,
                );
            }
        }
    }

    /// Names, and values of those that cannot be secret.
    fn environment(&mut self) {
        let mut lines: Vec<String> = env::vars_os()
            .map(|(name, value)| {
                let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
                if is_harmless_variable(&name) { format!("{name}={value}\n") } else { format!("{name}\n") }
            })
            .collect();
        lines.sort();
        self.add("environment.txt", "names of variables; values of harmless ones", &lines.concat());
    }

    fn manifest(&mut self) {
        let mut text =
            String::from("What is in this archive. Secrets were taken out where [removed] stands.\n\n");
        for part in &self.all.parts {
            text.push_str(&format!("{}: {} ({} taken out)\n", part.name, part.what, part.removed));
        }
        for (name, why) in &self.all.missing {
            text.push_str(&format!("{name}: missing: {why}\n"));
        }
        let (text, removed) = self.secrets.take_out(&text);
        let part = Part { name: "MANIFEST.txt".into(), what: "this list", bytes: text.into_bytes(), removed };
        self.all.parts.insert(0, part);
    }
}

/// The configuration as we would write it: nothing but values of known keys.
fn canonical(text: &str, source: &str) -> Result<String, String> {
    match Config::from_toml(text, source) {
        Ok(config) => Ok(config.to_toml()),
        Err(errors) => Err(format!("it has mistakes: {errors}")),
    }
}

fn json(answer: &Result<Reply, String>) -> Result<String, String> {
    match answer {
        Ok(reply) => serde_json::to_string_pretty(reply).map_err(|error| error.to_string()),
        Err(why) => Err(why.clone()),
    }
}

/// The end of a file, from a line's start.
fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let skipped = len.saturating_sub(MOST as u64);
    if skipped > 0 {
        file.seek(SeekFrom::Start(skipped))?;
    }
    let mut bytes = Vec::new();
    // Files of the kernel have no length.
    file.take(MOST as u64).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(if skipped > 0 {
        text.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_owned())
    } else {
        text
    })
}

/// What a program that succeeds prints.
fn output(program: &str, arguments: &[&str]) -> Result<String, String> {
    run(program, arguments)
        .and_then(|(is_good, text)| if is_good { Ok(text) } else { Err("it failed".into()) })
}

/// What a program prints, whatever it thinks of it.
fn said(program: &str, arguments: &[&str]) -> Result<String, String> {
    run(program, arguments).map(|(_, text)| text)
}

fn run(program: &str, arguments: &[&str]) -> Result<(bool, String), String> {
    let mut process = Process::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = process.spawn().map_err(|error| format!("{program}: {error}"))?;
    let Some(mut pipe) = child.stdout.take() else { return Err(format!("{program}: no output")) };
    // On a thread of its own: a full pipe would hold the program up for ever.
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = pipe.by_ref().take(MOST as u64).read_to_end(&mut bytes);
        (read, bytes)
    });
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE && !reader.is_finished() => {
                thread::sleep(Duration::from_millis(5))
            }
            // Its output ended or is more than is wanted; or it takes too long.
            Ok(None) => {
                thread::sleep(Duration::from_millis(50));
                if let Ok(Some(status)) = child.try_wait() {
                    break status;
                }
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{program}: it did not end"));
            }
            Err(error) => return Err(format!("{program}: {error}")),
        }
    };
    let (_, bytes) = reader.join().map_err(|_| format!("{program}: cannot be read"))?;
    Ok((status.success(), String::from_utf8_lossy(&bytes).into_owned()))
}

/// Files of the kernel and the distribution, by part.
const SYSTEM: &[(&str, &str, &[&str])] = &[
    (
        "system/kernel.txt",
        "kernel, its command line and modules",
        &[
            "/etc/os-release",
            "/proc/version",
            "/proc/cmdline",
            "/proc/uptime",
            "/proc/loadavg",
            "/proc/modules",
        ],
    ),
    (
        "system/processor.txt",
        "processor and its interrupts",
        &[
            "/proc/cpuinfo",
            "/sys/devices/system/cpu/isolated",
            "/sys/devices/system/cpu/smt/control",
            "/proc/interrupts",
            "/proc/softirqs",
            "/proc/schedstat",
        ],
    ),
    (
        "system/memory.txt",
        "memory, hugepages and mounts",
        &[
            "/proc/meminfo",
            "/proc/buddyinfo",
            "/proc/mounts",
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
            "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages",
            "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages",
        ],
    ),
    (
        "system/network.txt",
        "counters of interfaces",
        &["/proc/net/dev", "/proc/net/softnet_stat", "/proc/net/snmp"],
    ),
];

/// Programs that may be there, by part.
const PROGRAMS: &[(&str, &str, &str, &[&str])] = &[
    ("system/pci.txt", "PCI devices and their drivers", "lspci", &["-nnk"]),
    ("system/disks.txt", "room on disks", "df", &["-h"]),
    ("system/links.txt", "interfaces", "ip", &["-br", "link"]),
];
