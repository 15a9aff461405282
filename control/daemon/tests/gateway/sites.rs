//! Both gateways: a daemon with its data plane on either side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use api::control::{Client, Command, Reply, Rotation, Status, TunnelRow, TunnelState, TunnelTable};
use exchange::pki::{Authority, Init, KeyKind, Validity};
use exchange::primitive::{Backend, DsaSet};

use crate::network::{Keys, Network};

pub(crate) const SIDES: [&str; 2] = ["west", "east"];
/// What takes longer has failed.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Sites {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) network: Network,
    keys: Keys,
    daemons: [Option<Child>; 2],
}

impl Sites {
    pub(crate) fn start(keys: Keys) -> Option<Self> {
        if !dataplane().is_file() {
            eprintln!("SKIPPED: no {} (cargo build -p runner)", dataplane().display());
            return None;
        }
        let network = Network::new(keys)?;
        let folder = tempfile::tempdir().unwrap();
        let (key, day) = (KeyKind::MlDsa(DsaSet::MlDsa65), Duration::from_secs(86_400));
        let init = Init { name: "Test", key, classical: None, lifetime: day * 900 };
        let pki = folder.path().join("pki");
        let authority = Authority::init(&pki, &init, Backend::Liboqs, SystemTime::now()).unwrap();
        for side in SIDES {
            authority.issue(side, Validity { key, lifetime: day * 90 }, SystemTime::now()).unwrap();
        }
        let mut sites = Self { folder, network, keys, daemons: [None, None] };
        for at in 0..2 {
            fs::create_dir_all(sites.side(at).join("run")).unwrap();
            fs::write(sites.side(at).join("first.toml"), sites.text(at)).unwrap();
            sites.start_daemon(at);
        }
        Some(sites)
    }

    fn side(&self, at: usize) -> PathBuf {
        self.folder.path().join(SIDES[at])
    }

    fn text(&self, at: usize) -> String {
        let (pki, me, other) = (self.folder.path().join("pki"), SIDES[at], SIDES[1 - at]);
        let (ours, theirs) = (at + 1, 2 - at);
        let pki = pki.display();
        let (boot, lan, wan, net) = match self.keys {
            Keys::Beside => ("", "lan", "wan", "10.99.0"),
            Keys::Through => (
                "exception_port = \"ww0\"\nfailover = \"off\"\n",
                "net_af_packet0,iface=lan",
                "net_af_packet1,iface=wan",
                "192.0.2",
            ),
        };
        format!(
            "version = 1\n[boot]\nflow_memory = \"16MiB\"\n{boot}[boot.memory]\nhugepages = false\nmib = 128\n\
             [[boot.ports]]\nname = \"lan\"\ndevice = \"{lan}\"\nmode = \"inline\"\npeer = \"wan\"\n\
             [[boot.ports]]\nname = \"wan\"\ndevice = \"{wan}\"\nmode = \"inline\"\npeer = \"lan\"\n\
             [live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.{ours}\"]\ninside = [\"10.{ours}.0.1/16\"]\n\
             [[live.tunnel.rules]]\nfilter = \"net 10.{theirs}.0.0/16\"\nverdict = \"encrypt\"\n\
             [[live.tunnel.peers]]\nname = \"{other}\"\naddress = \"192.0.2.{theirs}\"\n\
             endpoint = \"{net}.{theirs}:4510\"\nprefixes = [\"10.{theirs}.0.0/16\"]\nours = [\"10.{ours}.0.0/16\"]\n\
             [live.tunnel.exchange]\nlisten = \"{net}.{ours}:4510\"\nprofile = \"balanced\"\n\
             identity = \"{pki}/{me}.pem\"\nca = \"{pki}/ca.crt\"\ncrl = \"{pki}/ca.crl\"\n"
        )
    }

    pub(crate) fn start_daemon(&mut self, at: usize) {
        let side = self.side(at);
        let log = fs::OpenOptions::new().create(true).append(true).open(side.join("daemon.log")).unwrap();
        let mut daemon = self.network.inside(&format!("gate{at}"), env!("CARGO_BIN_EXE_wirewardend"));
        daemon.arg("-c").arg(side.join("first.toml")).arg("--state").arg(side.join("state"));
        daemon.arg("--run").arg(side.join("run")).arg("--dataplane").arg(dataplane());
        daemon.arg("--dataplane-log").arg(side.join("dataplane.log")).arg("--no-http");
        self.daemons[at] = Some(daemon.stderr(Stdio::from(log)).spawn().unwrap());
    }

    pub(crate) fn kill_daemon(&mut self, at: usize) {
        let mut daemon = self.daemons[at].take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Kills the data plane of a side; its process.
    pub(crate) fn kill_plane(&self, at: usize) -> u32 {
        let pid = self.status(at).dataplane.unwrap().pid;
        kill(pid);
        pid
    }

    pub(crate) fn ask(&self, at: usize, command: Command) -> Option<Reply> {
        let socket = self.side(at).join("run/control.sock");
        Client::connect(&socket, Some(Duration::from_secs(20))).ok()?.ask(command).ok()
    }

    pub(crate) fn status(&self, at: usize) -> Status {
        match self.ask(at, Command::Status) {
            Some(Reply::Status(status)) => status,
            _ => Status::default(),
        }
    }

    pub(crate) fn table(&self, at: usize) -> TunnelTable {
        match self.ask(at, Command::Tunnels) {
            Some(Reply::Tunnels(table)) => table,
            _ => TunnelTable::default(),
        }
    }

    pub(crate) fn row(&self, at: usize) -> TunnelRow {
        self.table(at).peers.into_iter().next().unwrap_or_default()
    }

    /// New keys, and both sides use them.
    pub(crate) fn rotate(&self, by: Rotation) {
        let before = self.row(0).epoch;
        assert!(self.ask(0, Command::TunnelRotate { peer: None, by }).is_some());
        self.until("new keys", |sites| {
            let (west, east) = (sites.row(0), sites.row(1));
            west.epoch > before && west.epoch == east.epoch
        });
    }

    pub(crate) fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is_so(self) {
            assert!(began.elapsed() < LIMIT, "not {what}: {}", self.logs());
            thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    pub(crate) fn until_up(&self) -> Duration {
        self.until("up", |sites| (0..2).all(|at| sites.row(at).state == TunnelState::Up))
    }

    pub(crate) fn logs(&self) -> String {
        let files = ["west/daemon.log", "west/dataplane.log", "east/daemon.log", "east/dataplane.log"];
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        files.map(|name| format!("--- {name}\n{}", read(name))).concat()
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        let planes = [0, 1].map(|at| self.status(at).dataplane.map(|dataplane| dataplane.pid));
        for daemon in self.daemons.iter_mut().flatten() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        planes.into_iter().flatten().for_each(kill);
    }
}

fn dataplane() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_wirewardend")).with_file_name("wirewarden-dataplane")
}

fn kill(pid: u32) {
    let _ = Process::new("kill").arg("-KILL").arg(pid.to_string()).status();
}
