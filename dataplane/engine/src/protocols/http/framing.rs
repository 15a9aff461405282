//! Where the body of a message ends (RFC 9112, 6 and 7).

use super::field::{members, without_parameters};

/// What the header fields say about the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Framing {
    /// Content-Length, bytes.
    pub(super) length: Option<u64>,
    /// Content-Length was there and is no number, or there were several that differ.
    pub(super) length_invalid: bool,
    /// Transfer-Encoding was there.
    pub(super) coded: bool,
    /// Its last coding is "chunked".
    pub(super) chunked: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// There is none.
    None,
    /// After this many bytes, more than 0.
    Length(u64),
    /// After the last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl Framing {
    /// Takes a Content-Length value in. False where it is not one number, or not the same as one before.
    pub(super) fn add_length(&mut self, value: &[u8]) -> bool {
        // A list of equal values is allowed for (RFC 9110, 8.6).
        let mut any = false;
        for member in members(value) {
            any = true;
            let Some(length) = decimal(member) else {
                self.length_invalid = true;
                return false;
            };
            if self.length.is_some_and(|before| before != length) {
                self.length_invalid = true;
                return false;
            }
            self.length = Some(length);
        }
        self.length_invalid |= !any;
        any
    }

    /// Takes a Transfer-Encoding value in. False where "chunked" is not the last coding or comes twice.
    pub(super) fn add_codings(&mut self, value: &[u8]) -> bool {
        let mut sound = true;
        for coding in members(value) {
            sound &= !self.chunked;
            self.coded = true;
            self.chunked = without_parameters(coding).eq_ignore_ascii_case(b"chunked");
        }
        sound && self.chunked
    }

    /// Body of a request (RFC 9112, 6.3).
    pub(super) const fn request_body(&self) -> Body {
        if self.chunked {
            return Body::Chunked;
        }
        // The length cannot be told: a server answers 400 and closes.
        if self.coded || self.length_invalid {
            return Body::UntilClose;
        }
        match self.length {
            None | Some(0) => Body::None,
            Some(length) => Body::Length(length),
        }
    }

    /// Body of a final response to a method other than CONNECT (RFC 9112, 6.3).
    pub(super) const fn response_body(&self, status: u16, to_head: bool) -> Body {
        if to_head || matches!(status, 100..=199 | 204 | 304) {
            return Body::None;
        }
        if self.chunked {
            return Body::Chunked;
        }
        if self.coded || self.length_invalid {
            return Body::UntilClose;
        }
        match self.length {
            None => Body::UntilClose,
            Some(0) => Body::None,
            Some(length) => Body::Length(length),
        }
    }
}

/// Reads the line of a chunk's size (RFC 9112, 7.1) without its line end: extensions are passed over. None where
/// there is no size, or one that no body has (above 2^60).
pub(super) fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = without_parameters(line);
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut size = 0_u64;
    for digit in digits {
        let value = char::from(*digit).to_digit(16)?;
        size = size.checked_mul(16)?.checked_add(u64::from(value))?;
    }
    (size <= 1 << 60).then_some(size)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u64, |value, digit| digit.is_ascii_digit().then(|| 10 * value + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(length: &[&str], codings: &[&str]) -> Framing {
        let mut framing = Framing::default();
        for value in length {
            framing.add_length(value.as_bytes());
        }
        for value in codings {
            framing.add_codings(value.as_bytes());
        }
        framing
    }

    #[test]
    fn responses_that_have_no_body_have_none_whatever_their_fields_say() {
        let framing = framing(&["10"], &[]);
        assert_eq!(framing.response_body(204, false), Body::None);
        assert_eq!(framing.response_body(304, false), Body::None);
        assert_eq!(framing.response_body(200, true), Body::None);
        assert_eq!(framing.response_body(200, false), Body::Length(10));
    }

    #[test]
    fn chunked_wins_over_a_length() {
        assert_eq!(framing(&["10"], &["chunked"]).request_body(), Body::Chunked);
        assert_eq!(framing(&[], &["gzip, chunked"]).response_body(200, false), Body::Chunked);
        assert_eq!(framing(&[], &["gzip"]).response_body(200, false), Body::UntilClose);
        assert_eq!(framing(&[], &[]).response_body(200, false), Body::UntilClose);
        assert_eq!(framing(&[], &[]).request_body(), Body::None);
    }

    #[test]
    fn lengths_that_differ_or_are_no_numbers_are_invalid() {
        assert!(framing(&["5", "6"], &[]).length_invalid);
        assert!(framing(&["-5"], &[]).length_invalid);
        assert!(framing(&["0x5"], &[]).length_invalid);
        assert!(framing(&[""], &[]).length_invalid);
        assert!(framing(&["9999999999999999999999"], &[]).length_invalid);
        assert_eq!(framing(&["7, 7", "7"], &[]).request_body(), Body::Length(7));
        assert!(!Framing::default().add_codings(b"chunked, gzip"));
        assert!(!Framing::default().add_codings(b"chunked, chunked"));
    }

    #[test]
    fn chunk_sizes_are_hexadecimal_and_bounded() {
        assert_eq!(chunk_size(b"1aF ; name=value"), Some(0x1af));
        assert_eq!(chunk_size(b"0"), Some(0));
        for line in ["", ";", "-1", "0x10", "ffffffffffffffff", "11111111111111111", "g"] {
            assert_eq!(chunk_size(line.as_bytes()), None, "{line}");
        }
    }
}
