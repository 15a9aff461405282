use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A made machine in a folder of its own, healthy until a test changes it.
struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Two sockets with two cores each, 512 MiB of hugepages on each, and four network cards.
    fn healthy() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("wirewarden-doctor-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let machine = Self { root: std::env::temp_dir().join(name) };
        for (path, text) in FILES {
            machine.write(path, text);
        }
        for node in 0..2 {
            let pool = format!("sys/devices/system/node/node{node}/hugepages/hugepages-2048kB");
            machine
                .write(&format!("{pool}/nr_hugepages"), "256")
                .write(&format!("{pool}/free_hugepages"), "256");
            machine.write(&format!("sys/devices/system/node/node{node}/cpulist"), ["0-1", "2-3"][node]);
        }
        for core in 0..4 {
            let cpu = format!("sys/devices/system/cpu/cpu{core}");
            machine.write(&format!("{cpu}/topology/thread_siblings_list"), &core.to_string());
            machine.write(&format!("{cpu}/cpufreq/scaling_governor"), "performance");
        }
        machine.card("0000:03:00.0", Some("vfio-pci"), 1).card("0000:04:00.0", Some("ixgbe"), 0);
        machine.write("sys/bus/pci/devices/0000:04:00.0/net/eth0/operstate", "up");
        machine.card("0000:05:00.0", None, 1).card("0000:06:00.0", Some("virtio-pci"), -1);
        machine.write("sys/bus/pci/devices/0000:06:00.0/virtio3/net/eth1/operstate", "up");
        for queue in 0..2 {
            machine.write(&format!("sys/class/net/eth1/queues/rx-{queue}/rps_cpus"), "0");
        }
        machine.write("sys/class/net/eth0/queues/rx-0/rps_cpus", "0");
        machine
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn remove(&self, path: &str) -> &Self {
        let path = self.root.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    fn card(&self, address: &str, driver: Option<&str>, node: i8) -> &Self {
        let folder = format!("sys/bus/pci/devices/{address}");
        self.write(&format!("{folder}/class"), "0x020000");
        self.write(&format!("{folder}/vendor"), "0x8086").write(&format!("{folder}/device"), "0x1572");
        self.write(&format!("{folder}/numa_node"), &node.to_string());
        if let Some(driver) = driver {
            let link = self.root.join(folder).join("driver");
            std::os::unix::fs::symlink(format!("../../../bus/pci/drivers/{driver}"), link).unwrap();
        }
        self
    }

    fn examine(&self, config: Option<&str>) -> Vec<Finding> {
        let config = config.map(|text| Config::from_toml(text, "test.toml").unwrap());
        examine(&Host::at(&self.root), config.as_ref())
    }

    /// The one finding of a probe that is not well; what it says and what mends it are joined.
    fn complaint(&self, config: Option<&str>, probe: &str) -> (Status, String) {
        let mut bad = self.examine(config);
        bad.retain(|finding| matches!(finding.status, Status::Warn | Status::Fail));
        let all = format!("{bad:#?}");
        bad.retain(|finding| finding.probe == probe);
        assert_eq!(bad.len(), 1, "complaints: {all}");
        let finding = bad.remove(0);
        (finding.status, format!("{} | {}", finding.seen, finding.mend.unwrap_or_default()))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

const FILES: &[(&str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n"),
    ("proc/cmdline", "quiet intel_iommu=on isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3"),
    ("proc/cpuinfo", "model name\t: Test CPU\nflags\t\t: sse4_2 avx2 aes constant_tsc nonstop_tsc\n"),
    ("proc/mounts", "proc /proc proc rw 0 0\nnodev /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n"),
    ("proc/self/limits", "Limit  Soft Hard Units\nMax locked memory         unlimited   unlimited   bytes\n"),
    ("proc/self/status", "Name:\ttest\nCapEff:\t000001ffffffffff\n"),
    ("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable:   12000000 kB\n"),
    ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"),
    ("proc/net/route", "Iface\tDestination\tGateway\neth0\t00000000\t0102000A\neth1\t0002000A\t00000000\n"),
    ("proc/net/ipv6_route", "00000000000000000000000000000000 00 0 00 0 ffffffff 0 0 00200200 lo\n"),
    ("proc/net/protocols", "protocol size\nXDP 1088\n"),
    ("proc/sys/net/core/bpf_jit_enable", "1"),
    ("sys/kernel/btf/vmlinux", "types"),
    ("sys/kernel/security/lsm", "lockdown,capability,landlock,yama,apparmor"),
    ("proc/sys/kernel/seccomp/actions_avail", "kill_process kill_thread trap errno trace log allow"),
    ("proc/41/comm", "wirewardend"),
    ("proc/41/status", "Name:\twirewardend\nSeccomp:\t2\nCapEff:\t0000000000004400\n"),
    ("proc/42/comm", "bash"),
    ("proc/42/status", "Name:\tbash\nSeccomp:\t0\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ("sys/kernel/iommu_groups/0/type", "DMA"),
    ("sys/module/vfio_pci/refcnt", "0"),
    ("sys/devices/system/cpu/online", "0-3"),
    ("sys/devices/system/cpu/isolated", "2-3"),
    ("sys/devices/system/cpu/nohz_full", "2-3"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc"),
    ("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet"),
    ("usr/lib/x86_64-linux-gnu/librte_eal.so.23", ""),
    ("usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0/librte_net_ixgbe.so", ""),
    ("usr/share/misc/pci.ids", "8086  Intel Corporation\n\t1572  Ethernet Controller X710\n"),
];

const TAP: &str = "version = 1\n[boot]\ncores = [2, 3]\nmain_core = 1\n\
                   [[boot.ports]]\nname = \"a\"\ndevice = \"0000:03:00.0\"\n";
const XDP: &str = "version = 1\n[boot]\ncores = [2, 3]\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n";

#[test]
fn a_healthy_machine_has_nothing_to_mend() {
    let machine = Machine::healthy();
    for config in [None, Some(TAP), Some(XDP)] {
        let findings = machine.examine(config);
        assert!(findings.len() >= 20, "{} findings", findings.len());
        for finding in findings {
            assert!(matches!(finding.status, Status::Ok | Status::Info), "{finding:?}");
        }
    }
}

#[test]
fn every_seeded_fault_is_found_with_the_command_that_mends_it() {
    for (name, seed, config, probe, status, part) in FAULTS {
        let machine = Machine::healthy();
        seed(&machine);
        let (found, text) = machine.complaint(*config, probe);
        assert_eq!(found, *status, "{name}: {text}");
        assert!(text.contains(part), "{name}: `{part}` is not in: {text}");
    }
}

/// A name, what breaks the machine, the configuration, and what is to be said of it: probe, status and a part of
/// what was seen or mends it.
type Fault = (&'static str, fn(&Machine), Option<&'static str>, &'static str, Status, &'static str);

#[rustfmt::skip]
static FAULTS: &[Fault] = &[
    ("hugepages in use", |m| { free_pages(m, 0, 6); free_pages(m, 1, 0); }, Some(TAP), "hugepages", Status::Fail,
        "echo 506 | sudo tee /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"),
    ("no hugepages without a configuration", |m| { free_pages(m, 0, 0); free_pages(m, 1, 0); }, None, "hugepages",
        Status::Fail, "512 MiB are wanted"),
    ("a kernel without hugepages", |m| { m.remove("sys/devices/system/node/node0/hugepages")
        .remove("sys/devices/system/node/node1/hugepages"); }, None, "hugepages", Status::Fail, "hugepages = false"),
    ("pages of another size", |_| {}, Some(GIB), "hugepages", Status::Fail, "hugepagesz=1024M"),
    ("hugetlbfs not mounted", |m| { m.write("proc/mounts", "proc /proc proc rw 0 0"); }, None, "hugetlbfs",
        Status::Warn, "sudo mount -t hugetlbfs nodev /dev/hugepages"),
    ("hugetlbfs not mounted but needed", |m| { m.write("proc/mounts", ""); }, Some(FILES_KEPT), "hugetlbfs",
        Status::Fail, "in_memory = false"),
    ("little lockable memory", |m| { m.write("proc/self/limits", "Max locked memory  8388608  8388608  bytes")
        .write("proc/self/status", "CapEff:\t0"); },
        Some(TAP), "memlock", Status::Warn, "at most 8192 KiB, 512 MiB are wanted | ulimit -l unlimited"),
    ("no transparent hugepages", |m| { m.write("sys/kernel/mm/transparent_hugepage/enabled",
        "always madvise [never]"); }, None, "thp", Status::Warn, "echo madvise | sudo tee /sys/kernel/mm/"),
    ("swap", |m| { m.write("proc/swaps", "Filename Type\n/dev/sda2 partition 8 0 -2\n"); }, None, "swap",
        Status::Warn, "/dev/sda2 | sudo swapoff -a"),
    ("too little memory", |m| { m.write("proc/meminfo", "MemAvailable: 100000 kB"); }, Some(TAP), "memory",
        Status::Fail, "97 MiB available, the configuration takes 256 MiB"),
    ("no IOMMU", |m| { m.remove("sys/kernel/iommu_groups").write("proc/cmdline", "quiet"); }, None, "iommu",
        Status::Warn, "intel_iommu=on iommu=pt"),
    ("no IOMMU of AMD", |m| { m.remove("sys/kernel/iommu_groups/0").write("proc/cpuinfo",
        "vendor_id : AuthenticAMD\nflags : sse4_2 avx2 constant_tsc nonstop_tsc"); }, None, "iommu", Status::Warn,
        "add `iommu=pt`"),
    ("an IOMMU that was asked for", |m| { m.remove("sys/kernel/iommu_groups/0"); }, None, "iommu", Status::Warn,
        "VT-d"),
    ("vfio-pci not loaded", |m| { m.remove("sys/module/vfio_pci").write("lib/modules/6.1.0-28-amd64/modules.dep",
        "kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko"); }, None, "vfio", Status::Warn,
        "sudo modprobe vfio-pci"),
    ("no driver for user space", |m| { m.remove("sys/module/vfio_pci"); }, None, "vfio", Status::Fail,
        "neither vfio-pci nor uio_pci_generic"),
    ("a card the kernel drives", |m| { m.remove("proc/net/route"); }, Some(KERNEL_CARD), "card", Status::Fail,
        "Intel Corporation Ethernet Controller X710: ixgbe, eth0 | sudo ip link set eth0 down\n\
         sudo dpdk-devbind.py --bind=vfio-pci 0000:04:00.0"),
    ("a card without a driver", |_| {}, Some(BARE_CARD), "card", Status::Fail,
        "sudo dpdk-devbind.py --bind=vfio-pci 0000:05:00.0"),
    ("the card of the default route", |_| {}, Some(KERNEL_CARD), "card", Status::Fail,
        "eth0 carries the default route | leave this card to the kernel"),
    ("the card of the default route of IPv6", |m| { m.remove("proc/net/route").write("proc/net/ipv6_route",
        "00000000000000000000000000000000 00 0 00 fe80 00000400 1 0 00000003 eth1"); }, Some(VIRTIO_CARD), "card",
        Status::Fail, "eth1 carries the default route"),
    ("a card that is not there", |m| { m.remove("sys/bus/pci/devices/0000:03:00.0"); }, Some(TAP), "port",
        Status::Fail, "0000:03:00.0 is not there | name one"),
    ("an interface that is not there", |_| {}, Some(LOST_INTERFACE), "port", Status::Fail, "eth9 is not there"),
    ("too few queues", |m| { m.remove("sys/class/net/eth1/queues/rx-1"); }, Some(XDP), "queues", Status::Warn,
        "1 receive queue(s), 2 wanted | sudo ethtool -L eth1 combined 2"),
    ("workers far from their card", |m| { m.write("sys/devices/system/node/node1/cpulist", "3"); }, Some(TAP),
        "numa", Status::Warn, "0000:03:00.0 is on node 1, core(s) 2 are not | take `boot.cores` from 3"),
    ("a core that is offline", |m| { m.write("sys/devices/system/cpu/online", "0,2-3"); }, Some(TAP), "cores",
        Status::Fail, "not online: 1"),
    ("cores that are not isolated", |m| { m.write("sys/devices/system/cpu/isolated", "3"); }, Some(TAP),
        "isolation", Status::Warn, "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3"),
    ("workers on one physical core", |m| { for core in 2..4 {
        m.write(&format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"), "2-3"); } }, Some(TAP),
        "smt", Status::Warn, "workers share physical cores: 2-3"),
    ("a slow governor", |m| { m.write("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave"); },
        Some(TAP), "governor", Status::Warn, "sudo cpupower -c 3 frequency-set -g performance"),
    ("a slow clock", |m| { m.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet"); },
        None, "clock", Status::Warn, "echo tsc | sudo tee /sys/devices/system/clocksource"),
    ("an unsteady counter", |m| { m.write("proc/cpuinfo", "flags : sse4_2 avx2 constant_tsc"); }, None, "clock",
        Status::Warn, "not steady"),
    ("an old kernel", |m| { m.write("proc/sys/kernel/osrelease", "5.10.0-9-amd64"); }, None, "kernel", Status::Warn,
        "5.10.0-9-amd64 | sudo apt-get install linux-image-amd64"),
    ("a very old kernel", |m| { m.write("proc/sys/kernel/osrelease", "3.16.0"); }, None, "kernel", Status::Fail, "3.16"),
    ("no DPDK", |m| { m.remove("usr/lib/x86_64-linux-gnu/librte_eal.so.23"); }, None, "dpdk", Status::Fail,
        "sudo apt-get install libdpdk-dev"),
    ("DPDK without drivers", |m| { m.remove("usr/lib/x86_64-linux-gnu/dpdk"); }, None, "dpdk", Status::Fail,
        "no drivers"),
    ("a processor without SSE4.2", |m| { m.write("proc/cpuinfo", "flags : sse2 constant_tsc nonstop_tsc"); }, None,
        "cpu", Status::Fail, "no SSE4.2"),
    ("a kernel without XDP sockets", |m| { m.write("proc/net/protocols", "TCP 1"); }, None, "af_xdp", Status::Warn,
        "CONFIG_XDP_SOCKETS"),
    ("a kernel without the XDP sockets it needs", |m| { m.remove("proc/net/protocols"); }, Some(XDP), "af_xdp",
        Status::Fail, "CONFIG_XDP_SOCKETS"),
    ("no TUN for the exception port", |_| {}, Some(EXCEPTION), "exception", Status::Fail,
        "/dev/net/tun is not there | sudo modprobe tun"),
    ("interpreted programs", |m| { m.write("proc/sys/net/core/bpf_jit_enable", "0"); }, None, "af_xdp",
        Status::Warn, "sudo sysctl -w net.core.bpf_jit_enable=1"),
    ("a kernel without Landlock", |m| { m.write("sys/kernel/security/lsm", "capability,yama"); }, None, "landlock",
        Status::Warn, "put landlock first in lsm="),
    ("a kernel without seccomp", |m| { m.remove("proc/sys/kernel/seccomp"); }, None, "seccomp", Status::Warn,
        "CONFIG_SECCOMP_FILTER"),
    ("a data plane that gave nothing up", |m| { m.write("proc/43/comm", "wirewarden-data")
        .write("proc/43/status", "Seccomp:\t0\nCapEff:\t000001ffffffffff\n"); }, None, "confined", Status::Warn,
        "process 43, runs unconfined, capabilities 000001ffffffffff | take --unconfined out of its command line, and: \
         sudo systemctl restart wirewarden-dataplane"),
    ("few privileges", |m| { m.write("proc/self/status", "CapEff:\t0000000000003000"); }, None, "privileges",
        Status::Warn, "missing: cap_ipc_lock, cap_sys_rawio, cap_sys_nice, cap_perfmon, cap_bpf | run as root"),
];

fn free_pages(machine: &Machine, node: u8, pages: u32) {
    let pool = format!("sys/devices/system/node/node{node}/hugepages/hugepages-2048kB");
    machine.write(&format!("{pool}/free_hugepages"), &pages.to_string());
}

const GIB: &str = "version = 1\n[boot.memory]\nmib = 1024\nhugepage_size = \"1GiB\"\n";
const FILES_KEPT: &str = "version = 1\n[boot.memory]\nin_memory = false\n";
const KERNEL_CARD: &str = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:04:00.0\"\n";
const BARE_CARD: &str = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:05:00.0\"\n";
const VIRTIO_CARD: &str = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:06:00.0\"\n";
const EXCEPTION: &str = "version = 1\n[boot]\nexception_port = \"ww0\"\n";
const LOST_INTERFACE: &str = "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth9\"\n";

#[test]
fn a_configuration_without_hugepages_needs_none() {
    let machine = Machine::healthy();
    free_pages(&machine, 0, 0);
    free_pages(&machine, 1, 0);
    let config = "version = 1\n[boot.memory]\nhugepages = false\n";
    assert!(machine.examine(Some(config)).iter().all(|finding| finding.status != Status::Fail));
}

#[test]
fn an_empty_tree_is_answered() {
    let machine = Machine { root: std::env::temp_dir().join("wirewarden-doctor-there-is-no-such-folder") };
    assert!(machine.examine(None).len() >= 15);
    assert!(machine.examine(Some(TAP)).len() >= 15);
}

#[test]
fn text_and_json_tell_the_same_findings() {
    let machine = Machine::healthy();
    machine.write("proc/swaps", "Filename\n/dev/sda2\n");
    let findings = machine.examine(None);
    let text = report::text(&findings);
    assert!(text.contains("warn  swap          /dev/sda2\n"), "{text}");
    assert!(text.contains("mend: sudo swapoff -a"), "{text}");
    assert!(text.contains("\n0 failed, 1 warned, "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report::json(&findings, None)).unwrap();
    assert_eq!(json["healthy"], false);
    assert_eq!(json["findings"].as_array().map(Vec::len), Some(findings.len()));
}
