//! Bursts of packets in and out.
//!
//! One trait, [`PacketIo`], and a backend per folder: capture files ([`replay`]), packets held in memory
//! ([`memory`]), DPDK ports (`dpdk`, with the feature of that name) and kernel interfaces (`af_xdp`, with the feature
//! `xdp`, which also has `tun`: an interface of the kernel's that a program is the other end of). A backend is chosen once, in `main`; every
//! call after that is static.

use core::ops::Range;

pub mod memory;
pub mod replay;

mod burst;
mod meta;
mod repeat;
mod shunt;
mod storage;

#[cfg(feature = "dpdk")]
pub mod dpdk;

#[cfg(feature = "xdp")]
pub mod af_xdp;
#[cfg(feature = "xdp")]
mod linux;
#[cfg(feature = "xdp")]
mod netlink;
#[cfg(feature = "xdp")]
pub mod tun;
#[cfg(feature = "xdp")]
pub mod xdp;

pub use burst::{BURST, Burst};
pub use meta::{ChecksumOffload, Link, PacketMeta};
pub use shunt::{FlowTuple, ShuntAction, ShuntCount, ShuntRefusal, Shunts};

/// One received or to-be-sent packet; returned to its pool when dropped.
pub trait PacketBuf {
    /// The frame as it is contiguous in memory.
    fn bytes(&self) -> &[u8];
    /// The same, to be changed in place.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Everything that belongs to this packet alone and may be written, and where in it the frame is: room before and
    /// behind it for headers that are put on or taken off in place. Backends without room give the frame alone.
    fn storage_mut(&mut self) -> (&mut [u8], Range<usize>) {
        let bytes = self.bytes_mut();
        let len = bytes.len();
        (bytes, 0..len)
    }

    /// Makes the frame these bytes of [`storage_mut`](Self::storage_mut), with what they hold; whether they are in it.
    /// Nothing changes where they are not. Backends without room take only the frame as it is.
    #[must_use]
    fn place(&mut self, range: Range<usize>) -> bool {
        range == (0..self.bytes().len())
    }

    /// Returns every packet of a burst to its pool; for a backend that does it faster together than one by one.
    fn release(burst: &mut Burst<Self>)
    where
        Self: Sized,
    {
        burst.drain(BURST).for_each(drop);
    }
}

/// Counters of one port or file, absolute since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoStats {
    /// Packets handed to the caller.
    pub rx_packets: u64,
    /// Bytes of them on the wire.
    pub rx_bytes: u64,
    /// Packets the port took to send.
    pub tx_packets: u64,
    /// Bytes of them.
    pub tx_bytes: u64,
    /// Packets the device dropped because no descriptor was free (DPDK `imissed`).
    pub rx_missed: u64,
    /// Packets received in error (DPDK `ierrors`), or records of a file that could not be read.
    pub rx_errors: u64,
    /// Packets dropped because no buffer was free (DPDK `rx_nombuf`).
    pub rx_no_buffer: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
}

/// Where a worker's packets come from and go to: one queue pair, owned by one thread.
pub trait PacketIo {
    /// A packet of this backend.
    type Buf: PacketBuf;

    /// Appends what is there to `burst`, up to its capacity; never blocks.
    fn receive(&mut self, burst: &mut Burst<Self::Buf>);

    /// Takes from the front of `burst` what the port accepts; the rest stays.
    fn transmit(&mut self, burst: &mut Burst<Self::Buf>);

    /// A packet of its own to be sent, with room before it; `None` where the backend makes none, they do not fit one
    /// buffer, or no buffer is free.
    fn make(&mut self, bytes: &[u8]) -> Option<Self::Buf> {
        let _ = bytes;
        None
    }

    /// The time for packets that the backend has none of its own for, nanoseconds since the UNIX epoch: one clock read
    /// per burst, by the worker.
    fn set_clock(&mut self, now_ns: u64) {
        let _ = now_ns;
    }

    /// Whether no packet will ever come again (end of the files).
    fn is_exhausted(&self) -> bool {
        false
    }

    /// Counters since the start.
    fn stats(&self) -> IoStats;
}
