//! A data plane that plays a capture over and over, as fast as it can.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::control::Client;
use sample::load;
use sample::pcap::PcapWriter;

/// Flows of the capture that is played.
pub(crate) const LOAD: u32 = 500;

pub(crate) struct Plane {
    child: Option<Child>,
    folder: tempfile::TempDir,
}

/// A configuration of one port that plays `load.pcap` of the folder for ever.
pub(crate) fn configuration(folder: &Path, live: &str) -> String {
    format!(
        "version = 1\n[boot]\nflow_memory = \"16MiB\"\n[boot.memory]\nhugepages = false\nmib = 128\n\
         [[boot.ports]]\nname = \"load\"\ndevice = \"net_pcap0,rx_pcap={},infinite_rx=1\"\n\
         [live.output]\nstats_interval = \"200ms\"\n{live}",
        folder.join("load.pcap").display()
    )
}

/// A signature of datagrams that start with `text`.
pub(crate) fn signature(name: &str, text: &str) -> String {
    format!(
        "id = \"{name}\"\ntitle = \"{name}\"\nfamily = \"operational\"\nexposure = \"cleartext\"\nsource = \"a test\"\n\
         carriers = [\"udp\"]\n[[signature]]\nname = \"hello\"\npattern = '^{text}'\nconfidence = 90\n\
         [[sample]]\ntext = \"{text}\"\ndirection = \"to_server\"\nmatch = true\n"
    )
}

impl Plane {
    pub(crate) fn start(live: &str) -> Self {
        Self::started(live, false)
    }

    pub(crate) fn start_safe() -> Self {
        Self::started("", true)
    }

    fn started(live: &str, is_safe: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PcapWriter::new(fs::File::create(folder.path().join("load.pcap")).unwrap()).unwrap();
        load::random_udp(LOAD, 4 * LOAD, &mut writer).unwrap();
        writer.finish().unwrap();
        fs::write(folder.path().join("plane.toml"), configuration(folder.path(), live)).unwrap();
        if is_safe {
            fs::write(folder.path().join("safe-mode"), "").unwrap();
        }
        let mut plane = Self { child: None, folder };
        let mut child = plane.command().stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while Client::connect(&plane.socket(), None).is_err() {
            if let Some(ended) = child.try_wait().unwrap() {
                let mut told = String::new();
                child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
                panic!("{ended}: {told}");
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the data plane does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        plane.child = Some(child);
        plane
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden-dataplane"));
        command.arg("-c").arg(self.folder.path().join("plane.toml"));
        command.arg("--control").arg(self.socket());
        command.arg("--safe-mode-file").arg(self.folder.path().join("safe-mode"));
        command
    }

    /// Starts another one on the same socket; its exit code and what it told.
    pub(crate) fn second(first: &Self) -> (i32, String) {
        let output = first.command().output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("plane.sock")
    }

    pub(crate) fn text(&self, live: &str) -> String {
        configuration(self.folder.path(), live)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.socket(), Some(Duration::from_secs(30))).unwrap()
    }

    /// Interrupts it and waits for its end; its summary.
    pub(crate) fn stop(mut self) -> String {
        self.end()
    }

    /// The same, and keeps its folder.
    pub(crate) fn end(&mut self) -> String {
        let pid = self.child.as_ref().unwrap().id();
        assert!(Command::new("kill").arg("-INT").arg(pid.to_string()).status().unwrap().success());
        self.wait()
    }

    /// Waits for its end; its summary.
    pub(crate) fn wait(&mut self) -> String {
        let output = self.child.take().unwrap().wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(!told.contains("DOES NOT ADD UP"), "{told}");
        told
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
