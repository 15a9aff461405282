//! `wirewarden doctor` on machines made of files, with faults that were put there.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A machine in a folder, removed at its end.
struct Machine(PathBuf);

impl Machine {
    /// One where hardly anything is as it should be.
    fn broken(name: &str) -> Self {
        let machine =
            Self(std::env::temp_dir().join(format!("wirewarden-machine-{name}-{}", std::process::id())));
        for (path, text) in FILES {
            machine.write(path, text);
        }
        machine
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }

    /// Every file with what it holds.
    fn files(&self) -> Vec<String> {
        FILES.iter().map(|(path, _)| self.read(path)).collect()
    }

    fn doctor(&self, arguments: &[&str], answers: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wirewarden"))
            .arg("doctor")
            .arg("--root")
            .arg(&self.0)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without asking.
        let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
        child.wait_with_output().unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PAGES: &str = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
const THP: &str = "sys/kernel/mm/transparent_hugepage/enabled";
const CLOCK: &str = "sys/devices/system/clocksource/clocksource0/current_clocksource";
const GOVERNOR: &str = "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor";
const COMPILER: &str = "proc/sys/net/core/bpf_jit_enable";

const FILES: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "5.4.0"),
    ("proc/cmdline", "quiet"),
    ("proc/cpuinfo", "model name\t: Test CPU\nflags\t\t: sse4_2 constant_tsc nonstop_tsc\n"),
    ("proc/mounts", "proc /proc proc rw 0 0\n"),
    ("proc/self/limits", "Max locked memory         65536   65536   bytes\n"),
    ("proc/self/status", "CapEff:\t0000000000000000\n"),
    ("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable:   4000000 kB\n"),
    ("proc/swaps", "Filename\tType\n/dev/sda2\tpartition\n"),
    ("proc/net/protocols", "protocol size\nXDP 1088\n"),
    (COMPILER, "0"),
    (THP, "always madvise [never]"),
    ("lib/modules/5.4.0/modules.dep", "kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko\n"),
    ("sys/devices/system/cpu/online", "0-1"),
    ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-1"),
    ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0-1"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave"),
    (GOVERNOR, "powersave"),
    (CLOCK, "hpet"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet"),
    (PAGES, "0"),
    ("sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "0"),
    ("sys/class/net/eth1/queues/rx-0/rps_cpus", "0"),
    // A configuration for it lies beside.
    (
        "wirewarden.toml",
        "version = 1\n[boot]\nbackend = \"dpdk\"\ncores = [0, 1, 9]\n[[boot.ports]]\nname = \"a\"\n\
                         device = \"0000:03:00.0\"\n",
    ),
];

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Names of the probes that found a fault; each fault has a command or a remedy.
fn faults(report: &Value) -> Vec<&str> {
    let bad = |finding: &&Value| matches!(finding["status"].as_str(), Some("warn" | "fail"));
    let findings = report["findings"].as_array().unwrap().iter().filter(bad);
    findings
        .map(|finding| {
            assert!(finding["mend"].as_str().is_some_and(|mend| !mend.is_empty()), "{finding:#}");
            finding["probe"].as_str().unwrap()
        })
        .collect()
}

#[test]
fn fifteen_kinds_of_faults_of_one_machine_are_found_at_once() {
    let machine = Machine::broken("found");
    let config = machine.0.join("wirewarden.toml");
    let output = machine.doctor(&["-o", "json", "-c", config.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    let found = faults(&report);
    for probe in [
        "kernel",
        "dpdk",
        "cpu",
        "hugepages",
        "hugetlbfs",
        "memlock",
        "thp",
        "swap",
        "iommu",
        "vfio",
        "port",
        "cores",
        "isolation",
        "smt",
        "governor",
        "clock",
        "af_xdp",
        "privileges",
    ] {
        assert!(found.contains(&probe), "{probe} is missing: {found:?}");
    }
}

#[test]
fn a_dry_run_tells_the_changes_and_makes_none() {
    let machine = Machine::broken("dry");
    let before = machine.files();
    let output = machine.doctor(&["--fix", "--dry-run"], "y\ny\ny\n");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("echo madvise | sudo tee /{THP}: planned\n")), "{text}");
    assert!(text.contains("sudo modprobe vfio-pci: planned\n"), "{text}");
    assert_eq!(machine.files(), before);
}

#[test]
fn a_fix_makes_every_harmless_change_and_looks_again() {
    let machine = Machine::broken("fix");
    let output = machine.doctor(&["--fix", "--yes", "-o", "json"], "");
    let report = json(&output);
    assert_eq!(machine.read(PAGES), "256");
    assert_eq!(machine.read(CLOCK), "tsc");
    assert_eq!(machine.read(GOVERNOR), "performance");
    assert_eq!(machine.read(COMPILER), "1");
    let still = faults(&report);
    for probe in ["clock", "governor"] {
        assert!(!still.contains(&probe), "{probe} is still there: {still:?}");
    }
    let outcomes: Vec<(&str, &str)> = report["fixes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fix| (fix["probe"].as_str().unwrap(), fix["outcome"].as_str().unwrap()))
        .collect();
    assert!(outcomes.contains(&("thp", "applied")), "{outcomes:?}");
    assert!(
        outcomes.contains(&("vfio", "other machine")),
        "no program changes a machine of files: {outcomes:?}"
    );
}

#[test]
fn each_change_is_asked_for_and_no_answer_means_no() {
    let machine = Machine::broken("asked");
    let output = machine.doctor(&["--fix"], "y\nn\n");
    let (text, asked) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(asked.contains("[y/N]"), "{asked}");
    assert_eq!(text.matches(": applied\n").count(), 1, "{text}");
    assert!(text.matches(": declined\n").count() >= 5, "{text}");
    assert_eq!(machine.read(PAGES), "256", "the first question");
    assert_eq!(machine.read(CLOCK), "hpet");
}

#[test]
fn memory_that_the_machine_needs_is_not_taken_for_hugepages() {
    let machine = Machine::broken("memory");
    machine.write("proc/meminfo", "MemAvailable:   600000 kB\n");
    let output = machine.doctor(&["--fix", "--yes"], "");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("fix   hugepages"));
    assert_eq!(machine.read(PAGES), "0");
}

#[test]
fn this_machine_is_looked_at_without_arguments() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_wirewarden")).args(["doctor", "-o", "json"]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)));
    assert!(json(&output)["findings"].as_array().unwrap().len() >= 15);
}
