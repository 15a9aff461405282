//! Segments and fields of a message (HL7 v2.9, chapter 2).

use memchr::{memchr, memchr2};

/// Where segments end. Some systems send line feeds.
const TERMINATORS: [u8; 2] = *b"\r\n";

/// Segments of a message, without empty ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(super) const fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let [a, b] = TERMINATORS;
            let end = memchr2(a, b, self.rest).unwrap_or(self.rest.len());
            let segment = self.rest.get(..end)?;
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !segment.is_empty() {
                return Some(segment);
            }
        }
        None
    }
}

/// The header segment: its fields by the numbers of the standard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    separator: u8,
    component: u8,
    segment: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads the segment MSH; a batch's or file's header (BHS, FHS) has the same beginning.
    pub(super) fn read(segment: &'a [u8]) -> Option<Self> {
        let [b'M', b'S', b'H', separator, component, ..] = segment else {
            return match segment {
                [b'B' | b'F', b'H', b'S', separator, component, ..] => {
                    Self::checked(*separator, *component, segment)
                }
                _ => None,
            };
        };
        Self::checked(*separator, *component, segment)
    }

    fn checked(separator: u8, component: u8, segment: &'a [u8]) -> Option<Self> {
        let characters = segment.get(3..8)?;
        let (&first, encoding) = characters.split_first()?;
        // Component, repetition, escape, sub-component: punctuation, all different.
        let encoding = encoding.split(|byte| *byte == separator).next().unwrap_or_default();
        let is_right = first.is_ascii_punctuation()
            && encoding.len() >= 3
            && encoding.iter().all(u8::is_ascii_punctuation)
            && encoding
                .iter()
                .enumerate()
                .all(|(at, byte)| !encoding.iter().skip(at + 1).any(|other| other == byte));
        is_right.then_some(Self { separator, component, segment })
    }

    /// Field `number`, from 3 on (the separator itself is field 1).
    pub(super) fn field(&self, number: usize) -> &'a [u8] {
        field(self.segment, self.separator, number.saturating_sub(1))
    }

    /// Component `number` (from 1) of a field.
    pub(super) fn component(&self, field: &'a [u8], number: usize) -> &'a [u8] {
        nth(field, self.component, number.saturating_sub(1))
    }

    /// Field `number` of another segment of the message.
    pub(super) fn field_of(&self, segment: &'a [u8], number: usize) -> &'a [u8] {
        field(segment, self.separator, number)
    }
}

fn field(segment: &[u8], separator: u8, number: usize) -> &[u8] {
    nth(segment, separator, number)
}

/// Part `number`, from 0.
fn nth(bytes: &[u8], separator: u8, number: usize) -> &[u8] {
    let mut rest = bytes;
    for _ in 0..number {
        let Some(end) = memchr(separator, rest) else { return &[] };
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    memchr(separator, rest).and_then(|end| rest.get(..end)).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_numbers_of_the_standard() {
        let header =
            Header::read(b"MSH|^~\\&|LAB|HOSP|EHR|CLINIC|20240101||ORU^R01^ORU_R01|42|P|2.5").unwrap();
        assert_eq!(header.field(3), b"LAB");
        assert_eq!(header.component(header.field(9), 2), b"R01");
        assert_eq!(
            (header.field(10), header.field(12), header.field(20)),
            (&b"42"[..], &b"2.5"[..], &b""[..])
        );
        assert_eq!(header.field_of(b"MSA|AA|42", 2), b"42");
    }

    #[test]
    fn separators_are_punctuation_and_differ() {
        for segment in [&b"MSH|^^\\&|"[..], b"MSHa^~\\&|", b"MSH|ab\\&|", b"MSX|^~\\&|", b"MSH|"] {
            assert!(Header::read(segment).is_none());
        }
        assert!(Header::read(b"MSH#*~\\&#A").is_some());
    }
}
