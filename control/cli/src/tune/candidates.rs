//! What could be better on this machine: one change of the configuration each.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use api::Config;
use api::config::{Backend, HugepageSize};

/// A change that can be measured.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    /// In words.
    pub(super) title: String,
    /// Why it could be better.
    pub(super) because: &'static str,
    /// What is about the same thing: one of them at most is proposed.
    pub(super) about: About,
    pub(super) change: Change,
}

/// What a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum About {
    Cores,
    Hugepages,
    Rings,
    Burst,
}

/// What is changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    Cores { workers: Vec<u16>, main: Option<u16> },
    Hugepages(bool),
    HugepageSize(HugepageSize),
    Descriptors(u16),
    Burst(u8),
}

impl Change {
    /// The configuration with the change; none where it would be wrong.
    pub(super) fn made_in(&self, config: &Config) -> Option<Config> {
        let mut config = config.clone();
        let boot = &mut config.boot;
        match self {
            Self::Cores { workers, main } => {
                let before = boot.cores.len().max(1);
                boot.cores.clone_from(workers);
                boot.main_core = *main;
                // Queues that were one for each worker stay so.
                for port in &mut boot.ports {
                    if usize::from(port.queues) == before {
                        port.queues = u16::try_from(workers.len().max(1)).ok()?;
                    }
                }
            }
            Self::Hugepages(wanted) => boot.memory.hugepages = *wanted,
            Self::HugepageSize(size) => {
                boot.memory.hugepages = true;
                boot.memory.hugepage_size = *size;
                let page = size.mib();
                boot.memory.mib = boot.memory.mib.checked_next_multiple_of(page)?;
            }
            Self::Descriptors(count) => {
                boot.ports.iter_mut().for_each(|port| port.rx_descriptors = *count);
            }
            Self::Burst(packets) => boot.burst = *packets,
        }
        // What nobody could write down is not proposed.
        Config::from_toml(&config.to_toml(), "proposal").ok()
    }
}

/// What this machine has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// Cores that this program may use, the first thread of each physical core before the second ones.
    pub(super) cores: Vec<u16>,
    /// Physical cores among them.
    pub(super) physical: usize,
    /// Cores that the scheduler leaves alone.
    pub(super) isolated: Vec<u16>,
    /// MiB of free hugepages of 2 MiB, of 1 GiB.
    pub(super) free_2m: u64,
    pub(super) free_1g: u64,
}

impl Host {
    /// Reads it from below `root`.
    pub(super) fn read(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let status = text("proc/self/status");
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let allowed = list(allowed.unwrap_or("0"));
        // The first of its siblings stands for a physical core.
        let first = |core: &u16| {
            let path = format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
            let siblings = list(&text(&path));
            siblings.into_iter().find(|sibling| allowed.contains(sibling)).unwrap_or(*core)
        };
        let (mut firsts, seconds): (Vec<u16>, Vec<u16>) =
            allowed.iter().partition(|core| first(core) == **core);
        let physical = firsts.len();
        firsts.extend(seconds);
        let free = |size: &str, mib: u64| {
            let path = format!("sys/kernel/mm/hugepages/hugepages-{size}/free_hugepages");
            text(&path).trim().parse::<u64>().unwrap_or(0).saturating_mul(mib)
        };
        Self {
            cores: firsts,
            physical,
            isolated: list(&text("sys/devices/system/cpu/isolated")),
            free_2m: free("2048kB", 2),
            free_1g: free("1048576kB", 1024),
        }
    }
}

/// `0-3,8,10-11`.
fn list(text: &str) -> Vec<u16> {
    let mut cores = BTreeSet::new();
    for part in text.trim().split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (Ok(from), Ok(to)) = (from.trim().parse::<u16>(), to.trim().parse::<u16>()) else { continue };
        cores.extend((from..=to.min(1023)).take(1024));
    }
    cores.into_iter().collect()
}

/// What could be better than `config`, the most promising first.
pub(super) fn all(config: &Config, host: &Host) -> Vec<Candidate> {
    let mut all = cores(config, host);
    all.extend(memory(config, host));
    all.extend(rings(config));
    all.extend(bursts(config));
    all.retain(|candidate| candidate.change.made_in(config).is_some_and(|changed| changed != *config));
    all
}

fn cores(config: &Config, host: &Host) -> Vec<Candidate> {
    // Those that the scheduler leaves alone are for workers; else the first one is left to everybody.
    let isolated: Vec<u16> = host.cores.iter().copied().filter(|core| host.isolated.contains(core)).collect();
    let (main, workers): (Option<u16>, Vec<u16>) = if isolated.is_empty() {
        (host.cores.first().copied(), host.cores.iter().skip(1).copied().collect())
    } else {
        (host.cores.iter().copied().find(|core| !isolated.contains(core)), isolated)
    };
    let mut counts =
        vec![1, workers.len() / 2, host.physical.saturating_sub(1).min(workers.len()), workers.len()];
    counts.retain(|count| *count > 0 && *count <= MOST_WORKERS);
    counts.sort_unstable();
    counts.dedup();
    let mut all: Vec<Candidate> = counts
        .into_iter()
        .map(|count| {
            let chosen: Vec<u16> = workers.iter().take(count).copied().collect();
            let title = format!("{count} pinned worker(s), the rest on core {}", main.unwrap_or(0));
            let change = Change::Cores { workers: chosen, main };
            let because = "a worker that is not moved keeps its caches, and more of them share the packets";
            Candidate { title, because, about: About::Cores, change }
        })
        .collect();
    if host.cores.len() <= FEW_CORES && !host.cores.is_empty() {
        let change = Change::Cores { workers: host.cores.clone(), main: None };
        let title = format!("{} pinned workers, one on each core", host.cores.len());
        let because = "on few cores, none is left to other threads";
        all.push(Candidate { title, because, about: About::Cores, change });
    }
    all.retain(|one| !matches!(&one.change, Change::Cores { workers, .. } if *workers == config.boot.cores));
    all
}

fn memory(config: &Config, host: &Host) -> Vec<Candidate> {
    let memory = &config.boot.memory;
    let need = u64::from(memory.mib);
    let mut all = Vec::new();
    let mut add = |title: &str, because, change| {
        all.push(Candidate { title: title.to_owned(), because, about: About::Hugepages, change });
    };
    let fewer = "fewer pages for as much memory: the processor finds them in its own tables";
    if host.free_2m >= need && !memory.hugepages {
        add("packet buffers in hugepages of 2 MiB", fewer, Change::Hugepages(true));
    }
    let is_1g = memory.hugepages && memory.hugepage_size.mib() == 1024;
    if host.free_1g >= need.next_multiple_of(1024) && !is_1g {
        add("packet buffers in hugepages of 1 GiB", fewer, Change::HugepageSize(HugepageSize::OneGib));
    }
    all
}

fn rings(config: &Config) -> Vec<Candidate> {
    // Rings of the kernel's sockets are another thing, which packets from memory say nothing about.
    if config.boot.resolved_backend() != Some(Backend::Dpdk) {
        return Vec::new();
    }
    let Some(port) = config.boot.ports.first() else { return Vec::new() };
    let now = port.rx_descriptors;
    // Fewer than 512 lose packets in the pauses that any machine has.
    [512_u16, 1024, 2048, 4096]
        .into_iter()
        .filter(|count| *count != now && *count >= now / 4 && *count <= now.saturating_mul(4))
        .map(|count| Candidate {
            title: format!("{count} receive descriptors instead of {now}"),
            because: "fewer buffers stay in the caches, more of them bridge a pause",
            about: About::Rings,
            change: Change::Descriptors(count),
        })
        .collect()
}

fn bursts(config: &Config) -> Vec<Candidate> {
    let now = config.boot.burst;
    let candidate = |packets: u8| Candidate {
        title: format!("bursts of {packets} packets instead of {now}"),
        because: "more packets share the cost of asking for them, fewer stay in the nearest cache",
        about: About::Burst,
        change: Change::Burst(packets),
    };
    [16, 32, 64].into_iter().filter(|packets| *packets != now).map(candidate).collect()
}

const MOST_WORKERS: usize = 64;
/// Up to so many, a core of its own for the rest may be too much.
const FEW_CORES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(boot: &str) -> Config {
        let text =
            format!("version = 1\n[boot]\n{boot}\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:03:00.0\"\n");
        Config::from_toml(&text, "a").unwrap()
    }

    fn host(cores: u16, physical: usize) -> Host {
        Host { cores: (0..cores).collect(), physical, free_2m: 1024, ..Host::default() }
    }

    #[test]
    fn cores_are_read_with_their_siblings_behind_them() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-3\n");
        for core in 0..4 {
            let siblings = format!("{}-{}\n", core / 2 * 2, core / 2 * 2 + 1);
            write(&format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"), &siblings);
        }
        write("sys/devices/system/cpu/isolated", "2-3\n");
        write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "256\n");
        let host = Host::read(root.path());
        assert_eq!((host.cores.as_slice(), host.physical), ([0, 2, 1, 3].as_slice(), 2));
        assert_eq!((host.isolated.as_slice(), host.free_2m, host.free_1g), ([2, 3].as_slice(), 512, 0));
        let found = all(&config(""), &host);
        let isolated = Change::Cores { workers: vec![2, 3], main: Some(0) };
        assert!(found.iter().any(|candidate| candidate.change == isolated), "{found:?}");
    }

    #[test]
    fn every_candidate_changes_something_and_can_be_written_down() {
        for boot in ["", "cores = [1]\nmain_core = 0", "cores = [0, 1]", "memory.hugepages = false"] {
            let config = config(boot);
            for candidate in all(&config, &host(8, 4)) {
                let changed = candidate.change.made_in(&config).unwrap();
                assert_ne!(changed, config, "{candidate:?}");
                let diff = config.diff(&changed);
                assert!(!diff.changes.is_empty(), "{candidate:?}");
            }
        }
    }

    #[test]
    fn hugepages_that_are_not_there_are_no_candidate() {
        let wants = |host: &Host| {
            let found = all(&config("memory.hugepages = false"), host);
            found.iter().any(|candidate| candidate.about == About::Hugepages)
        };
        assert!(wants(&host(2, 2)));
        assert!(!wants(&Host { free_2m: 100, ..host(2, 2) }));
    }

    #[test]
    fn queues_follow_the_workers_where_they_did_before() {
        let two = Change::Cores { workers: vec![1, 2], main: Some(0) }.made_in(&config("")).unwrap();
        assert_eq!((two.boot.ports[0].queues, two.boot.main_core), (2, Some(0)));
        let clash = Change::Cores { workers: vec![0, 1], main: Some(0) };
        assert_eq!(clash.made_in(&config("")), None, "a configuration with mistakes is not proposed");
    }
}
