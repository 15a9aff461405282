//! Encoding of application data (ANSI/ASHRAE 135-2020, 20.2): tags, and the values of simple types.

use crate::protocols::framed::Cursor;
use crate::record::{Datum, EventWriter};

/// A tag with its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag<'a> {
    /// A value of an application type.
    Application(u8, &'a [u8]),
    /// A value whose type depends on the context.
    Context(u8, &'a [u8]),
    /// Start of several.
    Opening(u8),
    /// End of several.
    Closing(u8),
}

/// Tags one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tags<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Tags<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }

    /// The content of context tag `number`, if it comes next.
    pub(super) fn context(&mut self, number: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        match ahead.next() {
            Some(Tag::Context(found, content)) if found == number => {
                *self = ahead;
                Some(content)
            }
            _ => None,
        }
    }

    /// The content of a value of application type `kind`, if it comes next.
    pub(super) fn application(&mut self, kind: u8) -> Option<&'a [u8]> {
        let mut ahead = *self;
        match ahead.next() {
            Some(Tag::Application(found, content)) if found == kind => {
                *self = ahead;
                Some(content)
            }
            _ => None,
        }
    }

    /// Whether opening tag `number` comes next; then it is passed.
    pub(super) fn opens(&mut self, number: u8) -> bool {
        let mut ahead = *self;
        let opens = ahead.next() == Some(Tag::Opening(number));
        if opens {
            *self = ahead;
        }
        opens
    }

    /// Whether nothing is left.
    pub(super) const fn is_empty(&self) -> bool {
        self.cursor.is_empty()
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        let first = self.cursor.u8()?;
        let number = if first >> 4 == 15 { self.cursor.u8()? } else { first >> 4 };
        let is_context = first & 8 != 0;
        let length = match first & 7 {
            6 if is_context => return Some(Tag::Opening(number)),
            7 if is_context => return Some(Tag::Closing(number)),
            6 | 7 => return None,
            // The value of a boolean is in its tag.
            value if !is_context && number == BOOLEAN => {
                return Some(Tag::Application(number, if value == 0 { &[0] } else { &[1] }));
            }
            5 => match self.cursor.u8()? {
                254 => self.cursor.u16()?.into(),
                255 => self.cursor.u32()?,
                length => length.into(),
            },
            length => length.into(),
        };
        let content = self.cursor.take(usize::try_from(length).ok()?)?;
        Some(if is_context { Tag::Context(number, content) } else { Tag::Application(number, content) })
    }
}

/// Application types (20.2.1.4).
pub(super) const BOOLEAN: u8 = 1;
pub(super) const UNSIGNED: u8 = 2;
pub(super) const CHARACTER_STRING: u8 = 7;
pub(super) const ENUMERATED: u8 = 9;
pub(super) const OBJECT_IDENTIFIER: u8 = 12;

/// An unsigned number of one to eight bytes.
pub(super) fn unsigned(content: &[u8]) -> Option<u64> {
    if content.is_empty() || content.len() > 8 {
        return None;
    }
    Some(content.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Type and number of an object.
pub(super) fn object(content: &[u8]) -> Option<(u32, u32)> {
    let id = u32::from_be_bytes(*content.first_chunk().filter(|_| content.len() == 4)?);
    Some((id >> 22, id & 0x3f_ffff))
}

/// Writes a simple value; others are left out.
pub(super) fn write_value(name: &'static str, tag: Tag<'_>, event: &mut EventWriter<'_>) {
    let Tag::Application(kind, content) = tag else { return };
    let datum = match kind {
        0 => {
            event.label(name, "null");
            return;
        }
        BOOLEAN => Some(Datum::Flag(content == [1])),
        UNSIGNED | ENUMERATED => unsigned(content).map(Datum::Unsigned),
        3 => signed(content).map(Datum::Signed),
        4 => content.first_chunk().map(|bytes| Datum::Real(f32::from_be_bytes(*bytes).into())),
        5 => content.first_chunk().map(|bytes| Datum::Real(f64::from_be_bytes(*bytes))),
        CHARACTER_STRING => {
            if let Some(text) = text(content) {
                event.text(name, text);
            }
            return;
        }
        _ => None,
    };
    if let Some(datum) = datum {
        event.datum(name, datum);
    }
}

fn signed(content: &[u8]) -> Option<i64> {
    let magnitude = unsigned(content)?;
    let shift = 64 - 8 * u32::try_from(content.len()).ok()?;
    Some(i64::from_ne_bytes((magnitude << shift).to_ne_bytes()) >> shift)
}

/// Text in UTF-8 (character set 0).
pub(super) fn text(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(&[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_read() {
        // 20.2: null, boolean, unsigned 72, signed 72, real 72.0, character string, object identifier.
        let bytes = [
            0x00, 0x11, 0x21, 72, 0x31, 72, 0x44, 0x42, 0x90, 0, 0, 0x75, 3, 0, b'o', b'k', 0xc4, 0, 0xc0, 0,
            15,
        ];
        let tags: Vec<_> = Tags::new(&bytes).collect();
        assert_eq!(tags[1], Tag::Application(1, &[1]));
        assert_eq!(tags[4], Tag::Application(4, &[0x42, 0x90, 0, 0]));
        assert_eq!(tags[5], Tag::Application(7, &[0, b'o', b'k']));
        assert_eq!(object(&[0, 0xc0, 0, 15]), Some((3, 15)));
        assert_eq!(signed(&[0xff, 0x00]), Some(-256));
        let context = [0x0c, 0, 0, 0, 5, 0x19, 85, 0x3e, 0x44, 0, 0, 0, 0, 0x3f];
        let tags: Vec<_> = Tags::new(&context).collect();
        assert_eq!((tags[1], tags[2], tags[4]), (Tag::Context(1, &[85]), Tag::Opening(3), Tag::Closing(3)));
    }

    #[test]
    fn what_is_cut_ends_the_walk() {
        assert_eq!(Tags::new(&[0x75, 254, 0]).next(), None);
        assert_eq!(Tags::new(&[0x75, 5, 1]).next(), None);
        assert_eq!(Tags::new(&[0xf9]).next(), None);
    }
}
