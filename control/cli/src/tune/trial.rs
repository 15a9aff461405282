//! One run of the real data plane on packets from memory, and what it took of them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use api::Config;
use api::control::{Client, ClientError, Command, CounterSnapshot, Reply};
use sample::load;
use sample::pcap::PcapWriter;

/// How long a start may take: signatures are compiled.
const START: Duration = Duration::from_secs(90);
const ANSWER: Duration = Duration::from_secs(10);
/// Before the first look: caches and flow table fill.
const WARM_UP: Duration = Duration::from_millis(400);
/// Flows and packets of the traffic: the null device keeps all packets in memory and plays them over and over.
const FLOWS: u32 = 2_000;
const PACKETS: u32 = 8_000;

/// Why a run gave no figure.
#[derive(Debug, thiserror::Error)]
pub(super) enum TrialError {
    /// The packets or the configuration could not be written.
    #[error("cannot write into {}: {source}", folder.display())]
    Write {
        /// Folder of the trial.
        folder: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The data plane cannot be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ended, or did not answer.
    #[error("the data plane did not run: {0}")]
    Ended(String),
    /// It did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Where trials are made: a folder of our own, with the packets.
#[derive(Debug)]
pub(super) struct Bench {
    program: PathBuf,
    folder: PathBuf,
    window: Duration,
}

impl Bench {
    pub(super) fn new(program: PathBuf, window: Duration) -> Result<Self, TrialError> {
        let folder = std::env::temp_dir().join(format!("wirewarden-tune-{}", std::process::id()));
        let made = (|| {
            // Not into a folder that somebody else put there.
            fs::create_dir(&folder)?;
            let mut writer = PcapWriter::new(File::create(folder.join("load.pcap"))?)?;
            load::random_udp(FLOWS, PACKETS, &mut writer)?;
            writer.finish().map(|_| ())
        })();
        match made {
            Ok(()) => Ok(Self { program, folder, window }),
            Err(source) => Err(TrialError::Write { folder, source }),
        }
    }

    /// Packets per second that a data plane with this configuration takes, all workers together.
    pub(super) fn measure(&self, config: &Config) -> Result<f64, TrialError> {
        let file = self.folder.join("trial.toml");
        let written = fs::write(&file, self.text(config));
        written.map_err(|source| TrialError::Write { folder: self.folder.clone(), source })?;
        let socket = self.folder.join("trial.sock");
        let mut process = Process::new(&self.program);
        process.arg("-c").arg(&file).arg("--control").arg(&socket);
        process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child =
            process.spawn().map_err(|source| TrialError::Start { program: self.program.clone(), source })?;
        let mut running = Running { child };
        let mut client = running.wait_for(&socket)?;
        thread::sleep(WARM_UP);
        let before = counters(&mut client)?;
        thread::sleep(self.window);
        let after = counters(&mut client)?;
        let _ = client.ask(Command::Stop);
        running.end();
        let passed = after.uptime_ms.saturating_sub(before.uptime_ms).max(1);
        let packets = after.received().saturating_sub(before.received());
        Ok(packets as f64 * 1000.0 / passed as f64)
    }

    /// The configuration with ports that play packets from memory, and nothing written anywhere.
    fn text(&self, config: &Config) -> String {
        let mut config = config.clone();
        config.live.output.eve.clear();
        config.live.lists = api::config::ListsConfig::default();
        let boot = &mut config.boot;
        boot.backend = api::config::Backend::Auto;
        boot.stop_when_idle = None;
        boot.ports.truncate(1);
        let load = self.folder.join("load.pcap");
        for port in &mut boot.ports {
            let queues = format!(",rx_pcap={}", load.display()).repeat(usize::from(port.queues));
            if let Ok(device) = format!("net_pcap0{queues},infinite_rx=1").parse() {
                port.device = device;
            }
            port.mode = api::config::PortMode::Tap;
            port.failover = None;
        }
        config.to_toml()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A data plane that does not outlive its trial.
struct Running {
    child: Child,
}

impl Running {
    fn wait_for(&mut self, socket: &Path) -> Result<Client, TrialError> {
        let began = Instant::now();
        loop {
            if let Ok(client) = Client::connect(socket, Some(ANSWER)) {
                return Ok(client);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(TrialError::Ended(format!("{status}: {}", self.last_words())));
            }
            if began.elapsed() > START {
                return Err(TrialError::Ended(format!("it did not listen after {} s", START.as_secs())));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last line that it told.
    fn last_words(&mut self) -> String {
        let mut told = Vec::new();
        if let Some(pipe) = self.child.stderr.take() {
            let _ = pipe.take(64 * 1024).read_to_end(&mut told);
        }
        let told = String::from_utf8_lossy(&told).into_owned();
        told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
    }

    /// Waits for its end, a while.
    fn end(&mut self) {
        let began = Instant::now();
        while began.elapsed() < ANSWER && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn counters(client: &mut Client) -> Result<CounterSnapshot, TrialError> {
    match client.ask(Command::Counters)? {
        Reply::Counters(counters) => Ok(counters),
        _ => Err(TrialError::Ended("an answer to something else: use programs of one release".to_owned())),
    }
}
