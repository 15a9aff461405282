//! Two endpoints over TCP on this machine, each on a thread of its own as in a daemon: keys, junk, the memory after it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use exchange::channel::Keys;
use exchange::endpoint::{Credentials, Driver, Endpoint, Event, PeerConfig, Setup, Waker};
use exchange::gate::{Limits, Prefix};
use exchange::pki::{Authority, Init, KeyKind, Validity, load_identity, read_certificates};
use exchange::primitive::Backend;
use exchange::profile::{Profile, Settings};
use exchange::refusal::{Refusal, Refusals};
use exchange::schedule::{Mode, PolicyHash};
use exchange::selftest::{Proven, prove};
use exchange::session::PeerId;
use exchange::tls::{PeerTrust, Trust};
use rustls::time_provider::DefaultTimeProvider;
use sample::still::Still;
use tempfile::TempDir;

static PROVEN: LazyLock<Proven> = LazyLock::new(|| prove().unwrap());
/// The tests measure time and memory of the process: one after another.
static ALONE: Mutex<()> = Mutex::new(());

fn site() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (key, lifetime) = (KeyKind::MlDsa(Profile::Balanced.signature()), Duration::from_secs(86_400));
    let init = Init { name: "Test", key, classical: None, lifetime };
    let authority = Authority::init(folder.path(), &init, Backend::Liboqs, SystemTime::now()).unwrap();
    for name in ["west", "east"] {
        authority.issue(name, Validity { key, lifetime }, SystemTime::now()).unwrap();
    }
    folder
}

fn endpoint(folder: &TempDir, name: &str, other: &'static str, address: Option<SocketAddr>) -> Endpoint {
    let (identity, _) = load_identity(&folder.path().join(format!("{name}.pem")), Backend::Liboqs).unwrap();
    let authorities = read_certificates(&folder.path().join("ca.crt")).unwrap();
    let peer = PeerConfig {
        name: other.to_owned(),
        trust: PeerTrust::Named(other.try_into().unwrap()),
        classical: None,
        address,
        prefixes: vec![Prefix::new([127, 0, 0, 0].into(), 8).unwrap()],
        mode: Mode::Tunnel,
        policy: PolicyHash::of([]),
        settings: Settings { profile: Profile::Balanced, ..Settings::default() },
    };
    let setup = Setup {
        proven: *PROVEN,
        backend: Backend::Liboqs,
        credentials: Credentials {
            identity,
            classical: None,
            trust: Arc::new(Trust::new(vec![], &authorities, &[]).unwrap()),
        },
        limits: Limits::default(),
        clock: Arc::new(DefaultTimeProvider),
    };
    let mut endpoint = Endpoint::new(setup, Instant::now()).unwrap();
    endpoint.add(peer, Instant::now()).unwrap();
    endpoint.set_queues(1, Instant::now());
    endpoint
}

/// What a daemon does with a driver; a probe always arrives.
struct Daemon {
    thread: Option<JoinHandle<()>>,
    ends: Arc<AtomicBool>,
    waker: Waker,
    ups: Receiver<(u64, bool)>,
    keys: Receiver<Box<Keys>>,
    orders: Sender<fn(&mut Endpoint)>,
    refusals: Arc<Refusals>,
    address: SocketAddr,
}

fn daemon(endpoint: Endpoint) -> Daemon {
    let mut driver = Driver::new(endpoint, Some(([127, 0, 0, 1], 0).into())).unwrap();
    let (waker, address) = (driver.waker().unwrap(), driver.address().unwrap());
    let refusals = Arc::clone(driver.endpoint().refusals());
    let ends = Arc::new(AtomicBool::new(false));
    let ((up, ups), (key, keys), (orders, order)) = (channel(), channel(), channel::<fn(&mut Endpoint)>());
    let over = Arc::clone(&ends);
    let thread = thread::spawn(move || {
        while !over.load(Ordering::Relaxed) {
            while let Ok(order) = order.try_recv() {
                order(driver.endpoint());
            }
            for event in driver.turn(Duration::from_millis(100)).unwrap() {
                let now = Instant::now();
                match event {
                    Event::Keys { peer, keys } => {
                        driver.endpoint().installed(peer, keys.epoch, now);
                        let _ = key.send(keys);
                    }
                    Event::Probe { peer, epoch } => driver.endpoint().heard(peer, epoch, now),
                    Event::Up { epoch, facts, .. } => drop(up.send((epoch, facts.resumed))),
                    _ => {}
                }
            }
        }
        driver.stop().unwrap();
    });
    Daemon { thread: Some(thread), ends, waker, ups, keys, orders, refusals, address }
}

impl Daemon {
    fn wait_up(&self) -> (u64, bool) {
        self.ups.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn order(&self, order: fn(&mut Endpoint)) {
        self.orders.send(order).unwrap();
        self.waker.wake();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn pair(folder: &TempDir) -> (Daemon, Daemon) {
    let east = daemon(endpoint(folder, "east", "west", None));
    let west = daemon(endpoint(folder, "west", "east", Some(east.address)));
    (west, east)
}

#[test]
fn keys_come_over_tcp_and_are_renewed() {
    let _alone = ALONE.lock();
    let folder = site();
    let (west, east) = pair(&folder);
    let (first, resumed) = west.wait_up();
    assert_eq!((east.wait_up(), resumed), ((first, false), false));
    let (ours, theirs) = (west.keys.recv().unwrap(), east.keys.recv().unwrap());
    assert!(ours.outbound[0].key == theirs.inbound[0].key && ours.inbound[0].key == theirs.outbound[0].key);
    west.order(|endpoint| endpoint.rekey(PeerId(0), Instant::now()));
    let (second, resumed) = west.wait_up();
    assert!(second > first && resumed);
    assert_eq!(east.wait_up(), (second, true));
}

/// Connects from another address of this machine.
fn connect_from(from: [u8; 4], to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None)?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    rustix::net::connect(&socket, &to)?;
    Ok(socket.into())
}

#[test]
fn a_flood_of_junk_hellos_does_not_keep_a_peer_out() {
    let _alone = ALONE.lock();
    let folder = site();
    let (west, east) = pair(&folder);
    west.wait_up();
    let over = Arc::new(AtomicBool::new(false));
    let flood = {
        let (over, target) = (Arc::clone(&over), east.address);
        thread::spawn(move || {
            // The head of a ClientHello whose rest is noise.
            let mut junk = vec![0x16, 3, 1, 1, 4, 1, 0, 1, 0, 3, 3];
            junk.resize(5 + 260, 0x5A);
            let (mut sent, started) = (0_u32, Instant::now());
            let mut due = started;
            while !over.load(Ordering::Relaxed) {
                if let Ok(mut stream) = connect_from([127, 0, 0, 2], target) {
                    let _ = stream.write_all(&junk);
                    sent += 1;
                }
                // 5,000 in a second, where the machine can, and not those of the time that it stood still.
                due = (due + Duration::from_micros(200)).max(Instant::now());
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            f64::from(sent) / started.elapsed().as_secs_f64()
        })
    };
    thread::sleep(Duration::from_secs(1));
    let started = Still::watch();
    west.order(|endpoint| endpoint.rekey(PeerId(0), Instant::now()));
    let (_, resumed) = west.wait_up();
    let took = started.elapsed();
    over.store(true, Ordering::Relaxed);
    let rate = flood.join().unwrap();
    let (rated, malformed) = (east.refusals.of(Refusal::AcceptRate), east.refusals.of(Refusal::Malformed));
    println!(
        "{rate:.0} junk hellos per second: rekey in {took:?}; {rated} refused by rate, {malformed} read and refused"
    );
    assert!(resumed && took < Duration::from_secs(5), "{took:?}");
    assert!(malformed > 0 && rated > malformed);
}

#[test]
fn nothing_of_the_keys_is_left_in_memory() {
    let _alone = ALONE.lock();
    let folder = site();
    let (west, east) = pair(&folder);
    west.wait_up();
    east.wait_up();
    let (ours, theirs) = (west.keys.recv().unwrap(), east.keys.recv().unwrap());
    // Known by a part of each key, turned over so that the list itself is not found.
    let hidden: Vec<[u8; 24]> = ours
        .outbound
        .iter()
        .chain(&ours.inbound)
        .map(|sa| std::array::from_fn(|at| !sa.key.expose()[at + 4]))
        .collect();
    assert!(copies(&hidden) >= 2, "the scan finds keys that are there");
    drop((ours, theirs, west, east));
    assert_eq!(copies(&hidden), 0);
}

/// How many copies of the turned-over patterns this process's writable memory holds.
fn copies(hidden: &[[u8; 24]]) -> usize {
    let mut memory = fs::File::open("/proc/self/mem").unwrap();
    let mut found = 0;
    let mut chunk = vec![0_u8; 1 << 20];
    let own = chunk.as_ptr().addr()..chunk.as_ptr().addr() + chunk.len();
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        if !rest.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let length = usize::try_from((to - at).min(1 << 20)).unwrap();
            // The scan's own buffer holds what it read before.
            let overlaps =
                usize::try_from(at).unwrap() < own.end && own.start < usize::try_from(at).unwrap() + length;
            let readable = !overlaps
                && memory.seek(SeekFrom::Start(at)).is_ok()
                && memory.read_exact(&mut chunk[..length]).is_ok();
            if readable {
                found += hidden.iter().map(|pattern| count(&chunk[..length], pattern)).sum::<usize>();
            }
            chunk.fill(0);
            // Patterns across the border of two chunks are found in the next.
            at += u64::try_from(length).unwrap().saturating_sub(if at + (1 << 20) < to { 64 } else { 0 });
        }
    }
    found
}

fn count(bytes: &[u8], hidden: &[u8; 24]) -> usize {
    let first = !hidden[0];
    bytes
        .windows(hidden.len())
        .filter(|window| {
            window[0] == first && window.iter().zip(hidden).all(|(byte, hidden)| *byte == !*hidden)
        })
        .count()
}
