//! A daemon whose data plane plays a capture over and over.

#![expect(clippy::unwrap_used, clippy::print_stderr, dead_code, reason = "tests, of which each uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use api::control::{Client, Command as Ask};
use sample::load;
use sample::pcap::PcapWriter;

pub(crate) struct Appliance {
    folder: PathBuf,
    daemon: Child,
}

impl Appliance {
    /// One of this name; none, and a line that says so, where the programs were not built.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let own = Path::new(env!("CARGO_BIN_EXE_wirewarden"));
        let programs = ["wirewardend", "wirewarden-dataplane"].map(|name| own.with_file_name(name));
        if let Some(missing) = programs.iter().find(|program| !program.is_file()) {
            eprintln!("SKIPPED: no {} (cargo build -p daemon -p runner)", missing.display());
            return None;
        }
        let folder = std::env::temp_dir().join(format!("wirewarden-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut writer = PcapWriter::new(fs::File::create(folder.join("load.pcap")).unwrap()).unwrap();
        load::random_udp(50, 200, &mut writer).unwrap();
        writer.finish().unwrap();
        fs::write(folder.join("first.toml"), text(&folder, "")).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let daemon = Command::new(programs.first().unwrap())
            .arg("-c")
            .arg(folder.join("first.toml"))
            .arg("--state")
            .arg(folder.join("state"))
            .arg("--run")
            .arg(folder.join("run"))
            .arg("--no-http")
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let appliance = Self { folder, daemon };
        let began = Instant::now();
        while appliance.run(&["status"]).status.code() != Some(0) {
            assert!(began.elapsed() < Duration::from_secs(60), "{}", appliance.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(appliance)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_wirewarden"))
            .args(arguments)
            .env("WIREWARDEN_SOCKET", self.folder.join("run/control.sock"))
            .output()
            .unwrap()
    }

    /// What a command that succeeds prints.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stdout).unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}{told}{}", self.log());
        said
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("run/control.sock")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) fn file(&self, name: &str, live: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text(&self.folder, live)).unwrap();
        path.display().to_string()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let socket = self.folder.join("run/dataplane.sock");
        if let Ok(mut client) = Client::connect(&socket, Some(Duration::from_secs(5))) {
            let _ = client.ask(Ask::Stop);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn text(folder: &Path, live: &str) -> String {
    format!(
        "version = 1\n[boot]\nflow_memory = \"16MiB\"\n[boot.memory]\nhugepages = false\nmib = 128\n\
         [[boot.ports]]\nname = \"load\"\ndevice = \"net_pcap0,rx_pcap={},infinite_rx=1\"\n\
         [live.output]\nstats_interval = \"200ms\"\n{live}",
        folder.join("load.pcap").display()
    )
}
