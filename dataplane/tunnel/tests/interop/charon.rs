//! Two strongSwan daemons negotiate SAs and log the keys; one of them is killed, and we take its place.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tunnel::{Carrier, NAT_PORT, OpenRefusal, Opened, Sequence, Version};

use crate::gateway::{Ends, Sa, Tunnel, echo, ipv4};
use crate::has;

const CHARON: &str = "/usr/lib/ipsec/charon";
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const OUR_HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const THEIR_HOST: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// Where the half within the namespace finds what was negotiated.
const FOLDER: &str = "WIREWARDEN_TEST_CHARON";

pub(crate) fn check() {
    if !has("swanctl", "--help") || !has("ip", "-V") {
        return;
    }
    if !Path::new(CHARON).exists()
        || !Path::new("/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so").exists()
    {
        eprintln!("SKIPPED: strongSwan's charon or its plugin kernel-libipsec is not installed");
        return;
    }
    let Some(network) = Network::new() else { return };
    let folder = Folder::new();
    let mut ours = Daemon::start(&network.ours, &folder.0.join("ours"));
    let theirs = Daemon::start(&network.theirs, &folder.0.join("theirs"));
    theirs.load(&connection([THEIRS, OURS], ["10.2.0.0/16", "10.1.0.0/16"]));
    ours.load(&connection([OURS, THEIRS], ["10.1.0.0/16", "10.2.0.0/16"]));
    let initiated = ours.swanctl(&["--initiate", "--child", "net", "--timeout", "20"]);
    assert!(initiated.contains("initiate completed successfully"), "{initiated}");
    // Killed, it says no goodbye: the other one goes on with the SAs.
    ours.kill();
    let sas = negotiated(&ours.log());
    fs::write(folder.0.join("sas"), written(&sas)).unwrap();
    let output = Command::new("ip")
        .args(["netns", "exec", &network.ours])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "within_the_namespace", "--nocapture"])
        .env(FOLDER, &folder.0)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("echoes came back"), "{said}\n{}", theirs.log());
    eprintln!("{}", said.lines().find(|line| line.contains("echoes came back")).unwrap());
}

/// Echo requests to the host behind strongSwan, sealed with the keys of the daemon that was killed.
pub(crate) fn within() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let [sends, receives] = read(&fs::read_to_string(PathBuf::from(folder).join("sas")).unwrap());
    let ends =
        Ends { local: OURS, remote: THEIRS, carrier: Carrier::Udp(NAT_PORT), sequence: Sequence::Short };
    let mut tunnel = Tunnel::new(&ends, &sends, &receives);
    let wire = Wire::new();
    let mut came_back = 0;
    for number in 1..=200_u16 {
        let payload = usize::from(number) * 6;
        let request = echo(OUR_HOST, THEIR_HOST, number, payload);
        let sealed = tunnel.seal(&request).unwrap();
        wire.send(&sealed);
        let reply = wire.receive(Duration::from_secs(5)).expect("a reply");
        let (opened, inner) = tunnel.open(&reply).unwrap();
        assert_eq!(opened, Opened::Ip(Version::V4));
        assert_eq!((&inner[12..16], &inner[16..20]), (&request[16..20], &request[12..16]));
        assert_eq!((inner[20], &inner[24..]), (0, &request[24..]));
        assert_eq!(tunnel.open(&reply), Err(OpenRefusal::Replayed), "we refuse replays");
        came_back += 1;
        if number % 50 == 0 {
            wire.send(&sealed);
            assert!(wire.receive(Duration::from_millis(300)).is_none(), "strongSwan refuses replays");
            let mut forged = tunnel.seal(&request).unwrap();
            let last = forged.len() - 1;
            forged[last] ^= 1;
            wire.send(&forged);
            assert!(wire.receive(Duration::from_millis(300)).is_none(), "strongSwan refuses forgeries");
        }
    }
    eprintln!("{came_back} echoes came back through strongSwan");
}

/// The UDP port that the killed daemon had; outer headers are the kernel's on the way out and made here on the way in.
struct Wire(UdpSocket);

impl Wire {
    fn new() -> Self {
        let socket = UdpSocket::bind((OURS, NAT_PORT)).unwrap();
        socket.connect((THEIRS, NAT_PORT)).unwrap();
        Self(socket)
    }

    fn send(&self, sealed: &[u8]) {
        self.0.send(&sealed[28..]).unwrap();
    }

    /// The next ESP packet; IKE and keep-alives between are not ours.
    fn receive(&self, most: Duration) -> Option<Vec<u8>> {
        let end = Instant::now() + most;
        let mut buffer = [0; 2048];
        loop {
            let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            self.0.set_read_timeout(Some(left)).unwrap();
            let Ok(len) = self.0.recv(&mut buffer) else { continue };
            if len < 8 || buffer[..4] == [0; 4] {
                continue;
            }
            let mut datagram = [NAT_PORT.to_be_bytes(), NAT_PORT.to_be_bytes()].concat();
            datagram.extend(u16::try_from(8 + len).unwrap().to_be_bytes());
            datagram.extend([0, 0]);
            datagram.extend(&buffer[..len]);
            return Some(ipv4(THEIRS, OURS, 17, &datagram));
        }
    }
}

/// Our outbound SA and our inbound one, as the initiator logged them.
fn negotiated(log: &str) -> [Sa; 2] {
    let key = |of: &str| {
        let mut lines =
            log.lines().skip_while(|line| !line.contains(&format!("encryption {of} key => 36 bytes")));
        lines.next().expect("a key");
        let bytes: Vec<u8> = lines
            .take(3)
            .flat_map(|line| {
                let row = line.split_once("]   ").unwrap().1.split_once(": ").unwrap().1;
                // Sixteen numbers, then the same as text.
                row.split_ascii_whitespace()
                    .take(16)
                    .map_while(|byte| u8::from_str_radix(byte, 16).ok())
                    .collect::<Vec<_>>()
            })
            .take(36)
            .collect();
        bytes.try_into().unwrap()
    };
    let spi = |ends: &str| {
        let line = log.lines().find(|line| line.contains("SPI 0x") && line.contains(ends)).expect("an SPI");
        let hex = line.split_once("SPI 0x").unwrap().1.split(',').next().unwrap();
        u32::from_str_radix(hex, 16).unwrap()
    };
    [
        Sa { spi: spi("src 192.0.2.1 dst 192.0.2.2"), key: key("initiator") },
        Sa { spi: spi("src 192.0.2.2 dst 192.0.2.1"), key: key("responder") },
    ]
}

fn written(sas: &[Sa; 2]) -> String {
    let hex = |sa: &Sa| sa.key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    sas.iter().map(|sa| format!("{} {}\n", sa.spi, hex(sa))).collect()
}

fn read(text: &str) -> [Sa; 2] {
    let sas: Vec<Sa> = text
        .lines()
        .map(|line| {
            let (spi, hex) = line.split_once(' ').unwrap();
            let key: Vec<u8> =
                (0..36).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect();
            Sa { spi: spi.parse().unwrap(), key: key.try_into().unwrap() }
        })
        .collect();
    sas.try_into().unwrap()
}

fn connection([local, remote]: [Ipv4Addr; 2], [ours, theirs]: [&str; 2]) -> String {
    format!(
        "connections {{ t {{ version = 2\n local_addrs = {local}\n remote_addrs = {remote}\n encap = yes\n mobike = no\n\
         proposals = aes256gcm16-prfsha256-curve25519\n local {{ auth = psk\n id = {local}\n }}\n remote {{ auth = psk\n\
         id = {remote}\n }}\n children {{ net {{ local_ts = {ours}\n remote_ts = {theirs}\n esp_proposals = aes256gcm16\n\
         }} }} }} }}\nsecrets {{ ike-1 {{ id-1 = {local}\n id-2 = {remote}\n secret = \"interoperation\"\n }} }}\n"
    )
}

/// A daemon in a network namespace and a mount namespace of its own.
struct Daemon {
    child: Child,
    folder: PathBuf,
}

impl Daemon {
    fn start(namespace: &str, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let path = folder.display();
        let settings = format!(
            "charon {{\n load = random nonce aes sha1 sha2 hmac kdf gcm openssl pem pkcs1 x509 curve25519 vici \
             kernel-libipsec kernel-netlink socket-default\n filelog {{ log {{ path = {path}/log\n default = 1\n chd = 4\n \
             flush_line = yes\n }} }}\n plugins {{ vici {{ socket = unix://{path}/vici\n }} }}\n}}\n\
             swanctl {{ load = pem pkcs1 x509 random openssl vici\n }}\n"
        );
        fs::write(folder.join("strongswan.conf"), settings).unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", namespace, "unshare", "--mount", "sh", "-c"])
            // Its files in /run are compiled in.
            .arg(format!("mount -t tmpfs none /run && exec {CHARON}"))
            .env("STRONGSWAN_CONF", folder.join("strongswan.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self { child, folder: folder.to_owned() };
        let started = Instant::now();
        while !daemon.folder.join("vici").exists() {
            assert!(started.elapsed() < Duration::from_secs(60), "charon does not start: {}", daemon.log());
            sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn load(&self, connection: &str) {
        let file = self.folder.join("swanctl.conf");
        fs::write(&file, connection).unwrap();
        let said = self.swanctl(&["--load-all", "--file", file.to_str().unwrap()]);
        assert!(said.contains("successfully loaded 1 connections"), "{said}");
    }

    fn swanctl(&self, arguments: &[&str]) -> String {
        let output = Command::new("swanctl")
            .args(arguments)
            .args(["--uri", &format!("unix://{}/vici", self.folder.display())])
            .env("STRONGSWAN_CONF", self.folder.join("strongswan.conf"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Two namespaces with a wire between them, removed when dropped.
struct Network {
    ours: String,
    theirs: String,
}

impl Network {
    fn new() -> Option<Self> {
        let name = |side| format!("wwesp-{}-{side}", std::process::id());
        let network = Self { ours: name("ours"), theirs: name("theirs") };
        if !ip(&["netns", "add", &network.ours]) || !ip(&["netns", "add", &network.theirs]) {
            eprintln!("SKIPPED: needs root, to make network namespaces (ip netns add)");
            return None;
        }
        let Self { ours, theirs } = &network;
        assert!(ip(&[
            "link", "add", "wire", "netns", ours, "type", "veth", "peer", "name", "wire", "netns", theirs
        ]));
        for (namespace, gateway, host) in [(ours, OURS, OUR_HOST), (theirs, THEIRS, THEIR_HOST)] {
            let inside = |arguments: &str| {
                let all: Vec<&str> = ["-n", namespace].into_iter().chain(arguments.split(' ')).collect();
                assert!(ip(&all), "ip {arguments}");
            };
            inside(&format!("addr add {gateway}/24 dev wire"));
            inside(&format!("addr add {host}/32 dev lo"));
            inside("link set lo up");
            inside("link set wire up");
        }
        Some(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&["netns", "del", &self.ours]);
        ip(&["netns", "del", &self.theirs]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A folder of this run, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("wirewarden-charon-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
