//! `wirewarden tunnel export-xfrm` and `import-xfrm` against the kernel of this machine, in network namespaces of their own.
//! Without root, or where the kernel has no ESP, what cannot be tried says so; `vagrant/qemu.py xfrm` tries all of it.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use api::config::Framing;
use api::control::{Client, Command as Ask, Reply};
use api::tunnel::{
    Arrival, Incoming, Install, Objection, Order, PeerName, Report, SaDirection, SaKeyMaterial, SaLimits,
    Suite, send,
};

const LIMIT: Duration = Duration::from_secs(20);

/// A namespace, removed when dropped.
struct Namespace(String);

impl Namespace {
    /// None, said so, where this process may not make one.
    fn new(name: &str) -> Option<Self> {
        let namespace = Self(format!("wwxfrm-{name}-{}", std::process::id()));
        let made = Command::new("ip").args(["netns", "add", &namespace.0]).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(namespace);
        }
        eprintln!("SKIPPED: needs root, to make network namespaces (ip netns add)");
        None
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    fn ip(&self, words: &str) -> Output {
        Command::new("ip").args(["-n", &self.0]).args(words.split(' ')).output().unwrap()
    }

    fn xfrm(&self, what: &str) -> String {
        String::from_utf8(self.ip(&format!("xfrm {what}")).stdout).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// A program of the test, ended with it.
struct Running(Child);

impl Running {
    /// Ends it in order: its exit code, and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let code = self.0.wait().unwrap().code();
        let mut said = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn configuration(folder: &Path, theirs: &str) -> (PathBuf, String) {
    let text = format!(
        "version = 1\n[[boot.ports]]\nname = \"lan\"\ndevice = \"a\"\nmode = \"inline\"\npeer = \"wan\"\n\
         [[boot.ports]]\nname = \"wan\"\ndevice = \"b\"\nmode = \"inline\"\npeer = \"lan\"\n\
         [live.tunnel]\noutside = \"wan\"\nlocal = [\"192.0.2.2\"]\n[[live.tunnel.peers]]\nname = \"west\"\n\
         address = \"192.0.2.1\"\nprefixes = [\"{theirs}\"]\nours = [\"10.2.0.0/16\"]\n"
    );
    let path = folder.join("host.toml");
    fs::write(&path, &text).unwrap();
    (path, text)
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "not {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn wirewarden(namespace: &Namespace, words: &[&str]) -> Command {
    let mut command = namespace.inside(env!("CARGO_BIN_EXE_wirewarden"));
    command.arg("tunnel").args(words).stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

fn install(direction: SaDirection, spi: u32) -> Order {
    let long = Duration::from_secs(600);
    Order::Install(Box::new(Install {
        peer: PeerName::new("west").unwrap(),
        epoch: 1,
        direction,
        queue: 0,
        spi,
        framing: Framing::Ip,
        suite: Suite::Aes256Gcm16,
        limits: SaLimits { soft_packets: 100, hard_packets: 400, soft_after: long, hard_after: long },
        remote: None,
        key: SaKeyMaterial::copied(&[7; 36]),
    }))
}

/// The first report that is not about counters.
fn answer(reports: &mut Incoming<UnixStream>) -> Report {
    until("an answer", || match reports.receive::<Report>().unwrap() {
        Arrival::Message(Report::Counters { .. }) => None,
        Arrival::Message(report) => Some(report),
        _ => None,
    })
}

#[test]
fn a_host_is_closed_before_there_are_keys_and_stays_so_behind_them() {
    let Some(namespace) = Namespace::new("host") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = configuration(folder.path(), "10.1.0.0/16");
    let socket = folder.path().join("dataplane.sock");
    let words = ["export-xfrm", "-c", config.to_str().unwrap(), "--control", socket.to_str().unwrap()];
    let running = Running(wirewarden(&namespace, &words).spawn().unwrap());
    let keys = api::tunnel::socket_beside(&socket);
    let mut stream = until("a key socket", || UnixStream::connect(&keys).ok());
    let policies = namespace.xfrm("policy");
    assert!(
        policies.contains("src 10.2.0.0/16 dst 10.1.0.0/16") && policies.contains("dir out"),
        "{policies}"
    );
    assert_eq!(policies.matches("proto esp").count(), 3, "{policies}");
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut reports = Incoming::new(stream.try_clone().unwrap());
    assert_eq!(answer(&mut reports), Report::Hello { queues: 1, installed: Vec::new() });
    let (peer, epoch) = (PeerName::new("west").unwrap(), 1);
    for order in [install(SaDirection::Inbound, 0x1000), install(SaDirection::Outbound, 0x2000)] {
        send(&order, &mut stream).unwrap();
    }
    send(&Order::Complete { peer, epoch }, &mut stream).unwrap();
    match answer(&mut reports) {
        Report::Installed { .. } => with_keys(&namespace, &mut stream, &mut reports),
        other => {
            eprintln!(
                "SKIPPED: the kernel has no ESP with AES-GCM: no SA was tried (vagrant/qemu.py xfrm has one)"
            );
            assert_eq!(other, Report::Refused { peer, epoch, why: Objection::Cipher });
        }
    }
    another_configuration(&namespace, folder.path(), &socket);
    let (code, said) = running.end();
    assert!(code == Some(0) && said.contains("--clear"), "{code:?} {said}");
    assert!(namespace.xfrm("state").is_empty(), "{}", namespace.xfrm("state"));
    assert!(namespace.xfrm("policy").contains("dir out"), "closed still");
    let cleared = wirewarden(&namespace, &["export-xfrm", "--clear"]).output().unwrap();
    assert!(cleared.status.success() && namespace.xfrm("policy").is_empty(), "{}", namespace.xfrm("policy"));
}

/// The kernel has the SAs; the outbound one is used from "up" on.
fn with_keys(namespace: &Namespace, stream: &mut UnixStream, reports: &mut Incoming<UnixStream>) {
    let states = namespace.xfrm("state");
    assert!(states.contains("spi 0x00001000") && states.contains("spi 0x00002000"), "{states}");
    assert!(states.contains("rfc4106(gcm(aes))") && states.contains("esn"), "{states}");
    let (peer, epoch) = (PeerName::new("west").unwrap(), 1);
    send(&Order::Up { peer, epoch }, stream).unwrap();
    until("the policy", || namespace.xfrm("policy").contains("reqid 1465319425").then_some(()));
    send(&Order::Wipe { peer, epoch }, stream).unwrap();
    assert_eq!(answer(reports), Report::Wiped { peer, epoch, spis: vec![0x1000] });
    assert!(namespace.xfrm("state").is_empty());
}

/// The daemon says which configuration is in use, and learns that it is.
fn another_configuration(namespace: &Namespace, folder: &Path, socket: &Path) {
    let (_, text) = configuration(folder, "10.3.0.0/16");
    let mut client = Client::connect(socket, Some(LIMIT)).unwrap();
    assert!(matches!(client.ask(Ask::Configure { text: text.clone() }), Ok(Reply::Applied(_))));
    until("other policies", || {
        let policies = namespace.xfrm("policy");
        (policies.contains("10.3.0.0/16") && !policies.contains("10.1.0.0/16")).then_some(())
    });
    let digest = api::control::digest(&api::Config::from_toml(&text, "test").unwrap());
    let Ok(Reply::Status(status)) = client.ask(Ask::Status) else { unreachable!("no status") };
    let plane = status.dataplane.unwrap();
    assert_eq!((plane.config, plane.backend.as_str()), (digest, "xfrm"));
    let bad = text.replace("address = \"192.0.2.1\"\n", "");
    assert!(client.ask(Ask::Configure { text: bad }).is_err(), "a peer without an address is refused");
    assert!(client.ask(Ask::Counters).is_err());
}

#[test]
fn a_namespace_that_forwards_packets_is_not_imported_from() {
    let Some(namespace) = Namespace::new("ike") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = configuration(folder.path(), "10.1.0.0/16");
    let (config, none) = (config.to_str().unwrap(), folder.path().join("none.sock"));
    let import = |netns: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wirewarden"));
        command.args(["tunnel", "import-xfrm", "--netns", netns, "-c", config, "--control"]).arg(&none);
        command.stderr(Stdio::piped()).stdin(Stdio::null());
        command
    };
    let said = |output: Output| (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
    let (code, text) = said(import("wwxfrm-nobody").output().unwrap());
    assert!(code == Some(3) && text.contains("wwxfrm-nobody"), "{text}");
    let sysctl = |value: &str| {
        let set = format!("echo {value} >/proc/sys/net/ipv4/ip_forward");
        assert!(namespace.inside("sh").args(["-c", &set]).status().unwrap().success());
    };
    sysctl("1");
    let (code, text) = said(import(&namespace.0).output().unwrap());
    assert!(code == Some(3) && text.contains("net.ipv4.ip_forward"), "{text}");
    sysctl("0");
    let first = Running(import(&namespace.0).spawn().unwrap());
    let holds = |text: &[u8]| String::from_utf8_lossy(text).contains("@wirewarden-import-xfrm");
    let sockets = || namespace.inside("cat").arg("/proc/net/unix").output().unwrap().stdout;
    until("a first that began", || holds(&sockets()).then_some(()));
    let second = said(import(&namespace.0).output().unwrap());
    assert!(second.0 == Some(3) && second.1.contains("already"), "{second:?}");
    let (code, text) = first.end();
    assert!(code == Some(0) && text.contains("none.sock.keys"), "{code:?} {text}");
}
