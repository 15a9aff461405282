//! The envelope of a message in aligned PER (ITU-T X.691), as all these protocols define it (for one, 3GPP TS 38.413, 9.4).

use crate::protocols::framed::Cursor;

/// A message: kind, procedure, criticality, and an open type that fills the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pdu<'a> {
    kind: u8,
    pub(super) procedure: u8,
    criticality: u8,
    content: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// Reads a message; None where its length is another.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (kind, procedure, criticality) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
        if !matches!(kind, 0x00 | 0x20 | 0x40 | 0x80) || !matches!(criticality, 0x00 | 0x40 | 0x80) {
            return None;
        }
        let content = open_type(&mut cursor)?;
        // Nothing follows, and the least content is a list of elements that is empty.
        (cursor.is_empty() && content.len() >= 3).then_some(Self { kind, procedure, criticality, content })
    }

    /// Kind of the message, where the choice of kinds may be extended or may not.
    pub(super) const fn kind(&self, extensible: bool) -> &'static str {
        match (self.kind, extensible) {
            (0x00, _) => "initiating",
            (0x20, true) | (0x40, false) => "successful_outcome",
            (0x40, true) | (0x80, false) => "unsuccessful_outcome",
            _ => "unknown",
        }
    }

    /// What a receiver does who does not understand it.
    pub(super) const fn criticality(&self) -> &'static str {
        criticality(self.criticality)
    }

    /// The information elements; None where they do not fill the message.
    pub(super) fn elements(&self) -> Option<Elements<'a>> {
        let mut cursor = Cursor::new(self.content);
        // Whether there are extensions, and optional parts: the message's own bits.
        if cursor.u8()? & 0x3f != 0 {
            return None;
        }
        let count = cursor.u16()?;
        let elements = Elements { cursor, left: count };
        let mut walk = elements;
        for _ in 0..count {
            walk.next()?;
        }
        let has_optional = self.content.first().is_some_and(|first| first & 0xc0 != 0);
        (walk.cursor.is_empty() || has_optional).then_some(elements)
    }
}

const fn criticality(bits: u8) -> &'static str {
    match bits {
        0x00 => "reject",
        0x40 => "ignore",
        _ => "notify",
    }
}

/// An open type: its length (X.691, 11.9; below 16,384), and as many bytes.
fn open_type<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let first = cursor.u8()?;
    let len = match first {
        0..=0x7f => usize::from(first),
        0x80..=0xbf => usize::from(first & 0x3f) << 8 | usize::from(cursor.u8()?),
        _ => return None,
    };
    cursor.take(len)
}

/// Information elements of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    cursor: Cursor<'a>,
    left: u16,
}

impl Elements<'_> {
    /// How many there are.
    pub(super) const fn declared(&self) -> u16 {
        self.left
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (id, criticality) = (self.cursor.u16()?, self.cursor.u8()?);
        if !matches!(criticality, 0x00 | 0x40 | 0x80) {
            return None;
        }
        Some(Element { id, value: open_type(&mut self.cursor)? })
    }
}

/// An information element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) id: u16,
    pub(super) value: &'a [u8],
}

impl<'a> Element<'a> {
    /// A whole number of a range above 65,536 (X.691, 11.5.7.4), whose count of bytes takes `bits` bits.
    pub(super) fn integer(&self, bits: u32) -> Option<u64> {
        let (first, digits) = self.value.split_first()?;
        let count = usize::from(first.checked_shr(8 - bits)?) + 1;
        (digits.len() == count && count <= 8)
            .then(|| digits.iter().fold(0, |value, digit| value << 8 | u64::from(*digit)))
    }

    /// An OCTET STRING of any length.
    pub(super) fn octets(&self) -> Option<&'a [u8]> {
        open_type(&mut Cursor::new(self.value))
    }

    /// A PrintableString of 1 to 150 characters that may be extended: one bit, eight of length, then aligned.
    pub(super) fn name(&self) -> Option<&'a [u8]> {
        let ([first, second], text) = self.value.split_first_chunk::<2>()?;
        let len = usize::from(first << 1 | second >> 7) + 1;
        (first & 0x80 == 0 && text.len() == len && text.iter().all(|byte| matches!(byte, b' '..=b'~')))
            .then_some(text)
    }
}
