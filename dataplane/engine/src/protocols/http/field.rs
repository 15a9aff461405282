//! Header fields (RFC 9110, 5 and 6; RFC 9112, 5): where a field line ends, and the names this parser acts on.

use memchr::memchr;

/// Longest field line read; what is beyond is passed over.
pub(super) const FIELD_MAX: usize = 16 * 1024;

/// Names with a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Accept,
    Authorization,
    Connection,
    ContentLength,
    ContentRange,
    ContentType,
    Host,
    IcecastStation,
    Location,
    NotificationType,
    ProxyAuthorization,
    Referer,
    Server,
    SoapAction,
    TransferEncoding,
    Upgrade,
    UserAgent,
    XElasticProduct,
    WebSocketProtocol,
    XForwardedFor,
}

impl Name {
    /// The name as it stands before the colon, letter case aside (RFC 9110, 5.1).
    pub(super) fn read(name: &[u8]) -> Option<Self> {
        let (candidate, wanted): (Self, &[u8]) = match (name.len(), name.first()?.to_ascii_lowercase()) {
            (2, b'n') => (Self::NotificationType, b"nt"),
            (4, b'h') => (Self::Host, b"host"),
            (6, b'a') => (Self::Accept, b"accept"),
            (6, b's') => (Self::Server, b"server"),
            (7, b'r') => (Self::Referer, b"referer"),
            (7, b'u') => (Self::Upgrade, b"upgrade"),
            (8, b'i') => (Self::IcecastStation, b"icy-name"),
            (8, b'l') => (Self::Location, b"location"),
            (10, b'c') => (Self::Connection, b"connection"),
            (10, b's') => (Self::SoapAction, b"soapaction"),
            (10, b'u') => (Self::UserAgent, b"user-agent"),
            (12, b'c') => (Self::ContentType, b"content-type"),
            (13, b'a') => (Self::Authorization, b"authorization"),
            (13, b'c') => (Self::ContentRange, b"content-range"),
            (14, b'c') => (Self::ContentLength, b"content-length"),
            (15, b'x') => (Self::XForwardedFor, b"x-forwarded-for"),
            (17, b't') => (Self::TransferEncoding, b"transfer-encoding"),
            (17, b'x') => (Self::XElasticProduct, b"x-elastic-product"),
            (19, b'p') => (Self::ProxyAuthorization, b"proxy-authorization"),
            (22, b's') => (Self::WebSocketProtocol, b"sec-websocket-protocol"),
            _ => return None,
        };
        name.eq_ignore_ascii_case(wanted).then_some(candidate)
    }
}

/// What stands at the start of the unread bytes of a header section. Lengths count bytes with the line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldLine {
    /// An empty line: the section ends after this many bytes.
    End(usize),
    /// A field of this many bytes, with its continuation lines (obs-fold, RFC 9112, 5.2).
    Field(usize),
    /// A field longer than [`FIELD_MAX`].
    TooLong,
    /// Its end is not there yet.
    Open,
}

/// Finds the end of the field that starts at the first of `bytes`. `scanned` remembers between calls how far the
/// same bytes were looked at, so that bytes that come one at a time are looked at once.
pub(super) fn field_line(bytes: &[u8], scanned: &mut usize) -> FieldLine {
    let window = bytes.get(..FIELD_MAX).unwrap_or(bytes);
    while let Some(end) = window.get(*scanned..).and_then(|rest| memchr(b'\n', rest)).map(|at| at + *scanned)
    {
        if is_line_end(window, end) {
            *scanned = 0;
            return FieldLine::End(end + 1);
        }
        match bytes.get(end + 1) {
            None => {
                *scanned = end;
                return FieldLine::Open;
            }
            Some(b' ' | b'\t') => *scanned = end + 1,
            Some(_) => {
                *scanned = 0;
                return FieldLine::Field(end + 1);
            }
        }
    }
    if bytes.len() < FIELD_MAX {
        *scanned = bytes.len();
        return FieldLine::Open;
    }
    *scanned = 0;
    FieldLine::TooLong
}

/// Whether the line that ends at `end` is empty.
fn is_line_end(bytes: &[u8], end: usize) -> bool {
    end == 0 || (end == 1 && bytes.first() == Some(&b'\r'))
}

/// Name and value of a field line; none without a colon. The name comes as it stands, with blanks after it, if any.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at_checked(memchr(b':', line)?)?;
    Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// The members of a comma-separated list (RFC 9110, 5.6.1) without blanks; empty ones are passed over.
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Whether a comma-separated list has `wanted`, letter case aside.
pub(super) fn has_member(value: &[u8], wanted: &[u8]) -> bool {
    members(value).any(|member| member.eq_ignore_ascii_case(wanted))
}

/// A value without its parameters: "text/html" of "text/html; charset=utf-8".
pub(super) fn without_parameters(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_ends_where_the_next_line_does_not_go_on() {
        let mut scanned = 0;
        assert_eq!(field_line(b"A: b\r\n", &mut scanned), FieldLine::Open);
        assert_eq!(field_line(b"A: b\r\n\r", &mut scanned), FieldLine::Field(6));
        assert_eq!(field_line(b"A: b\r\n c\nD", &mut scanned), FieldLine::Field(9));
        assert_eq!(field_line(b"\r\nrest", &mut scanned), FieldLine::End(2));
        assert_eq!(field_line(b"\nrest", &mut scanned), FieldLine::End(1));
        assert_eq!(scanned, 0);
    }

    #[test]
    fn a_field_is_found_the_same_when_bytes_come_one_at_a_time() {
        let bytes = b"Folded: a\r\n\tb\r\nNext: c\r\n";
        let mut scanned = 0;
        for end in 0..16 {
            assert_eq!(field_line(&bytes[..end], &mut scanned), FieldLine::Open, "{end}");
        }
        assert_eq!(field_line(bytes, &mut scanned), FieldLine::Field(15));
    }

    #[test]
    fn a_field_beyond_the_limit_is_said_so_wherever_it_is_cut() {
        let mut long = vec![b'a'; FIELD_MAX];
        assert_eq!(field_line(&long, &mut 0), FieldLine::TooLong);
        long.extend_from_slice(b"\r\nb");
        assert_eq!(field_line(&long, &mut 0), FieldLine::TooLong);
    }

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(Name::read(b"uSER-aGENT"), Some(Name::UserAgent));
        assert_eq!(Name::read(b"User_Agent"), None);
        assert_eq!(Name::read(b""), None);
    }
}
