//! Data stream structures and the objects in them (DRDA volume 3: DSS, and DDM data objects), and text.

use arrayvec::ArrayVec;

use crate::protocols::framed::{Cursor, Framing, from_ebcdic};

/// Length, magic, format, correlation.
const HEADER_LEN: usize = 6;
/// What a structure's third byte is.
const MAGIC: u8 = 0xd0;
/// Bytes of a structure that are read.
const SHOWN_MAX: usize = 4 * 1024;
/// Bytes of a statement that are written.
pub(super) const SQL_MAX: usize = 512;

/// What a structure is (format, low half).
pub(super) mod format {
    pub(in super::super) const REQUEST: u8 = 1;
    pub(in super::super) const REPLY: u8 = 2;
    pub(in super::super) const OBJECT: u8 = 3;
    /// A request that wants no reply.
    pub(in super::super) const ONE_WAY: u8 = 5;
}

/// A structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Structure<'a> {
    /// One of [`format`].
    pub(super) format: u8,
    pub(super) correlation: u16,
    objects: Cursor<'a>,
}

/// Where the structure at the start of `bytes` ends, and whether it goes on in another segment.
pub(super) fn framing(bytes: &[u8]) -> (Framing, bool) {
    let Some([high, low, magic, format, _, _]) = bytes.first_chunk::<HEADER_LEN>() else {
        let is_possible = bytes.get(2).is_none_or(|byte| *byte == MAGIC);
        return (if is_possible { Framing::Open } else { Framing::Invalid("invalid_header") }, false);
    };
    if *magic != MAGIC || !matches!(format & 0x8f, 1 | 2 | 3 | 5) {
        return (Framing::Invalid("invalid_header"), false);
    }
    let length = usize::from(u16::from_be_bytes([*high & 0x7f, *low]));
    if length < HEADER_LEN + 4 {
        return (Framing::Invalid("invalid_length"), false);
    }
    (Framing::at_most(length, SHOWN_MAX), high & 0x80 != 0)
}

/// Where the next segment of a structure ends, and whether another follows: two bytes of length, then data.
pub(super) fn continuation(bytes: &[u8]) -> (Framing, bool) {
    let Some([high, low]) = bytes.first_chunk() else { return (Framing::Open, true) };
    let length = usize::from(u16::from_be_bytes([*high & 0x7f, *low]));
    if length < 3 {
        return (Framing::Invalid("invalid_length"), false);
    }
    (Framing::at_most(length, 2), high & 0x80 != 0)
}

impl<'a> Structure<'a> {
    /// Reads a structure whose header is right.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[_, _, _, format, c1, c0], objects) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let correlation = u16::from_be_bytes([c1, c0]);
        Some(Self { format: format & 0x0f, correlation, objects: Cursor::new(objects) })
    }

    /// Objects in it.
    pub(super) const fn objects(&self) -> Objects<'a> {
        Objects { cursor: self.objects }
    }
}

/// Objects one behind the other: length, code point, data. A cut or malformed one ends them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Objects<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Objects<'a> {
    /// Objects in an object.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(bytes) }
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, code) = (self.cursor.u16()?, self.cursor.u16()?);
        // Lengths of objects that are longer than 32 KiB stand behind the code point.
        let length = if length & 0x8000 == 0 {
            usize::from(length).checked_sub(4)?
        } else {
            let digits =
                self.cursor.take(usize::from(length & 0x7fff).checked_sub(4).filter(|len| *len <= 8)?)?;
            digits.iter().fold(0_usize, |length, digit| length << 8 | usize::from(*digit))
        };
        let length = length.min(self.cursor.len());
        self.cursor.take(length).map(|data| (code, data))
    }
}

/// The text of a statement: with indicators and lengths of four bytes, or lengths of two.
pub(super) fn statement(data: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor::new(data);
    // Mixed bytes, or none of these and single bytes.
    for is_last in [false, true] {
        let before = cursor;
        match cursor.u8()? {
            0 => {
                if let Some(length) = cursor.u32().filter(|length| *length > 0)
                    && let Ok(length) = usize::try_from(length)
                    && let rest = cursor.rest()
                    // Of long ones the end is not there.
                    && (length <= rest.len() || data.len() > SHOWN_MAX / 2)
                {
                    return Some(rest.get(..length).unwrap_or(rest));
                }
            }
            0xff if !is_last => continue,
            _ => {}
        }
        cursor = before;
        let length = usize::from(cursor.u16()?);
        if length > 0 {
            return Some(cursor.rest().get(..length).unwrap_or(cursor.rest()));
        }
    }
    None
}

/// Text in ASCII, with blanks at the ends taken off: names are EBCDIC until both sides agree on UTF-8.
pub(super) fn text<const N: usize>(bytes: &[u8]) -> ArrayVec<u8, N> {
    let is_ebcdic = is_ebcdic(bytes);
    let blank = if is_ebcdic { 0x40 } else { b' ' };
    let end = bytes.iter().rposition(|byte| *byte != blank && *byte != 0).map_or(0, |at| at + 1);
    let kept = bytes.get(..end).unwrap_or_default();
    kept.iter().map(|byte| if is_ebcdic { from_ebcdic(*byte) } else { *byte }).take(N).collect()
}

/// Letters and digits of EBCDIC have the highest bit, those of ASCII have not.
fn is_ebcdic(bytes: &[u8]) -> bool {
    let high = bytes.iter().filter(|byte| **byte >= 0x81).count();
    high > bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()).count()
}

/// A statement in which every literal is `?`: what is asked for, not about whom.
pub(super) fn without_literals(sql: &[u8]) -> ArrayVec<u8, SQL_MAX> {
    let is_ebcdic = is_ebcdic(sql);
    let mut written = ArrayVec::new();
    let mut state = Literal::None;
    for byte in sql {
        let byte = if is_ebcdic { from_ebcdic(*byte) } else { *byte };
        state = match state {
            Literal::Text if byte == b'\'' => Literal::None,
            Literal::Text => continue,
            Literal::Number if byte.is_ascii_alphanumeric() || byte == b'.' => continue,
            _ if byte == b'\'' => {
                let _ = written.try_push(b'?');
                Literal::Text
            }
            Literal::None | Literal::Number if byte.is_ascii_digit() => {
                let _ = written.try_push(b'?');
                Literal::Number
            }
            _ if is_name(byte) => Literal::Name,
            _ => Literal::None,
        };
        if matches!(state, Literal::None | Literal::Name) && byte != b'\'' {
            let _ = written.try_push(byte);
        }
    }
    written
}

/// Where in a statement a byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Literal {
    None,
    Name,
    Number,
    Text,
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#' | b'@' | b'$' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_not_kept() {
        for (sql, expected) in [
            (
                &b"select a1 from t2 where n = 'O''Hara' and x>=12.5e3"[..],
                "select a1 from t2 where n = ?? and x>=?",
            ),
            (b"SET CLIENT USERID'cffdo1'", "SET CLIENT USERID?"),
            (b"insert into t values(1,'two',-3)", "insert into t values(?,?,-?)"),
            (b"values 'open", "values ?"),
            (b"\xe2\xc5\xe3\x40\xe7\x7e\xf1", "SET X=?"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without_literals(sql)), expected);
        }
    }

    #[test]
    fn statements_stand_behind_indicators_or_lengths() {
        assert_eq!(statement(b"\0\0\0\0\x03abc\xff"), Some(&b"abc"[..]));
        assert_eq!(statement(b"\xff\0\0\0\0\x03abc"), Some(&b"abc"[..]));
        assert_eq!(statement(b"\0\x03abc\0\0"), Some(&b"abc"[..]));
        assert_eq!(statement(b"\0\0\0\x03abc"), Some(&b"abc"[..]));
        assert_eq!((statement(b"\xff\xff"), statement(b"")), (None, None));
    }

    #[test]
    fn long_objects_have_their_length_behind_the_code_point() {
        let mut objects = Objects::new(&[0x80, 8, 0x14, 0x6c, 0, 0, 0, 2, 7, 8, 0, 4, 0x20, 0x0e]);
        assert_eq!(objects.next(), Some((0x146c, &[7, 8][..])));
        assert_eq!(objects.next(), Some((0x200e, &[][..])));
        assert!(objects.next().is_none());
        assert!(Objects::new(&[0, 3, 0x20, 0x0e]).next().is_none());
    }
}
