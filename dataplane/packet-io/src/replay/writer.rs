use std::io::{self, BufWriter, Write};

use thiserror::Error;

use super::clock::SECOND_NS;
use crate::PacketMeta;

/// Writes a capture: classic pcap, little-endian, nanoseconds.
///
/// A file has one link type and one interface; use one writer for each.
#[derive(Debug)]
pub struct CaptureWriter<W: Write> {
    output: BufWriter<W>,
}

/// Why a packet was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The output failed.
    #[error("the capture cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The format counts seconds in 32 bits.
    #[error("the time {timestamp_ns} ns is after the year 2106, which a pcap file cannot hold")]
    TooLate {
        /// The time, nanoseconds since the UNIX epoch.
        timestamp_ns: u64,
    },
    /// The packet is longer than readers accept.
    #[error("a packet of {len} bytes is above the 262144 that readers of pcap files accept")]
    TooLong {
        /// Bytes of the packet.
        len: usize,
    },
}

const NANOSECOND_MAGIC: u32 = 0xa1b2_3c4d;
const VERSION: (u16, u16) = (2, 4);

/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;

/// Longest packet written, also noted in the header.
const SNAP_LEN: u32 = 262_144;

impl<W: Write> CaptureWriter<W> {
    /// Begins a capture of packets of `link_type` (LINKTYPE registry of tcpdump.org, 1 = Ethernet) in `output`.
    ///
    /// # Errors
    /// When `output` fails.
    pub fn new(output: W, link_type: u16) -> io::Result<Self> {
        let mut output = BufWriter::with_capacity(BUFFER, output);
        output.write_all(&NANOSECOND_MAGIC.to_le_bytes())?;
        output.write_all(&VERSION.0.to_le_bytes())?;
        output.write_all(&VERSION.1.to_le_bytes())?;
        output.write_all(&[0; 8])?;
        output.write_all(&SNAP_LEN.to_le_bytes())?;
        output.write_all(&u32::from(link_type).to_le_bytes())?;
        Ok(Self { output })
    }

    /// Appends one packet: time and wire length come from `meta`.
    ///
    /// # Errors
    /// When the output fails, or the format cannot hold the packet; nothing is written then.
    pub fn write(&mut self, bytes: &[u8], meta: &PacketMeta) -> Result<(), WriteError> {
        let PacketMeta { timestamp_ns, wire_len, .. } = *meta;
        let (seconds, nanoseconds) = (timestamp_ns / SECOND_NS, timestamp_ns % SECOND_NS);
        let seconds = u32::try_from(seconds).map_err(|_| WriteError::TooLate { timestamp_ns })?;
        let too_long = WriteError::TooLong { len: bytes.len() };
        let captured = u32::try_from(bytes.len()).ok().filter(|&len| len <= SNAP_LEN).ok_or(too_long)?;
        // Nanoseconds of a second fit in 30 bits.
        let [fraction @ .., _, _, _, _] = nanoseconds.to_le_bytes();
        self.output.write_all(&seconds.to_le_bytes())?;
        self.output.write_all(&fraction)?;
        self.output.write_all(&captured.to_le_bytes())?;
        self.output.write_all(&wire_len.max(captured).to_le_bytes())?;
        self.output.write_all(bytes)?;
        Ok(())
    }

    /// Writes what is still held back, and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(self) -> io::Result<W> {
        self.output.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_what_the_format_says() {
        let mut writer = CaptureWriter::new(Vec::new(), 113).unwrap();
        let meta = PacketMeta { timestamp_ns: 2 * SECOND_NS + 3, wire_len: 9, ..PacketMeta::default() };
        writer.write(b"abc", &meta).unwrap();
        assert_eq!(
            writer.finish().unwrap(),
            [
                &[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 113, 0, 0, 0][..],
                &[2, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, b'a', b'b', b'c'],
            ]
            .concat()
        );
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused_and_leaves_no_trace() {
        let mut writer = CaptureWriter::new(Vec::new(), 1).unwrap();
        let late = PacketMeta { timestamp_ns: u64::MAX, ..PacketMeta::default() };
        assert!(matches!(writer.write(b"", &late), Err(WriteError::TooLate { .. })));
        let long = vec![0; SNAP_LEN as usize + 1];
        assert!(matches!(writer.write(&long, &PacketMeta::default()), Err(WriteError::TooLong { .. })));
        assert_eq!(writer.finish().unwrap().len(), 24);
    }
}
