//! Packets made from scratch, the same bytes at every run.
//!
//! [`packet`] builds frames with right lengths and checksums, [`conversation`] lets a client and a server talk over
//! TCP or UDP, [`content`] is what they say, and [`mixed`] and [`load`] are whole captures; [`invented`] has
//! signatures. [`memory`] looks for what a program should have wiped, [`still`] for times in which the machine stood still. Addresses
//! are private or set aside for documentation and benchmarks (RFC 1918, 2544, 3849, 5737), names those of RFC 2606.

#![forbid(unsafe_code)]

pub mod content;
pub mod conversation;
pub mod invented;
pub mod load;
pub mod memory;
pub mod mixed;
pub mod packet;
pub mod pcap;
pub mod random;
pub mod seeds;
pub mod still;

use std::io;

/// Start of every capture: 2026-01-01T00:00:00Z in nanoseconds since the UNIX epoch.
pub const START_NS: u64 = 1_767_225_600_000_000_000;

/// Takes frames in the order of their times.
pub trait Sink {
    /// Takes one frame, seen at `time_ns` nanoseconds since the UNIX epoch.
    ///
    /// # Errors
    /// Those of what is behind it.
    fn packet(&mut self, time_ns: u64, frame: &[u8]) -> io::Result<()>;
}

impl Sink for Vec<(u64, Vec<u8>)> {
    fn packet(&mut self, time_ns: u64, frame: &[u8]) -> io::Result<()> {
        self.push((time_ns, frame.to_vec()));
        Ok(())
    }
}
