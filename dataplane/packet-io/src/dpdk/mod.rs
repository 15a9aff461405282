//! DPDK ports.
//!
//! [`Eal`] is the DPDK environment of this process, [`Port`] a started device, and [`DpdkQueue`] the queue pair of one
//! worker, which is its [`PacketIo`](crate::PacketIo). Everything keeps the environment alive, and a port stops when
//! its last queue and its [`Port`] are gone.
//!
//! ```no_run
//! use packet_io::dpdk::{CoreId, Device, Eal, EalConfig, Memory, Port, PortConfig};
//! use packet_io::{Burst, PacketIo};
//!
//! let device: Device = "net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap".parse()?;
//! let eal = Eal::init(&EalConfig { memory: Memory::detect(512), ..EalConfig::new(vec![device.clone()]) })?;
//! let (port, mut queues) = Port::start(&eal, &PortConfig::new(device))?;
//! let _registered = eal.register_thread(CoreId(0))?;
//! let mut burst = Burst::new();
//! if let Some(queue) = queues.first_mut() {
//!     queue.receive(&mut burst);
//!     queue.transmit(&mut burst);
//! }
//! assert_eq!(port.stats()?.rx_packets, port.stats()?.tx_packets);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![expect(unsafe_code, reason = "the fence around DPDK")]

mod af_packet;
mod device;
mod eal;
mod error;
mod info;
mod mbuf;
mod memif;
mod pool;
mod port;
mod queue;
mod ring;
mod rss;
mod rules;
mod setup;
mod spread;
mod thread;

pub use device::{Device, DeviceError, PciAddress};
pub use eal::{Eal, EalConfig, LogLevel, Memory, RuntimeFiles, free_hugepages_mib};
pub use error::{DpdkError, Errno, SetupStep};
pub use info::{Duplex, Link, PortInfo};
pub use mbuf::Mbuf;
pub use pool::MbufPool;
pub use port::{Accept, Distribution, Port, PortConfig};
pub use queue::DpdkQueue;
pub use rules::FlowRules;
pub use spread::Spread;
pub use thread::{CoreId, ThreadGuard};
