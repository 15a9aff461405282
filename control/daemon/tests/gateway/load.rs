//! What hosts say to each other through the gateways: numbered packets both ways, and a stream that is compared by hash.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sample::still::Still;
use sha2::{Digest, Sha256};

use crate::network::Network;

/// Packets a second, each way.
const RATE: u32 = 400;
/// How long a receiver waits for the last packets.
const REST: Duration = Duration::from_millis(1500);
const PORT: u16 = 9000;
/// Bytes of the stream that are sent at once, and how often.
const PIECE: usize = 32_768;
const PACE: Duration = Duration::from_millis(20);

/// What came of numbered packets in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sent: u32,
    pub(crate) arrived: u32,
    pub(crate) twice: u32,
    /// The longest time without a packet, but for what the machine stood still meanwhile.
    pub(crate) gap: Duration,
}

impl Tally {
    pub(crate) fn assert_whole(&self, what: &str) {
        assert_eq!((self.arrived, self.twice), (self.sent, 0), "{what}: {self:?}");
        assert!(self.sent > 0, "{what}");
    }
}

/// Traffic on its way, until it is told to end.
pub(crate) struct Load {
    end: Arc<AtomicBool>,
    ways: Vec<(JoinHandle<u32>, JoinHandle<Tally>)>,
}

impl Load {
    /// Packets from each host to the other.
    pub(crate) fn start(network: &Network) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let ways = (0..2).map(|at| way(network, at, &end)).collect();
        Self { end, ways }
    }

    /// What came of it: of the way from west to east first.
    pub(crate) fn end(self) -> [Tally; 2] {
        self.end.store(true, Ordering::Relaxed);
        let mut ways = self.ways.into_iter().map(|(sender, receiver)| {
            let sent = sender.join().unwrap();
            Tally { sent, ..receiver.join().unwrap() }
        });
        [ways.next().unwrap(), ways.next().unwrap()]
    }
}

fn way(network: &Network, from: usize, end: &Arc<AtomicBool>) -> (JoinHandle<u32>, JoinHandle<Tally>) {
    let (bound, is_bound) = channel();
    let to = 1 - from;
    let ended = Arc::clone(end);
    let receiver = network.thread(&format!("host{to}"), move || receive(&bound, &ended));
    is_bound.recv().unwrap();
    let ended = Arc::clone(end);
    let address = format!("10.{}.0.10:{PORT}", to + 1);
    let sender = network.thread(&format!("host{from}"), move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect(address).unwrap();
        let step = Duration::from_secs(1) / RATE;
        let (mut due, mut number) = (Instant::now(), 0_u32);
        while !ended.load(Ordering::Relaxed) {
            let mut packet = [0x5A; 400];
            packet[..4].copy_from_slice(&number.to_be_bytes());
            if socket.send(&packet).is_ok() {
                number += 1;
            }
            // What was not sent while the machine stood still is not sent all at once.
            due = (due + step).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        number
    });
    (sender, receiver)
}

fn receive(bound: &Sender<()>, ended: &AtomicBool) -> Tally {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 20);
    bound.send(()).unwrap();
    let (mut tally, mut seen, mut last) = (Tally::default(), Vec::<bool>::new(), None::<(Instant, Duration)>);
    let still = Still::watch();
    let mut bytes = [0; 2048];
    loop {
        match socket.recv(&mut bytes) {
            Ok(_) => {
                let at = usize::try_from(u32::from_be_bytes(*bytes.first_chunk().unwrap())).unwrap();
                seen.resize(seen.len().max(at + 1), false);
                if std::mem::replace(&mut seen[at], true) {
                    tally.twice += 1;
                } else {
                    tally.arrived += 1;
                }
                let (now, stood) = (Instant::now(), still.so_far());
                if let Some((then, before)) = last {
                    tally.gap = tally.gap.max((now - then).saturating_sub(stood - before));
                }
                last = Some((now, stood));
            }
            Err(_) if ended.load(Ordering::Relaxed) && last.is_none_or(|(last, _)| last.elapsed() > REST) => {
                return tally;
            }
            Err(_) => {}
        }
    }
}

/// A stream of bytes from west to east, until it is told to end.
pub(crate) struct Stream {
    end: Arc<AtomicBool>,
    arrived: Arc<AtomicU64>,
    sender: JoinHandle<(u64, [u8; 32])>,
    receiver: JoinHandle<(u64, [u8; 32])>,
}

impl Stream {
    pub(crate) fn start(network: &Network) -> Self {
        let (bound, is_bound) = channel();
        let (end, arrived) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&arrived);
        let receiver = network.thread("host1", move || {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).unwrap();
            bound.send(()).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let (mut hash, mut length, mut bytes) = (Sha256::new(), 0, vec![0; PIECE]);
            loop {
                match stream.read(&mut bytes).unwrap() {
                    0 => return (length, hash.finalize().into()),
                    count => {
                        hash.update(&bytes[..count]);
                        length += count as u64;
                        counted.store(length, Ordering::Relaxed);
                    }
                }
            }
        });
        is_bound.recv().unwrap();
        let ended = Arc::clone(&end);
        let sender = network.thread("host0", move || {
            let mut stream = TcpStream::connect(("10.2.0.10", PORT)).unwrap();
            let (mut hash, mut length, mut bytes) = (Sha256::new(), 0, vec![0; PIECE]);
            while !ended.load(Ordering::Relaxed) {
                getrandom::fill(&mut bytes).unwrap();
                stream.write_all(&bytes).unwrap();
                hash.update(&bytes);
                length += bytes.len() as u64;
                thread::sleep(PACE);
            }
            (length, hash.finalize().into())
        });
        Self { end, arrived, sender, receiver }
    }

    /// Bytes that have arrived.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Ends it; how many bytes arrived, all as they were sent.
    pub(crate) fn end(self) -> u64 {
        self.end.store(true, Ordering::Relaxed);
        let sent = self.sender.join().unwrap();
        assert_eq!(self.receiver.join().unwrap(), sent, "bytes of the stream and their hash");
        sent.0
    }
}
