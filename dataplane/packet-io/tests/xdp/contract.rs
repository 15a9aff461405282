//! The promises of every backend, put to an AF_XDP socket on virtual Ethernet.

use std::time::Duration;

use packet_io::af_xdp::{self, AfXdpBuf, AfXdpQueue, CopyChoice, Port, PortConfig};
use packet_io::xdp::ModeChoice;
use packet_io::{BURST, Burst, IoStats, PacketIo, PacketMeta};

use crate::network::{ip, veth};
use crate::packet_io_contract::{self, Bench};

/// Puts sockets in this mode to all tests.
pub(crate) fn check(mode: ModeChoice) {
    packet_io_contract::check(&mut Pair { mode, made: 0 });
}

/// Makes a pair of interfaces for each test.
struct Pair {
    mode: ModeChoice,
    made: u32,
}

/// One interface under test, and the other that sends to it when it has nothing to receive.
pub(crate) struct Fed {
    queue: AfXdpQueue,
    sender: AfXdpQueue,
    waiting: Vec<Vec<u8>>,
    idle: u32,
    _ports: Vec<Port>,
}

/// Polls without a packet after which the last was received.
const QUIET: u32 = 2000;
/// Between two polls when nothing is left to send.
const PAUSE: Duration = Duration::from_micros(50);

impl Pair {
    fn open(&mut self, packets: &[Vec<u8>], tx_descriptors: u16) -> Fed {
        if self.made > 0 {
            ip(&format!("link del a{}", self.made));
        }
        self.made += 1;
        let (one, other) = (format!("a{}", self.made), format!("b{}", self.made));
        veth(&one, &other, 1500);
        let config = |name: &str| {
            let mut config = PortConfig { copy: CopyChoice::Copy, ..PortConfig::new(name) };
            config.xdp.mode = self.mode;
            // The test gives no sign of life, and a slow machine takes longer than the watchdog waits.
            config.xdp.watchdog = None;
            config
        };
        let under_test = PortConfig { tx_descriptors, ..config(&one) };
        let (mut ports, mut queues) = af_xdp::open(&[under_test], 1).unwrap();
        let (peer, mut senders) = af_xdp::open(&[config(&other)], 1).unwrap();
        ports.extend(peer);
        Fed {
            queue: queues.pop().unwrap().pop().unwrap(),
            sender: senders.pop().unwrap().pop().unwrap(),
            waiting: packets.iter().rev().cloned().collect(),
            idle: 0,
            _ports: ports,
        }
    }
}

impl Bench for Pair {
    type Io = Fed;

    fn receiving(&mut self, packets: &[Vec<u8>]) -> Fed {
        self.open(packets, 2048)
    }

    fn with_transmit_room(&mut self, packets: &[Vec<u8>], _: usize) -> Option<Fed> {
        // The largest power of two that is not above the ten packets that the test allows.
        Some(self.open(packets, 8))
    }
}

impl PacketIo for Fed {
    type Buf = AfXdpBuf;

    fn receive(&mut self, burst: &mut Burst<AfXdpBuf>) {
        let before = burst.len();
        self.queue.receive(burst);
        if burst.len() > before || burst.room() == 0 {
            self.idle = 0;
            return;
        }
        self.idle += 1;
        if self.waiting.is_empty() {
            // What delivers the last packets may be a thread of the kernel that waits for this very core.
            std::thread::sleep(PAUSE);
        }
        let mut sending = Burst::new();
        for _ in 0..BURST.min(self.waiting.len()) {
            let Some(packet) = self.waiting.last().and_then(|bytes| self.sender.packet(bytes)) else { break };
            sending.push(packet, PacketMeta::default()).unwrap();
            self.waiting.pop();
        }
        while !sending.is_empty() {
            self.sender.transmit(&mut sending);
        }
        // Frees what comes back, which is what the interface under test sends.
        self.sender.receive(&mut sending);
    }

    fn transmit(&mut self, burst: &mut Burst<AfXdpBuf>) {
        self.queue.transmit(burst);
        let mut returned = Burst::new();
        self.sender.receive(&mut returned);
    }

    fn make(&mut self, bytes: &[u8]) -> Option<AfXdpBuf> {
        self.queue.make(bytes)
    }

    fn is_exhausted(&self) -> bool {
        self.waiting.is_empty() && self.idle > QUIET
    }

    fn stats(&self) -> IoStats {
        self.queue.stats()
    }
}
