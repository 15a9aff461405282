//! Request lines and status lines (RFC 9112, 3 and 4).

use memchr::{memchr, memrchr};

/// Longest method taken for one: the longest registered is VERSION-CONTROL, the longest in use UPDATEREDIRECTREF.
const METHOD_MAX: usize = 24;

/// Methods that only HTTP has, so that a request line is known for HTTP before its end has come: the most common
/// ones. (OPTIONS, for one, is also a method of RTSP, SIP and ICAP.)
const HTTP_ONLY: [&[u8]; 6] = [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH"];

/// The IANA registry of HTTP methods without PRI (which is the preface of HTTP/2), then what is widely used without
/// being registered: UPnP and GENA, Exchange WebDAV, RPC over HTTP ([MS-RPCH]), SSTP, Icecast, and proxies.
const METHODS: &[&[u8]] = &[
    b"ACL",
    b"BASELINE-CONTROL",
    b"BIND",
    b"CHECKIN",
    b"CHECKOUT",
    b"CONNECT",
    b"COPY",
    b"DELETE",
    b"GET",
    b"HEAD",
    b"LABEL",
    b"LINK",
    b"LOCK",
    b"MERGE",
    b"MKACTIVITY",
    b"MKCALENDAR",
    b"MKCOL",
    b"MKREDIRECTREF",
    b"MKWORKSPACE",
    b"MOVE",
    b"OPTIONS",
    b"ORDERPATCH",
    b"PATCH",
    b"POST",
    b"PROPFIND",
    b"PROPPATCH",
    b"PUT",
    b"QUERY",
    b"REBIND",
    b"REPORT",
    b"SEARCH",
    b"TRACE",
    b"UNBIND",
    b"UNCHECKOUT",
    b"UNLINK",
    b"UNLOCK",
    b"UPDATE",
    b"UPDATEREDIRECTREF",
    b"VERSION-CONTROL",
    // Not registered.
    b"BCOPY",
    b"BDELETE",
    b"BMOVE",
    b"BPROPFIND",
    b"BPROPPATCH",
    b"CCM_POST",
    b"DEBUG",
    b"M-POST",
    b"M-SEARCH",
    b"NOTIFY",
    b"POLL",
    b"PURGE",
    b"RPC_IN_DATA",
    b"RPC_OUT_DATA",
    b"SOURCE",
    b"SSTP_DUPLEX_POST",
    b"SUBSCRIBE",
    b"TRACK",
    b"UNSUBSCRIBE",
];

/// Major and minor version: "HTTP/1.1" is (1, 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// 0 or 1.
    pub(super) major: u8,
    /// 0 to 9.
    pub(super) minor: u8,
}

impl Version {
    /// Reads "HTTP/1.1"; what is not HTTP/0.x or HTTP/1.x is none.
    pub(super) fn read(token: &[u8]) -> Option<Self> {
        let [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'1', b'.', minor @ b'0'..=b'9'] = *token else {
            return None;
        };
        Some(Self { major: major - b'0', minor: minor - b'0' })
    }

    /// As it stands on the wire.
    pub(super) const fn text(self) -> [u8; 8] {
        [b'H', b'T', b'T', b'P', b'/', b'0' + self.major, b'.', b'0' + self.minor]
    }

    /// Whether persistent connections and the Host field are the rule (RFC 9112, 3.2 and 9.3).
    pub(super) const fn is_at_least_1_1(self) -> bool {
        self.major == 1 && self.minor >= 1
    }
}

/// The parts of a request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestLine<'a> {
    /// Method, a token.
    pub(super) method: &'a [u8],
    /// Target, never empty.
    pub(super) target: &'a [u8],
    /// Version.
    pub(super) version: Version,
}

/// Reads a request line without its line end. Blanks around the target may be several, and the target may hold
/// blanks, as servers in the field accept them; a line without a version (HTTP/0.9) is none.
pub(super) fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let line = without_cr(line);
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'))?;
    let line = line.get(..=end)?;
    let (method, rest) = line.split_at_checked(memchr(b' ', line)?)?;
    if !is_method(method) || method == b"PRI" || has_controls(rest) {
        return None;
    }
    let (target, version) = rest.split_at_checked(memrchr(b' ', rest)?)?;
    let version = Version::read(version.strip_prefix(b" ")?)?;
    let target = trim_blanks(target);
    if target.is_empty() {
        return None;
    }
    Some(RequestLine { method, target, version })
}

/// The parts of a status line; the reason phrase is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusLine {
    /// Version.
    pub(super) version: Version,
    /// Status code, 100 to 999.
    pub(super) status: u16,
}

/// Reads a status line without its line end. The reason phrase and the blank before it may be missing.
pub(super) fn status_line(line: &[u8]) -> Option<StatusLine> {
    let (version, rest) = line.split_at_checked(8)?;
    let version = Version::read(version)?;
    let rest = rest.strip_prefix(b" ")?;
    let ([a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'], reason) = rest.split_first_chunk()? else {
        return None;
    };
    if !matches!(reason.first(), None | Some(b' ' | b'\t' | b'\r')) {
        return None;
    }
    let digit = |byte: &u8| u16::from(byte - b'0');
    Some(StatusLine { version, status: 100 * digit(a) + 10 * digit(b) + digit(c) })
}

/// What the start of a message looks like before its first line has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beginning {
    /// Not HTTP/1.
    Other,
    /// It may be.
    Open,
    /// A method that only HTTP has, a blank, and a target that looks like one.
    Request,
}

/// Looks at the start of a line whose end is not there. `bytes` may be empty.
pub(super) fn beginning(bytes: &[u8]) -> Beginning {
    if bytes.starts_with(b"HTTP/") || b"HTTP/".starts_with(bytes) {
        return status_beginning(bytes);
    }
    let Some(at) = memchr(b' ', bytes.get(..=METHOD_MAX).unwrap_or(bytes)) else {
        let open = bytes.len() <= METHOD_MAX && bytes.iter().all(|byte| is_method_byte(*byte));
        return if open { Beginning::Open } else { Beginning::Other };
    };
    let (method, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    if !is_method(method) || method == b"PRI" || has_controls(without_cr(rest)) {
        return Beginning::Other;
    }
    let target = trim_blanks(rest);
    if HTTP_ONLY.contains(&method) && (target.starts_with(b"/") || target.starts_with(b"http")) {
        return Beginning::Request;
    }
    Beginning::Open
}

fn status_beginning(bytes: &[u8]) -> Beginning {
    const SHAPE: &[u8; 12] = b"HTTP/d.d ddd";
    let fits = bytes.iter().zip(SHAPE).all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let version = bytes.get(5).is_none_or(|major| matches!(major, b'0' | b'1'));
    if fits && version { Beginning::Open } else { Beginning::Other }
}

/// Whether `method` is registered or in wide use.
pub(super) fn is_known_method(method: &[u8]) -> bool {
    METHODS.contains(&method)
}

/// Upper-case letters, `-` and `_`: narrower than a token (RFC 9110, 5.6.2), so that text is not taken for requests.
fn is_method(bytes: &[u8]) -> bool {
    (3..=METHOD_MAX).contains(&bytes.len()) && bytes.iter().all(|byte| is_method_byte(*byte))
}

const fn is_method_byte(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'-' | b'_')
}

/// Without the `\r` of the line end.
pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Without blanks (RFC 9110, 5.6.3) at both ends.
pub(super) fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn has_controls(bytes: &[u8]) -> bool {
    // Without branches, so that many are looked at at once.
    let found =
        |run: &[u8]| run.iter().fold(false, |found, byte| found | ((*byte < 0x20) & (*byte != b'\t')));
    let (runs, rest) = bytes.as_chunks::<16>();
    runs.iter().any(|run| found(run)) || found(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_of_a_target_are_read() {
        for (line, method, target) in [
            ("GET /where?q=now HTTP/1.1\r", "GET", "/where?q=now"),
            (
                "GET http://www.example.org/pub/WWW/TheProject.html HTTP/1.1\r",
                "GET",
                "http://www.example.org/pub/WWW/TheProject.html",
            ),
            ("CONNECT www.example.com:80 HTTP/1.1", "CONNECT", "www.example.com:80"),
            ("OPTIONS * HTTP/1.1\r", "OPTIONS", "*"),
        ] {
            let read = request_line(line.as_bytes()).unwrap();
            assert_eq!((read.method, read.target), (method.as_bytes(), target.as_bytes()));
            assert_eq!(&read.version.text(), b"HTTP/1.1");
        }
    }

    #[test]
    fn look_alikes_are_not_requests() {
        for line in [
            "OPTIONS rtsp://example.com/media.mp4 RTSP/1.0",
            "REGISTER sip:example.com SIP/2.0",
            "REQMOD icap://icap.example.net/server ICAP/1.0",
            "PRI * HTTP/2.0",
            "GNUTELLA CONNECT/0.6",
            "GET /index.html",
            "get / HTTP/1.1",
            "GET  HTTP/1.1",
            "HTTP/1.1 200 OK",
            "",
        ] {
            assert_eq!(request_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn blanks_in_and_around_the_target_are_borne() {
        let read = request_line(b"GET  /a b  HTTP/1.0 \r").unwrap();
        assert_eq!(read.target, b"/a b");
    }

    #[test]
    fn status_lines_need_a_version_and_three_digits() {
        assert_eq!(status_line(b"HTTP/1.1 404 Not Found\r").unwrap().status, 404);
        assert_eq!(status_line(b"HTTP/1.0 200").unwrap().status, 200);
        for line in
            ["HTTP/2 200", "HTTP/1.1 20", "HTTP/1.1 2000", "HTTP/1.1", "HTTP/1.1200 OK", "RTSP/1.0 200 OK"]
        {
            assert_eq!(status_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn every_prefix_of_a_start_line_is_open() {
        for line in ["GET /a HTTP/1.1", "VERSION-CONTROL /a HTTP/1.1", "HTTP/1.1 200 OK"] {
            for end in 0..line.len() {
                assert_ne!(beginning(&line.as_bytes()[..end]), Beginning::Other, "{line} to {end}");
            }
        }
        for other in ["SSH-2.0-x", "HTTP/2 ", "PRI * ", "GET /\0", "220 ftp ready", "EHLO example.org\r\n"] {
            assert_eq!(beginning(other.as_bytes()), Beginning::Other, "{other}");
        }
    }
}
