//! What the formats have in common: they are read a step at a time from the bytes at hand, and do no input themselves.

use super::error::Fault;
use super::interfaces::Interfaces;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use crate::PacketMeta;

/// Longest packet accepted unless told otherwise: the 262,144 bytes that libpcap and Wireshark allow, and a margin.
pub const MAX_PACKET: u32 = 262_144 + 4_096;

/// Bytes of options that are waited for behind a packet or in the description of an interface.
pub(crate) const OPTION_ROOM: usize = 64 * 1024;

/// What a format makes of the bytes at hand.
#[derive(Debug)]
pub(crate) enum Step {
    /// It needs this many of them in one piece to go on.
    Need(usize),
    /// The next so many are of no interest; they may reach beyond what is at hand.
    Skip(u64),
    /// A packet, which is at hand in one piece.
    Packet(Cut, PacketMeta),
    /// A record with a fault that is not the end of the file; `skip` bytes lead to the next.
    Bad { fault: Fault, skip: u64 },
}

/// Where a packet lies in the bytes at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Bytes before it.
    pub(crate) head: usize,
    /// Bytes of it.
    pub(crate) len: usize,
    /// Bytes to take off in all, at least `head + len`.
    pub(crate) total: usize,
}

/// What a format is told about the file.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// Longest packet accepted.
    pub(crate) max_packet: u32,
    /// Name of an interface that has none.
    pub(crate) unnamed: &'a str,
    /// The interfaces met so far.
    pub(crate) interfaces: &'a mut Interfaces,
    /// Whether the bytes at hand are the last of the file.
    pub(crate) at_end: bool,
}

/// A capture format in the middle of a file.
#[derive(Debug)]
pub(crate) enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Format {
    /// Recognises the format by the first four bytes of the file.
    pub(crate) fn recognise(start: [u8; 4]) -> Option<Self> {
        if start == super::pcapng::MARK {
            return Some(Self::Pcapng(Pcapng::default()));
        }
        Pcap::recognise(start).map(Self::Pcap)
    }

    /// One step on from the start of `bytes`.
    #[inline]
    pub(crate) fn step(&mut self, bytes: &[u8], setting: &mut Setting<'_>) -> Result<Step, Fault> {
        match self {
            Self::Pcap(pcap) => pcap.step(bytes, setting),
            Self::Pcapng(pcapng) => pcapng.step(bytes, setting),
        }
    }

    /// Whether the file may end here.
    pub(crate) fn is_between_records(&self) -> bool {
        match self {
            Self::Pcap(pcap) => pcap.is_between_records(),
            Self::Pcapng(pcapng) => pcapng.is_between_records(),
        }
    }
}

/// Captured and wire length without the frame check sequence of `fcs` bytes, which a port would not hand over either.
#[inline]
pub(crate) fn without_fcs(captured: u32, wire: u32, fcs: u8) -> (u32, u32) {
    // A capture length above the wire length is a slip of the writer: what is there was on the wire.
    let wire = wire.max(captured).saturating_sub(u32::from(fcs));
    (captured.min(wire), wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_captured_part_of_a_check_sequence_is_taken_off() {
        assert_eq!(without_fcs(64, 64, 0), (64, 64));
        assert_eq!(without_fcs(64, 64, 4), (60, 60));
        assert_eq!(without_fcs(62, 64, 4), (60, 60));
        assert_eq!(without_fcs(40, 64, 4), (40, 60));
        assert_eq!(without_fcs(2, 2, 4), (0, 0));
        assert_eq!(without_fcs(64, 10, 0), (64, 64));
    }
}
