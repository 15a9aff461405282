//! Capture files with nanoseconds (draft-ietf-opsawg-pcap).

use std::io::{self, Write};

use crate::Sink;

/// Writes Ethernet frames.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: W,
}

impl<W: Write> PcapWriter<W> {
    /// Starts a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut header = Vec::with_capacity(24);
        header.extend_from_slice(&0xa1b2_3c4d_u32.to_le_bytes());
        header.extend_from_slice(&2_u16.to_le_bytes());
        header.extend_from_slice(&4_u16.to_le_bytes());
        // Two reserved words, the longest frame, LINKTYPE_ETHERNET.
        for word in [0, 0, 262_144, 1_u32] {
            header.extend_from_slice(&word.to_le_bytes());
        }
        out.write_all(&header)?;
        Ok(Self { out })
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Sink for PcapWriter<W> {
    fn packet(&mut self, time_ns: u64, frame: &[u8]) -> io::Result<()> {
        let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let seconds = u32::try_from(time_ns / 1_000_000_000).map_err(|_| io::ErrorKind::InvalidInput)?;
        let nanos = u32::try_from(time_ns % 1_000_000_000).map_err(|_| io::ErrorKind::InvalidInput)?;
        for word in [seconds, nanos, length, length] {
            self.out.write_all(&word.to_le_bytes())?;
        }
        self.out.write_all(frame)
    }
}
