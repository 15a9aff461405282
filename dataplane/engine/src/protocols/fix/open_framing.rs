//! The simple open framing header: FIX messages in other encodings (FAST, SBE, JSON ...) behind their length and the
//! encoding's number (FIX SOFH 1.0, section 2).

use arrayvec::ArrayVec;

use crate::protocols::Found;
use crate::protocols::framed::{Cursor, Framing};
use crate::record::EventWriter;

/// Length of all, encoding.
pub(super) const HEADER_LEN: usize = 6;
/// Longest message that is believed, and bytes of one that are read.
const MESSAGE_MAX: usize = 1024 * 1024;
const SHOWN_MAX: usize = 64;
/// Bytes in which a template is found.
const TEMPLATE_LEN: usize = 8;
/// Templates of one flow that are told apart.
const TEMPLATES_MAX: usize = 32;

/// How a message is encoded (SOFH 1.0, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    TagValue,
    Fast,
    /// Simple binary encoding, big-endian or not.
    Binary(Order),
    Protobuf,
    Packed,
    Basic,
    Octet,
    FixMl,
    Json,
}

/// Byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Encoding {
    const fn of(number: u16) -> Option<Self> {
        Some(match number {
            0x4700 => Self::Protobuf,
            0x5be0 => Self::Binary(Order::Big),
            0xeb50 => Self::Binary(Order::Little),
            0xa500 => Self::Packed,
            0xa501 => Self::Basic,
            0xa502 => Self::Octet,
            0xf000 => Self::TagValue,
            0xf100 => Self::FixMl,
            0xf500 => Self::Json,
            0xfa01..=0xfaff => Self::Fast,
            _ => return None,
        })
    }

    /// Name in events.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TagValue => "tag_value",
            Self::Fast => "fast",
            Self::Binary(_) => "sbe",
            Self::Protobuf => "protobuf",
            Self::Packed => "asn1_per",
            Self::Basic => "asn1_ber",
            Self::Octet => "asn1_oer",
            Self::FixMl => "fixml",
            Self::Json => "json",
        }
    }
}

/// A header, and the beginning of what follows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    len: usize,
    pub(super) encoding: Encoding,
    content: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads a header; None where it is none.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([l3, l2, l1, l0, e1, e0], content) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let len = usize::try_from(u32::from_be_bytes([*l3, *l2, *l1, *l0])).ok()?;
        let encoding = Encoding::of(u16::from_be_bytes([*e1, *e0]))?;
        let header = Self { len, encoding, content };
        (HEADER_LEN + TEMPLATE_LEN..=MESSAGE_MAX).contains(&len).then_some(header)
    }

    /// The template of FAST and SBE messages: its number, and for SBE its schema and version.
    pub(super) fn template(&self) -> Option<(u32, Option<(u16, u16)>)> {
        let mut cursor = Cursor::new(self.content);
        match self.encoding {
            Encoding::Fast => {
                // FAST 1.1, 10.5 and 10.6: the first bit of the presence map says that the number follows it.
                let map = cursor.u8()?;
                let mut last = map;
                while last & 0x80 == 0 {
                    last = cursor.u8()?;
                }
                if map & 0x40 == 0 {
                    return None;
                }
                let mut number = 0_u32;
                for _ in 0..5 {
                    let byte = cursor.u8()?;
                    number = number.checked_mul(128)? + u32::from(byte & 0x7f);
                    if byte & 0x80 != 0 {
                        return Some((number, None));
                    }
                }
                None
            }
            Encoding::Binary(order) => {
                let mut word = || match order {
                    Order::Big => cursor.u16(),
                    Order::Little => cursor.u16_le(),
                };
                let (_, template, schema, version) = (word()?, word()?, word()?, word()?);
                Some((template.into(), Some((schema, version))))
            }
            _ => None,
        }
    }
}

/// Where the message at the start of `bytes` ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    match Header::read(bytes) {
        Some(header) => Framing::at_most(header.len, SHOWN_MAX),
        None if bytes.len() < HEADER_LEN && bytes.first() == Some(&0) => Framing::Open,
        None => Framing::Invalid("invalid_framing_header"),
    }
}

/// Whether messages stand one behind the other up to the end, those of encodings with templates with sensible ones.
pub(super) fn look(bytes: &[u8]) -> Found {
    let mut rest = bytes;
    let mut count = 0_u8;
    while !rest.is_empty() && count < 8 {
        let Some(header) = Header::read(rest) else {
            return if rest.len() < HEADER_LEN && rest.first() == Some(&0) {
                Found::Maybe
            } else {
                Found::No
            };
        };
        if header.content.len() < TEMPLATE_LEN {
            return Found::Maybe;
        }
        let is_sensible = match (header.encoding, header.template()) {
            (Encoding::Fast, None) => count > 0,
            (Encoding::Binary(_), None | Some((_, Some((_, 1000..))))) => false,
            _ => true,
        };
        if !is_sensible {
            return Found::No;
        }
        let Some(after) = rest.get(header.len..) else { return Found::Maybe };
        rest = after;
        count += 1;
    }
    match count {
        0 => Found::Maybe,
        // One may be chance.
        1 => Found::Likely(80),
        _ => Found::Likely(95),
    }
}

/// Messages of one connection, by template.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    templates: ArrayVec<(Encoding, Option<u32>, u64), TEMPLATES_MAX>,
    others: u64,
}

impl Traffic {
    /// Counts a message; whether it is the first of its template.
    pub(super) fn count(&mut self, header: &Header<'_>) -> bool {
        let template = header.template().map(|(number, _)| number);
        let known = self
            .templates
            .iter_mut()
            .find(|(encoding, number, _)| (*encoding, *number) == (header.encoding, template));
        if let Some((_, _, count)) = known {
            *count = count.saturating_add(1);
            return false;
        }
        let is_kept = self.templates.try_push((header.encoding, template, 1)).is_ok();
        self.others = self.others.saturating_add(u64::from(!is_kept));
        is_kept
    }

    /// Whether there was any.
    pub(super) const fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.templates.clear();
        self.others = 0;
    }

    /// Writes the members of an event.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        event.list("templates");
        for (encoding, template, count) in &self.templates {
            event.object("").label("encoding", encoding.name());
            if let Some(template) = template {
                event.number("template_id", *template);
            }
            event.number("messages", *count).close();
        }
        event.close().number("other_messages", self.others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_stand_behind_presence_maps_and_in_headers() {
        let fast = Header::read(&[0, 0, 0, 14, 0xfa, 1, 0xc0, 0x01, 0x81, 7, 7, 7]).unwrap();
        assert_eq!((fast.encoding, fast.template()), (Encoding::Fast, Some((129, None))));
        let two_bytes = Header::read(&[0, 0, 0, 14, 0xfa, 1, 0x40, 0x80, 0x85, 7, 7, 7]).unwrap();
        assert_eq!(two_bytes.template(), Some((5, None)));
        let no_number = Header::read(&[0, 0, 0, 14, 0xfa, 1, 0x80, 0x80, 0x85, 7, 7, 7]).unwrap();
        assert_eq!(no_number.template(), None);
        let binary = Header::read(&[0, 0, 0, 14, 0xeb, 0x50, 8, 0, 5, 0, 1, 0, 2, 0]).unwrap();
        assert_eq!(binary.template(), Some((5, Some((1, 2)))));
        assert!(Header::read(&[0, 0, 0, 12, 0, 1, 0, 0]).is_none());
    }
}
