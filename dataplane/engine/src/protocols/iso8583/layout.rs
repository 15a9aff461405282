//! How a network writes messages: digits, text, lengths, bitmaps. The standard leaves it open; a layout is taken for
//! right where a message's elements, walked by it, end exactly where the message does.

use super::fields::{Edition, Format, Kind, Length, class, function, origin};
use crate::protocols::framed::from_ebcdic;

/// How digits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    Ascii,
    Ebcdic,
    /// Two to a byte.
    Packed,
}

/// How text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Ascii,
    Ebcdic,
}

/// How the length before an element is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    Ascii,
    Ebcdic,
    /// Packed digits: one byte for two, two bytes for three.
    Packed,
    /// A number of one byte.
    Byte,
}

/// How bitmaps and binary elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    /// As they are.
    Raw,
    /// As hexadecimal digits, in the text's character set.
    Hex,
}

/// A way to write messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Name in events.
    pub(super) name: &'static str,
    digits: Digits,
    text: Text,
    prefix: Prefix,
    bitmap: Binary,
    binary: Binary,
}

/// The layouts in use.
pub(super) static LAYOUTS: [Layout; 8] = [
    layout("ascii_hex_bitmap", Digits::Ascii, Text::Ascii, Prefix::Ascii, [Binary::Hex, Binary::Hex]),
    layout("ascii_hex_bitmap", Digits::Ascii, Text::Ascii, Prefix::Ascii, [Binary::Hex, Binary::Raw]),
    layout("ascii", Digits::Ascii, Text::Ascii, Prefix::Ascii, [Binary::Raw, Binary::Raw]),
    layout("ebcdic", Digits::Ebcdic, Text::Ebcdic, Prefix::Ebcdic, [Binary::Raw, Binary::Raw]),
    layout("ebcdic_hex_bitmap", Digits::Ebcdic, Text::Ebcdic, Prefix::Ebcdic, [Binary::Hex, Binary::Hex]),
    layout("bcd", Digits::Packed, Text::Ascii, Prefix::Packed, [Binary::Raw, Binary::Raw]),
    layout("bcd_binary_lengths", Digits::Packed, Text::Ascii, Prefix::Byte, [Binary::Raw, Binary::Raw]),
    layout("bcd_ebcdic_text", Digits::Packed, Text::Ebcdic, Prefix::Byte, [Binary::Raw, Binary::Raw]),
];

const fn layout(
    name: &'static str,
    digits: Digits,
    text: Text,
    prefix: Prefix,
    [bitmap, binary]: [Binary; 2],
) -> Layout {
    Layout { name, digits, text, prefix, bitmap, binary }
}

/// What a walk led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// The bytes end within the message.
    Open,
    /// The message ends where the bytes do.
    Whole,
    /// No message of this layout.
    Wrong,
}

/// Message type indicator and bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Digits of the message type.
    pub(super) kind: [u8; 4],
    /// Elements, the first in the highest bit.
    pub(super) elements: u128,
}

impl Head {
    /// Whether element `number` (1 to 128) is there.
    pub(super) const fn has(&self, number: u8) -> bool {
        self.elements >> (128 - number as u32) & 1 == 1
    }
}

/// An element shown to whoever walks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) number: u8,
    pub(super) kind: Kind,
    /// Characters it has (digits, for packed ones).
    pub(super) count: usize,
    pub(super) bytes: &'a [u8],
}

impl Layout {
    /// Walks a message from its type on, and shows its elements.
    pub(super) fn walk<'a>(
        &self,
        bytes: &'a [u8],
        edition: Edition,
        mut show: impl FnMut(Element<'a>),
    ) -> Walk {
        let mut rest = bytes;
        let head = match self.head(&mut rest) {
            Step::Read(head) => head,
            Step::Open => return Walk::Open,
            Step::Wrong => return Walk::Wrong,
        };
        for number in 2..=128_u8 {
            if number == 65 || !head.has(number) {
                continue;
            }
            match self.element(number, edition.format(number), &mut rest) {
                Step::Read(element) => show(element),
                Step::Open => return Walk::Open,
                Step::Wrong => return Walk::Wrong,
            }
        }
        if rest.is_empty() { Walk::Whole } else { Walk::Wrong }
    }

    /// Type and bitmaps of the message at the start of `rest`, which moves behind them.
    pub(super) fn head(&self, rest: &mut &[u8]) -> Step<Head> {
        let kind = match self.message_type(rest) {
            Step::Read(kind) => kind,
            Step::Open => return Step::Open,
            Step::Wrong => return Step::Wrong,
        };
        let mut elements = 0_u128;
        // Three maps at the most; the last one's bits are of no use.
        for map in 0..3 {
            let bits = match self.bitmap(rest) {
                Step::Read(bits) => bits,
                Step::Open => return Step::Open,
                Step::Wrong => return Step::Wrong,
            };
            if map < 2 {
                elements |= u128::from(bits) << (64 - 64 * map);
            }
            if bits >> 63 == 0 {
                break;
            }
        }
        // A message of two elements at the least; the standard has none with fewer.
        let count = (elements & !(1 << 127 | 1 << 63)).count_ones();
        if count < 2 { Step::Wrong } else { Step::Read(Head { kind, elements }) }
    }

    fn message_type(&self, rest: &mut &[u8]) -> Step<[u8; 4]> {
        let mut kind = [0; 4];
        match self.digits {
            Digits::Packed => {
                let Some((&[a, b], after)) = rest.split_first_chunk::<2>() else { return Step::Open };
                (kind, *rest) = ([a >> 4, a & 15, b >> 4, b & 15], after);
            }
            Digits::Ascii | Digits::Ebcdic => {
                let Some((written, after)) = rest.split_first_chunk::<4>() else { return Step::Open };
                for (digit, byte) in kind.iter_mut().zip(written) {
                    *digit = self.digit(*byte).unwrap_or(15);
                }
                *rest = after;
            }
        }
        let [version, class_digit, function_digit, origin_digit] = kind;
        let is_known = matches!(version, 0..=2)
            && class(class_digit).is_some()
            && function(function_digit).is_some()
            && origin(origin_digit).is_some();
        if is_known { Step::Read(kind) } else { Step::Wrong }
    }

    fn bitmap(&self, rest: &mut &[u8]) -> Step<u64> {
        match self.bitmap {
            Binary::Raw => {
                let Some((bits, after)) = rest.split_first_chunk::<8>() else { return Step::Open };
                *rest = after;
                Step::Read(u64::from_be_bytes(*bits))
            }
            Binary::Hex => {
                let Some((written, after)) = rest.split_first_chunk::<16>() else { return Step::Open };
                *rest = after;
                let mut bits = 0;
                for byte in written {
                    let character = if self.text == Text::Ebcdic { from_ebcdic(*byte) } else { *byte };
                    let Some(digit) = char::from(character).to_digit(16) else { return Step::Wrong };
                    bits = bits << 4 | u64::from(digit);
                }
                Step::Read(bits)
            }
        }
    }

    fn element<'a>(&self, number: u8, format: Format, rest: &mut &'a [u8]) -> Step<Element<'a>> {
        let count = match format.length {
            Length::Fixed(count) => usize::from(count),
            Length::Two(most) | Length::Three(most) => {
                let is_long = matches!(format.length, Length::Three(_));
                match self.length(if is_long { 3 } else { 2 }, rest) {
                    Step::Read(count) if count <= usize::from(most) => count,
                    Step::Read(_) | Step::Wrong => return Step::Wrong,
                    Step::Open => return Step::Open,
                }
            }
        };
        let size = match (format.kind, self.digits) {
            (Kind::Digits | Kind::Track, Digits::Packed) => count.div_ceil(2),
            (Kind::Signed, Digits::Packed) => 1 + count / 2,
            (Kind::Signed, _) => 1 + count,
            (Kind::Binary, _) if self.binary == Binary::Hex => 2 * count,
            _ => count,
        };
        let Some((bytes, after)) = rest.split_at_checked(size) else { return Step::Open };
        *rest = after;
        if self.is_right(format.kind, number, bytes) {
            Step::Read(Element { number, kind: format.kind, count, bytes })
        } else {
            Step::Wrong
        }
    }

    fn length(&self, digits: usize, rest: &mut &[u8]) -> Step<usize> {
        let size = match self.prefix {
            Prefix::Ascii | Prefix::Ebcdic => digits,
            Prefix::Packed => digits.div_ceil(2),
            Prefix::Byte => 1,
        };
        let Some((written, after)) = rest.split_at_checked(size) else { return Step::Open };
        *rest = after;
        let mut count = 0;
        for byte in written {
            let digit = match self.prefix {
                Prefix::Byte => return Step::Read(usize::from(*byte)),
                Prefix::Packed if byte >> 4 < 10 && byte & 15 < 10 => {
                    count = count * 100 + usize::from(byte >> 4) * 10 + usize::from(byte & 15);
                    continue;
                }
                Prefix::Packed => None,
                Prefix::Ascii | Prefix::Ebcdic => self.digit(*byte),
            };
            let Some(digit) = digit else { return Step::Wrong };
            count = count * 10 + usize::from(digit);
        }
        Step::Read(count)
    }

    /// Whether the bytes of an element are of its kind.
    fn is_right(&self, kind: Kind, number: u8, bytes: &[u8]) -> bool {
        match kind {
            Kind::Digits if self.digits == Digits::Packed => {
                bytes.iter().all(|byte| byte >> 4 < 10 && (byte & 15 < 10 || byte & 15 == 15))
                    && self.is_time(number, bytes)
            }
            Kind::Digits => {
                bytes.iter().all(|byte| self.digit(*byte).is_some()) && self.is_time(number, bytes)
            }
            Kind::Signed => {
                let sign = bytes.first().map(|byte| self.character(*byte));
                let rest = bytes.get(1..).unwrap_or_default();
                let digits = match self.digits {
                    Digits::Packed => rest.iter().all(|byte| byte >> 4 < 10 && byte & 15 < 10),
                    _ => rest.iter().all(|byte| self.digit(*byte).is_some()),
                };
                matches!(sign, Some(b'C' | b'D')) && digits
            }
            Kind::Text => bytes.iter().all(|byte| matches!(self.character(*byte), 0x20..=0x7e)),
            Kind::Track if self.digits == Digits::Packed => true,
            Kind::Track => bytes.iter().all(|byte| matches!(self.character(*byte), 0x20..=0x7e)),
            Kind::Binary if self.binary == Binary::Hex => {
                bytes.iter().all(|byte| self.character(*byte).is_ascii_hexdigit())
            }
            Kind::Binary | Kind::Private => true,
        }
    }

    /// Element 7 is month, day, hour, minute, second.
    fn is_time(&self, number: u8, bytes: &[u8]) -> bool {
        if number != 7 {
            return true;
        }
        let digit = |at: usize| -> u8 {
            match self.digits {
                Digits::Packed => {
                    let byte = bytes.get(at / 2).copied().unwrap_or_default();
                    if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
                }
                _ => bytes.get(at).and_then(|byte| self.digit(*byte)).unwrap_or_default(),
            }
        };
        let pair = |at: usize| digit(at) * 10 + digit(at + 1);
        (1..=12).contains(&pair(0))
            && (1..=31).contains(&pair(2))
            && pair(4) < 24
            && pair(6) < 60
            && pair(8) < 60
    }

    fn digit(&self, byte: u8) -> Option<u8> {
        let zero = if self.digits == Digits::Ebcdic || self.prefix == Prefix::Ebcdic { 0xf0 } else { b'0' };
        byte.checked_sub(zero).filter(|digit| *digit < 10)
    }

    /// The ASCII character of a byte of text.
    fn character(&self, byte: u8) -> u8 {
        if self.text == Text::Ebcdic { from_ebcdic(byte) } else { byte }
    }

    /// The characters of an element, in ASCII; separators of packed tracks are `=`.
    pub(super) fn characters<'a>(&self, element: Element<'a>) -> impl Iterator<Item = u8> + Clone + use<'a> {
        let this = *self;
        let is_packed = self.digits == Digits::Packed && matches!(element.kind, Kind::Digits | Kind::Track);
        // An odd number of digits is filled up: numbers in front, tracks and account numbers behind.
        let odd = is_packed && element.count % 2 == 1;
        let is_filled_behind = element.number == 2 || element.kind == Kind::Track;
        let skipped = usize::from(odd && !is_filled_behind);
        (0..element.count).filter_map(move |at| {
            if is_packed {
                let at = at + skipped;
                let byte = *element.bytes.get(at / 2)?;
                let digit = if at.is_multiple_of(2) { byte >> 4 } else { byte & 15 };
                Some(if digit < 10 { b'0' + digit } else { b'=' })
            } else {
                element.bytes.get(at).map(|byte| {
                    if matches!(element.kind, Kind::Digits | Kind::Track) && this.digits == Digits::Ebcdic {
                        from_ebcdic(*byte)
                    } else {
                        this.character(*byte)
                    }
                })
            }
        })
    }
}

/// What reading a part led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    Read(T),
    Open,
    Wrong,
}
