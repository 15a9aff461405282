//! Tag value encoding (FIX session layer, section 4): where a message ends, its checksum, its fields.

use core::ops::Range;

use memchr::memchr;

use super::names::is_length;
use crate::protocols::framed::Framing;

/// Separator of fields.
pub(super) const SOH: u8 = 1;
/// Versions that a message can begin with.
const BEGINNINGS: [&[u8]; 9] = [
    b"FIX.4.0",
    b"FIX.4.1",
    b"FIX.4.2",
    b"FIX.4.3",
    b"FIX.4.4",
    b"FIX.5.0",
    b"FIX.5.0SP1",
    b"FIX.5.0SP2",
    b"FIXT.1.1",
];
/// Longest beginning of a vendor's own.
const BEGINNING_MAX: usize = 12;
/// Length of "10=000" and its separator.
const TRAILER_LEN: usize = 7;
/// Digits of a body length.
const LENGTH_DIGITS_MAX: usize = 7;
/// Longest message that is read whole; of longer ones only the beginning is, and their checksum is not kept to.
pub(super) const WHOLE_MAX: usize = 32 * 1024;

/// The first two fields and where the body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// Value of field 8.
    pub(super) version: &'a [u8],
    /// Where the body is; the trailer follows it.
    pub(super) body: Range<usize>,
    /// The version is one of the specification. Vendors have encodings of their own in the same frame (compressed, or
    /// binary behind the message type), with a beginning of their own and no trailer.
    pub(super) is_standard: bool,
}

impl<'a> Head<'a> {
    /// Reads the first fields. Ok(None) where more bytes are needed.
    ///
    /// # Errors
    /// The name of an anomaly.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Option<Self>, &'static str> {
        let Some(rest) = bytes.strip_prefix(b"8=") else {
            return if b"8=".starts_with(bytes) { Ok(None) } else { Err("invalid_begin_string") };
        };
        let Some(end) = memchr(SOH, rest) else {
            return if rest.is_empty() || is_beginning(rest) {
                Ok(None)
            } else {
                Err("invalid_begin_string")
            };
        };
        let version =
            rest.get(..end).filter(|version| is_beginning(version)).ok_or("invalid_begin_string")?;
        let is_standard = BEGINNINGS.contains(&version);
        if !is_standard && version.contains(&b'.') {
            return Err("invalid_begin_string");
        }
        let rest = rest.get(end + 1..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(b"9=") else {
            return if b"9=".starts_with(rest) { Ok(None) } else { Err("invalid_body_length") };
        };
        let mut length = 0;
        for (at, byte) in rest.iter().enumerate() {
            match byte {
                b'0'..=b'9' if at < LENGTH_DIGITS_MAX => length = length * 10 + usize::from(byte - b'0'),
                // A body has at least its type.
                &SOH if length >= 5 => {
                    let start = bytes.len() - rest.len() + at + 1;
                    return Ok(Some(Self { version, body: start..start + length, is_standard }));
                }
                _ => return Err("invalid_body_length"),
            }
        }
        Ok(None)
    }

    /// Bytes of the whole message.
    pub(super) fn len(&self) -> usize {
        self.body.end + if self.is_standard { TRAILER_LEN } else { 0 }
    }
}

/// Whether some bytes can begin, or be, the value of field 8.
fn is_beginning(value: &[u8]) -> bool {
    let [first, rest @ ..] = value else { return false };
    first.is_ascii_uppercase()
        && value.len() <= BEGINNING_MAX
        && rest.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'.')
}

/// Where the message at the start of `bytes` ends.
pub(super) fn framing(bytes: &[u8]) -> Framing {
    let head = match Head::read(bytes) {
        Ok(Some(head)) => head,
        Ok(None) => return Framing::Open,
        Err(name) => return Framing::Invalid(name),
    };
    if !head.is_standard {
        return Framing::at_most(head.len(), WHOLE_MAX);
    }
    match bytes.get(head.body.start..).map(|body| body.get(..3).unwrap_or(body)) {
        Some(b"35=") => {}
        Some(begun) if b"35=".starts_with(begun) => return Framing::Open,
        _ => return Framing::Invalid("missing_message_type"),
    }
    // A length that does not lead to the trailer is wrong, and the next message would be missed by it.
    match bytes.get(head.body.end..).map(|trailer| trailer.get(..3).unwrap_or(trailer)) {
        Some(begun) if !b"10=".starts_with(begun) && head.len() <= WHOLE_MAX => {
            Framing::Invalid("invalid_body_length")
        }
        _ => Framing::at_most(head.len(), WHOLE_MAX),
    }
}

/// Whether the checksum of a whole message is right.
pub(super) fn is_checksum_right(message: &[u8]) -> bool {
    let Some((covered, [b'1', b'0', b'=', digits @ .., SOH])) = message.split_last_chunk::<TRAILER_LEN>()
    else {
        return false;
    };
    let sum = covered.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    digits == &[b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10]
}

/// Fields one after another; a cut or malformed one ends them.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    /// Bytes that the next field has.
    data: Option<usize>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { rest: body, data: None }
    }

    /// Whether everything was read.
    pub(super) const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut tag = 0_u32;
        let mut value_at = None;
        for (at, byte) in self.rest.iter().enumerate().take(8) {
            match byte {
                b'0'..=b'9' => tag = tag.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?,
                b'=' if at > 0 => {
                    value_at = Some(at + 1);
                    break;
                }
                _ => return None,
            }
        }
        let value = self.rest.get(value_at?..)?;
        let end = match self.data.take() {
            Some(length) if value.get(length) == Some(&SOH) => length,
            _ => memchr(SOH, value)?,
        };
        self.rest = value.get(end + 1..)?;
        let value = value.get(..end)?;
        if is_length(tag) {
            self.data = number(value).and_then(|length| usize::try_from(length).ok());
        }
        Some((tag, value))
    }
}

/// A number of digits.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 18 {
        return None;
    }
    value
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGON: &[u8] = b"8=FIX.4.2\x019=65\x0135=A\x0149=SERVER\x0156=CLIENT\x0134=177\x0152=20090107-18:15:16\x0198=0\x01108=30\x0110=062\x01";

    #[test]
    fn a_message_of_the_specification_is_whole_and_its_checksum_right() {
        assert_eq!(framing(LOGON), Framing::whole(LOGON.len()));
        assert!(is_checksum_right(LOGON));
        for end in 1..LOGON.len() - TRAILER_LEN {
            let found = framing(&LOGON[..end]);
            assert!(matches!(found, Framing::Open) || found == Framing::whole(LOGON.len()), "{end}");
        }
        let mut wrong = LOGON.to_vec();
        wrong[30] ^= 1;
        assert!(!is_checksum_right(&wrong));
    }

    #[test]
    fn wrong_beginnings_are_refused() {
        for (bytes, name) in [
            (&b"8=FIX.4.9\x01"[..], "invalid_begin_string"),
            (b"8=fix", "invalid_begin_string"),
            (b"8=FIX.4.2\x0110=", "invalid_body_length"),
            (b"8=FIX.4.2\x019=x", "invalid_body_length"),
            (b"8=FIX.4.2\x019=3\x01", "invalid_body_length"),
            (b"8=FIX.4.2\x019=5\x0149=AB\x0110=", "missing_message_type"),
            (b"8=FIX.4.2\x019=5\x0135=A\x01xx", "invalid_body_length"),
        ] {
            assert_eq!(framing(bytes), Framing::Invalid(name));
        }
    }

    #[test]
    fn data_may_contain_separators() {
        let mut fields = Fields::new(b"95=5\x0196=a\x01b\x01c\x0158=text\x01");
        assert_eq!(fields.next(), Some((95, &b"5"[..])));
        assert_eq!(fields.next(), Some((96, &b"a\x01b\x01c"[..])));
        assert_eq!(fields.next(), Some((58, &b"text"[..])));
        assert!(fields.next().is_none() && fields.is_done());
        assert_eq!(Fields::new(b"x=1\x01").next(), None);
        assert_eq!(Fields::new(b"99999999999=1\x01").next(), None);
    }
}
