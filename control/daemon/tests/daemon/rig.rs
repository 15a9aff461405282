//! A daemon, its folders, and a data plane that plays a capture over and over.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use api::control::{
    Apply, Client, ClientError, Command, DaemonStatus, DataplaneStatus, Reply, Status, SupervisionState,
};
use sample::load;
use sample::pcap::PcapWriter;

pub(crate) const FLOWS: u32 = 200;

pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    daemon: Option<Child>,
    more: Vec<String>,
    /// Somebody else starts the data plane.
    pub(crate) external: bool,
    /// The network namespace that everything runs in; this test's own where there is none.
    pub(crate) namespace: Option<String>,
    /// Where HTTP listens.
    pub(crate) host: &'static str,
    pub(crate) port: u16,
}

/// The data plane beside this test's program; none, and a line that says so, where it was not built.
fn dataplane() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_BIN_EXE_wirewardend")).with_file_name("wirewarden-dataplane");
    if beside.is_file() {
        return Some(beside);
    }
    eprintln!("SKIPPED: no {} (cargo build -p runner)", beside.display());
    None
}

impl Rig {
    /// A daemon whose data plane runs.
    pub(crate) fn start(more: &[&str]) -> Option<Self> {
        let mut rig = Self::prepared(more)?;
        rig.start_daemon();
        rig.wait_for(SupervisionState::Running);
        Some(rig)
    }

    pub(crate) fn prepared(more: &[&str]) -> Option<Self> {
        dataplane()?;
        // In memory where that is possible: a disk that is slow to sync is not what is tested.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut writer = PcapWriter::new(fs::File::create(folder.path().join("load.pcap")).unwrap()).unwrap();
        load::random_udp(FLOWS, 4 * FLOWS, &mut writer).unwrap();
        writer.finish().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more = more.iter().map(|text| (*text).to_owned()).collect();
        let (external, namespace) = (false, None);
        let rig = Self { folder, daemon: None, more, external, namespace, host: "127.0.0.1", port: free };
        fs::write(rig.path("first.toml"), rig.text("")).unwrap();
        Some(rig)
    }

    /// A configuration of one port that plays the capture for ever.
    pub(crate) fn text(&self, live: &str) -> String {
        format!(
            "version = 1\n[boot]\nflow_memory = \"16MiB\"\n[boot.memory]\nhugepages = false\nmib = 128\n\
             [[boot.ports]]\nname = \"load\"\ndevice = \"net_pcap0,rx_pcap={},infinite_rx=1\"\n{live}",
            self.path("load.pcap").display()
        )
    }

    pub(crate) fn timeout(&self, seconds: u64) -> String {
        self.text(&format!("[live.defrag]\ntimeout = \"{seconds}s\"\n"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self) -> Process {
        let mut process = self.inside(env!("CARGO_BIN_EXE_wirewardend"));
        process.arg("-c").arg(self.path("first.toml"));
        process.arg("--state").arg(self.path("state")).arg("--run").arg(self.path("run"));
        if self.external {
            process.arg("--external");
        } else {
            process.arg("--dataplane-log").arg(self.path("dataplane.log"));
        }
        process.arg("--listen").arg(format!("{}:{}", self.host, self.port)).args(&self.more);
        process
    }

    /// A program, in the rig's network namespace.
    pub(crate) fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Process {
        let Some(namespace) = &self.namespace else { return Process::new(program) };
        let mut process = Process::new("nsenter");
        process.arg(format!("--net=/run/netns/{namespace}")).arg(program);
        process
    }

    /// A data plane as a unit of its own starts it.
    pub(crate) fn dataplane_alone(&self) -> Child {
        let (state, log) = (self.path("state"), self.path("dataplane.log"));
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut process = self.inside(dataplane().unwrap());
        process.arg("-c").arg(state.join("running.toml"));
        process.arg("--control").arg(self.path("run/dataplane.sock"));
        process.arg("--safe-mode-file").arg(state.join("safe-mode"));
        process.arg("--on-kernel-file").arg(state.join("on-kernel"));
        process.stderr(log).spawn().unwrap()
    }

    pub(crate) fn start_daemon(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.path("daemon.log")).unwrap();
        self.daemon = Some(self.command().stderr(Stdio::from(log)).spawn().unwrap());
        let began = Instant::now();
        while self.try_client().is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "no daemon: {}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn kill_daemon(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Number of its process.
    pub(crate) fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// More options for the daemon.
    pub(crate) fn add(&mut self, more: &[&str]) {
        self.more.extend(more.iter().map(|text| (*text).to_owned()));
    }

    fn try_client(&self) -> Result<Client, ClientError> {
        Client::connect(&self.path("run/control.sock"), Some(Duration::from_secs(70)))
    }

    pub(crate) fn client(&self) -> Client {
        self.try_client().unwrap()
    }

    pub(crate) fn ask(&self, command: Command) -> Result<Reply, ClientError> {
        self.client().ask(command)
    }

    pub(crate) fn status(&self) -> Status {
        match self.ask(Command::Status).unwrap() {
            Reply::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn daemon(&self) -> DaemonStatus {
        self.status().daemon.unwrap()
    }

    pub(crate) fn dataplane(&self) -> DataplaneStatus {
        self.status().dataplane.unwrap_or_else(|| panic!("no data plane: {}", self.logs()))
    }

    /// Waits until the supervision is in a state and the data plane has been heard.
    pub(crate) fn wait_for(&self, state: SupervisionState) {
        self.until(&format!("{state:?}"), |status| {
            let seen = status.daemon.as_ref().map(|daemon| daemon.supervision.state);
            let has_dataplane = status.dataplane.is_some() || state == SupervisionState::Stopped;
            seen == Some(state) && has_dataplane
        });
    }

    /// Has the data plane started anew; the number of the new one's process.
    pub(crate) fn restart(&self) -> u32 {
        let mut before = 0;
        self.until("a data plane", |status| {
            before = status.dataplane.as_ref().map_or(0, |dataplane| dataplane.pid);
            before != 0
        });
        self.ask(Command::Restart).unwrap();
        // The one before answers until it has ended.
        self.until("another data plane", |status| {
            status.dataplane.as_ref().is_some_and(|dataplane| dataplane.pid != before)
        });
        self.wait_for(SupervisionState::Running);
        self.dataplane().pid
    }

    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Status) -> bool) {
        let began = Instant::now();
        loop {
            let status = self.status();
            if is_so(&status) {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "not {what}: {status:?}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn apply(&self, text: String, confirm_within_s: Option<u64>) -> Result<Reply, ClientError> {
        self.ask(Command::ConfigApply(Apply { text, confirm_within_s, ..Apply::default() }))
    }

    /// The defragmentation timeout that the data plane says it uses: its digest is that of no other configuration.
    pub(crate) fn runs(&self, text: &str) -> bool {
        let wanted = api::control::digest(&api::Config::from_toml(text, "").unwrap());
        let status = self.status();
        status.dataplane.is_some_and(|dataplane| dataplane.config == wanted)
            && status.daemon.is_some_and(|daemon| daemon.config == wanted)
    }

    pub(crate) fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        format!("--- daemon\n{}--- data plane\n{}", read("daemon.log"), read("dataplane.log"))
    }

    /// One request of HTTP on a connection of its own; head and body of the answer.
    pub(crate) fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let dataplane = self.try_client().ok().and_then(|mut client| match client.ask(Command::Status) {
            Ok(Reply::Status(status)) => status.dataplane.map(|dataplane| dataplane.pid),
            _ => None,
        });
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        // The data plane outlives its daemon: that is the point of it.
        let socket = self.path("run/dataplane.sock");
        let stopped = Client::connect(&socket, Some(Duration::from_secs(5)))
            .map(|mut client| client.ask(Command::Stop));
        if !matches!(stopped, Ok(Ok(_)))
            && let Some(pid) = dataplane
        {
            let _ = kill(pid, "-KILL");
        }
    }
}

pub(crate) fn kill(pid: u32, signal: &str) -> bool {
    Process::new("kill").arg(signal).arg(pid.to_string()).status().is_ok_and(|status| status.success())
}
