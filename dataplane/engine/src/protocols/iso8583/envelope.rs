//! What stands before a message on a stream: its length, and the header of the link.

/// How the length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Two bytes, of what follows them.
    Two,
    /// Two bytes, themselves included.
    TwoInclusive,
    /// Four packed digits in two bytes, of what follows them.
    TwoPacked,
    /// Four digits of ASCII.
    FourDigits,
    /// Four bytes.
    Four,
}

impl Counted {
    /// All of them; those whose lengths differ most from chance first.
    pub(super) const ALL: [Self; 5] =
        [Self::Two, Self::FourDigits, Self::Four, Self::TwoInclusive, Self::TwoPacked];

    /// Name in events.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Two => "binary_2",
            Self::TwoInclusive => "binary_2_inclusive",
            Self::TwoPacked => "packed_2",
            Self::FourDigits => "ascii_4",
            Self::Four => "binary_4",
        }
    }

    /// Bytes of the length.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::Two | Self::TwoInclusive | Self::TwoPacked => 2,
            Self::FourDigits | Self::Four => 4,
        }
    }

    /// Bytes of length and message; None where the bytes are no such length.
    pub(super) fn whole(self, bytes: &[u8]) -> Option<usize> {
        let len = match self {
            Self::Two => 2 + usize::from(u16::from_be_bytes(*bytes.first_chunk()?)),
            Self::TwoInclusive => usize::from(u16::from_be_bytes(*bytes.first_chunk()?)),
            Self::Four => usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?.checked_add(4)?,
            Self::TwoPacked => {
                let mut len = 0;
                for byte in bytes.first_chunk::<2>()? {
                    let (high, low) = (byte >> 4, byte & 15);
                    len = len * 100 + usize::from((high < 10 && low < 10).then_some(high * 10 + low)?);
                }
                2 + len
            }
            Self::FourDigits => {
                let mut len = 0;
                for byte in bytes.first_chunk::<4>()? {
                    len = len * 10 + usize::from(byte.checked_sub(b'0').filter(|digit| *digit < 10)?);
                }
                4 + len
            }
        };
        (self.size() + MESSAGE_MIN..=self.size() + MESSAGE_MAX).contains(&len).then_some(len)
    }
}

/// Type, bitmap, and two elements of a digit each.
const MESSAGE_MIN: usize = 11;
/// Longest message that is believed: what all private elements can hold is more, and nobody sends it.
const MESSAGE_MAX: usize = 8 * 1024;

/// Header between length and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// None.
    Absent,
    /// Transport protocol data unit: id 0x60, destination, origin; five bytes.
    Tpdu,
    /// "ISO" and nine characters about product and state.
    Literal,
    /// Length 22 (or 26 with a reject code), and addresses, as card schemes have it.
    Scheme,
}

impl Header {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Absent, Self::Tpdu, Self::Literal, Self::Scheme];

    /// Name in events.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Absent => None,
            Self::Tpdu => Some("tpdu"),
            Self::Literal => Some("iso"),
            Self::Scheme => Some("scheme"),
        }
    }

    /// The message behind the header; None where the header is not there (or not whole).
    pub(super) fn strip(self, bytes: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Absent => Some(bytes),
            Self::Tpdu => match bytes {
                [0x60..=0x68, _, _, _, _, message @ ..] => Some(message),
                _ => None,
            },
            Self::Literal => {
                let (head, message) = bytes.split_first_chunk::<12>()?;
                let is_right = head.strip_prefix(b"ISO")?.iter().all(u8::is_ascii_digit);
                is_right.then_some(message)
            }
            Self::Scheme => match bytes {
                [size @ (22 | 26), 1 | 2, ..] => bytes.get(usize::from(*size)..),
                _ => None,
            },
        }
    }
}
