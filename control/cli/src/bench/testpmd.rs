//! dpdk-testpmd forwarding between two null devices: what moving packets costs where nothing is done with them.

use std::fs;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What testpmd reached.
#[derive(Debug)]
pub(super) struct Peer {
    /// Release of DPDK.
    pub(super) version: String,
    /// Packets it received, both ports together.
    pub(super) packets: u64,
    /// CPU time of its forwarding thread.
    pub(super) cpu: Duration,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    /// It is not installed, or not in `PATH`.
    #[error("it is not installed (sudo apt-get install dpdk-dev)")]
    Absent,
    /// It needs a core beside the one that forwards.
    #[error("it needs two cores")]
    OneCore,
    /// It could not be started or spoken to.
    #[error("it cannot be run: {0}")]
    Io(#[from] io::Error),
    /// It ended, or its thread was not found, before anything was measured.
    #[error("it did not forward{}", if .0.is_empty() { String::new() } else { format!(": {}", .0) })]
    Idle(String),
}

impl Peer {
    /// Lets it forward for `time`.
    pub(super) fn measure(time: Duration) -> Result<Self, PeerError> {
        if thread::available_parallelism().map_or(1, Into::into) < 2 {
            return Err(PeerError::OneCore);
        }
        let spawned = Command::new("dpdk-testpmd")
            .args(EAL_ARGUMENTS)
            .arg("--")
            .args(ARGUMENTS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let child = match spawned {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(PeerError::Absent),
            other => other?,
        };
        watch(child, time)
    }

    /// Million packets a second of CPU time.
    pub(super) fn mpps(&self) -> f64 {
        self.packets as f64 / self.cpu.as_secs_f64() / 1e6
    }
}

/// Waits until it forwarded for `time`, asks it to stop, and reads what it counted.
fn watch(mut child: Child, time: Duration) -> Result<Peer, PeerError> {
    let mut cpu = Duration::ZERO;
    let (input, asked) = (child.stdin.take(), Instant::now());
    // On a busy machine its start alone takes seconds.
    while cpu < time && asked.elapsed() < time + PATIENCE && child.try_wait()?.is_none() {
        thread::sleep(GLANCE);
        cpu = forwarding_time(child.id()).unwrap_or(cpu);
    }
    if let Some(mut input) = input {
        // "Press enter to exit".
        let _ = input.write_all(b"\n");
    }
    // Its time goes on until it has stopped, and so do its packets.
    while asked.elapsed() < time + 2 * PATIENCE && child.try_wait()?.is_none() {
        cpu = forwarding_time(child.id()).unwrap_or(cpu);
        thread::sleep(GLANCE);
    }
    // Nothing where it ended by itself.
    let _ = child.kill();
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    let idle = || PeerError::Idle(told.lines().last().unwrap_or_default().chars().take(200).collect());
    let packets = received(&text).filter(|packets| *packets > 0).ok_or_else(idle)?;
    if cpu < LEAST_TIME {
        return Err(idle());
    }
    let version = version(&text).or_else(|| version(&told)).unwrap_or_default();
    Ok(Peer { version, packets, cpu })
}

/// Packets of all ports, from the statistics that it prints at its end.
fn received(text: &str) -> Option<u64> {
    let (_, all) = text.split_once("Accumulated forward statistics")?;
    let (_, count) = all.split_once("RX-packets:")?;
    count.split_whitespace().next()?.parse().ok()
}

/// CPU time of the thread that forwards; the others wait.
fn forwarding_time(process: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten();
    let worker = threads
        .map(|thread| thread.path())
        .find(|path| fs::read_to_string(path.join("comm")).is_ok_and(|name| name.contains("worker")))?;
    let ns = fs::read_to_string(worker.join("schedstat")).ok()?;
    ns.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Release of DPDK, as it tells it at its start.
fn version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("RTE Version: 'DPDK ")?;
    rest.split('\'').next().map(str::to_owned)
}

/// No hugepages, no cards, no files left behind: it may run beside a data plane.
const EAL_ARGUMENTS: &[&str] = &[
    "-v",
    "--no-huge",
    "--no-telemetry",
    "--no-shconf",
    "--no-pci",
    "-m",
    "256",
    "-l",
    "0,1",
    "--vdev",
    "net_null0",
    "--vdev",
    "net_null1",
];
const ARGUMENTS: &[&str] = &["--auto-start", "--forward-mode=io", "--total-num-mbufs=8192", "--burst=64"];

/// How long it may take to start, and again to stop.
const PATIENCE: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(2);
/// Less says nothing.
const LEAST_TIME: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_over_all_ports_is_read() {
        let text = "Forward statistics for port 0\n RX-packets: 5 \n\
                    +++ Accumulated forward statistics for all ports+++\n  RX-packets: 227200         RX-dropped: 0\n";
        assert_eq!(received(text), Some(227_200));
        assert_eq!(version("EAL: RTE Version: 'DPDK 22.11.11'\nmore").as_deref(), Some("22.11.11"));
        assert_eq!(received("RX-packets: 5"), None);
        assert_eq!(received("Accumulated forward statistics RX-packets: many"), None);
    }
}
