//! What objects of each group and variation hold (IEEE 1815-2012, annex A).

/// The value in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// None, or it is in the flags.
    Absent,
    /// Unsigned, so many bytes.
    Unsigned(u8),
    /// Signed, so many bytes.
    Signed(u8),
    /// IEEE 754, four bytes.
    Single,
    /// IEEE 754, eight bytes.
    Double,
}

impl Value {
    const fn size(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Unsigned(size) | Self::Signed(size) => size as usize,
            Self::Single => 4,
            Self::Double => 8,
        }
    }
}

/// How one object is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// So many bits each, packed into octets.
    Packed(u8),
    /// Flags (if any), value, time of so many bytes.
    Point {
        /// Whether an octet of flags stands first.
        has_flags: bool,
        /// What follows it.
        value: Value,
        /// Bytes of time: 0, 2 (relative) or 6 (milliseconds since 1970).
        time: u8,
    },
    /// An analog output block: value, then status.
    Output(Value),
    /// A control relay output block.
    Control,
    /// A time, and so many bytes of which nothing is written.
    Time(u8),
    /// So many bytes of which nothing is written.
    Opaque(u8),
    /// Text or bytes, as many as the variation says.
    Octets(u8),
    /// A device attribute: type, length, value.
    Attribute,
}

impl Layout {
    /// Bytes of one object; None where they are packed or say their length themselves.
    pub(super) const fn size(self) -> Option<usize> {
        match self {
            Self::Packed(_) | Self::Attribute => None,
            Self::Point { has_flags, value, time } => Some(has_flags as usize + value.size() + time as usize),
            Self::Output(value) => Some(value.size() + 1),
            Self::Control => Some(11),
            Self::Time(rest) => Some(6 + rest as usize),
            Self::Opaque(size) | Self::Octets(size) => Some(size as usize),
        }
    }
}

/// The layout of a group and variation that objects may have; None where they have none or none is known.
pub(super) const fn layout(group: u8, variation: u8) -> Option<Layout> {
    let layout = match (group, variation) {
        (0, 1..=252) => Layout::Attribute,
        (1 | 10, 1) | (12, 3) | (80, 1) => Layout::Packed(1),
        (3, 1) => Layout::Packed(2),
        (1 | 3 | 10, 2) | (2 | 4 | 11 | 13, 1) => point(true, Value::Absent, 0),
        (2 | 4 | 11 | 13, 2) => point(true, Value::Absent, 6),
        (2 | 4, 3) => point(true, Value::Absent, 2),
        (12, 1 | 2) => Layout::Control,
        (20, 1 | 3) | (21..=23, 1 | 3) => point(true, Value::Unsigned(4), 0),
        (20, 2 | 4) | (21..=23, 2 | 4) => point(true, Value::Unsigned(2), 0),
        (20, 5 | 7) | (21, 9 | 11) => point(false, Value::Unsigned(4), 0),
        (20, 6 | 8) | (21, 10 | 12) => point(false, Value::Unsigned(2), 0),
        (21..=23, 5 | 7) => point(true, Value::Unsigned(4), 6),
        (21..=23, 6 | 8) => point(true, Value::Unsigned(2), 6),
        (30..=33 | 40 | 42 | 43, 1) => point(true, Value::Signed(4), 0),
        (30..=33 | 40 | 42 | 43, 2) => point(true, Value::Signed(2), 0),
        (30, 3) | (31, 5) => point(false, Value::Signed(4), 0),
        (30, 4) | (31, 6) => point(false, Value::Signed(2), 0),
        (31..=33 | 42 | 43, 3) => point(true, Value::Signed(4), 6),
        (31..=33 | 42 | 43, 4) => point(true, Value::Signed(2), 6),
        (30 | 32 | 33 | 42 | 43, 5) | (31, 7) | (40, 3) => point(true, Value::Single, 0),
        (30 | 32 | 33 | 42 | 43, 6) | (31, 8) | (40, 4) => point(true, Value::Double, 0),
        (32 | 33 | 42 | 43, 7) => point(true, Value::Single, 6),
        (32 | 33 | 42 | 43, 8) => point(true, Value::Double, 6),
        (34, 1) | (52, 1 | 2) => point(false, Value::Unsigned(2), 0),
        (34, 2) => point(false, Value::Unsigned(4), 0),
        (34, 3) => point(false, Value::Single, 0),
        (41, 1) => Layout::Output(Value::Signed(4)),
        (41, 2) => Layout::Output(Value::Signed(2)),
        (41, 3) => Layout::Output(Value::Single),
        (41, 4) => Layout::Output(Value::Double),
        (50, 1 | 3) | (51, 1 | 2) => Layout::Time(0),
        (50, 2) => Layout::Time(4),
        (50, 4) => Layout::Time(5),
        (81, 1) => Layout::Opaque(3),
        (101, 1) => Layout::Opaque(2),
        (101, 2) => Layout::Opaque(4),
        (101, 3) => Layout::Opaque(8),
        (102, 1) => point(false, Value::Unsigned(1), 0),
        (110..=113, 1..) => Layout::Octets(variation),
        (121 | 122, 1) => Layout::Opaque(7),
        (122, 2) => Layout::Opaque(13),
        _ => return None,
    };
    Some(layout)
}

const fn point(has_flags: bool, value: Value, time: u8) -> Layout {
    Layout::Point { has_flags, value, time }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_annex() {
        for (group, variation, size) in [
            (2, 2, 7),
            (12, 1, 11),
            (20, 6, 2),
            (22, 6, 9),
            (30, 1, 5),
            (30, 6, 9),
            (32, 4, 9),
            (32, 8, 15),
            (41, 2, 3),
            (50, 1, 6),
            (50, 4, 11),
            (110, 32, 32),
            (122, 2, 13),
        ] {
            assert_eq!(layout(group, variation).and_then(Layout::size), Some(size), "{group} {variation}");
        }
        assert_eq!(layout(60, 1), None);
    }
}
