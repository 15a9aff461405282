//! Header fields that were sent before (RFC 7541, 2.3): the static table, and one that grows and forgets.

use std::collections::VecDeque;

/// What each field costs beyond its text (4.1).
const OVERHEAD: usize = 32;
/// Largest table that is kept, whatever was agreed on.
pub(super) const LARGEST: usize = 64 * 1024;
/// Table that is used until something else is agreed on.
const DEFAULT: usize = 4096;
/// Storage of forgotten fields that is kept.
const SPARE_MAX: usize = 64;

/// A field: its name, then its value.
#[derive(Debug)]
struct Field {
    text: Vec<u8>,
    name_len: usize,
}

/// The table of one direction.
#[derive(Debug)]
pub(super) struct Table {
    fields: VecDeque<Field>,
    size: usize,
    most: usize,
    /// What the side that reads allows.
    pub(super) limit: usize,
    spare: Vec<Vec<u8>>,
}

impl Default for Table {
    fn default() -> Self {
        Self { fields: VecDeque::new(), size: 0, most: DEFAULT, limit: DEFAULT, spare: Vec::new() }
    }
}

impl Table {
    /// The field at an index: 1 to 61 are fixed, those that came last follow.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        if let Some((name, value)) = STATIC.get(index) {
            return Some((name.as_bytes(), value.as_bytes()));
        }
        let field = self.fields.get(index.checked_sub(STATIC.len())?)?;
        field.text.split_at_checked(field.name_len)
    }

    /// Takes a field in front of the others, and forgets the oldest as far as there is no room (4.4).
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let cost = name.len().saturating_add(value.len()).saturating_add(OVERHEAD);
        let mut text = self.spare.pop().unwrap_or_default();
        text.extend_from_slice(name);
        text.extend_from_slice(value);
        self.shrink_to(self.most.saturating_sub(cost));
        if cost > self.most {
            self.recycle(text);
            return;
        }
        self.size += cost;
        self.fields.push_front(Field { text, name_len: name.len() });
    }

    /// Takes a new size (4.2). False where it is more than was allowed.
    pub(super) fn resize(&mut self, most: usize) -> bool {
        if most > self.limit || most > LARGEST {
            return false;
        }
        self.most = most;
        self.shrink_to(most);
        true
    }

    fn shrink_to(&mut self, size: usize) {
        while self.size > size {
            let Some(oldest) = self.fields.pop_back() else { break };
            self.size = self.size.saturating_sub(oldest.text.len() + OVERHEAD);
            self.recycle(oldest.text);
        }
    }

    fn recycle(&mut self, mut text: Vec<u8>) {
        if self.spare.len() < SPARE_MAX && text.capacity() <= 1024 {
            text.clear();
            self.spare.push(text);
        }
    }

    pub(super) fn clear(&mut self) {
        self.shrink_to(0);
        self.fields.clear();
        (self.size, self.most, self.limit) = (0, DEFAULT, DEFAULT);
    }
}

/// RFC 7541, appendix A.
static STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];
