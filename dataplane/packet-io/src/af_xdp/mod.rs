//! AF_XDP sockets: packets of kernel interfaces, past the kernel's stack.
//!
//! [`open`] loads and attaches the XDP program of each interface ([`crate::xdp`]) and gives every worker its queues,
//! each of which is its [`PacketIo`](crate::PacketIo). The queues of one worker share their memory, so that a packet
//! received from one interface is sent out of another without a copy.
//!
//! ```no_run
//! use packet_io::af_xdp::{self, PortConfig};
//! use packet_io::{Burst, PacketIo};
//!
//! let (ports, mut workers) = af_xdp::open(&[PortConfig::new("eth1")], 1)?;
//! let mut burst = Burst::new();
//! if let Some(queue) = workers.first_mut().and_then(|queues| queues.first_mut()) {
//!     queue.receive(&mut burst);
//! }
//! for port in &ports {
//!     println!("{} packets", port.program().state().counters()?.total());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![expect(unsafe_code, reason = "rings and frames that the kernel shares with this process")]

mod buf;
mod error;
mod frames;
mod port;
mod queue;
mod ring;
mod socket;

pub use buf::AfXdpBuf;
pub use error::AfXdpError;
pub use port::{BusyPoll, FrameSize, Port, PortConfig, Workers, interface_index, open, pin_thread};
pub use queue::AfXdpQueue;
pub use socket::CopyChoice;
