//! Records: RFC 6347 4.1 and RFC 9147 4.

/// Content types (IANA "TLS ContentType").
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record<'a> {
    /// With the header of DTLS 1.2 and before, and of unprotected records of DTLS 1.3.
    Plain(Plain<'a>),
    /// With the short header of DTLS 1.3: protected.
    Unified,
}

/// A record with the long header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain<'a> {
    pub(super) content: u8,
    pub(super) epoch: u16,
    pub(super) sequence: u64,
    pub(super) fragment: &'a [u8],
    /// Bytes of it that were not captured.
    pub(super) missing: usize,
}

/// The records of a datagram, up to the first bytes that are none.
pub(super) fn records(datagram: &[u8], missing: usize) -> Records<'_> {
    Records { rest: datagram, missing }
}

/// Walks through a datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Records<'a> {
    pub(super) rest: &'a [u8],
    missing: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let first = *self.rest.first()?;
        if first & 0xe0 == UNIFIED {
            return self.unified(first);
        }
        let (header, rest) = self.rest.split_first_chunk::<13>()?;
        let [content, v1, v2, e1, e2, sequence @ .., l1, l2] = *header;
        let version = u16::from_be_bytes([v1, v2]);
        let len = usize::from(u16::from_be_bytes([l1, l2]));
        if !(20..=26).contains(&content) || !VERSIONS.contains(&version) || len > MAX_FRAGMENT {
            return None;
        }
        let [s1, s2, s3, s4, s5, s6] = sequence;
        let (fragment, after, missing) = match rest.split_at_checked(len) {
            Some((fragment, after)) => (fragment, after, 0),
            None if len <= rest.len() + self.missing => (rest, &[][..], len - rest.len()),
            None => return None,
        };
        self.rest = after;
        Some(Record::Plain(Plain {
            content,
            epoch: u16::from_be_bytes([e1, e2]),
            sequence: u64::from_be_bytes([0, 0, s1, s2, s3, s4, s5, s6]),
            fragment,
            missing,
        }))
    }
}

impl<'a> Records<'a> {
    /// `001CSLEE` (RFC 9147 4): a connection id has a length that only the handshake says, so that a record with one
    /// is taken to fill the datagram.
    fn unified(&mut self, first: u8) -> Option<Record<'a>> {
        let number = if first & 0x08 != 0 { 2 } else { 1 };
        let rest = self.rest.get(1 + number..)?;
        if first & 0x10 != 0 || first & 0x04 == 0 {
            self.rest = &[];
            return (rest.len() >= LEAST_SEALED).then_some(Record::Unified);
        }
        let (len, rest) = rest.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len));
        if len < LEAST_SEALED {
            return None;
        }
        self.rest = match rest.get(len..) {
            Some(rest) => rest,
            None if len <= rest.len() + self.missing => &[],
            None => return None,
        };
        Some(Record::Unified)
    }
}

/// DTLS 1.0 and 1.2, and OpenSSL's before the standard (`DTLS1_BAD_VER`).
const VERSIONS: [u16; 3] = [0xfeff, 0xfefd, 0x0100];
/// Most bytes of a protected record (RFC 5246 6.2.3).
const MAX_FRAGMENT: usize = (1 << 14) + 2048;
/// First bits of the short header.
const UNIFIED: u8 = 0x20;
/// Content type and tag.
const LEAST_SEALED: usize = 16;
