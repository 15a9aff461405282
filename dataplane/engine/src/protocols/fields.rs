//! Messages of text: a first line, fields, an empty line, and a body; as SIP, RTSP and MGCP have them after RFC 822.

use memchr::memchr;

/// Bytes up to the end of the empty line behind the fields; none where it is not there.
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', bytes.get(at..)?) {
        let line = bytes.get(at..at + end)?;
        at += end + 1;
        if matches!(line, b"" | b"\r") {
            return Some(at);
        }
    }
    None
}

/// The lines of a text, without their ends.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The fields of a message, first line left out: name and value. Lines that go on with the one before are left out.
pub(super) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(head).skip(1).take_while(|line| !line.is_empty()).filter_map(|line| {
        let colon = memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let is_name = name.iter().all(u8::is_ascii_graphic);
        (is_name && !name.is_empty()).then(|| (name, value.get(1..).unwrap_or_default().trim_ascii()))
    })
}

/// Value of the first field of one of these names; the case of letters does not count.
pub(super) fn field<'a>(head: &'a [u8], names: &[&str]) -> Option<&'a [u8]> {
    let is_wanted = |name: &[u8]| names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()));
    fields(head).find(|(name, _)| is_wanted(name)).map(|(_, value)| value)
}

/// A number of decimal digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter()
        .try_fold(0_u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

/// The three words of a first line.
pub(super) fn first_line(head: &[u8]) -> Option<[&[u8]; 3]> {
    let line = lines(head).next()?;
    let mut words = line.splitn(3, |byte| *byte == b' ');
    Some([words.next()?, words.next()?, words.next().unwrap_or_default()])
}

/// How credentials were sent (RFC 9110, 11.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    /// Name of the scheme.
    pub(super) kind: &'static str,
    /// Whose they are, where that stands in clear.
    pub(super) user: Vec<u8>,
    /// The password can be read.
    pub(super) is_clear: bool,
}

impl Credentials {
    /// Reads the value of an Authorization field. What is secret in it is not kept.
    pub(super) fn read(value: &[u8]) -> Self {
        let end = memchr(b' ', value).unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(end).unwrap_or((value, &[]));
        let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
        let (kind, is_clear) = match () {
            () if is(b"basic") => ("basic", true),
            () if is(b"digest") => ("digest", false),
            () if is(b"bearer") => ("bearer", true),
            () if is(b"ntlm") => ("ntlm", false),
            () => ("other", false),
        };
        let user = if kind == "digest" { parameter(rest, "username").unwrap_or_default() } else { &[] };
        Self { kind, user: user.get(..128).unwrap_or(user).to_vec(), is_clear }
    }

    /// Writes kind and user.
    pub(super) fn write(&self, event: &mut crate::record::EventWriter<'_>) {
        event.object("credentials").label("kind", self.kind);
        if !self.user.is_empty() {
            event.text("user", &self.user);
        }
        event.flag("password_in_clear", self.is_clear).close();
    }
}

/// Value of a parameter of a list, without quotes.
pub(super) fn parameter<'a>(list: &'a [u8], name: &str) -> Option<&'a [u8]> {
    list.split(|byte| matches!(byte, b',' | b';')).find_map(|item| {
        let item = item.trim_ascii();
        let equals = memchr(b'=', item)?;
        let (found, value) = item.split_at_checked(equals)?;
        if !found.eq_ignore_ascii_case(name.as_bytes()) {
            return None;
        }
        let value = value.get(1..)?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
}

/// An address with the password in it masked (RFC 3986, 3.2.1), and whether there was one.
pub(super) fn without_password(address: &[u8], most: usize) -> (Vec<u8>, bool) {
    let cut = |text: &[u8]| text.get(..most).unwrap_or(text).to_vec();
    let Some(start) = memchr::memmem::find(address, b"://").map(|at| at + 3) else {
        return (cut(address), false);
    };
    let rest = address.get(start..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let Some(at) = memchr::memrchr(b'@', authority) else { return (cut(address), false) };
    let user = authority.get(..at).unwrap_or_default();
    let mut masked = address.get(..start).unwrap_or_default().to_vec();
    masked.extend_from_slice(b"***");
    masked.extend_from_slice(rest.get(at..).unwrap_or_default());
    (cut(&masked), memchr(b':', user).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"OPTIONS * X/1\r\nCall-ID: a@b\r\n folded: no\r\nl: 12\r\n\r\nbody: x";

    #[test]
    fn heads_end_with_an_empty_line_and_fields_have_names() {
        assert_eq!(head_len(HEAD), Some(HEAD.len() - 7));
        assert_eq!(head_len(b"a\r\nb: c\r\n"), None);
        assert_eq!(field(HEAD, &["content-length", "L"]).and_then(number), Some(12));
        assert_eq!(field(HEAD, &["call-id"]), Some(&b"a@b"[..]));
        assert_eq!(field(HEAD, &["body"]), None);
        assert_eq!(first_line(HEAD), Some([&b"OPTIONS"[..], b"*", b"X/1"]));
        assert_eq!(number(b"99999999999999999999"), None);
    }

    #[test]
    fn secrets_are_not_kept() {
        let basic = Credentials::read(b"Basic dXNlcjpwYXNz");
        assert_eq!((basic.kind, basic.user.len(), basic.is_clear), ("basic", 0, true));
        let digest = Credentials::read(b"Digest realm=\"x\", username=\"bob\", response=\"123\"");
        assert_eq!((digest.kind, digest.user.as_slice(), digest.is_clear), ("digest", &b"bob"[..], false));
        let (masked, has_password) = without_password(b"rtsp://bob:pa@ss@192.0.2.1:554/a@b", 100);
        assert_eq!((masked.as_slice(), has_password), (&b"rtsp://***@192.0.2.1:554/a@b"[..], true));
        assert_eq!(without_password(b"rtsp://192.0.2.1/a@b", 100), (b"rtsp://192.0.2.1/a@b".to_vec(), false));
    }
}
