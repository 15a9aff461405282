//! Capture files put together field by field, so that tests do not read what the crate itself wrote.

use packet_io::replay::{CaptureOptions, CaptureReader, ReplayError};
use packet_io::{PacketMeta, replay};

/// Byte order of a crafted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Both byte orders.
pub(crate) const ORDERS: [Order; 2] = [Order::Little, Order::Big];

impl Order {
    /// A 16-bit number.
    pub(crate) fn u16(self, value: u16) -> Vec<u8> {
        match self {
            Self::Little => value.to_le_bytes().to_vec(),
            Self::Big => value.to_be_bytes().to_vec(),
        }
    }

    /// 32-bit numbers.
    pub(crate) fn u32(self, values: &[u32]) -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| match self {
                Self::Little => value.to_le_bytes(),
                Self::Big => value.to_be_bytes(),
            })
            .collect()
    }

    /// A signed 64-bit number.
    pub(crate) fn i64(self, value: i64) -> Vec<u8> {
        match self {
            Self::Little => value.to_le_bytes().to_vec(),
            Self::Big => value.to_be_bytes().to_vec(),
        }
    }

    /// The header of a pcap file of version 2.4.
    pub(crate) fn pcap(self, magic: u32, network: u32) -> Vec<u8> {
        self.pcap_of_version(magic, (2, 4), network)
    }

    /// The header of a pcap file.
    pub(crate) fn pcap_of_version(self, magic: u32, version: (u16, u16), network: u32) -> Vec<u8> {
        let version = [self.u16(version.0), self.u16(version.1)].concat();
        [self.u32(&[magic]), version, self.u32(&[0, 0, 65_535, network])].concat()
    }

    /// A record of a pcap file, whole on the wire.
    pub(crate) fn record(self, time: (u32, u32), packet: &[u8]) -> Vec<u8> {
        let len = packet.len() as u32;
        [self.u32(&[time.0, time.1, len, len]), packet.to_vec()].concat()
    }

    /// A pcapng block.
    pub(crate) fn block(self, block_type: u32, body: &[u8]) -> Vec<u8> {
        let len = body.len().next_multiple_of(4) as u32 + 12;
        [self.u32(&[block_type, len]), padded(body), self.u32(&[len])].concat()
    }

    /// An option of a pcapng block.
    pub(crate) fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        [self.u16(code), self.u16(value.len() as u16), padded(value)].concat()
    }

    /// A Section Header Block.
    pub(crate) fn section(self) -> Vec<u8> {
        let version = [self.u16(1), self.u16(0)].concat();
        let options = [self.option(4, b"crafted"), self.option(0, b"")].concat();
        self.block(
            0x0a0d_0d0a,
            &[self.u32(&[0x1a2b_3c4d]), version, self.u32(&[u32::MAX; 2]), options].concat(),
        )
    }

    /// An Interface Description Block with these options.
    pub(crate) fn interface(self, link_type: u16, snap_len: u32, options: &[u8]) -> Vec<u8> {
        let fields = [self.u16(link_type), self.u16(0), self.u32(&[snap_len])].concat();
        self.block(1, &[&fields, options].concat())
    }

    /// An Enhanced Packet Block, whole on the wire, with these options.
    pub(crate) fn enhanced(self, interface: u32, ticks: u64, packet: &[u8], options: &[u8]) -> Vec<u8> {
        let len = packet.len() as u32;
        let fields = self.u32(&[interface, (ticks >> 32) as u32, ticks as u32, len, len]);
        self.block(6, &[fields, padded(packet), options.to_vec()].concat())
    }

    /// A Simple Packet Block.
    pub(crate) fn simple(self, wire_len: u32, captured: &[u8]) -> Vec<u8> {
        self.block(3, &[self.u32(&[wire_len]), captured.to_vec()].concat())
    }
}

/// `bytes` with zeros up to a multiple of four.
pub(crate) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// All that a reader gives: packets with what is known of them, errors, names of the interfaces.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Packets in order.
    pub(crate) packets: Vec<(Vec<u8>, PacketMeta)>,
    /// Errors in order.
    pub(crate) errors: Vec<ReplayError>,
    /// Names by number.
    pub(crate) interfaces: Vec<String>,
}

/// Reads a file to its end.
pub(crate) fn read(file: &[u8]) -> Contents {
    read_up_to(file, replay::MAX_PACKET)
}

/// Reads a file to its end, with packets of at most `max_packet` bytes.
pub(crate) fn read_up_to(file: &[u8], max_packet: u32) -> Contents {
    let options = CaptureOptions { max_packet, ..CaptureOptions::default() };
    let mut reader = CaptureReader::with_options(file, options);
    let mut contents = Contents::default();
    loop {
        match reader.next() {
            Ok(Some(packet)) => contents.packets.push((packet.bytes.to_vec(), packet.meta)),
            Ok(None) => break,
            Err(error) => contents.errors.push(error),
        }
    }
    assert!(matches!(reader.next(), Ok(None)), "the end is final");
    contents.interfaces = reader.interfaces().to_vec();
    contents
}

/// Reads a file that must be without fault.
pub(crate) fn read_whole(file: &[u8]) -> Vec<(Vec<u8>, PacketMeta)> {
    let contents = read(file);
    assert!(contents.errors.is_empty(), "{:?}", contents.errors);
    contents.packets
}
