//! pcapng (draft-ietf-opsawg-pcapng): sections, interfaces and the three blocks that hold packets.

use super::clock::TickClock;
use super::error::Fault;
use super::format::{Cut, OPTION_ROOM, Setting, Step, without_fcs};
use super::order::ByteOrder;
use crate::{Link, PacketMeta};

/// How a pcapng file, and each section of it, starts: the same in either byte order.
pub(crate) const MARK: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// A pcapng file in the middle of a section.
#[derive(Debug)]
pub(crate) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// Timestamp of the last packet that had one.
    last_ns: u64,
    unfinished: Option<Unfinished>,
    begun: bool,
}

/// A block of which all that matters was read.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    /// Bytes left before the second length.
    skip: u64,
    /// The first length.
    len: u32,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    number: u16,
    snap_len: u32,
    /// Bytes of the frame check sequence at the end of each packet.
    fcs: u8,
    clock: TickClock,
}

/// A block that holds a packet: where, and what its fields say.
#[derive(Clone, Copy, Debug)]
struct PacketBlock {
    /// Length of the block.
    len: u32,
    /// Bytes before the packet.
    head: usize,
    interface: u32,
    /// Timestamp in units of the interface, where the block has one.
    ticks: Option<u64>,
    captured: u32,
    wire: u32,
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Type and both lengths.
const SHORTEST_BLOCK: u32 = 12;
const SHORTEST_SECTION: u32 = 28;
const SHORTEST_INTERFACE: u32 = 20;
const SHORTEST_SIMPLE_PACKET: u32 = 16;
const SHORTEST_PACKET: u32 = 32;

/// Bytes before the packet in a Simple Packet Block, and in the two others.
const SIMPLE_PACKET_HEAD: usize = 12;
const PACKET_HEAD: usize = 28;
const INTERFACE_HEAD: usize = 16;

/// Most interfaces kept in a section; real captures have a few, merged ones one per file.
const MOST_INTERFACES: usize = 16_384;

const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;
const PACKET_FLAGS: u16 = 2;

impl Default for Pcapng {
    fn default() -> Self {
        Self { order: ByteOrder::Little, interfaces: Vec::new(), last_ns: 0, unfinished: None, begun: false }
    }
}

impl Pcapng {
    /// Whether the file may end here.
    pub(crate) fn is_between_records(&self) -> bool {
        self.begun && self.unfinished.is_none()
    }

    /// One step on from the start of `bytes`.
    #[inline]
    pub(crate) fn step(&mut self, bytes: &[u8], setting: &mut Setting<'_>) -> Result<Step, Fault> {
        if let Some(unfinished) = self.unfinished {
            return self.finish(unfinished, bytes);
        }
        // The seven words of an Enhanced Packet Block, the common case, are read at once.
        if let Some([ENHANCED_PACKET, len, interface, high, low, captured, wire]) =
            self.order.words::<7>(bytes)
        {
            check_length(len, SHORTEST_BLOCK)?;
            if len < SHORTEST_PACKET {
                return Ok(too_short(ENHANCED_PACKET, len));
            }
            let ticks = Some(u64::from(high) << 32 | u64::from(low));
            let block = PacketBlock { len, head: PACKET_HEAD, interface, ticks, captured, wire };
            return self.packet(block, bytes, setting);
        }
        self.other_block(bytes, setting)
    }

    fn other_block(&mut self, bytes: &[u8], setting: &mut Setting<'_>) -> Result<Step, Fault> {
        let Some([block_type, len]) = self.order.words::<2>(bytes) else {
            return Ok(Step::Need(SHORTEST_BLOCK as usize));
        };
        if block_type == SECTION {
            return self.section(bytes);
        }
        check_length(len, SHORTEST_BLOCK)?;
        match block_type {
            INTERFACE => Ok(self.interface(len, bytes, setting)),
            ENHANCED_PACKET if len < SHORTEST_PACKET => Ok(too_short(block_type, len)),
            ENHANCED_PACKET => Ok(Step::Need(PACKET_HEAD)),
            PACKET => self.old_packet(len, bytes, setting),
            SIMPLE_PACKET => self.simple_packet(len, bytes, setting),
            _ => Ok(self.pass(len)),
        }
    }

    fn section(&mut self, bytes: &[u8]) -> Result<Step, Fault> {
        let Some([_, _, magic, _]) = ByteOrder::Big.words::<4>(bytes) else {
            return Ok(Step::Need(SHORTEST_SECTION as usize));
        };
        self.order = match magic {
            BYTE_ORDER_MAGIC => ByteOrder::Big,
            _ if magic.swap_bytes() == BYTE_ORDER_MAGIC => ByteOrder::Little,
            _ => return Err(Fault::ByteOrderMagic { magic }),
        };
        let Some([_, len, _, version]) = self.order.words::<4>(bytes) else {
            return Ok(Step::Need(SHORTEST_SECTION as usize));
        };
        check_length(len, SHORTEST_SECTION)?;
        // 1.2 was written by some programs and means 1.0.
        let (major, minor) = self.order.halves(version);
        if major != 1 || !matches!(minor, 0 | 2) {
            return Err(Fault::SectionVersion { major, minor });
        }
        self.interfaces.clear();
        self.begun = true;
        Ok(self.pass(len))
    }

    fn interface(&mut self, len: u32, bytes: &[u8], setting: &mut Setting<'_>) -> Step {
        if len < SHORTEST_INTERFACE {
            return too_short(INTERFACE, len);
        }
        // Options beyond the room that is kept for them are passed over.
        let wanted = (len as usize).min(INTERFACE_HEAD + OPTION_ROOM);
        let (Some([_, _, link, snap_len]), Some(block)) = (self.order.words::<4>(bytes), bytes.get(..wanted))
        else {
            return Step::Need(wanted);
        };
        if self.interfaces.len() >= MOST_INTERFACES {
            return Step::Bad {
                fault: Fault::TooManyInterfaces { limit: MOST_INTERFACES },
                skip: u64::from(len),
            };
        }
        let (link_type, _) = self.order.halves(link);
        let mut interface = Interface { link_type, number: 0, snap_len, fcs: 0, clock: TickClock::default() };
        let mut name = None;
        let options = block.get(INTERFACE_HEAD..wanted.min(len as usize - 4)).unwrap_or_default();
        for (code, value) in (Options { order: self.order, rest: options }) {
            match (code, value) {
                (IF_NAME, text) => name = Some(String::from_utf8_lossy(text)),
                (IF_TSRESOL, &[resolution]) => interface.clock.set_resolution(resolution),
                (IF_TSOFFSET, value) => {
                    if let Ok(seconds) = value.try_into() {
                        interface.clock.set_offset(self.order.i64(seconds));
                    }
                }
                (IF_FCSLEN, &[length]) => interface.fcs = fcs_bytes(length),
                _ => {}
            }
        }
        interface.number = match name.filter(|name| !name.is_empty()) {
            Some(name) => setting.interfaces.number(&name),
            None if self.interfaces.is_empty() => setting.interfaces.number(setting.unnamed),
            None => setting.interfaces.number(&format!("{}#{}", setting.unnamed, self.interfaces.len())),
        };
        self.interfaces.push(interface);
        self.pass(len)
    }

    fn old_packet(&mut self, len: u32, bytes: &[u8], setting: &Setting<'_>) -> Result<Step, Fault> {
        if len < SHORTEST_PACKET {
            return Ok(too_short(PACKET, len));
        }
        let Some([_, _, interface_and_drops, high, low, captured, wire]) = self.order.words::<7>(bytes)
        else {
            return Ok(Step::Need(PACKET_HEAD));
        };
        let interface = u32::from(self.order.halves(interface_and_drops).0);
        let ticks = Some(u64::from(high) << 32 | u64::from(low));
        self.packet(PacketBlock { len, head: PACKET_HEAD, interface, ticks, captured, wire }, bytes, setting)
    }

    fn simple_packet(&mut self, len: u32, bytes: &[u8], setting: &Setting<'_>) -> Result<Step, Fault> {
        if len < SHORTEST_SIMPLE_PACKET {
            return Ok(too_short(SIMPLE_PACKET, len));
        }
        let Some([_, _, wire]) = self.order.words::<3>(bytes) else {
            return Ok(Step::Need(SIMPLE_PACKET_HEAD));
        };
        // Such a block belongs to the first interface and leaves it to that one's limit what was captured.
        let limit = self.interfaces.first().map(|first| first.snap_len).filter(|&limit| limit != 0);
        let captured = wire.min(limit.unwrap_or(u32::MAX)).min(len - SHORTEST_SIMPLE_PACKET);
        let block = PacketBlock { len, head: SIMPLE_PACKET_HEAD, interface: 0, ticks: None, captured, wire };
        self.packet(block, bytes, setting)
    }

    #[inline]
    fn packet(&mut self, block: PacketBlock, bytes: &[u8], setting: &Setting<'_>) -> Result<Step, Fault> {
        let PacketBlock { len, head, captured, .. } = block;
        let Some(interface) = self.interfaces.get(block.interface as usize) else {
            let fault = Fault::UnknownInterface { id: block.interface, known: self.interfaces.len() };
            return Ok(Step::Bad { fault, skip: u64::from(len) });
        };
        let (len_bytes, packet_end) = (len as usize, head + captured as usize);
        if packet_end + 4 > len_bytes {
            let fault = Fault::PacketBeyondBlock { captured, block: len };
            return Ok(Step::Bad { fault, skip: u64::from(len) });
        }
        if captured > setting.max_packet {
            let fault = Fault::PacketTooLong { len: captured, limit: setting.max_packet };
            return Ok(Step::Bad { fault, skip: u64::from(len) });
        }
        let (total, fcs) = if let Some(whole) = bytes.get(..len_bytes) {
            let tail = self.order.words::<1>(whole.get(len_bytes - 4..).unwrap_or_default());
            check_lengths(len, tail)?;
            let options = packet_end.next_multiple_of(4)..len_bytes - 4;
            (len_bytes, fcs_by_flags(self.order, whole.get(options).unwrap_or_default()))
        } else if !setting.at_end && len_bytes <= setting.max_packet as usize + OPTION_ROOM {
            return Ok(Step::Need(len_bytes));
        } else if bytes.len() < packet_end {
            return Ok(Step::Need(packet_end));
        } else {
            // The packet is all there, but its options are too long to wait for, or cut off.
            self.unfinished = Some(Unfinished { skip: (len_bytes - 4 - packet_end) as u64, len });
            (packet_end, None)
        };
        if let Some(ticks) = block.ticks {
            self.last_ns = interface.clock.nanoseconds(ticks);
        }
        let (captured, wire_len) = without_fcs(captured, block.wire, fcs.unwrap_or(interface.fcs));
        let meta = PacketMeta {
            // A Simple Packet Block has no time: it takes that of the packet before.
            timestamp_ns: self.last_ns,
            wire_len,
            interface: interface.number,
            link: Link::new(interface.link_type),
        };
        Ok(Step::Packet(Cut { head, len: captured as usize, total }, meta))
    }

    /// Passes over a block up to its second length, which [`Self::finish`] looks at.
    fn pass(&mut self, len: u32) -> Step {
        self.unfinished = Some(Unfinished { skip: 0, len });
        Step::Skip(u64::from(len.saturating_sub(4)))
    }

    fn finish(&mut self, unfinished: Unfinished, bytes: &[u8]) -> Result<Step, Fault> {
        let Unfinished { skip, len } = unfinished;
        if skip > 0 {
            self.unfinished = Some(Unfinished { skip: 0, len });
            return Ok(Step::Skip(skip));
        }
        let tail = self.order.words::<1>(bytes);
        if tail.is_none() {
            return Ok(Step::Need(4));
        }
        check_lengths(len, tail)?;
        self.unfinished = None;
        Ok(Step::Skip(4))
    }
}

#[inline]
fn check_length(len: u32, least: u32) -> Result<(), Fault> {
    if len < least || !len.is_multiple_of(4) { Err(Fault::BlockLength { len }) } else { Ok(()) }
}

#[inline]
fn check_lengths(head: u32, tail: Option<[u32; 1]>) -> Result<(), Fault> {
    match tail {
        Some([tail]) if tail != head => Err(Fault::BlockLengthsDiffer { head, tail }),
        _ => Ok(()),
    }
}

fn too_short(block_type: u32, len: u32) -> Step {
    Step::Bad { fault: Fault::BlockTooShort { block_type, len }, skip: u64::from(len) }
}

/// Bytes of a frame check sequence by `if_fcslen`. The draft counts in bits, but its own example (4) and the programs
/// that followed it count in bytes: no sequence has less than 8 bits or more than 7 bytes.
fn fcs_bytes(length: u8) -> u8 {
    if length < 8 { length } else { length / 8 }
}

/// Bytes of the frame check sequence by the flags of a packet block, where they say so (bits 5 to 8).
#[inline]
fn fcs_by_flags(order: ByteOrder, options: &[u8]) -> Option<u8> {
    if options.is_empty() {
        return None;
    }
    let (_, value) = Options { order, rest: options }.find(|&(code, _)| code == PACKET_FLAGS)?;
    let [flags] = order.words::<1>(value)?;
    u8::try_from(flags >> 5 & 0xf).ok().filter(|&bytes| bytes != 0)
}

/// The options of a block: code and value.
struct Options<'a> {
    order: ByteOrder,
    rest: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], rest) = self.rest.split_first_chunk::<4>()?;
        let code = self.order.u16([a, b]);
        if code == END_OF_OPTIONS {
            return None;
        }
        let len = usize::from(self.order.u16([c, d]));
        let value = rest.get(..len)?;
        self.rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_their_end_mark_or_where_they_lie_about_their_length() {
        let list = |rest: &'static [u8]| Options { order: ByteOrder::Little, rest }.collect::<Vec<_>>();
        assert_eq!(list(&[1, 0, 1, 0, 9, 0, 0, 0, 2, 0, 2, 0, 8, 7]), [(1, &[9][..]), (2, &[8, 7][..])]);
        assert_eq!(list(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]), [(1, &[][..])]);
        assert_eq!(list(&[1, 0, 0xff, 0xff, 0, 0]), []);
    }

    #[test]
    fn a_check_sequence_is_counted_in_bits_or_bytes() {
        assert_eq!([0, 2, 4, 16, 32].map(fcs_bytes), [0, 2, 4, 2, 4]);
    }

    #[test]
    fn flags_override_the_check_sequence_of_the_interface() {
        let flags = |word: u32| {
            let mut options = vec![2, 0, 4, 0];
            options.extend_from_slice(&word.to_le_bytes());
            fcs_by_flags(ByteOrder::Little, &options)
        };
        assert_eq!(flags(4 << 5), Some(4));
        assert_eq!(flags(1), None);
        assert_eq!(fcs_by_flags(ByteOrder::Little, &[]), None);
    }
}
