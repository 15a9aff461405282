//! DPDK is lost, and the daemon has the data plane take the kernel's interface in its place.

use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use api::control::{Command, DataplaneStatus, FailoverStatus, SupervisionState};

use crate::rig::{Rig, kill};

/// A network namespace with a pair of interfaces, and a sender on one of them.
struct Network {
    name: String,
    sender: Option<Child>,
}

impl Network {
    /// None, said so, where this process may not make one.
    fn new() -> Option<Self> {
        let name = format!("wwdaemon-{}", std::process::id());
        if !Process::new("ip").args(["netns", "add", &name]).output().is_ok_and(|made| made.status.success())
        {
            eprintln!("SKIPPED: needs root, to make network namespaces (ip netns add)");
            return None;
        }
        Some(Self { name, sender: None })
    }

    fn run(&self, program: &str, arguments: &str) {
        let inside = format!("--net=/run/netns/{}", self.name);
        let output = Process::new("nsenter").arg(inside).arg(program).args(arguments.split(' ')).output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Makes the pair; the sender sends a thousand packets a second from then on.
    fn connect(&mut self, rig: &Rig) {
        self.run("ip", "link add ta type veth peer name tb");
        for name in ["ta", "tb"] {
            self.run("sysctl", &format!("-q -w net.ipv6.conf.{name}.disable_ipv6=1"));
            self.run("ip", &format!("link set {name} up"));
        }
        let mut replay = Process::new("nsenter");
        replay.arg(format!("--net=/run/netns/{}", self.name));
        replay
            .args(["tcpreplay", "-q", "-i", "tb", "--pps=1000", "--loop=100000"])
            .arg(rig.path("load.pcap"));
        self.sender = Some(replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    }

    fn disconnect(&mut self) {
        self.run("ip", "link del ta");
        self.stop_sender();
    }

    fn stop_sender(&mut self) {
        if let Some(mut sender) = self.sender.take() {
            let _ = sender.kill();
            let _ = sender.wait();
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.stop_sender();
        let _ = Process::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn configuration() -> &'static str {
    "version = 1\n[boot]\nbackend = \"dpdk\"\nflow_memory = \"16MiB\"\n[boot.memory]\nhugepages = false\nmib = 256\n\
     [[boot.ports]]\nname = \"tap\"\ndevice = \"net_af_packet0,iface=ta,blocksz=16384,framesz=2048,framecnt=512\"\n\
     rx_descriptors = 512\ntx_descriptors = 512\n"
}

/// Waits until packets come by the kernel's interface.
fn rescued(rig: &Rig) -> FailoverStatus {
    let mut seen = FailoverStatus::default();
    rig.until("on the kernel's interface", |status| {
        let Some(dataplane) = &status.dataplane else { return false };
        seen = dataplane.failover.as_deref().cloned().unwrap_or_default();
        dataplane.backend == "af_xdp" && seen.first_packet_ms.is_some()
    });
    seen
}

fn flows(dataplane: &DataplaneStatus) -> u64 {
    dataplane.workers.iter().map(|worker| worker.flows).sum()
}

fn by_dpdk(rig: &Rig) -> u32 {
    let pid = rig.restart();
    rig.until("flows by DPDK", |status| {
        let dataplane = status.dataplane.as_ref();
        dataplane.is_some_and(|dataplane| dataplane.backend == "dpdk" && flows(dataplane) > 0)
    });
    pid
}

#[test]
fn where_dpdk_dies_or_loses_its_port_the_kernels_interface_takes_its_place() {
    let Some(mut rig) = Rig::prepared(&["--no-http"]) else { return };
    let Some(mut network) = Network::new() else { return };
    std::fs::write(rig.path("first.toml"), configuration()).unwrap();
    rig.namespace = Some(network.name.clone());
    network.connect(&rig);
    rig.start_daemon();
    rig.wait_for(SupervisionState::Running);

    let mut times = Vec::new();
    for _ in 0..2 {
        let pid = by_dpdk(&rig);
        let killed = Instant::now();
        assert!(kill(pid, "-KILL"));
        let seen = rescued(&rig);
        times.push((killed.elapsed(), seen.first_packet_ms));
        assert!(seen.flows_lost > 0 && seen.why.contains("killed by signal 9"), "{seen:?}");
    }
    let daemon = rig.daemon();
    let told = daemon.components.iter().find(|part| part.name == "dataplane").unwrap();
    assert!(told.reason.as_ref().is_some_and(|why| why.contains("in the place of DPDK")), "{told:?}");
    assert!(rig.runs(configuration()), "it runs what the daemon says it should");

    by_dpdk(&rig);
    let crashes = rig.daemon().supervision.recent_crashes;
    let lost = Instant::now();
    network.disconnect();
    network.connect(&rig);
    let seen = rescued(&rig);
    times.push((lost.elapsed(), seen.first_packet_ms));
    assert!(seen.flows_lost > 0 && seen.why.contains("port tap: ta is"), "{seen:?}");
    assert_eq!(rig.daemon().supervision.recent_crashes, crashes, "a lost port is no crash");
    eprintln!("first packet by AF_XDP, seen from here and by the data plane: {times:?}");
    // A release on a machine of its own is held to two seconds.
    assert!(times.iter().all(|(took, _)| *took < Duration::from_secs(8)), "{times:?}");
    rig.ask(Command::Stop).unwrap();
}
