//! Hosts, gateways and the wire between them, each in a network namespace.
//!
//! ```text
//! east-host ── east gateway ── wire (a bridge that is listened to) ── west gateway ── west-host
//! 10.1.0.2     192.0.2.1                                              192.0.2.2       10.2.0.2
//! fd01::2                                                                             fd02::2
//! ```

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use api::control::{Client, Command as Ask, Reply};
use packet_io::replay::{Replay, ReplayOptions};
use packet_io::{Burst, PacketBuf, PacketIo};
use tempfile::TempDir;

use crate::daemon::Keys;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    East,
    West,
}

impl End {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::East => Self::West,
            Self::West => Self::East,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::East => "east",
            Self::West => "west",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::East => 1,
            Self::West => 2,
        }
    }
}

/// Everything; removed when dropped.
pub(crate) struct Plant {
    prefix: String,
    folder: TempDir,
}

const SPACES: [&str; 5] = ["hosteast", "gweast", "wire", "gwwest", "hostwest"];
const OPENING: Duration = Duration::from_secs(240);
const MARKER: &[u8] = b"THIS-MUST-NOT-BE-SEEN-OUTSIDE";

impl Plant {
    /// None, said so, where this process may not make network namespaces.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let plant = Self {
            prefix: format!("wwtest-{}-{name}", std::process::id()),
            folder: tempfile::tempdir().unwrap(),
        };
        for space in SPACES {
            let made = Command::new("ip").args(["netns", "add", &plant.space(space)]).output();
            if !made.is_ok_and(|output| output.status.success()) {
                eprintln!("SKIPPED: needs root, to make network namespaces (ip netns add)");
                return None;
            }
        }
        for end in [End::East, End::West] {
            plant.cable(&format!("host{}", end.name()), &format!("gw{}", end.name()), ("eth0", "lan"));
            plant.cable(&format!("gw{}", end.name()), "wire", ("wan", end.name()));
            plant.host(end);
        }
        plant.run("wire", "ip link add bridge type bridge mcast_snooping 0");
        plant.run("wire", "sysctl -q -w net.ipv6.conf.bridge.disable_ipv6=1");
        for port in ["bridge", "east", "west"] {
            if port != "bridge" {
                plant.run("wire", &format!("ip link set {port} master bridge"));
            }
            plant.run("wire", &format!("ip link set {port} up"));
        }
        fs::write(plant.folder.path().join("traffic.py"), TRAFFIC).unwrap();
        Some(plant)
    }

    fn space(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    fn cable(&self, one: &str, other: &str, (name, far): (&str, &str)) {
        let (one, other) = (self.space(one), self.space(other));
        let arguments = format!("link add {name} netns {one} type veth peer name {far} netns {other}");
        let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        for (space, name) in [(&one, name), (&other, far)] {
            for line in [
                // Only hosts speak for themselves.
                format!("sysctl -q -w net.ipv6.conf.{name}.disable_ipv6=1"),
                format!("ip link set {name} up"),
            ] {
                run_in(space, &line);
            }
        }
    }

    fn host(&self, end: End) {
        let (number, space) = (end.number(), format!("host{}", end.name()));
        for line in [
            "sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0".to_owned(),
            "ip link set lo up".to_owned(),
            format!("ip addr add 10.{number}.0.2/24 dev eth0"),
            format!("ip -6 addr add fd0{number}::2/64 dev eth0 nodad"),
            format!("ip route add default via 10.{number}.0.1"),
            format!("ip -6 route add default via fd0{number}::1"),
            // A virtual cable leaves checksums to whoever is at the end of it, who is not another kernel here.
            "ethtool -K eth0 tx off rx off gso off tso off gro off".to_owned(),
        ] {
            self.run(&space, &line);
        }
    }

    fn run(&self, space: &str, line: &str) {
        run_in(&self.space(space), line);
    }

    fn command(&self, space: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(space), program]);
        command
    }

    fn traffic(&self, end: End, arguments: &str) -> Command {
        let mut command = self.command(&format!("host{}", end.name()), "python3");
        command.arg(self.folder.path().join("traffic.py")).args(arguments.split(' '));
        command
    }

    /// The configuration of a gateway that seals what a filter chooses.
    pub(crate) fn configuration(&self, end: End, filter: &str) -> String {
        let (own, far) = (end.number(), end.other().number());
        let name = end.other().name();
        format!(
            r#"
version = 1
[boot]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
[[boot.ports]]
name = "lan"
device = "lan"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "wan"
mode = "inline"
peer = "lan"
[live.tunnel]
outside = "wan"
local = ["192.0.2.{own}"]
inside = ["10.{own}.0.1/24", "fd0{own}::1/64"]
[[live.tunnel.rules]]
filter = "{filter}"
verdict = "encrypt"
[[live.tunnel.peers]]
name = "{name}"
address = "192.0.2.{far}"
prefixes = ["10.{far}.0.0/16", "fd0{far}::/64"]
ours = ["10.{own}.0.0/16", "fd0{own}::/64"]
"#
        )
    }

    /// Starts a gateway, and waits until its ports are open.
    pub(crate) fn start(&self, end: End) -> Plane {
        let folder = self.folder.path();
        let (config, said) =
            (folder.join(format!("{}.toml", end.name())), folder.join(format!("{}.said", end.name())));
        let control = folder.join(format!("{}.sock", end.name()));
        let own = format!("net 10.{0}.0.0/16 or net fd0{0}::/64", end.other().number());
        fs::write(&config, self.configuration(end, &own)).unwrap();
        let mut command =
            self.command(&format!("gw{}", end.name()), env!("CARGO_BIN_EXE_wirewarden-dataplane"));
        command.arg("-c").arg(&config).arg("--control").arg(&control);
        command.stdout(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        let plane = Plane { child: command.spawn().unwrap(), said, control, end };
        let began = Instant::now();
        while !plane.said().contains("port wan: AF_XDP")
            || !api::tunnel::socket_beside(&plane.control).exists()
        {
            assert!(began.elapsed() < OPENING, "not opened: {}", plane.said());
            sleep(Duration::from_millis(5));
        }
        sleep(Duration::from_millis(200));
        plane
    }

    /// Whether at least one of so many echo requests of the east host is answered.
    pub(crate) fn ping(&self, address: &str, count: u32) -> bool {
        let output = self.traffic(End::East, &format!("ping {address} {count}")).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim() != "0" && output.status.success()
    }

    /// Sends so many bytes by TCP to the west host, which sends them back: they are the same.
    pub(crate) fn transfer(&self, address: &str, bytes: usize) {
        let _server = Running(self.serve("tcp-server", address));
        let output = self.traffic(End::East, &format!("tcp {address} {bytes}")).output().unwrap();
        assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Datagrams of many sizes, larger ones than the path takes among them, come back as they were.
    pub(crate) fn datagrams(&self, address: &str, count: u32) {
        let _server = Running(self.serve("udp-server", address));
        let output = self.traffic(End::East, &format!("udp {address} {count}")).output().unwrap();
        assert!(output.status.success(), "{address}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn serve(&self, what: &str, address: &str) -> Child {
        let mut command = self.traffic(End::West, &format!("{what} {address}"));
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        server
    }

    /// Datagrams to the west host until it is dropped, answered or not.
    pub(crate) fn load(&self, address: &str) -> Running {
        Running(self.traffic(End::East, &format!("load {address} 0")).stdout(Stdio::null()).spawn().unwrap())
    }

    /// Datagrams to the west host, which counts them.
    pub(crate) fn counted_load(&self, address: &str) -> CountedLoad {
        let server = self.serve("sink", address);
        let mut command = self.traffic(End::East, &format!("load {address} 1"));
        let sender = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        CountedLoad { sender: Running(sender), server: Running(server) }
    }

    /// Captures all frames on the wire that sealed packets pass.
    pub(crate) fn capture(&self) -> Capture {
        let file = self.folder.path().join("wire.pcapng");
        let mut command = self.command("wire", "dumpcap");
        command.args(["-q", "-i", "bridge", "-i", "east", "-i", "west", "-w"]).arg(&file);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while fs::metadata(&file).map_or(0, |file| file.len()) == 0 {
            assert!(began.elapsed() < OPENING, "dumpcap does not start");
            sleep(Duration::from_millis(20));
        }
        Capture { child: Running(child), file }
    }

    /// Sends again what was sealed while `during` ran; how many packets that were.
    pub(crate) fn repeat_sealed(&self, during: impl FnOnce()) -> u64 {
        let script = self.folder.path().join("traffic.py");
        let mut command = self.command("wire", "python3");
        command.arg(script).args(["repeat", "east", "west"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut repeater = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(repeater.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        during();
        drop(repeater.stdin.take());
        line.clear();
        out.read_line(&mut line).unwrap();
        repeater.wait().unwrap();
        sleep(Duration::from_millis(100));
        line.trim().parse().unwrap()
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        for space in SPACES {
            let _ = Command::new("ip").args(["netns", "del", &self.space(space)]).output();
        }
    }
}

fn run_in(space: &str, line: &str) {
    let output = Command::new("ip").args(["netns", "exec", space]).args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "{space}: {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A gateway, killed when dropped.
pub(crate) struct Plane {
    child: Child,
    said: PathBuf,
    control: PathBuf,
    end: End,
}

impl Plane {
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// A connection to its key socket.
    pub(crate) fn keys(&self) -> Keys {
        Keys::connect(&self.control, self.end)
    }

    /// Has it take another configuration.
    pub(crate) fn configure(&self, text: &str) {
        let mut client = Client::connect(Path::new(&self.control), Some(Duration::from_secs(60))).unwrap();
        let reply = client.ask(Ask::Configure { text: text.to_owned() }).unwrap();
        assert!(matches!(reply, Reply::Applied(_)), "{reply:?}");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as a user does; what it said at the end.
    pub(crate) fn stop(mut self) -> String {
        let killed = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        let status = self.child.wait().unwrap();
        let said = self.said();
        assert!(status.success(), "{status}: {said}");
        said
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program, killed when dropped.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Datagrams on their way, counted at both ends.
pub(crate) struct CountedLoad {
    sender: Running,
    server: Running,
}

impl CountedLoad {
    /// Datagrams sent, and received.
    pub(crate) fn finish(mut self) -> (u64, u64) {
        let number = |child: &mut Child| {
            drop(child.stdin.take());
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            line.trim().parse::<u64>().unwrap_or_else(|_| panic!("{line:?}"))
        };
        let sent = number(&mut self.sender.0);
        // The last datagram says how many there were, and ends the count.
        let received = number(&mut self.server.0);
        (sent, received)
    }
}

/// Frames of the wire, being captured.
pub(crate) struct Capture {
    child: Running,
    file: PathBuf,
}

/// What was on the wire.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) sealed: u64,
    pub(crate) neighbours: u64,
    /// Anything else, described.
    pub(crate) clear: Vec<String>,
}

impl Capture {
    pub(crate) fn stop(mut self) -> Seen {
        sleep(Duration::from_secs(1));
        let _ = Command::new("kill").arg("-INT").arg(self.child.0.id().to_string()).status();
        let _ = self.child.0.wait();
        let mut replay = Replay::open([self.file.clone()], ReplayOptions::default()).unwrap();
        let (mut seen, mut burst) = (Seen::default(), Burst::new());
        while !replay.is_exhausted() {
            replay.receive(&mut burst);
            for (buf, _) in burst.drain(usize::MAX) {
                seen.look(buf.bytes());
            }
        }
        seen
    }
}

impl Seen {
    fn look(&mut self, frame: &[u8]) {
        let is_sealed = frame.len() > 34
            && frame[12..14] == [8, 0]
            && frame[23] == 50
            && frame[26..29] == [192, 0, 2]
            && frame[30..33] == [192, 0, 2];
        let shows = frame.windows(MARKER.len()).any(|window| window == MARKER);
        if is_sealed && !shows {
            self.sealed += 1;
        } else if frame[12..14] == [8, 6] {
            self.neighbours += 1;
        } else if self.clear.len() < 10 {
            self.clear.push(format!("{:02x?}", &frame[..frame.len().min(64)]));
        }
    }
}

const TRAFFIC: &str = include_str!("traffic.py");
