//! The kernel, the processor, DPDK's libraries, AF_XDP and privileges.

use api::Config;
use api::config::Backend;

use super::finding::Finding;
use super::host::Host;
use super::repair::Repair;

/// Whether the kernel is new enough.
pub(super) fn version(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "DPDK 22.11 needs Linux 4.14, and AF_XDP with busy polling Linux 5.11";
    let Some(release) = host.kernel() else {
        return vec![Finding::info("kernel", why, "the release cannot be read")];
    };
    let mut numbers = release.split(['.', '-']).map(|word| word.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let mend = "sudo apt-get install linux-image-amd64, restart";
    vec![if version < (4, 14) {
        Finding::fail("kernel", why, release, mend)
    } else if version < (5, 11) {
        Finding::warn("kernel", why, release, mend)
    } else {
        Finding::ok("kernel", why, release)
    }]
}

/// Whether DPDK's libraries and drivers are installed.
pub(super) fn libraries(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "the data plane links DPDK's libraries, which load their drivers from a folder when they start";
    let mend = "sudo apt-get install libdpdk-dev";
    let mut folders: Vec<String> = vec!["usr/local/lib".to_owned(), "usr/lib64".to_owned()];
    for parent in ["usr/lib", "usr/local/lib"] {
        let triples = host.names(parent).into_iter().filter(|name| name.ends_with("-linux-gnu"));
        folders.extend(triples.map(|name| format!("{parent}/{name}")));
    }
    let Some(folder) =
        folders.iter().find(|folder| host.names(folder).iter().any(|name| name.starts_with("librte_eal.so")))
    else {
        return vec![Finding::fail("dpdk", why, "librte_eal is not installed", mend)];
    };
    let plugins = host.names(format!("{folder}/dpdk")).into_iter().find(|name| name.starts_with("pmds-"));
    let drivers = |plugins: &String| {
        let names = host.names(format!("{folder}/dpdk/{plugins}"));
        names.iter().filter(|name| name.starts_with("librte_net_") && name.ends_with(".so")).count()
    };
    vec![match plugins.as_ref().map(|plugins| (plugins, drivers(plugins))) {
        Some((plugins, count)) if count > 0 => {
            Finding::ok("dpdk", why, format!("/{folder}, {count} network drivers in dpdk/{plugins}"))
        }
        _ => Finding::fail("dpdk", why, format!("/{folder} has librte_eal and no drivers under dpdk/"), mend),
    }]
}

/// Whether the processor has the instructions that Debian's DPDK was built for.
pub(super) fn processor(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "DPDK does not start without SSE4.2; pattern matching is several times faster with AVX2";
    let text = host.read("proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim())
    };
    let Some(flags) = field("flags") else {
        return vec![Finding::info("cpu", why, "not an x86 processor, or one that does not say")];
    };
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    let name = field("model name").unwrap_or("unnamed");
    let mend = "run on a newer processor, or give the virtual machine its host's CPU model";
    vec![if !has("sse4_2") {
        Finding::fail("cpu", why, format!("{name}: no SSE4.2"), mend)
    } else if !has("avx2") {
        Finding::warn("cpu", why, format!("{name}: no AVX2"), mend)
    } else {
        let extra: Vec<&str> = ["avx512bw", "aes", "vaes"].into_iter().filter(|flag| has(flag)).collect();
        Finding::ok("cpu", why, format!("{name}: avx2 {}", extra.join(" ")).trim_end().to_owned())
    }]
}

/// Whether AF_XDP works, to which the data plane falls back without DPDK.
pub(super) fn af_xdp(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "AF_XDP takes packets from an interface that the kernel keeps, where DPDK cannot take its card";
    let needed = config.is_some_and(|config| config.boot.resolved_backend() == Some(Backend::AfXdp));
    let sockets = host.read("proc/net/protocols").unwrap_or_default();
    if !sockets.lines().any(|line| line.split_whitespace().next() == Some("XDP")) {
        let (seen, mend) = ("the kernel has no XDP sockets", "run a kernel with CONFIG_XDP_SOCKETS");
        let make = if needed { Finding::fail } else { Finding::warn };
        return vec![make("af_xdp", why, seen.to_owned(), mend.to_owned())];
    }
    let compiler = "proc/sys/net/core/bpf_jit_enable";
    if host.number(compiler) == Some(0) {
        let mend = "sudo sysctl -w net.core.bpf_jit_enable=1";
        let repair = Repair::Write { path: compiler.to_owned(), text: "1".to_owned() };
        return vec![Finding::warn("af_xdp", why, "XDP programs are interpreted", mend).mended_by([repair])];
    }
    if !host.has("sys/kernel/btf/vmlinux") {
        let mend = "run a kernel with CONFIG_DEBUG_INFO_BTF";
        return vec![Finding::warn("af_xdp", why, "the kernel does not describe its types (BTF)", mend)];
    }
    vec![Finding::ok("af_xdp", why, "XDP sockets, compiled programs, BTF")]
}

/// Whether the exception port can be made.
pub(super) fn exception_port(host: &Host, config: Option<&Config>) -> Vec<Finding> {
    let why = "the exception port, by which keys come through a port that the kernel does not have, is a TUN interface";
    let Some(name) = config.and_then(|config| config.boot.exception_port.as_deref()) else {
        return Vec::new();
    };
    vec![if host.has("dev/net/tun") {
        Finding::ok("exception", why, format!("/dev/net/tun is there for {name}"))
    } else {
        let finding = Finding::fail("exception", why, "/dev/net/tun is not there", "sudo modprobe tun");
        finding.mended_by([Repair::Run("modprobe", vec!["tun"])])
    }]
}

/// Whether this process may do what the data plane does.
pub(super) fn capabilities(host: &Host, _config: Option<&Config>) -> Vec<Finding> {
    let why = "the data plane configures interfaces, locks memory, loads XDP programs and pins threads";
    let Some(effective) = effective_capabilities(host) else {
        return vec![Finding::info("privileges", why, "the capabilities of this process cannot be read")];
    };
    let missing: Vec<&str> =
        CAPABILITIES.iter().filter(|(bit, _)| effective >> bit & 1 == 0).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return vec![Finding::ok("privileges", why, "all that are needed")];
    }
    let all: Vec<&str> = CAPABILITIES.iter().map(|(_, name)| *name).collect();
    let mend = format!("run as root, or: sudo setcap {}+ep \"$(command -v wirewarden)\"", all.join(","));
    vec![Finding::warn("privileges", why, format!("missing: {}", missing.join(", ")), mend)]
}

/// The capabilities that this process has, a bit each.
pub(super) fn effective_capabilities(host: &Host) -> Option<u64> {
    let status = host.read("proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Bit of the capability to lock memory beyond the limit.
pub(super) const CAP_IPC_LOCK: u32 = 14;

/// Capabilities by their bits (linux/capability.h).
const CAPABILITIES: [(u32, &str); 7] = [
    (12, "cap_net_admin"),
    (13, "cap_net_raw"),
    (CAP_IPC_LOCK, "cap_ipc_lock"),
    (17, "cap_sys_rawio"),
    (23, "cap_sys_nice"),
    (38, "cap_perfmon"),
    (39, "cap_bpf"),
];
