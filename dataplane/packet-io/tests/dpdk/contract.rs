//! The promises of every backend, put to the queue of a `net_pcap` port.

use packet_io::dpdk::{Device, DpdkQueue, Eal, EalConfig, Memory, Port, PortConfig};

use crate::capture::{self, Captured, Folder};
use crate::packet_io_contract::{self, Bench};

/// More ports than the tests want; DPDK makes all of them when it starts.
const PORTS: usize = 10;

pub(crate) fn check(memory: Memory) {
    packet_io_contract::check(&mut Pcap { memory, folder: Folder::new("contract"), started: None });
}

struct Pcap {
    memory: Memory,
    folder: Folder,
    started: Option<Started>,
}

struct Started {
    eal: Eal,
    devices: Vec<Device>,
    packets: Vec<Vec<u8>>,
}

impl Bench for Pcap {
    type Io = DpdkQueue;

    fn receiving(&mut self, packets: &[Vec<u8>]) -> DpdkQueue {
        let started = self.started.get_or_insert_with(|| start(self.memory, &self.folder, packets));
        assert!(started.packets == packets, "each test receives the same packets");
        let (_port, mut queues) =
            Port::start(&started.eal, &PortConfig::new(started.devices.pop().unwrap())).unwrap();
        queues.pop().unwrap()
    }

    fn with_transmit_room(&mut self, _: &[Vec<u8>], _: usize) -> Option<DpdkQueue> {
        None
    }
}

/// DPDK with ports that all read the same file.
fn start(memory: Memory, folder: &Folder, packets: &[Vec<u8>]) -> Started {
    let file = folder.file("in.pcap");
    let captured: Vec<_> = packets.iter().map(|bytes| Captured { micros: 0, bytes: bytes.clone() }).collect();
    capture::write(&file, &captured);
    let device = |number| format!("net_pcap{number},rx_pcap={}", file.display()).parse().unwrap();
    let devices: Vec<Device> = (0..PORTS).map(device).collect();
    let eal = Eal::init(&EalConfig { memory, ..EalConfig::new(devices.clone()) }).unwrap();
    Started { eal, devices, packets: packets.to_vec() }
}
