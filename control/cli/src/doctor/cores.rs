//! Cores: isolated, awake, and with a steady clock.

use std::collections::BTreeSet;

use api::Config;

use super::finding::Finding;
use super::host::{Host, core_list, core_ranges};
use super::repair::Repair;

/// The cores of the workers; empty without a configuration that names them.
fn workers(config: Option<&Config>) -> BTreeSet<u16> {
    config.map(|config| config.boot.cores.iter().copied().collect()).unwrap_or_default()
}

/// Whether the cores of the configuration are there.
pub(super) fn online(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "a worker is pinned to its core";
    let online = host.cores("sys/devices/system/cpu/online");
    let mut wanted = workers(config);
    wanted.extend(config.and_then(|config| config.boot.main_core));
    let absent: BTreeSet<u16> = wanted.difference(&online).copied().collect();
    let seen = format!("online: {}", core_ranges(&online));
    if absent.is_empty() {
        return vec![Finding::ok("cores", why, seen)];
    }
    let seen = format!("{seen}; not online: {}", core_ranges(&absent));
    vec![Finding::fail("cores", why, seen, "name cores that are online in `boot.cores` and `boot.main_core`")]
}

/// Whether the scheduler, its tick and RCU leave the workers' cores alone.
pub(super) fn isolated(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "another task, a timer tick or an RCU callback on a worker's core stops it for microseconds";
    let isolated = host.cores("sys/devices/system/cpu/isolated");
    let tickless = host.cores("sys/devices/system/cpu/nohz_full");
    let offloaded = host.kernel_parameter("rcu_nocbs").map(|list| core_list(&list)).unwrap_or_default();
    let wanted = workers(config);
    let seen = |cores: &BTreeSet<u16>| if cores.is_empty() { "none".to_owned() } else { core_ranges(cores) };
    let seen = format!(
        "isolcpus {}, nohz_full {}, rcu_nocbs {}",
        seen(&isolated),
        seen(&tickless),
        seen(&offloaded)
    );
    if wanted.is_empty() {
        return vec![Finding::info("isolation", why, seen)];
    }
    // nohz_full implies the offload of RCU callbacks.
    let free = |core: &u16| isolated.contains(core) && tickless.contains(core);
    let exposed: BTreeSet<u16> = wanted.iter().filter(|core| !free(core)).copied().collect();
    if exposed.is_empty() {
        return vec![Finding::ok("isolation", why, seen)];
    }
    let list = core_ranges(&wanted);
    let mend = format!(
        "add `isolcpus=managed_irq,domain,{list} nohz_full={list} rcu_nocbs={list}` to GRUB_CMDLINE_LINUX in \
         /etc/default/grub, sudo update-grub, restart"
    );
    vec![Finding::warn("isolation", why, format!("{seen}; workers on {list}"), mend)]
}

/// Whether two workers, or a worker and somebody else, share a physical core.
pub(super) fn siblings(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "two threads of one physical core share its caches and ports: each gets little more than half";
    let shared = |core: &u16| {
        let list = host.cores(format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"));
        (list.len() > 1).then_some(list)
    };
    let online = host.cores("sys/devices/system/cpu/online");
    let wanted: BTreeSet<u16> = workers(config).intersection(&online).copied().collect();
    let pairs: BTreeSet<String> = wanted
        .iter()
        .filter_map(shared)
        .filter(|siblings| siblings.intersection(&wanted).count() > 1)
        .map(|siblings| core_ranges(&siblings))
        .collect();
    if !pairs.is_empty() {
        let list: Vec<String> = pairs.into_iter().collect();
        let seen = format!("workers share physical cores: {}", list.join(" and "));
        return vec![Finding::warn(
            "smt",
            why,
            seen,
            "name one thread of each physical core in `boot.cores`",
        )];
    }
    let alone = wanted.iter().filter_map(shared).count() == 0;
    let seen = match (wanted.is_empty(), host.read("sys/devices/system/cpu/smt/active").as_deref()) {
        (true, Some("1")) => "physical cores have two threads or more",
        (true, _) => "one thread per physical core",
        (false, _) if alone => "each worker has a physical core of its own",
        (false, _) => "each worker has a physical core, whose other thread is better left idle",
    };
    vec![Finding::info("smt", why, seen)]
}

/// Whether the clock frequency of the workers' cores is steady.
pub(super) fn governor(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "a core that polls is never idle, and one that slows down drops packets until it is fast again";
    let wanted = workers(config);
    let cores = if wanted.is_empty() { host.cores("sys/devices/system/cpu/online") } else { wanted };
    let governors: Vec<(u16, String)> = cores
        .iter()
        .filter_map(|core| {
            Some((*core, host.read(format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"))?))
        })
        .collect();
    if governors.is_empty() {
        return vec![Finding::info("governor", why, "the kernel does not choose the frequency here")];
    }
    let slow: BTreeSet<u16> =
        governors.iter().filter(|(_, name)| name != "performance").map(|(core, _)| *core).collect();
    if slow.is_empty() {
        return vec![Finding::ok("governor", why, "performance")];
    }
    let names: BTreeSet<&str> = governors.iter().map(|(_, name)| name.as_str()).collect();
    let list = core_ranges(&slow);
    let seen = format!("core(s) {list}: {}", names.into_iter().collect::<Vec<_>>().join(", "));
    let repairs = slow.iter().map(|core| Repair::Write {
        path: format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"),
        text: "performance".to_owned(),
    });
    let mend = format!("sudo cpupower -c {list} frequency-set -g performance");
    vec![Finding::warn("governor", why, seen, mend).mended_by(repairs)]
}

/// Whether the time stamp counter runs steadily and is the kernel's clock.
pub(super) fn clock(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "every burst reads the clock: 9 ns from the counter, up to microseconds from another source";
    let source =
        host.read("sys/devices/system/clocksource/clocksource0/current_clocksource").unwrap_or_default();
    let flags = host.read("proc/cpuinfo").unwrap_or_default();
    let flags = flags.lines().find(|line| line.starts_with("flags")).unwrap_or("");
    let steady =
        ["constant_tsc", "nonstop_tsc"].iter().all(|flag| flags.split_whitespace().any(|word| word == *flag));
    if !flags.is_empty() && !steady {
        let mend = "run on a processor (or a virtual machine's CPU model) with constant_tsc and nonstop_tsc";
        return vec![Finding::warn("clock", why, format!("{source}; the counter is not steady"), mend)];
    }
    // What arm64 calls its counter.
    if ["tsc", "arch_sys_counter"].contains(&source.as_str()) {
        return vec![Finding::ok("clock", why, source)];
    }
    let available =
        host.read("sys/devices/system/clocksource/clocksource0/available_clocksource").unwrap_or_default();
    if available.split_whitespace().any(|name| name == "tsc") {
        let path = "sys/devices/system/clocksource/clocksource0/current_clocksource".to_owned();
        let repair = Repair::Write { path, text: "tsc".to_owned() };
        return vec![Finding::warn("clock", why, source, repair.to_string()).mended_by([repair])];
    }
    let seen = format!("{source}; the kernel offers: {available}");
    vec![Finding::info("clock", why, seen)]
}
