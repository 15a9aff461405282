//! Basic encoding rules (ITU-T X.690) with definite lengths, as far as SNMP, LDAP and Kerberos use them.

use super::Found;

/// BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub(super) const OBJECT_ID: u8 = 0x06;
/// ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0a;
/// SEQUENCE and SEQUENCE OF.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub(super) const SET: u8 = 0x31;

/// Bytes of an object identifier that are written.
const OID_MAX: usize = 64;

/// Head of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// More bytes are needed.
    Open,
    /// No element of a low tag number and a definite length below 2^24 starts here.
    Invalid,
    /// Tag, bytes of the head, bytes of the content.
    Element(u8, usize, usize),
}

/// Reads the head of the element at the start of `bytes` (8.1.2, 8.1.3).
pub(super) fn head(bytes: &[u8]) -> Head {
    let Some((&[tag, first], rest)) = bytes.split_first_chunk::<2>() else {
        return match bytes.first() {
            Some(tag) if tag & 0x1f == 0x1f => Head::Invalid,
            _ => Head::Open,
        };
    };
    if tag & 0x1f == 0x1f {
        return Head::Invalid;
    }
    let digits = match first {
        0..=0x7f => return Head::Element(tag, 2, usize::from(first)),
        0x81..=0x84 => usize::from(first & 0x7f),
        _ => return Head::Invalid,
    };
    let Some(digits) = rest.get(..digits) else { return Head::Open };
    let len = digits.iter().fold(0_usize, |len, digit| len << 8 | usize::from(*digit));
    if len >= 1 << 24 {
        return Head::Invalid;
    }
    Head::Element(tag, 2 + digits.len(), len)
}

/// An element of which not all may be there yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) tag: u8,
    /// Bytes of the head.
    pub(super) head: usize,
    /// Bytes that the content has by its head.
    pub(super) len: usize,
    /// What is there of the content.
    pub(super) content: &'a [u8],
    /// What is there behind it.
    pub(super) rest: &'a [u8],
}

impl<'a> Part<'a> {
    /// The element at the start of `bytes`.
    ///
    /// # Errors
    /// `Maybe` where its head needs more bytes, `No` where there is none.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Found> {
        let (tag, head, len) = match head(bytes) {
            Head::Open => return Err(Found::Maybe),
            Head::Invalid => return Err(Found::No),
            Head::Element(tag, head, len) => (tag, head, len),
        };
        let behind = bytes.get(head..).unwrap_or_default();
        let (content, rest) = behind.split_at_checked(len).unwrap_or((behind, &[]));
        Ok(Self { tag, head, len, content, rest })
    }

    /// Bytes of the whole element.
    pub(super) const fn size(&self) -> usize {
        self.head + self.len
    }

    /// Whether all of its content is there.
    pub(super) const fn is_whole(&self) -> bool {
        self.content.len() == self.len
    }
}

/// Elements that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Content of the next element if it has this tag; else nothing is taken.
    pub(super) fn with_tag(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.rest.first() != Some(&tag) {
            return None;
        }
        self.next().map(|(_, content)| content)
    }

    /// The next element, as far as it is there where the bytes end within it.
    pub(super) fn next_cut(&mut self) -> Option<(u8, &'a [u8])> {
        let part = Part::read(self.rest).ok()?;
        self.rest = part.rest;
        Some((part.tag, part.content))
    }

    /// Bytes that are left.
    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Tag of the next element.
    pub(super) fn tag(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Content of the next element if it has this tag, as far as it is there; else nothing is taken.
    pub(super) fn cut_with_tag(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.tag() != Some(tag) {
            return None;
        }
        self.next_cut().map(|(_, content)| content)
    }

    /// The elements in the next one, if it has this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Option<Self> {
        self.with_tag(tag).map(Self::new)
    }

    /// The next element, an INTEGER of at most eight bytes.
    pub(super) fn integer(&mut self) -> Option<i64> {
        let before = *self;
        let number = self.with_tag(INTEGER).and_then(integer);
        if number.is_none() {
            *self = before;
        }
        number
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let Head::Element(tag, head, len) = head(self.rest) else { return None };
        let (content, rest) = self.rest.get(head..)?.split_at_checked(len)?;
        self.rest = rest;
        Some((tag, content))
    }
}

/// Value of an INTEGER's content.
pub(super) fn integer(content: &[u8]) -> Option<i64> {
    let first = *content.first()?;
    if content.len() > 8 {
        return None;
    }
    let start = if first & 0x80 == 0 { 0 } else { -1 };
    Some(content.iter().fold(start, |value, byte| value << 8 | i64::from(*byte)))
}

/// An object identifier in dotted form; what has arcs above 2^32 or is long is cut.
pub(super) fn oid(content: &[u8]) -> String {
    use core::fmt::Write;
    let mut text = String::new();
    let (mut arc, mut is_first) = (0_u64, true);
    for byte in content.iter().take(OID_MAX) {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if arc >> 32 != 0 {
            break;
        }
        if byte & 0x80 != 0 {
            continue;
        }
        let written = if is_first {
            let root = (arc / 40).min(2);
            write!(text, "{root}.{}", arc - root * 40)
        } else {
            write!(text, ".{arc}")
        };
        if written.is_err() {
            break;
        }
        (arc, is_first) = (0, false);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_and_lies_refused() {
        assert_eq!(head(&[0x30]), Head::Open);
        assert_eq!(head(&[0x30, 5]), Head::Element(0x30, 2, 5));
        assert_eq!(head(&[0x30, 0x82, 1]), Head::Open);
        assert_eq!(head(&[0x30, 0x82, 1, 0]), Head::Element(0x30, 4, 256));
        assert_eq!(head(&[0x30, 0x80]), Head::Invalid);
        assert_eq!(head(&[0x30, 0x84, 0xff, 0, 0, 0]), Head::Invalid);
        assert_eq!(head(&[0x3f]), Head::Invalid);
    }

    #[test]
    fn integers_and_identifiers_have_their_values() {
        assert_eq!(Elements::new(&[2, 1, 0xff]).integer(), Some(-1));
        assert_eq!(Elements::new(&[2, 2, 1, 0]).integer(), Some(256));
        assert_eq!(Elements::new(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]).integer(), None);
        assert_eq!(oid(&[0x2b, 6, 1, 2, 1, 1, 1, 0]), "1.3.6.1.2.1.1.1.0");
        assert_eq!(oid(&[0xff; 200]), "");
    }
}
