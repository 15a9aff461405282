//! Formats of the data elements (ISO 8583:1987, ISO 8583:1993, and of ISO 8583:2003 those that differ from it).

/// Characters of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Digits.
    Digits,
    /// A sign (C or D) and digits.
    Signed,
    /// Letters, digits and special characters.
    Text,
    /// What the parties agree on: anything.
    Private,
    /// Bytes.
    Binary,
    /// Digits and separators of a magnetic stripe.
    Track,
}

/// How long an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many characters (bytes, for binary ones).
    Fixed(u16),
    /// Two digits of length before it, and at most so many.
    Two(u16),
    /// Three digits of length before it, and at most so many.
    Three(u16),
}

/// Format of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) kind: Kind,
    pub(super) length: Length,
}

/// Versions, as tables of formats. Networks that write version 0 use the table of 1993 at times, and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edition {
    Y1987,
    Y1993,
    Y2003,
}

impl Edition {
    /// Its year.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Y1987 => "1987",
            Self::Y1993 => "1993",
            Self::Y2003 => "2003",
        }
    }

    /// Tables to try for the version digit of a message type, best first.
    pub(super) const fn candidates(version: u8) -> &'static [Self] {
        match version {
            1 => &[Self::Y1993, Self::Y1987],
            2 => &[Self::Y2003, Self::Y1993, Self::Y1987],
            _ => &[Self::Y1987, Self::Y1993],
        }
    }

    /// Format of element `number`, 2 to 128. Elements 1 and 65 are bitmaps and not asked for.
    pub(super) const fn format(self, number: u8) -> Format {
        match self {
            Self::Y1987 => of_1987(number),
            Self::Y1993 => of_1993(number),
            Self::Y2003 => of_2003(number),
        }
    }
}

const fn digits(count: u16) -> Format {
    Format { kind: Kind::Digits, length: Length::Fixed(count) }
}

const fn digits_two(most: u16) -> Format {
    Format { kind: Kind::Digits, length: Length::Two(most) }
}

const fn text(count: u16) -> Format {
    Format { kind: Kind::Text, length: Length::Fixed(count) }
}

const fn text_two(most: u16) -> Format {
    Format { kind: Kind::Text, length: Length::Two(most) }
}

const fn private(most: u16) -> Format {
    Format { kind: Kind::Private, length: Length::Three(most) }
}

const fn bytes(count: u16) -> Format {
    Format { kind: Kind::Binary, length: Length::Fixed(count) }
}

const fn of_1987(number: u8) -> Format {
    match number {
        2 => digits_two(19),
        3 | 11 | 12 | 73 => digits(6),
        4..=6 => digits(12),
        7 => digits(10),
        8..=10 => digits(8),
        13..=18 | 71 | 72 => digits(4),
        19..=24 | 68..=70 => digits(3),
        25 | 26 | 67 => digits(2),
        27 | 66 => digits(1),
        28..=31 => Format { kind: Kind::Signed, length: Length::Fixed(8) },
        32 | 33 | 99 | 100 => digits_two(11),
        34 | 102 | 103 => text_two(28),
        35 => Format { kind: Kind::Track, length: Length::Two(37) },
        36 => Format { kind: Kind::Track, length: Length::Three(104) },
        37 => text(12),
        38 => text(6),
        39 => text(2),
        40 | 49..=51 => text(3),
        41 => text(8),
        42 => text(15),
        43 => text(40),
        44 => text_two(25),
        45 => text_two(76),
        52 | 64 | 96 | 128 => bytes(8),
        53 => digits(16),
        54 => private(120),
        74..=81 => digits(10),
        82..=85 => digits(12),
        86..=89 => digits(16),
        90 => digits(42),
        91 => text(1),
        92 => text(2),
        93 => text(5),
        94 => text(7),
        95 => text(42),
        97 => Format { kind: Kind::Signed, length: Length::Fixed(16) },
        98 => text(25),
        101 => text_two(17),
        104 => private(100),
        _ => private(999),
    }
}

const fn of_1993(number: u8) -> Format {
    match number {
        12 | 105 | 106 => digits(if number == 12 { 12 } else { 16 }),
        15 | 28 => digits(6),
        22 => text(12),
        24 | 29 | 39 | 40 | 57 | 91 | 92 => digits(3),
        25 | 26 => digits(4),
        30 => digits(24),
        31 | 43 | 44 | 95 => text_two(99),
        36 => Format { kind: Kind::Track, length: Length::Three(104) },
        46 => private(204),
        53 => Format { kind: Kind::Private, length: Length::Two(48) },
        55 => private(255),
        56 => digits_two(35),
        58 | 93 | 94 => digits_two(11),
        65 => bytes(8),
        66 => private(204),
        71 => digits(8),
        72 | 96 => private(999),
        78..=81 | 90 | 107 | 108 => digits(10),
        99 => text_two(11),
        109 | 110 => text_two(84),
        _ => of_1987(number),
    }
}

const fn of_2003(number: u8) -> Format {
    match number {
        4..=6 => digits(16),
        8 | 11 => digits(12),
        12 => digits(14),
        13 => digits(6),
        15 => digits(8),
        22 => bytes(16),
        39 => digits(4),
        _ => of_1993(number),
    }
}

/// Class of a message (second digit of its type).
pub(super) const fn class(digit: u8) -> Option<&'static str> {
    Some(match digit {
        1 => "authorization",
        2 => "financial",
        3 => "file_action",
        4 => "reversal",
        5 => "reconciliation",
        6 => "administrative",
        7 => "fee_collection",
        8 => "network_management",
        _ => return None,
    })
}

/// Function of a message (third digit).
pub(super) const fn function(digit: u8) -> Option<&'static str> {
    Some(match digit {
        0 => "request",
        1 => "response",
        2 => "advice",
        3 => "advice_response",
        4 => "notification",
        5 => "notification_acknowledgement",
        6 => "instruction",
        7 => "instruction_acknowledgement",
        _ => return None,
    })
}

/// Who began (fourth digit).
pub(super) const fn origin(digit: u8) -> Option<&'static str> {
    Some(match digit {
        0 => "acquirer",
        1 => "acquirer_repeat",
        2 => "issuer",
        3 => "issuer_repeat",
        4 => "other",
        5 => "other_repeat",
        _ => return None,
    })
}
