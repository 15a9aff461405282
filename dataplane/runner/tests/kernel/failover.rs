//! DPDK loses its port: AF_XDP goes on, on the kernel's interface.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::network::{DataPlane, Namespace, capture, number};

const TIMES: usize = 10;
/// Packets that are sent over and over.
const PACKETS: u32 = 1000;
/// What it takes at most in a build for tests, on a machine with other work; `perf/xdp.py` holds a release to two seconds.
const LIMIT: Duration = Duration::from_secs(5);

/// A data plane by DPDK.
fn configuration(device: &str, more: &str) -> String {
    format!(
        r#"
version = 1
[boot]
backend = "dpdk"
cores = [0]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
mib = 256
[[boot.ports]]
name = "port"
device = "{device}"
rx_descriptors = 512
tx_descriptors = 512
{more}
"#
    )
}

/// Sends packets to an interface, a thousand a second, until it is dropped.
struct Sender(Child);

impl Sender {
    fn start(namespace: &Namespace, capture: &Path, interface: &str) -> Self {
        let mut replay = namespace.command("tcpreplay");
        replay.args(["-q", "-i", interface, "--pps=1000", "--loop=1000"]).arg(capture);
        Self(replay.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_for(plane: &DataPlane, word: &str) {
    let started = Instant::now();
    while !plane.said().contains(word) {
        assert!(started.elapsed() < Duration::from_secs(30), "no {word:?} in {}", plane.said());
        sleep(Duration::from_millis(2));
    }
}

/// The end of a run that has gone on by AF_XDP.
fn account(plane: DataPlane) {
    let summary = plane.stop();
    assert_eq!(number(&summary, "failover.runs "), 1, "{summary}");
    assert!(number(&summary, "received ") > 0, "{summary}");
    assert!(!summary.contains("DOES NOT ADD UP"), "{summary}");
    assert!(summary.contains("failover.first_packet_ms "), "{summary}");
}

fn tell(what: &str, took: &[Duration]) {
    let slowest = took.iter().max().unwrap();
    eprintln!("{what}: first packet after {took:?}");
    // How many times slower this machine is said to be, as one that is emulated.
    let slower = std::env::var("WIREWARDEN_TIMES_SLOWER").map_or(1, |text| text.parse().unwrap());
    assert!(*slowest <= LIMIT * slower, "{slowest:?}");
}

/// Another process has the other end of a memif, and is killed.
///
/// The memif driver of DPDK 22.11 unmaps its rings in a thread of its own while a worker may be in the midst of a burst:
/// then the process dies of it, and another takes its place, as the daemon has it. The time counts all the same.
pub(crate) fn check_memif() {
    let Some(namespace) = Namespace::new("memif") else { return };
    namespace.veth("ta", "tb", 1500);
    let folder = tempfile::tempdir().unwrap();
    let peer_folder = tempfile::tempdir().unwrap();
    let sender = Sender::start(&namespace, &capture(folder.path(), PACKETS), "tb");
    let cache = ["--cache", folder.path().to_str().unwrap()];
    let (mut took, mut crashes) = (Vec::new(), 0);
    for turn in 0..TIMES {
        let socket = folder.path().join(format!("memif{turn}"));
        let device = |role| format!("net_memif0,role={role},socket={},socket-abstract=no", socket.display());
        let peer_up = "port port: by DPDK";
        let mut peer =
            DataPlane::start(&namespace, peer_folder.path(), &configuration(&device("server"), ""), peer_up);
        let own = configuration(&device("client"), "failover = \"ta\"\n");
        let mut plane = DataPlane::start_with(&namespace, folder.path(), &own, peer_up, &cache);
        wait_for(&plane, "port port: the link is up");
        sleep(Duration::from_millis(100));
        let killed = Instant::now();
        peer.kill();
        let status = loop {
            if plane.said().contains(FIRST) {
                break None;
            }
            if let Some(status) = plane.ended() {
                break Some(status);
            }
            assert!(killed.elapsed() < Duration::from_secs(30), "no {FIRST:?} in {}", plane.said());
            sleep(Duration::from_millis(2));
        };
        if let Some(status) = status {
            assert_eq!(status.signal(), Some(SIGSEGV), "{status}: {}", plane.said());
            crashes += 1;
            let rescue = [cache.as_slice(), &["--on-kernel"]].concat();
            plane = DataPlane::start_with(&namespace, folder.path(), &own, "AF_XDP on ta", &rescue);
            wait_for(&plane, FIRST);
            took.push(killed.elapsed());
        } else {
            took.push(killed.elapsed());
            let said = plane.said();
            assert!(
                said.contains("port port: the link is down")
                    || said.contains("port port: the other end is gone"),
                "{said}"
            );
        }
        account(plane);
    }
    drop(sender);
    eprintln!("memif: the driver took the process with it in {crashes} of {TIMES}");
    assert!(crashes <= TIMES / 2, "{crashes}: that is no race");
    tell("memif", &took);
}

const FIRST: &str = "the first packet by AF_XDP came";
const SIGSEGV: i32 = 11;

/// The interface goes, and another one of the same name comes, as when a virtual card is taken out and put in again.
pub(crate) fn check_af_packet() {
    let Some(namespace) = Namespace::new("packet") else { return };
    let folder = tempfile::tempdir().unwrap();
    let capture = capture(folder.path(), PACKETS);
    let mut took = Vec::new();
    for _ in 0..TIMES {
        namespace.veth("ta", "tb", 1500);
        let sender = Sender::start(&namespace, &capture, "tb");
        let configuration =
            configuration("net_af_packet0,iface=ta,blocksz=16384,framesz=2048,framecnt=512", "");
        let plane = DataPlane::start(&namespace, folder.path(), &configuration, "port port: by DPDK");
        sleep(Duration::from_millis(200));
        let killed = Instant::now();
        namespace.ip("link del ta");
        namespace.veth("ta", "tb", 1500);
        drop(sender);
        let sender = Sender::start(&namespace, &capture, "tb");
        wait_for(&plane, FIRST);
        took.push(killed.elapsed());
        let summary = plane.said();
        assert!(summary.contains(" flows are lost"), "{summary}");
        account(plane);
        drop(sender);
        namespace.ip("link del ta");
    }
    tell("af_packet", &took);
}
