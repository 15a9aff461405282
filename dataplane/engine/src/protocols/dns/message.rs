//! The message format of RFC 1035, 4: header, questions and resource records, with compressed names.

use core::ops::Range;

/// Bytes of a header.
pub(super) const HEADER_LEN: usize = 12;
/// Longest name in its wire form (RFC 1035, 3.1).
const NAME_MAX: usize = 255;
/// Pointers followed within one name. A sender needs one; pointers to pointers are legal, chains of them are not
/// sent by anybody.
const POINTERS_MAX: u8 = 32;

/// Why a message cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WalkError {
    /// It ends early: it was cut, by its sender or by the capture.
    Truncated,
    /// It contradicts RFC 1035: a pointer forward, a label of a reserved kind, a name too long, data that does not
    /// fill its record.
    Malformed,
}

/// Flags of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(pub(super) u16);

impl Flags {
    /// Response.
    pub(super) const fn qr(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// Kind of query (RFC 1035, 4.1.1).
    pub(super) const fn opcode(self) -> u8 {
        (self.0.to_be_bytes()[0] >> 3) & 0xf
    }

    /// Authoritative answer; "conflict" in LLMNR.
    pub(super) const fn aa(self) -> bool {
        self.0 & 0x0400 != 0
    }

    /// Truncated.
    pub(super) const fn tc(self) -> bool {
        self.0 & 0x0200 != 0
    }

    /// Recursion desired; "tentative" in LLMNR.
    pub(super) const fn rd(self) -> bool {
        self.0 & 0x0100 != 0
    }

    /// Recursion available.
    pub(super) const fn ra(self) -> bool {
        self.0 & 0x0080 != 0
    }

    /// The one bit that is still reserved.
    pub(super) const fn z(self) -> bool {
        self.0 & 0x0040 != 0
    }

    /// Authentic data (RFC 4035).
    pub(super) const fn ad(self) -> bool {
        self.0 & 0x0020 != 0
    }

    /// Checking disabled (RFC 4035).
    pub(super) const fn cd(self) -> bool {
        self.0 & 0x0010 != 0
    }

    /// Response code without its EDNS extension.
    pub(super) const fn rcode(self) -> u8 {
        self.0.to_be_bytes()[1] & 0xf
    }
}

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// Pairs responses with queries.
    pub(super) id: u16,
    /// Flags, opcode and response code.
    pub(super) flags: Flags,
    /// Questions.
    pub(super) questions: u16,
    /// Answers, authorities, additionals.
    pub(super) records: [u16; 3],
}

impl Header {
    /// Reads a header; none in less than [`HEADER_LEN`] bytes.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *message.first_chunk::<HEADER_LEN>()?;
        let word = |high, low| u16::from_be_bytes([high, low]);
        Some(Self {
            id: word(a, b),
            flags: Flags(word(c, d)),
            questions: word(e, f),
            records: [word(g, h), word(i, j), word(k, l)],
        })
    }

    /// Records of all three sections.
    pub(super) fn record_count(&self) -> u32 {
        self.records.iter().map(|count| u32::from(*count)).sum()
    }
}

/// A question (RFC 1035, 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// Where its name starts.
    pub(super) name: usize,
    /// Type.
    pub(super) kind: u16,
    /// Class; in multicast DNS the highest bit asks for a unicast response.
    pub(super) class: u16,
}

/// A resource record (RFC 1035, 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where its name starts.
    pub(super) name: usize,
    /// Type.
    pub(super) kind: u16,
    /// Class; UDP size in an OPT record; in multicast DNS the highest bit flushes caches.
    pub(super) class: u16,
    /// Seconds to live; flags in an OPT record.
    pub(super) ttl: u32,
    /// Where its data is.
    pub(super) data: Range<usize>,
}

/// Walks the name at `at`, through its pointers, and shows each label. Gives where what follows the name starts.
///
/// # Errors
/// A pointer has to go back before the labels it continues, so that there is no loop, and names end at 255 bytes.
pub(super) fn walk_name(message: &[u8], at: usize, mut label: impl FnMut(&[u8])) -> Result<usize, WalkError> {
    let (mut at, mut start) = (at, at);
    let mut after = None;
    let (mut length, mut pointers) = (1, 0);
    loop {
        let (first, rest) = message.get(at..).and_then(<[u8]>::split_first).ok_or(WalkError::Truncated)?;
        match first >> 6 {
            0 if *first == 0 => return Ok(after.unwrap_or(at + 1)),
            0 => {
                let octets = rest.get(..usize::from(*first)).ok_or(WalkError::Truncated)?;
                length += 1 + octets.len();
                if length > NAME_MAX {
                    return Err(WalkError::Malformed);
                }
                label(octets);
                at += 1 + octets.len();
            }
            3 => {
                let low = rest.first().ok_or(WalkError::Truncated)?;
                let target = usize::from(u16::from_be_bytes([first & 0x3f, *low]));
                after = after.or(Some(at + 2));
                pointers += 1;
                if target >= start || target < HEADER_LEN || pointers > POINTERS_MAX {
                    return Err(WalkError::Malformed);
                }
                (at, start) = (target, target);
            }
            _ => return Err(WalkError::Malformed),
        }
    }
}

/// Reads the question at `at`. Gives it, and where what follows starts.
pub(super) fn question(message: &[u8], at: usize) -> Result<(Question, usize), WalkError> {
    let end = walk_name(message, at, |_| ())?;
    let ([a, b, c, d], _) =
        message.get(end..).and_then(<[u8]>::split_first_chunk).ok_or(WalkError::Truncated)?;
    let question =
        Question { name: at, kind: u16::from_be_bytes([*a, *b]), class: u16::from_be_bytes([*c, *d]) };
    Ok((question, end + 4))
}

/// Reads the record at `at`. Gives it, and where what follows starts.
pub(super) fn record(message: &[u8], at: usize) -> Result<(Record, usize), WalkError> {
    let end = walk_name(message, at, |_| ())?;
    let ([a, b, c, d, e, f, g, h, i, j], rest) =
        message.get(end..).and_then(<[u8]>::split_first_chunk).ok_or(WalkError::Truncated)?;
    let length = usize::from(u16::from_be_bytes([*i, *j]));
    if length > rest.len() {
        return Err(WalkError::Truncated);
    }
    let start = end + 10;
    let record = Record {
        name: at,
        kind: u16::from_be_bytes([*a, *b]),
        class: u16::from_be_bytes([*c, *d]),
        ttl: u32::from_be_bytes([*e, *f, *g, *h]),
        data: start..start + length,
    };
    Ok((record, start + length))
}

/// Writes the name at `at` as text into `into`, which is cleared first: labels joined by dots, without the root's;
/// dots and backslashes within labels behind a backslash, what is not printable as `\DDD` (RFC 4343, 2.1).
/// Gives where what follows the name starts.
pub(super) fn name_text(message: &[u8], at: usize, into: &mut Vec<u8>) -> Result<usize, WalkError> {
    into.clear();
    // Most names have nothing to escape: their labels are put together here, and added as one.
    let (mut plain, mut len, mut is_odd) = ([0; NAME_MAX + 1], 0, false);
    let end = walk_name(message, at, |label| {
        is_odd |= label.iter().fold(false, |odd, byte| odd | !is_plain(*byte));
        if let Some(place) = plain.get_mut(len..=len + label.len())
            && let Some((dot, place)) = place.split_last_mut()
        {
            place.copy_from_slice(label);
            *dot = b'.';
            len += label.len() + 1;
        }
    })?;
    if !is_odd {
        into.extend_from_slice(plain.get(..len.saturating_sub(1)).unwrap_or_default());
        return Ok(end);
    }
    walk_name(message, at, |label| {
        if !into.is_empty() {
            into.push(b'.');
        }
        label.iter().for_each(|byte| push_escaped(*byte, into));
    })
}

/// Whether a byte of a label stands for itself. Without branches, so that a label is looked at as a whole.
const fn is_plain(byte: u8) -> bool {
    (byte > 0x20) & (byte < 0x7f) & (byte != b'.') & (byte != b'\\')
}

fn push_escaped(byte: u8, into: &mut Vec<u8>) {
    match byte {
        b'.' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
        0x21..=0x7e => into.push(byte),
        _ => into.extend_from_slice(&[b'\\', b'0' + byte / 100, b'0' + byte / 10 % 10, b'0' + byte % 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1035, 4.1.4: F.ISI.ARPA at 20, FOO.F.ISI.ARPA at 40, ARPA at 64, the root at 92.
    fn compressed() -> Vec<u8> {
        let mut message = vec![0; 93];
        message[20..32].copy_from_slice(b"\x01F\x03ISI\x04ARPA\x00");
        message[40..46].copy_from_slice(b"\x03FOO\xc0\x14");
        message[64..66].copy_from_slice(b"\xc0\x1a");
        message
    }

    fn text(message: &[u8], at: usize) -> Result<(String, usize), WalkError> {
        let mut name = Vec::new();
        let end = name_text(message, at, &mut name)?;
        Ok((String::from_utf8(name).unwrap(), end))
    }

    #[test]
    fn compressed_names_are_read_as_in_rfc_1035() {
        let message = compressed();
        assert_eq!(text(&message, 20), Ok(("F.ISI.ARPA".into(), 32)));
        assert_eq!(text(&message, 40), Ok(("FOO.F.ISI.ARPA".into(), 46)));
        assert_eq!(text(&message, 64), Ok(("ARPA".into(), 66)));
        assert_eq!(text(&message, 92), Ok((String::new(), 93)));
    }

    #[test]
    fn pointers_that_loop_or_go_forward_are_malformed() {
        let mut message = vec![0; 40];
        for (at, pointer) in [(12, 12_u8), (20, 30), (20, 20), (14, 4)] {
            message[at..at + 2].copy_from_slice(&[0xc0, pointer]);
            assert_eq!(text(&message, at), Err(WalkError::Malformed), "{at} to {pointer}");
            message[at..at + 2].copy_from_slice(&[0, 0]);
        }
        // Two that point at one another.
        message[12..16].copy_from_slice(&[0xc0, 14, 0xc0, 12]);
        assert_eq!(text(&message, 14), Err(WalkError::Malformed));
    }

    #[test]
    fn a_chain_of_pointers_is_not_followed_to_its_end() {
        let mut message = vec![0; HEADER_LEN + 1];
        for at in (HEADER_LEN + 1..400).step_by(2) {
            let before = u8::try_from(if at == HEADER_LEN + 1 { HEADER_LEN } else { at - 2 } & 0xff).unwrap();
            let high = u8::try_from((at - 2) >> 8).unwrap();
            message.extend_from_slice(&[0xc0 | high, before]);
        }
        assert!(text(&message, HEADER_LEN + 1 + 20).is_ok());
        assert_eq!(text(&message, HEADER_LEN + 1 + 80), Err(WalkError::Malformed));
    }

    #[test]
    fn a_name_longer_than_255_bytes_is_malformed() {
        let mut message = vec![0; HEADER_LEN];
        for _ in 0..4 {
            message.push(63);
            message.extend_from_slice(&[b'a'; 63]);
        }
        message.push(0);
        assert_eq!(text(&message, HEADER_LEN), Err(WalkError::Malformed));
        let start = HEADER_LEN + 64;
        assert!(text(&message, start).is_ok());
    }

    #[test]
    fn names_are_escaped_as_in_rfc_4343() {
        let message = [&[0; HEADER_LEN][..], b"\x06a.b\\\x00\xff\x01 \x00"].concat();
        assert_eq!(text(&message, HEADER_LEN).unwrap().0, "a\\.b\\\\\\000\\255.\\032");
    }

    #[test]
    fn every_truncation_is_noticed() {
        let message =
            [&[0; HEADER_LEN][..], b"\x01a\x00\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04abcd"].concat();
        for end in HEADER_LEN..message.len() {
            assert_eq!(record(&message[..end], HEADER_LEN), Err(WalkError::Truncated));
        }
        let (record, end) = record(&message, HEADER_LEN).unwrap();
        assert_eq!((end, &message[record.data], record.ttl), (message.len(), b"abcd".as_slice(), 5));
    }
}
