//! Built-in types in the binary encoding (IEC 62541-6, 5.2): little-endian numbers, strings with their length in front
//! (-1 for none), node ids.

use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

/// A string or byte string; none is empty.
pub(super) fn string<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = i32::from_le_bytes(*cursor.array()?);
    if length < 0 { Some(&[]) } else { cursor.take(usize::try_from(length).ok()?) }
}

/// A number of elements; none is 0.
pub(super) fn count(cursor: &mut Cursor<'_>) -> Option<usize> {
    let count = i32::from_le_bytes(*cursor.array()?);
    Some(usize::try_from(count).unwrap_or_default())
}

/// What names a node within its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identifier<'a> {
    /// A number.
    Number(u32),
    /// Text.
    Text(&'a [u8]),
    /// A GUID, or bytes of no meaning.
    Bytes(&'a [u8]),
}

/// A node's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId<'a> {
    pub(super) namespace: u16,
    pub(super) identifier: Identifier<'a>,
}

impl<'a> NodeId<'a> {
    /// Reads a node id, extended or not (5.2.2.9, 5.2.2.10).
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let encoding = cursor.u8()?;
        let (namespace, identifier) = match encoding & 0x3f {
            0 => (0, Identifier::Number(cursor.u8()?.into())),
            1 => (cursor.u8()?.into(), Identifier::Number(cursor.u16_le()?.into())),
            2 => (cursor.u16_le()?, Identifier::Number(cursor.u32_le()?)),
            3 => (cursor.u16_le()?, Identifier::Text(string(cursor)?)),
            4 => (cursor.u16_le()?, Identifier::Bytes(cursor.take(16)?)),
            5 => (cursor.u16_le()?, Identifier::Bytes(string(cursor)?)),
            _ => return None,
        };
        if encoding & 0x80 != 0 {
            string(cursor)?;
        }
        if encoding & 0x40 != 0 {
            cursor.u32_le()?;
        }
        Some(Self { namespace, identifier })
    }

    /// The number of a node of the standard's own namespace.
    pub(super) fn standard(&self) -> Option<u32> {
        match self.identifier {
            Identifier::Number(number) if self.namespace == 0 => Some(number),
            _ => None,
        }
    }

    /// Writes an object.
    pub(super) fn write(&self, name: &'static str, event: &mut EventWriter<'_>) {
        event.object(name).number("namespace", self.namespace);
        match self.identifier {
            Identifier::Number(number) => event.number("identifier", number),
            Identifier::Text(text) => event.text("identifier", text),
            Identifier::Bytes(bytes) => event.hex("identifier", bytes),
        };
        event.close();
    }
}

/// Passes over an extension object: type, encoding, body.
pub(super) fn skip_extension(cursor: &mut Cursor<'_>) -> Option<()> {
    NodeId::read(cursor)?;
    match cursor.u8()? {
        0 => {}
        1 | 2 => {
            string(cursor)?;
        }
        _ => return None,
    }
    Some(())
}

/// Passes over localised text.
pub(super) fn skip_localised(cursor: &mut Cursor<'_>) -> Option<()> {
    let mask = cursor.u8()?;
    for bit in [1, 2] {
        if mask & bit != 0 {
            string(cursor)?;
        }
    }
    Some(())
}
