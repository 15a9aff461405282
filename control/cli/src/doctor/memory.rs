//! Hugepages and the other memory that packets live in.

use api::Config;
use api::config::{Backend, FlowTableSize};

use super::finding::Finding;
use super::host::{Host, first_word};
use super::kernel::{CAP_IPC_LOCK, effective_capabilities};
use super::needs_dpdk;
use super::repair::Repair;

const HUGEPAGES: &str = "packet buffers and flow tables in pages of 4 KiB cost a TLB miss per packet, and DPDK does \
                         not start without hugepages unless told to";

/// Free hugepages, against what the configuration takes.
pub(super) fn hugepages(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let wanted_kb = config.map_or(512, |config| u64::from(config.boot.memory.mib)) * 1024;
    let page_kb = config.map_or(2048, |config| u64::from(config.boot.memory.hugepage_size.mib()) * 1024);
    let pools = pools(host);
    if config.is_some_and(|config| !config.boot.memory.hugepages) {
        return vec![Finding::info("hugepages", HUGEPAGES, "the configuration does without")];
    }
    if !needs_dpdk(config) {
        return vec![Finding::info("hugepages", HUGEPAGES, "the backend of the configuration needs none")];
    }
    if pools.is_empty() {
        let seen = "this kernel has none (CONFIG_HUGETLBFS)";
        let mend = "run a kernel with hugepages, or write `hugepages = false` under [boot.memory]";
        return vec![Finding::fail("hugepages", HUGEPAGES, seen, mend)];
    }
    let free_kb: u64 =
        pools.iter().filter(|pool| pool.page_kb == page_kb).map(|pool| pool.page_kb * pool.free).sum();
    let seen: Vec<String> =
        pools.iter().filter(|pool| pool.total > 0 || pool.page_kb == page_kb).map(Pool::describe).collect();
    let seen = seen.join("; ");
    if free_kb >= wanted_kb {
        return vec![Finding::ok("hugepages", HUGEPAGES, seen)];
    }
    let seen = format!("{seen}; {} MiB are wanted", wanted_kb / 1024);
    let missing_kb = wanted_kb - free_kb;
    let mend = reserve(&pools, page_kb, missing_kb);
    vec![
        Finding::fail("hugepages", HUGEPAGES, seen, mend)
            .mended_by(more_pages(host, &pools, page_kb, missing_kb)),
    ]
}

/// The change that adds pages for `missing_kb`; none where the machine would be left with less memory than it gives.
fn more_pages(host: &Host, pools: &[Pool], page_kb: u64, missing_kb: u64) -> Option<Repair> {
    let pool = pools.iter().find(|pool| pool.page_kb == page_kb)?;
    let pages = pool.total + missing_kb.div_ceil(page_kb);
    let is_harmless = available_kb(host).is_some_and(|kb| kb >= missing_kb.saturating_mul(2));
    is_harmless
        .then(|| Repair::Write { path: format!("{}/nr_hugepages", pool.path), text: pages.to_string() })
}

/// Memory that programs can still have.
fn available_kb(host: &Host) -> Option<u64> {
    let info = host.read("proc/meminfo")?;
    let rest = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    first_word(rest).parse().ok()
}

/// The command that adds pages for `missing_kb`, on the first node.
fn reserve(pools: &[Pool], page_kb: u64, missing_kb: u64) -> String {
    let Some(pool) = pools.iter().find(|pool| pool.page_kb == page_kb) else {
        return format!("add hugepagesz={}M to the kernel's command line and restart", page_kb / 1024);
    };
    let pages = pool.total + missing_kb.div_ceil(page_kb);
    let command = format!("echo {pages} | sudo tee /{}/nr_hugepages", pool.path);
    if page_kb < 1 << 20 {
        return command;
    }
    format!(
        "{command}\nor, where memory is too fragmented, add hugepagesz=1G hugepages={pages} to the kernel's command line"
    )
}

/// Hugepages of one size on one NUMA node.
struct Pool {
    node: String,
    path: String,
    page_kb: u64,
    total: u64,
    free: u64,
}

impl Pool {
    fn describe(&self) -> String {
        let (size, unit) =
            if self.page_kb >= 1 << 20 { (self.page_kb >> 20, "GiB") } else { (self.page_kb >> 10, "MiB") };
        format!("{}: {} of {} pages of {size} {unit} free", self.node, self.free, self.total)
    }
}

fn pools(host: &Host) -> Vec<Pool> {
    let nodes: Vec<String> =
        host.names("sys/devices/system/node").into_iter().filter(|name| is_node(name)).collect();
    let mut pools = Vec::new();
    for node in &nodes {
        pools.extend(pools_in(host, node, &format!("sys/devices/system/node/{node}/hugepages")));
    }
    if pools.is_empty() {
        pools.extend(pools_in(host, "machine", "sys/kernel/mm/hugepages"));
    }
    pools
}

fn pools_in(host: &Host, node: &str, folder: &str) -> Vec<Pool> {
    let sizes = host.names(folder);
    let pool = |name: &String| {
        let path = format!("{folder}/{name}");
        Some(Pool {
            node: node.to_owned(),
            page_kb: name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?,
            total: host.number(format!("{path}/nr_hugepages"))?,
            free: host.number(format!("{path}/free_hugepages"))?,
            path,
        })
    };
    sizes.iter().filter_map(pool).collect()
}

fn is_node(name: &str) -> bool {
    name.strip_prefix("node").is_some_and(|number| number.parse::<u16>().is_ok())
}

/// Where hugetlbfs is mounted.
pub(super) fn mounts(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "DPDK keeps its memory in files of hugetlbfs, unless `in_memory` is true";
    let mounts = host.read("proc/mounts").unwrap_or_default();
    let at: Vec<&str> = mounts
        .lines()
        .filter(|line| line.split_whitespace().nth(2) == Some("hugetlbfs"))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    if !at.is_empty() {
        return vec![Finding::ok("hugetlbfs", why, format!("mounted at {}", at.join(", ")))];
    }
    let mend = "sudo mkdir -p /dev/hugepages && sudo mount -t hugetlbfs nodev /dev/hugepages";
    let repairs = [
        Repair::Run("mkdir", vec!["-p", "/dev/hugepages"]),
        Repair::Run("mount", vec!["-t", "hugetlbfs", "nodev", "/dev/hugepages"]),
    ];
    if config.is_none_or(|config| config.boot.memory.in_memory) {
        return vec![Finding::warn("hugetlbfs", why, "not mounted", mend).mended_by(repairs)];
    }
    let seen = "not mounted, and the configuration says `in_memory = false`";
    vec![Finding::fail("hugetlbfs", why, seen, mend).mended_by(repairs)]
}

/// How much memory a process may lock.
pub(super) fn locked(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "VFIO locks all memory that a card may write to, and AF_XDP locks its buffers";
    let wanted = config.map_or(512, |config| u64::from(config.boot.memory.mib)) << 20;
    let limits = host.read("proc/self/limits").unwrap_or_default();
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .map(|rest| first_word(rest).to_owned());
    let mend = "ulimit -l unlimited (in a systemd unit: LimitMEMLOCK=infinity)";
    match limit.as_deref().map(|limit| (limit, limit.parse::<u64>())) {
        None => vec![Finding::info("memlock", why, "the limit cannot be read")],
        Some(("unlimited", _)) => vec![Finding::ok("memlock", why, "unlimited")],
        Some((_, Ok(bytes))) if bytes >= wanted => {
            vec![Finding::ok("memlock", why, format!("{} MiB", bytes >> 20))]
        }
        Some((_, Ok(bytes)))
            if effective_capabilities(host).is_some_and(|mask| mask >> CAP_IPC_LOCK & 1 == 1) =>
        {
            let seen = format!("{} KiB, which cap_ipc_lock lifts for this process", bytes >> 10);
            vec![Finding::ok("memlock", why, seen)]
        }
        Some((_, Ok(bytes))) => {
            let seen = format!("at most {} KiB, {} MiB are wanted", bytes >> 10, wanted >> 20);
            vec![Finding::warn("memlock", why, seen, mend)]
        }
        Some((limit, Err(_))) => vec![Finding::info("memlock", why, format!("the limit is `{limit}`"))],
    }
}

/// Transparent hugepages.
pub(super) fn transparent(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "flow tables ask for huge pages with madvise where no hugepages are reserved for them";
    let path = "sys/kernel/mm/transparent_hugepage/enabled";
    let Some(line) = host.read(path) else {
        return vec![Finding::info("thp", why, "this kernel has no transparent hugepages")];
    };
    let chosen = line.split('[').nth(1).and_then(|rest| rest.split(']').next()).unwrap_or(&line).to_owned();
    if chosen == "never" {
        let repair = Repair::Write { path: path.to_owned(), text: "madvise".to_owned() };
        return vec![Finding::warn("thp", why, "never", repair.to_string()).mended_by([repair])];
    }
    vec![Finding::ok("thp", why, chosen)]
}

/// Swap.
pub(super) fn swap(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "a worker that waits for a page from a disk drops packets for milliseconds";
    let swaps = host.read("proc/swaps").unwrap_or_default();
    let used: Vec<&str> = swaps.lines().skip(1).map(first_word).filter(|name| !name.is_empty()).collect();
    if used.is_empty() {
        return vec![Finding::ok("swap", why, "none")];
    }
    vec![Finding::warn("swap", why, used.join(", "), "sudo swapoff -a (and remove it from /etc/fstab)")]
}

/// Memory for the flow tables.
pub(super) fn available(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "flow tables are taken at the start, whole";
    let Some(mib) = available_kb(host).map(|kb| kb / 1024) else {
        return vec![Finding::info("memory", why, "what is available cannot be read")];
    };
    let wanted = match config.map(|config| config.boot.flow_table()) {
        Some(FlowTableSize::Memory(size)) => size.bytes() >> 20,
        _ => 0,
    };
    let buffers = match config {
        // Buffers outside of hugepages come from the same memory; a replay has few.
        Some(config)
            if !config.boot.memory.hugepages && config.boot.resolved_backend() != Some(Backend::Replay) =>
        {
            u64::from(config.boot.memory.mib)
        }
        _ => 0,
    };
    let wanted = wanted + buffers;
    if mib >= wanted {
        return vec![Finding::ok("memory", why, format!("{mib} MiB available"))];
    }
    let seen = format!("{mib} MiB available, the configuration takes {wanted} MiB");
    vec![Finding::fail("memory", why, seen, "write a smaller `flow_memory` under [boot], or add memory")]
}
