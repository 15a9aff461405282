//! Whether programs of ours can give up what they do not need, and whether those that run did.

use api::Config;

use super::finding::Finding;
use super::host::{Host, first_word};

/// Whether the kernel has Landlock.
pub(super) fn landlock(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "both programs give up writing to files that are not theirs when they start, by Landlock";
    let is_there = host.read("sys/kernel/security/lsm").map_or_else(
        || host.is_this_machine().then(|| confinement::is_available().0),
        |active| Some(active.split(',').any(|name| name == "landlock")),
    );
    vec![match is_there {
        Some(true) => Finding::ok("landlock", why, "the kernel has it"),
        Some(false) => {
            let mend =
                "on the kernel's command line, put landlock first in lsm= (Linux 5.13 or newer), restart";
            Finding::warn("landlock", why, "the kernel has no Landlock, or it is not switched on", mend)
        }
        None => Finding::info("landlock", why, "sys/kernel/security/lsm cannot be read"),
    }]
}

/// Whether the kernel filters system calls.
pub(super) fn seccomp(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "both programs give up system calls that they never make, by seccomp";
    let actions = host.read("proc/sys/kernel/seccomp/actions_avail").unwrap_or_default();
    if actions.split_whitespace().any(|action| action == "errno") {
        return vec![Finding::ok("seccomp", why, "the kernel has it")];
    }
    let mend = "run a kernel with CONFIG_SECCOMP_FILTER: sudo apt-get install linux-image-amd64, restart";
    vec![Finding::warn("seccomp", why, "the kernel does not filter system calls", mend)]
}

/// What runs of ours without having given anything up.
pub(super) fn running(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "who takes over a program that gave nothing up has all that it had";
    let mut findings = Vec::new();
    let is_number = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    for process in host.names("proc").into_iter().filter(is_number) {
        let name = host.read(format!("proc/{process}/comm")).unwrap_or_default();
        let Some((program, unit)) = PROGRAMS.iter().find(|(program, _)| cut(program) == name) else {
            continue;
        };
        let status = host.read(format!("proc/{process}/status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(first_word(line).to_owned())
        };
        // 2: a filter is in force.
        if field("Seccomp:").is_none_or(|mode| mode == "2") {
            findings.push(Finding::ok("confined", why, format!("{program}, process {process}, is")));
            continue;
        }
        let held = field("CapEff:").unwrap_or_default();
        let seen = format!("{program}, process {process}, runs unconfined, capabilities {held}");
        let mend = format!("take --unconfined out of its command line, and: sudo systemctl restart {unit}");
        findings.push(Finding::warn("confined", why, seen, mend));
    }
    if findings.is_empty() {
        findings.push(Finding::info("confined", why, "no program of ours runs"));
    }
    findings
}

/// The first 15 characters of a name: more the kernel does not keep.
fn cut(name: &str) -> &str {
    name.get(..15).unwrap_or(name)
}

/// Programs of ours and their units.
const PROGRAMS: [(&str, &str); 2] =
    [("wirewarden-dataplane", "wirewarden-dataplane"), ("wirewardend", "wirewardend")];
