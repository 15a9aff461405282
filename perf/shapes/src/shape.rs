//! Packets to measure with.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use packet_io::memory::{Changed, Memory, MemoryOptions, Vary};
use packet_io::replay::{CaptureWriter, WriteError};
use packet_io::{BURST, Burst, Link, PacketBuf, PacketIo, PacketMeta};
use sample::load;

use crate::ground_truth;

/// A frame and what is known of it.
pub type Packet = (Vec<u8>, PacketMeta);

/// A shape of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShapeName {
    /// Every Ethernet capture of the ground truth, merged
    Mixed,
    /// What the ground truth has of TCP port 443: flows with a handshake and little more
    TlsFlows,
    /// 400 TLS sessions of 500 frames of 1,514 bytes
    BulkTls,
    /// 100,000 flows of random bytes in frames of 64 bytes, which go on and on
    RandomUdp,
    /// The same flows with 10 packets each, from beginning to end
    UdpFlows,
    /// One SYN each of 500,000 sources
    SynScan,
    /// The made capture of many protocols, 400 times with addresses of their own
    Sample,
}

/// How many packets a round of a shape has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// As many as the names of the shapes say.
    Full,
    /// Few enough to be made within a second and to fit into some MiB: bulk-tls has 100 sessions of 100 frames, syn-scan
    /// 100,000 sources.
    Small,
}

/// Packets to measure with.
#[derive(Debug)]
pub struct Shape {
    /// Name in the report.
    pub name: &'static str,
    /// One round of packets.
    pub packets: Vec<Packet>,
    /// What becomes of the flows of a round at its end.
    pub rest: Rest,
    /// Every packet begins a flow.
    pub is_scan: bool,
    /// Rounds before the first that is measured.
    pub warm_up_rounds: u64,
    /// Rounds in a capture file: some where a round is small, one where a second would be another shape (the flows of
    /// a scan would not be new).
    pub rounds_in_capture: u64,
}

/// What becomes of the flows of a round at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the packets end them, or the next round goes on with them.
    Goes,
    /// Time passes until every flow has ended, inside the measurement: who begins flows has to end them.
    Ends,
}

/// Why there are no packets.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// The captures are not there.
    #[error("no captures in {}; set WIREWARDEN_GROUND_TRUTH", .0.display())]
    Absent(PathBuf),
    /// The packets could not be made.
    #[error("cannot make packets: {0}")]
    Make(#[from] io::Error),
}

impl ShapeError {
    /// Whether the shape can be passed over.
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Absent(_))
    }
}

impl ShapeName {
    /// Those that figures in documents are about.
    pub const ALL: [Self; 6] =
        [Self::Mixed, Self::TlsFlows, Self::BulkTls, Self::RandomUdp, Self::UdpFlows, Self::SynScan];

    /// Name in reports.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::TlsFlows => "tls-flows",
            Self::BulkTls => "bulk-tls",
            Self::RandomUdp => "random-udp",
            Self::UdpFlows => "udp-flows",
            Self::SynScan => "syn-scan",
            Self::Sample => "sample",
        }
    }

    /// Makes or reads the packets.
    ///
    /// # Errors
    /// There are no captures to read, or the packets could not be made.
    pub fn load(self, size: Size) -> Result<Shape, ShapeError> {
        let is_small = size == Size::Small;
        let mut made: Vec<(u64, Vec<u8>)> = Vec::new();
        let (rest, rounds) = match self {
            Self::Mixed => return Ok(self.shape(varied(ground_truth::merged()?, VARIATIONS), Rest::Goes, 1)),
            Self::TlsFlows => {
                return Ok(self.shape(varied(ground_truth::merged_https()?, VARIATIONS), Rest::Goes, 1));
            }
            Self::Sample => {
                sample::mixed::write(&mut made)?;
                return Ok(self.shape(varied(packets(made), SAMPLE_VARIATIONS), Rest::Goes, 1));
            }
            Self::BulkTls => {
                let (sessions, frames) = if is_small { (100, 100) } else { (400, 500) };
                load::bulk_tls(sessions, frames, &mut made)?;
                (Rest::Goes, 1)
            }
            Self::RandomUdp => {
                // Few packets: the buffers of a port are few and stay in cache, and so should these. After some rounds
                // every flow has shown as many payloads as are looked at.
                load::random_udp(100_000, 200_000, &mut made)?;
                (Rest::Goes, 5)
            }
            Self::UdpFlows => {
                load::random_udp(100_000, 1_000_000, &mut made)?;
                (Rest::Ends, 1)
            }
            Self::SynScan => {
                load::syn_scan(if is_small { 100_000 } else { 500_000 }, &mut made)?;
                (Rest::Ends, 1)
            }
        };
        Ok(self.shape(packets(made), rest, rounds))
    }

    fn shape(self, packets: Vec<Packet>, rest: Rest, rounds: u64) -> Shape {
        Shape {
            name: self.text(),
            packets,
            rest,
            is_scan: self == Self::SynScan,
            warm_up_rounds: rounds,
            rounds_in_capture: rounds,
        }
    }
}

fn packets(made: Vec<(u64, Vec<u8>)>) -> Vec<Packet> {
    made.into_iter().map(|(timestamp_ns, bytes)| (bytes, ethernet(timestamp_ns))).collect()
}

impl Shape {
    /// The packets as a source that never ends.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let options = MemoryOptions { loops: None, changed: Changed::Keep, ..MemoryOptions::default() };
        Memory::new(self.packets.iter().map(|(bytes, meta)| (bytes, *meta)), options)
    }

    /// Packets of whole rounds, at least `least`.
    #[must_use]
    pub fn whole_rounds(&self, least: u64) -> u64 {
        let round = self.packets.len() as u64;
        least.div_ceil(round.max(1)).max(1) * round
    }

    /// Packets before the first that is measured.
    #[must_use]
    pub const fn warm_up(&self) -> u64 {
        self.warm_up_rounds * self.packets.len() as u64
    }

    /// Mean bytes of a packet on the wire.
    #[must_use]
    pub fn bytes_per_packet(&self) -> f64 {
        let wire = |(bytes, meta): &Packet| u64::from(meta.wire_len).max(bytes.len() as u64);
        self.packets.iter().map(wire).sum::<u64>() as f64 / self.packets.len().max(1) as f64
    }

    /// Writes some rounds as a capture file; gives how many packets that are.
    ///
    /// # Errors
    /// Those of the file.
    pub fn write_capture(&self, path: &Path) -> io::Result<u64> {
        let count = self.rounds_in_capture * self.packets.len() as u64;
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut writer = CaptureWriter::new(file, Link::ETHERNET.linktype())?;
        let (mut memory, mut burst, mut left) = (self.memory(), Burst::new(), count);
        while left > 0 {
            burst.clear();
            memory.receive(&mut burst);
            for (buf, meta) in
                burst.bufs().iter().zip(burst.metas()).take(usize::try_from(left).unwrap_or(usize::MAX))
            {
                match writer.write(buf.bytes(), meta) {
                    Ok(()) => {}
                    Err(WriteError::Io(error)) => return Err(error),
                    Err(other) => return Err(io::Error::other(other.to_string())),
                }
            }
            left = left.saturating_sub(burst.len() as u64);
        }
        writer.finish()?;
        Ok(count)
    }
}

/// The same packets several times over, with flows of their own each time.
fn varied(packets: Vec<Packet>, times: usize) -> Vec<Packet> {
    let wanted = packets.len() * times;
    let options = MemoryOptions {
        loops: Some(times as u64),
        vary: Vary::Addresses,
        changed: Changed::Keep,
        ..MemoryOptions::default()
    };
    let mut memory = Memory::new(packets, options);
    let (mut all, mut burst) = (Vec::with_capacity(wanted), Burst::new());
    while !memory.is_exhausted() {
        memory.receive(&mut burst);
        all.extend(burst.drain(BURST).map(|(buf, meta)| (buf.bytes().to_vec(), meta)));
    }
    all
}

/// A million packets or so.
const VARIATIONS: usize = 19;
/// A hundred thousand packets or so.
const SAMPLE_VARIATIONS: usize = 400;

fn ethernet(timestamp_ns: u64) -> PacketMeta {
    PacketMeta { timestamp_ns, link: Link::ETHERNET, ..PacketMeta::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let packets = (0..3).map(|n| (vec![n; 60], ethernet(u64::from(n) * 1000))).collect();
        Shape {
            name: "three",
            packets,
            rest: Rest::Goes,
            is_scan: false,
            warm_up_rounds: 1,
            rounds_in_capture: 3,
        }
    }

    #[test]
    fn a_run_has_whole_rounds_and_at_least_one() {
        assert_eq!([0, 1, 3, 4].map(|least| shape().whole_rounds(least)), [3, 3, 3, 6]);
    }

    #[test]
    fn variations_keep_all_packets_in_order_of_time() {
        let all = varied(shape().packets, VARIATIONS);
        assert_eq!(all.len(), 3 * VARIATIONS);
        assert!(all.is_sorted_by_key(|(_, meta)| meta.timestamp_ns));
    }

    #[test]
    fn a_small_shape_needs_no_capture() {
        for name in [ShapeName::Sample, ShapeName::BulkTls, ShapeName::SynScan] {
            let shape = name.load(Size::Small).unwrap();
            assert!(
                (5_000..200_000).contains(&shape.packets.len()),
                "{}: {}",
                shape.name,
                shape.packets.len()
            );
        }
    }

    #[test]
    fn a_capture_has_the_rounds_of_its_shape_and_no_packet_more() {
        let path = std::env::temp_dir().join(format!("bench-shapes-{}.pcap", std::process::id()));
        assert_eq!(shape().write_capture(&path).unwrap(), 9);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 24 + 9 * (16 + 60));
        std::fs::remove_file(path).unwrap();
    }
}
