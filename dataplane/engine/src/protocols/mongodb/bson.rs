//! Documents (BSON 1.1): elements of one level, one after the other.

use crate::protocols::framed::Cursor;

/// An element's value, as far as anybody here wants to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(&'a [u8]),
    Number(f64),
    Document(&'a [u8]),
    Bytes(&'a [u8]),
    Other,
}

impl Value<'_> {
    /// Whether it is a number or true, and not zero.
    pub(super) fn is_true(self) -> bool {
        matches!(self, Self::Number(number) if number != 0.0)
    }
}

/// Elements of a document.
#[derive(Clone, Debug)]
pub(super) struct Elements<'a> {
    cursor: Cursor<'a>,
}

/// Elements of one document that are looked at.
const ELEMENTS_MAX: usize = 256;

/// The elements of a document, whose length comes first. Of one that was cut, those that are there.
pub(super) fn elements(document: &[u8]) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    let len = Cursor::new(document).u32_le().and_then(|len| usize::try_from(len).ok()).unwrap_or_default();
    let inside = document.get(..len).unwrap_or(document).get(4..).unwrap_or_default();
    Elements { cursor: Cursor::new(inside) }.take(ELEMENTS_MAX)
}

/// Whether elements of this type exist.
pub(super) const fn is_kind(kind: u8) -> bool {
    matches!(kind, 0x01..=0x13 | 0x7f | 0xff)
}

impl<'a> Iterator for Elements<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.cursor.u8().filter(|kind| is_kind(*kind))?;
        let name = self.cursor.c_string()?;
        Some((name, self.value(kind)?))
    }
}

impl<'a> Elements<'a> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "numbers are only compared with zero and one, and printed codes are small"
    )]
    fn value(&mut self, kind: u8) -> Option<Value<'a>> {
        let cursor = &mut self.cursor;
        Some(match kind {
            0x01 => Value::Number(f64::from_le_bytes(*cursor.array()?)),
            0x02 | 0x0d | 0x0e => {
                let len = usize::try_from(cursor.u32_le()?).ok()?;
                let text = cursor.take(len)?;
                Value::Text(text.strip_suffix(b"\0").unwrap_or(text))
            }
            0x03 | 0x04 => {
                let len = usize::try_from(Cursor::new(cursor.rest()).u32_le()?).ok()?;
                // The last document of a message that was cut goes as far as what is shown.
                Value::Document(cursor.take(len.min(cursor.len()))?)
            }
            0x05 => {
                let len = usize::try_from(cursor.u32_le()?).ok()?;
                let _subtype = cursor.u8()?;
                Value::Bytes(cursor.take(len)?)
            }
            0x06 | 0x0a | 0x7f | 0xff => Value::Other,
            0x07 => cursor.take(12).map(|_| Value::Other)?,
            0x08 => Value::Number(f64::from(cursor.u8()?)),
            0x09 | 0x11 => cursor.take(8).map(|_| Value::Other)?,
            0x0b => {
                let _ = (cursor.c_string()?, cursor.c_string()?);
                Value::Other
            }
            0x0c => {
                let len = usize::try_from(cursor.u32_le()?).ok()?;
                cursor.take(len)?;
                cursor.take(12).map(|_| Value::Other)?
            }
            0x0f => {
                let len = usize::try_from(cursor.u32_le()?).ok()?;
                cursor.take(len.saturating_sub(4)).map(|_| Value::Other)?
            }
            0x10 => Value::Number(f64::from(i32::from_le_bytes(*cursor.array()?))),
            0x12 => Value::Number(i64::from_le_bytes(*cursor.array()?) as f64),
            0x13 => cursor.take(16).map(|_| Value::Other)?,
            _ => return None,
        })
    }
}
