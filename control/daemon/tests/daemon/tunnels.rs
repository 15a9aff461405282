//! Two daemons that agree on keys, each with a data plane that this test plays at its key socket.

mod secrets;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use api::control::{Apply, Client, Command, Health, Reply, Rotation, TunnelRow, TunnelState, TunnelTable};
use api::tunnel::{
    Arrival, Incoming, InstalledEpoch, Order, PeerCounters, PeerName, Report, SaDirection, send,
    socket_beside,
};
use exchange::pki::{Authority, Init, KeyKind, Renewal, Validity};
use exchange::primitive::{Backend, DsaSet};

const QUEUES: u16 = 2;
/// New keys take well under 3 s on a machine that is not busy otherwise.
const SOON: Duration = Duration::from_secs(10);
const SIDES: [&str; 2] = ["west", "east"];

/// SPIs with keys, only to be compared.
type Sas = Vec<(u32, [u8; 36])>;

/// What the played data plane of one side has.
#[derive(Default)]
struct Plane {
    /// Keys by epoch: inbound, then outbound.
    epochs: BTreeMap<u64, [Sas; 2]>,
    up: Option<u64>,
    /// Where reports go.
    daemon: Option<UnixStream>,
    ups: Vec<u64>,
    downs: usize,
    wiped: Vec<u64>,
    /// Bytes of the largest packet that gets through; none is lost by its size where there is none.
    passes: Option<u16>,
    path_mtus: Vec<u16>,
}

type Planes = Arc<[Mutex<Plane>; 2]>;

/// Plays a data plane for one connection of its daemon.
fn play(planes: &Planes, at: usize, stream: UnixStream) {
    let other = PeerName::new(SIDES[1 - at]).unwrap();
    let hello = {
        let mut plane = planes[at].lock().unwrap();
        plane.daemon = Some(stream.try_clone().unwrap());
        let up = plane.up;
        let installed =
            plane.epochs.keys().map(|&epoch| InstalledEpoch { peer: other, epoch, is_up: up == Some(epoch) });
        Report::Hello { queues: QUEUES, installed: installed.collect() }
    };
    send(&hello, &mut stream.try_clone().unwrap()).unwrap();
    let mut orders = Incoming::new(stream);
    while let Ok(Arrival::Message(order)) = orders.receive::<Order>() {
        let answer = obey(planes, at, order);
        let mut plane = planes[at].lock().unwrap();
        let Some(daemon) = &mut plane.daemon else { return };
        if answer.is_some_and(|answer| send(&answer, daemon).is_err()) {
            return;
        }
    }
}

fn obey(planes: &Planes, at: usize, order: Order) -> Option<Report> {
    if let Order::Probe { peer, epoch } = order {
        // A probe always arrives: the other side says so to its daemon.
        assert_eq!(peer.as_str(), SIDES[1 - at]);
        let mut plane = planes[1 - at].lock().unwrap();
        let heard = Report::Heard { peer: PeerName::new(SIDES[at]).unwrap(), epoch };
        if let Some(daemon) = plane.daemon.as_mut().filter(|_| true) {
            let _ = send(&heard, daemon);
        }
        return None;
    }
    if let Order::MtuProbe { size, .. } = order {
        // ESP pads to four bytes.
        let (size, passes) = (size - 3, planes[at].lock().unwrap().passes);
        let mut plane = planes[1 - at].lock().unwrap();
        let arrived = Report::MtuProbeArrived { peer: PeerName::new(SIDES[at]).unwrap(), size };
        if let Some(daemon) = plane.daemon.as_mut().filter(|_| passes.is_none_or(|passes| size <= passes)) {
            let _ = send(&arrived, daemon);
        }
        return None;
    }
    let mut plane = planes[at].lock().unwrap();
    match order {
        Order::PathMtu { mtu, .. } => {
            plane.path_mtus.push(mtu);
            None
        }
        Order::Install(install) => {
            let direction = usize::from(install.direction == SaDirection::Outbound);
            let keys = plane.epochs.entry(install.epoch).or_default();
            keys[direction].push((install.spi, *install.key.expose()));
            None
        }
        Order::Complete { peer, epoch } => {
            assert!(plane.epochs[&epoch].iter().all(|sas| sas.len() == usize::from(QUEUES)));
            Some(Report::Installed { peer, epoch })
        }
        Order::Up { epoch, .. } => {
            plane.up = Some(epoch);
            plane.ups.push(epoch);
            None
        }
        Order::Wipe { peer, epoch } => {
            let gone = plane.epochs.remove(&epoch).unwrap_or_default();
            plane.wiped.push(epoch);
            Some(Report::Wiped { peer, epoch, spis: gone[0].iter().map(|(spi, _)| *spi).collect() })
        }
        Order::Down { .. } => {
            plane.epochs.clear();
            (plane.up, plane.downs) = (None, plane.downs + 1);
            None
        }
        _ => None,
    }
}

/// Two sites with an authority, each with a daemon.
struct Sites {
    folder: tempfile::TempDir,
    planes: Planes,
    daemons: [Option<Child>; 2],
    ports: [u16; 2],
    /// Where HTTP listens.
    http: [u16; 2],
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const KEY: KeyKind = KeyKind::MlDsa(DsaSet::MlDsa65);

impl Sites {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let init = Init { name: "Test", key: KEY, classical: None, lifetime: DAY * 900 };
        let pki = folder.path().join("pki");
        let authority = Authority::init(&pki, &init, Backend::Liboqs, SystemTime::now()).unwrap();
        for side in SIDES {
            authority.issue(side, Validity { key: KEY, lifetime: DAY * 90 }, SystemTime::now()).unwrap();
        }
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut sites = Self {
            folder,
            planes: Arc::default(),
            daemons: [None, None],
            ports: [free(), free()],
            http: [free(), free()],
        };
        for at in 0..2 {
            fs::create_dir_all(sites.run(at)).unwrap();
            fs::write(sites.side(at).join("first.toml"), sites.text(at, "")).unwrap();
            sites.listen(at);
            sites.start_daemon(at);
        }
        sites
    }

    fn side(&self, at: usize) -> PathBuf {
        self.folder.path().join(SIDES[at])
    }

    fn run(&self, at: usize) -> PathBuf {
        self.side(at).join("run")
    }

    fn pki(&self) -> PathBuf {
        self.folder.path().join("pki")
    }

    fn text(&self, at: usize, exchange: &str) -> String {
        let (pki, other) = (self.pki(), SIDES[1 - at]);
        let (ours, theirs) = ([1, 2][at], [2, 1][at]);
        format!(
            "version = 1\n[boot.memory]\nhugepages = false\nmib = 128\n\
             [[boot.ports]]\nname = \"lan\"\ndevice = \"eth0\"\nmode = \"inline\"\npeer = \"wan\"\n\
             [[boot.ports]]\nname = \"wan\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"lan\"\n\
             [live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.{ours}\"]\n\
             [[live.tunnel.peers]]\nname = \"{other}\"\naddress = \"192.0.2.{theirs}\"\n\
             endpoint = \"127.0.0.1:{}\"\nprefixes = [\"10.{theirs}.0.0/16\"]\nours = [\"10.{ours}.0.0/16\"]\n\
             [live.tunnel.exchange]\nlisten = \"127.0.0.1:{}\"\nprofile = \"balanced\"\n\
             identity = \"{}\"\nca = \"{}\"\ncrl = \"{}\"\n{exchange}",
            self.ports[1 - at],
            self.ports[at],
            pki.join(format!("{}.pem", SIDES[at])).display(),
            pki.join("ca.crt").display(),
            pki.join("ca.crl").display(),
        )
    }

    /// Plays the data plane of one side at its key socket, connection after connection.
    fn listen(&self, at: usize) {
        let path = socket_beside(&self.run(at).join("dataplane.sock"));
        let listener = UnixListener::bind(path).unwrap();
        let planes = Arc::clone(&self.planes);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                play(&planes, at, stream);
            }
        });
    }

    fn start_daemon(&mut self, at: usize) {
        let (side, run) = (self.side(at), self.run(at));
        let log = fs::OpenOptions::new().create(true).append(true).open(side.join("log")).unwrap();
        let daemon = Process::new(env!("CARGO_BIN_EXE_wirewardend"))
            .arg("-c")
            .arg(side.join("first.toml"))
            .arg("--state")
            .arg(side.join("state"))
            .arg("--run")
            .arg(run)
            .args(["--external", "--viewer", "4001", "--operator", "4002", "--listen"])
            .arg(format!("127.0.0.1:{}", self.http[at]))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.daemons[at] = Some(daemon);
    }

    fn kill_daemon(&mut self, at: usize) {
        let mut daemon = self.daemons[at].take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Ends the connection to the data plane of one side, which has lost all its keys, as after a start.
    fn restart_plane(&self, at: usize) {
        let mut plane = self.planes[at].lock().unwrap();
        (plane.up, plane.epochs) = (None, BTreeMap::new());
        let daemon = plane.daemon.take().unwrap();
        daemon.shutdown(std::net::Shutdown::Both).unwrap();
    }

    fn ask(&self, at: usize, command: Command) -> Option<Reply> {
        let socket = self.run(at).join("control.sock");
        Client::connect(&socket, Some(Duration::from_secs(20))).ok()?.ask(command).ok()
    }

    fn table(&self, at: usize) -> TunnelTable {
        match self.ask(at, Command::Tunnels) {
            Some(Reply::Tunnels(table)) => table,
            _ => TunnelTable::default(),
        }
    }

    fn row(&self, at: usize) -> TunnelRow {
        self.table(at).peers.into_iter().next().unwrap_or_default()
    }

    fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !is_so(self) {
            let told =
                || SIDES.map(|side| fs::read_to_string(self.folder.path().join(side).join("log")).unwrap());
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "not {what}: {:#?}{}",
                [self.table(0), self.table(1)],
                told().join("---\n")
            );
            thread::sleep(Duration::from_millis(20));
        }
        began.elapsed()
    }

    fn ups(&self, at: usize) -> usize {
        self.planes[at].lock().unwrap().ups.len()
    }

    fn until_up(&self) -> Duration {
        self.until("up", |sites| (0..2).all(|at| sites.row(at).state == TunnelState::Up))
    }

    /// What both data planes send with, and open with.
    fn assert_keys_match(&self) {
        let [west, east] = [0, 1].map(|at| self.planes[at].lock().unwrap());
        assert!(west.up.is_some() && west.up == east.up, "{:?} {:?}", west.up, east.up);
        let (west, east) = (&west.epochs[&west.up.unwrap()], &east.epochs[&east.up.unwrap()]);
        assert_eq!((&west[0], &west[1]), (&east[1], &east[0]));
        assert_ne!(west[0], west[1]);
    }

    /// Waits until both data planes use the same keys, both daemons say so, and nothing comes behind them: daemons that called
    /// each other at once have a second session.
    fn until_settled(&self) {
        let mut since: Option<(u64, Instant)> = None;
        self.until("settled", |sites| {
            let ups = [0, 1].map(|at| sites.planes[at].lock().unwrap().up);
            let are_told = (0..2).all(|at| sites.row(at).epoch == ups[at]);
            let Some(epoch) = ups[0].filter(|_| are_told && ups[0] == ups[1]) else {
                since = None;
                return false;
            };
            let (known, began) = *since.get_or_insert_with(|| (epoch, Instant::now()));
            if known != epoch {
                since = None;
            }
            known == epoch && began.elapsed() > Duration::from_secs(1)
        });
    }

    fn report(&self, at: usize, report: &Report) {
        send(report, self.planes[at].lock().unwrap().daemon.as_mut().unwrap()).unwrap();
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().flatten() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn peer(at: usize) -> PeerName {
    PeerName::new(SIDES[1 - at]).unwrap()
}

#[test]
fn two_daemons_key_their_data_planes_and_tell_of_it() {
    let sites = Sites::start();
    sites.until_settled();
    sites.assert_keys_match();
    let row = sites.row(0);
    assert_eq!((row.peer.as_str(), row.group.as_deref()), ("east", Some("X25519MLKEM768")));
    assert_eq!((row.signature.as_deref(), row.cipher.as_deref()), (Some("ML-DSA-65"), Some("AES-256-GCM")));
    let counters = PeerCounters { rx_packets: 7, tx_bytes: 9, auth_drops: 3, ..PeerCounters::default() };
    sites.report(0, &Report::Counters { peer: peer(0), counters });
    sites.until("counted", |sites| {
        sites.row(0).counters.rx_packets == 7 && sites.row(0).counters.auth_drops == 3
    });
    let before = sites.row(0).handshakes;
    let rotate = |by| sites.ask(0, Command::TunnelRotate { peer: None, by });
    assert!(matches!(rotate(Rotation::Handshake), Some(Reply::Rotating { peers }) if peers == ["east"]));
    sites.until("rotated", |sites| sites.row(0).handshakes > before);
    sites.until_settled();
    let row = sites.row(0);
    let (rekeys, handshakes) = (row.rekeys, row.handshakes);
    assert!(rotate(Rotation::Resumption).is_some());
    sites.until("resumed", |sites| sites.row(0).rekeys > rekeys);
    assert_eq!(sites.row(0).handshakes, handshakes);
    let nobody = Command::TunnelRotate { peer: Some("nobody".to_owned()), by: Rotation::default() };
    assert!(sites.ask(0, nobody).is_none());
    // What the data plane asks for is a resumption.
    let (rekeys, epoch) = (sites.row(0).rekeys, sites.row(0).epoch.unwrap());
    sites.report(0, &Report::RekeyWanted { peer: peer(0), epoch });
    sites.until("rekeyed", |sites| sites.row(0).rekeys > rekeys);
    sites.until("settled", |sites| sites.row(0).epoch == sites.row(1).epoch);
    assert_eq!(sites.table(0).health, Health::Good, "{:?}", sites.table(0));
    assert!(sites.planes.iter().all(|plane| plane.lock().unwrap().downs == 0));
}

#[test]
fn whatever_is_started_anew_there_are_new_keys_and_the_other_side_keeps_its_own_until_then() {
    let mut sites = Sites::start();
    sites.until_up();
    // A daemon: the keys of its data plane stay in use, and are wiped behind the new ones.
    let before = sites.row(0).epoch.unwrap();
    sites.kill_daemon(0);
    thread::sleep(Duration::from_millis(300));
    assert!(sites.planes[0].lock().unwrap().up.is_some() && sites.row(1).state == TunnelState::Up);
    sites.start_daemon(0);
    let took = sites.until("new keys", |sites| sites.row(0).epoch.is_some_and(|epoch| epoch > before));
    eprintln!("a daemon that was killed has new keys {took:?} after its start");
    assert!(took < SOON);
    assert_eq!(sites.planes[0].lock().unwrap().downs + sites.planes[1].lock().unwrap().downs, 0);
    sites.until_up();
    // A data plane: its keys are gone, the peer is told so, and there are new ones.
    for at in 0..2 {
        let ups = sites.ups(at);
        sites.restart_plane(at);
        let took = sites.until("back", |sites| sites.ups(at) > ups);
        eprintln!("a data plane that lost its keys has new ones after {took:?}");
        assert!(took < SOON);
        sites.until_settled();
    }
    sites.assert_keys_match();
    // Keys that a data plane wipes by itself, as where its peer is configured otherwise.
    let (ups, epoch) = {
        let mut plane = sites.planes[0].lock().unwrap();
        plane.epochs.clear();
        (plane.ups.len(), plane.up.take().unwrap())
    };
    sites.report(0, &Report::Wiped { peer: peer(0), epoch, spis: Vec::new() });
    sites.until("keys instead of those that were wiped", |sites| sites.ups(0) > ups);
    sites.until_up();
}

#[test]
fn a_path_that_is_narrower_than_configured_is_found_out() {
    let sites = Sites::start();
    sites.until_up();
    let mtu = |sites: &Sites| sites.row(0).path_mtu;
    // It is as wide as configured at first, and what passed then says nothing of later.
    thread::sleep(Duration::from_secs(2));
    assert_eq!(mtu(&sites), 1500);
    sites.planes[0].lock().unwrap().passes = Some(1400);
    assert!(sites.ask(0, Command::TunnelRotate { peer: None, by: Rotation::Resumption }).is_some());
    sites.until("narrower", |sites| (1392..=1403).contains(&mtu(sites)));
    assert_eq!(sites.planes[0].lock().unwrap().path_mtus.last(), Some(&mtu(&sites)));
    assert_eq!(sites.row(1).path_mtu, 1500, "the other way all passes");
    // The next SAs know it as well.
    let (epoch, told) = (sites.row(0).epoch, sites.planes[0].lock().unwrap().path_mtus.len());
    assert!(sites.ask(0, Command::TunnelRotate { peer: None, by: Rotation::Resumption }).is_some());
    sites.until("rekeyed", |sites| sites.row(0).epoch > epoch);
    sites.until("told", |sites| sites.planes[0].lock().unwrap().path_mtus.len() > told);
    assert_eq!(sites.planes[0].lock().unwrap().path_mtus.last(), Some(&mtu(&sites)));
    let events = sites.table(0).events;
    assert!(
        events.iter().any(|event| event.what == "mtu" && event.peer.as_deref() == Some("east")),
        "{events:?}"
    );
}

#[test]
fn credentials_and_peers_change_while_keys_are_in_use() {
    let sites = Sites::start();
    sites.until_up();
    let authority = Authority::open(&sites.pki(), Backend::Liboqs).unwrap();
    let (pin, handshakes) = (sites.table(0).identity.unwrap().pin, sites.row(1).handshakes);
    authority.renew("west", Renewal::Now, SystemTime::now()).unwrap();
    sites.until("a full handshake with the new certificate", |sites| {
        sites.row(1).handshakes > handshakes && sites.row(1).pin != Some(pin.clone())
    });
    assert_eq!(sites.planes.iter().map(|plane| plane.lock().unwrap().downs).sum::<usize>(), 0);
    // A file that is damaged: the ones before stay in use.
    let lists = fs::read_to_string(sites.pki().join("ca.crl")).unwrap();
    fs::write(sites.pki().join("ca.crl"), "nothing").unwrap();
    sites.until("complained about", |sites| {
        let table = sites.table(0);
        table.health == Health::Degraded && table.reason.unwrap_or_default().contains("ca.crl")
    });
    assert_eq!(sites.row(0).state, TunnelState::Up);
    fs::write(sites.pki().join("ca.crl"), lists).unwrap();
    sites.until("well", |sites| sites.table(0).health == Health::Good);
    // East is revoked: west drops its keys, and takes it no more.
    authority.revoke("east", SystemTime::now()).unwrap();
    sites.until("down", |sites| sites.row(0).state == TunnelState::Down);
    sites.until("refused", |sites| sites.table(0).refusals.contains_key("revoked"));
    assert!(sites.planes[0].lock().unwrap().up.is_none());
}

#[test]
fn what_is_wrong_with_files_is_told_and_mended_without_a_restart() {
    let sites = Sites::start();
    sites.until_up();
    // The daemon holds the history: what it runs comes by an apply, which needs the data plane's word. Here only its files
    // change.
    let file = sites.pki().join("east.pem");
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    sites.until("missed", |sites| sites.table(1).reason.unwrap_or_default().contains("east.pem"));
    assert_eq!(sites.row(1).state, TunnelState::Up);
    write_private(&file, &kept);
    sites.until("well", |sites| sites.table(1).health == Health::Good);
    let check = sites.ask(
        1,
        Command::ConfigCheck { text: sites.text(1, "rekey_every = \"1s\"\n"), source: String::new() },
    );
    assert!(check.is_none(), "below the least");
    assert!(sites.ask(1, Command::ConfigApply(Apply::default())).is_none());
}

fn write_private(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        fs::OpenOptions::new().write(true).create(true).mode(0o600).truncate(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// What HTTP on loopback answers: its status line, and its body.
fn http(port: u16, request: &str) -> (String, String) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request =
        format!("{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[test]
fn http_and_metrics_tell_of_tunnels_and_who_may_only_look_does_not_rotate() {
    let sites = Sites::start();
    sites.until_up();
    let port = sites.http[0];
    let (head, body) = http(port, "GET /api/v1/tunnels");
    assert!(
        head.contains("200") && body.contains("\"state\":\"up\"") && body.contains("X25519MLKEM768"),
        "{head} {body}"
    );
    assert!(!body.contains("\"kind\""), "{body}");
    let (head, _) = http(port, "POST /api/v1/tunnels/rotate");
    assert!(head.contains("401") || head.contains("403"), "{head}");
    let (_, metrics) = http(port, "GET /metrics");
    for line in [
        "wirewarden_tunnel_up{peer=\"east\"} 1",
        "wirewarden_tunnel_rekeys_total{peer=\"east\"} ",
        "wirewarden_tunnel_replay_dropped_packets_total{peer=\"east\"} 0",
        "wirewarden_tunnel_identity_expiry_seconds ",
        "wirewarden_component_healthy{component=\"tunnels\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let socket = sites.run(0).join("control.sock");
    for folder in [sites.folder.path().to_owned(), sites.side(0), sites.run(0)] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let rotate = "{\"version\":1,\"id\":1,\"command\":{\"do\":\"tunnel_rotate\"}}";
    let Some(viewer) = crate::who::ask_at(&socket, 4001, rotate) else { return };
    assert!(viewer.contains("\"code\":\"role\"") && viewer.contains("operator"), "{viewer}");
    let operator = crate::who::ask_at(&socket, 4002, rotate).unwrap();
    assert!(operator.contains("\"kind\":\"rotating\"") && operator.contains("east"), "{operator}");
}

#[test]
fn who_has_no_post_quantum_group_is_refused_and_counted() {
    let sites = Sites::start();
    sites.until_up();
    let peer = format!("127.0.0.1:{}", sites.ports[1]);
    let mut openssl = Process::new("openssl");
    openssl.args(["s_client", "-connect", &peer, "-groups", "X25519", "-tls1_3"]);
    openssl.args(["-alpn", "wirewarden-tunnel/1"]).stdin(Stdio::null());
    let Ok(output) = openssl.output() else {
        eprintln!("SKIPPED: no openssl");
        return;
    };
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    sites.until("counted", |sites| sites.table(1).refusals.contains_key("classical_only"));
    let events = sites.table(1).events;
    assert!(
        events.iter().any(|event| event.detail.as_deref() == Some("classical_only from 127.0.0.1")),
        "{events:?}"
    );
    let (_, metrics) = http(sites.http[1], "GET /metrics");
    assert!(metrics.contains("wirewarden_tunnel_refusals_total{reason=\"classical_only\"} 1"), "{metrics}");
    assert!(sites.row(1).state == TunnelState::Up, "and the peer is where it was");
}
