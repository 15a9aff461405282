//! Network namespaces with virtual Ethernet, and data planes in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sample::load;
use sample::pcap::PcapWriter;

/// A network namespace, removed when dropped.
pub(crate) struct Namespace(String);

impl Namespace {
    /// None, said so, where this process may not make one.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let name = format!("wwtest-{}-{name}", std::process::id());
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if made.is_ok_and(|output| output.status.success()) {
            return Some(Self(name));
        }
        eprintln!("SKIPPED: needs root, to make network namespaces (ip netns add)");
        None
    }

    /// A pair of interfaces, up and without addresses.
    pub(crate) fn veth(&self, one: &str, other: &str, mtu: u32) {
        self.ip(&format!("link add {one} type veth peer name {other}"));
        for name in [one, other] {
            let setting = format!("net.ipv6.conf.{name}.disable_ipv6=1");
            assert!(self.command("sysctl").args(["-q", "-w", &setting]).status().unwrap().success());
            self.ip(&format!("link set {name} mtu {mtu} up"));
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    pub(crate) fn ip(&self, arguments: &str) -> String {
        let output = self.command("ip").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }

    /// Whether an XDP program is on an interface.
    pub(crate) fn has_program(&self, interface: &str) -> bool {
        self.ip(&format!("-d link show {interface}")).contains("prog/xdp")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Longest that a start may take, on a machine that is busy otherwise.
const OPENING: Duration = Duration::from_secs(240);

/// A data plane in a namespace, killed when dropped.
pub(crate) struct DataPlane {
    child: Child,
    said: PathBuf,
}

impl DataPlane {
    /// Starts it, and waits until its ports are open and their workers run.
    pub(crate) fn start(namespace: &Namespace, folder: &Path, configuration: &str, opened: &str) -> Self {
        Self::start_with(namespace, folder, configuration, opened, &[])
    }

    /// The same, with more arguments.
    pub(crate) fn start_with(
        namespace: &Namespace,
        folder: &Path,
        configuration: &str,
        opened: &str,
        more: &[&str],
    ) -> Self {
        let (config, said) = (folder.join("dataplane.toml"), folder.join("said"));
        fs::write(&config, configuration).unwrap();
        let mut command = namespace.command(env!("CARGO_BIN_EXE_wirewarden-dataplane"));
        command.arg("-c").arg(&config).args(more);
        command.stdout(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        let plane = Self { child: command.spawn().unwrap(), said };
        let started = Instant::now();
        while !plane.said().contains(opened) || !plane.works() {
            assert!(started.elapsed() < OPENING, "not opened: {}", plane.said());
            sleep(Duration::from_millis(5));
        }
        plane
    }

    /// Whether it has a worker: ports are open before.
    fn works(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        threads.into_iter().flatten().flatten().any(|thread| {
            fs::read_to_string(thread.path().join("comm")).is_ok_and(|name| name.starts_with("worker-"))
        })
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, where it has by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a user does; what it said at the end.
    pub(crate) fn stop(self) -> String {
        let (status, said) = self.end();
        assert!(status.success(), "{status}: {said}");
        said
    }

    /// The same where something went wrong meanwhile, which its status tells.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let killed = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        (status, self.said())
    }
}

impl Drop for DataPlane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number behind a word of the summary.
pub(crate) fn number(summary: &str, word: &str) -> u64 {
    let rest = summary.split(word).nth(1).unwrap_or_else(|| panic!("no {word:?} in {summary}"));
    rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

/// A capture of so many datagrams of 50 flows, all from 10.0.0.0/8.
pub(crate) fn capture(folder: &Path, packets: u32) -> PathBuf {
    let path = folder.join("load.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&path).unwrap()).unwrap();
    load::random_udp(50, packets, &mut writer).unwrap();
    writer.finish().unwrap();
    path
}
