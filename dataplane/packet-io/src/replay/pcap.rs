//! Classic pcap (draft-ietf-opsawg-pcap), with the variants that are still met.

use super::clock::SECOND_NS;
use super::error::Fault;
use super::format::{Cut, Setting, Step, without_fcs};
use super::order::ByteOrder;
use crate::{Link, PacketMeta};

/// A pcap file: its header, once that was read.
#[derive(Debug)]
pub(crate) struct Pcap {
    variant: Variant,
    file: Option<FileHeader>,
}

/// What the magic number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Variant {
    order: ByteOrder,
    /// Nanoseconds in one unit of the second timestamp field.
    unit_ns: u64,
    /// Bytes of a record header.
    record_header: usize,
}

#[derive(Debug)]
struct FileHeader {
    link_type: u16,
    /// Bytes of the frame check sequence at the end of each packet.
    fcs: u8,
    lengths: Lengths,
    interface: u16,
}

/// Which of the two lengths of a record comes first: it has not always been the captured one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    SmallerIsCaptured,
}

const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Record header of the variant of A. Kuznetzov: interface index, protocol and packet type follow the usual fields.
const MODIFIED_RECORD_HEADER: usize = 24;

impl Pcap {
    /// Recognises a file by its magic number.
    pub(crate) fn recognise(start: [u8; 4]) -> Option<Self> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
            let (unit_ns, record_header) = match order.u32(start) {
                0xa1b2_c3d4 => (1_000, RECORD_HEADER),
                0xa1b2_3c4d => (1, RECORD_HEADER),
                0xa1b2_cd34 => (1_000, MODIFIED_RECORD_HEADER),
                _ => return None,
            };
            Some(Self { variant: Variant { order, unit_ns, record_header }, file: None })
        })
    }

    /// Whether the file may end here.
    pub(crate) fn is_between_records(&self) -> bool {
        self.file.is_some()
    }

    /// One step on from the start of `bytes`.
    #[inline]
    pub(crate) fn step(&mut self, bytes: &[u8], setting: &mut Setting<'_>) -> Result<Step, Fault> {
        match &self.file {
            Some(file) => record(self.variant, file, bytes, setting.max_packet),
            None => self.start(bytes, setting),
        }
    }

    fn start(&mut self, bytes: &[u8], setting: &mut Setting<'_>) -> Result<Step, Fault> {
        let order = self.variant.order;
        let Some([_, version, _, _, _, network]) = order.words::<6>(bytes) else {
            return Ok(Step::Need(FILE_HEADER));
        };
        // The link type has the lower half; above it a flag says whether the top four bits are the length of the
        // frame check sequence, in units of two bytes. The bits between are reserved.
        let [a, _, c, d] = network.to_be_bytes();
        let fcs = if a & 0x04 != 0 { (a >> 4) * 2 } else { 0 };
        self.file = Some(FileHeader {
            link_type: u16::from_be_bytes([c, d]),
            fcs,
            lengths: lengths(order.halves(version))?,
            interface: setting.interfaces.number(setting.unnamed),
        });
        Ok(Step::Skip(FILE_HEADER as u64))
    }
}

/// Order of the lengths by version: swapped before 2.3 and by DG/UX (543.0), either way in 2.3.
fn lengths((major, minor): (u16, u16)) -> Result<Lengths, Fault> {
    match (major, minor) {
        (2, 4..) => Ok(Lengths::CapturedFirst),
        (2, 3) => Ok(Lengths::SmallerIsCaptured),
        (2, 0..3) | (543, 0) => Ok(Lengths::WireFirst),
        _ => Err(Fault::PcapVersion { major, minor }),
    }
}

#[inline]
fn record(variant: Variant, file: &FileHeader, bytes: &[u8], max_packet: u32) -> Result<Step, Fault> {
    let Some([seconds, fraction, first, second]) = variant.order.words::<4>(bytes) else {
        return Ok(Step::Need(variant.record_header));
    };
    let (captured, wire) = match file.lengths {
        Lengths::CapturedFirst => (first, second),
        Lengths::WireFirst => (second, first),
        Lengths::SmallerIsCaptured => (first.min(second), first.max(second)),
    };
    if captured > max_packet {
        return Err(Fault::PacketTooLong { len: captured, limit: max_packet });
    }
    let total = variant.record_header + captured as usize;
    if bytes.len() < total {
        return Ok(Step::Need(total));
    }
    let (len, wire_len) = without_fcs(captured, wire, file.fcs);
    let cut = Cut { head: variant.record_header, len: len as usize, total };
    let meta = PacketMeta {
        // Neither product nor sum can exceed 64 bits: 2^32 seconds and 2^32 microseconds are 4.3e18 ns.
        timestamp_ns: u64::from(seconds) * SECOND_NS + u64::from(fraction) * variant.unit_ns,
        wire_len,
        interface: file.interface,
        link: Link::new(file.link_type),
    };
    Ok(Step::Packet(cut, meta))
}
