//! The encapsulation of EtherNet/IP (The CIP Networks Library, volume 2, 2-3 and 2-6): header and items.

use super::names;
use crate::protocols::framed::Cursor;

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 24;
/// Commands that carry items with an interface and a timeout before them.
const SEND_RR_DATA: u16 = 0x6f;
const SEND_UNIT_DATA: u16 = 0x70;

/// What the header says; all numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) command: u16,
    pub(super) length: u16,
    pub(super) session: u32,
    pub(super) status: u32,
    pub(super) context: [u8; 8],
    pub(super) options: u32,
}

impl Header {
    /// Reads a header; None where there are too few bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        Some(Self {
            command: cursor.u16_le()?,
            length: cursor.u16_le()?,
            session: cursor.u32_le()?,
            status: cursor.u32_le()?,
            context: *cursor.array()?,
            options: cursor.u32_le()?,
        })
    }

    /// Whether the command exists, the status exists, and the length is one that the command may have.
    pub(super) fn is_known(&self) -> bool {
        let length = match self.command {
            0x00 => true,
            0x04 | 0x63 | 0x64 => self.length == 0 || self.length >= 2,
            0x65 => self.length == 4 || (self.length == 0 && self.status != 0),
            0x66 => self.length == 0,
            SEND_RR_DATA | SEND_UNIT_DATA => self.length >= 8 || (self.length == 0 && self.status != 0),
            0x72 | 0x73 => true,
            _ => false,
        };
        length && names::status(self.status).is_some() && self.options == 0
    }

    /// Whether items follow.
    pub(super) const fn has_packet(&self) -> bool {
        matches!(self.command, SEND_RR_DATA | SEND_UNIT_DATA)
    }

    /// Whether the data of this command belongs to a connection.
    pub(super) const fn is_connected(&self) -> bool {
        self.command == SEND_UNIT_DATA
    }
}

/// An item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) kind: u16,
    pub(super) data: &'a [u8],
}

/// Item types.
pub(super) mod item {
    pub(in super::super) const IDENTITY: u16 = 0x0c;
    pub(in super::super) const CONNECTED_ADDRESS: u16 = 0xa1;
    pub(in super::super) const CONNECTED_DATA: u16 = 0xb1;
    pub(in super::super) const UNCONNECTED_DATA: u16 = 0xb2;
    pub(in super::super) const SERVICES: u16 = 0x100;
    pub(in super::super) const SEQUENCED_ADDRESS: u16 = 0x8002;
}

/// Items one after another, as many as their number says and the bytes hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Items<'a> {
    cursor: Cursor<'a>,
    left: u16,
}

impl<'a> Items<'a> {
    /// Of a list: number and items.
    pub(super) fn of_list(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let left = cursor.u16_le()?;
        Some(Self { cursor, left })
    }

    /// Of a packet: interface and timeout stand before the number. The interface is that of CIP.
    pub(super) fn of_packet(data: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(data);
        let (0, _) = (cursor.u32_le()?, cursor.u16_le()?) else { return None };
        Self::of_list(cursor.rest())
    }

    /// Whether all the items are there and nothing behind them.
    pub(super) fn is_whole(mut self) -> bool {
        while self.left > 0 {
            if self.next().is_none() {
                return false;
            }
        }
        self.cursor.is_empty()
    }

    /// Whether they are whole, an address first and data after it.
    pub(super) fn is_message(mut self) -> bool {
        let is_whole = self.is_whole();
        let kinds = [self.next(), self.next()].map(|found| found.map(|found| found.kind));
        is_whole
            && matches!(
                kinds,
                [Some(0 | item::CONNECTED_ADDRESS), Some(item::CONNECTED_DATA | item::UNCONNECTED_DATA)]
            )
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.left = self.left.checked_sub(1)?;
        let kind = self.cursor.u16_le()?;
        let length = self.cursor.u16_le()?;
        Some(Item { kind, data: self.cursor.take(usize::from(length))? })
    }
}

/// Connection that a datagram of cyclic data is for: two items, a sequenced address and connected data, without a header
/// (volume 2, 3-2.2).
pub(super) fn cyclic(datagram: &[u8]) -> Option<u32> {
    let mut items = Items::of_list(datagram).filter(|items| items.left == 2 && items.is_whole())?;
    let (address, data) = (items.next()?, items.next()?);
    let is_cyclic = address.kind == item::SEQUENCED_ADDRESS
        && address.data.len() == 8
        && data.kind == item::CONNECTED_DATA;
    is_cyclic.then(|| Cursor::new(address.data).u32_le()).flatten()
}
