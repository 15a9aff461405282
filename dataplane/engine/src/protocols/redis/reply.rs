//! What belongs to one answer: aggregates say how many elements follow, so that only a count is kept.

/// Elements that are to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    left: u64,
}

/// The first byte of an element and the number behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    Scalar,
    /// This many elements are in it.
    Aggregate(u64),
    /// It stands before an element, and this many are in it.
    Attribute(u64),
}

impl Expected {
    /// Takes an element. True where an answer is complete with it.
    pub(super) const fn take(&mut self, element: Element) -> bool {
        if self.left == 0 {
            self.left = 1;
        }
        self.left = match element {
            Element::Scalar => self.left - 1,
            Element::Aggregate(count) => (self.left - 1).saturating_add(count),
            Element::Attribute(count) => self.left.saturating_add(count),
        };
        self.left == 0
    }

    /// Whether the next element begins an answer.
    pub(super) const fn is_first(self) -> bool {
        self.left == 0
    }
}

/// What an answer's first element says.
pub(super) const fn name(kind: u8, is_null: bool) -> &'static str {
    match kind {
        _ if is_null => "null",
        b'+' => "status",
        b'-' | b'!' => "error",
        b':' | b'(' => "integer",
        b'$' | b'=' => "string",
        b'*' => "array",
        b'%' => "map",
        b'~' => "set",
        b'_' => "null",
        b'#' => "boolean",
        b',' => "double",
        _ => "other",
    }
}
